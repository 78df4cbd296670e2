/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "apply/apply.h"
#include "ui/cli.h"
#include "ui/out.h"
#include "ui/print.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	struct op op = cli_op(cli, env);
	_cleanup_apply_ struct apply apply = { 0 };
	const struct plan_change *change;
	bool json = cli->given & CLI_JSON;

	int r = apply_open(&op, cli->operand, cli->given & CLI_PRUNE, cli->given & CLI_DRY_RUN,
			   cli->wait, &apply, err);
	while (r == 0 && (change = apply_next(&apply))) {
		if (!json && change->error.status == STATUS_OK)
			print_change(change);
		print_progress(&apply);
	}
	if (r == 0)
		r = apply_result(&apply, err);
	if (json)
		print_apply_json(&apply, err);
	return r;
}

const struct cli_spec program = {
	.command = "apply",
	.summary = "Make the mediated devices of this host match a description.",
	.usage = { "[OPTIONS] FILE" },
	.operand = "FILE",
	.uses = {
		{ CLI_DRY_RUN, "Print the changes without making them" },
		{ CLI_PRUNE, "Remove sets that are not in the file" },
		{ CLI_JSON, "Print a JSON object" },
		{ CLI_WAIT, "Wait until devices are no longer in use (default: 30 s)" },
	},
	.run = run,
};
