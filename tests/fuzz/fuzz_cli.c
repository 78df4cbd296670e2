/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any command line is either rejected as incorrect usage, answered by --help or --version, or
 * accepted with all values checked. The first byte selects the options of the program; arguments
 * are NUL-terminated. Where cli.c would exit, a thread ends instead, which runs the cleanups, so
 * that many iterations do not leak memory.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ui/cli.h"
#include "ui/out.h"

__attribute__((noreturn)) static void leave(int status);
__attribute__((format(printf, 1, 2))) static void swallow(const char *format, ...);
__attribute__((format(printf, 1, 2))) static void hear(const char *format, ...);

/* The module itself, with exit() replaced. */
#define exit leave
#define out_print swallow
#define log_error hear
#include "ui/cli.c"
#undef exit
#undef out_print
#undef log_error

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS 64

#define OTHER_USES                                                                                 \
	{ CLI_UUID, "" }, { CLI_PARENT, "" }, { CLI_DEFINED, "" }, { CLI_DUMPJSON, "" },           \
		{ CLI_VERBOSE, "" }, { CLI_ENSURE, "" }, { CLI_WAIT, "" }, { CLI_SETTLE, "" },     \
		{ CLI_FORCE, "" },                                                                 \
	{                                                                                          \
		CLI_VERSION, ""                                                                    \
	}

static bool complained;

static void leave(int status)
{
	assert(status == (complained ? STATUS_USAGE : STATUS_OK));
	pthread_exit(NULL);
}

static void swallow(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
	(void)text;
}

static void hear(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
	assert(*text && strstr(text, " --help' for more information."));
	complained = true;
}

static const struct cli_spec specs[] = {
	{ .command = "modify",
	  .summary = "",
	  .uses = { { CLI_UUID, "" },
		    { CLI_PARENT, "" },
		    { CLI_TYPE, "" },
		    { CLI_AUTO, "" },
		    { CLI_MANUAL, "" },
		    { CLI_ADDATTR, "" },
		    { CLI_VALUE, "" },
		    { CLI_INDEX, "" },
		    { CLI_DELATTR, "" },
		    { CLI_JSONFILE, "" },
		    { CLI_LIVE, "" } },
	  .rules = { { CLI_ANY_OF, 0, CLI_UUID },
		     { CLI_ONE_OF, 0,
		       CLI_AUTO | CLI_MANUAL | CLI_ADDATTR | CLI_DELATTR | CLI_JSONFILE },
		     { CLI_NEEDS, CLI_ADDATTR, CLI_VALUE },
		     { CLI_EXCLUDES, CLI_INDEX | CLI_VALUE,
		       CLI_AUTO | CLI_MANUAL | CLI_JSONFILE | CLI_LIVE } } },
	{ .command = "list", .summary = "", .uses = { OTHER_USES } },
	{ .command = "autostart", .summary = "", .operand = "PARENT", .uses = { OTHER_USES } },
};

struct line {
	const struct cli_spec *spec;
	int argc;
	char *argv[WORDS + 1];
};

static void *parse(void *argument)
{
	struct line *line = argument;
	const struct cli_spec *spec = line->spec;
	struct cli cli;

	cli_parse(spec, line->argc, line->argv, &cli);
	assert(!complained && !(cli.given & (CLI_HELP | CLI_VERSION)));
	const char *uuid = cli_value(&cli, CLI_UUID), *parent = cli_value(&cli, CLI_PARENT),
		   *type = cli_value(&cli, CLI_TYPE), *attr = cli_value(&cli, CLI_ADDATTR);
	assert(!uuid || uuid_is_canonical(uuid));
	assert(!parent || name_valid(parent));
	assert(!type || name_valid(type));
	assert(!attr || (attr_name_valid(attr) && cli_value(&cli, CLI_VALUE)));
	assert(!spec->operand || name_valid(cli.operand));
	assert(!spec->rules[0].kind || uuid);
	for (unsigned i = 0; i < CLI_OPTIONS; i++)
		assert(!(cli.given & 1u << i) || is_used(spec, 1u << i));
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line line = { .spec = &specs[size > 0 ? data[0] % 3 : 0] };
	_cleanup_free_ char *text = mem_zero(size + 1, 1);
	pthread_t thread;

	if (size > 1)
		memcpy(text, data + 1, size - 1);
	for (char *p = text; p < text + size && line.argc < WORDS; p += strlen(p) + 1)
		line.argv[line.argc++] = p;
	complained = false;
	assert(pthread_create(&thread, NULL, parse, &line) == 0);
	pthread_join(thread, NULL);
	return 0;
}
