/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "script/callout.h"
#include "apply/desired.h"
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
	bool max;	     /* there is a set "max" */
	size_t in_use;	     /* devices that should be stopped, but are in use */
	size_t maybe_in_use; /* likewise, but that cannot be determined */
	size_t doubtful;     /* devices that it stops, of which a dry run cannot determine that */
};

/* What has happened to a device in this run. */
enum fact_kind {
	FACT_CHANGED, /* another process has changed it, or it is not in use any more */
	FACT_REFUSED, /* a script has refused its new definition: tried once more after the others
		       */
	FACT_IN_USE,  /* it cannot be stopped: it stays where it is */
	FACT_FAILED,  /* it is not changed any more in this run */
};

struct fact {
	char uuid[UUID_SIZE];
	enum fact_kind kind;
	unsigned round;	    /* in which it was found */
	enum answer in_use; /* of FACT_IN_USE: YES or UNKNOWN */
	char *use;	    /* owned: of FACT_IN_USE: words that follow its name; NULL = none */
};

struct facts {
	struct fact *v; /* owned; sorted by UUID */
	size_t n;
	struct mdev_list full; /* types without an instance on a parent, contrary to sysfs */
};

/* Returns the fact about a device; NULL = none. */
struct fact *facts_find(const struct facts *facts, const char *uuid);
/* Replaces the fact about a device, and returns it until the next one is set. */
struct fact *facts_set(struct facts *facts, const char *uuid, enum fact_kind kind, unsigned round);
void facts_free(struct facts *facts);

/* Makes a plan. With prune, sets that are found on the host are added to the file. env is read only
 * for the words about parents that are not present; NULL = without. Errors: STATUS_NOT_FOUND
 * (parent or type of a set), STATUS_FAILED (something that has to be known cannot be read); there
 * is no plan then. */
int plan_make(const struct env *env, const struct snapshot *state, struct desired *desired,
	      const struct facts *facts, struct plan *ret, struct error *err);
void plan_free(struct plan *plan);
#define _cleanup_plan_ __attribute__((cleanup(plan_free)))
