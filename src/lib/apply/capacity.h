/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apply/desired.h"
#include "view/snapshot.h"

/*
 * How many devices parents can take.
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
	const char *name;		      /* borrowed; the first member */
	const struct snapshot_parent *parent; /* borrowed; NULL = it is not present, and its
						 capacity is unknown */
	struct capacity *card;		      /* borrowed: itself if it is not a function */
	uint64_t reserved;	/* share of devices that do not run yet: defined or planned */
	uint64_t starting;	/* share of devices that this plan starts */
	unsigned freed;		/* instances that this plan makes available */
	const char *unreadable; /* borrowed: why one of its definitions cannot be read, so that
				   devices may be unknown; NULL = all can be */

	/* Of the set that is being planned. */
	size_t on_card; /* devices that this card has */
	size_t waiting; /* devices that wait for this parent */
};

struct capacity_list {
	struct capacity *v; /* owned; sorted by name */
	size_t n;
};

/* Collects the parents and cards of the snapshot and the parents of the file, from which it
 * borrows. */
void capacity_open(const struct snapshot *state, const struct desired *desired,
		   struct capacity_list *ret);

/* Returns the parent with this name, which must be one of the list. */
struct capacity *capacity_find(const struct capacity_list *list, const char *name);

/* Whether a parent, of which this share is taken, has room for one more device of this type. */
bool capacity_fits(const struct capacity *at, const struct mdev_type *type, uint64_t taken);
/* Reserves (more) or releases the share of a device of this type that is, or is going to be,
 * defined without running. type NULL = not known. */
void capacity_reserve(struct capacity *at, const struct mdev_type *type, bool more);
/* Takes an instance for a device that this plan starts. Returns whether one is available. */
bool capacity_start(struct capacity *at, const struct mdev_type *type);
