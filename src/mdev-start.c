/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "lib/cli.h"
#include "lib/op.h"

static const struct cli_use uses[] = {
	{ CLI_UUID, "UUID of the device; made up and printed if not given" },
	{ CLI_PARENT, "Parent device" },
	{ CLI_TYPE, "Type of a device that is not defined" },
	{ CLI_JSONFILE, "Read type and attributes from a JSON file" },
	{ CLI_FORCE, "Go on though a callout script refuses" },
	{ CLI_ENSURE, "Succeed if the device already runs as asked" },
	{ CLI_WAIT, "Wait for parent, type and free instance (default 30 s)" },
	{ CLI_SETTLE, "Return only when udev is done with the device" },
	{ 0 },
};

static const struct cli_rule rules[] = {
	{ CLI_ANY_OF, 0, CLI_UUID | CLI_PARENT },
	{ CLI_EXCLUDES, CLI_JSONFILE, CLI_TYPE },
	{ 0 },
};

static const struct cli_spec spec = {
	.command = "start",
	.summary = "Start a mediated device: a defined one, or one of a type on a parent.",
	.usage = { "--uuid=UUID [OPTIONS]   (a defined device)",
		   "[--uuid=UUID] --parent=PARENT {--type=TYPE | --jsonfile=FILE} [OPTIONS]" },
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
	if (env_open(&env, &err) < 0)
		return cli_fail(&err);
	env_open_kmsg(&env);
	if (op_start(&op, uuid, &err) < 0)
		return cli_fail(&err);
	if (!op.uuid) /* libvirt takes whatever is printed for the new UUID */
		puts(uuid);
	return cli_done();
}
