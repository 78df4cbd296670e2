/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * A mediated device, as described by a definition, a sysfs directory or the command line. A device
 * can be copied by value, except for its attributes and unknown members, which it owns. The names
 * of its parent and its type are shared with other devices (mem_intern()), of which a host can have
 * thousands. An empty device is { 0 }.
 */

#define UUID_SIZE 37 /* canonical form, NUL-terminated */

struct attr {
	char *name;	   /* owned: path relative to the device directory, may contain "/" */
	const char *value; /* borrowed from the memory of name, which it follows */
};

struct mdev {
	char uuid[UUID_SIZE]; /* canonical: lower case with hyphens */
	const char *parent;   /* interned: name in /sys/class/mdev_bus; NULL = not given */
	const char *type;     /* interned: name in mdev_supported_types; NULL = not given */
	bool autostart;
	struct attr *attrs; /* owned: in the order in which they are written */
	size_t n_attrs;
	char *unknown; /* owned: unknown members of the definition, as text; NULL = none */
};

void mdev_free(struct mdev *dev);
#define _cleanup_mdev_ __attribute__((cleanup(mdev_free)))

/* Inserts an attribute before index; n_attrs appends it. Copies both texts. */
void mdev_insert_attr(struct mdev *dev, size_t index, const char *name, const char *value);
void mdev_remove_attr(struct mdev *dev, size_t index);
void mdev_clear_attrs(struct mdev *dev);
/* Fails if an attribute cannot be set, of a definition that others wrote (STATUS_INVALID). */
int mdev_check_attrs(const struct mdev *dev, struct error *err);

/* The combined state of the definition and the running device, in order of severity. */
enum mdev_state {
	MDEV_UNKNOWN,	 /* part of its information cannot be read */
	MDEV_BROKEN,	 /* its definition is unusable */
	MDEV_INCOMPLETE, /* it is running, but its start ended before all attributes were written */
	MDEV_DIFFERS,	 /* it is running with another type or on another parent than defined */
	MDEV_MISSING,	 /* it is defined as auto, but not running */
	MDEV_RUNNING,
	MDEV_STOPPED, /* it is not running, and not defined as auto */
};

/* Returns the name of a state, e.g. "running". */
const char *mdev_state_name(enum mdev_state state);

/* Copies the definition of from (type, start, attributes, unknown members) into an empty device. */
void mdev_copy_definition(struct mdev *dev, const struct mdev *from);
/* Replaces the definition in ret with that of dev, and transfers the ownership of its texts. */
void mdev_move_definition(struct mdev *ret, struct mdev *dev);
/* Whether both have the same type, start mode and attributes. Unknown members are ignored. */
bool mdev_is_same(const struct mdev *a, const struct mdev *b);

/* The order of devices in lists: bytewise by parent, then by UUID. Both have a parent. */
int mdev_compare(const struct mdev *a, const struct mdev *b);

struct mdev_list {
	struct mdev *v; /* owned */
	size_t n;
	char *unseen; /* owned: a sentence about what could not be read, so that devices may be
			 missing; NULL = everything was read */
};

/* Appends an empty device and returns it. The pointer is valid until the next call. */
struct mdev *mdev_list_add(struct mdev_list *list);
/* Sorts in the order of mdev_compare(). */
void mdev_list_sort(struct mdev_list *list);
/* Returns the device of a sorted list with the same parent and UUID; NULL = there is none. */
const struct mdev *mdev_list_find(const struct mdev_list *list, const struct mdev *dev);
/* Whether the list has a device of this type on this parent. */
bool mdev_list_has_type(const struct mdev_list *list, const char *parent, const char *type);
void mdev_list_free(struct mdev_list *list);
#define _cleanup_list_ __attribute__((cleanup(mdev_list_free)))

/* Selects devices; NULL = any. */
struct filter {
	const char *uuid;   /* borrowed, canonical */
	const char *parent; /* borrowed */
};

/* Converts a UUID in any common form (with or without hyphens, in braces, with urn:uuid:, in upper
 * or lower case) to its canonical form. Returns whether it is valid. */
bool uuid_read(const char *text, char ret[UUID_SIZE]);
/* Checks for the canonical form, without loading libuuid (see uuid.h): list calls it often. */
bool uuid_is_canonical(const char *text);

/* Whether text is a valid directory name: no "/", not "." or "..", 1 to NAME_MAX bytes, UTF-8 (for
 * JSON output), no control characters (for line-based output). */
bool name_valid(const char *text);

/* Whether text can be the name of a parent: some directories of definitions have other ones. */
bool parent_name_valid(const char *text);

/* Whether text is a valid attribute name: names joined by "/", which cannot leave the device. */
bool attr_name_valid(const char *text);

/* Whether an attribute with this valid name can be a setting of a device: `remove` would end the
 * device that is being started, and the others are not those of its driver. */
bool attr_name_settable(const char *text);

/* Whether text can be the human-readable name of a type. Unlike the name of a directory, it may
 * contain "/" between other characters: "I/O subchannel (Non-QDIO)" of vfio_ccw. It cannot be taken
 * for a path that leaves a directory. */
bool title_valid(const char *text);
