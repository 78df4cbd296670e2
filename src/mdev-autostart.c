/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/cli.h"
#include "lib/op.h"

static const struct cli_use uses[] = {
	{ 0 },
};

static const struct cli_spec spec = {
	.command = "autostart",
	.summary = "Start the devices of a parent that are defined as auto.",
	.usage = { "PARENT" },
	.operand = "PARENT",
	.uses = uses,
};

int main(int argc, char *argv[])
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_env_ struct env env = { .root = -1 };
	struct cli cli;

	cli_parse(&spec, argc, argv, &cli);
	struct op op = { .env = &env, .parent = cli.operand, .ensure = true };
	if (env_open(&env, &err) < 0)
		return cli_fail(&err);
	env_open_kmsg(&env);
	if (op_autostart(&op, &err) < 0)
		return cli_fail(&err);
	return cli_done();
}
