/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "device/json.h"
#include "device/uuid.h"
#include "host/mark.h"
#include "host/parent.h"
#include "set/active.h"
#include "view/absent.h"
#include "view/reason.h"
#include "view/snapshot.h"

const char *snapshot_type(const struct snapshot_device *dev)
{
	const struct mdev *definition = snapshot_definition(dev);

	return dev->running ? dev->running->type : definition ? definition->type : "";
}

const struct mdev *snapshot_definition(const struct snapshot_device *dev)
{
	return dev->definition && !dev->definition->broken ? &dev->definition->dev : NULL;
}

char *snapshot_set(const struct snapshot_device *dev)
{
	const struct mdev *definition = snapshot_definition(dev);
	char uuid[UUID_SIZE];
	char *label = definition ? json_unknown_string(definition, JSON_SET) : NULL;

	if (!label)
		return NULL;
	uuid_of_name(label, uuid);
	if (strcmp(uuid, dev->uuid) == 0 && text_printable(label))
		return label;
	free(label);
	return NULL;
}

/* Whether a device is in a set of which something may not have been read. */
static enum answer known(bool found, const char *unseen)
{
	return found ? ANSWER_YES : unseen ? ANSWER_UNKNOWN : ANSWER_NO;
}

/* Both sets have the same order, so all pairs are found in one pass. */
static void join_sets(struct snapshot *state)
{
	const struct definition_list *definitions = &state->definitions;
	const struct mdev_list *running = &state->running;
	size_t i = 0, j = 0;

	state->devices = mem_zero(definitions->n + running->n + 1, sizeof(*state->devices));
	while (i < definitions->n || j < running->n) {
		int order = j == running->n ? -1
			    : i == definitions->n
				    ? 1
				    : mdev_compare(&definitions->v[i].dev, &running->v[j]);
		const struct mdev *dev = order <= 0 ? &definitions->v[i].dev : &running->v[j];
		const struct definition *definition = order <= 0 ? &definitions->v[i++] : NULL;
		const struct mdev *active = order >= 0 ? &running->v[j++] : NULL;

		state->devices[state->n_devices++] = (struct snapshot_device){
			.uuid = dev->uuid,
			.parent = dev->parent,
			.definition = definition,
			.running = active,
			.defined = known(definition, definitions->unseen),
			.active = known(active, running->unseen),
		};
	}
}

static void set_state(struct snapshot_device *dev, enum mdev_state word, char *reason)
{
	dev->state = word;
	dev->reason = reason;
}

/* Determines the most severe state that applies to a device. One that is running on another parent
 * is not missing here, since only one device with a UUID can be running; any problem is reported
 * there. running_on and defined_on: the (first) parent on which the UUID is; NULL = none. marks:
 * see mark_any(). */
static void find_state(const struct env *env, struct snapshot_device *dev, const char *running_on,
		       const char *defined_on, bool marks)
{
	const struct mdev *definition = snapshot_definition(dev), *running = dev->running;
	int incomplete = running && marks ? mark_is_left(env, dev->uuid) : 0;

	if (dev->definition && dev->definition->broken)
		set_state(dev, dev->definition->unreadable ? MDEV_UNKNOWN : MDEV_BROKEN,
			  mem_text_n(dev->definition->broken,
				     strcspn(dev->definition->broken, "\n")));
	else if (incomplete > 0)
		set_state(dev, MDEV_INCOMPLETE,
			  mem_text("its start was interrupted, attributes may be missing"));
	else if (incomplete < 0)
		set_state(dev, MDEV_UNKNOWN,
			  mem_printf("Unable to tell whether its start was interrupted: %s",
				     error_words(-incomplete)));
	else if (running && definition && strcmp(definition->type, running->type) != 0)
		set_state(dev, MDEV_DIFFERS, mem_printf("defined as %s", definition->type));
	else if (running && dev->defined == ANSWER_UNKNOWN)
		set_state(dev, MDEV_UNKNOWN, mem_text("definitions cannot be read"));
	else if (running && !definition && defined_on)
		set_state(dev, MDEV_DIFFERS, mem_printf("defined on %s", defined_on));
	else if (running)
		set_state(dev, MDEV_RUNNING, NULL);
	else if (running_on)
		set_state(dev, MDEV_STOPPED, mem_printf("running on %s", running_on));
	else if (dev->active == ANSWER_UNKNOWN)
		set_state(dev, MDEV_UNKNOWN, mem_text("running devices cannot be read"));
	else if (definition && definition->autostart)
		set_state(dev, MDEV_MISSING, NULL); /* see apply_types() */
	else
		set_state(dev, MDEV_STOPPED, NULL);
}

static int by_uuid(const void *left, const void *right)
{
	const struct snapshot_device *const *a = left, *const *b = right;
	int order = strcmp((*a)->uuid, (*b)->uuid);

	return order ? order : strcmp((*a)->parent, (*b)->parent);
}

static void find_states(const struct env *env, struct snapshot *state)
{
	size_t n = state->n_devices, end;
	bool marks = mark_any(env);
	struct snapshot_device **all = mem_grow(NULL, n + 1, sizeof(struct snapshot_device *));

	state->by_uuid = all;
	for (size_t i = 0; i < n; i++)
		all[i] = &state->devices[i];
	qsort(all, n, sizeof(struct snapshot_device *), by_uuid);
	for (size_t start = 0; start < n; start = end) {
		const char *running = NULL, *defined = NULL;

		for (end = start; end < n && strcmp(all[end]->uuid, all[start]->uuid) == 0; end++) {
			if (all[end]->running)
				running = all[end]->parent;
			if (all[end]->definition && !defined)
				defined = all[end]->parent;
		}
		for (size_t i = start; i < end; i++)
			find_state(env, all[i], running, defined, marks);
	}
}

bool snapshot_selects(const struct filter *filter, const char *parent, const char *card)
{
	return !filter->parent || strcmp(parent, filter->parent) == 0 ||
	       (card && strcmp(card, filter->parent) == 0);
}

/* Collects the parents that the filter selects and that are present or have devices, with their
 * devices. */
static void find_parents(const struct env *env, const struct filter *filter, struct snapshot *state)
{
	_cleanup_names_ struct file_names names = { 0 };
	size_t j = 0;
	int i = 0;

	int r = file_scan(env->root, PARENT_CLASS, &names);
	state->parents_known = r < 0 && r != -ENOENT ? ANSWER_UNKNOWN : ANSWER_YES;
	if (state->parents_known == ANSWER_UNKNOWN)
		text_append(&state->unseen, "; ", "Unable to read /" PARENT_CLASS ": %s",
			    error_words(-r));
	while (i < names.n || j < state->n_devices) {
		int order = j == state->n_devices ? -1
			    : i == names.n	  ? 1
					   : strcmp(names.v[i]->d_name, state->devices[j].parent);
		bool present = order <= 0;
		const char *name = present ? names.v[i++]->d_name : state->devices[j].parent;

		if (!name_valid(name))
			continue;
		struct snapshot_parent parent = { .name = mem_intern(name),
						  .present = present,
						  .driver = parent_driver(env, name),
						  .card = present ? parent_card(env, name) : NULL,
						  .has_types = ANSWER_UNKNOWN,
						  .devices = &state->devices[j] };
		if (!present && state->parents_known == ANSWER_YES)
			parent.absent = absent_words(env, name);
		for (; j < state->n_devices && strcmp(state->devices[j].parent, name) == 0; j++)
			parent.n_devices++;
		if (!snapshot_selects(filter, name, parent.card) ||
		    (filter->uuid && parent.n_devices == 0))
			continue;
		state->parents =
			mem_room(state->parents, state->n_parents, sizeof(*state->parents));
		state->parents[state->n_parents++] = parent;
	}
}

/* Determines whether a parent without known types has none, or they cannot be read, which is
 * recorded. */
static enum answer check_types(const struct env *env, struct snapshot *state, const char *parent)
{
	_cleanup_free_ char *path = mem_printf(PARENT_CLASS "/%s/mdev_supported_types", parent);
	_cleanup_close_ int fd = file_open_dir(env->root, path);

	if (fd >= 0 || file_is_missing(-fd))
		return ANSWER_NO;
	text_append(&state->unseen, "; ", "Unable to read /%s: %s", path, error_words(-fd));
	return ANSWER_UNKNOWN;
}

static void find_types(const struct env *env, struct snapshot *state)
{
	size_t j = 0;

	types_find(env, NULL, &state->types);
	for (size_t i = 0; i < state->n_parents; i++) {
		struct snapshot_parent *parent = &state->parents[i];

		while (j < state->types.n && strcmp(state->types.v[j].parent, parent->name) < 0)
			j++; /* its parent is not selected, or appeared after they were read */
		parent->types = &state->types.v[j];
		while (j < state->types.n && strcmp(state->types.v[j].parent, parent->name) == 0)
			j++;
		parent->n_types = (size_t)(&state->types.v[j] - parent->types);
		parent->has_types = parent->n_types > 0 ? ANSWER_YES
				    : parent->present	? check_types(env, state, parent->name)
							: ANSWER_NO;
	}
}

/* Whether the definition says which name its type had. */
static bool has_type_name(const struct snapshot_device *dev)
{
	const struct mdev *definition = snapshot_definition(dev);
	_cleanup_free_ char *name =
		definition ? json_unknown_string(definition, JSON_TYPE_NAME) : NULL;

	return name;
}

/* Sets what depends on the types of the parent. */
static void apply_types(const struct snapshot *state, const struct snapshot_parent *parent,
			struct snapshot_device *dev)
{
	const struct mdev *definition = snapshot_definition(dev);
	const struct mdev_type *type =
		definition ? snapshot_find_type(parent, definition->type) : NULL;
	bool sound = dev->state == MDEV_MISSING || !snapshot_is_wrong(dev);
	char *renamed = sound && type ? reason_renamed(definition, type->title) : NULL;

	if (renamed) {
		free(dev->reason);
		set_state(dev, MDEV_DIFFERS, renamed);
	} else if (dev->state == MDEV_MISSING) {
		dev->reason =
			reason_words(reason_of(state, parent, snapshot_type(dev)), parent->absent);
	}
}

/* Finds the processes that use running devices, in one pass. */
static void find_holders(const struct env *env, bool walk, struct snapshot *state)
{
	holder_pass_open(&state->users, env, &state->running);
	holder_find_all(env, state->users.holders, state->users.n, walk);
	for (struct snapshot_device *dev = state->devices; dev < state->devices + state->n_devices;
	     dev++)
		if (dev->running)
			dev->holder = &state->users.holders[dev->running - state->running.v];
}

void snapshot_read(const struct env *env, const struct filter *filter, unsigned what,
		   struct snapshot *ret)
{
	const struct filter uuid = { filter->uuid, NULL };
	bool types = what & SNAPSHOT_TYPES;

	*ret = (struct snapshot){ 0 };
	/* This order ensures that a device that is defined and started in the meantime is not
	 * reported as missing. */
	defined_find(env, &uuid, &ret->definitions);
	active_find(env, &uuid, &ret->running);
	if (ret->definitions.unseen)
		text_append(&ret->unseen, "; ", "%s", ret->definitions.unseen);
	if (ret->running.unseen)
		text_append(&ret->unseen, "; ", "%s", ret->running.unseen);
	join_sets(ret);
	find_states(env, ret);
	find_parents(env, filter, ret);
	for (size_t i = 0; i < ret->n_devices && !types; i++)
		types = ret->devices[i].state == MDEV_MISSING || has_type_name(&ret->devices[i]);
	if (ret->parents_known == ANSWER_YES && types)
		find_types(env, ret);
	for (size_t i = 0; i < ret->n_parents; i++)
		for (size_t j = 0; j < ret->parents[i].n_devices; j++)
			apply_types(ret, &ret->parents[i], &ret->parents[i].devices[j]);
	if (what & (SNAPSHOT_HOLDERS | SNAPSHOT_NODES))
		find_holders(env, what & SNAPSHOT_HOLDERS, ret);
}

bool snapshot_is_wrong(const struct snapshot_device *dev)
{
	return dev->state != MDEV_RUNNING && dev->state != MDEV_STOPPED;
}

static int by_name(const void *name, const void *parent)
{
	return strcmp(name, ((const struct snapshot_parent *)parent)->name);
}

const struct snapshot_parent *snapshot_find_parent(const struct snapshot *state, const char *name)
{
	return state->n_parents == 0 ? NULL
				     : bsearch(name, state->parents, state->n_parents,
					       sizeof(state->parents[0]), by_name);
}

const struct mdev_type *snapshot_find_type(const struct snapshot_parent *parent, const char *name)
{
	return types_find_name(parent->types, parent->n_types, name);
}

void snapshot_free(struct snapshot *state)
{
	for (size_t i = 0; i < state->n_devices; i++)
		free(state->devices[i].reason);
	holder_pass_close(&state->users);
	free(state->devices);
	free(state->by_uuid);
	free(state->parents);
	free(state->unseen);
	definition_free_all(&state->definitions);
	mdev_list_free(&state->running);
	types_free(&state->types);
	*state = (struct snapshot){ 0 };
}
