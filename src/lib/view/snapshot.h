/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"
#include "host/holder.h"
#include "set/defined.h"
#include "set/types.h"

/*
 * A snapshot of the host: parents, their types, and the devices of both sets, joined. Each
 * definition, link and type is read only once, so that the results (a report, a plan) are
 * consistent. Reading it never fails: if something cannot be read, it is ANSWER_UNKNOWN or
 * MDEV_UNKNOWN, never NO, and recorded in `unseen`.
 */

/* A UUID on a parent, in either set or both. A UUID can be defined on several parents, but only one
 * of these devices can be running. */
struct snapshot_device {
	const char *uuid;		     /* borrowed from definition or running */
	const char *parent;		     /* borrowed from definition or running */
	const struct definition *definition; /* borrowed; NULL = none known; may be broken */
	const struct mdev *running;	     /* borrowed; NULL = not known to be running here */
	enum answer defined;		     /* NO: not defined here */
	enum answer active;		     /* NO: not running here */
	enum mdev_state state;
	char *reason;		     /* owned: the reason for the state; NULL = none */
	const struct holder *holder; /* borrowed: the process that uses it; NULL = not running, or
					not requested */
};

struct snapshot_parent {
	const char *name;   /* interned */
	bool present;	    /* registered in /sys/class/mdev_bus */
	const char *driver; /* interned; NULL = it has none */
	const char *absent; /* interned: if it is not present, what absent_words() says; NULL = it
			       is present, or may be */
	const char *card;   /* interned: its physical function; NULL = not a virtual function */
	enum answer has_types;	       /* UNKNOWN: they cannot be read, or were not requested */
	const struct mdev_type *types; /* borrowed; sorted by name */
	size_t n_types;
	struct snapshot_device *devices; /* borrowed from the state; sorted by UUID */
	size_t n_devices;
};

struct snapshot {
	struct snapshot_parent *parents; /* owned; sorted by name; also those not present */
	size_t n_parents;
	enum answer parents_known;	 /* UNKNOWN: /sys/class/mdev_bus cannot be read */
	struct snapshot_device *devices; /* owned; sorted by parent, then UUID */
	size_t n_devices;
	struct snapshot_device **by_uuid; /* owned; the same devices, sorted by UUID, then parent */
	char *unseen; /* owned: what could not be read, as one sentence; NULL = nothing */

	/* The owners of the borrowed data above. */
	struct definition_list definitions;
	struct mdev_list running;
	struct mdev_type_list types;
	struct holder_pass users; /* of running, in the same order; empty = not requested */
};

/* What to read in addition to parents and devices. Unless types are requested, they are read only
 * if a device is missing, to determine the reason, or if a definition says which name its type had.
 */
enum {
	SNAPSHOT_TYPES = 1u << 0,
	SNAPSHOT_HOLDERS = 1u << 1, /* processes that use devices */
	SNAPSHOT_NODES = 1u << 2,   /* names of VFIO devices, but not the processes that use them */
};

/* Reads the snapshot of the devices and parents that the filter selects; its parent can also be a
 * card. With a UUID, these are the parents that have the device. `devices` contains those of other
 * parents as well, without what depends on their types. */
void snapshot_read(const struct env *env, const struct filter *filter, unsigned what,
		   struct snapshot *ret);
void snapshot_free(struct snapshot *state);
#define _cleanup_snapshot_ __attribute__((cleanup(snapshot_free)))

/* Whether a device has, or may have (MDEV_UNKNOWN), a problem. */
bool snapshot_is_wrong(const struct snapshot_device *dev);

/* Whether the filter selects a parent with this name, or the card that it is a function of. */
bool snapshot_selects(const struct filter *filter, const char *parent, const char *card);

/* Returns the parent with this name; NULL = not present and without devices. */
const struct snapshot_parent *snapshot_find_parent(const struct snapshot *state, const char *name);

/* Returns the type with this name that the parent supports; NULL = none known. */
const struct mdev_type *snapshot_find_type(const struct snapshot_parent *parent, const char *name);

/* Returns the type to show: that of the running device, or else of the definition; "" = unknown. */
const char *snapshot_type(const struct snapshot_device *dev);

/* Returns the definition, unless it is broken and must not be used. */
const struct mdev *snapshot_definition(const struct snapshot_device *dev);

/* Returns the label of the set that the device belongs to, e.g. "desktops/3" (owned by the caller),
 * or NULL. It is read from the definition and verified with the UUID. */
char *snapshot_set(const struct snapshot_device *dev);
