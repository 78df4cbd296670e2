/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

/* Sufficient for any change, whose largest parts are bounded by FILE_LIMIT. Pages that are not
 * touched cost nothing. */
#define RESERVE ((size_t)8 * 1024 * 1024)
static void *reserve;

void mem_reserve(void)
{
	if (!reserve)
		reserve = mem_grow(NULL, RESERVE, 1);
}

void mem_release(void)
{
	free(reserve);
	reserve = NULL;
}

/* Releases the reserve. Returns whether it is worth trying again. */
static bool spend_reserve(void)
{
	bool spent = reserve != NULL;

	mem_release();
	return spent;
}

static void *check(void *memory)
{
	if (!memory) {
		static const char text[] = "Error: Out of memory\n";
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1); /* errors cannot be reported */
		exit(STATUS_FAILED);
	}
	return memory;
}

void *mem_grow(void *old, size_t count, size_t size)
{
	void *memory = reallocarray(old, count, size);

	if (!memory && spend_reserve())
		memory = reallocarray(old, count, size);
	return check(memory);
}

void *mem_zero(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory && spend_reserve())
		memory = calloc(count, size);
	return check(memory);
}

char *mem_text(const char *text)
{
	return mem_text_n(text, strlen(text));
}

char *mem_text_n(const char *text, size_t n)
{
	size_t length = strnlen(text, n);
	char *copy = mem_grow(NULL, length + 1, 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

static int by_text(const void *left, const void *right)
{
	return strcmp(left, right);
}

const char *mem_intern(const char *text)
{
	static void *texts; /* owned: a tree of tsearch(3) */
	const char *const *found = tfind(text, &texts, by_text);

	if (found)
		return *found;
	const char *copy = mem_text(text);
	found = tsearch(copy, &texts, by_text);
	if (!found && spend_reserve())
		found = tsearch(copy, &texts, by_text);
	return *(const char *const *)check((void *)found);
}

char *mem_vprintf(const char *format, va_list args)
{
	va_list again;
	char *text;

	va_copy(again, args);
	int n = vasprintf(&text, format, args);
	if (n < 0 && spend_reserve())
		n = vasprintf(&text, format, again);
	va_end(again);
	return check(n < 0 ? NULL : text);
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = mem_vprintf(format, args);
	va_end(args);
	return text;
}

FILE *mem_stream(char **ret_text, size_t *ret_len)
{
	mem_release(); /* data that a stream cannot write would be lost */
	return check(open_memstream(ret_text, ret_len));
}

void mem_stream_end(FILE *stream)
{
	bool whole = !ferror(stream);

	if (fclose(stream) != 0 || !whole)
		check(NULL); /* the text is incomplete: out of memory */
}

void mem_free(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

void mem_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}
