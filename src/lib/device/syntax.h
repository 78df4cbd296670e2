/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * Checks the syntax of JSON (RFC 8259) and locates errors: users write definitions manually, and
 * error messages of general parsers are often not precise enough. It is stricter than cJSON, which
 * accepts numbers such as "01", and as strict as mdevctl, which must be able to read the output.
 */

struct syntax_error {
	const char *at;	  /* position of the error in the text */
	const char *what; /* static, e.g. "trailing comma" */
};

/* Returns whether a text, UTF-8 without NULs, is valid; otherwise, ret is set. */
bool syntax_check(const char *text, struct syntax_error *ret);

/* Returns the error message for a text with this name: the kind of error, line and column, followed
 * by the line with a marker, like compilers do. Owned by the caller. */
char *syntax_message(const char *text, const struct syntax_error *error, const char *where);
