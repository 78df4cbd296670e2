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

/* What has happened to a device in this run. */
enum fact_kind {
	FACT_NONE,
	FACT_REFUSED, /* a script has refused its new definition: tried once more after the others
		       */
	FACT_CHANGED, /* another process has changed it */
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

/* A parent that the file names, and that is not present. */
struct absent_parent {
	const char *parent; /* borrowed from the file */
	char *words;	    /* owned: what it is, see reason_absent() */
	char *question;	    /* owned: what was probably meant, see absent_spelling() */
};

struct facts {
	struct fact *v; /* owned; sorted by UUID */
	size_t n;
	struct absent_parent *absent; /* owned */
	size_t n_absent;
	struct mdev_list full; /* types without an instance on a parent, contrary to sysfs */
};

/* Returns the fact about a device; NULL = none. */
struct fact *facts_find(const struct facts *facts, const char *uuid);
/* Replaces the fact about a device, and returns it until the next one is set. */
struct fact *facts_set(struct facts *facts, const char *uuid, enum fact_kind kind, unsigned round);
/* Records that a type has no instance. Returns whether that was not known. */
bool facts_set_full(struct facts *facts, const struct mdev *dev);
bool facts_is_full(const struct facts *facts, const char *parent, const char *type);
void facts_free(struct facts *facts);

/* The order of the changes. */
enum phase {
	PHASE_SURPLUS, /* devices that sets have too many: the highest indexes first */
	PHASE_LEAVE,   /* devices and definitions that leave a parent */
	PHASE_MODIFY,
	PHASE_CREATE, /* new definitions, and starts */
};
#define PHASES 4

struct plan_change {
	enum action action;
	enum phase phase;
	struct mdev dev;    /* owned: its names; to define, modify and start it, all of it */
	struct mdev before; /* owned: its definition; without a type: none, or an invalid one */
	const struct holder *holder;  /* borrowed from the snapshot: of a device that is stopped */
	bool broken;		      /* there is an invalid definition */
	bool takes_instance;	      /* it cannot be made if its parent turns out to be full */
	char set[SET_NAME_LIMIT + 1]; /* "" = not of a set */
	unsigned index;		      /* in the set */
	char *note;	    /* owned: what is to be said when it has been made; NULL = nothing */
	struct error error; /* owned: set when it has been tried; status 0 = success */
};
void plan_change_free(struct plan_change *change);

struct plan {
	struct plan_change *changes; /* owned; in the order in which they are made */
	size_t n_changes, room_changes;
	struct error *problems; /* owned: why the host will not be as described; status 0 = it will
				   be, but the user should know */
	size_t n_problems;
	size_t wanted;	     /* devices; of a set "max", those that fit */
	size_t missing;	     /* of these, those without an instance */
	size_t in_use;	     /* devices that should be stopped, but are in use */
	size_t maybe_in_use; /* likewise, but that cannot be determined */
};

/* Makes a plan. With prune, sets that are found on the host are added to the file. Errors:
 * STATUS_NOT_FOUND (parent or type of a set), STATUS_FAILED (something that has to be known cannot
 * be read); there is no plan then. */
int plan_make(const struct snapshot *state, struct desired *desired, const struct facts *facts,
	      struct plan *ret, struct error *err);
void plan_free(struct plan *plan);
#define _cleanup_plan_ __attribute__((cleanup(plan_free)))
