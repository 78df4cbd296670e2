/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/cli.h"
#include "lib/op.h"

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

static const struct cli_spec spec = {
	.command = "modify",
	.summary = "Change the definition of a mediated device, or a running one.",
	.usage = { "--uuid=UUID {--auto | --manual | --addattr=ATTRIBUTE | --delattr} [OPTIONS]",
		   "--uuid=UUID --parent=PARENT --jsonfile=FILE [OPTIONS]" },
	.uses = uses,
	.rules = rules,
};

int main(int argc, char *argv[])
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_env_ struct env env = { .root = -1 };
	struct cli cli;

	cli_parse(&spec, argc, argv, &cli);
	struct op op = cli_op(&cli, &env);
	struct modification how = { .set_auto = cli.given & CLI_AUTO,
				    .set_manual = cli.given & CLI_MANUAL,
				    .addattr = cli_value(&cli, CLI_ADDATTR),
				    .delattr = cli.given & CLI_DELATTR,
				    .value = cli_value(&cli, CLI_VALUE),
				    .index = cli.given & CLI_INDEX ? &cli.index : NULL,
				    .live = cli.given & CLI_LIVE,
				    .defined = cli.given & CLI_DEFINED };
	if (env_open(&env, &err) < 0 || op_modify(&op, &how, &err) < 0)
		return cli_fail(&err);
	return cli_done();
}
