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
#include "mem.h"
#include "op.h"
#include "spawn.h"
#include "uuid.h"

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

/* The UUID that was given, or a new one. */
void op_choose_uuid(const struct op *op, struct mdev *dev)
{
	if (op->uuid)
		op_set_device(dev, op->uuid, NULL, NULL);
	else
		uuid_make(dev->uuid);
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

/* Takes the lock of all writers and cleans up after those that were killed. */
int op_lock(const struct env *env, int *ret_fd, struct error *err)
{
	if (env_lock(env, ret_fd, err) < 0)
		return -1;
	if (*ret_fd >= 0)
		defined_clean(env);
	return 0;
}

static void unlock(int *lock_fd)
{
	mem_close(lock_fd);
	*lock_fd = -1;
}

static int change_defined(const struct op *op, enum action action, const struct mdev *dev,
			  struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (op_lock(op->env, &fd, err) < 0)
		return -1;
	return action == ACTION_DEFINE ? defined_put(op->env, dev, true, err)
				       : defined_drop(op->env, dev, err);
}

static int change(const struct op *op, struct callouts *callouts, enum action action,
		  struct mdev *dev, struct error *err)
{
	if (spawn_pending_signal())
		return error_set(err, STATUS_FAILED, "Interrupted, nothing was changed");
	switch (action) {
	case ACTION_DEFINE:
		if (dev->active && callout_attributes(callouts, dev, err) < 0)
			return -1;
		return change_defined(op, action, dev, err);
	case ACTION_UNDEFINE:
		return change_defined(op, action, dev, err);
	case ACTION_MODIFY: /* the caller holds the lock since it read the definition */
		return defined_put(op->env, dev, false, err);
	case ACTION_START:
		return active_put(op->env, dev, err);
	case ACTION_STOP:
		return active_drop(op->env, dev, err);
	default:
		return error_set(err, STATUS_FAILED, "No such change");
	}
}

/* The pipeline. *lock_fd (-1: none) is let go before post and notify, so that a script may call
 * mdevctl again. */
static int pipeline(const struct op *op, struct callouts *callouts, enum action action,
		    struct mdev *dev, int *lock_fd, struct error *err)
{
	_cleanup_callout_ struct callout callout;

	callout_begin(&callout, callouts, action, dev);
	if (callout_pre(&callout, op->force, err) < 0) {
		unlock(lock_fd);
		callout_notify(&callout, STATE_NONE);
		return -1;
	}
	int r = change(op, callouts, action, dev, err);
	unlock(lock_fd);
	callout_post(&callout, r < 0 ? STATE_FAILURE : STATE_SUCCESS);
	callout_notify(&callout, r < 0 ? STATE_FAILURE : STATE_SUCCESS);
	return r;
}

/* Runs the pipeline with termination put off until its end. */
int op_run(const struct op *op, struct callouts *callouts, enum action action, struct mdev *dev,
	   int *lock_fd, struct error *err)
{
	int none = -1;
	sigset_t old;

	callouts->quiet = journal_is_stderr(op->env);
	block_termination(&old);
	int r = pipeline(op, callouts, action, dev, lock_fd ? lock_fd : &none, err);
	_cleanup_free_ char *said = callout_take_said(callouts);
	journal_change(op->env, dev, action_name(action), r < 0 ? err : NULL, said);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
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
	callout_notify(&callout, STATE_NONE); /* as mdevctl: live has neither success nor failure */
	_cleanup_free_ char *said = callout_take_said(callouts);
	journal_change(op->env, dev, action_name(ACTION_MODIFY), r < 0 ? err : NULL, said);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
