/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/plan_sets.h"
#include "set/types.h"

/* A device of a set that exists in some way, or is to be created. */
struct member {
	unsigned index;
	const struct snapshot_device *const *there; /* borrowed: all its locations */
	size_t n_there;
	const struct snapshot_device *home; /* one of these; NULL = it needs a place */
};

/* A set, applied to this host. */
struct target {
	const struct set *set;
	struct place *places; /* owned: parents that new devices can be created on */
	size_t n_places;
	bool *listed;		/* owned: for each site, whether it is one of them */
	struct member *members; /* owned: devices that remain on their parent */
	size_t n_members;
	struct member *pending; /* owned: devices that need a place; with a home, a different one */
	size_t n_pending;
	bool *in_use; /* owned: for each index, whether the device cannot leave a parent that does
			 not match */
	bool title; /* its type is not the name of a known directory: only a parent that is present
		       can map a human-readable name to a directory */
};

static void close_target(struct target *target)
{
	free(target->places);
	free(target->listed);
	free(target->members);
	free(target->pending);
	free(target->in_use);
}

static size_t index_of(const struct planner *p, const struct snapshot_device *dev)
{
	return (size_t)(dev - p->state->devices);
}

/* --- Parents and types of a set ------------------------------------------------------------- */

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

static bool is_title(const struct planner *p, const char *type)
{
	const struct mdev_type_list *types = &p->state->types;

	for (size_t i = 0; i < types->n; i++)
		if (types->v[i].title && strcmp(types->v[i].title, type) == 0)
			return true;
	return strchr(type, ' ') || !name_valid(type);
}

static void add_place(const struct planner *p, struct target *target, struct site *site,
		      const struct mdev_type *type)
{
	bool *listed = &target->listed[site - p->sites.v];

	if (*listed)
		return; /* a pattern that matches a parent given before */
	*listed = true;
	target->places[target->n_places++] = (struct place){
		.site = site,
		.type = type,
		.card = site->parent && site->parent->card ? site->parent->card : site->name,
		.full = type && (planner_is_full(p, site->name, type->name) ||
				 (target->set->max && !type->counted)),
	};
}

/* Adds a parent given by name, which either supports the type or is not present yet. */
static int add_named(const struct planner *p, struct target *target, const char *name,
		     struct error *err)
{
	const struct set *set = target->set;
	struct site *site = sites_find(&p->sites, name);
	const struct mdev_type *type = NULL;

	if (!site->parent && target->title)
		return 0;
	if (site->parent && find_type(set, site->parent, &type, err) < 0)
		return -1;
	if (site->parent && !type)
		return error_set(err, STATUS_NOT_FOUND,
				 "Set '%s': 'mdev_type': Parent %s does not support mdev type %s",
				 set->name, name, set->device.type);
	add_place(p, target, site, type);
	return 0;
}

/* Adds the parents that match a pattern and support the type. */
static int add_matching(const struct planner *p, struct target *target, const char *pattern,
			struct error *err)
{
	char *const one[] = { (char *)pattern };
	const struct set alone = { .parents = (char **)one, .n_parents = 1 };

	for (size_t i = 0; i < p->sites.n; i++) {
		struct site *site = &p->sites.v[i];
		const struct mdev_type *type = NULL;

		if (!site->parent || !set_matches(&alone, site->name))
			continue;
		if (find_type(target->set, site->parent, &type, err) < 0)
			return -1;
		if (type)
			add_place(p, target, site, type);
	}
	return 0;
}

static int open_target(const struct planner *p, const struct set *set, struct target *target,
		       struct error *err)
{
	*target = (struct target){
		.set = set,
		.places = mem_zero(p->sites.n + 1, sizeof(*target->places)),
		.listed = mem_zero(p->sites.n + 1, sizeof(*target->listed)),
		.members = mem_zero((size_t)set->count + 1, sizeof(*target->members)),
		.pending = mem_zero((size_t)set->count + 1, sizeof(*target->pending)),
		.in_use = mem_zero((size_t)set->count + 1, sizeof(*target->in_use)),
		.title = set->count > 0 && is_title(p, set->device.type),
	};
	for (size_t i = 0; set->count > 0 && i < set->n_parents; i++)
		if ((set_is_pattern(set->parents[i])
			     ? add_matching(p, target, set->parents[i], err)
			     : add_named(p, target, set->parents[i], err)) < 0)
			return -1;
	return 0;
}

/* --- Which devices are of a set, and what becomes of them ----------------------------------- */

static int find_member(struct planner *p, const struct target *target, unsigned index,
		       struct member *ret, struct error *err)
{
	char uuid[UUID_SIZE];

	*ret = (struct member){ .index = index };
	set_uuid(target->set, index, uuid);
	ret->there = planner_find(p, uuid, &ret->n_there);
	for (size_t i = 0; i < ret->n_there; i++) {
		const struct definition *definition = ret->there[i]->definition;

		if (definition && definition->unreadable)
			return error_set(err, STATUS_FAILED, "%s", definition->broken);
		p->owners[index_of(p, ret->there[i])] = target;
		p->unclaimed--;
	}
	return 0;
}

/* Returns the type of a device of the set on this parent; NULL = the parent cannot be used. */
static const char *type_at(const struct planner *p, const struct target *target,
			   const struct snapshot_device *dev)
{
	const struct site *site = sites_find(&p->sites, dev->parent);
	const struct mdev_type *type = NULL;
	_cleanup_error_ struct error ambiguous = { 0 }; /* reported by open_target() */

	if (!set_matches(target->set, dev->parent))
		return NULL;
	if (site->parent)
		return find_type(target->set, site->parent, &type, &ambiguous) == 0 && type
			       ? type->name
			       : NULL;
	if (!target->title)
		return target->set->device.type;
	return dev->definition ? dev->definition->dev.type : NULL;
}

/* The home of a device is the parent on which it is running, or else the first parent of the set on
 * which it is defined. */
static void find_home(const struct planner *p, const struct target *target, struct member *member)
{
	const struct snapshot_device *running = planner_running(member->there, member->n_there);
	const struct set *set = target->set;

	if (running) {
		member->home = type_at(p, target, running) ? running : NULL;
		return;
	}
	for (size_t i = 0; i < set->n_parents && !member->home; i++) {
		char *const one[] = { set->parents[i] };
		const struct set alone = { .parents = (char **)one, .n_parents = 1 };

		for (size_t j = 0; j < member->n_there && !member->home; j++)
			if (set_matches(&alone, member->there[j]->parent) &&
			    type_at(p, target, member->there[j]))
				member->home = member->there[j];
	}
}

static struct plan_change *change_of(struct plan *plan, enum action action,
				     const struct target *target, const struct member *member,
				     const struct snapshot_device *there)
{
	struct plan_change *change = planner_add(plan, action, there);

	change->set = target->set;
	change->index = member->index;
	if (there)
		planner_name(&change->dev, there->uuid, there->parent, snapshot_type(there));
	return change;
}

/* Surplus devices are found last, but removed first. */
static struct plan *removals(struct planner *p, const struct target *target,
			     const struct member *member)
{
	return member->index >= target->set->count ? &p->going : &p->moving;
}

static void undefine(struct planner *p, const struct target *target, const struct member *member,
		     const struct snapshot_device *there, bool surplus)
{
	struct plan_change *change =
		change_of(removals(p, target, member), ACTION_UNDEFINE, target, member, there);

	change->surplus = surplus;
	if (change->before)
		change->dev.type = change->before->type;
	p->fates[index_of(p, there)] = FATE_GOES;
}

/* Removes a device from all its locations. Returns false if it is in use and therefore remains. */
static bool take_away(struct planner *p, const struct target *target, const struct member *member)
{
	const struct snapshot_device *running = planner_running(member->there, member->n_there);
	const char *use = running && p->facts->uses ? p->facts->uses[index_of(p, running)] : NULL;

	if (use) {
		planner_problem(p, STATUS_IN_USE, "Device %s (%s/%u) %s", running->uuid,
				target->set->name, member->index, use);
		p->in_use++;
		return false;
	}
	if (running) {
		change_of(removals(p, target, member), ACTION_STOP, target, member, running)
			->surplus = true;
		sites_find(&p->sites, running->parent)->freed++;
		p->fates[index_of(p, running)] = FATE_GOES;
	}
	for (size_t i = 0; i < member->n_there; i++)
		if (member->there[i]->definition)
			undefine(p, target, member, member->there[i], true);
	return true;
}

static int claim_surplus(struct planner *p, struct target *target, struct error *err)
{
	struct member *surplus = NULL;
	size_t n = 0;
	int r = 0;

	for (unsigned i = target->set->count; r == 0 && i < SET_LIMIT && p->unclaimed > 0; i++) {
		struct member member;

		r = find_member(p, target, i, &member, err);
		if (r < 0 || member.n_there == 0)
			continue;
		surplus = mem_grow(surplus, n + 1, sizeof(*surplus));
		surplus[n++] = member;
	}
	while (r == 0 && n > 0)
		(void)take_away(p, target, &surplus[--n]); /* or it remains, which is recorded */
	free(surplus);
	return r;
}

/* The device remains on its parent; its definitions on other parents are removed. */
static void claim_home(struct planner *p, struct target *target, const struct member *member)
{
	for (size_t i = 0; i < member->n_there; i++)
		if (member->there[i] != member->home && member->there[i]->definition)
			undefine(p, target, member, member->there[i], false);
	target->members[target->n_members++] = *member;
}

/* Divides the devices that the set should have into those that remain on their parent and those
 * that need a place. */
static int claim_wanted(struct planner *p, struct target *target, struct error *err)
{
	const struct set *set = target->set;

	for (unsigned i = set->count; i-- > 0;) { /* removals: the highest first */
		struct member member;

		if (set->max && p->unclaimed == 0) {
			if (i == 0)
				break;
			continue;
		}
		if (find_member(p, target, i, &member, err) < 0)
			return -1;
		if (member.n_there > 0)
			find_home(p, target, &member);
		if (member.home)
			claim_home(p, target, &member);
		else if (member.n_there > 0 && !take_away(p, target, &member))
			target->in_use[i] = true; /* it remains where it is */
		else if (member.n_there > 0 || !set->max)
			target->pending[target->n_pending++] = member;
	}
	return 0;
}

/* --- Room ----------------------------------------------------------------------------------- */

/* Devices that are defined but not running will need an instance later. */
static void reserve(struct planner *p)
{
	for (size_t i = 0; i < p->state->n_devices; i++) {
		const struct snapshot_device *dev = &p->state->devices[i];
		struct site *site = sites_find(&p->sites, dev->parent);
		const char *type = dev->definition ? dev->definition->dev.type : NULL;
		size_t n;

		if (p->fates[i] == FATE_GOES || !type)
			continue;
		const struct snapshot_device *const *there = planner_find(p, dev->uuid, &n);
		if (planner_running(there, n))
			continue;
		if (p->owners[i] && type_at(p, p->owners[i], dev))
			type = type_at(p, p->owners[i], dev);
		site_reserve(site, site->parent ? snapshot_find_type(site->parent, type) : NULL,
			     true);
	}
}

/* --- Devices that stay ---------------------------------------------------------------------- */

static char *label_member(const struct target *target, const struct member *member)
{
	char label[SET_LABEL_SIZE];

	set_label(target->set, member->index, label);
	return mem_printf("\"set\": \"%s\"", label);
}

/* Adds a change with the whole definition of a device of the set. */
static struct plan_change *put_definition(struct plan *plan, enum action action,
					  const struct target *target, const struct member *member,
					  const struct snapshot_device *there)
{
	struct plan_change *change = change_of(plan, action, target, member, there);
	_cleanup_free_ char *label = label_member(target, member);

	planner_define(change, &target->set->device, label);
	return change;
}

static void keep_definition(struct planner *p, const struct target *target,
			    const struct member *member, const char *type)
{
	const struct snapshot_device *home = member->home;
	const struct definition *now = home->definition;
	struct mdev wanted = target->set->device; /* borrows its texts */

	wanted.type = mem_intern(type);
	if (now && !now->broken && mdev_is_same(&now->dev, &wanted))
		return;
	struct plan_change *change =
		put_definition(now ? &p->changing : &p->coming, now ? ACTION_MODIFY : ACTION_DEFINE,
			       target, member, home);
	change->dev.type = wanted.type;
	if (now) {
		_cleanup_free_ char *label =
			mem_printf(" (%s/%u)", target->set->name, member->index);
		planner_note_running(p, home, &wanted, label);
	}
}

static void add_start(struct planner *p, const struct target *target, const struct member *member,
		      const char *uuid, const char *parent, const char *type)
{
	struct plan_change *change = put_definition(&p->coming, ACTION_START, target, member, NULL);

	planner_name(&change->dev, uuid, parent, type);
}

/* Returns false if the device should be running, but no instance is available at its home. */
static bool keep(struct planner *p, const struct target *target, const struct member *member)
{
	const struct snapshot_device *home = member->home;
	struct site *site = sites_find(&p->sites, home->parent);
	const char *type = type_at(p, target, home);
	bool incomplete = home->state == MDEV_INCOMPLETE; /* has its instance */
	bool starts =
		target->set->device.autostart && (!home->running || incomplete) && site->parent;

	if (starts && !incomplete &&
	    (planner_is_full(p, site->name, type) ||
	     !site_start(site, snapshot_find_type(site->parent, type))))
		return false;
	keep_definition(p, target, member, type);
	if (!starts)
		planner_note_type(p, home, type);
	else
		add_start(p, target, member, home->uuid, home->parent, type);
	return true;
}

static void keep_all(struct planner *p, struct target *target)
{
	size_t kept = 0;

	for (size_t i = target->n_members; i-- > 0;) { /* in descending order */
		struct member member = target->members[i];

		if (!keep(p, target, &member))
			target->pending[target->n_pending++] = member;
		else
			target->members[target->n_members - ++kept] = member;
	}
	memmove(target->members, &target->members[target->n_members - kept],
		kept * sizeof(*target->members));
	target->n_members = kept;
}

/* --- Devices that need a place -------------------------------------------------------------- */

static int by_index(const void *left, const void *right)
{
	const struct member *a = left, *b = right;

	return a->index < b->index ? -1 : a->index > b->index;
}

/* Counts the devices of the set in the spread. */
static void count_members(const struct planner *p, const struct target *target,
			  struct spread *spread)
{
	_cleanup_free_ size_t *places = mem_zero(p->sites.n + 1, sizeof(size_t));

	for (size_t i = 0; i < target->n_places; i++)
		places[target->places[i].site - p->sites.v] = i;
	for (size_t i = 0; i < target->n_members; i++) {
		const struct site *site = sites_find(&p->sites, target->members[i].home->parent);
		size_t at = (size_t)(site - p->sites.v);

		if (target->listed[at])
			spread_count(spread, &target->places[places[at]]);
	}
}

static void put_at(struct planner *p, const struct target *target, const struct member *member,
		   const struct place *place)
{
	const char *type = place->type ? place->type->name : target->set->device.type;
	char uuid[UUID_SIZE];

	set_uuid(target->set, member->index, uuid);
	if (member->home) {
		struct site *site = sites_find(&p->sites, member->home->parent);
		const char *old = type_at(p, target, member->home);

		undefine(p, target, member, member->home, true);
		site_reserve(site, snapshot_find_type(site->parent, old), false);
	}
	struct plan_change *change =
		put_definition(&p->coming, ACTION_DEFINE, target, member, NULL);
	planner_name(&change->dev, uuid, place->site->name, type);
	if (!place->type)
		planner_note_absent(p, place->site->name);
	if (target->set->device.autostart && place->type && site_start(place->site, place->type))
		add_start(p, target, member, uuid, place->site->name, type);
}

/* Assigns the lowest available indexes to new devices of a set "max". Returns their number. */
static size_t place_more(struct planner *p, const struct target *target, struct spread *spread)
{
	_cleanup_free_ bool *used = mem_zero(SET_LIMIT, sizeof(bool));
	struct member member = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < target->n_members; i++)
		used[target->members[i].index] = true;
	for (size_t i = 0; i < target->n_pending; i++)
		used[target->pending[i].index] = true;
	for (; member.index < SET_LIMIT; member.index++) {
		if (used[member.index] || target->in_use[member.index])
			continue;
		struct place *place = spread_next(spread);
		if (!place)
			break;
		put_at(p, target, &member, place);
		n++;
	}
	return n;
}

/* Returns a description of other devices on the parents of the set. */
static char *list_others(const struct planner *p, const struct target *target)
{
	_cleanup_free_ size_t *counts = mem_zero(p->desired->n_sets + 1, sizeof(size_t));
	size_t others = 0, len;
	char *text;

	for (size_t i = 0; i < p->state->n_devices; i++) {
		const struct site *site = sites_find(&p->sites, p->state->devices[i].parent);

		if (p->fates[i] == FATE_GOES || !target->listed[site - p->sites.v])
			continue;
		if (p->owners[i])
			counts[p->owners[i] - p->targets]++;
		else
			others++;
	}
	counts[target - p->targets] = 0;
	FILE *file = mem_stream(&text, &len);
	for (size_t i = 0; i < p->desired->n_sets; i++)
		if (counts[i] > 0)
			fprintf(file, "%s%zu of set '%s'", ftell(file) > 0 ? ", " : "", counts[i],
				p->desired->sets[i].name);
	if (others > 0)
		fprintf(file, "%s%zu not in any set of this file", ftell(file) > 0 ? ", " : "",
			others);
	mem_stream_end(file);
	return text;
}

static void note_missing(struct planner *p, const struct target *target, size_t missing)
{
	const struct set *set = target->set;
	_cleanup_free_ char *others = list_others(p, target);

	planner_problem(p, STATUS_NO_INSTANCES,
			"Set '%s': %zu of %u devices have no available instance of %s%s%s",
			set->name, missing, set->count, set->device.type,
			*others ? "; other devices: " : "", others);
	p->missing += missing;
}

static int no_places(const struct target *target, struct error *err)
{
	const struct set *set = target->set;

	if (target->title)
		return error_set(err, STATUS_NOT_FOUND,
				 "Set '%s': no present parent in 'parents' supports type '%s'; a "
				 "human-readable name is looked up only on present parents",
				 set->name, set->device.type);
	return error_set(err, STATUS_NOT_FOUND,
			 "Set '%s': no parent that matches 'parents' supports type %s", set->name,
			 set->device.type);
}

static int place_pending(struct planner *p, struct target *target, struct error *err)
{
	const struct set *set = target->set;
	_cleanup_spread_ struct spread spread = { 0 };
	size_t missing = 0;

	if (target->n_places == 0 &&
	    (target->n_pending > 0 || (set->max && target->n_members == 0)))
		return no_places(target, err);
	spread_open(target->places, target->n_places, set->fill, &spread);
	count_members(p, target, &spread);
	if (target->n_pending > 1)
		qsort(target->pending, target->n_pending, sizeof(*target->pending), by_index);
	for (size_t i = 0; i < target->n_pending; i++) {
		const struct member *member = &target->pending[i];
		struct place *place = spread_next(&spread);

		if (place)
			put_at(p, target, member, place);
		else if (member->home) /* defined on a parent that may have an instance later */
			keep_definition(p, target, member, type_at(p, target, member->home));
		missing += !place;
	}
	if (set->max) {
		p->wanted += target->n_members + target->n_pending - missing;
		p->wanted += place_more(p, target, &spread);
		return 0;
	}
	p->wanted += set->count;
	if (missing > 0)
		note_missing(p, target, missing);
	return 0;
}

static int plan_targets(struct planner *p, struct error *err)
{
	size_t n = p->desired->n_sets;

	for (size_t i = 0; i < n; i++)
		if (open_target(p, &p->desired->sets[i], &p->targets[i], err) < 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		if (claim_wanted(p, &p->targets[i], err) < 0)
			return -1;
	/* Then there is mostly nothing left to look for: 4096 hashes a set are saved. */
	for (size_t i = 0; i < n; i++)
		if (claim_surplus(p, &p->targets[i], err) < 0)
			return -1;
	reserve(p);
	for (size_t i = 0; i < n; i++)
		keep_all(p, &p->targets[i]);
	/* Sets with "max" come last. */
	for (size_t i = 0; i < 2 * n; i++)
		if (p->desired->sets[i % n].max == (i >= n) &&
		    place_pending(p, &p->targets[i % n], err) < 0)
			return -1;
	return 0;
}

int plan_sets(struct planner *p, struct error *err)
{
	size_t n = p->desired->n_sets;

	p->targets = mem_zero(n + 1, sizeof(*p->targets));
	int r = plan_targets(p, err);
	for (size_t i = 0; i < n; i++)
		close_target(&p->targets[i]);
	free(p->targets);
	p->targets = NULL;
	return r;
}
