/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "device/json.h"

/*
 * Parses JSON (RFC 8259) and locates errors: users write definitions manually, and the error
 * messages of general parsers are often not precise enough. It is as strict as mdevctl, which must
 * be able to read the output. json.h has the functions that read the values.
 */

struct syntax_error {
	const char *at;	  /* position of the error in the text */
	const char *what; /* static, e.g. "trailing comma" */
};

/* Parses a NUL-terminated text, which must be UTF-8. Returns whether it is valid; otherwise, *error
 * is set. The caller frees *ret in both cases. */
bool syntax_parse(const char *text, size_t len, struct json_tree *ret, struct syntax_error *error);

/* Returns the error message for a text with this name: the kind of error, line and column, followed
 * by the line with a marker, like compilers do. Owned by the caller. */
char *syntax_message(const char *text, const struct syntax_error *error, const char *where);
