/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The reason for a failure: an exit status and one complete sentence, set where the failure is
 * detected and printed by main. A function that takes a `struct error *` as its last argument
 * returns 0 (or a documented value) on success and -1 on failure, and does not change the error on
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
	STATUS_IN_USE = 6,	 /* the device is in use, or may be */
	STATUS_REFUSED = 7,	 /* a callout refused the operation */
	STATUS_INVALID = 8,	 /* a definition or other JSON input is invalid */
	STATUS_TIMED_OUT = 9,
	STATUS_DIFFERS = 10, /* the host is not in the expected state */
};

/* Whether something is so, where that need not be known. */
enum answer {
	ANSWER_NO,
	ANSWER_YES,
	ANSWER_UNKNOWN, /* it cannot be read, or is not visible */
};

struct error {
	enum status status;
	char *text; /* owned: a sentence without program name, period or newline; NULL = the output
		       shows the reason */
};

/* Sets err, replacing an earlier error. Returns -1, for `return error_set(...)`. */
int error_set(struct error *err, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Appends to the text of err, if any. The status does not change. */
void error_append(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns a description of an errno value. If the operation failed for lack of privileges, the text
 * says so. The result is valid until the next call of this function or strerror(). */
const char *error_words(int error);

/* Returns " (must be root)", which follows a sentence, or "" if this process is root. */
const char *error_must_be_root(void);

/* Sets the error of what a termination signal has prevented. Returns -1. */
int error_interrupted(struct error *err);

/* Frees the text and resets err. */
void error_clear(struct error *err);

#define _cleanup_error_ __attribute__((cleanup(error_clear)))
