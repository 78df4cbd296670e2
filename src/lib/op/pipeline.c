/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"
#include "host/journal.h"
#include "host/lock.h"
#include "host/mark.h"
#include "script/callout.h"
#include "op/pipeline.h"
#include "set/active.h"
#include "set/defined.h"
#include "view/reason.h"

void pipeline_open(struct pipeline *pipeline, const struct env *env, bool force)
{
	*pipeline = (struct pipeline){ .env = env, .force = force };
	callouts_open(&pipeline->callouts, env, !journal_is_stderr(env));
}

void pipeline_close(struct pipeline *pipeline)
{
	callouts_close(&pipeline->callouts);
	defined_free_others(&pipeline->others);
}

/* Another process may have defined the device in the meantime. Returns 0, 1 or -1. */
static int check_new(struct pipeline *pipeline, const struct change *change, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };

	if (!change->alone)
		return defined_check_new(pipeline->env, change->dev, &pipeline->others, err);
	defined_find_elsewhere(pipeline->env, change->dev, &found);
	if (found.unseen)
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	if (found.n == 0)
		return 0; /* that of this parent is found when it is written: see defined_put() */
	error_set(err, STATUS_EXISTS, "Device %s was defined on %s by another process",
		  change->dev->uuid, found.v[0].dev.parent);
	return 1;
}

/* The lock is held only while writing: a callout may take minutes, and a callout of another writer
 * may wait for it. The definition may therefore have changed since it was read. */
static int change_definition(struct pipeline *pipeline, const struct change *change,
			     struct error *err)
{
	const struct env *env = pipeline->env;
	const struct mdev *dev = change->dev;
	_cleanup_close_ int fd = -1;

	if (lock_take(env, LOCK_DEFINITIONS, &fd, err) < 0)
		return -1;
	if (fd >= 0)
		defined_clean(env, dev->parent, &pipeline->others);
	int r = change->was ? defined_is(env, dev, change->was, err) : 1;
	if (r < 0)
		return -1;
	if (r == 0) {
		error_set(err, STATUS_EXISTS,
			  "The definition of %s on %s was changed by another process", dev->uuid,
			  dev->parent);
		return 1;
	}
	if (change->action == ACTION_UNDEFINE)
		return defined_drop(env, dev, &pipeline->others, err);
	if (change->action == ACTION_MODIFY)
		return defined_put(env, dev, false, &pipeline->others, err);
	r = check_new(pipeline, change, err);
	return r != 0 ? r : defined_put(env, dev, true, &pipeline->others, err);
}

enum answer pipeline_find_user(const struct pipeline *pipeline, const char *uuid, uint64_t deadline,
			       char **ret_use)
{
	return pipeline->pass ? holder_pass_find(pipeline->pass, uuid, deadline, ret_use)
			      : holder_find(pipeline->env, uuid, deadline, ret_use);
}

/* Scripts may take minutes, so the device may have been opened since it was checked. */
static int stop(const struct pipeline *pipeline, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *use = NULL;
	enum answer in_use = pipeline_find_user(pipeline, dev->uuid, 0, &use);

	if (in_use == ANSWER_YES || (in_use == ANSWER_UNKNOWN && !pipeline->force))
		return error_set(err, STATUS_IN_USE, "Device %s %s", dev->uuid, use);
	return active_drop(pipeline->env, dev, err);
}

/* If the kernel refuses what sysfs shows as possible, its result counts: another start or the
 * removal of the driver may have been faster. */
static int start(const struct env *env, const struct mdev *dev, struct error *err)
{
	int r = active_put(env, dev, err);

	if (r <= 0)
		return r;
	_cleanup_free_ char *words = err->text;
	err->text = NULL;
	enum reason reason = r == ACTIVE_NO_INSTANCES ? REASON_NO_INSTANCES
						      : reason_find(env, dev->parent, dev->type);
	if (r == ACTIVE_NO_TYPE && (reason == REASON_NONE || reason == REASON_NO_INSTANCES))
		reason = REASON_UNREGISTERED;
	reason_set(env, reason, dev->parent, dev->type, err);
	if (words)
		error_append(err, "%s", words);
	return -1;
}

/* Returns 0, 1 or -1, like pipeline_run(). */
static int make_change(struct pipeline *pipeline, const struct change *change, struct error *err)
{
	if (signal_pending_termination())
		return error_interrupted(err);
	if (change->action == ACTION_START)
		return start(pipeline->env, change->dev, err);
	if (change->action == ACTION_STOP)
		return stop(pipeline, change->dev, err);
	if (change->running && callout_attributes(&pipeline->callouts, change->dev, err) < 0)
		return -1;
	return change_definition(pipeline, change, err);
}

/* Returns 0, 1 or -1, like pipeline_run(). */
static int run_and_log(struct pipeline *pipeline, const struct change *change, struct error *err)
{
	_cleanup_callout_ struct callout callout;

	callout_begin(&callout, &pipeline->callouts, change->action, change->dev);
	int r = callout_pre(&callout, pipeline->force, err);
	if (r == 0) {
		r = make_change(pipeline, change, err);
		callout_post(&callout, r == 0 ? CALLOUT_SUCCESS : CALLOUT_FAILURE);
	}
	callout_notify(&callout);
	if (r <= 0) { /* otherwise, the output of scripts is kept for the next try */
		_cleanup_free_ char *output = callout_take_output(&pipeline->callouts);
		journal_change(pipeline->env, change->dev, action_name(change->action),
			       r < 0 ? err : NULL, output);
	}
	return r;
}

int pipeline_run(struct pipeline *pipeline, const struct change *change, struct error *err)
{
	sigset_t old;

	signal_block(&old);
	int r = run_and_log(pipeline, change, err);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* Reports the result of an interrupted start to scripts, the journal and the user. */
static void end_start(struct pipeline *pipeline, const struct mdev *dev)
{
	_cleanup_callout_ struct callout callout;
	_cleanup_free_ char *what = mem_printf(
		"The start of device %s on %s was interrupted; the incomplete device was removed",
		dev->uuid, dev->parent);

	if (!journal_is_stderr(pipeline->env)) /* where the entry is sufficient */
		log_warning("%s", what);
	callout_begin(&callout, &pipeline->callouts, ACTION_START, dev);
	callout_post(&callout, CALLOUT_FAILURE);
	callout_notify(&callout);
	_cleanup_free_ char *output = callout_take_output(&pipeline->callouts);
	journal_warning(pipeline->env, dev, action_name(ACTION_START), what, output);
}

/* Prepares a start: removes an incomplete device left by an interrupted one. */
static int discard(struct pipeline *pipeline, const struct mdev *dev, struct error *err)
{
	struct mdev left;

	int r = active_discard(pipeline->env, dev->uuid, &left, err);
	if (r > 0) /* with the attributes that its scripts were passed, as far as they are known */
		end_start(pipeline,
			  strcmp(left.parent, dev->parent) == 0 && strcmp(left.type, dev->type) == 0
				  ? dev
				  : &left);
	return r < 0 ? pipeline_failed(pipeline->env, ACTION_START, dev, err) : 0;
}

/* Limits retries in case programs are killed again and again. */
#define DISCARDS 3

static int discard_and_start(struct pipeline *pipeline, struct mdev *dev, struct error *err)
{
	const struct change change = { .action = ACTION_START, .dev = dev };

	for (int tries = DISCARDS;; tries--) {
		_cleanup_error_ struct error why = { 0 };

		if (discard(pipeline, dev, err) < 0)
			return -1;
		if (run_and_log(pipeline, &change, err) == 0)
			return 0;
		if (err->status != STATUS_EXISTS)
			return -1;
		int r = active_runs(pipeline->env, dev, &why);
		if (r < 0)
			return error_set(err, why.status, "%s", why.text);
		if (r == 0 && (tries == 1 || mark_is_left(pipeline->env, dev->uuid) != 1))
			return -1;
		error_clear(err);
		if (r > 0) /* another process has started it in the meantime */
			return 0;
	}
}

int pipeline_start(struct pipeline *pipeline, struct mdev *dev, struct error *err)
{
	sigset_t old;

	signal_block(&old);
	int r = discard_and_start(pipeline, dev, err);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

int pipeline_failed(const struct env *env, enum action action, const struct mdev *dev,
		    const struct error *err)
{
	journal_change(env, dev, action_name(action), err, NULL);
	return -1;
}

int pipeline_live(struct pipeline *pipeline, const struct mdev *dev, struct error *err)
{
	_cleanup_callout_ struct callout callout;
	sigset_t old;

	callout_begin(&callout, &pipeline->callouts, ACTION_MODIFY, dev);
	signal_block(&old);
	int r = callout_live(&callout, err);
	if (callout.script) /* like in mdevctl, live has neither success nor failure */
		callout_notify(&callout);
	_cleanup_free_ char *output = callout_take_output(&pipeline->callouts);
	journal_change(pipeline->env, dev, action_name(ACTION_MODIFY), r < 0 ? err : NULL, output);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
