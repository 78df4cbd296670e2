/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <search.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/suggest.h"
#include "base/text.h"
#include "device/json.h"
#include "device/uuid.h"
#include "host/holder.h"
#include "apply/capacity.h"
#include "apply/plan.h"
#include "set/types.h"
#include "view/absent.h"
#include "view/reason.h"

/* A UUID of the host or of the file. */
struct device {
	char uuid[UUID_SIZE];
	struct snapshot_device *const *at; /* borrowed: where it is; sorted by parent */
	size_t n;
	const struct snapshot_device *running; /* one of them; NULL = none */
	const struct fact *fact;	       /* borrowed; NULL = none */
	const char *unreadable; /* borrowed: why one of its definitions cannot be read; NULL = all
				   can be */

	const struct set *set;		    /* borrowed from the file; NULL = none */
	unsigned index;			    /* in the set, like all that follows */
	const struct snapshot_device *home; /* where it remains; NULL = nowhere */
	const char *type;		    /* borrowed: its type there, or on its new parent */
	struct capacity *parent;	    /* that it has in the end; NULL = none */
	bool in_use; /* it remains everywhere, although its parent does not match */

	bool starts; /* for a list of definitions: the plan starts it, on any parent */
};

/* A parent that a set can use. */
struct candidate {
	struct capacity *at;	      /* borrowed */
	const struct mdev_type *type; /* borrowed; NULL = the parent is not present */
	bool full;		      /* it has no room for another device */
	size_t devices;		      /* devices of the set that it has */
};

/* A set on this host. */
struct host_set {
	const struct set *set;
	struct candidate *candidates; /* owned; in the order of the set */
	size_t n_candidates;
	bool title; /* its type is not the name of a known directory: only a parent that is present
		       can map a human-readable name to a directory */
	struct device *devices; /* borrowed; sorted by index */
	size_t n_devices;
};

/* A plan in the making. */
struct work {
	const struct env *env;
	const struct snapshot *state;
	struct desired *desired; /* to which the sets of --prune are added */
	struct plan plan;
	struct capacity_list capacities;
	const struct facts *facts; /* borrowed */
	struct device *devices; /* owned; sorted by UUID, or by set and index if there are sets */
	size_t n_devices;
	struct host_set *sets; /* owned: of the sets of the file, in its order */
};

void plan_change_free(struct plan_change *change)
{
	mdev_free(&change->dev);
	mdev_free(&change->before);
	free(change->note);
	error_clear(&change->error);
}

/* Compares two texts, two devices, or a UUID with a device or a fact, which begin with it. */
static int by_text(const void *left, const void *right)
{
	return strcmp(left, right);
}

struct fact *facts_find(const struct facts *facts, const char *uuid)
{
	return facts->n == 0 ? NULL : bsearch(uuid, facts->v, facts->n, sizeof(*facts->v), by_text);
}

struct fact *facts_set(struct facts *facts, const char *uuid, enum fact_kind kind, unsigned round)
{
	struct fact *fact = facts_find(facts, uuid);

	if (!fact) {
		facts->v = mem_room(facts->v, facts->n, sizeof(*facts->v));
		for (fact = &facts->v[facts->n++];
		     fact > facts->v && strcmp(uuid, fact[-1].uuid) < 0; fact--)
			*fact = fact[-1];
		*fact = (struct fact){ 0 };
		memcpy(fact->uuid, uuid, UUID_SIZE);
	}
	free(fact->use);
	fact->use = NULL;
	fact->kind = kind;
	fact->round = round;
	return fact;
}

void facts_free(struct facts *facts)
{
	for (size_t i = 0; i < facts->n; i++)
		free(facts->v[i].use);
	free(facts->v);
	mdev_list_free(&facts->full);
	*facts = (struct facts){ 0 };
}

bool plan_add_problem(struct problem_list *list, enum status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = mem_vprintf(format, args);
	va_end(args);
	char *const *found = mem_check(tsearch(text, &list->texts, by_text));
	if (*found != text) {
		free(text);
		return false;
	}
	list->v = mem_room(list->v, list->n, sizeof(*list->v));
	list->v[list->n++] = (struct error){ status, text };
	return true;
}

void plan_free_problems(struct problem_list *list)
{
	tdestroy(list->texts, free);
	free(list->v);
	*list = (struct problem_list){ 0 };
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_changes; i++)
		plan_change_free(&plan->changes[i]);
	free(plan->changes);
	plan_free_problems(&plan->problems);
	*plan = (struct plan){ 0 };
}

static bool is_incomplete(const struct snapshot_device *dev)
{
	return dev->running && dev->state == MDEV_INCOMPLETE;
}

/* Fails if there is a sentence about what cannot be read. */
static int check_readable(const char *unread, struct error *err)
{
	return unread ? error_set(err, STATUS_FAILED, "%s", unread) : 0;
}

static bool is_kind(const struct fact *fact, enum fact_kind kind)
{
	return fact && fact->kind == kind;
}

static struct device *find_device(const struct work *w, const char *uuid)
{
	return bsearch(uuid, w->devices, w->n_devices, sizeof(*w->devices), by_text);
}

/* The devices that are known to be wanted: "max" is not known yet. */
static unsigned wanted_count(const struct set *set)
{
	return set->max ? 0 : set->count;
}

static void add_host_devices(struct work *w)
{
	struct device *device = NULL;

	for (size_t i = 0; i < w->state->n_devices; i++) {
		const struct snapshot_device *dev = w->state->by_uuid[i];

		if (!device || strcmp(device->uuid, dev->uuid) != 0) {
			device = &w->devices[w->n_devices++];
			memcpy(device->uuid, dev->uuid, UUID_SIZE);
			device->at = &w->state->by_uuid[i];
		}
		device->n++;
		if (dev->running)
			device->running = dev;
		if (!dev->definition || !dev->definition->unreadable)
			continue;
		device->unreadable = dev->definition->broken;
		capacity_find(&w->capacities, dev->parent)->unreadable = device->unreadable;
	}
}

/* Adds those of the file that the host does not have. */
static void add_wanted_devices(struct work *w)
{
	const struct mdev_list *list = &w->desired->definitions;
	size_t n = w->n_devices; /* find_device() finds those of the host */
	char uuid[UUID_SIZE];

	for (size_t i = 0; i < w->desired->n_sets; i++)
		for (unsigned j = 0; j < wanted_count(w->desired->sets[i]); j++) {
			set_uuid(w->desired->sets[i], j, uuid);
			struct device *device = find_device(w, uuid);
			if (!device) {
				device = &w->devices[n++];
				memcpy(device->uuid, uuid, UUID_SIZE);
			}
			device->set = w->desired->sets[i];
			device->index = j;
		}
	for (size_t i = 0; i < list->n; i++)
		if (!find_device(w, list->v[i].uuid))
			memcpy(w->devices[n++].uuid, list->v[i].uuid, UUID_SIZE);
	w->n_devices = n;
}

/* Collects the devices of the host and of the file, each UUID once. */
static void find_devices(struct work *w)
{
	size_t n = w->state->n_devices + w->desired->definitions.n;

	for (size_t i = 0; i < w->desired->n_sets; i++)
		n += wanted_count(w->desired->sets[i]);
	w->devices = mem_zero(n + 1, sizeof(*w->devices));
	add_host_devices(w);
	add_wanted_devices(w);
	qsort(w->devices, w->n_devices, sizeof(*w->devices), by_text);
	n = 0;
	for (size_t i = 0; i < w->n_devices; i++)
		if (n == 0 || strcmp(w->devices[n - 1].uuid, w->devices[i].uuid) != 0)
			w->devices[n++] = w->devices[i];
	for (size_t i = 0; i < n; i++)
		w->devices[i].fact = facts_find(w->facts, w->devices[i].uuid);
	w->n_devices = n;
}

/* Adds a change of a device that exists (there), or does not (NULL). wanted: its definition from
 * then on; NULL = it is removed. */
static struct plan_change *add_change(struct work *w, enum action action,
				      const struct device *device,
				      const struct snapshot_device *there,
				      const struct mdev *wanted)
{
	const struct mdev *definition = there ? snapshot_definition(there) : NULL;
	struct plan *plan = &w->plan;

	plan->changes = mem_room(plan->changes, plan->n_changes, sizeof(*plan->changes));
	struct plan_change *change = &plan->changes[plan->n_changes++];
	*change = (struct plan_change){ .action = action,
					.set = device->set,
					.index = device->index };
	memcpy(change->dev.uuid, device->uuid, UUID_SIZE);
	if (wanted) {
		change->dev.parent = wanted->parent;
		mdev_copy_definition(&change->dev, wanted);
	} else if (there) {
		change->dev.parent = there->parent;
		change->dev.type = definition && action == ACTION_UNDEFINE ? definition->type
									   : snapshot_type(there);
	}
	change->broken = there && there->definition && !definition;
	if (definition) {
		memcpy(change->before.uuid, device->uuid, UUID_SIZE);
		mdev_copy_definition(&change->before, definition);
	}
	return change;
}

/* Whether a member of a definition that only apply uses has this value; NULL = any. */
static bool has_member(const struct mdev *dev, const char *name, const char *value)
{
	_cleanup_free_ char *text = value ? json_unknown_string(dev, name) : NULL;

	return !value || (text && strcmp(text, value) == 0);
}

/* Returns a device as it should be defined: like from, with the label of its set and the title of
 * its type (NULL = as they are). It keeps the other unknown members of its definition (now; NULL =
 * none). Owned by the caller. */
static struct mdev want(const struct mdev *from, const struct mdev *now, const char *label,
			const char *title)
{
	struct mdev dev = { .parent = mem_intern(from->parent) }, with = *from;

	memcpy(dev.uuid, from->uuid, UUID_SIZE);
	with.type = mem_intern(from->type);
	with.unknown = now ? now->unknown : NULL;
	mdev_copy_definition(&dev, &with);
	if (!has_member(&dev, JSON_SET, label) || !has_member(&dev, JSON_TYPE_NAME, title)) {
		if (label)
			json_set_unknown_string(&dev, JSON_SET, label);
		if (title)
			json_set_unknown_string(&dev, JSON_TYPE_NAME, title);
	}
	if (!title && now && strcmp(now->type, dev.type) != 0)
		json_set_unknown_string(&dev, JSON_TYPE_NAME, NULL); /* that of another type */
	return dev;
}

static bool is_same(const struct mdev *a, const struct mdev *b)
{
	return mdev_is_same(a, b) &&
	       strcmp(a->unknown ? a->unknown : "", b->unknown ? b->unknown : "") == 0;
}

/* Returns the UUID of a device, followed by the set that it belongs to. Owned by the caller. */
static char *name_of(const struct device *device)
{
	return device->set
		       ? mem_printf("%s (%s/%u)", device->uuid, device->set->name, device->index)
		       : mem_text(device->uuid);
}

/* Whether a device keeps what it was started with when its definition changes: an incomplete one is
 * replaced by its start, and another type is reported by note_running(). */
static bool is_kept(const struct snapshot_device *there, const struct mdev *wanted)
{
	const struct mdev *now = snapshot_definition(there);
	struct mdev same = *wanted;

	if (!there->running || strcmp(there->running->type, wanted->type) != 0 ||
	    (is_incomplete(there) && wanted->autostart))
		return false;
	if (now)
		same.autostart = now->autostart;
	return !now || !mdev_is_same(now, &same);
}

/* Adds the change that makes the definition of a device there (NULL = it is not there yet) as
 * wanted. Returns it if it creates the definition. */
static struct plan_change *define(struct work *w, const struct device *device,
				  const struct mdev *wanted, const struct snapshot_device *there)
{
	const struct mdev *now = there ? snapshot_definition(there) : NULL;

	if (now && is_same(now, wanted))
		return NULL;
	if (!there || !there->definition)
		return add_change(w, ACTION_DEFINE, device, NULL, wanted);
	struct plan_change *change = add_change(w, ACTION_MODIFY, device, there, wanted);
	if (!is_kept(there, wanted))
		return NULL;
	_cleanup_free_ char *name = name_of(device);
	change->note =
		mem_printf("Device %s is running; the change takes effect at its next start", name);
	return NULL;
}

/* A device that is running, and is not started again, may not be what its definition says. */
static void note_running(struct work *w, const struct snapshot_device *dev, const char *type)
{
	if (is_incomplete(dev))
		plan_add_problem(&w->plan.problems, STATUS_OK, "Device %s on %s is incomplete: %s",
				 dev->uuid, dev->parent, dev->reason);
	else if (dev->running && strcmp(dev->running->type, type) != 0)
		plan_add_problem(&w->plan.problems, STATUS_OK,
				 "Device %s on %s is running with type %s; type %s takes effect at "
				 "its next start",
				 dev->uuid, dev->parent, dev->running->type, type);
}

/* Returns what a parent is that is not present, and for one of a set what was probably meant: sets
 * are written by hand. */
static char *describe_absent(const struct work *w, const struct capacity *at, bool of_set)
{
	char *words = mem_text(absent_words(w->env, at->name));
	_cleanup_free_ char *question = of_set ? absent_spelling(w->env, at->name) : NULL;

	if (question)
		text_append(&words, "", "%s", question);
	return words;
}

/* Reports those devices of a set, or of a list (NULL), that wait for parents. */
static void note_waiting(struct work *w, size_t all, const struct set *set)
{
	for (size_t i = 0; i < w->capacities.n; i++) {
		struct capacity *at = &w->capacities.v[i];
		size_t n = at->waiting;

		if (n == 0)
			continue;
		_cleanup_free_ char *words = describe_absent(w, at, set);
		plan_add_problem(&w->plan.problems, STATUS_OK,
				 "%zu of %zu devices%s%s%s wait%s for parent %s, which is %s", n,
				 all, set ? " of set '" : "", set ? set->name : "", set ? "'" : "",
				 n == 1 ? "s" : "", at->name, words);
		at->waiting = 0;
	}
}

/* Reports a parent that is not present, and on which a set cannot place devices: it may be
 * misspelt, unless there are definitions for it or something is known about it. */
static void note_unused(struct work *w, const struct set *set, const struct capacity *at)
{
	struct suggestion suggestion = { .word = at->name };
	_cleanup_free_ char *words = describe_absent(w, at, true);
	bool unknown =
		!snapshot_find_parent(w->state, at->name) && strcmp(words, "not present") == 0;

	for (size_t i = 0; unknown && i < w->state->n_parents; i++)
		if (w->state->parents[i].present && !set_matches(set, w->state->parents[i].name))
			suggest_try(&suggestion, w->state->parents[i].name);
	_cleanup_free_ char *question = suggest_question(&suggestion);
	plan_add_problem(&w->plan.problems, STATUS_OK,
			 "Set '%s': no devices are placed on parent %s, which is %s%s", set->name,
			 at->name, words, question);
}

/* Finds the type of the set on a parent that is present; *ret = NULL: it has none, which is an
 * error if it is required. */
static int find_type(const struct work *w, const struct set *set, const struct capacity *at,
		     bool required, const struct mdev_type **ret, struct error *err)
{
	const struct snapshot_parent *parent = at->parent;
	_cleanup_error_ struct error why = { 0 };

	if (parent->has_types == ANSWER_UNKNOWN)
		return error_set(err, STATUS_FAILED,
				 "Set '%s': Unable to read the types of parent %s", set->name,
				 parent->name);
	int r = types_match(parent->types, parent->n_types, set->device.type, ret, &why);
	if (r == 0 && !*ret && required)
		r = reason_set_of(w->state, parent, REASON_NO_TYPE, set->device.type, &why);
	if (r < 0)
		error_set(err, why.status, "Set '%s': 'mdev_type': %s", set->name, why.text);
	return r;
}

static bool is_title(const struct work *w, const char *type)
{
	const struct mdev_type_list *types = &w->state->types;

	for (size_t i = 0; i < types->n; i++)
		if (types->v[i].title && strcmp(types->v[i].title, type) == 0)
			return true;
	return strchr(type, ' ') || !name_valid(type);
}

static struct candidate *find_candidate(const struct host_set *hs, const struct capacity *at)
{
	for (size_t i = 0; i < hs->n_candidates; i++)
		if (hs->candidates[i].at == at)
			return &hs->candidates[i];
	return NULL;
}

/* Adds a parent that matches, if devices of the set can be placed there. named: it is given by
 * name, so it must support the type unless it is not present yet. */
static int add_candidate(const struct work *w, struct host_set *hs, struct capacity *at, bool named,
			 struct error *err)
{
	const struct mdev_type *type = NULL;

	if (at->parent && find_type(w, hs->set, at, named, &type, err) < 0)
		return -1;
	if (at->parent ? !type : !named || hs->title)
		return 0;
	if (find_candidate(hs, at)) /* a pattern that matches a parent given before */
		return 0;
	hs->candidates = mem_room(hs->candidates, hs->n_candidates, sizeof(*hs->candidates));
	hs->candidates[hs->n_candidates++] = (struct candidate){
		.at = at,
		.type = type,
		.full = (type && mdev_list_has_type(&w->facts->full, at->name, type->name)) ||
			(hs->set->max && !(type && type->counted)), /* how many fit is not known */
	};
	return 0;
}

static int find_candidates(const struct work *w, struct host_set *hs, struct error *err)
{
	const struct set *set = hs->set;

	if (set->count == 0)
		return 0;
	hs->title = is_title(w, set->device.type);
	for (size_t i = 0; i < set->n_parents; i++)
		for (size_t j = 0; j < w->capacities.n; j++)
			if (set_entry_matches(set->parents[i], w->capacities.v[j].name) &&
			    add_candidate(w, hs, &w->capacities.v[j],
					  !set_is_pattern(set->parents[i]), err) < 0)
				return -1;
	return 0;
}

/* Finds devices of sets by their UUIDs, of which the sets of the file have millions. */
static void find_unlabelled(struct work *w)
{
	char uuid[UUID_SIZE];

	for (size_t i = 0; i < w->desired->n_sets; i++)
		for (unsigned j = wanted_count(w->desired->sets[i]); j < SET_LIMIT; j++) {
			set_uuid(w->desired->sets[i], j, uuid);
			struct device *device = find_device(w, uuid);
			if (!device || device->set)
				continue;
			device->set = w->desired->sets[i];
			device->index = j;
		}
}

static int by_name(const void *left, const void *right)
{
	return strcmp((*(const struct set *const *)left)->name,
		      (*(const struct set *const *)right)->name);
}

/* Finds the other devices of sets by their labels, or else, if there are devices without a label or
 * a definition, by their UUIDs; with prune, also the sets that the file does not name, of which it
 * wants no devices. */
static int find_others(struct work *w, struct error *err)
{
	struct desired *desired = w->desired;
	size_t n_sets = desired->n_sets;
	char name[SET_NAME_LIMIT + 1];
	bool labelled = true;

	for (size_t i = 0; i < w->n_devices; i++) {
		struct device *device = &w->devices[i];
		_cleanup_free_ char *label = NULL;

		if (device->set || device->uuid[14] != '5') /* not derived from a name */
			continue;
		if (desired->prune && check_readable(device->unreadable, err) < 0)
			return -1;
		for (size_t j = 0; j < device->n && !label; j++)
			label = snapshot_set(device->at[j]);
		if (!label || !set_read_label(label, name, &device->index)) {
			labelled = false;
			continue;
		}
		device->set = desired_find(desired, name);
		if (!device->set && desired->prune)
			device->set = desired_add(desired, name);
	}
	if (desired->n_sets > n_sets)
		qsort(&desired->sets[n_sets], desired->n_sets - n_sets, sizeof(*desired->sets),
		      by_name);
	for (size_t i = n_sets; i < desired->n_sets; i++)
		desired->sets[i]->position = i;
	if (!labelled)
		find_unlabelled(w);
	return 0;
}

/* In the order of the file; devices of no set are last. */
static int by_set_and_index(const void *left, const void *right)
{
	const struct device *a = left, *b = right;
	size_t a_set = a->set ? a->set->position : SIZE_MAX;
	size_t b_set = b->set ? b->set->position : SIZE_MAX;

	if (a_set != b_set)
		return a_set < b_set ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

/* Finds the devices of the sets: those that exist, and those that they should have. */
static int find_sets(struct work *w, struct error *err)
{
	if (find_others(w, err) < 0)
		return -1;
	w->sets = mem_zero(w->desired->n_sets + 1, sizeof(*w->sets));
	for (size_t i = 0; i < w->desired->n_sets; i++)
		w->sets[i].set = w->desired->sets[i];
	qsort(w->devices, w->n_devices, sizeof(*w->devices), by_set_and_index);
	for (size_t i = 0; i < w->n_devices && w->devices[i].set; i++) {
		struct host_set *hs = &w->sets[w->devices[i].set->position];

		if (check_readable(w->devices[i].unreadable, err) < 0)
			return -1;
		if (hs->n_devices++ == 0)
			hs->devices = &w->devices[i];
	}
	return 0;
}

/* Returns the type that devices of the set have on the parent of this one, which matches; NULL = it
 * cannot be used. */
static const char *type_at(const struct work *w, const struct host_set *hs,
			   const struct snapshot_device *dev)
{
	const struct capacity *at = capacity_find(&w->capacities, dev->parent);
	const struct mdev *definition = snapshot_definition(dev);

	if (at->parent) {
		const struct candidate *candidate = find_candidate(hs, at);
		return candidate ? candidate->type->name : NULL;
	}
	if (!hs->title)
		return hs->set->device.type;
	return definition ? definition->type : NULL;
}

/* The home of a device is the parent on which it is running, or else the first parent of the set on
 * which it is defined. */
static void find_home(const struct work *w, const struct host_set *hs, struct device *device)
{
	const struct set *set = hs->set;

	for (size_t i = 0; i < set->n_parents && !device->home; i++)
		for (size_t j = 0; j < device->n && !device->home; j++) {
			const struct snapshot_device *dev = device->at[j];

			if ((device->running && dev != device->running) ||
			    !set_entry_matches(set->parents[i], dev->parent))
				continue;
			device->type = type_at(w, hs, dev);
			device->home = device->type ? dev : NULL;
		}
}

/* Stops a device. Returns false if it is in use and therefore remains: because that is a fact, or
 * for a dry run, because the snapshot shows it. */
static bool stop(struct work *w, const struct device *device)
{
	const struct holder *holder = device->running->holder;
	_cleanup_free_ char *words = holder ? holder_words(holder) : NULL;
	bool found = is_kind(device->fact, FACT_IN_USE);
	const char *use = found ? device->fact->use : words;
	_cleanup_free_ char *name = name_of(device);

	if (use)
		plan_add_problem(&w->plan.problems, STATUS_IN_USE, "Device %s %s", name, use);
	if (found || words) {
		bool known = !found || device->fact->in_use == ANSWER_YES;
		w->plan.in_use += known;
		w->plan.maybe_in_use += !known;
		return false;
	}
	w->plan.doubtful += holder && holder->in_use == ANSWER_UNKNOWN;
	(void)add_change(w, ACTION_STOP, device, device->running, NULL);
	capacity_find(&w->capacities, device->running->parent)->freed++;
	return true;
}

/* Decides which devices remain on their parent, and removes them from others, and those that the
 * set has too many. The highest indexes are removed first. */
static void leave_parents(struct work *w, struct host_set *hs)
{
	for (size_t i = hs->n_devices; i-- > 0;) {
		struct device *device = &hs->devices[i];
		bool surplus = device->index >= hs->set->count;

		if (!surplus)
			find_home(w, hs, device);
		if (device->running && !device->home)
			device->in_use = !stop(w, device);
		for (size_t j = 0; j < device->n && !device->in_use; j++)
			if (device->at[j] != device->home && device->at[j]->definition)
				(void)add_change(w, ACTION_UNDEFINE, device, device->at[j], NULL);
		hs->n_devices -= surplus;
	}
}

/* Whether the plan leaves a device where it is. */
static bool remains(const struct device *device, const struct snapshot_device *there)
{
	return !device->set || device->in_use || is_kind(device->fact, FACT_FAILED) ||
	       there == device->home;
}

/* Devices that are defined but not running will need an instance later. */
static void reserve(struct work *w)
{
	for (size_t i = 0; i < w->n_devices; i++) {
		const struct device *device = &w->devices[i];

		for (size_t j = 0; j < device->n && !device->running; j++) {
			const struct snapshot_device *dev = device->at[j];
			const struct mdev *definition = snapshot_definition(dev);
			struct capacity *at = capacity_find(&w->capacities, dev->parent);
			const char *type = device->set	? device->type
					   : definition ? definition->type
							: NULL;

			if (type && at->parent && remains(device, dev))
				capacity_reserve(at, snapshot_find_type(at->parent, type), true);
		}
	}
}

/* A set that is given by its name has the type with this name; if it is given by its directory, a
 * new driver may use the directory for another type. Returns the name to be recorded; NULL = as it
 * is. */
static const char *choose_title(struct work *w, const struct device *device, const struct mdev *now)
{
	const struct snapshot_parent *parent = device->parent->parent;
	const struct mdev_type *type = parent ? snapshot_find_type(parent, device->type) : NULL;
	_cleanup_free_ char *old = now ? json_unknown_string(now, JSON_TYPE_NAME) : NULL;
	const struct mdev_type *same = NULL;

	if (!type || !type->title)
		return NULL;
	if (w->sets[device->set->position].title || !old || strcmp(old, type->title) == 0 ||
	    strcmp(now->type, type->name) != 0)
		return type->title;
	for (size_t i = 0; i < parent->n_types && !same; i++)
		if (parent->types[i].title && strcmp(parent->types[i].title, old) == 0)
			same = &parent->types[i];
	plan_add_problem(&w->plan.problems, STATUS_OK,
			 "Set '%s': type %s of parent %s was '%s' and is now '%s'; %s%s",
			 device->set->name, type->name, parent->name, old, type->title,
			 same ? "that name is now type " : "no type has that name",
			 same ? same->name : "");
	return NULL;
}

/* Adds the changes that define a device of a set on its parent, and start it. there: where it is
 * already; NULL = it is not there yet. */
static void place(struct work *w, const struct device *device, const struct snapshot_device *there,
		  bool starts)
{
	const struct mdev *now = there ? snapshot_definition(there) : NULL;
	struct mdev from = device->set->device;
	_cleanup_free_ char *label = set_label(device->set, device->index);

	memcpy(from.uuid, device->uuid, UUID_SIZE);
	from.parent = device->parent->name;
	from.type = device->type;
	_cleanup_mdev_ struct mdev wanted = want(&from, now, label, choose_title(w, device, now));
	struct plan_change *new = define(w, device, &wanted, there);
	if (new)
		new->takes_instance = starts && !there;
	if (starts) /* an incomplete device has its instance */
		add_change(w, ACTION_START, device, NULL, &wanted)->takes_instance =
			!there || !is_incomplete(there);
}

/* Keeps a device where it is, unless it should be running, but its parent has no instance. */
static void keep(struct work *w, struct device *device)
{
	const struct snapshot_device *home = device->home;
	struct capacity *at = capacity_find(&w->capacities, home->parent);
	bool incomplete = is_incomplete(home); /* has its instance */
	bool starts = device->set->device.autostart && (!home->running || incomplete) && at->parent;
	bool takes_instance = starts && !incomplete && !is_kind(device->fact, FACT_FAILED);

	if (takes_instance && (mdev_list_has_type(&w->facts->full, at->name, device->type) ||
			       !capacity_start(at, snapshot_find_type(at->parent, device->type))))
		return;
	device->parent = at;
	place(w, device, home, starts);
	if (!starts)
		note_running(w, home, device->type);
}

/* Defines a device on a parent, after removing it from the one that has no instance for it. */
static int put(struct work *w, struct device *device, const struct candidate *candidate,
	       struct error *err)
{
	struct capacity *at = candidate->at;

	if (check_readable(at->unreadable, err) < 0)
		return -1;
	if (device->home) {
		struct capacity *from = capacity_find(&w->capacities, device->home->parent);

		(void)add_change(w, ACTION_UNDEFINE, device, device->home, NULL);
		capacity_reserve(from, snapshot_find_type(from->parent, device->type), false);
		device->home = NULL;
	}
	device->parent = at;
	device->type = candidate->type ? candidate->type->name : device->set->device.type;
	bool starts = device->set->device.autostart && candidate->type &&
		      capacity_start(at, candidate->type);
	place(w, device, NULL, starts);
	return 0;
}

/* Checks that there is a parent for a device of the set, or may be: one that is given by name and
 * is not present is waited for. */
static int check_candidates(const struct work *w, const struct host_set *hs, struct error *err)
{
	const struct set *set = hs->set;
	const struct mdev_type *type;

	if (hs->n_candidates > 0)
		return 0;
	for (size_t i = 0; i < set->n_parents; i++)
		if (!set_is_pattern(set->parents[i]))
			return 0;
	/* What is said about the first parent that matches shows what was probably meant. */
	for (size_t i = 0; i < w->capacities.n; i++)
		if (w->capacities.v[i].parent && set_matches(set, w->capacities.v[i].name))
			return find_type(w, set, &w->capacities.v[i], true, &type, err);
	if (hs->title)
		return error_set(err, STATUS_NOT_FOUND,
				 "Set '%s': no present parent in 'parents' supports type '%s'; a "
				 "human-readable name is looked up only on present parents",
				 set->name, set->device.type);
	return error_set(err, STATUS_NOT_FOUND,
			 "Set '%s': no parent that matches 'parents' supports type %s", set->name,
			 set->device.type);
}

/* Whether a is better than b: `fill` starts with the parents that are present; otherwise, the card
 * with the fewest devices is the best. Full ones share what is too much. */
static bool is_better(bool fill, const struct candidate *a, const struct candidate *b)
{
	size_t a_rank = fill ? !a->at->parent : a->at->card->on_card;
	size_t b_rank = fill ? !b->at->parent : b->at->card->on_card;

	if (a->full != b->full)
		return b->full;
	return a_rank != b_rank ? a_rank < b_rank : a->full && a->devices < b->devices;
}

/* Reserves room for the next device of the set, and returns where; NULL = there is none. Without
 * limited, there is always room: it is only defined. */
static const struct candidate *choose(struct host_set *hs, bool limited)
{
	struct candidate *best = NULL;

	for (size_t i = 0; i < hs->n_candidates; i++) {
		struct candidate *candidate = &hs->candidates[i];

		if (!candidate->full && candidate->at->parent)
			candidate->full = !capacity_fits(candidate->at, candidate->type,
							 candidate->at->reserved);
		if (!best || is_better(hs->set->fill, candidate, best))
			best = candidate;
	}
	if (!best || (best->full && limited))
		return NULL;
	capacity_reserve(best->at, best->type, true);
	best->devices++;
	best->at->card->on_card++;
	return best;
}

/* Creates as many devices as fit, with the lowest indexes that are available. */
static int put_more(struct work *w, struct host_set *hs, struct error *err)
{
	size_t n = 0;

	if (hs->n_devices == 0 && check_candidates(w, hs, err) < 0)
		return -1;
	for (unsigned i = 0; i < SET_LIMIT; i++) {
		struct device device = { .set = hs->set, .index = i };

		if (n < hs->n_devices && hs->devices[n].index == i) {
			n++;
			continue;
		}
		const struct candidate *candidate = choose(hs, true);
		if (!candidate)
			break;
		set_uuid(hs->set, i, device.uuid);
		if (put(w, &device, candidate, err) < 0)
			return -1;
		w->plan.wanted++;
	}
	return 0;
}

/* Returns a description of other devices on the parents of the set; NULL = there are none. */
static char *list_others(const struct work *w, const struct host_set *hs)
{
	size_t n = w->desired->n_sets;
	_cleanup_free_ size_t *counts = mem_zero(n + 1, sizeof(size_t)); /* the last: of others */
	char *text = NULL;

	for (size_t i = 0; i < w->n_devices; i++) {
		const struct device *device = &w->devices[i];
		size_t *count = &counts[device->set ? device->set->position : n];

		for (size_t j = 0; j < device->n && device->set != hs->set; j++)
			*count += remains(device, device->at[j]) &&
				  find_candidate(
					  hs, capacity_find(&w->capacities, device->at[j]->parent));
	}
	for (size_t i = 0; i < n; i++)
		if (counts[i] > 0)
			text_append(&text, ", ", "%zu of set '%s'", counts[i],
				    w->desired->sets[i]->name);
	if (counts[n] > 0)
		text_append(&text, ", ", "%zu not in any set of this file", counts[n]);
	return text;
}

/* Finds a parent for the devices that have none. */
static int put_unplaced(struct work *w, struct host_set *hs, struct error *err)
{
	const struct set *set = hs->set;
	size_t missing = 0;

	for (size_t i = 0; i < hs->n_devices; i++) {
		struct device *device = &hs->devices[i];

		if (device->parent || device->in_use)
			continue;
		if (check_candidates(w, hs, err) < 0)
			return -1;
		const struct candidate *candidate = choose(hs, set->device.autostart || set->max);
		if (candidate) {
			if (put(w, device, candidate, err) < 0)
				return -1;
			continue;
		}
		if (device->home) { /* its parent may have an instance later */
			device->parent = capacity_find(&w->capacities, device->home->parent);
			place(w, device, device->home, false);
		}
		missing += hs->n_candidates > 0 && !is_kind(device->fact, FACT_FAILED);
	}
	if (set->max) {
		w->plan.max = true;
		w->plan.wanted += hs->n_devices - missing;
		return put_more(w, hs, err);
	}
	w->plan.wanted += set->count;
	w->plan.missing += missing;
	if (missing == 0)
		return 0;
	_cleanup_free_ char *others = list_others(w, hs);
	plan_add_problem(&w->plan.problems, STATUS_NO_INSTANCES,
			 "Set '%s': %zu of %u devices have no available instance of %s%s%s",
			 set->name, missing, set->count, set->device.type,
			 others ? "; other devices: " : "", others ? others : "");
	return 0;
}

/* Reports the parents of the set that are not present: those that devices wait for, and those that
 * get none because the directory of the type or the number of its instances is not known there. */
static void note_absent(struct work *w, const struct host_set *hs)
{
	const struct set *set = hs->set;

	for (size_t i = 0; i < hs->n_devices; i++)
		if (hs->devices[i].parent && !hs->devices[i].parent->parent)
			hs->devices[i].parent->waiting++;
	for (size_t i = 0; i < set->n_parents && (hs->title || set->max); i++) {
		const char *name = set->parents[i];
		const struct capacity *at =
			set_is_pattern(name) ? NULL : capacity_find(&w->capacities, name);

		if (at && !at->parent && at->waiting == 0)
			note_unused(w, set, at);
	}
	note_waiting(w, hs->n_devices, set);
}

/* Reports why a set with "max" gets no more devices on parents that are present. none: it has none
 * at all. */
static void note_max(struct work *w, const struct host_set *hs, bool none)
{
	bool counted = false;

	for (size_t i = 0; i < hs->n_candidates; i++) {
		const struct candidate *candidate = &hs->candidates[i];

		if (!candidate->type)
			continue;
		counted = counted || candidate->type->counted;
		if (candidate->type->counted)
			continue;
		none = false;
		plan_add_problem(&w->plan.problems, STATUS_OK,
				 "Set '%s': the number of instances of %s on %s is not known, so "
				 "no devices are added there",
				 hs->set->name, candidate->type->name, candidate->at->name);
	}
	if (none && counted)
		plan_add_problem(&w->plan.problems, STATUS_OK, "Set '%s': no instances left",
				 hs->set->name);
}

static int put_set(struct work *w, struct host_set *hs, struct error *err)
{
	size_t before = w->plan.wanted;

	if (hs->set->count == 0)
		return 0;
	for (size_t i = 0; i < hs->n_candidates; i++)
		hs->candidates[i].at->card->on_card = 0;
	for (size_t i = 0; i < hs->n_devices; i++) {
		struct candidate *candidate = find_candidate(hs, hs->devices[i].parent);

		if (!candidate)
			continue;
		candidate->devices++;
		candidate->at->card->on_card++;
	}
	int r = put_unplaced(w, hs, err);
	note_absent(w, hs);
	if (hs->set->max)
		note_max(w, hs, w->plan.wanted == before);
	return r;
}

static int plan_sets(struct work *w, struct error *err)
{
	if (w->desired->n_sets == 0 && !w->desired->prune)
		return 0;
	if (find_sets(w, err) < 0)
		return -1;
	size_t n = w->desired->n_sets;
	for (size_t i = 0; i < n; i++)
		if (find_candidates(w, &w->sets[i], err) < 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		leave_parents(w, &w->sets[i]);
	reserve(w);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < w->sets[i].n_devices; j++)
			if (w->sets[i].devices[j].home)
				keep(w, &w->sets[i].devices[j]);
	/* Sets with "max" come last. */
	for (size_t i = 0; i < 2 * n; i++)
		if (w->desired->sets[i % n]->max == (i >= n) &&
		    put_set(w, &w->sets[i % n], err) < 0)
			return -1;
	return 0;
}

/* Starts a device if that is possible on its parent. */
static void try_start(struct work *w, struct device *device, const struct mdev *wanted,
		      bool incomplete)
{
	struct capacity *at = capacity_find(&w->capacities, wanted->parent);
	const struct mdev_type *type =
		at->parent ? snapshot_find_type(at->parent, wanted->type) : NULL;

	if (!at->parent || (!incomplete && !(type && capacity_start(at, type))))
		return;
	(void)add_change(w, ACTION_START, device, NULL, wanted);
	device->starts = true;
}

/* Reports why a device cannot be started. */
static void explain(struct work *w, const struct mdev *dev)
{
	struct capacity *at = capacity_find(&w->capacities, dev->parent);
	enum reason reason = reason_of(w->state, at->parent, dev->type);
	_cleanup_error_ struct error why = { 0 };

	if (reason == REASON_NO_PARENT) {
		at->waiting++;
		return;
	}
	if (reason == REASON_NONE) /* the plan starts other devices */
		reason = REASON_NO_INSTANCES;
	reason_set_of(w->state, at->parent, reason, dev->type, &why);
	plan_add_problem(&w->plan.problems, why.status, "Device %s cannot be started: %s",
			 dev->uuid, why.text);
	w->plan.missing += reason == REASON_NO_INSTANCES;
}

/* Plans a device of a list on its parent. *ret_idle: it should be running, but is not, and cannot
 * be started there. */
static int plan_device(struct work *w, const struct mdev *dev, bool *ret_idle, struct error *err)
{
	struct device *device = find_device(w, dev->uuid);
	const struct snapshot_device *here = NULL, *running = device->running;

	for (size_t i = 0; i < device->n; i++)
		if (strcmp(device->at[i]->parent, dev->parent) == 0)
			here = device->at[i];
	if (here && here->definition && here->definition->unreadable)
		return check_readable(here->definition->broken, err);
	const struct mdev *now = here ? snapshot_definition(here) : NULL;
	_cleanup_free_ char *label = json_unknown_string(dev, JSON_SET);
	_cleanup_free_ char *title = json_unknown_string(dev, JSON_TYPE_NAME);
	_cleanup_mdev_ struct mdev wanted = want(dev, now, label, title);
	bool restarts = here && is_incomplete(here) && dev->autostart;
	struct plan_change *new = define(w, device, &wanted, here);

	w->plan.wanted++;
	if (new && !dev->autostart && !capacity_find(&w->capacities, dev->parent)->parent)
		new->note = mem_printf("Parent %s is not present", dev->parent);
	if (here && !restarts)
		note_running(w, here, dev->type);
	if (!dev->autostart || is_kind(device->fact, FACT_FAILED))
		return 0;
	if (!running || restarts) {
		if (!device->starts)
			try_start(w, device, &wanted, restarts);
		*ret_idle = !device->starts;
	} else if (running != here && !mdev_list_find(&w->desired->definitions, running->running)) {
		plan_add_problem(&w->plan.problems, STATUS_EXISTS,
				 "Device %s cannot be started on %s: it is running on %s",
				 dev->uuid, dev->parent, running->parent);
	}
	return 0;
}

static int plan_definitions(struct work *w, struct error *err)
{
	const struct mdev_list *list = &w->desired->definitions;
	_cleanup_free_ bool *idle = mem_zero(list->n + 1, sizeof(bool));

	for (size_t i = 0; i < list->n; i++)
		if (plan_device(w, &list->v[i], &idle[i], err) < 0)
			return -1;
	for (size_t i = 0; i < list->n; i++)
		if (idle[i] && !find_device(w, list->v[i].uuid)->starts)
			explain(w, &list->v[i]);
	note_waiting(w, list->n, NULL);
	return 0;
}

/* Removals come first, as what they free is used, and creations last. */
static int order_of(enum action action)
{
	return action == ACTION_STOP || action == ACTION_UNDEFINE ? 0
	       : action == ACTION_MODIFY			  ? 1
								  : 2;
}

/* Puts the changes in order, and drops those of devices that have failed, which keep what the plan
 * has reserved for them. */
static void sort_changes(const struct work *w, struct plan *plan)
{
	struct plan_change *sorted = mem_grow(NULL, plan->n_changes + 1, sizeof(*sorted));
	size_t n = 0;

	for (int order = 0; order <= 2; order++)
		for (size_t i = 0; i < plan->n_changes; i++) {
			struct plan_change *change = &plan->changes[i];

			if (order_of(change->action) != order)
				continue;
			if (is_kind(facts_find(w->facts, change->dev.uuid), FACT_FAILED))
				plan_change_free(change);
			else
				sorted[n++] = *change;
		}
	free(plan->changes);
	plan->changes = sorted;
	plan->n_changes = n;
}

int plan_make(const struct env *env, const struct snapshot *state, struct desired *desired,
	      const struct facts *facts, struct plan *ret, struct error *err)
{
	struct work w = { .env = env, .state = state, .desired = desired, .facts = facts };

	if (check_readable(state->definitions.unseen, err) < 0 ||
	    check_readable(state->running.unseen, err) < 0 ||
	    (state->parents_known != ANSWER_YES && check_readable(state->unseen, err) < 0))
		return -1;
	capacity_open(state, desired, &w.capacities);
	find_devices(&w);
	int r = plan_sets(&w, err);
	if (r == 0)
		r = plan_definitions(&w, err);
	if (r == 0) {
		sort_changes(&w, &w.plan);
		*ret = w.plan;
		w.plan = (struct plan){ 0 };
	}
	for (size_t i = 0; w.sets && i < desired->n_sets; i++)
		free(w.sets[i].candidates);
	free(w.sets);
	free(w.devices);
	free(w.capacities.v);
	plan_free(&w.plan);
	return r;
}
