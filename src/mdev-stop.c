/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/op.h"
#include "ui/cli.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	const struct stop_request request = { .op = cli_op(cli, env),
					      .ensure = cli->given & CLI_ENSURE,
					      .only_settled = cli->given & CLI_SETTLE,
					      .wait = cli->wait };

	return request.op.uuid ? op_stop(&request, err) : op_stop_all(&request, err);
}

const struct cli_spec program = {
	.command = "stop",
	.summary = "Stop a running mediated device, or all of them.",
	.usage = { "--uuid=UUID [OPTIONS]", "--all [--parent=PARENT] [OPTIONS]" },
	.uses = {
		{ CLI_UUID, "UUID of the device" },
		{ CLI_ALL, "Stop all running devices" },
		{ CLI_PARENT, "With --all, only devices of this parent or card" },
		{ CLI_FORCE, "Proceed if a script refuses, or if use is unknown" },
		{ CLI_ENSURE, "Succeed if the device is not running" },
		{ CLI_SETTLE, "Ignore a device that udev is still processing" },
		{ CLI_WAIT, "Wait until the device is not in use (default: 30 s)" },
	},
	.rules = {
		{ CLI_ONE_OF, 0, CLI_UUID | CLI_ALL },
		{ CLI_EXCLUDES, CLI_ALL, CLI_SETTLE },
		{ CLI_NEEDS, CLI_PARENT, CLI_ALL },
	},
	.run = run,
};
