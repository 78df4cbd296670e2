/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"
#include "device/json.h"
#include "host/holder.h"
#include "host/journal.h"
#include "host/lock.h"
#include "host/mark.h"
#include "script/callout.h"
#include "op/pipeline.h"
#include "set/active.h"
#include "set/defined.h"

/* Another process may have defined the device in the meantime. People, who give files other names,
 * do not name those of a set: its UUIDs are derived from its name. */
static int check_new(const struct op *op, const struct mdev *dev, struct error *err)
{
	_cleanup_list_ struct mdev_list found = { 0 };

	if (!op->sole)
		return defined_check_new(op->env, dev, err);
	defined_find_elsewhere(op->env, dev, &found);
	if (found.unseen)
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	if (found.n > 0)
		return error_set(err, STATUS_EXISTS,
				 "Device %s was defined on %s by another process", dev->uuid,
				 found.v[0].parent);
	return 0;
}

/* The lock is held only while writing: a callout may take minutes, and a callout of another writer
 * may wait for it. The definition may therefore have changed since `was` was read. */
static int change_defined(const struct op *op, enum action action, const struct mdev *dev,
			  const char *was, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (lock_definitions(op->env, &fd, err) < 0)
		return -1;
	if (fd >= 0)
		defined_clean(op->env);
	if (was && !defined_is(op->env, dev, was))
		return error_set(err, STATUS_EXISTS,
				 "The definition of %s on %s was changed by another process",
				 dev->uuid, dev->parent);
	if (action == ACTION_DEFINE && check_new(op, dev, err) < 0)
		return -1;
	if (action == ACTION_UNDEFINE)
		return defined_drop(op->env, dev, err);
	return defined_put(op->env, dev, action == ACTION_DEFINE, err);
}

/* Scripts may take minutes, so the device may have been opened since it was checked. */
static int stop(const struct op *op, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *use =
		holder_find(op->env, dev->uuid, op->wait ? clock_in(op->wait) : 0);

	if (use)
		return error_set(err, STATUS_IN_USE, "Device %s %s", dev->uuid, use);
	return active_drop(op->env, dev, err);
}

static int change(const struct op *op, struct callouts *callouts, enum action action,
		  struct mdev *dev, const char *was, struct error *err)
{
	if (signal_pending_termination())
		return error_set(err, STATUS_FAILED, "Interrupted, nothing was changed");
	switch (action) {
	case ACTION_DEFINE:
		if (dev->active && callout_attributes(callouts, dev, err) < 0)
			return -1;
		return change_defined(op, action, dev, was, err);
	case ACTION_UNDEFINE:
	case ACTION_MODIFY:
		return change_defined(op, action, dev, was, err);
	case ACTION_START:
		return active_put(op->env, dev, err);
	case ACTION_STOP:
		return stop(op, dev, err);
	default:
		return error_set(err, STATUS_FAILED, "Invalid action");
	}
}

static int pipeline(const struct op *op, struct callouts *callouts, enum action action,
		    struct mdev *dev, const char *was, struct error *err)
{
	_cleanup_callout_ struct callout callout;

	callout_begin(&callout, callouts, action, dev);
	mem_reserve(); /* from here to post, running out of memory must not end the program */
	if (callout_pre(&callout, op->force, err) < 0) {
		mem_release();
		callout_notify(&callout, CALLOUT_NONE);
		return -1;
	}
	int r = change(op, callouts, action, dev, was, err);
	callout_post(&callout, r < 0 ? CALLOUT_FAILURE : CALLOUT_SUCCESS);
	callout_notify(&callout, r < 0 ? CALLOUT_FAILURE : CALLOUT_SUCCESS);
	return r;
}

/* Runs the pipeline and defers termination until its end. */
int pipeline_run(const struct op *op, struct callouts *callouts, enum action action,
		 struct mdev *dev, const char *was, struct error *err)
{
	sigset_t old;

	callouts->quiet = journal_is_stderr(op->env);
	signal_block(&old);
	int r = pipeline(op, callouts, action, dev, was, err);
	/* A writer that lost against another one tries again, which is not a failure yet. The
	 * output of scripts is kept. */
	if (r == 0 || !was || err->status != STATUS_EXISTS) {
		_cleanup_free_ char *said = callout_take_said(callouts);
		journal_change(op->env, dev, action_name(action), r < 0 ? err : NULL, said);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* Reports the result of an interrupted start to scripts, the journal and the user. */
static void end_start(const struct op *op, struct callouts *callouts, const struct mdev *dev)
{
	_cleanup_callout_ struct callout callout;
	_cleanup_error_ struct error why = { 0 };

	error_set(&why, STATUS_FAILED,
		  "The start of device %s on %s was interrupted; the incomplete device was removed",
		  dev->uuid, dev->parent);
	callouts->quiet = journal_is_stderr(op->env);
	if (!callouts->quiet)
		log_warning("%s", why.text);
	callout_begin(&callout, callouts, ACTION_START, dev);
	callout_post(&callout, CALLOUT_FAILURE);
	callout_notify(&callout, CALLOUT_FAILURE);
	_cleanup_free_ char *said = callout_take_said(callouts);
	journal_change(op->env, dev, action_name(ACTION_START), &why, said);
}

/* Prepares a start: removes an incomplete device left by an interrupted one. */
static int discard(const struct op *op, struct callouts *callouts, const struct mdev *dev,
		   struct error *err)
{
	struct mdev left;
	sigset_t old;

	signal_block(&old);
	int r = active_discard(op->env, dev->uuid, &left, err);
	if (r > 0) /* with the attributes that its scripts were passed, as far as they are known */
		end_start(op, callouts,
			  strcmp(left.parent, dev->parent) == 0 && strcmp(left.type, dev->type) == 0
				  ? dev
				  : &left);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? pipeline_failed(op, ACTION_START, dev, err) : 0;
}

/* Limits retries in case programs are killed again and again. */
#define DISCARDS 3

int pipeline_start(const struct op *op, struct callouts *callouts, struct mdev *dev,
		   struct error *err)
{
	for (int tries = DISCARDS;; tries--) {
		_cleanup_error_ struct error why = { 0 };

		if (op->ensure && discard(op, callouts, dev, err) < 0)
			return -1;
		if (pipeline_run(op, callouts, ACTION_START, dev, NULL, err) == 0)
			return 0;
		if (!op->ensure || err->status != STATUS_EXISTS)
			return -1;
		int r = active_runs(op->env, dev, &why);
		if (r < 0)
			return error_set(err, why.status, "%s", why.text);
		if (r == 0 && (tries == 1 || mark_is_left(op->env, dev->uuid) != 1))
			return -1;
		error_clear(err);
		if (r > 0) /* another process has started it in the meantime */
			return 0;
	}
}

int pipeline_failed(const struct op *op, enum action action, const struct mdev *dev,
		    const struct error *err)
{
	journal_change(op->env, dev, action_name(action), err, NULL);
	return -1;
}

int pipeline_live(const struct op *op, struct callouts *callouts, const struct mdev *dev,
		  struct error *err)
{
	_cleanup_callout_ struct callout callout;
	sigset_t old;

	callouts->quiet = journal_is_stderr(op->env);
	callout_begin(&callout, callouts, ACTION_MODIFY, dev);
	signal_block(&old);
	int r = callout_live(&callout, err);
	if (callout.script) /* like in mdevctl, live has neither success nor failure */
		callout_notify(&callout, CALLOUT_NONE);
	_cleanup_free_ char *said = callout_take_said(callouts);
	journal_change(op->env, dev, action_name(ACTION_MODIFY), r < 0 ? err : NULL, said);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
