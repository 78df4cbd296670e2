/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What people are told on stderr besides the one error that ends a program: warnings, and with
 * MDEVCTL_LOG=debug what is being done. Each call is one line, written at once.
 */

enum log_level {
	LOG_LEVEL_OFF,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* The final "Error: ..." of a program. Not called by the library. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What might help people who look at a terminal; programs that read stderr get it only with
 * MDEVCTL_LOG=info. */
void log_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What a callout script wrote to its stderr, as "name: text"; always shown, but for control
 * characters. */
void log_script(const char *name, const char *text);
