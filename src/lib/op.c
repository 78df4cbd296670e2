/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "active.h"
#include "callout.h"
#include "defined.h"
#include "file.h"
#include "journal.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "op.h"
#include "spawn.h"

/* Names are checked where they come in, so they fit. */
static void set_name(char name[NAME_MAX + 1], const char *text)
{
	memcpy(name, text, strlen(text) + 1);
}

void op_set_device(struct mdev *dev, const char *uuid, const char *parent, const char *type)
{
	if (uuid)
		memcpy(dev->uuid, uuid, UUID_SIZE);
	if (parent)
		set_name(dev->parent, parent);
	if (type)
		set_name(dev->type, type);
}

/* Opens what --jsonfile names. Standard input is read as it is: opening /dev/stdin fails for a
 * socket. O_NONBLOCK is for the open only: a FIFO that nobody writes to is an empty file. */
static int open_jsonfile(const char *path)
{
	bool standard = strcmp(path, "/dev/stdin") == 0 || strcmp(path, "-") == 0;
	int fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			  : open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!standard)
		(void)fcntl(fd, F_SETFL, 0); /* cannot fail on a fresh descriptor */
	return fd;
}

int op_read_jsonfile(const char *path, struct mdev *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	_cleanup_close_ int fd = open_jsonfile(path);
	int r = fd < 0 ? fd : file_read_fd(fd, &text, &len);
	if (r < 0)
		return error_set(err, STATUS_FAILED, "Unable to read file \"%s\": %s", path,
				 strerror(-r));
	return json_read_definition(text, len, path, true, ret, err);
}

static void block_termination(sigset_t *ret_old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, ret_old);
}

/* Only for the write itself: a callout may take minutes, and another writer's callout may wait for
 * what ours holds. So a definition may have changed since `was` was read. */
static int change_defined(const struct op *op, enum action action, const struct mdev *dev,
			  const char *was, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (env_lock(op->env, &fd, err) < 0)
		return -1;
	if (fd >= 0)
		defined_clean(op->env);
	if (was && !defined_is(op->env, dev, was))
		return error_set(
			err, STATUS_EXISTS,
			"The definition of %s on %s was changed by somebody else meanwhile",
			dev->uuid, dev->parent);
	if (action == ACTION_UNDEFINE)
		return defined_drop(op->env, dev, err);
	return defined_put(op->env, dev, action == ACTION_DEFINE, err);
}

static int change(const struct op *op, struct callouts *callouts, enum action action,
		  struct mdev *dev, const char *was, struct error *err)
{
	if (spawn_pending_signal())
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
		return active_drop(op->env, dev, err);
	default:
		return error_set(err, STATUS_FAILED, "No such change");
	}
}

static int pipeline(const struct op *op, struct callouts *callouts, enum action action,
		    struct mdev *dev, const char *was, struct error *err)
{
	_cleanup_callout_ struct callout callout;

	callout_begin(&callout, callouts, action, dev);
	if (callout_pre(&callout, op->force, err) < 0) {
		callout_notify(&callout, STATE_NONE);
		return -1;
	}
	int r = change(op, callouts, action, dev, was, err);
	callout_post(&callout, r < 0 ? STATE_FAILURE : STATE_SUCCESS);
	callout_notify(&callout, r < 0 ? STATE_FAILURE : STATE_SUCCESS);
	return r;
}

/* Runs the pipeline with termination put off until its end. */
int op_run(const struct op *op, struct callouts *callouts, enum action action, struct mdev *dev,
	   const char *was, struct error *err)
{
	sigset_t old;

	callouts->quiet = journal_is_stderr(op->env);
	block_termination(&old);
	int r = pipeline(op, callouts, action, dev, was, err);
	/* Who lost against another writer tries again: no failure yet. What scripts said is kept.
	 */
	if (r == 0 || !was || err->status != STATUS_EXISTS) {
		_cleanup_free_ char *said = callout_take_said(callouts);
		journal_change(op->env, dev, action_name(action), r < 0 ? err : NULL, said);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

int op_run_start(const struct op *op, struct callouts *callouts, struct mdev *dev,
		 struct error *err)
{
	if (op_run(op, callouts, ACTION_START, dev, NULL, err) == 0)
		return 0;
	if (!op->ensure || err->status != STATUS_EXISTS || !active_runs(op->env, dev))
		return -1;
	error_clear(err); /* somebody else started it meanwhile, just so */
	return 0;
}

int op_failed(const struct op *op, enum action action, const struct mdev *dev,
	      const struct error *err)
{
	journal_change(op->env, dev, action_name(action), err, NULL);
	return -1;
}

void op_hint_start(const struct op *op, const struct mdev *dev)
{
	_cleanup_error_ struct error why = { 0 };

	if (active_check(op->env, dev, &why) < 0 && why.status == STATUS_NOT_FOUND)
		log_hint("It cannot be started yet: %s", why.text);
}

int op_run_live(const struct op *op, struct callouts *callouts, const struct mdev *dev,
		struct error *err)
{
	_cleanup_callout_ struct callout callout;
	sigset_t old;

	callouts->quiet = journal_is_stderr(op->env);
	callout_begin(&callout, callouts, ACTION_MODIFY, dev);
	block_termination(&old);
	int r = callout_live(&callout, err);
	if (callout.script) /* as mdevctl: live has neither success nor failure */
		callout_notify(&callout, STATE_NONE);
	_cleanup_free_ char *said = callout_take_said(callouts);
	journal_change(op->env, dev, action_name(ACTION_MODIFY), r < 0 ? err : NULL, said);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
