/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "op/op.h"
#include "ui/cli.h"

static const struct cli_use uses[] = {
	{ CLI_UUID, "UUID of the device" },
	{ CLI_PARENT, "Parent of the definition, if there are several" },
	{ CLI_TYPE, "New type of the device; goes with one of those below" },
	{ CLI_ADDATTR, "Add an attribute, at --index or at the end" },
	{ CLI_DELATTR, "Remove the attribute at --index or the last one" },
	{ CLI_INDEX, "Place of the attribute, from 0" },
	{ CLI_VALUE, "Value of the attribute that is added" },
	{ CLI_AUTO, "Start the device whenever its parent appears, not now" },
	{ CLI_MANUAL, "Start the device only when asked to" },
	{ CLI_JSONFILE, "Replace the definition by that of a JSON file" },
	{ CLI_LIVE, "Change the running device, with --jsonfile" },
	{ CLI_DEFINED, "Change the definition (the default without --live)" },
	{ CLI_FORCE, "Go on though a callout script refuses" },
	{ 0 },
};

/* --live --auto and --live --manual get through, to be refused with mdevctl's own message. */
static const struct cli_rule rules[] = {
	{ CLI_ANY_OF, 0, CLI_UUID },
	{ CLI_ONE_OF, 0, CLI_AUTO | CLI_MANUAL | CLI_ADDATTR | CLI_DELATTR | CLI_JSONFILE },
	{ CLI_NEEDS, CLI_ADDATTR, CLI_VALUE },
	{ CLI_NEEDS, CLI_VALUE, CLI_ADDATTR },
	{ CLI_EXCLUDES, CLI_INDEX | CLI_VALUE, CLI_AUTO | CLI_MANUAL | CLI_JSONFILE | CLI_LIVE },
	{ CLI_EXCLUDES, CLI_TYPE, CLI_JSONFILE | CLI_LIVE },
	{ CLI_NEEDS, CLI_LIVE, CLI_JSONFILE | CLI_AUTO | CLI_MANUAL },
	{ 0 },
};

static int run(const struct cli *cli, struct env *env, struct error *err)
{
	struct op op = cli_op(cli, env);
	struct modification how = cli_modification(cli);

	return op_modify(&op, &how, err);
}

static const struct cli_spec spec = {
	.command = "modify",
	.summary = "Change the definition of a mediated device, or a running one.",
	.usage = { "--uuid=UUID {--auto | --manual | --addattr=ATTRIBUTE | --delattr} [OPTIONS]",
		   "--uuid=UUID --parent=PARENT --jsonfile=FILE [OPTIONS]" },
	.uses = uses,
	.rules = rules,
	.run = run,
};

int main(int argc, char *argv[])
{
	return cli_main(&spec, argc, argv);
}
