/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/op.h"
#include "ui/cli.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	return op_autostart(env, cli->operand, err);
}

const struct cli_spec program = {
	.command = "autostart",
	.summary = "Start all mediated devices of a parent that are defined as auto.",
	.usage = { "PARENT" },
	.operand = "PARENT",
	.run = run,
};
