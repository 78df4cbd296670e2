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

void *mem_check(void *memory)
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
	return mem_check(reallocarray(old, count, size));
}

void *mem_room(void *array, size_t n, size_t size)
{
	return (n & (n - 1)) == 0 ? mem_grow(array, n ? 2 * n : 1, size) : array;
}

void *mem_zero(size_t count, size_t size)
{
	return mem_check(calloc(count, size));
}

char *mem_text(const char *text)
{
	return mem_check(strdup(text));
}

char *mem_text_n(const char *text, size_t n)
{
	return mem_check(strndup(text, n));
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
	return *(const char *const *)mem_check((void *)found);
}

char *mem_vprintf(const char *format, va_list args)
{
	char *text;

	return mem_check(vasprintf(&text, format, args) < 0 ? NULL : text);
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = mem_vprintf(format, args);
	va_end(args);
	return text;
}

FILE *mem_stream(char **ret_text)
{
	static size_t len; /* nobody asks for it */

	return mem_check(open_memstream(ret_text, &len));
}

/* The text is NULL, without an error, if there is no memory to make it as long as it is (glibc). */
void mem_stream_end(FILE *stream, char *const *text)
{
	bool whole = !ferror(stream);

	mem_check(fclose(stream) == 0 && whole ? *text : NULL);
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
	*fd = -1;
	errno = saved;
}
