/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/op.h"
#include "ui/cli.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	const struct start_request request = { .op = cli_op(cli, env),
					       .ensure = cli->given & CLI_ENSURE,
					       .settle = cli->given & CLI_SETTLE,
					       .wait = cli->wait };
	char uuid[UUID_SIZE];
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	int r = op_start(&request, uuid, err);
	return cli_print_uuid(cli, &mask, uuid, r);
}

const struct cli_spec program = {
	.command = "start",
	.summary = "Start a defined or a transient mediated device.",
	.usage = { "--uuid=UUID [OPTIONS]   (defined device)",
		   "[--uuid=UUID] --parent=PARENT {--type=TYPE | --jsonfile=FILE} [OPTIONS]" },
	.uses = {
		{ CLI_UUID, "Device UUID (generated and printed if omitted)" },
		{ CLI_PARENT, "Parent device" },
		{ CLI_TYPE, "Type of a transient device" },
		{ CLI_JSONFILE, "Read type and attributes from a JSON file" },
		{ CLI_FORCE, "Proceed even if a callout script refuses" },
		{ CLI_ENSURE, "Succeed if the device is already running" },
		{ CLI_WAIT, "Wait for parent, type and instance (default: 30 s)" },
		{ CLI_SETTLE, "Wait until udev has finished processing the device" },
	},
	.rules = {
		{ CLI_ANY_OF, 0, CLI_UUID | CLI_PARENT },
		{ CLI_EXCLUDES, CLI_JSONFILE, CLI_TYPE },
	},
	.run = run,
};
