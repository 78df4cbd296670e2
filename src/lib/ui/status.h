/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "view/snapshot.h"

/*
 * Prints a snapshot for `status`: as a tree for users, as JSON for programs, or only problems for
 * monitoring.
 */
struct status_view {
	struct filter filter; /* its parent can be a card */
	bool all;	      /* include types and parents without devices */
	bool headings;
	bool wrong; /* only devices with a problem */
};

/* Prints a tree with one line per parent, type and device (mdev-status(8)). */
int status_print(const struct snapshot *state, const struct status_view *view, struct error *err);

/* Prints one JSON object, in which all keys are always present. Like all JSON here, it is not
 * terminated by a newline. */
void status_print_json(const struct snapshot *state, const struct status_view *view);

/* Prints one line for each device with a problem. */
void status_print_wrong(const struct snapshot *state, const struct status_view *view);
