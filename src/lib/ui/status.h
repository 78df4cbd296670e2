/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "host/history.h"
#include "view/snapshot.h"

/*
 * Prints a snapshot for `status`: as a tree for users, as JSON for programs, or only problems for
 * monitoring.
 */
struct status_view {
	struct filter filter; /* its parent can be a card */
	bool all;	      /* include types and parents without devices */
	bool headings;
	bool wrong;		    /* only devices with a problem */
	const struct history *logs; /* borrowed: of each device of the snapshot; NULL = not read */
	const char *logs_unseen;    /* static: see struct history; NULL = nothing */
};

/* Returns "GUEST (PID)", "COMMAND (PID)", or "?" if the user is not known (owned by the caller);
 * NULL = none. */
char *status_user(const struct holder *holder);

/* Warns that "?" was printed. */
void status_warn_hidden(void);

/* Prints a tree with one line per parent, type and device (mdev-status(8)). */
int status_print(const struct snapshot *state, const struct status_view *view, struct error *err);

/* Prints one JSON object, in which all keys are always present. */
void status_print_json(const struct snapshot *state, const struct status_view *view);

/* Prints one line for each device with a problem. */
void status_print_wrong(const struct snapshot *state);
