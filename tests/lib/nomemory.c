/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lets a program have memory $NOMEMORY times, and then never again (LD_PRELOAD). Only the programs
 * of this project: scripts that they run have all they want.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own names of these functions: dlsym() may allocate itself. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool is_refused(void)
{
	static bool known, limited;
	static unsigned long left;

	if (!known) {
		const char *text = getenv("NOMEMORY");

		known = true;
		limited = text && strncmp(program_invocation_short_name, "mdev", 4) == 0;
		left = limited ? strtoul(text, NULL, 10) : 0;
	}
	if (!limited || left > 0) {
		left -= limited;
		return false;
	}
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return is_refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return is_refused() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return is_refused() ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
	size_t total;

	return __builtin_mul_overflow(n, size, &total) ? NULL : realloc(old, total);
}
