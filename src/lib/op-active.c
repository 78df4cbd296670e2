/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "active.h"
#include "callout.h"
#include "defined.h"
#include "holder.h"
#include "journal.h"
#include "log.h"
#include "mem.h"
#include "op.h"
#include "settle.h"

/* Seconds that udev gets for a device where no --wait says otherwise. */
#define SETTLE_LIMIT 30

/* Finds what is to be started: the definition, or for a transient device the arguments. */
static int load_start(const struct op *op, struct mdev *ret, struct error *err)
{
	_cleanup_list_ struct mdev_list found = { 0 };
	struct filter filter = { op->uuid, op->parent };

	if (op->uuid)
		defined_find(op->env, &filter, &found);
	if (found.n > 1)
		return error_set(
			err, STATUS_FAILED,
			"Multiple definitions found for device %s. Please specify a parent.",
			op->uuid);
	if (found.n == 1) {
		const struct mdev *dev = &found.v[0];

		if (dev->broken)
			return error_set(err, STATUS_INVALID, "%s", dev->broken);
		if (op->type && strcmp(op->type, dev->type) != 0)
			return error_set(err, STATUS_EXISTS,
					 "Device %s already exists on parent %s with type %s",
					 dev->uuid, dev->parent, dev->type);
		*ret = *dev;
		found.n = 0; /* moved */
		return 0;
	}
	if (op->type && !op->parent)
		return error_set(err, STATUS_FAILED, "can't provide type without parent");
	if (!op->type || !op->parent)
		return error_set(err, op->uuid ? STATUS_NOT_FOUND : STATUS_FAILED,
				 "Device is insufficiently specified. One that is not defined "
				 "needs parent and type");
	op_set_device(ret, NULL, op->parent, op->type);
	return 0;
}

/* Waits until the device could be created. What cannot change by waiting is left to the start. */
static int wait_for_parent(const struct op *op, struct settle *settle, const struct mdev *dev,
			   struct error *err)
{
	for (;;) {
		_cleanup_error_ struct error why = { 0 };

		if (active_check(op->env, dev, &why) == 0 || why.status == STATUS_EXISTS)
			return 0;
		if (!settle_next(settle))
			return error_set(err, STATUS_TIMED_OUT, "%s (waited %u s)", why.text,
					 op->wait);
	}
}

/* Waits until udev is done with a device that runs. */
static int wait_for_udev(const struct op *op, const struct mdev *dev, struct error *err)
{
	_cleanup_settle_ struct settle settle;
	unsigned limit = op->wait ? op->wait : SETTLE_LIMIT;

	settle_open(&settle, op->env, limit);
	while (!settle_is_done(&settle, op->env, dev->uuid))
		if (!settle_next(&settle))
			return error_set(err, STATUS_TIMED_OUT,
					 "Device %s runs, but udev is not done with it after %u s",
					 dev->uuid, limit);
	if (active_runs(op->env, dev))
		return 0;
	return error_set(err, STATUS_NOT_FOUND, "Device %s vanished while it was started",
			 dev->uuid);
}

static int start(const struct op *op, struct callouts *callouts, struct mdev *dev,
		 struct error *err)
{
	if (op->ensure && active_runs(op->env, dev))
		return 0;
	if (op_run(op, callouts, ACTION_START, dev, NULL, err) == 0)
		return 0;
	if (!op->ensure || err->status != STATUS_EXISTS || !active_runs(op->env, dev))
		return -1;
	error_clear(err); /* somebody else started it meanwhile, just so */
	return 0;
}

/* Starts the device once its parent is there; again, while there is time, if the parent goes while
 * that happens: drivers register more than once as they come up. */
static int start_with_wait(const struct op *op, struct callouts *callouts, struct mdev *dev,
			   struct error *err)
{
	_cleanup_settle_ struct settle settle;

	settle_open(&settle, op->env, op->wait);
	for (;;) {
		if (!(op->ensure && active_runs(op->env, dev)) &&
		    wait_for_parent(op, &settle, dev, err) < 0)
			return -1;
		if (start(op, callouts, dev, err) == 0 &&
		    (!op->settle || wait_for_udev(op, dev, err) == 0))
			return 0;
		if (err->status != STATUS_NOT_FOUND && err->status != STATUS_NO_INSTANCES)
			return -1;
		if (!settle_next(&settle))
			return -1;
		error_clear(err);
	}
}

int op_start(const struct op *op, char ret_uuid[UUID_SIZE], struct error *err)
{
	_cleanup_mdev_ struct mdev dev = { 0 };
	_cleanup_callouts_ struct callouts callouts;

	callouts_open(&callouts, op->env);
	if (op->jsonfile && !op->parent)
		return error_set(err, STATUS_FAILED,
				 "Parent device required to start device via json file");
	if (op->jsonfile)
		op_set_device(&dev, NULL, op->parent, NULL);
	if ((op->jsonfile ? op_read_jsonfile(op->jsonfile, &dev, err) : load_start(op, &dev, err)) <
	    0)
		return -1;
	op_choose_uuid(op, &dev);
	memcpy(ret_uuid, dev.uuid, UUID_SIZE);
	if (op->wait)
		return start_with_wait(op, &callouts, &dev, err);
	if (start(op, &callouts, &dev, err) < 0)
		return -1;
	return op->settle ? wait_for_udev(op, &dev, err) : 0;
}

/* Refuses to stop what somebody uses, or waits for them. */
static int wait_for_holder(const struct op *op, struct error *err)
{
	_cleanup_free_ char *who = holder_find(op->env, op->uuid);
	_cleanup_settle_ struct settle settle = { 0 };

	if (!who)
		return 0;
	if (!op->wait)
		return error_set(err, STATUS_IN_USE, "Device %s is in use by %s", op->uuid, who);
	settle_open(&settle, op->env, op->wait);
	while (settle_next(&settle)) {
		free(who);
		who = holder_find(op->env, op->uuid);
		if (!who)
			return 0;
	}
	return error_set(err, STATUS_TIMED_OUT, "Device %s is in use by %s (waited %u s)", op->uuid,
			 who, op->wait);
}

/* A device that udev is not done with came after the one whose removal made systemd stop its unit.
 */
static bool is_new(const struct env *env, const char *uuid)
{
	_cleanup_settle_ struct settle settle;

	settle_open(&settle, env, 0);
	return !settle_is_done(&settle, env, uuid);
}

int op_stop(const struct op *op, struct error *err)
{
	_cleanup_callouts_ struct callouts callouts;
	struct mdev dev;

	callouts_open(&callouts, op->env);
	bool active = active_get(op->env, op->uuid, &dev) &&
		      (!op->parent || strcmp(op->parent, dev.parent) == 0);
	if (!active && op->ensure)
		return 0;
	if (!active)
		return error_set(err, STATUS_NOT_FOUND, "Device %s is not an active mdev",
				 op->uuid);
	if (op->settle && is_new(op->env, op->uuid))
		return 0;
	if (wait_for_holder(op, err) < 0)
		return -1;
	return op_run(op, &callouts, ACTION_STOP, &dev, NULL, err);
}

/* How an autostart goes on. */
struct progress {
	size_t wanted, done, failed;
	char *names; /* owned: UUIDs of those that failed; NULL = none */
};

static void note_failure(struct progress *progress, const struct mdev *dev)
{
	char *names = mem_printf("%s%s%s", progress->names ? progress->names : "",
				 progress->names ? ", " : "", dev->uuid);

	free(progress->names);
	progress->names = names;
	progress->failed++;
}

static void start_automatically(const struct op *op, struct callouts *callouts, struct mdev *dev,
				struct progress *progress)
{
	_cleanup_error_ struct error why = { 0 };

	journal_status("Starting %zu of %zu: %s", progress->done + 1, progress->wanted, dev->uuid);
	progress->done++;
	if (dev->broken)
		error_set(&why, STATUS_INVALID, "%s", dev->broken);
	else if (start(op, callouts, dev, &why) == 0)
		return;
	log_warning("Start of %s on %s failed: %s", dev->uuid, dev->parent, why.text);
	note_failure(progress, dev);
}

int op_autostart(const struct op *op, struct error *err)
{
	_cleanup_list_ struct mdev_list found = { 0 };
	_cleanup_callouts_ struct callouts callouts;
	struct filter filter = { NULL, op->parent };
	struct progress progress = { 0 };

	callouts_open(&callouts, op->env);
	defined_find(op->env, &filter, &found);
	for (size_t i = 0; i < found.n; i++)
		progress.wanted += found.v[i].broken || found.v[i].autostart;
	for (size_t i = 0; i < found.n; i++)
		if (found.v[i].broken || found.v[i].autostart)
			start_automatically(op, &callouts, &found.v[i], &progress);
	if (progress.failed > 0) {
		error_set(err, STATUS_FAILED, "%zu of %zu devices on %s could not be started: %s",
			  progress.failed, progress.wanted, op->parent, progress.names);
		free(progress.names);
		journal_status("%s", err->text);
		return -1;
	}
	journal_status("All %zu devices run", progress.wanted);
	return 0;
}
