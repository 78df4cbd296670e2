/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "device/json.h"
#include "ui/out.h"
#include "ui/status.h"
#include "view/absent.h"

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
		if (snapshot_selects(&filter, ret->vfs.v[i].name, ret->vfs.v[i].card))
			return 0;
	if (ret->state.unseen)
		return error_set(err, STATUS_FAILED, "%s", ret->state.unseen);
	if (!filter.uuid) {
		_cleanup_free_ char *why = absent_parent(env, filter.parent);
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

char *status_user(const struct holder *holder)
{
	if (!holder || holder->in_use == ANSWER_NO)
		return NULL;
	if (holder->in_use == ANSWER_UNKNOWN)
		return mem_text("?");
	const char *name = holder->guest ? holder->guest : holder->command;
	return mem_printf("%s (%u)", name ? name : "?", holder->pid);
}

const char *status_start(const struct snapshot_device *dev)
{
	const struct mdev *definition = snapshot_definition(dev);

	return !definition ? NULL : definition->autostart ? "auto" : "manual";
}

void status_warn_hidden(void)
{
	log_warning("Unable to determine whether devices marked '?' are in use%s",
		    error_must_be_root());
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
	out_json_number(w, "pid", true, holder->pid);
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
	out_json_text(w, "start", status_start(dev));
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

static bool any_unknown(const struct holder *holders, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (holders[i].in_use == ANSWER_UNKNOWN)
			return true;
	return false;
}

void status_print_json(const struct status_report *report, const struct history *logs)
{
	const struct snapshot *state = &report->state;
	const struct parent_vf_list *vfs = &report->vfs;
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
	for (size_t i = 0; i < vfs->n; i++)
		if (snapshot_selects(&report->filter, vfs->v[i].name, vfs->v[i].card))
			vf_json(&w, &vfs->v[i], &vfs->holders[i]);
	json_close(&w, ']');
	for (size_t i = 0; i < state->n_devices && logs; i++)
		if (logs[i].unseen)
			logs_unseen = logs[i].unseen;
	_cleanup_free_ char *unseen = state->unseen ? mem_text(state->unseen) : NULL;
	if (any_unknown(state->users.holders, report->wrong ? 0 : state->users.n) ||
	    any_unknown(vfs->holders, vfs->n))
		text_append(&unseen, "; ", "Unable to determine whether all devices are in use%s",
			    error_must_be_root());
	if (logs_unseen)
		text_append(&unseen, "; ", "%s", logs_unseen);
	out_json_text(&w, "unseen", unseen);
	json_close(&w, '}');
	out_end_json();
}
