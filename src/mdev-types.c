/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/cli.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/print.h"
#include "lib/types.h"

static const struct cli_use uses[] = {
	{ CLI_PARENT, "Only types of this parent" },
	{ CLI_DUMPJSON, "Print JSON" },
	{ 0 },
};

static const struct cli_spec spec = {
	.command = "types",
	.summary = "List the types of mediated devices that parents offer.",
	.usage = { "[OPTIONS]" },
	.uses = uses,
};

int main(int argc, char *argv[])
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_env_ struct env env = { .root = -1 };
	_cleanup_types_ struct mdev_type_list list = { 0 };
	struct cli cli;

	cli_parse(&spec, argc, argv, &cli);
	if (env_open(&env, &err) < 0)
		return cli_fail(&err);
	types_find(&env, cli_value(&cli, CLI_PARENT), &list);
	if (cli.given & CLI_DUMPJSON)
		print_types_json(&list);
	else
		print_types(&list);
	if (list.n == 0) {
		_cleanup_free_ char *why = types_explain(&env, cli_value(&cli, CLI_PARENT));
		log_hint("%s", why);
	}
	return cli_done();
}
