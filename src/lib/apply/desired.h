/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "device/mdev.h"

/*
 * The desired state of a host, as described by the file of mdevctl apply (mdev-apply(8)): sets of
 * devices, or definitions in the format of `mdevctl list -d --dumpjson`.
 */

/* Maximum size of the file. */
#define DESIRED_LIMIT ((size_t)32 * 1024 * 1024)
/* Maximum number of devices in a set. */
#define SET_LIMIT 4096u
#define SET_NAME_LIMIT 64

struct set {
	char name[SET_NAME_LIMIT + 1]; /* the first member: see by_name() */
	size_t position;	       /* in the file */
	struct mdev device; /* owned: type (name of a directory, or human-readable name), start,
			       attributes */
	char **parents;	    /* owned: names and patterns, in order */
	size_t n_parents;
	unsigned count; /* SET_LIMIT if max */
	bool max;	/* as many devices as fit */
	bool fill;	/* fill one parent before the next; otherwise, prefer the card with the
			   fewest devices */
};

struct desired {
	struct set **sets; /* in the order of the file */
	size_t n_sets;
	void *names;		      /* owned, with the sets: a tree of tsearch(3) */
	bool prune;		      /* it names all sets of the host: others are removed */
	struct mdev_list definitions; /* owned: sorted; for a file with definitions */
};

/* Reads either form. where identifies the text in messages. Unknown or duplicate keys, values out
 * of range, and prune for a list of definitions are errors (STATUS_INVALID) that name the set or
 * the definition, and the key. */
int desired_read(const char *text, size_t len, const char *where, bool prune, struct desired *ret,
		 struct error *err);
/* Returns the set with this name; NULL = none. */
const struct set *desired_find(const struct desired *desired, const char *name);
/* Adds a set with this valid name, which no other one has, and 0 devices: it is removed. */
struct set *desired_add(struct desired *desired, const char *name);
void desired_free(struct desired *desired);
#define _cleanup_desired_ __attribute__((cleanup(desired_free)))

/* Return the label "NAME/INDEX" of a device of a set (owned by the caller), and the UUID derived
 * from it. */
char *set_label(const struct set *set, unsigned index);
void set_uuid(const struct set *set, unsigned index, char ret[UUID_SIZE]);

/* Splits a label. Returns whether it is one. */
bool set_read_label(const char *label, char ret_name[SET_NAME_LIMIT + 1], unsigned *ret_index);

/* Whether an entry of `parents` is a pattern rather than a name. */
bool set_is_pattern(const char *entry);
/* Whether such an entry, or any entry of the set, matches this parent. */
bool set_entry_matches(const char *entry, const char *parent);
bool set_matches(const struct set *set, const char *parent);
