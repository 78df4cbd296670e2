/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "ui/out.h"

void out_print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
	text_clean(text);
	fputs(text, stdout);
}

struct json_writer out_json(void)
{
	return (struct json_writer){ .file = stdout, .pretty = true };
}

void out_json_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	if (text && *text)
		json_string(w, text);
	else
		json_null(w);
}

void out_json_number(struct json_writer *w, const char *key, bool known, unsigned number)
{
	json_key(w, key);
	if (known)
		json_number(w, number);
	else
		json_null(w);
}

void out_end_json(void)
{
	if (isatty(STDOUT_FILENO))
		fputc('\n', stdout);
}

void out_flush(void)
{
	fflush(stdout);
}

/* Whether standard output is a pipe or a socket that nobody reads any more. */
static bool is_reader_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP);
}

enum status out_done(void)
{
	/* A full disk is detected only here or when buffered text is written. */
	int error = fflush(stdout) != 0 ? errno : 0;

	if ((!error && !ferror(stdout)) || is_reader_gone())
		return STATUS_OK;
	/* The reason of an earlier failure is not known any more, but mostly it persists. */
	if (!error && write(STDOUT_FILENO, "\n", 1) < 0)
		error = errno;
	log_error("Failed to write to standard output%s%s", error ? ": " : "",
		  error ? strerror(error) : "");
	return STATUS_FAILED;
}
