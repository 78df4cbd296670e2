/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/cli.h"
#include "lib/op.h"

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

static const struct cli_spec spec = {
	.command = "stop",
	.summary = "Stop a running mediated device.",
	.usage = { "--uuid=UUID [OPTIONS]" },
	.uses = uses,
	.rules = rules,
};

int main(int argc, char *argv[])
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_env_ struct env env = { .root = -1 };
	struct cli cli;

	cli_parse(&spec, argc, argv, &cli);
	struct op op = cli_op(&cli, &env);
	if (env_open(&env, &err) < 0 || op_stop(&op, &err) < 0)
		return cli_fail(&err);
	return cli_done();
}
