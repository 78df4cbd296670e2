/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * Messages on stderr in addition to the final error message of a program: warnings, and with
 * MDEVCTL_LOG=debug, debug messages. Each message is one line and is written immediately.
 */

/* Whether to use colours on fd: on a terminal that has them, without NO_COLOR (no-color.org). */
bool log_colours(int fd);

/* The final "Error: ..." of a program. Not called by the library. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Hints for users, shown if stderr is a terminal, and otherwise only with MDEVCTL_LOG=info. */
void log_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints stderr output of a callout script, which ends with a newline. It is always shown, but
 * control characters are replaced. */
void log_script(const char *text);
