/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What mdev-status prints about one device or one parent, with what the logs say. It is a program
 * of its own, which mdev-status runs, because loading libsystemd takes longer than all that the
 * other forms of status do.
 */
#include "ui/block.h"
#include "ui/cli.h"
#include "ui/status.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	_cleanup_status_ struct status_report report = { 0 };

	if (status_read(cli, env, &report, err) < 0)
		return -1;
	if (cli->given & CLI_JSON)
		block_print_json(env, &report);
	else if (block_print(env, &report, err) < 0)
		return -1;
	return status_result(&report, err);
}

const struct cli_spec program = {
	.command = "status",
	.summary = "Show the state of a parent or a mediated device.",
	.usage = { "[OPTIONS]" },
	.uses = {
		{ CLI_UUID, "Show only this device" },
		{ CLI_PARENT, "Show only this parent, or all parents on this card" },
		{ CLI_ALL, "Also show types and parents without devices" },
		{ CLI_JSON, "Print JSON" },
		{ CLI_NOHEADINGS, "Do not print column headings" },
	},
	.run = run,
};
