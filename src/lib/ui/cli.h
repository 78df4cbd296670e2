/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

#include "base/error.h"
#include "device/mdev.h"
#include "op/op.h"

/*
 * The command line: a single table of all options, and for each program a description of the
 * options that it takes and their combinations. The grammar is that of mdevctl, which libvirt and
 * scripts rely on: options cannot be abbreviated or repeated, -uV, -u V, -u=V, --uuid V and
 * --uuid=V are equivalent, and --help takes effect as soon as it is parsed.
 */

enum {
	CLI_UUID = 1u << 0,
	CLI_PARENT = 1u << 1,
	CLI_TYPE = 1u << 2,
	CLI_AUTO = 1u << 3,
	CLI_MANUAL = 1u << 4,
	CLI_ADDATTR = 1u << 5,
	CLI_DELATTR = 1u << 6,
	CLI_INDEX = 1u << 7,
	CLI_VALUE = 1u << 8,
	CLI_LIVE = 1u << 9,
	CLI_DEFINED = 1u << 10,
	CLI_JSONFILE = 1u << 11,
	CLI_FORCE = 1u << 12,
	CLI_DUMPJSON = 1u << 13,
	CLI_VERBOSE = 1u << 14,
	CLI_ENSURE = 1u << 15,
	CLI_WAIT = 1u << 16,
	CLI_SETTLE = 1u << 17,
	CLI_DRY_RUN = 1u << 18,
	CLI_JSON = 1u << 19,
	CLI_VERSION = 1u << 20,
	CLI_HELP = 1u << 21,
	CLI_ALL = 1u << 22,
	CLI_CHECK = 1u << 23,
	CLI_NOHEADINGS = 1u << 24,
	CLI_START = 1u << 25,
	CLI_PRUNE = 1u << 26,
};
#define CLI_OPTIONS 27

struct cli_use {
	unsigned option;  /* one bit */
	const char *help; /* its description in --help */
};

enum cli_rule_kind {
	CLI_END,
	CLI_ANY_OF,   /* at least one of `others` */
	CLI_ONE_OF,   /* exactly one of `others`, or with `option`, at most one */
	CLI_NEEDS,    /* with `option`, at least one of `others` */
	CLI_EXCLUDES, /* with `option`, none of `others` */
};

struct cli_rule {
	enum cli_rule_kind kind;
	unsigned option;
	unsigned others;
};

struct cli;

struct cli_spec {
	const char *command;	   /* "define": the program is mdev-define, or mdevctl define */
	const char *summary;	   /* one sentence */
	const char *usage[3];	   /* for --help: one to three usage lines */
	const char *operand;	   /* "PARENT" or "FILE": a required operand; NULL = none */
	struct cli_use uses[16];   /* in the order of --help; an empty one ends the list */
	struct cli_rule rules[12]; /* the same */
	/* Runs the program, after the command line has been checked and env has been opened.
	 * Returns 0 or -1. */
	int (*run)(const struct cli *cli, struct env *env, struct error *err);
};

struct cli {
	unsigned given;			 /* bits of the options on the command line */
	const char *values[CLI_OPTIONS]; /* borrowed from argv; --uuid: from uuid */
	const char *operand;		 /* borrowed */
	char *const *argv;		 /* borrowed: the whole command line */
	char uuid[UUID_SIZE];		 /* of --uuid, canonical */
	unsigned index;
	unsigned wait; /* seconds */

	/* Of the parser. */
	const struct cli_spec *spec; /* borrowed */
	const char *name;	     /* borrowed: last component of argv[0] */
	char *const *rest;	     /* borrowed: the remaining arguments */
};

/* Each program defines this, and main() of ui/main.c runs it. */
extern const struct cli_spec program;

/* Parses the command line, opens env, runs the program, and prints errors. Returns the exit status.
 */
int cli_main(const struct cli_spec *spec, int argc, char *argv[]);

/* Parses and checks the command line. Exits for --help and --version (0) and for incorrect usage
 * (2). */
void cli_parse(const struct cli_spec *spec, int argc, char *argv[], struct cli *ret);

/* Returns the value of an option; NULL if it was not given. That of --uuid is canonical. */
const char *cli_value(const struct cli *cli, unsigned option);

/* For programs that make a device, whose result is r: prints its UUID, for example for libvirt,
 * unless it was given, and only then lets a termination signal that they have blocked end the
 * program. mask: the signals that were blocked before. Returns r. */
int cli_print_uuid(const struct cli *cli, const sigset_t *mask, const char *uuid, int r);

/* Converts the options that several programs take; the result borrows from cli and env. */
struct op cli_op(const struct cli *cli, const struct env *env);
