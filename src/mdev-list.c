/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/cli.h"
#include "lib/list.h"
#include "lib/print.h"

static const struct cli_use uses[] = {
	{ CLI_DEFINED, "List defined devices instead of running ones" },
	{ CLI_DUMPJSON, "Print JSON; with one --uuid, its definition" },
	{ CLI_VERBOSE, "Print attributes, too" },
	{ CLI_UUID, "Only this device" },
	{ CLI_PARENT, "Only devices of this parent" },
	{ CLI_VERSION, "Print the version and exit" },
	{ 0 },
};

static const struct cli_spec spec = {
	.command = "list",
	.summary = "List mediated devices: the running ones, or those that are defined.",
	.usage = { "[OPTIONS]" },
	.uses = uses,
};

int main(int argc, char *argv[])
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_env_ struct env env = { .root = -1 };
	_cleanup_list_ struct mdev_list list = { 0 };
	struct cli cli;

	cli_parse(&spec, argc, argv, &cli);
	bool json = cli.given & CLI_DUMPJSON, verbose = cli.given & CLI_VERBOSE,
	     defined = cli.given & CLI_DEFINED;
	struct filter filter = { cli_uuid(&cli), cli_value(&cli, CLI_PARENT) };

	if (env_open(&env, &err) < 0 ||
	    (defined ? list_defined(&env, &filter, !json, &list, &err)
		     : list_active(&env, &filter, json || verbose, &list, &err)) < 0)
		return cli_fail(&err);
	if (json)
		print_devices_json(&list, filter.uuid);
	else
		print_devices(&list, defined, verbose);
	return cli_done();
}
