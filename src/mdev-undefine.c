/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/op.h"
#include "ui/cli.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	struct op op = cli_op(cli, env);

	return op_undefine(&op, err);
}

const struct cli_spec program = {
	.command = "undefine",
	.summary = "Remove definitions of mediated devices without stopping them.",
	.usage = { "--uuid=UUID [OPTIONS]", "--all [--parent=PARENT] [OPTIONS]" },
	.uses = {
		{ CLI_UUID, "UUID of the device" },
		{ CLI_ALL, "Remove all definitions" },
		{ CLI_PARENT, "Only under this parent; with --all, also of a card" },
		{ CLI_FORCE, "Proceed even if a callout script refuses" },
	},
	.rules = {
		{ CLI_ONE_OF, 0, CLI_UUID | CLI_ALL },
	},
	.run = run,
};
