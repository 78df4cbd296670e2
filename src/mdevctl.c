/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The front-end. It knows the names of the commands, but not their options. `mdevctl define ...`
 * runs mdev-define from the directory of mdevctl itself, so that it works in a build tree, in a
 * DESTDIR and in /usr/sbin. Only list is linked in: libvirt runs it for every event of a device,
 * and an exec takes 670 us, which doubles its run time at 10 devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "ui/cli.h"
#include "ui/out.h"

static const struct command {
	const char *name;
	const char *program;
	const char *help; /* NULL = hidden */
} commands[] = {
	{ "define", "mdev-define", "Define a device, or make a running device persistent" },
	{ "undefine", "mdev-undefine", "Remove a definition" },
	{ "modify", "mdev-modify", "Modify a definition or a running device" },
	{ "start", "mdev-start", "Start a device" },
	{ "stop", "mdev-stop", "Stop a device" },
	{ "list", "mdev-list", "List running or defined devices" },
	{ "status", "mdev-status", "Show the state of parents and devices" },
	{ "types", "mdev-types", "List the types that parents support" },
	{ "apply", "mdev-apply", "Make the devices of this host match a description" },
	{ "start-parent-mdevs", "mdev-autostart", NULL },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *file)
{
	fputs("Usage: mdevctl COMMAND [OPTIONS]\n\n"
	      "Manage mediated devices.\n\nCommands:\n",
	      file);
	for (size_t i = 0; i < COMMANDS; i++)
		if (commands[i].help)
			fprintf(file, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("  version    Print the version\n"
	      "  help       Print the help of a command\n\nOptions:\n"
	      "  -h, --help     Print this help and exit\n"
	      "  -V, --version  Print the version and exit\n\n"
	      "See 'mdevctl COMMAND --help' for the options of a command, and mdevctl(8).\n",
	      file);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	struct suggestion suggestion = { .word = name };

	for (size_t i = 0; i < COMMANDS; i++)
		if (commands[i].help && *name != '-')
			suggest_try(&suggestion, commands[i].name);
	_cleanup_free_ char *question = suggest_question(&suggestion);
	log_error("Unknown command '%s'%s\nTry 'mdevctl --help' for more information.", name,
		  question);
	return STATUS_USAGE;
}

/* Sets argv[0] of the command to "mdevctl-define", which is used in --help and --version. */
static int run(const struct command *command, int argc, char *argv[])
{
	char path[PATH_MAX + NAME_MAX], name[NAME_MAX];

	snprintf(name, sizeof(name), "mdevctl-%s", command->name);
	argv[0] = name;
	if (strcmp(command->name, "list") == 0)
		return cli_main(&program, argc, argv);
	if (file_read_link(AT_FDCWD, "/proc/self/exe", path) < 0) /* there is no /proc */
		snprintf(path, sizeof(path), "%s", SBINDIR "/");
	snprintf(strrchr(path, '/') + 1, NAME_MAX, "%s", command->program);
	execv(path, argv);
	log_error("Unable to run %s: %s", path, error_words(errno));
	return STATUS_FAILED;
}

/* Prints the same as --help, and does not open the manual page: that would run a pager, which gives
 * a shell to users who may run only mdevctl as root. */
static int help(const char *name)
{
	char option[] = "--help", *argv[] = { NULL, option, NULL };
	const struct command *command = name ? find(name) : NULL;

	if (command)
		return run(command, 2, argv);
	if (name && strcmp(name, "help") != 0 && strcmp(name, "version") != 0)
		return unknown(name);
	print_help(stdout);
	return (int)out_done();
}

/* A link to this program whose name ends like this is the program of that name, as in mdevctl. */
static bool is_lsmdev(const char *path)
{
	size_t n = strlen(path), end = strlen("lsmdev");

	return n >= end && strcmp(path + n - end, "lsmdev") == 0;
}

int main(int argc, char *argv[])
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (argc > 0 && is_lsmdev(argv[0]))
		return cli_main(&program, argc, argv);
	if (!name) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return help(NULL);
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 ||
	    strcmp(name, "version") == 0) {
		puts("mdevctl " VERSION);
		return (int)out_done();
	}
	if (strcmp(name, "help") == 0)
		return help(argv[2]);
	const struct command *command = find(name);
	return command ? run(command, argc - 1, argv + 1) : unknown(name);
}
