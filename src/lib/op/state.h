/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/file.h"
#include "device/mdev.h"
#include "host/env.h"
#include "set/types.h"

/*
 * One snapshot of the host: parents, their types, and the devices of both sets, joined. It reads
 * each definition, link and type once, so that what is made of it (a report, a plan) agrees with
 * itself. Nothing in it fails: what cannot be read is ANSWER_UNKNOWN or `unknown`, never no.
 */

enum answer {
	ANSWER_NO,
	ANSWER_YES,
	ANSWER_UNKNOWN, /* it cannot be read, or cannot be seen from here */
};

/* One parent and one UUID, in either set or both. A UUID may be defined on several parents, but
 * runs at most once. */
struct state_device {
	const char *uuid;	       /* borrowed from definition or running */
	const char *parent;	       /* borrowed, the same */
	const struct mdev *definition; /* borrowed; NULL = none that is known; it may be broken */
	const struct mdev *running;    /* borrowed; NULL = it does not run here, as far as known */
	enum answer defined;	       /* NO: there is no definition here */
	enum answer active;	       /* NO: it does not run here */
	enum mdev_state state;
	char *reason; /* owned: why it is in this state; NULL = nothing to say */
};

/* The type that counts for people: the running one, else the defined one; "" = not known. */
const char *state_type(const struct state_device *dev);

struct state_parent {
	const char *name; /* borrowed */
	bool present;	  /* registered in /sys/class/mdev_bus */
	char *driver;	  /* owned; NULL = it has none, or is not present */
	char *card; /* owned: its physical function; NULL = it is none of a card's functions */
	enum answer has_types;	       /* UNKNOWN: they cannot be read, or were not asked for */
	const struct mdev_type *types; /* borrowed; sorted by name */
	size_t n_types;
	struct state_device *devices; /* borrowed from the state; sorted by UUID */
	size_t n_devices;
};

struct state {
	struct state_parent *parents; /* owned; sorted by name; those that are not present, too */
	size_t n_parents;
	struct state_device *devices; /* owned; sorted by parent, then UUID */
	size_t n_devices;
	enum answer parents_known; /* UNKNOWN: /sys/class/mdev_bus cannot be read */

	/* What the above is borrowed from. */
	struct mdev_list definitions;
	struct mdev_list running;
	struct mdev_type_list types;
	struct file_names present;
};

/* Reads the snapshot. uuid NULL = all devices; else only those of this UUID, on any parent. Without
 * types these are read only if a device is missing, to say why. */
void state_read(const struct env *env, const char *uuid, bool types, struct state *ret);
void state_free(struct state *state);
#define _cleanup_state_ __attribute__((cleanup(state_free)))

/* The parent of this name; NULL = it is neither present nor named by a device. */
const struct state_parent *state_find_parent(const struct state *state, const char *name);

/* The type of this name that the parent offers; NULL = none, as far as known. */
const struct mdev_type *state_find_type(const struct state_parent *parent, const char *name);
