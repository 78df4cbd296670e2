/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "device/json.h"
#include "ui/out.h"
#include "ui/print.h"

void print_devices(const struct listing *listing, bool of_defined, bool verbose)
{
	const char *state = of_defined ? " (active)" : " (defined)";

	for (size_t i = 0; i < listing->n; i++) {
		const struct listed_device *listed = &listing->v[i];
		const struct mdev *dev = listed->dev;

		out_print("%s %s %s %s%s\n", dev->uuid, dev->parent, dev->type,
			  dev->autostart ? "auto" : "manual", listed->in_both ? state : "");
		if (verbose) {
			_cleanup_free_ char *lines = json_attribute_lines(dev);
			out_print("%s", lines);
		}
	}
}

void print_devices_json(const struct listing *listing, bool bare)
{
	struct json_writer w = out_json();
	size_t i = 0;

	if (bare && listing->n == 1) {
		json_definition(&w, listing->v[0].dev);
		return;
	}
	json_open(&w, '[');
	if (listing->n > 0)
		json_open(&w, '{');
	while (i < listing->n) {
		const char *parent = listing->v[i].dev->parent;

		json_key(&w, parent);
		json_open(&w, '[');
		for (; i < listing->n && strcmp(listing->v[i].dev->parent, parent) == 0; i++) {
			json_open(&w, '{');
			json_key(&w, listing->v[i].dev->uuid);
			json_definition(&w, listing->v[i].dev);
			json_close(&w, '}');
		}
		json_close(&w, ']');
	}
	if (listing->n > 0)
		json_close(&w, '}');
	json_close(&w, ']');
}

static void print_type(const struct mdev_type *type)
{
	out_print("  %s\n    Available instances: ", type->name);
	if (type->counted)
		out_print("%u\n", type->available);
	else
		out_print("unknown\n");
	out_print("    Device API: %s\n", type->device_api ? type->device_api : "unknown");
	if (type->title)
		out_print("    Name: %s\n", type->title);
	if (type->description)
		out_print("    Description: %s\n", type->description);
}

void print_types(const struct mdev_type_list *list)
{
	size_t j = 0;

	for (size_t i = 0; i < list->n_parents; i++) {
		out_print("%s\n", list->parents[i]);
		for (; j < list->n && strcmp(list->v[j].parent, list->parents[i]) == 0; j++)
			print_type(&list->v[j]);
	}
}

static void type_json(struct json_writer *w, const struct mdev_type *type)
{
	json_open(w, '{');
	json_key(w, type->name);
	json_open(w, '{');
	out_json_number(w, "available_instances", type->counted, type->available);
	out_json_text(w, "device_api", type->device_api);
	if (type->title)
		out_json_text(w, "name", type->title);
	if (type->description)
		out_json_text(w, "description", type->description);
	json_close(w, '}');
	json_close(w, '}');
}

void print_types_json(const struct mdev_type_list *list)
{
	struct json_writer w = out_json();
	size_t j = 0;

	json_open(&w, '[');
	if (list->n_parents > 0)
		json_open(&w, '{');
	for (size_t i = 0; i < list->n_parents; i++) {
		json_key(&w, list->parents[i]);
		json_open(&w, '[');
		for (; j < list->n && strcmp(list->v[j].parent, list->parents[i]) == 0; j++)
			type_json(&w, &list->v[j]);
		json_close(&w, ']');
	}
	if (list->n_parents > 0)
		json_close(&w, '}');
	json_close(&w, ']');
}

void print_change(const struct plan_change *change)
{
	const struct mdev *dev = &change->dev;

	out_print("%-8s %s %s %s", action_name(change->action), dev->uuid, dev->parent,
		  dev->type ? dev->type : "-");
	if (change->set)
		out_print(" %s/%u", change->set->name, change->index);
	out_print("\n");
	out_flush(); /* it is seen when it is made, even through a pipe */
}

void print_progress(const struct apply *apply)
{
	size_t planned = apply->plan.n_changes - apply->at;

	if (apply->dry_run || !isatty(STDERR_FILENO) || isatty(STDOUT_FILENO))
		return;
	fprintf(stderr, "\r%zu of %zu changes%s", apply->n_changes, apply->n_changes + planned,
		planned > 0 ? "" : "\r\033[K");
}

/* dev NULL, or without a type: there is no definition. */
static void definition_member(struct json_writer *w, const char *key, const struct mdev *dev)
{
	json_key(w, key);
	if (dev && dev->type)
		json_definition(w, dev);
	else
		json_null(w);
}

static void status_members(struct json_writer *w, const struct error *err)
{
	out_json_number(w, "status", true, err->status);
	out_json_text(w, "error", err->text);
}

static void change_json(struct json_writer *w, const struct plan_change *change)
{
	const struct mdev *before = &change->before, *after = &change->dev;

	if (change->action == ACTION_START)
		before = after;
	else if (change->action == ACTION_STOP)
		after = before;
	else if (change->action == ACTION_UNDEFINE)
		after = NULL;
	json_open(w, '{');
	out_json_text(w, "action", action_name(change->action));
	out_json_text(w, "uuid", change->dev.uuid);
	out_json_text(w, "parent", change->dev.parent);
	out_json_text(w, "mdev_type", change->dev.type);
	out_json_text(w, "set", change->set ? change->set->name : NULL);
	out_json_number(w, "index", change->set, change->index);
	definition_member(w, "before", before);
	definition_member(w, "after", after);
	status_members(w, &change->error);
	json_close(w, '}');
}

void print_apply_json(const struct apply *apply, const struct error *err)
{
	struct json_writer w = out_json();
	bool changed = false;

	for (size_t i = 0; i < apply->n_changes; i++)
		changed = changed || apply->changes[i].error.status == STATUS_OK;
	json_open(&w, '{');
	out_json_number(&w, "version", true, 1);
	json_key(&w, "changed");
	json_bool(&w, changed);
	status_members(&w, err);
	json_key(&w, "changes");
	json_open(&w, '[');
	for (size_t i = 0; i < apply->n_changes; i++)
		change_json(&w, &apply->changes[i]);
	json_close(&w, ']');
	json_key(&w, "problems");
	json_open(&w, '[');
	for (size_t i = 0; i < apply->problems.n; i++) {
		json_open(&w, '{');
		status_members(&w, &apply->problems.v[i]);
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_close(&w, '}');
	out_end_json();
}
