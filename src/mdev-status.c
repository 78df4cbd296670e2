/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "view/reason.h"
#include "view/snapshot.h"
#include "ui/cli.h"
#include "ui/status.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	_cleanup_snapshot_ struct snapshot state = { 0 };
	bool json = cli->given & CLI_JSON, check = cli->given & CLI_CHECK;
	struct status_view view = { .filter = { cli_value(cli, CLI_UUID),
						cli_value(cli, CLI_PARENT) },
				    .all = cli->given & CLI_ALL,
				    .headings = !(cli->given & CLI_NOHEADINGS),
				    .wrong = check };
	if (cli->given & (CLI_UUID | CLI_PARENT) &&
	    !check) /* which has the same options, and reads the logs */
		return error_set(err, STATUS_FAILED, "Unable to run mdev-show: %s",
				 error_words(spawn_become("mdev-show", cli->argv)));
	unsigned parts = !check ? SNAPSHOT_REPORT : json ? SNAPSHOT_NODES : 0;
	snapshot_read(env, &view.filter, parts, &state);
	if (snapshot_require(env, &state, &view.filter, err) < 0)
		return -1;
	if (json)
		status_print_json(&state, &view);
	else if (check)
		status_print_wrong(&state);
	else if (status_print(&state, &view, err) < 0)
		return -1;
	if (!check && state.n_parents == 0 && state.vfs.n == 0) {
		_cleanup_free_ char *why = reason_no_types(env, NULL);
		log_hint("%s", why);
	}
	return snapshot_verdict(&state, check, err);
}

const struct cli_spec program = {
	.command = "status",
	.summary = "Show the state of parents and mediated devices.",
	.usage = { "[OPTIONS]" },
	.uses = {
		{ CLI_UUID, "Show only this device" },
		{ CLI_PARENT, "Show only this parent, or all parents on this card" },
		{ CLI_ALL, "Also show types and parents without devices" },
		{ CLI_JSON, "Print JSON" },
		{ CLI_CHECK, "Print only problems; exit status 10 if there are any" },
		{ CLI_NOHEADINGS, "Do not print column headings" },
	},
	.run = run,
};
