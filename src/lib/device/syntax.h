/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * Whether a text is JSON (RFC 8259), and where it is not: people write definitions by hand, and a
 * parser's "unexpected text" is far from a comma too many. Stricter than cJSON, which accepts
 * numbers such as "01"; as strict as mdevctl, which must be able to read what is written.
 */

struct syntax_error {
	const char *at;	  /* in the text: the mistake itself */
	const char *what; /* static, e.g. "trailing comma" */
};

/* Checks a text that is UTF-8 without NUL. Returns whether it is JSON; otherwise ret is filled. */
bool syntax_check(const char *text, struct syntax_error *ret);

/* Returns the message about the error, for a text with this name: its kind, line and column, and
 * below it the line with a mark, as compilers do. Owned by the caller. */
char *syntax_message(const char *text, const struct syntax_error *error, const char *where);
