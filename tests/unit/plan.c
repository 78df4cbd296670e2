/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apply/plan: a large host is planned evenly, in linear time, and a second plan is empty. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "apply/plan.h"

#define FUNCTIONS 8 /* of a card; each takes this number of devices */

/* With sanitizers, only the plan is checked, not the time. */
#ifdef __SANITIZE_ADDRESS__
#define SLOW 1000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW 1000
#endif
#endif
#ifndef SLOW
#define SLOW 1
#endif

/* Creates a host with n parents. */
static void open_host(size_t n, struct snapshot *state)
{
	*state = (struct snapshot){ .parents = mem_zero(n, sizeof(*state->parents)),
				    .n_parents = n,
				    .parents_known = ANSWER_YES };
	state->types.v = mem_zero(n, sizeof(*state->types.v));
	state->types.n = n;
	state->devices = mem_zero(n * FUNCTIONS + 1, sizeof(*state->devices));
	for (size_t i = 0; i < n; i++) {
		struct mdev_type *type = &state->types.v[i];
		char parent[32], card[32];

		snprintf(card, sizeof(card), "card-%06zu", i / FUNCTIONS);
		snprintf(parent, sizeof(parent), "parent-%06zu", i);
		type->parent = mem_intern(parent);
		type->name = "type-1";
		type->counted = true;
		type->available = FUNCTIONS;
		type->title = mem_text("Large");
		state->parents[i] = (struct snapshot_parent){ .name = type->parent,
							      .present = true,
							      .card = mem_intern(card),
							      .has_types = ANSWER_YES,
							      .types = type,
							      .n_types = 1 };
	}
}

static int by_parent_and_uuid(const void *left, const void *right)
{
	const struct snapshot_device *a = left, *b = right;
	int order = strcmp(a->parent, b->parent);

	return order ? order : strcmp(a->uuid, b->uuid);
}

static int by_uuid(const void *left, const void *right)
{
	const struct snapshot_device *const *a = left, *const *b = right;

	return strcmp((*a)->uuid, (*b)->uuid);
}

/* Applies the plan to the state. */
static void carry_out(const struct plan *plan, struct snapshot *state)
{
	struct definition_list *list = &state->definitions;

	list->v = mem_zero(plan->n_changes, sizeof(*list->v));

	for (size_t i = 0; i < plan->n_changes; i++) {
		const struct mdev *dev = &plan->changes[i].dev;
		if (plan->changes[i].action != ACTION_DEFINE)
			continue;
		struct mdev *copy = &list->v[list->n++].dev;
		memcpy(copy->uuid, dev->uuid, sizeof(dev->uuid));
		copy->parent = dev->parent;
		mdev_copy_definition(copy, dev);
	}
	for (size_t i = 0; i < list->n; i++) {
		state->devices[i] = (struct snapshot_device){ .uuid = list->v[i].dev.uuid,
							      .parent = list->v[i].dev.parent,
							      .definition = &list->v[i],
							      .running = &list->v[i].dev,
							      .defined = ANSWER_YES,
							      .active = ANSWER_YES,
							      .state = MDEV_RUNNING };
		state->types.v[atoi(list->v[i].dev.parent + strlen("parent-"))].available--;
	}
	state->n_devices = list->n;
	qsort(state->devices, state->n_devices, sizeof(*state->devices), by_parent_and_uuid);
	state->by_uuid = mem_zero(state->n_devices, sizeof(*state->by_uuid));
	for (size_t i = 0; i < state->n_devices; i++)
		state->by_uuid[i] = &state->devices[i];
	qsort(state->by_uuid, state->n_devices, sizeof(*state->by_uuid), by_uuid);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1000 + (double)time.tv_nsec / 1e6;
}

/* Returns the minimum time of several runs in milliseconds; *ret is the plan. */
static double plan_host(const struct snapshot *state, struct desired *desired, struct plan *ret)
{
	_cleanup_error_ struct error err = { 0 };
	struct facts facts = { 0 };
	double best = 1e9;

	for (int i = 0; i < 5; i++) {
		double start = now();

		plan_free(ret);
		assert(plan_make(NULL, state, desired, &facts, ret, &err) == 0);
		if (now() - start < best)
			best = now() - start;
	}
	return best;
}

/* All parents have the same number of devices, and none is missing. */
static void check_even(const struct plan *plan, size_t n_parents)
{
	_cleanup_free_ size_t *counts = mem_zero(n_parents, sizeof(size_t));

	assert(plan->n_changes == 2 * n_parents * FUNCTIONS && plan->problems.n == 0);
	for (size_t i = 0; i < plan->n_changes; i++) {
		const struct plan_change *change = &plan->changes[i];

		assert(change->action == (i % 2 ? ACTION_START : ACTION_DEFINE));
		assert(strcmp(change->dev.type, "type-1") == 0);
		counts[atoi(change->dev.parent + strlen("parent-"))] += i % 2;
	}
	for (size_t i = 0; i < n_parents; i++)
		assert(counts[i] == FUNCTIONS);
}

/* Plans a set that fills n parents; returns the time of both plans in milliseconds. */
static double fill(size_t n_parents)
{
	static char *parents[] = { (char *)"parent-*" };
	struct set set = { .name = "large",
			   .device = { .parent = "", .type = "Large", .autostart = true },
			   .parents = parents,
			   .n_parents = 1,
			   .count = (unsigned)n_parents * FUNCTIONS };
	struct desired desired = { .sets = &(struct set *){ &set }, .n_sets = 1 };
	_cleanup_plan_ struct plan plan = { 0 };
	struct snapshot state;

	open_host(n_parents, &state);
	double first = plan_host(&state, &desired, &plan);
	check_even(&plan, n_parents);
	carry_out(&plan, &state);
	double second = plan_host(&state, &desired, &plan);
	assert(plan.n_changes == 0 && plan.problems.n == 0 && plan.missing == 0);
	snapshot_free(&state);
	return first + second;
}

int main(void)
{
	double quarter, all;
	int tries = 0;

	/* A busy machine disturbs measurements, but no number of tries makes a quadratic plan look
	 * linear. */
	do {
		quarter = fill(128);
		all = fill(512);
	} while ((all >= 100.0 * SLOW || all >= 8 * quarter) &&
		 ++tries < 20); /* were it quadratic: 16 */

	printf("plan of 4096 devices on 512 parents: %.1f ms, of a quarter: %.1f ms\n", all,
	       quarter);
	assert(all < 100.0 * SLOW);
	assert(all < 8 * quarter);
	return 0;
}
