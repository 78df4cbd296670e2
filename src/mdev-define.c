/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/op.h"
#include "ui/cli.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	struct op op = cli_op(cli, env);
	char uuid[UUID_SIZE];
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	int r = op_define(&op, cli->given & CLI_AUTO, cli->given & CLI_START, uuid, err);
	return cli_print_uuid(cli, &mask, uuid, r);
}

const struct cli_spec program = {
	.command = "define",
	.summary = "Define a mediated device, or make a running device persistent.",
	.usage = { "[--uuid=UUID] --parent=PARENT {--type=TYPE | --jsonfile=FILE} [OPTIONS]",
		   "--uuid=UUID [OPTIONS]   (running device)" },
	.uses = {
		{ CLI_UUID, "Device UUID (generated and printed if omitted)" },
		{ CLI_PARENT, "Parent device (default: that of the running device)" },
		{ CLI_TYPE, "Device type (default: that of the running device)" },
		{ CLI_AUTO, "Start the device whenever its parent appears" },
		{ CLI_JSONFILE, "Read type, start mode and attributes from a file" },
		{ CLI_START, "Start the device now; undefine it again on failure" },
		{ CLI_FORCE, "Proceed even if a callout script refuses" },
	},
	.rules = {
		{ CLI_ANY_OF, 0, CLI_UUID | CLI_PARENT },
		{ CLI_EXCLUDES, CLI_JSONFILE, CLI_TYPE | CLI_AUTO },
	},
	.run = run,
};
