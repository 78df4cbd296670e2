/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The device: what a definition, a directory of sysfs and a command line have in common. Names are
 * bounded by the kernel (NAME_MAX), so they are arrays and a device is copied by value but for its
 * attributes and texts, which belong to it.
 */

#define UUID_SIZE 37 /* canonical text and NUL */

struct attr {
	char *name;  /* owned: path below the device's directory, may hold "/" */
	char *value; /* owned */
};

struct mdev {
	char uuid[UUID_SIZE];	   /* canonical: lower case with hyphens */
	char parent[NAME_MAX + 1]; /* name in /sys/class/mdev_bus; "" = not given */
	char type[NAME_MAX + 1];   /* name in the parent's mdev_supported_types; "" = not given */
	bool autostart;
	bool defined;
	bool active;
	struct attr *attrs; /* owned: in the order they are written */
	size_t n_attrs;
	char *unknown;	 /* owned: members of the definition that are not ours, as text; NULL = none
			  */
	char *broken;	 /* owned: why the definition cannot be used; NULL = it can */
	bool unreadable; /* broken only because it cannot be read: what it says is not known */
};

void mdev_free(struct mdev *dev);
#define _cleanup_mdev_ __attribute__((cleanup(mdev_free)))

/* Inserts before index; index n_attrs appends. Copies both texts. */
void mdev_insert_attr(struct mdev *dev, size_t index, const char *name, const char *value);
void mdev_remove_attr(struct mdev *dev, size_t index);
void mdev_clear_attrs(struct mdev *dev);

/* What a definition and what runs say about a device together, the worst first. */
enum mdev_state {
	MDEV_UNKNOWN,	 /* something about it cannot be read */
	MDEV_BROKEN,	 /* its definition cannot be used */
	MDEV_INCOMPLETE, /* it runs, but its start ended before all attributes were written */
	MDEV_DIFFERS,	 /* it runs with another type, or on another parent, than it is defined */
	MDEV_MISSING,	 /* it should run automatically, and does not */
	MDEV_RUNNING,
	MDEV_STOPPED, /* it does not run, and need not */
};

/* The word for a state, e.g. "running". */
const char *mdev_state_name(enum mdev_state state);

struct mdev_list {
	struct mdev *v; /* owned */
	size_t n;
	size_t room;
	char *unseen; /* owned: what could not be read, so that there may be more devices: a
			 sentence; NULL = everything was read */
};

/* Appends an empty device and returns it; valid until the next call. */
struct mdev *mdev_list_add(struct mdev_list *list);
/* Notes that something could not be read; several are joined to one sentence. */
void mdev_list_note_unseen(struct mdev_list *list, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Sorts by parent, then UUID, both by bytes. */
void mdev_list_sort(struct mdev_list *list);
void mdev_list_free(struct mdev_list *list);
#define _cleanup_list_ __attribute__((cleanup(mdev_list_free)))

/* Which devices: NULL means any. */
struct filter {
	const char *uuid;   /* borrowed, canonical */
	const char *parent; /* borrowed */
};

/* Reads a UUID as people write it (with or without hyphens, in braces, as urn:uuid:, in any case)
 * into its canonical form. Returns whether it is one. */
bool uuid_read(const char *text, char ret[UUID_SIZE]);
/* On list's hot path for each device: no library is loaded for it (see uuid.h). */
bool uuid_is_canonical(const char *text);

/* Whether text may be the name of one directory: no "/", not "." or "..", 1 to NAME_MAX bytes,
 * UTF-8 (our output is JSON), no control characters (our output is lines). */
bool name_valid(const char *text);

/* Whether text may be an attribute's name: names joined by "/", so that it stays below the device.
 */
bool attr_name_valid(const char *text);
