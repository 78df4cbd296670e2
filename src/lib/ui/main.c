/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ui/cli.h"

/* Of every program but mdevctl, which has its own. */
int main(int argc, char *argv[])
{
	return cli_main(&program, argc, argv);
}
