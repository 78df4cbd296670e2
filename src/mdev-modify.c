/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/op.h"
#include "ui/cli.h"

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	struct op op = cli_op(cli, env);
	const struct modification how = { .set_auto = cli->given & CLI_AUTO,
					  .set_manual = cli->given & CLI_MANUAL,
					  .addattr = cli_value(cli, CLI_ADDATTR),
					  .delattr = cli->given & CLI_DELATTR,
					  .value = cli_value(cli, CLI_VALUE),
					  .index = cli->given & CLI_INDEX ? &cli->index : NULL,
					  .live = cli->given & CLI_LIVE,
					  .defined = cli->given & CLI_DEFINED };

	return op.uuid ? op_modify(&op, &how, err) : op_modify_all(&op, &how, err);
}

const struct cli_spec program = {
	.command = "modify",
	.summary = "Modify the definition of a mediated device, or a running device.",
	.usage = { "--uuid=UUID {--auto | --manual | --addattr=ATTRIBUTE | --delattr | "
		   "--type=TYPE} [OPTIONS]",
		   "--uuid=UUID --parent=PARENT --jsonfile=FILE [OPTIONS]",
		   "--all {--auto | --manual} [--parent=PARENT] [OPTIONS]" },
	.uses = {
		{ CLI_UUID, "UUID of the device" },
		{ CLI_ALL, "Modify all definitions (requires --auto or --manual)" },
		{ CLI_PARENT, "Parent of the definition; with --all, also a card" },
		{ CLI_TYPE, "New type of the device" },
		{ CLI_ADDATTR, "Add an attribute, at --index or at the end" },
		{ CLI_DELATTR, "Remove the attribute at --index or the last one" },
		{ CLI_INDEX, "Index of the attribute, starting at 0" },
		{ CLI_VALUE, "Value of the added attribute" },
		{ CLI_AUTO, "Start the device whenever its parent appears" },
		{ CLI_MANUAL, "Start the device only on request" },
		{ CLI_JSONFILE, "Replace the definition with the contents of a file" },
		{ CLI_LIVE, "Modify the running device (requires --jsonfile)" },
		{ CLI_DEFINED, "Modify the definition (default without --live)" },
		{ CLI_FORCE, "Proceed even if a callout script refuses" },
	},
	/* --live with --auto, --manual or --delattr is rejected later, as mdevctl words it. */
	.rules = {
		{ CLI_ONE_OF, 0, CLI_UUID | CLI_ALL },
		{ CLI_NEEDS, CLI_ALL, CLI_AUTO | CLI_MANUAL },
		{ CLI_EXCLUDES, CLI_ALL, CLI_LIVE | CLI_TYPE },
		{ CLI_ONE_OF, CLI_TYPE,
		  CLI_AUTO | CLI_MANUAL | CLI_ADDATTR | CLI_DELATTR | CLI_JSONFILE },
		{ CLI_NEEDS, CLI_ADDATTR, CLI_VALUE },
		{ CLI_NEEDS, CLI_VALUE, CLI_ADDATTR },
		{ CLI_EXCLUDES, CLI_INDEX | CLI_VALUE,
		  CLI_AUTO | CLI_MANUAL | CLI_JSONFILE | CLI_LIVE },
		{ CLI_EXCLUDES, CLI_TYPE, CLI_JSONFILE | CLI_LIVE },
		{ CLI_NEEDS, CLI_INDEX, CLI_ADDATTR | CLI_DELATTR },
	},
	.run = run,
};
