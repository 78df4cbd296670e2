/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "script/callout.h"
#include "apply/desired.h"
#include "view/snapshot.h"

/*
 * The changes that bring a host to the desired state. The plan is made only from a snapshot, so
 * that a dry run shows what a real run does. Changes are in the order in which they are made:
 * removals (highest indexes of each set first), changed definitions, then new devices.
 */

struct plan_change {
	enum action action;
	struct mdev dev; /* owned: the device; for define and modify, including its whole new
			    definition */
	const struct snapshot_device *there; /* borrowed: its current state; NULL = none */
	const struct mdev *before; /* borrowed from the state: its current definition; NULL = none,
				      or an invalid one */
	const struct set *set;	   /* borrowed; NULL = the file contains definitions */
	unsigned index;		   /* index in the set */
	bool broken;		   /* an unusable definition is replaced or removed */
	bool surplus;		   /* the device is to be removed or moved */
};

/* A reason why the host will not reach the desired state. */
struct plan_problem {
	enum status status; /* STATUS_OK: only a note */
	char *text;	    /* owned: a sentence */
};

struct plan {
	struct plan_change *changes; /* owned */
	size_t n_changes, room_changes;
	struct plan_problem *problems; /* owned */
	size_t n_problems;
	size_t wanted;	/* desired devices; of a set "max", those that fit */
	size_t missing; /* those of them without an available instance */
	size_t in_use;	/* devices that should be removed, but are in use */
};

/* Facts that are not part of the snapshot. */
struct plan_facts {
	/* Borrowed: for each device of the state, see holder_find(); only those of `surplus` are
	 * considered. NULL = no device is in use. */
	char *const *uses;
	const struct mdev_list *full; /* borrowed: no instances there, contrary to sysfs */
};

/* Makes a plan. Errors: STATUS_NOT_FOUND (parent or type of a set), STATUS_FAILED (unreadable
 * information); there is no plan then. */
int plan_make(const struct snapshot *state, const struct desired *desired,
	      const struct plan_facts *facts, struct plan *ret, struct error *err);
void plan_free(struct plan *plan);
#define _cleanup_plan_ __attribute__((cleanup(plan_free)))
