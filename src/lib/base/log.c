/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

enum level { LEVEL_OFF, LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* In mdevctl, MDEVCTL_LOG is a filter of env_logger: "debug", or "module=debug,...". There are no
 * modules here, so the highest level in the filter applies. */
static enum level level(void)
{
	static const char *const names[] = { "off", "error", "warn", "info", "debug", "trace" };
	const char *word = secure_getenv("MDEVCTL_LOG");
	int found = -1;

	for (; word && *word; word += strcspn(word, "=,"), word += *word != '\0')
		for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
			if (strcspn(word, "=,") == strlen(names[i]) &&
			    strncasecmp(word, names[i], strlen(names[i])) == 0 && i > found)
				found = i;
	return found < 0 ? LEVEL_WARNING : (enum level)found;
}

static bool refuses_colours(void)
{
	const char *no = getenv("NO_COLOR");

	return no && *no;
}

bool log_colours(int fd)
{
	const char *term = getenv("TERM");

	return !refuses_colours() && isatty(fd) && term && strcmp(term, "dumb") != 0;
}

static bool colours(void)
{
	const char *style = getenv("MDEVCTL_LOG_STYLE");

	if (style && strcmp(style, "always") == 0)
		return !refuses_colours();
	return !(style && strcmp(style, "never") == 0) && log_colours(STDERR_FILENO);
}

/* Writes each line with one write(), so that lines of concurrent programs are not mixed. If the
 * reader is gone (SIGPIPE), the program must still complete its work. */
static void put(const char *line)
{
	static const struct timespec at_once = { 0 };
	sigset_t pipe, old;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe, &old);
	if (write(STDERR_FILENO, line, strlen(line)) < 0 && errno == EPIPE)
		(void)sigtimedwait(&pipe, NULL, &at_once); /* fails if SIGPIPE is ignored */
	sigprocmask(SIG_SETMASK, &old, NULL);
}

__attribute__((format(printf, 3, 0))) static void print(const char *colour, const char *prefix,
							const char *format, va_list args)
{
	_cleanup_free_ char *text = mem_vprintf(format, args);
	text_clean(text); /* it quotes what others wrote */
	_cleanup_free_ char *line = colours()
					    ? mem_printf("%s%s:\033[0m %s\n", colour, prefix, text)
					    : mem_printf("%s: %s\n", prefix, text);

	put(line);
}

#define LOG_FUNCTION(name, minimum, colour, prefix)                                                \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		if (level() < (minimum))                                                           \
			return;                                                                    \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		print((colour), (prefix), format, args);                                           \
		va_end(args);                                                                      \
	}

LOG_FUNCTION(log_error, LEVEL_OFF, "\033[1;31m", "Error")
LOG_FUNCTION(log_warning, LEVEL_WARNING, "\033[1;33m", "Warning")
/* On a terminal, hints are shown unless warnings are disabled. */
LOG_FUNCTION(log_hint, isatty(STDERR_FILENO) ? LEVEL_WARNING : LEVEL_INFO, "\033[1m", "Hint")
LOG_FUNCTION(log_debug, LEVEL_DEBUG, "\033[2m", "Debug")

void log_script(const char *text)
{
	_cleanup_free_ char *line = mem_text(text);

	text_clean(line);
	put(line);
}
