/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "op/callout.h"
#include "op/desired.h"
#include "op/state.h"

/*
 * What has to change so that a host is as desired: made of a snapshot alone, so that a dry run
 * shows what a real run does. Changes are in the order in which they are carried out: what goes
 * (of each set the highest indexes first), definitions that change, then what is new.
 */

struct plan_change {
	enum action action;
	struct mdev dev; /* owned: the device; for define and modify the whole new definition */
	const struct state_device *there; /* borrowed: what it is now; NULL = it is not there */
	const struct mdev *before; /* borrowed from the state: the definition there is; NULL = none,
				      or a broken one */
	const struct set *set;	   /* borrowed; NULL = of a definition */
	unsigned index;		   /* of the set */
	bool broken;		   /* a definition that cannot be used is replaced or removed */
	bool surplus;		   /* the device is not to be anywhere, or to move */
};

/* Why the host will not be as desired all the same. */
struct plan_problem {
	enum status status; /* STATUS_OK: only worth a word */
	char *text;	    /* owned: a sentence */
};

struct plan {
	struct plan_change *changes; /* owned */
	size_t n_changes, room_changes;
	struct plan_problem *problems; /* owned */
	size_t n_problems;
	size_t wanted;	/* devices that are desired; of a set "max", those that fit */
	size_t missing; /* of them, those for which there is no instance */
	size_t in_use;	/* devices that somebody uses and that should go */
};

/* What the state does not tell. */
struct plan_facts {
	char *const *holders; /* borrowed: for each device of the state who uses it, NULL = nobody;
				 only those of `surplus` count. NULL = nobody uses any */
	const struct mdev_list *full; /* borrowed: parents and types that have no instance, though
					 sysfs says so */
};

/* Errors: STATUS_NOT_FOUND (a set's parent or type), STATUS_FAILED (what cannot be read); then
 * there is no plan at all. */
int plan_make(const struct state *state, const struct desired *desired,
	      const struct plan_facts *facts, struct plan *ret, struct error *err);
void plan_free(struct plan *plan);
#define _cleanup_plan_ __attribute__((cleanup(plan_free)))
