/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apply/desired.h"
#include "view/snapshot.h"

/*
 * How many devices parents can take, and which of them is the best one for the next device of a
 * set.
 *
 * For each type, a driver reports how many instances can still be created if no other type is used:
 * the types of a parent share its resources. Therefore, a device of a type takes the share
 * 1/available of its parent, and other types can use the rest. This is correct for virtual
 * functions that take one device of any type, and for cards that divide ports or memory. If it is
 * wrong, the start fails, and apply plans again (see struct facts).
 */

/* The shares of a whole parent are integers, rounded down: n devices of a type with n instances
 * always fit, and the rounding of a thousand others is less than one instance of 65536. */
#define CAPACITY_WHOLE ((uint64_t)1 << 45)

/* A parent, or the card that it is a function of, in one plan. */
struct capacity {
	const char *name;		      /* borrowed */
	const struct snapshot_parent *parent; /* borrowed; NULL = it is not present, and its
						 capacity is unknown */
	struct capacity *card;		      /* borrowed: itself if it is not a function */
	uint64_t reserved;	/* share of devices that do not run yet: defined or planned */
	uint64_t starting;	/* share of devices that this plan starts */
	unsigned freed;		/* instances that this plan makes available */
	const char *unreadable; /* borrowed: why one of its definitions cannot be read, so that
				   devices may be unknown; NULL = all can be */

	/* Of the set that is being planned. */
	struct candidate *candidate; /* borrowed; NULL = none */
	size_t on_card;		     /* devices that this card has */
	size_t waiting;		     /* devices that wait for this parent */
};

struct capacity_list {
	struct capacity *v; /* owned; sorted by name */
	size_t n;
};

/* Collects the parents and cards of the snapshot and the parents of the file, from which it
 * borrows. */
void capacity_open(const struct snapshot *state, const struct desired *desired,
		   struct capacity_list *ret);
void capacity_close(struct capacity_list *list);

/* Returns the parent with this name, which must be one of the list. */
struct capacity *capacity_find(const struct capacity_list *list, const char *name);

/* Reserves (add) or releases the share of a device of this type that is, or is going to be, defined
 * without running. type NULL = not known. */
void capacity_reserve(struct capacity *at, const struct mdev_type *type, bool add);
/* Takes an instance for a device that this plan starts. Returns whether one is available. */
bool capacity_start(struct capacity *at, const struct mdev_type *type);

/* A parent that a set can use. */
struct candidate {
	struct capacity *at;	      /* borrowed */
	const struct mdev_type *type; /* borrowed; NULL = the parent is not present */
	bool full;		      /* it has no room for another device */
	size_t devices;		      /* devices of the set that it has */
};

struct candidates {
	struct candidate *v; /* owned; in the order of the set */
	size_t n;
	bool fill; /* fill one parent before the next; otherwise, prefer the card with the fewest
		      devices */
};

/* Begin and end the planning of the devices of a set: between them, capacities refer to them. */
void candidates_begin(struct candidates *candidates);
void candidates_end(struct candidates *candidates);

/* Counts a device of the set. */
void candidates_count(struct candidate *candidate);

/* Reserves room for the next device of the set, and returns where; NULL = there is none. Without
 * limited, there is always room: it is only defined. */
struct candidate *candidates_choose(struct candidates *candidates, bool limited);
