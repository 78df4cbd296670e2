/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/capacity.h"

/* Compares two parents, or a name with one, which begins with it. */
static int by_name(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Collects the names of all parents and cards, some of them several times. */
static void collect_names(const struct snapshot *state, const struct desired *desired,
			  struct capacity_list *ret)
{
	const struct mdev_list *list = &desired->definitions;
	size_t n = 2 * state->n_parents + list->n;

	for (size_t i = 0; i < desired->n_sets; i++)
		n += desired->sets[i]->n_parents;
	ret->v = mem_zero(n + 1, sizeof(*ret->v));
	for (size_t i = 0; i < state->n_parents; i++) {
		ret->v[ret->n++].name = state->parents[i].name;
		if (state->parents[i].card)
			ret->v[ret->n++].name = state->parents[i].card;
	}
	for (size_t i = 0; i < desired->n_sets; i++)
		for (size_t j = 0; j < desired->sets[i]->n_parents; j++)
			if (!set_is_pattern(desired->sets[i]->parents[j]))
				ret->v[ret->n++].name = desired->sets[i]->parents[j];
	for (size_t i = 0; i < list->n; i++)
		ret->v[ret->n++].name = list->v[i].parent;
}

void capacity_open(const struct snapshot *state, const struct desired *desired,
		   struct capacity_list *ret)
{
	size_t n = 0;

	*ret = (struct capacity_list){ 0 };
	collect_names(state, desired, ret);
	qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	for (size_t i = 0; i < ret->n; i++)
		if (i == 0 || strcmp(ret->v[i].name, ret->v[n - 1].name) != 0)
			ret->v[n++] = ret->v[i];
	ret->n = n;
	for (size_t i = 0; i < n; i++) {
		struct capacity *at = &ret->v[i];
		const struct snapshot_parent *parent = snapshot_find_parent(state, at->name);

		at->parent = parent && parent->present ? parent : NULL;
		at->card = at->parent && parent->card ? capacity_find(ret, parent->card) : at;
	}
}

struct capacity *capacity_find(const struct capacity_list *list, const char *name)
{
	return bsearch(&name, list->v, list->n, sizeof(*list->v), by_name);
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

bool capacity_fits(const struct capacity *at, const struct mdev_type *type, uint64_t taken)
{
	return instances(at, type) > 0 && taken + share(at, type) <= CAPACITY_WHOLE;
}

void capacity_reserve(struct capacity *at, const struct mdev_type *type, bool more)
{
	at->reserved += more ? share(at, type) : -share(at, type);
}

bool capacity_start(struct capacity *at, const struct mdev_type *type)
{
	if (!capacity_fits(at, type, at->starting))
		return false;
	at->starting += share(at, type);
	return true;
}
