/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/op.h"
#include "ui/cli.h"

static const struct cli_use uses[] = {
	{ CLI_UUID, "UUID of the device" },
	{ CLI_FORCE, "Go on though a callout script refuses" },
	{ CLI_ENSURE, "Succeed if the device does not run" },
	{ CLI_SETTLE, "Leave a device alone that udev is not done with" },
	{ CLI_WAIT, "Wait until nobody uses the device (default 30 s)" },
	{ 0 },
};

static const struct cli_rule rules[] = {
	{ CLI_ANY_OF, 0, CLI_UUID },
	{ 0 },
};

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	struct op op = cli_op(cli, env);

	return op_stop(&op, err);
}

static const struct cli_spec spec = {
	.command = "stop",
	.summary = "Stop a running mediated device.",
	.usage = { "--uuid=UUID [OPTIONS]" },
	.uses = uses,
	.rules = rules,
	.run = run,
};

int main(int argc, char *argv[])
{
	return cli_main(&spec, argc, argv);
}
