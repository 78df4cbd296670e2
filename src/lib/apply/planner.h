/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "apply/plan.h"
#include "apply/room.h"

/*
 * A plan in the making: what apply/plan.c (definitions) and apply/plan_sets.c (sets) share.
 */

enum fate { FATE_STAYS, FATE_GOES };

struct planner {
	const struct snapshot *state;
	const struct desired *desired;
	const struct plan_facts *facts;
	struct sites sites;
	struct target *targets; /* borrowed: one per set; private to apply/plan_sets */
	const struct snapshot_device **by_uuid; /* owned */
	enum fate *fates;			/* owned: one per device of the state */
	const struct target **owners; /* owned: likewise; NULL = not in any set of the file */
	size_t unclaimed;	      /* devices that may belong to a set, but are not known yet */
	/* Changes by kind: surplus devices, other removals, definitions, new devices. Problems are
	 * in `going`. */
	struct plan going, moving, changing, coming;
	size_t wanted, missing, in_use;
};

void planner_open(struct planner *p);
void planner_close(struct planner *p);
#define _cleanup_planner_ __attribute__((cleanup(planner_close)))

/* Records a reason why the host will not reach the desired state; STATUS_OK: only a note. */
__attribute__((format(printf, 3, 4))) void planner_problem(struct planner *p, enum status status,
							   const char *format, ...);

/* Adds a change of a device that exists (there) or does not (NULL). */
struct plan_change *planner_add(struct plan *plan, enum action action,
				const struct snapshot_device *there);

/* Sets the names of a device, which have been checked. */
void planner_name(struct mdev *dev, const char *uuid, const char *parent, const char *type);

/* Sets the definition of a change to that of from, but preserves unknown members. label is that of
 * a new definition; NULL = none. */
void planner_define(struct plan_change *change, const struct mdev *from, const char *label);

/* Returns all locations of a UUID: *ret_n devices, sorted by parent. */
const struct snapshot_device *const *planner_find(const struct planner *p, const char *uuid,
						  size_t *ret_n);

/* Returns the one of these devices that is running, or NULL. */
const struct snapshot_device *planner_running(const struct snapshot_device *const *there, size_t n);

/* Whether a start has failed because no instance was available, contrary to sysfs. */
bool planner_is_full(const struct planner *p, const char *parent, const char *type);

/* Notes that a new definition of a running device takes effect later, unless only its start mode
 * changes. label: a name of the device in addition to its UUID, or "". */
void planner_note_running(struct planner *p, const struct snapshot_device *dev,
			  const struct mdev *wanted, const char *label);

/* Notes that a device is running with another type than wanted. */
void planner_note_type(struct planner *p, const struct snapshot_device *dev, const char *wanted);

/* Notes that a new device is defined on a parent that is not present: its name may be misspelt. */
void planner_note_absent(struct planner *p, const char *parent);
