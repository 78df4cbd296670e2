/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"
#include "set/types.h"

/*
 * Why a type cannot be started on a parent, and what was probably meant. Every program that says so
 * asks here. The sentences are those of mdevctl, followed by a hint.
 */

struct snapshot;
struct snapshot_parent;

/* The reasons; the first one that applies counts. */
enum reason {
	REASON_NONE,	     /* as far as sysfs shows, it can be started */
	REASON_UNREADABLE,   /* sysfs cannot be read */
	REASON_NO_PARENT,    /* there is no such parent */
	REASON_UNREGISTERED, /* its driver has not registered any types (yet) */
	REASON_NO_TYPE,	     /* the parent does not support the type */
	REASON_NO_INSTANCES, /* the type has no instance left */
};

/* Returns the reason as sysfs shows it. A number of instances that is not provided is no reason:
 * only `create` can tell. */
enum reason reason_find(const struct env *env, const char *parent, const char *type);

/* Sets the error for a reason other than REASON_NONE: STATUS_NOT_FOUND (parent, type),
 * STATUS_NO_INSTANCES or STATUS_FAILED, with what is close to the names that were given, or which
 * devices are running. Returns -1. */
int reason_set(const struct env *env, enum reason reason, const char *parent, const char *type,
	       struct error *err);

/* The same for a snapshot with types, without reading sysfs again. here: what
 * snapshot_find_parent() returns for the name of the parent; to set the error, the parent is
 * present. */
enum reason reason_of(const struct snapshot *state, const struct snapshot_parent *here,
		      const char *type);
int reason_set_of(const struct snapshot *state, const struct snapshot_parent *here,
		  enum reason reason, const char *type, struct error *err);

/* Returns a list of those devices that are running on the parent after a label, "LABELUUID (TYPE),
 * ..."; "" = there are none. Owned by the caller. Types often share the resources of their parent,
 * so those of other types also explain why there are no instances. */
char *reason_running(const char *label, const struct mdev_list *running, const char *parent);

/* Returns the reason in a few words, for a narrow column: "type not supported". Owned by the
 * caller. absent: that of the parent, see struct snapshot_parent; NULL = it is present. */
char *reason_words(enum reason reason, const char *absent);

/* Replaces the human-readable name of a type of this parent with the name of its directory
 * (interned); other names (also if the parent is not present) are not changed. Errors: as for
 * types_match(), and as for reason_set() if the name cannot be that of a directory. */
int reason_resolve_type(const struct env *env, const char *parent, const char **name,
			struct error *err);

/* Returns how the human-readable name of the type of dev (NULL = none) differs from the one that
 * the definition was made for, as kept by mdevctl apply (JSON_TYPE_NAME), in words that follow
 * "type": drivers number their types anew. Owned by the caller; NULL = it does not, or that is not
 * known. reason_check_name() reads the name, and warns. */
char *reason_renamed(const struct mdev *dev, const char *title);
void reason_check_name(const struct env *env, const struct mdev *dev);

/* Returns why no types can be listed for a parent, or for none at all (NULL), as a sentence. Owned
 * by the caller. */
char *reason_no_types(const struct env *env, const char *parent);
