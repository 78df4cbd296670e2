/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/capacity.h"

static int by_name(const void *left, const void *right)
{
	const struct capacity *a = left, *b = right;

	return strcmp(a->name, b->name);
}

static const char *card_of(const struct capacity *at)
{
	return at->parent && at->parent->card ? at->parent->card : at->name;
}

static int by_card(const void *left, const void *right)
{
	const struct capacity *const *a = left, *const *b = right;

	return strcmp(card_of(*a), card_of(*b));
}

static void number_cards(struct capacity_list *list)
{
	_cleanup_free_ struct capacity **all =
		mem_grow(NULL, list->n + 1, sizeof(struct capacity *));

	for (size_t i = 0; i < list->n; i++)
		all[i] = &list->v[i];
	qsort(all, list->n, sizeof(struct capacity *), by_card);
	for (size_t i = 0; i < list->n; i++) {
		list->n_cards += i == 0 || by_card(&all[i - 1], &all[i]) != 0;
		all[i]->card = list->n_cards - 1;
	}
}

static void add(struct capacity_list *list, const struct snapshot *state, const char *name)
{
	const struct snapshot_parent *parent = snapshot_find_parent(state, name);

	list->v[list->n++] = (struct capacity){
		.name = name,
		.parent = parent && parent->present ? parent : NULL,
	};
}

void capacity_open(const struct snapshot *state, const struct desired *desired,
		   struct capacity_list *ret)
{
	size_t room = state->n_parents + desired->definitions.n, kept = 0;

	for (size_t i = 0; i < desired->n_sets; i++)
		room += desired->sets[i].n_parents;
	*ret = (struct capacity_list){ .v = mem_zero(room + 1, sizeof(struct capacity)) };
	for (size_t i = 0; i < state->n_parents; i++)
		add(ret, state, state->parents[i].name);
	for (size_t i = 0; i < desired->n_sets; i++)
		for (size_t j = 0; j < desired->sets[i].n_parents; j++)
			if (!set_is_pattern(desired->sets[i].parents[j]))
				add(ret, state, desired->sets[i].parents[j]);
	for (size_t i = 0; i < desired->definitions.n; i++)
		if (i == 0 || desired->definitions.v[i].parent != ret->v[ret->n - 1].name)
			add(ret, state, desired->definitions.v[i].parent);
	qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	for (size_t i = 0; i < ret->n; i++)
		if (i == 0 || strcmp(ret->v[i].name, ret->v[kept - 1].name) != 0)
			ret->v[kept++] = ret->v[i];
	ret->n = kept;
	number_cards(ret);
}

void capacity_close(struct capacity_list *list)
{
	free(list->v);
	*list = (struct capacity_list){ 0 };
}

struct capacity *capacity_find(const struct capacity_list *list, const char *name)
{
	struct capacity wanted = { .name = name };

	return bsearch(&wanted, list->v, list->n, sizeof(wanted), by_name);
}

/* If a driver does not count instances, only the start shows whether one is available. */
static unsigned instances(const struct capacity *at, const struct mdev_type *type)
{
	return type->counted ? type->available + at->freed : SET_LIMIT;
}

/* A device that cannot be started takes no share. */
static uint64_t share(const struct capacity *at, const struct mdev_type *type)
{
	unsigned n = type ? instances(at, type) : 0;

	return n > 0 ? CAPACITY_WHOLE / n : 0;
}

static bool fits(const struct capacity *at, const struct mdev_type *type, uint64_t taken)
{
	return instances(at, type) > 0 && taken + share(at, type) <= CAPACITY_WHOLE;
}

void capacity_reserve(struct capacity *at, const struct mdev_type *type, bool add_it)
{
	at->reserved += add_it ? share(at, type) : -share(at, type);
}

bool capacity_start(struct capacity *at, const struct mdev_type *type)
{
	if (!fits(at, type, at->starting))
		return false;
	at->starting += share(at, type);
	return true;
}

void candidates_count(struct candidates *candidates, struct candidate *candidate)
{
	candidate->devices++;
	candidates->on_card[candidate->at->card]++;
}

/* Whether a is better than b: `fill` starts with the parents that are present; otherwise, the card
 * with the fewest devices is the best. A crowded one has no room, so they share what is too much.
 */
static bool is_better(const struct candidates *candidates, const struct candidate *a,
		      const struct candidate *b, bool crowded)
{
	size_t a_rank = candidates->on_card[a->at->card], b_rank = candidates->on_card[b->at->card];

	if (candidates->fill) {
		a_rank = !a->at->parent;
		b_rank = !b->at->parent;
	}
	if (a_rank != b_rank)
		return a_rank < b_rank;
	return crowded && a->devices < b->devices;
}

struct candidate *candidates_choose(struct candidates *candidates, bool limited)
{
	struct candidate *best = NULL;

	for (size_t i = 0; i < candidates->n; i++) {
		struct candidate *candidate = &candidates->v[i];

		if (!candidate->full && candidate->at->parent)
			candidate->full =
				!fits(candidate->at, candidate->type, candidate->at->reserved);
		if (!candidate->full && (!best || is_better(candidates, candidate, best, false)))
			best = candidate;
	}
	bool crowded = !best && !limited;
	for (size_t i = 0; crowded && i < candidates->n; i++)
		if (!best || is_better(candidates, &candidates->v[i], best, true))
			best = &candidates->v[i];
	if (!best)
		return NULL;
	capacity_reserve(best->at, best->type, true);
	candidates_count(candidates, best);
	return best;
}
