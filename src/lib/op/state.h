/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/file.h"
#include "device/mdev.h"
#include "host/env.h"
#include "host/holders.h"
#include "host/parent.h"
#include "set/types.h"

/*
 * One snapshot of the host: parents, their types, and the devices of both sets, joined. It reads
 * each definition, link and type once, so that what is made of it (a report, a plan) agrees with
 * itself. Nothing in it fails: what cannot be read is ANSWER_UNKNOWN or MDEV_UNKNOWN, never no, and
 * named in `unseen`.
 */

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
	char *reason;		     /* owned: why it is in this state; NULL = nothing to say */
	const struct holder *holder; /* borrowed: who uses it; NULL = not running, or not asked */
};

struct state_parent {
	const char *name;      /* borrowed */
	bool present;	       /* registered in /sys/class/mdev_bus */
	char *driver;	       /* owned; NULL = it has none, or is not present */
	char *card;	       /* owned: its physical function; NULL = it is not a virtual one */
	enum answer has_types; /* UNKNOWN: they cannot be read, or were not asked for */
	const struct mdev_type *types; /* borrowed; sorted by name */
	size_t n_types;
	struct state_device *devices; /* borrowed from the state; sorted by UUID */
	size_t n_devices;
};

struct state {
	struct state_parent *parents; /* owned; sorted by name; those that are not present, too */
	size_t n_parents;
	enum answer parents_known;    /* UNKNOWN: /sys/class/mdev_bus cannot be read */
	struct state_device *devices; /* owned; sorted by parent, then UUID */
	size_t n_devices;
	struct parent_vf_list vfs;	 /* of NVIDIA's driver without mediated devices */
	const struct holder *vf_holders; /* borrowed: who uses these, in the same order */
	char *unseen; /* owned: what could not be read, as one sentence; NULL = nothing */

	/* What the above is borrowed from. */
	struct mdev_list definitions;
	struct mdev_list running;
	struct mdev_type_list types;
	struct file_names present;
	struct holder *holders; /* of running, then of vfs */
	size_t n_holders;
};

/* What to read besides parents and devices. Without types, these are read only if a device is
 * missing, to say why. */
enum {
	STATE_TYPES = 1u << 0,
	STATE_HOLDERS = 1u << 1, /* who uses which device */
	STATE_VFS = 1u << 2,
	STATE_NODES = 1u << 3, /* under which names VFIO hands out devices, but not to whom */
};

/* Reads the snapshot. uuid NULL = all devices; else only those of this UUID, on any parent. */
void state_read(const struct env *env, const char *uuid, unsigned what, struct state *ret);
void state_free(struct state *state);
#define _cleanup_state_ __attribute__((cleanup(state_free)))

/* Whether something is wrong with a device, or could be (MDEV_UNKNOWN). */
bool state_is_wrong(const struct state_device *dev);

/* Whether a parent is of this name, or a function of the card of this name; NULL = any. */
bool state_is_of(const struct state_parent *parent, const char *name);

/* Checks that the filter matches something. Errors: STATUS_NOT_FOUND; STATUS_FAILED if that cannot
 * be told. */
int state_require(const struct state *state, const struct filter *filter, struct error *err);

/* What monitoring makes of the devices that match: 0; else -1 with STATUS_DIFFERS if something is
 * wrong, or STATUS_FAILED if only something cannot be read; without a text if a device says it. */
int state_verdict(const struct state *state, const struct filter *filter, struct error *err);

/* The parent of this name; NULL = it is neither present nor named by a device. */
const struct state_parent *state_find_parent(const struct state *state, const char *name);

/* The type of this name that the parent offers; NULL = none, as far as known. */
const struct mdev_type *state_find_type(const struct state_parent *parent, const char *name);

/* The type that counts for people: the running one, else the defined one; "" = not known. */
const char *state_type(const struct state_device *dev);

/* The definition, unless it is broken: then nothing in it counts. */
const struct mdev *state_definition(const struct state_device *dev);

/* The label of the set that the device belongs to, e.g. "desktops/3" (owned by the caller); NULL =
 * none. The definition has it, the UUID proves it. */
char *state_set(const struct state_device *dev);
