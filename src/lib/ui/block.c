/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "set/active.h"
#include "ui/block.h"
#include "ui/out.h"
#include "ui/status.h"
#include "view/reason.h"

/* label "" = another line of the same subject; text NULL = there is nothing to say. */
static void line(const char *label, const char *text)
{
	if (text)
		out_print("%10s%c %s\n", label, *label ? ':' : ' ', text);
}

/* Returns the name of a type as directory, with its human-readable name. */
static char *type_words(const struct snapshot_parent *parent, const char *name)
{
	const struct mdev_type *type = snapshot_find_type(parent, name);

	return type && type->title ? mem_printf("%s (%s)", name, type->title) : mem_text(name);
}

static char *defined_words(const struct snapshot_parent *parent, const struct snapshot_device *dev)
{
	const struct mdev *definition = snapshot_definition(dev);

	if (!definition)
		return NULL;
	_cleanup_free_ char *type = type_words(parent, definition->type);
	_cleanup_free_ char *set = snapshot_set(dev);
	return mem_printf("%s, %s on %s%s%s", definition->autostart ? "auto" : "manual", type,
			  parent->name, set ? ", set " : "", set ? set : "");
}

static char *running_words(const struct snapshot_parent *parent, const struct snapshot_device *dev)
{
	if (!dev->running)
		return NULL;
	_cleanup_free_ char *type = type_words(parent, dev->running->type);
	return mem_printf("%s on %s", type, parent->name);
}

/* An absent parent is described by the sentence that `start` would print. */
static char *parent_words(const struct env *env, const struct snapshot_parent *parent)
{
	if (parent->absent)
		return reason_no_parent(env, parent->name);
	return mem_printf("%s%s%s%s%s", parent->name, parent->driver ? ", driver " : "",
			  parent->driver ? parent->driver : "", parent->card ? ", card " : "",
			  parent->card ? parent->card : "");
}

/* Returns the free instances and what takes the others, for a device that is not running. */
static char *instances_words(const struct env *env, const struct snapshot_parent *parent,
			     const struct snapshot_device *dev)
{
	const struct mdev_type *type = snapshot_find_type(parent, snapshot_type(dev));
	_cleanup_list_ struct mdev_list running = { 0 };
	struct filter filter = { NULL, parent->name };

	if (dev->running || !parent->present || !*snapshot_type(dev))
		return NULL;
	if (!type)
		return mem_printf("%s is not supported", snapshot_type(dev));
	active_find(env, &filter, &running);
	_cleanup_free_ char *others = reason_running("; running there: ", &running, parent->name);
	if (type->counted)
		return mem_printf("%u of %s free%s", type->available, type->name, others);
	return mem_printf("not counted by the driver%s", others);
}

/* Returns the device node, with owner and mode if only some users can open it: a guest that another
 * program than libvirt starts may not be able to. */
static char *node_words(const struct env *env, const struct holder *holder)
{
	const char *node = holder->group ? holder->group : holder->node;
	struct stat st;

	if (!node)
		return NULL;
	char *words = mem_text(node);
	if (holder->group && holder->node)
		text_append(&words, ", ", "%s", holder->node);
	if (holder->in_use != ANSWER_YES && fstatat(env->root, node + 1, &st, 0) == 0 &&
	    (st.st_mode & 0006) != 0006)
		text_append(&words, ", ", "owner %u:%u, mode %04o", st.st_uid, st.st_gid,
			    st.st_mode & 07777);
	return words;
}

static void print_use(const struct env *env, const struct holder *holder)
{
	if (!holder)
		return;
	_cleanup_free_ char *user = status_user(holder);
	_cleanup_free_ char *node = node_words(env, holder);
	line("Used by", user);
	line("Node", node);
}

static void print_log(const struct history *history)
{
	char time[32];

	for (size_t i = 0; i < history->n; i++) {
		time_t seconds = (time_t)(history->v[i].time / 1000000);
		struct tm tm;

		if (!localtime_r(&seconds, &tm) || !strftime(time, sizeof(time), "%b %e %T", &tm))
			*time = '\0';
		_cleanup_free_ char *text =
			mem_printf("%s %s: %s", time, history->v[i].source, history->v[i].text);
		line(i == 0 ? "Log" : "", text);
	}
}

static void print_device(const struct env *env, const struct snapshot_parent *parent,
			 const struct snapshot_device *dev, const struct history *history)
{
	_cleanup_free_ char *state =
		mem_printf("%s%s%s", mdev_state_name(dev->state), dev->reason ? ": " : "",
			   dev->reason ? dev->reason : "");
	_cleanup_free_ char *defined = defined_words(parent, dev);
	_cleanup_free_ char *running = running_words(parent, dev);
	_cleanup_free_ char *where = parent_words(env, parent);
	_cleanup_free_ char *instances = instances_words(env, parent, dev);

	line("Device", dev->uuid);
	line("State", state);
	line("Defined", defined);
	line("Running", running);
	line("Parent", where);
	line("Instances", instances);
	print_use(env, dev->holder);
	print_log(history);
}

/* Time limit for reading all logs, in seconds. */
#define LOG_LIMIT 1

static void print_devices(const struct env *env, const struct snapshot *state,
			  const struct status_view *view, struct history *history)
{
	struct filter filter = { view->filter.uuid, NULL };
	bool first = true;

	history_read(env, &filter, clock_in(LOG_LIMIT), history);
	for (size_t i = 0; i < state->n_parents; i++) {
		const struct snapshot_parent *parent = &state->parents[i];

		if (!snapshot_shows(&view->filter, parent))
			continue;
		if (!first)
			out_print("\n");
		first = false;
		print_device(env, parent, &parent->devices[0], history);
	}
	if (state->users_unseen)
		status_warn_hidden();
}

int block_print(const struct env *env, const struct snapshot *state, const struct status_view *view,
		struct error *err)
{
	_cleanup_history_ struct history history = { 0 };
	struct filter filter = { NULL, view->filter.parent };

	if (view->filter.uuid) {
		print_devices(env, state, view, &history);
	} else {
		if (status_print(state, view, err) < 0)
			return -1;
		history_read(env, &filter, clock_in(LOG_LIMIT), &history);
		if (history.n > 0)
			out_print("\n");
		print_log(&history);
	}
	if (history.unseen)
		log_hint("The log may be incomplete: %s", history.unseen);
	return 0;
}

void block_print_json(const struct env *env, const struct snapshot *state,
		      const struct status_view *view)
{
	uint64_t deadline = clock_in(LOG_LIMIT);
	_cleanup_free_ struct history *logs = mem_zero(state->n_devices + 1, sizeof(*logs));
	struct status_view with_logs = *view;

	with_logs.logs = logs;
	for (size_t i = 0; i < state->n_devices; i++) {
		const struct snapshot_parent *parent =
			snapshot_find_parent(state, state->devices[i].parent);
		struct filter filter = { state->devices[i].uuid, NULL };

		if (!parent || !snapshot_shows(&view->filter, parent))
			continue;
		history_read(env, &filter, deadline, &logs[i]);
		if (logs[i].unseen)
			with_logs.logs_unseen = logs[i].unseen;
	}
	status_print_json(state, &with_logs);
	for (size_t i = 0; i < state->n_devices; i++)
		history_free(&logs[i]);
}
