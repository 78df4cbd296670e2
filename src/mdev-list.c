/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/list.h"
#include "ui/cli.h"
#include "ui/print.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	_cleanup_listing_ struct listing list = { 0 };
	bool json = cli->given & CLI_DUMPJSON, verbose = cli->given & CLI_VERBOSE,
	     defined = cli->given & CLI_DEFINED;
	struct filter filter = { cli_value(cli, CLI_UUID), cli_value(cli, CLI_PARENT) };

	int r = defined ? list_defined(env, &filter, !json, &list, err)
			: list_active(env, &filter, json || verbose, &list, err);
	if (r < 0 && list.n == 0)
		return r;
	if (json)
		print_devices_json(&list, filter.uuid);
	else
		print_devices(&list, defined, verbose);
	return r;
}

const struct cli_spec program = {
	.command = "list",
	.summary = "List running or defined mediated devices.",
	.usage = { "[OPTIONS]" },
	.uses = {
		{ CLI_DEFINED, "List defined devices instead of running devices" },
		{ CLI_DUMPJSON, "Print JSON; with --uuid, only the device definition" },
		{ CLI_VERBOSE, "Print attributes as well" },
		{ CLI_UUID, "List only this device" },
		{ CLI_PARENT, "List only devices of this parent" },
		{ CLI_VERSION, "Print the version and exit" },
	},
	.run = run,
};
