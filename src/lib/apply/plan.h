/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "script/callout.h"
#include "apply/desired.h"
#include "apply/facts.h"
#include "view/snapshot.h"

/*
 * Decides which changes bring the host to the desired state. The plan is made only from a snapshot,
 * the file, and facts that an earlier plan of this run has brought to light, so that a dry run
 * shows what a real run does, and apply has nothing to decide.
 */

struct plan_change {
	enum action action;
	struct mdev dev;       /* owned: its names; to define, modify and start it, all of it */
	struct mdev before;    /* owned: its definition; without a type: none, or an invalid one */
	bool broken;	       /* there is an invalid definition */
	bool takes_instance;   /* it cannot be made if its parent turns out to be full */
	const struct set *set; /* borrowed from the file; NULL = not of a set */
	unsigned index;	       /* in the set */
	char *note;	       /* owned: what is to be said when it has been made; NULL = nothing */
	struct error error;    /* owned: set when it has been tried; status 0 = success */
};
void plan_change_free(struct plan_change *change);

/* Why the host will not be as described; status 0 = it will be, but the user should know. */
struct problem_list {
	struct error *v; /* owned */
	size_t n;
	void *texts; /* owned: of v, a tree of tsearch(3) */
};
/* Adds a problem, unless the list has it. Returns whether it is new. */
bool plan_add_problem(struct problem_list *list, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void plan_free_problems(struct problem_list *list);

struct plan {
	struct plan_change *changes; /* owned; in the order in which they are made */
	size_t n_changes;
	struct problem_list problems;
	size_t wanted;	     /* devices; of a set "max", those that fit */
	size_t missing;	     /* of these, those without an instance */
	size_t in_use;	     /* devices that should be stopped, but are in use */
	size_t maybe_in_use; /* likewise, but that cannot be determined */
	size_t doubtful;     /* devices that it stops, of which a dry run cannot determine that */
};

/* Makes a plan. With prune, sets that are found on the host are added to the file. env is read only
 * for the words about parents that are not present; NULL = without. Errors: STATUS_NOT_FOUND
 * (parent or type of a set), STATUS_FAILED (something that has to be known cannot be read); there
 * is no plan then. */
int plan_make(const struct env *env, const struct snapshot *state, struct desired *desired,
	      const struct facts *facts, struct plan *ret, struct error *err);
void plan_free(struct plan *plan);
#define _cleanup_plan_ __attribute__((cleanup(plan_free)))
