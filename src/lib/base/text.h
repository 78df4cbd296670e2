/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Text that may reach a terminal. What files, sysfs, process names, scripts and the kernel's log
 * say may come from somebody who wants root's terminal to obey an escape sequence, so names with
 * control characters are refused where they come in (text_printable()), and all other text passes
 * text_clean() before it goes out. JSON escapes them by itself.
 */

/* Whether text is UTF-8 without NUL, as JSON has to be. */
bool text_is_utf8(const char *text, size_t len);

/* Whether text is UTF-8 without control characters. */
bool text_printable(const char *text);

/* Replaces each control character but newline and tab, and each byte that is not UTF-8, by "?". */
void text_clean(char *text);
