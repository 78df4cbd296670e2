/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/holder.h"
#include "host/settle.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/active.h"

/* Fails if the device is in use, or waits until it is not. With --force, it may be in use. */
static int wait_for_holder(const struct op *op, struct error *err)
{
	_cleanup_free_ char *use = NULL;
	enum answer in_use;
	_cleanup_settle_ struct settle settle = { 0 };

	if (op->wait)
		settle_open(&settle, op->env, op->wait);
	do {
		free(use);
		in_use = holder_find(op->env, op->uuid, settle.deadline, &use);
		if (in_use == ANSWER_NO || (in_use == ANSWER_UNKNOWN && op->force))
			return 0;
	} while (op->wait && settle_next(&settle));
	if (!op->wait)
		return error_set(err, STATUS_IN_USE, "Device %s %s", op->uuid, use);
	return error_set(err, STATUS_TIMED_OUT, "Device %s %s (waited %u s)", op->uuid, use,
			 op->wait);
}

/* Whether the device was created after the one whose removal made systemd stop its unit: udev
 * processes the new device only after it has finished the removal, and is busy until then. If it is
 * idle and has no information about the device, its record was lost. */
static bool is_new(const struct env *env, const char *uuid)
{
	_cleanup_settle_ struct settle settle;

	settle_open(&settle, env, 0);
	bool idle = settle_is_idle(&settle); /* first: the removal may finish any time */
	if (idle || settle_is_done(&settle, env, uuid, 0))
		return false;
	log_warning("Not stopping device %s: udev has not processed it yet, so it is a new one",
		    uuid);
	return true;
}

static int stop(const struct op *op, struct pipeline *pipeline, struct error *err)
{
	struct mdev dev = { 0 };
	const struct change change = { .action = ACTION_STOP, .dev = &dev };

	int r = active_get(op->env, op->uuid, &dev, err);
	if (r < 0)
		return pipeline_failed(op->env, ACTION_STOP, &dev, err);
	bool active = r > 0 && (!op->parent || strcmp(op->parent, dev.parent) == 0) &&
		      !(op->settle && is_new(op->env, op->uuid));
	if (!active && op->ensure)
		return 0;
	if (!active) {
		op_set_device(&dev, op->uuid, op->parent, NULL);
		error_set(err, STATUS_NOT_FOUND, "Device %s is not an active mdev", op->uuid);
		return pipeline_failed(op->env, ACTION_STOP, &dev, err);
	}
	if (wait_for_holder(op, err) < 0)
		return pipeline_failed(op->env, ACTION_STOP, &dev, err);
	if (pipeline_run(pipeline, &change, err) == 0)
		return 0;
	if (!op->ensure || err->status != STATUS_NOT_FOUND)
		return -1;
	error_clear(err); /* another process has stopped it in the meantime */
	return 0;
}

int op_stop(const struct op *op, struct error *err)
{
	_cleanup_pipeline_ struct pipeline pipeline;

	pipeline_open(&pipeline, op->env, op->force);
	return stop(op, &pipeline, err);
}

int op_stop_all(const struct op *op, struct error *err)
{
	_cleanup_list_ struct mdev_list running = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	struct filter filter = { NULL, op->parent };
	enum status status = STATUS_OK;
	size_t failed = 0;

	pipeline_open(&pipeline, op->env, op->force);
	active_find(op->env, &filter, &running);
	for (size_t i = 0; i < running.n; i++) {
		_cleanup_error_ struct error why = { 0 };
		struct op one = *op;

		one.uuid = running.v[i].uuid;
		one.parent = running.v[i].parent;
		one.ensure = true; /* it may have gone with its guest */
		if (stop(&one, &pipeline, &why) == 0)
			continue;
		log_warning("Stop of %s on %s failed: %s", one.uuid, one.parent, why.text);
		status = status ? status : why.status;
		failed++;
	}
	if (running.unseen) /* there may be more devices */
		return error_set(err, STATUS_FAILED, "%s", running.unseen);
	if (failed > 0)
		return error_set(err, status, "%zu of %zu devices could not be stopped", failed,
				 running.n);
	return 0;
}
