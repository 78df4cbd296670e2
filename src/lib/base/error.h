/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Why something failed: one exit status and one complete sentence, filled where the failure is
 * detected and printed by main. A function that takes a `struct error *` as its last argument
 * returns 0 (or something useful) on success and -1 on failure, and leaves the error untouched on
 * success. Functions without one return 0 or -errno where their header says so.
 */

/* The exit statuses of every program; also in mdevctl(8), EXIT STATUS. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_FOUND = 3,	 /* no such device, definition, parent or type */
	STATUS_EXISTS = 4,	 /* already defined or already running */
	STATUS_NO_INSTANCES = 5, /* the type has no available instances */
	STATUS_IN_USE = 6,	 /* somebody holds the device open */
	STATUS_REFUSED = 7,	 /* a callout said no */
	STATUS_INVALID = 8,	 /* a definition or JSON that is not valid */
	STATUS_TIMED_OUT = 9,
};

struct error {
	enum status status;
	char *text; /* owned: a sentence without program name, period or newline */
};

/* Fills err, whatever it held before. Returns -1, so that callers can `return error_set(...)`. */
int error_set(struct error *err, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Appends to the sentence that err already holds; the status stays. */
void error_append(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What an errno means, and what to do if it is only that this is not root. Borrowed, until the next
 * call of this or strerror(). */
const char *error_words(int error);

/* Releases the text and makes err reusable. */
void error_clear(struct error *err);

#define _cleanup_error_ __attribute__((cleanup(error_clear)))
