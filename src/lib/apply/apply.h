/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "script/callout.h"
#include "apply/desired.h"
#include "op/op.h"

/*
 * Brings this host to a desired state, one change at a time, so that the caller can report each
 * change immediately. No state is kept: a run that is interrupted at any point is completed by the
 * next one.
 */

/* A change that was made or failed; with a dry run, one that would be made. */
struct apply_change {
	enum action action;
	struct mdev dev;	   /* owned: only its names are set */
	const char *set;	   /* borrowed: the name of the set; NULL = none */
	unsigned index;		   /* index in the set */
	struct mdev before, after; /* owned: the definition; without a type: none */
	struct error error;	   /* owned: status 0 = success */
};

/* A reason why the host is not in the desired state. */
struct apply_problem {
	enum status status; /* STATUS_OK: only a note */
	char *text;	    /* owned */
};

struct apply_run; /* private */

struct apply {
	const struct op *op; /* borrowed */
	bool dry_run;
	struct apply_change **changes; /* owned, including each change: those made so far */
	size_t n_changes;
	size_t n_planned;		/* changes of this plan that have not been made yet */
	struct apply_problem *problems; /* owned */
	size_t n_problems;
	struct apply_run *run; /* owned */
};

/* Reads the file, takes the lock unless this is a dry run, and plans the changes. From then on,
 * termination signals take effect between two changes, as an error. op: env, force, wait (seconds,
 * for all devices that should be stopped).
 * On errors, nothing is changed: STATUS_INVALID (the file), STATUS_NOT_FOUND (a parent, a type),
 * STATUS_FAILED, STATUS_TIMED_OUT (another run). */
int apply_open(const struct op *op, const char *file, bool dry_run, struct apply *ret,
	       struct error *err);

/* Makes the next change. NULL = no more changes. Borrowed until apply_close(). */
const struct apply_change *apply_next(struct apply *apply);

/* Returns the result: the status of the first failure, or else STATUS_NO_INSTANCES or
 * STATUS_IN_USE; for a dry run with changes, STATUS_DIFFERS, without a text. */
int apply_result(const struct apply *apply, struct error *err);

void apply_close(struct apply *apply);
#define _cleanup_apply_ __attribute__((cleanup(apply_close)))
