/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/plan.h"
#include "apply/plan_sets.h"

static void free_changes(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_changes; i++)
		mdev_free(&plan->changes[i].dev);
	free(plan->changes);
}

void plan_free(struct plan *plan)
{
	free_changes(plan);
	for (size_t i = 0; i < plan->n_problems; i++)
		free(plan->problems[i].text);
	free(plan->problems);
	*plan = (struct plan){ 0 };
}

/* --- Definitions ---------------------------------------------------------------------------- */

/* Whether the file contains this device on that parent as well. */
static bool is_desired(const struct planner *p, const char *parent, const char *uuid)
{
	const struct mdev_list *list = &p->desired->definitions;
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(list->v[middle].parent, parent);

		order = order ? order : strcmp(list->v[middle].uuid, uuid);
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Whether this plan starts a device with this UUID. Few devices are defined more than once. */
static bool is_starting(const struct planner *p, const char *uuid)
{
	for (size_t i = 0; i < p->coming.n_changes; i++)
		if (p->coming.changes[i].action == ACTION_START &&
		    strcmp(p->coming.changes[i].dev.uuid, uuid) == 0)
			return true;
	return false;
}

static struct plan_change *put_device(struct plan *plan, enum action action,
				      const struct mdev *wanted,
				      const struct snapshot_device *there)
{
	struct plan_change *change = planner_add(plan, action, there);

	planner_name(&change->dev, wanted->uuid, wanted->parent, wanted->type);
	planner_define(change, wanted, NULL);
	return change;
}

/* Returns false if the device cannot be started. It is enough to start one of several devices with
 * a UUID. */
static bool start_device(struct planner *p, const struct mdev *wanted, size_t n_there,
			 bool incomplete)
{
	struct site *site = sites_find(&p->sites, wanted->parent);
	const struct mdev_type *type =
		site->parent ? snapshot_find_type(site->parent, wanted->type) : NULL;

	if (!site->parent || (n_there > 1 && is_starting(p, wanted->uuid)))
		return true;
	bool has_instance = type && !planner_is_full(p, site->name, type->name);
	if (!incomplete && !(has_instance && site_start(site, type)))
		return false;
	put_device(&p->coming, ACTION_START, wanted, NULL);
	return true;
}

/* Reports why a device cannot be started. */
static void explain(struct planner *p, const struct mdev *wanted)
{
	const struct site *site = sites_find(&p->sites, wanted->parent);

	if (site->parent->has_types == ANSWER_UNKNOWN) {
		planner_problem(
			p, STATUS_FAILED,
			"Device %s cannot be started: Unable to read the types of parent %s",
			wanted->uuid, wanted->parent);
		return;
	}
	if (!snapshot_find_type(site->parent, wanted->type)) {
		planner_problem(
			p, STATUS_NOT_FOUND,
			"Device %s cannot be started: Parent %s does not support mdev type %s",
			wanted->uuid, wanted->parent, wanted->type);
		return;
	}
	planner_problem(p, STATUS_NO_INSTANCES, "No available instances of %s on %s for device %s",
			wanted->type, wanted->parent, wanted->uuid);
	p->missing++;
}

/* Sets *ret_idle if the device should be running, but cannot be started here. */
static int plan_device(struct planner *p, const struct mdev *wanted, bool several, bool *ret_idle,
		       struct error *err)
{
	size_t n;
	const struct snapshot_device *const *there = planner_find(p, wanted->uuid, &n);
	const struct snapshot_device *running = planner_running(there, n), *here = NULL;

	for (size_t i = 0; i < n; i++)
		if (strcmp(there[i]->parent, wanted->parent) == 0)
			here = there[i];
	const struct definition *now = here ? here->definition : NULL;
	if (now && now->unreadable)
		return error_set(err, STATUS_FAILED, "%s", now->broken);
	p->wanted++;
	if (!now || now->broken || !mdev_is_same(&now->dev, wanted)) {
		put_device(now ? &p->changing : &p->coming, now ? ACTION_MODIFY : ACTION_DEFINE,
			   wanted, here);
		if (now)
			planner_note_running(p, here, wanted, "");
		else if (!sites_find(&p->sites, wanted->parent)->parent)
			planner_note_absent(p, wanted->parent);
	}
	bool incomplete = here && here->state == MDEV_INCOMPLETE;
	if (here && !(incomplete && wanted->autostart))
		planner_note_type(p, here, wanted->type);
	if (!wanted->autostart || (running && running == here && !incomplete))
		return 0;
	if (!running || incomplete)
		*ret_idle = !start_device(p, wanted, several ? 2 : n, incomplete);
	else if (!is_desired(p, running->parent, wanted->uuid))
		planner_problem(p, STATUS_EXISTS,
				"Device %s cannot be started on %s: it is running on %s",
				wanted->uuid, wanted->parent, running->parent);
	return 0;
}

static int by_uuid_alone(const void *left, const void *right)
{
	const struct mdev *const *a = left, *const *b = right;

	return strcmp((*a)->uuid, (*b)->uuid);
}

/* Whether the file contains a UUID on several parents. */
static bool has_several(const struct mdev_list *list)
{
	_cleanup_free_ const struct mdev **all =
		mem_grow(NULL, list->n + 1, sizeof(const struct mdev *));

	for (size_t i = 0; i < list->n; i++)
		all[i] = &list->v[i];
	qsort(all, list->n, sizeof(const struct mdev *), by_uuid_alone);
	for (size_t i = 1; i < list->n; i++)
		if (strcmp(all[i]->uuid, all[i - 1]->uuid) == 0)
			return true;
	return false;
}

static int plan_definitions(struct planner *p, struct error *err)
{
	const struct mdev_list *list = &p->desired->definitions;
	_cleanup_free_ bool *idle = mem_zero(list->n + 1, sizeof(bool));
	bool several = has_several(list);

	for (size_t i = 0; i < list->n; i++)
		if (plan_device(p, &list->v[i], several, &idle[i], err) < 0)
			return -1;
	for (size_t i = 0; i < list->n; i++)
		if (idle[i] && !(several && is_starting(p, list->v[i].uuid)))
			explain(p, &list->v[i]);
	return 0;
}

/* --- All of it ------------------------------------------------------------------------------ */

static int check_state(const struct snapshot *state, struct error *err)
{
	const char *unseen =
		state->definitions.unseen ? state->definitions.unseen : state->running.unseen;

	if (unseen)
		return error_set(err, STATUS_FAILED, "%s", unseen);
	if (state->parents_known != ANSWER_YES)
		return error_set(err, STATUS_FAILED, "%s", state->unseen);
	return 0;
}

/* Appends the changes of one kind. */
static void move_changes(struct plan *to, struct plan *from)
{
	to->changes =
		mem_grow(to->changes, to->n_changes + from->n_changes + 1, sizeof(*to->changes));
	if (from->n_changes > 0)
		memcpy(&to->changes[to->n_changes], from->changes,
		       from->n_changes * sizeof(*to->changes));
	to->n_changes += from->n_changes;
	to->room_changes = to->n_changes + 1;
	free(from->changes);
	*from = (struct plan){ 0 };
}

int plan_make(const struct snapshot *state, const struct desired *desired,
	      const struct plan_facts *facts, struct plan *ret, struct error *err)
{
	_cleanup_planner_ struct planner p = { .state = state, .desired = desired, .facts = facts };

	if (check_state(state, err) < 0)
		return -1;
	planner_open(&p);
	if (plan_sets(&p, err) < 0 || plan_definitions(&p, err) < 0)
		return -1;
	move_changes(&p.going, &p.moving);
	move_changes(&p.going, &p.changing);
	move_changes(&p.going, &p.coming);
	*ret = p.going;
	ret->wanted = p.wanted;
	ret->missing = p.missing;
	ret->in_use = p.in_use;
	p.going = (struct plan){ 0 };
	return 0;
}
