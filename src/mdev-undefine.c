/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/cli.h"
#include "lib/op.h"

static const struct cli_use uses[] = {
	{ CLI_UUID, "UUID of the device" },
	{ CLI_PARENT, "Only its definition under this parent; all if not given" },
	{ CLI_FORCE, "Go on though a callout script refuses" },
	{ 0 },
};

static const struct cli_rule rules[] = {
	{ CLI_ANY_OF, 0, CLI_UUID },
	{ 0 },
};

static const struct cli_spec spec = {
	.command = "undefine",
	.summary = "Remove the definition of a mediated device; a running one goes on.",
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
	if (env_open(&env, &err) < 0 || op_undefine(&op, &err) < 0)
		return cli_fail(&err);
	return cli_done();
}
