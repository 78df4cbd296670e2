/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/env.h"

/*
 * Which scripts there are: those of packages in /usr/lib/mdevctl/scripts.d, then those in
 * /etc/mdevctl.d/scripts.d, mdevctl's old place. What editors and package managers leave behind,
 * hidden files and files that may not be executed are none. A script that others than root and the
 * caller could change is passed over with a warning, since it runs with our rights.
 */
struct scripts {
	bool known; /* they have been looked for */
	char **v;   /* owned: full paths, in the order in which they are run */
	size_t n;
};

/* Looks for the scripts of a kind, "callouts" or "notifiers", unless they are known. A directory
 * that cannot be read is passed over with a warning; a missing one is empty. */
void scripts_find(const struct env *env, const char *kind, struct scripts *scripts);
void scripts_free(struct scripts *scripts);
