/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lets a program have no more than $NOMEMORY bytes at a time (LD_PRELOAD). Only the programs of
 * this project: scripts that they run have all they want.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc's own names of these functions: dlsym() may allocate itself. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *memory);

static size_t used;

static bool is_refused(size_t size)
{
	static size_t limit;

	if (limit == 0) {
		const char *text = getenv("NOMEMORY");
		limit = text && strncmp(program_invocation_short_name, "mdev", 4) == 0
				? strtoul(text, NULL, 10)
				: SIZE_MAX;
	}
	if (used <= limit && size <= limit - used)
		return false;
	errno = ENOMEM;
	return true;
}

static void *count(void *memory)
{
	used += memory ? malloc_usable_size(memory) : 0;
	return memory;
}

void *malloc(size_t size)
{
	return is_refused(size) ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total) || is_refused(total))
		return NULL;
	return count(__libc_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
	size_t before = old ? malloc_usable_size(old) : 0;

	if (size > before && is_refused(size - before))
		return NULL;
	void *memory = __libc_realloc(old, size);
	if (memory || size == 0)
		used -= before;
	return count(memory);
}

void *reallocarray(void *old, size_t n, size_t size)
{
	size_t total;

	return __builtin_mul_overflow(n, size, &total) ? NULL : realloc(old, total);
}

void free(void *memory)
{
	used -= memory ? malloc_usable_size(memory) : 0;
	__libc_free(memory);
}
