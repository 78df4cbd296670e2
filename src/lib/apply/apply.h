/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "apply/desired.h"
#include "apply/plan.h"
#include "host/holder.h"
#include "host/settle.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "view/snapshot.h"

/*
 * Brings this host to a desired state, one change at a time, so that the caller can report each
 * change immediately. A run consists of rounds: read the host, plan, make the changes. It decides
 * nothing: what a round brings to light is a fact for the next plan. No state is kept: a run that
 * is interrupted at any point is completed by the next one.
 */
struct apply {
	bool dry_run;
	struct plan_change *changes; /* owned: those made or tried so far */
	size_t n_changes;
	struct plan plan;	      /* of this round */
	size_t at;		      /* in it: the next change */
	struct problem_list problems; /* of the plan and of changes */

	/* Private. */
	const struct env *env; /* borrowed */
	unsigned wait;	       /* seconds */
	int lock;	       /* owned */
	struct pipeline pipeline;
	struct holder_pass users; /* of the devices that were running when the round began */
	struct settle settle;
	struct desired desired;
	struct snapshot state;
	struct facts facts;
	unsigned round;
	unsigned repeated; /* rounds without a new fact */
	bool learned;	   /* this round has brought a new fact to light */
	bool raced;	   /* in this round, another process has changed a device */
	bool changed;	   /* this round has changed the host */
	bool ended;
	struct error error; /* owned: the reason why the run ended early */
};

/* Reads the file, takes the lock unless this is a dry run, and plans the changes. From then on,
 * termination signals take effect between two changes, as an error. wait: seconds for all
 * devices that should be stopped. prune: remove sets that the file does not name.
 * On errors, nothing is changed: STATUS_INVALID (the file), STATUS_NOT_FOUND (a parent, a type),
 * STATUS_FAILED, STATUS_TIMED_OUT (another run). */
int apply_open(const struct op *op, const char *file, bool prune, bool dry_run, unsigned wait,
	       struct apply *ret, struct error *err);

/* Makes the next change. NULL = no more changes. Borrowed until the next call. */
const struct plan_change *apply_next(struct apply *apply);

/* Returns the result: the status of the first failure, or else STATUS_NO_INSTANCES or
 * STATUS_IN_USE; for a dry run with changes, STATUS_DIFFERS, without a text. */
int apply_result(const struct apply *apply, struct error *err);

void apply_close(struct apply *apply);
#define _cleanup_apply_ __attribute__((cleanup(apply_close)))
