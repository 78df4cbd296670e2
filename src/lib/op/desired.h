/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "device/mdev.h"

/*
 * The desired state of a host, as the file of mdevctl apply describes it (mdev-apply(8)): sets of
 * devices, or definitions in the form of `mdevctl list -d --dumpjson`.
 */

/* The largest such file. */
#define DESIRED_LIMIT ((size_t)32 * 1024 * 1024)
/* The most devices of one set. */
#define SET_LIMIT 4096u
#define SET_NAME_LIMIT 64
/* "NAME/INDEX" */
#define SET_LABEL_SIZE (SET_NAME_LIMIT + sizeof("/4095"))

struct set {
	char name[SET_NAME_LIMIT + 1];
	struct mdev device; /* owned: type (a directory's or a human-readable name), start,
			       attributes */
	char **parents;	    /* owned: names and patterns, in order */
	size_t n_parents;
	unsigned count; /* SET_LIMIT if max */
	bool max;	/* as many as fit */
	bool fill;	/* the first parent before the next; else the card that has the fewest */
};

struct desired {
	struct set *sets; /* owned: in the order of the file */
	size_t n_sets;
	struct mdev_list definitions; /* owned: sorted; of the other form */
};

/* Reads either form. where names the text in messages. Whatever is misspelt, given twice or out of
 * range is an error (STATUS_INVALID) that names the set or the definition, and the key. */
int desired_read(const char *text, size_t len, const char *where, struct desired *ret,
		 struct error *err);
void desired_free(struct desired *desired);
#define _cleanup_desired_ __attribute__((cleanup(desired_free)))

/* "NAME/INDEX", by which a device of a set is known to people, and the UUID that says so. */
void set_label(const struct set *set, unsigned index, char ret[SET_LABEL_SIZE]);
void set_uuid(const struct set *set, unsigned index, char ret[UUID_SIZE]);

/* Whether a parent entry is a pattern rather than a name. */
bool set_is_pattern(const char *parent);
/* Whether a name or a pattern of the set matches this parent. */
bool set_matches(const struct set *set, const char *parent);
