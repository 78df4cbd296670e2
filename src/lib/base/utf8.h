/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Text that others wrote (drivers, processes, definitions) and that ends up in JSON, which has to
 * be UTF-8, and on terminals, which obey control characters.
 */

/* Whether text is UTF-8 without NUL, as JSON has to be. */
bool utf8_valid(const char *text, size_t len);

/* Whether text is UTF-8 without control characters: those of ASCII, and U+0080 to U+009F, which
 * terminals take for escape sequences, too (ECMA-48). */
bool utf8_printable(const char *text);

/* Replaces each byte of what is neither printable nor among the control characters in `kept` by
 * "?". */
void utf8_clean(char *text, const char *kept);
