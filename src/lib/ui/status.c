/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "device/json.h"
#include "ui/out.h"
#include "ui/status.h"
#include "ui/table.h"
#include "view/reason.h"

/* The columns of the tree. */
static const char *const columns[] = { "NAME", "STATE", "START", "DETAILS", NULL };
#define STATE_COLUMN 1

/* More parents that are alike are combined into one line. */
#define ALIKE 8

/* The tree that is printed. */
struct tree {
	const struct status_report *report; /* borrowed */
	struct table *table;		    /* borrowed */
	bool fold;   /* combine what is alike and has no devices into one line */
	bool hidden; /* a device is shown whose user cannot be determined */
};

static bool shows_vf(const struct status_report *report, const struct parent_vf *vf)
{
	return snapshot_selects(&report->filter, vf->name, vf->card);
}

int status_read(const struct cli *cli, const struct env *env, struct status_report *ret,
		struct error *err)
{
	const struct filter filter = { cli_value(cli, CLI_UUID), cli_value(cli, CLI_PARENT) };
	bool wrong = cli->given & CLI_CHECK;
	unsigned json_parts = cli->given & CLI_JSON ? SNAPSHOT_NODES : 0;

	*ret = (struct status_report){ .filter = filter,
				       .all = cli->given & CLI_ALL,
				       .headings = !(cli->given & CLI_NOHEADINGS),
				       .wrong = wrong };
	snapshot_read(env, &filter, wrong ? json_parts : SNAPSHOT_TYPES | SNAPSHOT_HOLDERS,
		      &ret->state);
	if (!wrong && !filter.uuid)
		parent_find_vfs(env, &ret->vfs);
	if (ret->state.n_parents > 0 || (!filter.uuid && !filter.parent))
		return 0;
	for (size_t i = 0; i < ret->vfs.n; i++)
		if (shows_vf(ret, &ret->vfs.v[i]))
			return 0;
	if (ret->state.unseen)
		return error_set(err, STATUS_FAILED, "%s", ret->state.unseen);
	if (!filter.uuid) {
		_cleanup_free_ char *why = reason_no_parent(env, filter.parent);
		return error_set(err, STATUS_NOT_FOUND, "%s", why);
	}
	return error_set(err, STATUS_NOT_FOUND, "Device %s is neither defined nor running%s%s",
			 filter.uuid, filter.parent ? " on " : "",
			 filter.parent ? filter.parent : "");
}

void status_free(struct status_report *report)
{
	snapshot_free(&report->state);
	parent_free_vfs(&report->vfs);
}

int status_result(const struct status_report *report, struct error *err)
{
	const struct snapshot *state = &report->state;
	bool wrong = false, unknown = state->unseen;

	for (size_t i = 0; i < state->n_parents; i++)
		for (size_t j = 0; j < state->parents[i].n_devices; j++) {
			const struct snapshot_device *dev = &state->parents[i].devices[j];

			if (dev->state == MDEV_UNKNOWN)
				unknown = true;
			else if (report->wrong && snapshot_is_wrong(dev))
				wrong = true;
		}
	if (!wrong && !unknown)
		return 0;
	if (state->unseen)
		error_set(err, STATUS_FAILED, "%s", state->unseen);
	err->status = wrong ? STATUS_DIFFERS : STATUS_FAILED;
	return -1;
}

static struct table_row *add_row(struct tree *tree, struct table_row *above, const char *name,
				 const char *details)
{
	return table_add(tree->table, above, (const char *const[]){ name, NULL, NULL, details });
}

/* text NULL = nothing. */
static void append(char **details, const char *text)
{
	if (text)
		text_append(details, ", ", "%s", text);
}

char *status_user(const struct holder *holder)
{
	if (!holder || holder->in_use == ANSWER_NO)
		return NULL;
	if (holder->in_use == ANSWER_UNKNOWN)
		return mem_text("?");
	return mem_printf("%s (%d)",
			  holder->guest	    ? holder->guest
			  : holder->command ? holder->command
					    : "?",
			  holder->pid);
}

static void append_user(struct tree *tree, const struct holder *holder, char **details)
{
	_cleanup_free_ char *user = status_user(holder);

	append(details, user);
	tree->hidden = tree->hidden || (user && holder->in_use == ANSWER_UNKNOWN);
}

static const char *start_of(const struct snapshot_device *dev)
{
	const struct mdev *definition = snapshot_definition(dev);

	return !definition ? NULL : definition->autostart ? "auto" : "manual";
}

static void add_device(struct tree *tree, struct table_row *above,
		       const struct snapshot_device *dev)
{
	_cleanup_free_ char *details = NULL;
	_cleanup_free_ char *set = snapshot_set(dev);
	const char *start = start_of(dev);

	append(&details, dev->reason);
	append_user(tree, dev->holder, &details);
	append(&details, set);
	struct table_row *row =
		table_add(tree->table, above,
			  (const char *const[]){ dev->uuid, mdev_state_name(dev->state),
						 start ? start : "-", details });
	if (snapshot_is_wrong(dev))
		table_warn(tree->table, row, STATE_COLUMN);
}

static bool has_devices(const struct snapshot_parent *parent, const char *type)
{
	for (size_t i = 0; i < parent->n_devices; i++)
		if (strcmp(snapshot_type(&parent->devices[i]), type) == 0)
			return true;
	return false;
}

/* Adds a type with its devices. Devices whose definition has no type ("") are added above. */
static void add_type(struct tree *tree, struct table_row *above,
		     const struct snapshot_parent *parent, const char *type, const char *details)
{
	struct table_row *row = *type ? add_row(tree, above, type, details) : above;

	for (size_t i = 0; i < parent->n_devices; i++)
		if (strcmp(snapshot_type(&parent->devices[i]), type) == 0)
			add_device(tree, row, &parent->devices[i]);
}

/* Adds types of devices that the parent does not support, in the order of their first device. */
static void add_missing_types(struct tree *tree, struct table_row *above,
			      const struct snapshot_parent *parent)
{
	bool known = parent->present && parent->has_types != ANSWER_UNKNOWN;

	for (size_t i = 0; i < parent->n_devices; i++) {
		const char *type = snapshot_type(&parent->devices[i]);
		bool first = *type && !snapshot_find_type(parent, type);

		for (size_t j = 0; j < i && first; j++)
			first = strcmp(snapshot_type(&parent->devices[j]), type) != 0;
		if (first)
			add_type(tree, above, parent, type, known ? "not supported" : NULL);
	}
}

/* Adds one line for n of these things. */
static void add_folded(struct tree *tree, struct table_row *above, size_t n, bool more,
		       const char *things, const char *details)
{
	_cleanup_free_ char *name = mem_printf("%zu %s%s", n, more ? "more " : "", things);

	add_row(tree, above, name, details);
}

/* Adds the types with their devices; types without devices are combined into one line. */
static void add_types(struct tree *tree, struct table_row *above,
		      const struct snapshot_parent *parent)
{
	size_t idle = 0, idle_free = 0;
	bool uncounted = false;

	for (size_t i = 0; i < parent->n_types; i++)
		if (!has_devices(parent, parent->types[i].name)) {
			idle++;
			idle_free += parent->types[i].available > 0;
			uncounted = uncounted || !parent->types[i].counted;
		}
	bool fold = idle > 1 && tree->fold;

	add_type(tree, above, parent, "", NULL);
	for (size_t i = 0; i < parent->n_types; i++) {
		const struct mdev_type *type = &parent->types[i];
		_cleanup_free_ char *details =
			type->counted ? mem_printf("%u free", type->available) : mem_text("? free");

		append(&details, type->title);
		if (!fold || has_devices(parent, type->name))
			add_type(tree, above, parent, type->name, details);
	}
	add_missing_types(tree, above, parent);
	if (!fold)
		return;
	_cleanup_free_ char *details =
		idle_free > 0 ? mem_printf("%zu with free instances", idle_free)
			      : mem_text(uncounted ? "none known to be free" : "none free");
	add_folded(tree, above, idle, idle < parent->n_types, "types", details);
}

static const char *key_of(const struct snapshot_parent *parent)
{
	return parent->card ? parent->card : parent->name;
}

/* Parents that are present come first, grouped by card. */
static int by_card(const void *left, const void *right)
{
	const struct snapshot_parent *const *a = left, *const *b = right;

	if ((*a)->present != (*b)->present)
		return (*a)->present ? -1 : 1;
	int order = strcmp(key_of(*a), key_of(*b));
	return order ? order : strcmp((*a)->name, (*b)->name);
}

static bool has_free(const struct snapshot_parent *parent)
{
	for (size_t i = 0; i < parent->n_types; i++)
		if (parent->types[i].available > 0)
			return true;
	return false;
}

/* Whether a parent can be combined with others into one line. */
static bool is_idle(const struct tree *tree, const struct snapshot_parent *parent)
{
	return tree->fold && parent->present && parent->n_devices == 0;
}

static void add_parent(struct tree *tree, struct table_row *above,
		       const struct snapshot_parent *parent)
{
	_cleanup_free_ char *details = NULL;

	append(&details, parent->absent);
	if (!above && parent->present)
		append(&details, parent->driver);
	if (parent->present && parent->has_types == ANSWER_UNKNOWN)
		append(&details, "types cannot be read");
	add_types(tree, add_row(tree, above, parent->name, details), parent);
}

/* Parents without devices that are combined into one line. */
struct fold {
	size_t n;
	size_t n_free; /* parents with free instances */
	size_t last;   /* index of the last one */
	bool more;     /* others that are alike are shown */
};

static bool same_driver(const struct snapshot_parent *a, const struct snapshot_parent *b)
{
	return strcmp(a->driver ? a->driver : "", b->driver ? b->driver : "") == 0;
}

/* like: only the parents that are present and have its driver; NULL = all. */
static struct fold fold_of(const struct tree *tree, const struct snapshot_parent *const parents[],
			   size_t n, const struct snapshot_parent *like)
{
	struct fold fold = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (like && (!parents[i]->present || !same_driver(parents[i], like)))
			continue;
		if (!is_idle(tree, parents[i])) {
			fold.more = true;
			continue;
		}
		fold.n++;
		fold.n_free += has_free(parents[i]);
		fold.last = i;
	}
	return fold;
}

/* driver NULL = it is shown above. */
static void add_folded_parents(struct tree *tree, struct table_row *above, const struct fold *fold,
			       const char *driver)
{
	_cleanup_free_ char *details = NULL;

	append(&details, driver);
	append(&details, "no devices");
	if (fold->n_free > 0)
		text_append(&details, ", ", "%zu with free instances", fold->n_free);
	else
		append(&details, "no free instances known");
	add_folded(tree, above, fold->n, fold->more, "parents", details);
}

/* Adds a card with n parents. */
static void add_card(struct tree *tree, const struct snapshot_parent *const parents[], size_t n)
{
	const struct fold fold = fold_of(tree, parents, n, NULL);
	_cleanup_free_ char *details = NULL;

	append(&details, parents[0]->driver);
	text_append(&details, ", ", "%zu parents", n);
	struct table_row *row = add_row(tree, NULL, key_of(parents[0]), details);
	for (size_t i = 0; i < n; i++)
		if (fold.n <= ALIKE || !is_idle(tree, parents[i]))
			add_parent(tree, row, parents[i]);
	if (fold.n > ALIKE)
		add_folded_parents(tree, row, &fold, NULL);
}

/* Adds parents that do not belong to a card. */
static void add_alone(struct tree *tree, const struct snapshot_parent *const alone[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fold fold = { 0 };

		if (is_idle(tree, alone[i]))
			fold = fold_of(tree, alone, n, alone[i]);
		if (fold.n <= ALIKE)
			add_parent(tree, NULL, alone[i]);
		else if (fold.last == i)
			add_folded_parents(tree, NULL, &fold, alone[i]->driver);
	}
}

/* Returns the number of parents from parents[0] on that belong to one card. */
static size_t count_card(const struct snapshot_parent *const parents[], size_t n)
{
	size_t count = 1;

	while (count < n && parents[0]->present && parents[count]->present &&
	       strcmp(key_of(parents[count]), key_of(parents[0])) == 0)
		count++;
	return count;
}

static void add_parents(struct tree *tree)
{
	const struct snapshot *state = &tree->report->state;
	size_t n = state->n_parents, n_alone = 0, count;
	_cleanup_free_ const struct snapshot_parent **parents =
		mem_grow(NULL, n + 1, sizeof(struct snapshot_parent *));

	for (size_t i = 0; i < n; i++)
		parents[i] = &state->parents[i];
	qsort(parents, n, sizeof(struct snapshot_parent *), by_card);
	for (size_t i = 0; i < n; i += count) {
		count = count_card(&parents[i], n - i);
		if (count > 1)
			add_card(tree, &parents[i], count);
		else /* shown after all cards */
			parents[n_alone++] = parents[i];
	}
	add_alone(tree, parents, n_alone);
}

static void add_vf(struct tree *tree, struct table_row *above, size_t i)
{
	const struct parent_vf_list *vfs = &tree->report->vfs;
	const struct parent_vf *vf = &vfs->v[i];
	_cleanup_free_ char *details = NULL;

	if (vf->typed == ANSWER_NO)
		append(&details, "no vGPU type");
	else if (vf->typed == ANSWER_UNKNOWN)
		append(&details, "vGPU type cannot be read");
	else if (vf->title)
		append(&details, vf->title);
	else
		text_append(&details, ", ", "vGPU type %u", vf->type);
	if (vf->typed != ANSWER_NO)
		append_user(tree, &vfs->holders[i], &details);
	add_row(tree, above, vf->name, details);
}

/* Shows the n functions of a card, starting at index i. */
static void add_vf_card(struct tree *tree, size_t i, size_t n)
{
	const struct parent_vf *vfs = tree->report->vfs.v;
	_cleanup_free_ char *details = NULL;
	size_t idle = 0;

	append(&details, vfs[i].driver);
	text_append(&details, ", ", "%zu PCI function%s, not managed by mdevctl", n,
		    n > 1 ? "s" : "");
	struct table_row *row =
		add_row(tree, NULL, vfs[i].card ? vfs[i].card : vfs[i].name, details);

	for (size_t j = i; j < i + n; j++)
		idle += vfs[j].typed == ANSWER_NO;
	for (size_t j = i; j < i + n; j++)
		if (shows_vf(tree->report, &vfs[j]) &&
		    (!tree->fold || idle <= ALIKE || vfs[j].typed != ANSWER_NO))
			add_vf(tree, row, j);
	if (tree->fold && idle > ALIKE)
		add_folded(tree, row, idle, idle < n, "functions", "no vGPU type");
}

static void add_vfs(struct tree *tree)
{
	const struct parent_vf_list *vfs = &tree->report->vfs;
	size_t n;

	for (size_t i = 0; i < vfs->n; i += n) {
		const char *card = vfs->v[i].card;
		bool shown = false;

		for (n = 0; n == 0 || (i + n < vfs->n && card && vfs->v[i + n].card &&
				       strcmp(vfs->v[i + n].card, card) == 0);
		     n++)
			shown |= shows_vf(tree->report, &vfs->v[i + n]);
		if (shown)
			add_vf_card(tree, i, n);
	}
}

void status_warn_hidden(void)
{
	log_warning("Unable to determine whether devices marked '?' are in use%s",
		    error_must_be_root());
}

int status_print(const struct status_report *report, struct error *err)
{
	_cleanup_table_ struct table *table = table_new(columns, report->headings);
	struct tree tree = { .report = report,
			     .table = table,
			     .fold = !report->all && !report->filter.parent };

	add_parents(&tree);
	add_vfs(&tree);
	if (table_print(table, err) < 0)
		return -1;
	if (tree.hidden)
		status_warn_hidden();
	return 0;
}

void status_print_wrong(const struct status_report *report)
{
	const struct snapshot *state = &report->state;

	for (size_t i = 0; i < state->n_parents; i++)
		for (size_t j = 0; j < state->parents[i].n_devices; j++) {
			const struct snapshot_device *dev = &state->parents[i].devices[j];
			const char *type = snapshot_type(dev);

			if (snapshot_is_wrong(dev))
				out_print("%s %s %s %s: %s\n", mdev_state_name(dev->state),
					  dev->uuid, dev->parent, *type ? type : "-", dev->reason);
		}
}

static void answer_json(struct json_writer *w, const char *key, enum answer answer)
{
	json_key(w, key);
	if (answer == ANSWER_UNKNOWN)
		json_null(w);
	else
		json_bool(w, answer == ANSWER_YES);
}

/* Writes "in_use" and "used_by"; unknown: their value if there is no holder. */
static void use_json(struct json_writer *w, const struct holder *holder, enum answer unknown)
{
	answer_json(w, "in_use", holder ? holder->in_use : unknown);
	json_key(w, "used_by");
	if (!holder || !holder->pid) {
		json_null(w);
		return;
	}
	json_open(w, '{');
	out_json_number(w, "pid", true, (unsigned)holder->pid);
	out_json_text(w, "command", holder->command);
	out_json_text(w, "guest", holder->guest);
	json_close(w, '}');
}

static void log_json(struct json_writer *w, const struct history *history)
{
	json_key(w, "log");
	json_open(w, '[');
	for (size_t i = 0; i < history->n; i++) {
		time_t seconds = (time_t)(history->v[i].time / 1000000);
		char time[32] = "";
		struct tm tm;

		if (gmtime_r(&seconds, &tm))
			strftime(time, sizeof(time), "%FT%TZ", &tm);
		json_open(w, '{');
		out_json_text(w, "time", time);
		out_json_text(w, "source", history->v[i].source);
		out_json_text(w, "text", history->v[i].text);
		json_close(w, '}');
	}
	json_close(w, ']');
}

static void device_json(struct json_writer *w, const struct snapshot_device *dev,
			const struct history *history)
{
	const struct mdev *definition = snapshot_definition(dev);
	_cleanup_free_ char *set = snapshot_set(dev);

	json_open(w, '{');
	out_json_text(w, "uuid", dev->uuid);
	out_json_text(w, "mdev_type", snapshot_type(dev));
	out_json_text(w, "defined_type", definition ? definition->type : NULL);
	out_json_text(w, "state", mdev_state_name(dev->state));
	out_json_text(w, "reason", dev->reason);
	answer_json(w, "defined", dev->defined);
	answer_json(w, "active", dev->active);
	out_json_text(w, "start", start_of(dev));
	json_key(w, "attrs");
	if (definition)
		json_attributes(w, definition);
	else
		json_null(w);
	out_json_text(w, "vfio_group", dev->holder ? dev->holder->group : NULL);
	out_json_text(w, "vfio_device", dev->holder ? dev->holder->node : NULL);
	use_json(w, dev->holder, dev->active);
	out_json_text(w, "set", set);
	if (history)
		log_json(w, history);
	json_close(w, '}');
}

static void types_json(struct json_writer *w, const struct status_report *report,
		       const struct snapshot_parent *parent)
{
	json_key(w, "types");
	if (report->wrong || parent->has_types == ANSWER_UNKNOWN) {
		json_null(w);
		return;
	}
	json_open(w, '[');
	for (size_t i = 0; i < parent->n_types; i++) {
		const struct mdev_type *type = &parent->types[i];

		json_open(w, '{');
		out_json_text(w, "mdev_type", type->name);
		out_json_text(w, "name", type->title);
		out_json_text(w, "description", type->description);
		out_json_text(w, "device_api", type->device_api);
		out_json_number(w, "available_instances", type->counted, type->available);
		json_close(w, '}');
	}
	json_close(w, ']');
}

static void parent_json(struct json_writer *w, const struct status_report *report,
			const struct history *logs, const struct snapshot_parent *parent)
{
	const struct snapshot *state = &report->state;

	json_open(w, '{');
	out_json_text(w, "parent", parent->name);
	answer_json(w, "present",
		    parent->present			 ? ANSWER_YES
		    : state->parents_known == ANSWER_YES ? ANSWER_NO
							 : ANSWER_UNKNOWN);
	out_json_text(w, "driver", parent->driver);
	out_json_text(w, "card", parent->card);
	types_json(w, report, parent);
	json_key(w, "devices");
	json_open(w, '[');
	for (size_t i = 0; i < parent->n_devices; i++)
		if (!report->wrong || snapshot_is_wrong(&parent->devices[i]))
			device_json(w, &parent->devices[i],
				    logs ? &logs[&parent->devices[i] - state->devices] : NULL);
	json_close(w, ']');
	json_close(w, '}');
}

static bool has_wrong(const struct snapshot_parent *parent)
{
	for (size_t i = 0; i < parent->n_devices; i++)
		if (snapshot_is_wrong(&parent->devices[i]))
			return true;
	return false;
}

static void vf_json(struct json_writer *w, const struct parent_vf *vf, const struct holder *holder)
{
	json_open(w, '{');
	out_json_text(w, "vf", vf->name);
	out_json_text(w, "card", vf->card);
	out_json_text(w, "driver", vf->driver);
	out_json_number(w, "vgpu_type", vf->typed != ANSWER_UNKNOWN, vf->type);
	out_json_text(w, "vgpu_name", vf->title);
	use_json(w, holder, ANSWER_UNKNOWN);
	json_close(w, '}');
}

/* Whether it could not be determined whether a device is in use. */
static bool is_user_unseen(const struct status_report *report)
{
	const struct parent_vf_list *vfs = &report->vfs;

	for (size_t i = 0; i < report->state.n_devices; i++) {
		const struct holder *holder = report->state.devices[i].holder;

		if (holder && holder->in_use == ANSWER_UNKNOWN && !report->wrong)
			return true;
	}
	for (size_t i = 0; i < vfs->n; i++)
		if (vfs->holders[i].in_use == ANSWER_UNKNOWN)
			return true;
	return false;
}

void status_print_json(const struct status_report *report, const struct history *logs)
{
	const struct snapshot *state = &report->state;
	struct json_writer w = out_json();
	const char *logs_unseen = NULL;

	json_open(&w, '{');
	out_json_number(&w, "version", true, 1);
	json_key(&w, "parents");
	json_open(&w, '[');
	for (size_t i = 0; i < state->n_parents; i++)
		if (!report->wrong || has_wrong(&state->parents[i]))
			parent_json(&w, report, logs, &state->parents[i]);
	json_close(&w, ']');
	json_key(&w, "vfs");
	json_open(&w, '[');
	for (size_t i = 0; i < report->vfs.n; i++)
		if (shows_vf(report, &report->vfs.v[i]))
			vf_json(&w, &report->vfs.v[i], &report->vfs.holders[i]);
	json_close(&w, ']');
	for (size_t i = 0; i < state->n_devices && logs; i++)
		if (logs[i].unseen)
			logs_unseen = logs[i].unseen;
	_cleanup_free_ char *unseen = state->unseen ? mem_text(state->unseen) : NULL;
	if (is_user_unseen(report))
		text_append(&unseen, "; ", "Unable to determine whether all devices are in use%s",
			    error_must_be_root());
	if (logs_unseen)
		text_append(&unseen, "; ", "%s", logs_unseen);
	out_json_text(&w, "unseen", unseen);
	json_close(&w, '}');
	out_end_json();
}
