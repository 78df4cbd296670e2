/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/holder.h"
#include "host/parent.h"
#include "host/settle.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/active.h"

/* Fails if the device is in use, or waits until it is not. With --force, it may be in use. */
static int wait_for_holder(const struct stop_request *request, struct pipeline *pipeline,
			   const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *use = NULL;
	_cleanup_settle_ struct settle settle = { 0 };
	enum answer in_use;

	if (request->wait)
		settle_open(&settle, request->op.env, request->wait);
	do {
		free(use);
		in_use = pipeline_find_user(pipeline, dev->uuid, settle.deadline, &use);
		if (in_use == ANSWER_NO || (in_use == ANSWER_UNKNOWN && request->op.force))
			return 0;
	} while (request->wait && settle_next(&settle));
	if (!request->wait)
		return error_set(err, STATUS_IN_USE, "Device %s %s", dev->uuid, use);
	return error_set(err, STATUS_TIMED_OUT, "Device %s %s (waited %u s)", dev->uuid, use,
			 request->wait);
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

static int stop_running(const struct stop_request *request, struct pipeline *pipeline,
			struct mdev *dev, struct error *err)
{
	const struct change change = { .action = ACTION_STOP, .dev = dev };

	if (wait_for_holder(request, pipeline, dev, err) < 0)
		return pipeline_failed(request->op.env, ACTION_STOP, dev, err);
	return pipeline_run(pipeline, &change, err);
}

int op_stop(const struct stop_request *request, struct error *err)
{
	_cleanup_pipeline_ struct pipeline pipeline;
	struct mdev dev = { 0 };

	pipeline_open(&pipeline, request->op.env, request->op.force);
	int r = active_get(request->op.env, request->op.uuid, &dev, err);
	if (r < 0)
		return pipeline_failed(request->op.env, ACTION_STOP, &dev, err);
	bool active = r > 0 &&
		      (!request->op.parent || strcmp(request->op.parent, dev.parent) == 0) &&
		      !(request->only_settled && is_new(request->op.env, request->op.uuid));
	if (!active && !request->ensure) {
		op_set_device(&dev, request->op.uuid, request->op.parent, NULL);
		error_set(err, STATUS_NOT_FOUND, "Device %s is not an active mdev",
			  request->op.uuid);
		return pipeline_failed(request->op.env, ACTION_STOP, &dev, err);
	}
	if (!active || stop_running(request, &pipeline, &dev, err) == 0)
		return 0;
	if (!request->ensure || err->status != STATUS_NOT_FOUND)
		return -1;
	error_clear(err); /* another process has stopped it in the meantime */
	return 0;
}

int op_stop_all(const struct stop_request *request, struct error *err)
{
	_cleanup_list_ struct mdev_list running = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	_cleanup_holder_pass_ struct holder_pass pass;
	enum status status = STATUS_OK;
	const char *parent = request->op.parent;
	size_t n = 0, failed = 0;

	active_find(request->op.env, &(struct filter){ 0 }, &running);
	for (size_t i = 0; i < running.n; i++)
		if (!parent || parent_is(request->op.env, running.v[i].parent, parent))
			running.v[n++] = running.v[i];
	running.n = n;
	pipeline_open(&pipeline, request->op.env, request->op.force);
	holder_pass_open(&pass, request->op.env, &running);
	pipeline.pass = &pass;
	for (size_t i = 0; i < n; i++) {
		_cleanup_error_ struct error why = { 0 };
		struct mdev *dev = &running.v[i], now;

		int r = active_get(request->op.env, dev->uuid, &now, &why);
		if (r < 0)
			(void)pipeline_failed(request->op.env, ACTION_STOP, dev, &why);
		else if (r == 0 || strcmp(now.parent, dev->parent) != 0 ||
			 stop_running(request, &pipeline, dev, &why) == 0 ||
			 why.status == STATUS_NOT_FOUND) /* it may have gone with its guest */
			continue;
		log_warning("Stop of %s on %s failed: %s", dev->uuid, dev->parent, why.text);
		status = status ? status : why.status;
		failed++;
	}
	if (running.unseen) /* there may be more devices */
		return error_set(err, STATUS_FAILED, "%s", running.unseen);
	if (failed > 0)
		return error_set(err, status, "%zu of %zu devices could not be stopped", failed, n);
	return 0;
}
