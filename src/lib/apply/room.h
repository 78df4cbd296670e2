/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "apply/desired.h"
#include "view/snapshot.h"

/*
 * Determines where devices of sets fit. For each type, a driver reports how many instances can
 * still be created if no other type is used: the types of a parent share its resources. Therefore,
 * a device of a type takes the share 1/available of its parent, and other types can use the rest.
 * This is correct for virtual functions that take one device of any type, and for cards that divide
 * ports or memory. If it is wrong, the start fails (see apply/apply).
 */

/* The plan for one parent. */
struct site {
	const char *name;		      /* borrowed */
	const struct snapshot_parent *parent; /* borrowed; NULL = it is not present */
	double reserved; /* share of devices that are defined but not running, and of planned ones
			  */
	double starting; /* share of devices that are going to be started */
	unsigned freed;	 /* instances that become available again */
	size_t taken;	 /* devices on a parent that is not present */
};

struct sites {
	struct site *v; /* owned; sorted by name */
	size_t n;
};

/* Collects all parents of the state, and those named in sets. Borrows from both. */
void sites_open(const struct snapshot *state, const struct desired *desired, struct sites *ret);
void sites_close(struct sites *sites);
#define _cleanup_sites_ __attribute__((cleanup(sites_close)))

/* Returns the site with this name, which must exist. */
struct site *sites_find(const struct sites *sites, const char *name);

/* Reserves (add) or releases the share of a device of this type that is, or is going to be, defined
 * without running. type NULL = the parent is not present. */
void site_reserve(struct site *site, const struct mdev_type *type, bool add);
/* Whether another device can be defined on it. */
bool site_has_room(const struct site *site, const struct mdev_type *type);
/* Takes an instance for a start in this plan. Returns whether one is available. */
bool site_start(struct site *site, const struct mdev_type *type);

/* A parent that a set can use. */
struct place {
	struct site *site;	      /* borrowed */
	const struct mdev_type *type; /* borrowed; NULL = not present */
	const char *card;	      /* borrowed: the same for all parents of a card */
	bool full;		      /* a start has failed because no instance was available */
	size_t at, turn; /* position in the set, and that of the first of its card; private */
};

/* The order in which devices of a set are assigned to its places. */
struct spread {
	struct place *places; /* borrowed: grouped by card */
	struct card {
		size_t next, end; /* range of its places that may have room */
		size_t devices;	  /* devices of this set */
	} * cards;		  /* owned; in the order of the set */
	size_t n_cards;
	size_t *open; /* owned: cards that may have room */
	size_t n_open, at, level;
};

/* Groups places by card, unless `fill` is set. */
void spread_open(struct place *places, size_t n, bool fill, struct spread *ret);
void spread_close(struct spread *spread);
#define _cleanup_spread_ __attribute__((cleanup(spread_close)))

/* Counts a device of the set on this place. */
void spread_count(struct spread *spread, const struct place *place);
/* Reserves a place for the next device; NULL = there is no room. */
struct place *spread_next(struct spread *spread);
