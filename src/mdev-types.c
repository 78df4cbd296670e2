/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "base/mem.h"
#include "set/types.h"
#include "ui/cli.h"
#include "ui/print.h"
#include "view/reason.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	_cleanup_types_ struct mdev_type_list list = { 0 };

	(void)err; /* unreadable entries are skipped with a warning */
	types_find(env, cli_value(cli, CLI_PARENT), &list);
	if (cli->given & CLI_DUMPJSON)
		print_types_json(&list);
	else
		print_types(&list);
	if (list.n == 0) {
		_cleanup_free_ char *why = reason_no_types(env, cli_value(cli, CLI_PARENT));
		log_hint("%s", why);
	}
	return 0;
}

const struct cli_spec program = {
	.command = "types",
	.summary = "List the types of mediated devices that parents support.",
	.usage = { "[OPTIONS]" },
	.uses = {
		{ CLI_PARENT, "List only the types of this parent" },
		{ CLI_DUMPJSON, "Print JSON" },
	},
	.run = run,
};
