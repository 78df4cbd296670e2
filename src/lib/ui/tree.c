/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "ui/tree.h"

static const struct {
	const char *name;
	double width; /* 1: not wider than its cells; a table that is too wide is truncated at 0 */
	int flags;
} columns[] = { { "NAME", 1, SCOLS_FL_TREE },
		{ "STATE", 1, 0 },
		{ "START", 1, 0 },
		{ "DETAILS", 0, SCOLS_FL_TRUNC } };
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define STATE 1

/* More parents that are alike are combined into one line. */
#define ALIKE 8

struct tree {
	const struct status_report *report; /* borrowed */
	struct libscols_table *table;	    /* owned */
	bool fold;   /* combine what is alike and has no devices into one line */
	bool hidden; /* a device is shown whose user cannot be determined */
};

static struct libscols_line *add_line(struct tree *tree, struct libscols_line *above,
				      const char *const cells[COLUMNS])
{
	struct libscols_line *line = mem_check(scols_table_new_line(tree->table, above));

	for (size_t i = 0; i < COLUMNS; i++) {
		if (!cells[i])
			continue;
		char *text = mem_text(cells[i]);
		text_clean(text);
		(void)scols_line_refer_data(line, i, text); /* takes the text */
	}
	return line;
}

static struct libscols_line *add_row(struct tree *tree, struct libscols_line *above,
				     const char *name, const char *details)
{
	return add_line(tree, above, (const char *const[]){ name, NULL, NULL, details });
}

/* text NULL = nothing. */
static void append(char **details, const char *text)
{
	if (text)
		text_append(details, ", ", "%s", text);
}

static void append_user(struct tree *tree, const struct holder *holder, char **details)
{
	_cleanup_free_ char *user = status_user(holder);

	append(details, user);
	tree->hidden = tree->hidden || (user && holder->in_use == ANSWER_UNKNOWN);
}

static void add_device(struct tree *tree, struct libscols_line *above,
		       const struct snapshot_device *dev)
{
	_cleanup_free_ char *details = NULL;
	_cleanup_free_ char *set = snapshot_set(dev);
	const char *start = status_start(dev);

	append(&details, dev->reason);
	append_user(tree, dev->holder, &details);
	append(&details, set);
	struct libscols_line *row =
		add_line(tree, above,
			 (const char *const[]){ dev->uuid, mdev_state_name(dev->state),
						start ? start : "-", details });
	if (snapshot_is_wrong(dev) && scols_table_colors_wanted(tree->table))
		(void)scols_cell_set_color(scols_line_get_cell(row, STATE), "red");
}

static bool has_devices(const struct snapshot_parent *parent, const char *type)
{
	for (size_t i = 0; i < parent->n_devices; i++)
		if (strcmp(snapshot_type(&parent->devices[i]), type) == 0)
			return true;
	return false;
}

/* Adds a type with its devices. Devices whose definition has no type ("") are added above. */
static void add_type(struct tree *tree, struct libscols_line *above,
		     const struct snapshot_parent *parent, const char *type, const char *details)
{
	struct libscols_line *row = *type ? add_row(tree, above, type, details) : above;

	for (size_t i = 0; i < parent->n_devices; i++)
		if (strcmp(snapshot_type(&parent->devices[i]), type) == 0)
			add_device(tree, row, &parent->devices[i]);
}

/* Adds types of devices that the parent does not support, in the order of their first device. */
static void add_missing_types(struct tree *tree, struct libscols_line *above,
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
static void add_folded(struct tree *tree, struct libscols_line *above, size_t n, bool more,
		       const char *things, const char *details)
{
	_cleanup_free_ char *name = mem_printf("%zu %s%s", n, more ? "more " : "", things);

	add_row(tree, above, name, details);
}

/* Adds the types with their devices; types without devices are combined into one line. */
static void add_types(struct tree *tree, struct libscols_line *above,
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

static void add_parent(struct tree *tree, struct libscols_line *above,
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
static void add_folded_parents(struct tree *tree, struct libscols_line *above,
			       const struct fold *fold, const char *driver)
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
	struct libscols_line *row = add_row(tree, NULL, key_of(parents[0]), details);
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

static bool same_card(const struct snapshot_parent *a, const struct snapshot_parent *b)
{
	return a->present && b->present && strcmp(key_of(a), key_of(b)) == 0;
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
		count = 1;
		while (i + count < n && same_card(parents[i], parents[i + count]))
			count++;
		if (count > 1)
			add_card(tree, &parents[i], count);
		else /* shown after all cards */
			parents[n_alone++] = parents[i];
	}
	add_alone(tree, parents, n_alone);
}

static void add_vf(struct tree *tree, struct libscols_line *above, size_t i)
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

/* Adds the n functions of a card, starting at index i, unless none of them is shown. */
static void add_vf_card(struct tree *tree, size_t i, size_t n)
{
	const struct filter *filter = &tree->report->filter;
	const struct parent_vf *vfs = &tree->report->vfs.v[i];
	_cleanup_free_ char *details = NULL;
	size_t idle = 0, shown = 0;

	for (size_t j = 0; j < n; j++) {
		idle += vfs[j].typed == ANSWER_NO;
		shown += snapshot_selects(filter, vfs[j].name, vfs[j].card);
	}
	if (shown == 0)
		return;
	append(&details, vfs->driver);
	text_append(&details, ", ", "%zu PCI function%s, not managed by mdevctl", n,
		    n > 1 ? "s" : "");
	struct libscols_line *row = add_row(tree, NULL, vfs->card ? vfs->card : vfs->name, details);
	bool fold = tree->fold && idle > ALIKE;

	for (size_t j = 0; j < n; j++)
		if (snapshot_selects(filter, vfs[j].name, vfs[j].card) &&
		    (!fold || vfs[j].typed != ANSWER_NO))
			add_vf(tree, row, i + j);
	if (fold)
		add_folded(tree, row, idle, idle < n, "functions", "no vGPU type");
}

static void add_vfs(struct tree *tree)
{
	const struct parent_vf_list *vfs = &tree->report->vfs;
	size_t n;

	for (size_t i = 0; i < vfs->n; i += n) {
		const char *card = vfs->v[i].card;

		n = 1;
		while (i + n < vfs->n && card && vfs->v[i + n].card &&
		       strcmp(vfs->v[i + n].card, card) == 0)
			n++;
		add_vf_card(tree, i, n);
	}
}

int tree_print(const struct status_report *report, struct error *err)
{
	struct tree tree = { .report = report, .fold = !report->all && !report->filter.parent };
	int r = 0;

	/* Without this, the locale is C, and the tree is drawn in ASCII. Messages and numbers are
	 * not affected. */
	setlocale(LC_CTYPE, "");
	tree.table = mem_check(scols_new_table());
	for (size_t i = 0; i < COLUMNS; i++)
		mem_check(scols_table_new_column(tree.table, columns[i].name, columns[i].width,
						 columns[i].flags));
	/* These can fail only without a table. */
	(void)scols_table_enable_noheadings(tree.table, !report->headings);
	(void)scols_table_enable_minout(tree.table, 1); /* no trailing spaces */
	(void)scols_table_enable_colors(tree.table, log_colours(STDOUT_FILENO));
	add_parents(&tree);
	add_vfs(&tree);
	if (scols_table_get_nlines(tree.table) > 0)
		r = scols_print_table(tree.table);
	scols_unref_table(tree.table);
	if (r < 0)
		return error_set(err, STATUS_FAILED, "Unable to print the table: %s", strerror(-r));
	if (tree.hidden)
		status_warn_hidden();
	return 0;
}
