/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdarg.h>
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
#include "ui/tree.h"
#include "view/absent.h"
#include "view/reason.h"

/* label "" = another line of the same subject. */
__attribute__((format(printf, 2, 3))) static void line(const char *label, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
	out_print("%10s%c %s\n", label, *label ? ':' : ' ', text);
}

/* Returns the name of a type as directory, with its human-readable name. */
static char *type_words(const struct snapshot_parent *parent, const char *name)
{
	const struct mdev_type *type = snapshot_find_type(parent, name);

	return type && type->title ? mem_printf("%s (%s)", name, type->title) : mem_text(name);
}

/* An absent parent is described by the sentence that `start` would print. */
static void print_parent(const struct env *env, const struct snapshot_parent *parent)
{
	_cleanup_free_ char *absent = parent->absent ? absent_parent(env, parent->name) : NULL;

	if (absent)
		line("Parent", "%s", absent);
	else
		line("Parent", "%s%s%s%s%s", parent->name, parent->driver ? ", driver " : "",
		     parent->driver ? parent->driver : "", parent->card ? ", card " : "",
		     parent->card ? parent->card : "");
}

/* Prints the free instances of a type, and what takes the others. */
static void print_instances(const struct env *env, const struct snapshot_parent *parent,
			    const char *name)
{
	const struct mdev_type *type = snapshot_find_type(parent, name);
	_cleanup_list_ struct mdev_list running = { 0 };
	struct filter filter = { NULL, parent->name };

	if (!type) {
		line("Instances", "%s is not supported", name);
		return;
	}
	active_find(env, &filter, &running);
	_cleanup_free_ char *others = reason_running("; running there: ", &running, parent->name);
	if (type->counted)
		line("Instances", "%u of %s free%s", type->available, name, others);
	else
		line("Instances", "not counted by the driver%s", others);
}

/* Prints the device node, with owner and mode if only some users can open it: a guest that another
 * program than libvirt starts may not be able to. */
static void print_node(const struct env *env, const struct holder *holder)
{
	const char *node = holder->group ? holder->group : holder->node;
	_cleanup_free_ char *words = NULL;
	struct stat st;

	if (!node)
		return;
	text_append(&words, ", ", "%s", node);
	if (holder->group && holder->node)
		text_append(&words, ", ", "%s", holder->node);
	if (holder->in_use != ANSWER_YES && fstatat(env->root, node + 1, &st, 0) == 0 &&
	    (st.st_mode & 0006) != 0006)
		text_append(&words, ", ", "owner %u:%u, mode %04o", st.st_uid, st.st_gid,
			    st.st_mode & 07777);
	line("Node", "%s", words);
}

static void print_log(const struct history *history)
{
	char time[32];

	for (size_t i = 0; i < history->n; i++) {
		time_t seconds = (time_t)(history->v[i].time / 1000000);
		struct tm tm;

		if (!localtime_r(&seconds, &tm) || !strftime(time, sizeof(time), "%b %e %T", &tm))
			*time = '\0';
		line(i == 0 ? "Log" : "", "%s %s: %s", time, history->v[i].source,
		     history->v[i].text);
	}
}

/* Prints the device on this parent, which is the only one in the snapshot. */
static void print_device(const struct env *env, const struct snapshot_parent *parent,
			 const struct history *history)
{
	const struct snapshot_device *dev = &parent->devices[0];
	const struct mdev *definition = snapshot_definition(dev);
	_cleanup_free_ char *user = status_user(dev->holder);
	_cleanup_free_ char *set = snapshot_set(dev);
	_cleanup_free_ char *defined = definition ? type_words(parent, definition->type) : NULL;
	_cleanup_free_ char *running = dev->running ? type_words(parent, dev->running->type) : NULL;

	line("Device", "%s", dev->uuid);
	line("State", "%s%s%s", mdev_state_name(dev->state), dev->reason ? ": " : "",
	     dev->reason ? dev->reason : "");
	if (definition)
		line("Defined", "%s, %s on %s%s%s", status_start(dev), defined, parent->name,
		     set ? ", set " : "", set ? set : "");
	if (running)
		line("Running", "%s on %s", running, parent->name);
	print_parent(env, parent);
	if (definition && !running && parent->present)
		print_instances(env, parent, definition->type);
	if (user)
		line("Used by", "%s", user);
	if (dev->holder)
		print_node(env, dev->holder);
	print_log(history);
}

/* Time limit for reading all logs, in seconds. */
#define LOG_LIMIT 1

int block_print(const struct env *env, const struct status_report *report, struct error *err)
{
	const struct snapshot *state = &report->state;
	_cleanup_history_ struct history history = { 0 };

	if (!report->filter.uuid && tree_print(report, err) < 0)
		return -1;
	history_read(env, &report->filter, clock_in(LOG_LIMIT), &history);
	if (report->filter.uuid) {
		for (size_t i = 0; i < state->n_parents; i++) {
			out_print("%s", i > 0 ? "\n" : "");
			print_device(env, &state->parents[i], &history);
		}
		if (state->users.holders[0].in_use == ANSWER_UNKNOWN)
			status_warn_hidden();
	} else {
		out_print("%s", history.n > 0 ? "\n" : "");
		print_log(&history);
	}
	if (history.unseen)
		log_hint("The log may be incomplete: %s", history.unseen);
	return 0;
}

void block_print_json(const struct env *env, const struct status_report *report)
{
	const struct snapshot *state = &report->state;
	uint64_t deadline = clock_in(LOG_LIMIT);
	_cleanup_free_ struct history *logs = mem_zero(state->n_devices + 1, sizeof(*logs));

	for (size_t i = 0; i < state->n_parents; i++)
		for (size_t j = 0; j < state->parents[i].n_devices; j++) {
			const struct snapshot_device *dev = &state->parents[i].devices[j];
			struct filter filter = { dev->uuid, NULL };

			history_read(env, &filter, deadline, &logs[dev - state->devices]);
		}
	status_print_json(report, logs);
	for (size_t i = 0; i < state->n_devices; i++)
		history_free(&logs[i]);
}
