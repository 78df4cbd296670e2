/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/suggest.h"
#include "base/text.h"
#include "device/json.h"
#include "device/uuid.h"
#include "apply/capacity.h"
#include "apply/plan.h"
#include "set/types.h"
#include "view/reason.h"

/* All locations of a UUID on this host. */
struct known {
	const struct snapshot_device *const *at; /* borrowed; sorted by parent */
	size_t n;
	const struct snapshot_device *running; /* one of them; NULL = none */
	const struct host_set *set;	       /* borrowed: a set of the file; NULL = none */
};

/* A device of a set that exists in some way, or has to be created. */
struct member {
	unsigned index;
	char uuid[UUID_SIZE];
	const struct known *known;	    /* NULL = it does not exist */
	const struct snapshot_device *home; /* where it is, or was until now; NULL = nowhere */
	struct capacity *at;		    /* the parent that it has in the end; NULL = none */
	bool in_use;			    /* it cannot leave a parent that does not match */
};

/* A set on this host. */
struct host_set {
	const struct set *set;
	struct candidates candidates;
	bool title; /* its type is not the name of a known directory: only a parent that is present
		       can map a human-readable name to a directory */
	struct member *members; /* owned; sorted by index */
	size_t n_members;
};

/* A plan in the making. */
struct work {
	const struct snapshot *state;
	const struct desired *desired;
	const struct facts *facts;
	struct plan plan;
	struct capacity_list capacities;
	const struct snapshot_device **by_uuid; /* owned */
	struct known *known;			/* owned; sorted by UUID */
	size_t n_known;
	bool *gone;	       /* owned: for each device of the state: its definition is removed */
	struct host_set *sets; /* owned; one per set of the file */
	struct host_set **by_name; /* owned; sorted */
};

void plan_change_free(struct plan_change *change)
{
	mdev_free(&change->dev);
	mdev_free(&change->before);
	free(change->note);
	error_clear(&change->error);
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_changes; i++)
		plan_change_free(&plan->changes[i]);
	free(plan->changes);
	for (size_t i = 0; i < plan->n_problems; i++)
		error_clear(&plan->problems[i]);
	free(plan->problems);
	*plan = (struct plan){ 0 };
}

/* Records why the host will not be as described, once. */
__attribute__((format(printf, 3, 4))) static void add_problem(struct work *w, enum status status,
							      const char *format, ...)
{
	struct plan *plan = &w->plan;
	va_list args;

	va_start(args, format);
	char *text = mem_vprintf(format, args);
	va_end(args);
	for (size_t i = 0; i < plan->n_problems; i++)
		if (strcmp(plan->problems[i].text, text) == 0) {
			free(text);
			return;
		}
	plan->problems = mem_grow(plan->problems, plan->n_problems + 1, sizeof(*plan->problems));
	plan->problems[plan->n_problems++] = (struct error){ status, text };
}

/* Adds a change of a device that exists (there), or does not (NULL). */
static struct plan_change *add_change(struct work *w, enum phase phase, enum action action,
				      const struct snapshot_device *there)
{
	struct plan *plan = &w->plan;

	if (plan->n_changes == plan->room_changes) {
		plan->room_changes = plan->room_changes ? plan->room_changes * 2 : 64;
		plan->changes = mem_grow(plan->changes, plan->room_changes, sizeof(*plan->changes));
	}
	struct plan_change *change = &plan->changes[plan->n_changes++];
	*change = (struct plan_change){ .action = action, .phase = phase };
	if (there && snapshot_definition(there)) {
		memcpy(change->before.uuid, there->uuid, UUID_SIZE);
		mdev_copy_definition(&change->before, snapshot_definition(there));
	} else if (there) {
		change->broken = there->definition;
	}
	return change;
}

/* Sets the names of the device, which have been checked. */
static void name_device(struct plan_change *change, const char *uuid, const char *parent,
			const char *type)
{
	memcpy(change->dev.uuid, uuid, UUID_SIZE);
	change->dev.parent = mem_intern(parent);
	change->dev.type = mem_intern(type);
}

static bool has_failed(const struct work *w, const char *uuid)
{
	const struct fact *fact = facts_find(w->facts, uuid);

	return fact && fact->kind == FACT_FAILED;
}

static bool is_incomplete(const struct snapshot_device *dev)
{
	return dev->running && dev->state == MDEV_INCOMPLETE;
}

static bool is_unreadable(const struct snapshot_device *dev)
{
	return dev->definition && dev->definition->unreadable;
}

static int check_readable(const struct snapshot_device *dev, struct error *err)
{
	return is_unreadable(dev) ? error_set(err, STATUS_FAILED, "%s", dev->definition->broken)
				  : 0;
}

static int by_uuid_and_parent(const void *left, const void *right)
{
	const struct snapshot_device *const *a = left, *const *b = right;
	int order = strcmp((*a)->uuid, (*b)->uuid);

	return order ? order : strcmp((*a)->parent, (*b)->parent);
}

static void index_devices(struct work *w)
{
	size_t n = w->state->n_devices;

	w->by_uuid = mem_grow(NULL, n + 1, sizeof(*w->by_uuid));
	w->known = mem_grow(NULL, n + 1, sizeof(*w->known));
	w->gone = mem_zero(n + 1, sizeof(*w->gone));
	for (size_t i = 0; i < n; i++) {
		const struct snapshot_device *dev = &w->state->devices[i];

		w->by_uuid[i] = dev;
		if (is_unreadable(dev))
			capacity_find(&w->capacities, dev->parent)->unreadable =
				dev->definition->broken;
	}
	qsort(w->by_uuid, n, sizeof(*w->by_uuid), by_uuid_and_parent);
	for (size_t i = 0; i < n; i++) {
		const struct snapshot_device *dev = w->by_uuid[i];

		if (i == 0 || strcmp(dev->uuid, w->by_uuid[i - 1]->uuid) != 0)
			w->known[w->n_known++] = (struct known){ .at = &w->by_uuid[i] };
		struct known *known = &w->known[w->n_known - 1];
		known->n++;
		if (dev->running)
			known->running = dev;
	}
}

static int by_known_uuid(const void *uuid, const void *known)
{
	return strcmp(uuid, ((const struct known *)known)->at[0]->uuid);
}

static struct known *find_known(const struct work *w, const char *uuid)
{
	return bsearch(uuid, w->known, w->n_known, sizeof(*w->known), by_known_uuid);
}

static size_t index_of(const struct work *w, const struct snapshot_device *dev)
{
	return (size_t)(dev - w->state->devices);
}

/* A device as it should be defined. */
struct wanted {
	struct mdev from;	    /* type, start mode and attributes; its texts are borrowed */
	char label[SET_LABEL_SIZE]; /* "" = as it is */
	const char *title;	    /* borrowed: of its type; NULL = as it is */
};

/* Whether a member of a definition that only apply uses has this value. */
static bool has_member(const struct mdev *dev, const char *name, const char *value)
{
	_cleanup_free_ char *text = json_unknown_string(dev, name);

	return text && strcmp(text, value) == 0;
}

static bool is_as_wanted(const struct mdev *now, const struct wanted *wanted)
{
	return now && mdev_is_same(now, &wanted->from) &&
	       (!*wanted->label || has_member(now, JSON_SET, wanted->label)) &&
	       (!wanted->title || has_member(now, JSON_TYPE_NAME, wanted->title));
}

/* Sets the definition of the device, but keeps its other unknown members. */
static void set_definition(struct plan_change *change, const struct wanted *wanted)
{
	struct mdev *dev = &change->dev;
	struct mdev from = wanted->from;

	from.unknown = change->before.unknown;
	mdev_copy_definition(dev, &from);
	if (*wanted->label)
		json_set_unknown_string(dev, JSON_SET, wanted->label);
	if (wanted->title)
		json_set_unknown_string(dev, JSON_TYPE_NAME, wanted->title);
	else if (change->before.type && strcmp(change->before.type, dev->type) != 0)
		json_set_unknown_string(dev, JSON_TYPE_NAME, NULL); /* that of another type */
}

/* Replaces the definition of a device. A running device keeps what it was started with, except that
 * an incomplete one is replaced by its start. name: of the device in messages. */
static struct plan_change *modify(struct work *w, const struct snapshot_device *there,
				  const struct wanted *wanted, const char *name)
{
	struct plan_change *change = add_change(w, PHASE_MODIFY, ACTION_MODIFY, there);
	struct mdev same = wanted->from;

	name_device(change, there->uuid, there->parent, same.type);
	set_definition(change, wanted);
	same.autostart = change->before.autostart;
	if (there->running && strcmp(there->running->type, same.type) == 0 &&
	    !(is_incomplete(there) && wanted->from.autostart) &&
	    (change->broken || !mdev_is_same(&change->before, &same)))
		change->note = mem_printf(
			"Device %s is running; the change takes effect at its next start", name);
	return change;
}

/* A device that is running, and is not started again, may not be what its definition says. */
static void note_running(struct work *w, const struct snapshot_device *dev, const char *type)
{
	if (is_incomplete(dev))
		add_problem(w, STATUS_OK, "Device %s on %s is incomplete: %s", dev->uuid,
			    dev->parent, dev->reason);
	else if (dev->running && strcmp(dev->running->type, type) != 0)
		add_problem(w, STATUS_OK,
			    "Device %s on %s is running with type %s; type %s takes effect at its "
			    "next start",
			    dev->uuid, dev->parent, dev->running->type, type);
}

/* Returns what a parent is that is not present, and what was probably meant. */
static const char *absent_words(const struct work *w, const struct capacity *at)
{
	const struct snapshot_parent *parent = snapshot_find_parent(w->state, at->name);

	for (size_t i = 0; i < w->facts->n_absent; i++)
		if (strcmp(w->facts->absent[i].parent, at->name) == 0)
			return w->facts->absent[i].words;
	return parent && parent->absent ? parent->absent : "not present";
}

/* set NULL = the devices of a list of definitions. */
static void note_waiting(struct work *w, size_t n, size_t all, const struct set *set,
			 const struct capacity *at)
{
	add_problem(w, STATUS_OK, "%zu of %zu devices%s%s%s wait%s for parent %s, which is %s", n,
		    all, set ? " of set '" : "", set ? set->name : "", set ? "'" : "",
		    n == 1 ? "s" : "", at->name, absent_words(w, at));
}

/* Reports a parent that is not present, and on which a set cannot place devices: it may be
 * misspelt, unless there are definitions for it or something is known about it. */
static void note_unused(struct work *w, const struct set *set, const struct capacity *at)
{
	struct suggestion suggestion = { .word = at->name };
	const char *absent = absent_words(w, at);
	bool unknown =
		!snapshot_find_parent(w->state, at->name) && strcmp(absent, "not present") == 0;

	for (size_t i = 0; unknown && i < w->state->n_parents; i++)
		if (w->state->parents[i].present && !set_matches(set, w->state->parents[i].name))
			suggest_try(&suggestion, w->state->parents[i].name);
	_cleanup_free_ char *question = suggest_question(&suggestion);
	add_problem(w, STATUS_OK, "Set '%s': no devices are placed on parent %s, which is %s%s",
		    set->name, at->name, absent, question);
}

static int find_type(const struct set *set, const struct snapshot_parent *parent,
		     const struct mdev_type **ret, struct error *err)
{
	_cleanup_error_ struct error why = { 0 };

	if (parent->has_types == ANSWER_UNKNOWN)
		return error_set(err, STATUS_FAILED,
				 "Set '%s': Unable to read the types of parent %s", set->name,
				 parent->name);
	if (types_match(parent->types, parent->n_types, set->device.type, ret, &why) == 0)
		return 0;
	return error_set(err, why.status, "Set '%s': 'mdev_type': %s", set->name, why.text);
}

static int no_type(const struct work *w, const struct set *set, const struct capacity *at,
		   struct error *err)
{
	_cleanup_error_ struct error why = { 0 };

	reason_set_of(w->state, at->parent, REASON_NO_TYPE, at->name, set->device.type, &why);
	return error_set(err, why.status, "Set '%s': 'mdev_type': %s", set->name, why.text);
}

static bool is_title(const struct work *w, const char *type)
{
	const struct mdev_type_list *types = &w->state->types;

	for (size_t i = 0; i < types->n; i++)
		if (types->v[i].title && strcmp(types->v[i].title, type) == 0)
			return true;
	return strchr(type, ' ') || !name_valid(type);
}

static void add_candidate(const struct work *w, struct host_set *hs, struct capacity *at,
			  const struct mdev_type *type)
{
	struct candidates *list = &hs->candidates;
	bool counted = type && type->counted;

	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].at == at) /* a pattern that matches a parent given before */
			return;
	list->v = mem_grow(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = (struct candidate){
		.at = at,
		.type = type,
		.full = (type && facts_is_full(w->facts, at->name, type->name)) ||
			(hs->set->max && !counted), /* how many fit is not known */
	};
}

/* Adds a parent given by name, which either supports the type or is not present yet. */
static int add_named(const struct work *w, struct host_set *hs, const char *name, struct error *err)
{
	const struct set *set = hs->set;
	struct capacity *at = capacity_find(&w->capacities, name);
	const struct mdev_type *type = NULL;

	if (!at->parent && hs->title)
		return 0;
	if (at->parent && find_type(set, at->parent, &type, err) < 0)
		return -1;
	if (at->parent && !type)
		return no_type(w, set, at, err);
	add_candidate(w, hs, at, type);
	return 0;
}

/* Adds the parents that match a pattern and support the type. */
static int add_matching(const struct work *w, struct host_set *hs, const char *pattern,
			struct error *err)
{
	for (size_t i = 0; i < w->capacities.n; i++) {
		struct capacity *at = &w->capacities.v[i];
		const struct mdev_type *type = NULL;

		if (!at->parent || !set_entry_matches(pattern, at->name))
			continue;
		if (find_type(hs->set, at->parent, &type, err) < 0)
			return -1;
		if (type)
			add_candidate(w, hs, at, type);
	}
	return 0;
}

static int open_set(const struct work *w, struct host_set *hs, struct error *err)
{
	const struct set *set = hs->set;

	if (set->count == 0)
		return 0;
	hs->title = is_title(w, set->device.type);
	hs->candidates.fill = set->fill;
	for (size_t i = 0; i < set->n_parents; i++)
		if ((set_is_pattern(set->parents[i]) ? add_matching(w, hs, set->parents[i], err)
						     : add_named(w, hs, set->parents[i], err)) < 0)
			return -1;
	return 0;
}

/* Records that a UUID belongs to a set. */
static int claim(struct host_set *hs, struct known *known, struct error *err)
{
	for (size_t i = 0; i < known->n; i++)
		if (check_readable(known->at[i], err) < 0)
			return -1;
	known->set = hs;
	return 0;
}

static int claim_more(struct host_set *hs, struct known *known, unsigned index, struct error *err)
{
	hs->members = mem_grow(hs->members, hs->n_members + 1, sizeof(*hs->members));
	struct member *member = &hs->members[hs->n_members++];

	*member = (struct member){ .index = index, .known = known };
	memcpy(member->uuid, known->at[0]->uuid, UUID_SIZE);
	return claim(hs, known, err);
}

/* Finds the devices that a set should have, by their UUIDs. */
static int find_wanted(struct work *w, struct host_set *hs, struct error *err)
{
	unsigned n = hs->set->max ? 0 : hs->set->count;

	hs->members = mem_zero((size_t)n + 1, sizeof(*hs->members));
	hs->n_members = n;
	for (unsigned i = 0; i < n; i++) {
		struct member *member = &hs->members[i];

		member->index = i;
		set_uuid(hs->set, i, member->uuid);
		struct known *known = find_known(w, member->uuid);
		member->known = known;
		if (known && claim(hs, known, err) < 0)
			return -1;
	}
	return 0;
}

static int by_set_name(const void *left, const void *right)
{
	const struct host_set *const *a = left, *const *b = right;

	return strcmp((*a)->set->name, (*b)->set->name);
}

static struct host_set *find_set(const struct work *w, const char *name)
{
	struct set set;
	struct host_set wanted = { .set = &set }, *key = &wanted, **found;

	memcpy(set.name, name, strlen(name) + 1);
	found = w->desired->n_sets == 0
			? NULL
			: bsearch(&key, w->by_name, w->desired->n_sets, sizeof(key), by_set_name);
	return found ? *found : NULL;
}

/* Finds the other devices of sets by their labels. *ret_n is the number of those that belong to a
 * set, but have no label that says to which. */
static int find_labelled(struct work *w, size_t *ret_n, struct error *err)
{
	char name[SET_NAME_LIMIT + 1];
	unsigned index;

	*ret_n = 0;
	for (size_t i = 0; i < w->n_known; i++) {
		struct known *known = &w->known[i];

		_cleanup_free_ char *label = NULL;

		if (known->set || known->at[0]->uuid[14] != '5') /* not derived from a name */
			continue;
		for (size_t j = 0; w->desired->prune && j < known->n; j++)
			if (check_readable(known->at[j], err) < 0)
				return -1;
		for (size_t j = 0; j < known->n && !label; j++)
			label = snapshot_set(known->at[j]);
		bool has_label = label && set_read_label(label, name, &index);
		struct host_set *hs = has_label ? find_set(w, name) : NULL;
		*ret_n += !has_label;
		if (hs && claim_more(hs, known, index, err) < 0)
			return -1;
	}
	return 0;
}

/* Finds the other n devices of sets by their UUIDs, of which the sets of the file have millions:
 * only if there are devices that have lost their definition or its label. */
static int find_unlabelled(struct work *w, size_t n, struct error *err)
{
	char uuid[UUID_SIZE];

	for (size_t i = 0; i < w->desired->n_sets && n > 0; i++) {
		struct host_set *hs = &w->sets[i];

		for (unsigned j = hs->set->max ? 0 : hs->set->count; j < SET_LIMIT && n > 0; j++) {
			set_uuid(hs->set, j, uuid);
			struct known *known = find_known(w, uuid);
			if (!known || known->set)
				continue;
			n--;
			if (claim_more(hs, known, j, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int by_index(const void *left, const void *right)
{
	const struct member *a = left, *b = right;

	return a->index < b->index ? -1 : a->index > b->index;
}

static int find_members(struct work *w, struct error *err)
{
	size_t n;

	for (size_t i = 0; i < w->desired->n_sets; i++)
		if (find_wanted(w, &w->sets[i], err) < 0)
			return -1;
	if (find_labelled(w, &n, err) < 0 || find_unlabelled(w, n, err) < 0)
		return -1;
	for (size_t i = 0; i < w->desired->n_sets; i++)
		qsort(w->sets[i].members, w->sets[i].n_members, sizeof(struct member), by_index);
	return 0;
}

/* Returns the type that devices of the set have on the parent of this one; NULL = it cannot be
 * used. */
static const char *type_at(const struct work *w, const struct host_set *hs,
			   const struct snapshot_device *dev)
{
	const struct capacity *at = capacity_find(&w->capacities, dev->parent);
	const struct mdev *definition = snapshot_definition(dev);
	const struct mdev_type *type = NULL;
	_cleanup_error_ struct error ambiguous = { 0 }; /* reported by open_set() */

	if (!set_matches(hs->set, dev->parent))
		return NULL;
	if (at->parent)
		return find_type(hs->set, at->parent, &type, &ambiguous) == 0 && type ? type->name
										      : NULL;
	if (!hs->title)
		return hs->set->device.type;
	return definition ? definition->type : NULL;
}

/* The home of a device is the parent on which it is running, or else the first parent of the set on
 * which it is defined. */
static const struct snapshot_device *find_home(const struct work *w, const struct host_set *hs,
					       const struct known *known)
{
	const struct set *set = hs->set;

	if (known->running)
		return type_at(w, hs, known->running) ? known->running : NULL;
	for (size_t i = 0; i < set->n_parents; i++)
		for (size_t j = 0; j < known->n; j++)
			if (set_entry_matches(set->parents[i], known->at[j]->parent) &&
			    type_at(w, hs, known->at[j]))
				return known->at[j];
	return NULL;
}

static void set_member(struct plan_change *change, const struct host_set *hs,
		       const struct member *member)
{
	memcpy(change->set, hs->set->name, sizeof(change->set));
	change->index = member->index;
}

static struct plan_change *change_member(struct work *w, enum phase phase, enum action action,
					 const struct host_set *hs, const struct member *member,
					 const struct snapshot_device *there)
{
	struct plan_change *change = add_change(w, phase, action, there);

	set_member(change, hs, member);
	if (there)
		name_device(change, there->uuid, there->parent, snapshot_type(there));
	return change;
}

static void undefine(struct work *w, enum phase phase, const struct host_set *hs,
		     const struct member *member, const struct snapshot_device *there)
{
	struct plan_change *change = change_member(w, phase, ACTION_UNDEFINE, hs, member, there);

	if (snapshot_definition(there))
		change->dev.type = change->before.type;
	w->gone[index_of(w, there)] = true;
}

/* Removes a device from all its locations. Returns false if it is in use and therefore remains. */
static bool remove_member(struct work *w, enum phase phase, const struct host_set *hs,
			  const struct member *member)
{
	const struct known *known = member->known;
	const struct fact *fact = facts_find(w->facts, member->uuid);

	if (fact && fact->kind == FACT_IN_USE && known->running) {
		if (fact->use)
			add_problem(w, STATUS_IN_USE, "Device %s (%s/%u) %s", member->uuid,
				    hs->set->name, member->index, fact->use);
		w->plan.in_use += fact->in_use == ANSWER_YES;
		w->plan.maybe_in_use += fact->in_use != ANSWER_YES;
		return false;
	}
	if (known->running) {
		change_member(w, phase, ACTION_STOP, hs, member, known->running)->holder =
			known->running->holder;
		capacity_find(&w->capacities, known->running->parent)->freed++;
	}
	for (size_t i = 0; i < known->n; i++)
		if (known->at[i]->definition)
			undefine(w, phase, hs, member, known->at[i]);
	return true;
}

/* Decides which devices stay on their parent, and removes them from others. The highest indexes are
 * removed first. */
static void leave_parents(struct work *w, struct host_set *hs)
{
	for (size_t i = hs->n_members; i-- > 0;) {
		struct member *member = &hs->members[i];
		const struct known *known = member->known;

		if (!known || member->index >= hs->set->count)
			continue;
		member->home = find_home(w, hs, known);
		if (!member->home)
			member->in_use = !remove_member(w, PHASE_LEAVE, hs, member);
		for (size_t j = 0; member->home && j < known->n; j++)
			if (known->at[j] != member->home && known->at[j]->definition)
				undefine(w, PHASE_LEAVE, hs, member, known->at[j]);
	}
}

static void remove_surplus(struct work *w, struct host_set *hs)
{
	while (hs->n_members > 0 && hs->members[hs->n_members - 1].index >= hs->set->count)
		(void)remove_member(w, PHASE_SURPLUS, hs, &hs->members[--hs->n_members]);
}

/* Devices that are defined but not running will need an instance later. */
static void reserve(struct work *w)
{
	for (size_t i = 0; i < w->n_known; i++) {
		const struct known *known = &w->known[i];

		for (size_t j = 0; j < known->n && !known->running; j++) {
			const struct snapshot_device *dev = known->at[j];
			const struct mdev *definition = snapshot_definition(dev);
			struct capacity *at = capacity_find(&w->capacities, dev->parent);
			const char *type = known->set ? type_at(w, known->set, dev) : NULL;

			if (!type && definition)
				type = definition->type;
			if (type && at->parent && !w->gone[index_of(w, dev)])
				capacity_reserve(at, snapshot_find_type(at->parent, type), true);
		}
	}
}

/* A set that is given by its name has the type with this name; if it is given by its directory, a
 * new driver may use the directory for another type. Returns the name to be recorded; NULL = as it
 * is. */
static const char *choose_title(struct work *w, const struct host_set *hs, const struct mdev *now,
				const struct capacity *at, const struct mdev_type *type)
{
	_cleanup_free_ char *old = now ? json_unknown_string(now, JSON_TYPE_NAME) : NULL;
	const struct mdev_type *same = NULL;

	if (!type || !type->title)
		return NULL;
	if (hs->title || !old || strcmp(old, type->title) == 0 ||
	    strcmp(now->type, type->name) != 0)
		return type->title;
	for (size_t i = 0; i < at->parent->n_types && !same; i++)
		if (at->parent->types[i].title && strcmp(at->parent->types[i].title, old) == 0)
			same = &at->parent->types[i];
	add_problem(w, STATUS_OK, "Set '%s': type %s of parent %s was '%s' and is now '%s'; %s%s",
		    hs->set->name, type->name, at->name, old, type->title,
		    same ? "that name is now type " : "no type has that name",
		    same ? same->name : "");
	return NULL;
}

/* Returns the device as it should be defined on its parent. now: how it is defined; NULL = not. */
static struct wanted want(struct work *w, const struct host_set *hs, const struct member *member,
			  const char *type_name, const struct mdev *now)
{
	const struct capacity *at = member->at;
	const struct mdev_type *type =
		at->parent ? snapshot_find_type(at->parent, type_name) : NULL;
	struct wanted wanted = { .from = hs->set->device,
				 .title = choose_title(w, hs, now, at, type) };

	wanted.from.type = mem_intern(type_name);
	set_label(hs->set, member->index, wanted.label);
	return wanted;
}

/* Adds a change with the whole definition of a device. */
static struct plan_change *create(struct work *w, enum action action, const struct host_set *hs,
				  const struct member *member, const char *type)
{
	struct plan_change *change = change_member(w, PHASE_CREATE, action, hs, member, NULL);
	const struct wanted wanted = want(w, hs, member, type, NULL);

	name_device(change, member->uuid, member->at->name, type);
	set_definition(change, &wanted);
	return change;
}

/* Adds the change that makes the definition of a device as wanted where it is, if any. */
static void keep_definition(struct work *w, const struct host_set *hs, const struct member *member,
			    const char *type)
{
	const struct snapshot_device *there = member->home;
	const struct mdev *now = snapshot_definition(there);

	if (!there->definition) {
		create(w, ACTION_DEFINE, hs, member, type);
		return;
	}
	const struct wanted wanted = want(w, hs, member, type, now);
	if (is_as_wanted(now, &wanted))
		return;
	_cleanup_free_ char *name = mem_printf("%s (%s)", member->uuid, wanted.label);
	set_member(modify(w, there, &wanted, name), hs, member);
}

/* Keeps a device where it is. Returns false if it should be running, but its parent has no
 * instance. */
static bool keep(struct work *w, const struct host_set *hs, struct member *member)
{
	const struct snapshot_device *home = member->home;
	struct capacity *at = capacity_find(&w->capacities, home->parent);
	const char *type = type_at(w, hs, home);
	bool incomplete = is_incomplete(home); /* has its instance */
	bool starts = hs->set->device.autostart && (!home->running || incomplete) && at->parent;
	bool takes_instance = starts && !incomplete && !has_failed(w, member->uuid);

	if (takes_instance && (facts_is_full(w->facts, at->name, type) ||
			       !capacity_start(at, snapshot_find_type(at->parent, type))))
		return false;
	member->at = at;
	keep_definition(w, hs, member, type);
	if (starts)
		create(w, ACTION_START, hs, member, type)->takes_instance = takes_instance;
	else
		note_running(w, home, type);
	return true;
}

/* Defines a device on a parent, after removing it from the one that has no instance for it. */
static int put(struct work *w, const struct host_set *hs, struct member *member,
	       const struct candidate *candidate, struct error *err)
{
	const char *type = candidate->type ? candidate->type->name : hs->set->device.type;
	struct capacity *at = candidate->at;

	if (at->unreadable)
		return error_set(err, STATUS_FAILED, "%s", at->unreadable);
	if (member->home) {
		struct capacity *from = capacity_find(&w->capacities, member->home->parent);
		const char *old = type_at(w, hs, member->home);

		undefine(w, PHASE_LEAVE, hs, member, member->home);
		capacity_reserve(from, snapshot_find_type(from->parent, old), false);
	}
	member->at = at;
	bool starts =
		hs->set->device.autostart && candidate->type && capacity_start(at, candidate->type);
	create(w, ACTION_DEFINE, hs, member, type)->takes_instance = starts;
	if (starts)
		create(w, ACTION_START, hs, member, type)->takes_instance = true;
	return 0;
}

/* Creates as many devices as fit, with the lowest indexes that are available. */
static int put_more(struct work *w, struct host_set *hs, struct error *err)
{
	_cleanup_free_ bool *used = mem_zero(SET_LIMIT, sizeof(bool));

	for (size_t i = 0; i < hs->n_members; i++)
		used[hs->members[i].index] = true;
	for (unsigned i = 0; i < SET_LIMIT; i++) {
		struct member member = { .index = i };

		if (used[i])
			continue;
		const struct candidate *candidate = candidates_choose(&hs->candidates, true);
		if (!candidate)
			break;
		set_uuid(hs->set, i, member.uuid);
		if (put(w, hs, &member, candidate, err) < 0)
			return -1;
		w->plan.wanted++;
	}
	return 0;
}

/* Returns a description of other devices on the parents of the set; NULL = there are none. */
static char *list_others(const struct work *w, const struct host_set *hs)
{
	_cleanup_free_ size_t *counts = mem_zero(w->desired->n_sets + 1, sizeof(size_t));
	size_t others = 0;
	char *text = NULL;

	for (size_t i = 0; i < w->n_known; i++) {
		const struct known *known = &w->known[i];
		size_t *count = known->set ? &counts[known->set - w->sets] : &others;

		for (size_t j = 0; j < known->n && known->set != hs; j++)
			*count += !w->gone[index_of(w, known->at[j])] &&
				  capacity_find(&w->capacities, known->at[j]->parent)->candidate;
	}
	for (size_t i = 0; i < w->desired->n_sets; i++)
		if (counts[i] > 0)
			text_append(&text, ", ", "%zu of set '%s'", counts[i],
				    w->desired->sets[i].name);
	if (others > 0)
		text_append(&text, ", ", "%zu not in any set of this file", others);
	return text;
}

static void note_missing(struct work *w, const struct host_set *hs, size_t missing)
{
	const struct set *set = hs->set;
	_cleanup_free_ char *others = list_others(w, hs);

	add_problem(w, STATUS_NO_INSTANCES,
		    "Set '%s': %zu of %u devices have no available instance of %s%s%s", set->name,
		    missing, set->count, set->device.type, others ? "; other devices: " : "",
		    others ? others : "");
	w->plan.missing += missing;
}

static int no_candidates(const struct work *w, const struct host_set *hs, struct error *err)
{
	const struct set *set = hs->set;

	/* What is said about the first parent that matches shows what was probably meant. */
	for (size_t i = 0; i < w->capacities.n; i++)
		if (w->capacities.v[i].parent && set_matches(set, w->capacities.v[i].name))
			return no_type(w, set, &w->capacities.v[i], err);
	if (hs->title)
		return error_set(err, STATUS_NOT_FOUND,
				 "Set '%s': no present parent in 'parents' supports type '%s'; a "
				 "human-readable name is looked up only on present parents",
				 set->name, set->device.type);
	return error_set(err, STATUS_NOT_FOUND,
			 "Set '%s': no parent that matches 'parents' supports type %s", set->name,
			 set->device.type);
}

static bool is_unplaced(const struct member *member)
{
	return !member->at && !member->in_use;
}

/* Finds a parent for the devices that have none. */
static int put_unplaced(struct work *w, struct host_set *hs, struct error *err)
{
	const struct set *set = hs->set;
	size_t missing = 0;

	for (size_t i = 0; i < hs->n_members; i++) {
		struct member *member = &hs->members[i];

		if (!is_unplaced(member))
			continue;
		const struct candidate *candidate =
			candidates_choose(&hs->candidates, set->device.autostart || set->max);
		if (candidate) {
			if (put(w, hs, member, candidate, err) < 0)
				return -1;
			continue;
		}
		if (member->home) { /* its parent may have an instance later */
			member->at = capacity_find(&w->capacities, member->home->parent);
			keep_definition(w, hs, member, type_at(w, hs, member->home));
		}
		missing += !has_failed(w, member->uuid);
	}
	if (set->max)
		w->plan.wanted += hs->n_members - missing;
	else
		w->plan.wanted += set->count;
	if (set->max)
		return put_more(w, hs, err);
	if (missing > 0)
		note_missing(w, hs, missing);
	return 0;
}

/* Reports the parents of the set that are not present: those that devices wait for, and those that
 * get none because the directory of the type or the number of its instances is not known there. */
static void note_absent(struct work *w, const struct host_set *hs)
{
	const struct set *set = hs->set;

	for (size_t i = 0; i < hs->n_members; i++)
		if (hs->members[i].at && !hs->members[i].at->parent)
			hs->members[i].at->waiting++;
	for (size_t i = 0; i < set->n_parents && (hs->title || set->max); i++) {
		const struct capacity *at =
			set_is_pattern(set->parents[i])
				? NULL
				: capacity_find(&w->capacities, set->parents[i]);

		if (at && !at->parent && at->waiting == 0)
			note_unused(w, set, at);
	}
	for (size_t i = 0; i < hs->n_members; i++) {
		struct capacity *at = hs->members[i].at;

		if (!at || at->waiting == 0)
			continue;
		note_waiting(w, at->waiting, hs->n_members, set, at);
		at->waiting = 0;
	}
}

/* Reports why a set with "max" gets no more devices on parents that are present. none: it has none
 * at all. */
static void note_max(struct work *w, const struct host_set *hs, bool none)
{
	size_t counted = 0, uncounted = 0;

	for (size_t i = 0; i < hs->candidates.n; i++) {
		const struct candidate *candidate = &hs->candidates.v[i];

		if (!candidate->type)
			continue;
		counted += candidate->type->counted;
		if (candidate->type->counted)
			continue;
		uncounted++;
		add_problem(w, STATUS_OK,
			    "Set '%s': the number of instances of %s on %s is not known, so no "
			    "devices are added there",
			    hs->set->name, candidate->type->name, candidate->at->name);
	}
	if (none && counted > 0 && uncounted == 0)
		add_problem(w, STATUS_OK, "Set '%s': no instances left", hs->set->name);
}

static int put_set(struct work *w, struct host_set *hs, struct error *err)
{
	struct candidates *list = &hs->candidates;
	size_t before = w->plan.wanted;
	bool needed = hs->set->max && hs->n_members == 0;

	if (hs->set->count == 0)
		return 0;
	for (size_t i = 0; i < hs->n_members; i++)
		needed = needed || is_unplaced(&hs->members[i]);
	if (list->n == 0 && needed)
		return no_candidates(w, hs, err);
	list->on_card = mem_zero(w->capacities.n_cards + 1, sizeof(*list->on_card));
	for (size_t i = 0; i < list->n; i++)
		list->v[i].at->candidate = &list->v[i];
	for (size_t i = 0; i < hs->n_members; i++)
		if (hs->members[i].at && hs->members[i].at->candidate)
			candidates_count(list, hs->members[i].at->candidate);
	int r = put_unplaced(w, hs, err);
	for (size_t i = 0; i < list->n; i++)
		list->v[i].at->candidate = NULL;
	note_absent(w, hs);
	if (hs->set->max)
		note_max(w, hs, w->plan.wanted == before);
	return r;
}

static int plan_sets(struct work *w, struct error *err)
{
	size_t n = w->desired->n_sets;

	for (size_t i = 0; i < n; i++)
		if (open_set(w, &w->sets[i], err) < 0)
			return -1;
	if (find_members(w, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		leave_parents(w, &w->sets[i]);
		remove_surplus(w, &w->sets[i]);
	}
	reserve(w);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < w->sets[i].n_members; j++)
			if (w->sets[i].members[j].home)
				(void)keep(w, &w->sets[i], &w->sets[i].members[j]);
	/* Sets with "max" come last. */
	for (size_t i = 0; i < 2 * n; i++)
		if (w->desired->sets[i % n].max == (i >= n) && put_set(w, &w->sets[i % n], err) < 0)
			return -1;
	return 0;
}

static int by_parent_and_uuid(const void *left, const void *right)
{
	return mdev_compare(left, right);
}

/* Whether the file contains a device on its parent. */
static bool is_desired(const struct work *w, const struct mdev *dev)
{
	const struct mdev_list *list = &w->desired->definitions;

	return bsearch(dev, list->v, list->n, sizeof(*dev), by_parent_and_uuid);
}

/* Adds the change that makes a definition as the file has it, if any. */
static void define(struct work *w, const struct mdev *dev, const struct snapshot_device *here)
{
	const struct mdev *now = here ? snapshot_definition(here) : NULL;
	_cleanup_free_ char *label = json_unknown_string(dev, JSON_SET);
	_cleanup_free_ char *title = json_unknown_string(dev, JSON_TYPE_NAME);
	struct wanted wanted = { .from = *dev, .title = title };

	if (label) /* that of a set, as the file has been checked */
		memcpy(wanted.label, label, strlen(label) + 1);
	if (is_as_wanted(now, &wanted))
		return;
	if (here && here->definition) {
		(void)modify(w, here, &wanted, dev->uuid);
		return;
	}
	struct plan_change *change = add_change(w, PHASE_CREATE, ACTION_DEFINE, NULL);
	name_device(change, dev->uuid, dev->parent, dev->type);
	set_definition(change, &wanted);
	if (!dev->autostart && !capacity_find(&w->capacities, dev->parent)->parent)
		change->note = mem_printf("Parent %s is not present", dev->parent);
}

/* Returns false if the device cannot be started here. */
static bool start(struct work *w, const struct mdev *dev, bool incomplete)
{
	struct capacity *at = capacity_find(&w->capacities, dev->parent);
	const struct mdev_type *type =
		at->parent ? snapshot_find_type(at->parent, dev->type) : NULL;

	if (!at->parent || (!incomplete && !(type && capacity_start(at, type))))
		return false;
	struct plan_change *change = add_change(w, PHASE_CREATE, ACTION_START, NULL);
	name_device(change, dev->uuid, dev->parent, dev->type);
	set_definition(change, &(struct wanted){ .from = *dev });
	return true;
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
	reason_set_of(w->state, at->parent, reason, dev->parent, dev->type, &why);
	add_problem(w, why.status, "Device %s cannot be started: %s", dev->uuid, why.text);
	w->plan.missing += reason == REASON_NO_INSTANCES;
}

/* Sets *starts if the plan starts the device, unless it starts it on another parent already, and
 * *ret_idle if the device should be running, but cannot be started here. */
static int plan_device(struct work *w, const struct mdev *dev, bool *starts, bool *ret_idle,
		       struct error *err)
{
	const struct known *known = find_known(w, dev->uuid);
	const struct snapshot_device *running = known ? known->running : NULL, *here = NULL;

	for (size_t i = 0; known && i < known->n; i++)
		if (strcmp(known->at[i]->parent, dev->parent) == 0)
			here = known->at[i];
	if (here && check_readable(here, err) < 0)
		return -1;
	w->plan.wanted++;
	define(w, dev, here);
	bool restarts = here && is_incomplete(here) && dev->autostart;
	if (here && !restarts)
		note_running(w, here, dev->type);
	if (!dev->autostart || has_failed(w, dev->uuid))
		return 0;
	if (!running || restarts) {
		*starts = *starts || start(w, dev, restarts);
		*ret_idle = !*starts;
	} else if (running != here && !is_desired(w, running->running)) {
		add_problem(w, STATUS_EXISTS,
			    "Device %s cannot be started on %s: it is running on %s", dev->uuid,
			    dev->parent, running->parent);
	}
	return 0;
}

static int by_uuid_alone(const void *left, const void *right)
{
	const struct mdev *const *a = left, *const *b = right;

	return strcmp((*a)->uuid, (*b)->uuid);
}

/* Numbers the UUIDs, as a device can be listed on several parents. Owned by the caller. */
static size_t *number_uuids(const struct mdev_list *list)
{
	size_t *numbers = mem_zero(list->n + 1, sizeof(*numbers)), n = 0;
	_cleanup_free_ const struct mdev **all =
		mem_grow(NULL, list->n + 1, sizeof(const struct mdev *));

	for (size_t i = 0; i < list->n; i++)
		all[i] = &list->v[i];
	qsort(all, list->n, sizeof(const struct mdev *), by_uuid_alone);
	for (size_t i = 0; i < list->n; i++) {
		n += i > 0 && by_uuid_alone(&all[i - 1], &all[i]) != 0;
		numbers[all[i] - list->v] = n;
	}
	return numbers;
}

static int plan_definitions(struct work *w, struct error *err)
{
	const struct mdev_list *list = &w->desired->definitions;
	_cleanup_free_ bool *idle = mem_zero(list->n + 1, sizeof(bool));
	_cleanup_free_ bool *starts = mem_zero(list->n + 1, sizeof(bool)); /* each UUID */
	_cleanup_free_ size_t *numbers = number_uuids(list);

	for (size_t i = 0; i < list->n; i++)
		if (plan_device(w, &list->v[i], &starts[numbers[i]], &idle[i], err) < 0)
			return -1;
	for (size_t i = 0; i < list->n; i++)
		if (idle[i] && !starts[numbers[i]])
			explain(w, &list->v[i]);
	for (size_t i = 0; i < w->capacities.n; i++)
		if (w->capacities.v[i].waiting > 0)
			note_waiting(w, w->capacities.v[i].waiting, list->n, NULL,
				     &w->capacities.v[i]);
	return 0;
}

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

static int by_name(const void *left, const void *right)
{
	const struct set *a = left, *b = right;

	return strcmp(a->name, b->name);
}

/* Adds the sets of this host that the file does not name: it does not want them. */
static void prune(const struct snapshot *state, struct desired *desired)
{
	size_t n = desired->n_sets;

	for (size_t i = 0; i < state->n_devices; i++) {
		_cleanup_free_ char *label = snapshot_set(&state->devices[i]);
		char name[SET_NAME_LIMIT + 1];
		unsigned index;

		if (label && set_read_label(label, name, &index) && !desired_has(desired, name))
			desired_remove(desired, name);
	}
	if (desired->n_sets > n)
		qsort(&desired->sets[n], desired->n_sets - n, sizeof(struct set), by_name);
}

/* Puts the changes in the order of their phases, and drops those of devices that have failed, which
 * keep what the plan has reserved for them. */
static void sort_changes(struct work *w)
{
	struct plan *plan = &w->plan;
	struct plan_change *sorted = mem_grow(NULL, plan->n_changes + 1, sizeof(*sorted));
	size_t n = 0;

	for (int phase = 0; phase < PHASES; phase++)
		for (size_t i = 0; i < plan->n_changes; i++) {
			struct plan_change *change = &plan->changes[i];

			if (change->phase != (enum phase)phase)
				continue;
			if (has_failed(w, change->dev.uuid))
				plan_change_free(change);
			else
				sorted[n++] = *change;
		}
	free(plan->changes);
	plan->changes = sorted;
	plan->n_changes = plan->room_changes = n;
}

static void open_work(struct work *w)
{
	size_t n = w->desired->n_sets;

	capacity_open(w->state, w->desired, &w->capacities);
	index_devices(w);
	w->sets = mem_zero(n + 1, sizeof(*w->sets));
	w->by_name = mem_zero(n + 1, sizeof(*w->by_name));
	for (size_t i = 0; i < n; i++) {
		w->sets[i].set = &w->desired->sets[i];
		w->by_name[i] = &w->sets[i];
	}
	qsort(w->by_name, n, sizeof(*w->by_name), by_set_name);
}

static void close_work(struct work *w)
{
	for (size_t i = 0; i < w->desired->n_sets; i++) {
		free(w->sets[i].members);
		free(w->sets[i].candidates.v);
		free(w->sets[i].candidates.on_card);
	}
	free(w->sets);
	free(w->by_name);
	free(w->by_uuid);
	free(w->known);
	free(w->gone);
	capacity_close(&w->capacities);
	plan_free(&w->plan);
}

int plan_make(const struct snapshot *state, struct desired *desired, const struct facts *facts,
	      struct plan *ret, struct error *err)
{
	struct work w = { .state = state, .desired = desired, .facts = facts };

	if (check_state(state, err) < 0)
		return -1;
	if (desired->prune)
		prune(state, desired);
	open_work(&w);
	int r = plan_sets(&w, err);
	if (r == 0)
		r = plan_definitions(&w, err);
	if (r == 0) {
		sort_changes(&w);
		*ret = w.plan;
		w.plan = (struct plan){ 0 };
	}
	close_work(&w);
	return r;
}
