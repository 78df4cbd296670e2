/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/env.h"

/*
 * Finds scripts: those of packages in /usr/lib/mdevctl/scripts.d, then those in
 * /etc/mdevctl.d/scripts.d, the deprecated directory of mdevctl. Files left behind by editors and
 * package managers, hidden files, and files that are not executable are ignored.
 */
struct scripts {
	bool known; /* they have been searched for */
	char **v;   /* owned: full paths, in the order in which they are run */
	size_t n;
	char *unread; /* owned: the reason why not all scripts were found; NULL = all were found */
};

/* Searches for the scripts of a kind, "callouts" or "notifiers", unless this has been done. A
 * directory without read permission is skipped with a warning; one that does not exist is treated
 * as empty. Any other error sets `unread`: a script that would refuse must not be passed over. */
void scripts_find(const struct env *env, const char *kind, struct scripts *scripts);
void scripts_free(struct scripts *scripts);
