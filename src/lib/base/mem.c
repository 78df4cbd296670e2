/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

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
	return check(reallocarray(old, count, size));
}

void *mem_zero(size_t count, size_t size)
{
	return check(calloc(count, size));
}

char *mem_text(const char *text)
{
	return check(strdup(text));
}

char *mem_text_n(const char *text, size_t n)
{
	return check(strndup(text, n));
}

char *mem_vprintf(const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	return check(text);
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
