/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Text, mostly such as is printed on a terminal. Text from files, sysfs, process names, scripts and
 * the kernel log may contain malicious escape sequences. Names with control characters are
 * therefore rejected on input (text_printable()), and all other text is passed through text_clean()
 * when it is printed (base/log, ui/out, ui/tree). JSON output makes any text valid itself.
 */

/* Appends words to *list (owned; NULL = empty), after the separator unless they are the first. */
void text_append(char **list, const char *separator, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Reads a decimal number of at most max: the whole text is digits. Returns whether it is one. */
bool text_number(const char *text, unsigned max, unsigned *ret);
/* Likewise, of the digits at the start of *text, which is then what follows them. */
bool text_take_number(const char **text, unsigned max, unsigned *ret);

/* Returns what follows the last slash of a path, or all of it. */
const char *text_base_name(const char *path);

/* Returns the length of a valid UTF-8 character (RFC 3629) from p to before end, or 0. */
size_t text_utf8_length(const unsigned char *p, const unsigned char *end);

/* Whether text is valid UTF-8 without NULs, as required for JSON. */
bool text_is_utf8(const char *text, size_t len);

/* Whether text is valid UTF-8 without control characters. */
bool text_printable(const char *text);

/* Replaces control characters except newline and tab, and bytes that are not UTF-8, with "?". */
void text_clean(char *text);
