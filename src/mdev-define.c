/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "lib/cli.h"
#include "lib/op.h"

static const struct cli_use uses[] = {
	{ CLI_UUID, "UUID of the device; made up and printed if not given" },
	{ CLI_PARENT, "Parent device; that of the running device if not given" },
	{ CLI_TYPE, "Type of the device; that of the running device if not given" },
	{ CLI_AUTO, "Start the device whenever its parent appears, not now" },
	{ CLI_JSONFILE, "Read type, start and attributes from a JSON file" },
	{ CLI_FORCE, "Go on though a callout script refuses" },
	{ 0 },
};

static const struct cli_rule rules[] = {
	{ CLI_ANY_OF, 0, CLI_UUID | CLI_PARENT },
	{ CLI_EXCLUDES, CLI_JSONFILE, CLI_TYPE | CLI_AUTO },
	{ 0 },
};

static const struct cli_spec spec = {
	.command = "define",
	.summary = "Define a mediated device, or make a running one persistent.",
	.usage = { "[--uuid=UUID] --parent=PARENT {--type=TYPE | --jsonfile=FILE} [OPTIONS]",
		   "--uuid=UUID [OPTIONS]   (a device that runs)" },
	.uses = uses,
	.rules = rules,
};

int main(int argc, char *argv[])
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_env_ struct env env = { .root = -1 };
	char uuid[UUID_SIZE];
	struct cli cli;

	cli_parse(&spec, argc, argv, &cli);
	struct op op = cli_op(&cli, &env);
	if (env_open(&env, &err) < 0 || op_define(&op, uuid, &err) < 0)
		return cli_fail(&err);
	if (!op.uuid) /* libvirt takes whatever is printed for the new UUID */
		puts(uuid);
	return cli_done();
}
