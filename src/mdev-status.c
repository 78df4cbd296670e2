/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "view/absent.h"
#include "ui/cli.h"
#include "ui/status.h"
#include "ui/tree.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	_cleanup_status_ struct status_report report = { 0 };

	if (cli->given & (CLI_UUID | CLI_PARENT) &&
	    !(cli->given & CLI_CHECK)) /* which has the same options, and reads the logs */
		return error_set(err, STATUS_FAILED, "Unable to run mdev-show: %s",
				 error_words(spawn_become("mdev-show", cli->argv)));
	if (status_read(cli, env, &report, err) < 0)
		return -1;
	if (cli->given & CLI_JSON)
		status_print_json(&report, NULL);
	else if (report.wrong)
		status_print_wrong(&report);
	else if (tree_print(&report, err) < 0)
		return -1;
	if (!report.wrong && report.state.n_parents == 0 && report.vfs.n == 0) {
		_cleanup_free_ char *why = absent_all(env);
		log_hint("%s", why);
	}
	return status_result(&report, err);
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
