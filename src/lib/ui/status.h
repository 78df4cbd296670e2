/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "op/state.h"

/*
 * What `status` prints of a snapshot: a tree for people, JSON for programs, or only what is wrong
 * for monitoring.
 */
struct status_view {
	struct filter filter; /* its parent may be a card */
	bool all;	      /* types and parents without devices, too */
	bool headings;
	bool wrong; /* only devices with which something is wrong */
};

/* What is known as: parent, type, device, a line each, as a tree (mdev-status(8)). */
int status_print(const struct state *state, const struct status_view *view, struct error *err);

/* One object; every key is always there. Without a newline at the end, as all JSON here. */
void status_print_json(const struct state *state, const struct status_view *view);

/* A line for each device with which something is wrong. */
void status_print_wrong(const struct state *state, const struct status_view *view);
