/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "op/desired.h"
#include "op/state.h"

/*
 * Where devices of sets fit. A driver says for each type how many instances can still be created,
 * as if nothing else were: types of a parent share what it has. So a device of a type takes the
 * share 1/available of its parent, whatever its type, and another type has room for what is left of
 * the whole. That is right for a virtual function that takes one device of any type, and for cards
 * that divide ports or memory. Where it is wrong, the start says so (see op/apply).
 */

/* What is planned on one parent. */
struct site {
	const char *name;		   /* borrowed */
	const struct state_parent *parent; /* borrowed; NULL = it is not present */
	double reserved; /* share of what is defined and does not run, and of what is planned */
	double starting; /* share of what is going to be started */
	unsigned freed;	 /* instances that come back */
	size_t taken;	 /* devices on a parent that is not present */
};

struct sites {
	struct site *v; /* owned; sorted by name */
	size_t n;
};

/* All parents of the state, and those that sets name. Borrows from both. */
void sites_open(const struct state *state, const struct desired *desired, struct sites *ret);
void sites_close(struct sites *sites);
#define _cleanup_sites_ __attribute__((cleanup(sites_close)))

/* The site of this name, which exists. */
struct site *sites_find(const struct sites *sites, const char *name);

/* A device of this type is, or is going to be, defined there without running; false: no more. type
 * NULL = the parent is not present. */
void site_reserve(struct site *site, const struct mdev_type *type, bool add);
/* Whether one more may be defined there. */
bool site_has_room(const struct site *site, const struct mdev_type *type);
/* Takes an instance for a start of this plan. Returns whether there is one. */
bool site_start(struct site *site, const struct mdev_type *type);

/* A parent that a set may use. */
struct place {
	struct site *site;	      /* borrowed */
	const struct mdev_type *type; /* borrowed; NULL = not present */
	const char *card;	      /* borrowed: the parents of one card share it */
	bool full;		      /* a start failed there for want of an instance */
	size_t at, turn; /* its place in the set, and that of its card's first; private */
};

/* The order in which devices of one set go to its places. */
struct spread {
	struct place *places; /* borrowed: sorted so that those of a card are together */
	struct card {
		size_t next, end; /* of its places: the first that may have room */
		size_t devices;	  /* of this set */
	} * cards;		  /* owned; in the order of the set */
	size_t n_cards;
	size_t *open; /* owned: cards that may have room */
	size_t n_open, at, level;
};

/* Sorts places by card if the set wants it so. */
void spread_open(struct place *places, size_t n, bool fill, struct spread *ret);
void spread_close(struct spread *spread);
#define _cleanup_spread_ __attribute__((cleanup(spread_close)))

/* One of the set's devices is at this place. */
void spread_count(struct spread *spread, const struct place *place);
/* Reserves the place for the next device; NULL = there is no room. */
struct place *spread_next(struct spread *spread);
