/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Memory allocation that terminates the program on failure, and automatic release at the end of a
 * scope. The programs are short-lived and have no state to save when memory runs out, so callers do
 * not handle allocation failures. A start that ends in the middle is found by its mark (host/mark).
 */

/* Like realloc(), calloc(), strdup(), strndup(), vasprintf(), asprintf(), but never return NULL. */
void *mem_grow(void *old, size_t count, size_t size);
void *mem_zero(size_t count, size_t size);
char *mem_text(const char *text);
char *mem_text_n(const char *text, size_t n);
char *mem_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns an array that had n elements with room for one more. It grows to the next power of two,
 * so its capacity is not stored. */
void *mem_room(void *array, size_t n, size_t size);

/* Returns a copy of this text, the same one for equal texts, that remains valid until the program
 * ends: names that many objects share have no owner. This is for simplicity, not for speed: with
 * copies of their own, list takes 0.99 to 1.03 times as long at 10, 100 and 1,000 devices. */
const char *mem_intern(const char *text);

/* Like open_memstream(), but never returns NULL. The text is available after mem_stream_end(), for
 * which `text` is ret_text, and is owned by the caller. */
FILE *mem_stream(char **ret_text);
void mem_stream_end(FILE *stream, char *const *text);

/* Returns what a function of a library has allocated, if it is not NULL. */
void *mem_check(void *memory);

void mem_free(void *pointer_to_pointer);
/* Closes *fd unless it is negative, and sets it to -1. Preserves errno. */
void mem_close(int *fd);

#define _cleanup_free_ __attribute__((cleanup(mem_free)))
#define _cleanup_close_ __attribute__((cleanup(mem_close)))
