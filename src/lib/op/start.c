/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/signal.h"
#include "device/uuid.h"
#include "host/settle.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/active.h"
#include "set/defined.h"
#include "view/reason.h"

/* Time limit for udev in seconds, unless --wait specifies another one. */
#define SETTLE_LIMIT 30

/* Loads a running device that is not defined. Returns 1, 0 if it is not running, or -1: what is
 * incomplete cannot be completed, as only its definition would say with what. */
static int load_running(const struct op *op, struct mdev *ret, struct error *err)
{
	int r = active_get(op->env, op->uuid, ret, err);

	if (r <= 0 || (op->parent && strcmp(op->parent, ret->parent) != 0))
		return r < 0 ? r : 0;
	r = active_runs(op->env, ret, err);
	if (r != 0)
		return r;
	r = active_get(op->env, op->uuid, ret, err);
	if (r <= 0) /* it has been removed in the meantime */
		return r;
	return error_set(err, STATUS_EXISTS,
			 "Device %s is running, but its start was interrupted and it is "
			 "incomplete; it is not defined, so stop it and start it again",
			 op->uuid);
}

/* Loads a defined device, moved from its definition, whose type is the given one, if any. */
static int load_defined(const struct op *op, struct definition *definition, struct mdev *ret,
			struct error *err)
{
	struct mdev *dev = &definition->dev;

	op_set_device(ret, NULL, dev->parent, NULL);
	if (definition_check(definition, err) < 0)
		return -1;
	if (op->type) {
		op_set_device(ret, NULL, NULL, op->type);
		if (reason_resolve_type(op->env, dev->parent, &ret->type, err) < 0)
			return -1;
		if (strcmp(ret->type, dev->type) != 0)
			return error_set(err, STATUS_EXISTS,
					 "Device %s already exists on parent %s with type %s",
					 dev->uuid, dev->parent, dev->type);
	}
	*ret = *dev;
	*dev = (struct mdev){ 0 }; /* moved */
	return 0;
}

/* Loads a transient device from the arguments. */
static int load_transient(const struct op *op, struct mdev *ret, struct error *err)
{
	if (op->type && !op->parent)
		return error_set(err, STATUS_FAILED, "can't provide type without parent");
	if (!op->type && op->uuid)
		return error_set(err, STATUS_NOT_FOUND,
				 "Device is insufficiently specified: %s is not defined%s%s, "
				 "so parent and type are required",
				 op->uuid, op->parent ? " on " : "", op->parent ? op->parent : "");
	if (!op->type)
		return error_set(err, STATUS_FAILED,
				 "Device is insufficiently specified: parent and type are "
				 "required");
	op_set_device(ret, NULL, op->parent, op->type);
	return reason_resolve_type(op->env, ret->parent, &ret->type, err);
}

/* Loads the device to start, of which only the UUID is set: from a file, its definition, or for a
 * transient device, the arguments. */
static int load_start(const struct start_request *request, struct mdev *ret, struct error *err)
{
	const struct op *op = &request->op;
	_cleanup_definitions_ struct definition_list found = { 0 };
	struct filter filter = { op->uuid, op->parent };

	if (op->jsonfile && !op->parent)
		return error_set(err, STATUS_FAILED,
				 "Parent device required to start device via json file");
	if (op->jsonfile) {
		op_set_device(ret, NULL, op->parent, NULL);
		return op_read_jsonfile(op->jsonfile, "jsonfile", ret, err);
	}
	if (op->uuid)
		defined_find(op->env, &filter, &found);
	if (found.n > 1)
		return error_set(
			err, STATUS_FAILED,
			"Multiple definitions found for device %s. Please specify a parent.",
			op->uuid);
	if (found.n == 0 && found.unseen)
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	if (found.unseen)
		log_warning("%s", found.unseen);
	if (found.n == 1)
		return load_defined(op, &found.v[0], ret, err);
	/* With --ensure, running may be all that is asked for. */
	int r = request->ensure && op->uuid && !op->type ? load_running(op, ret, err) : 0;
	return r > 0 ? 0 : r < 0 ? r : load_transient(op, ret, err);
}

static bool is_absent(const struct start_request *request, const struct mdev *dev)
{
	_cleanup_error_ struct error why = { 0 };
	struct mdev running;

	return active_get(request->op.env, dev->uuid, &running, &why) == 0;
}

/* Waits until the device can be created. The start reports what waiting cannot change. */
static int wait_for_parent(const struct start_request *request, struct settle *settle,
			   const struct mdev *dev, struct error *err)
{
	for (;;) {
		_cleanup_error_ struct error why = { 0 };
		enum reason reason = reason_find(request->op.env, dev->parent, dev->type);

		if (reason == REASON_NONE || !is_absent(request, dev))
			return 0;
		if (settle_next(settle))
			continue;
		if (signal_pending_termination())
			return error_interrupted(err);
		reason_set(request->op.env, reason, dev->parent, dev->type, &why);
		return error_set(err, STATUS_TIMED_OUT, "%s (waited %u s)", why.text,
				 request->wait);
	}
}

/* Waits until udev has finished processing a running device; since: as for settle_is_done(). */
static int wait_for_udev(const struct start_request *request, const struct mdev *dev,
			 uint64_t since, struct error *err)
{
	_cleanup_settle_ struct settle settle;
	unsigned limit = request->wait ? request->wait : SETTLE_LIMIT;

	settle_open(&settle, request->op.env, limit);
	while (!settle_is_done(&settle, request->op.env, dev->uuid, since)) {
		if (settle_next(&settle))
			continue;
		if (!signal_pending_termination())
			return error_set(err, STATUS_TIMED_OUT,
					 "Udev did not finish processing device %s within %u s",
					 dev->uuid, limit);
		error_set(err, STATUS_FAILED,
			  "Device %s is running, but waiting for udev was interrupted", dev->uuid);
		log_warning("%s", err->text); /* the only message that names it after a signal */
		return -1;
	}
	int r = active_runs(request->op.env, dev, err);
	if (r == 0)
		return error_set(err, STATUS_NOT_FOUND,
				 "Device %s was removed while it was being started", dev->uuid);
	return r < 0 ? -1 : 0;
}

static int start(const struct start_request *request, struct pipeline *pipeline, struct mdev *dev,
		 struct error *err)
{
	const struct change change = { .action = ACTION_START, .dev = dev };
	uint64_t since = 0;

	int r = request->ensure ? active_runs(request->op.env, dev, err) : 0;
	if (r < 0)
		return pipeline_failed(request->op.env, ACTION_START, dev, err);
	if (r == 0) {
		since = clock_now();
		reason_check_name(request->op.env, dev);
		if ((request->ensure ? pipeline_start(pipeline, dev, err)
				     : pipeline_run(pipeline, &change, err)) < 0)
			return -1;
	}
	if (request->settle && wait_for_udev(request, dev, since, err) < 0)
		return pipeline_failed(request->op.env, ACTION_START, dev, err);
	return 0;
}

/* Whether a retry may succeed: the parent was removed (drivers may register more than once during
 * initialization), another process took the last instance, or the kernel is still removing an older
 * device with this UUID, which is already invisible. */
static bool may_change(const struct start_request *request, const struct mdev *dev,
		       enum status status)
{
	return status == STATUS_NOT_FOUND || status == STATUS_NO_INSTANCES ||
	       (status == STATUS_EXISTS && is_absent(request, dev));
}

/* Seconds between retries, each of which runs scripts. */
#define TRY_AGAIN 1

/* Starts the device when its parent is available. */
static int start_with_wait(const struct start_request *request, struct pipeline *pipeline,
			   struct mdev *dev, struct error *err)
{
	_cleanup_settle_ struct settle settle;

	settle_open(&settle, request->op.env, request->wait);
	for (;;) {
		uint64_t next = clock_in(TRY_AGAIN);

		if (wait_for_parent(request, &settle, dev, err) < 0)
			return pipeline_failed(request->op.env, ACTION_START, dev, err);
		if (start(request, pipeline, dev, err) == 0)
			return 0;
		if (!may_change(request, dev, err->status))
			return -1;
		do
			if (!settle_next(&settle))
				return -1;
		while (clock_now() < next);
		error_clear(err);
	}
}

int op_start(const struct start_request *request, char ret_uuid[UUID_SIZE], struct error *err)
{
	_cleanup_mdev_ struct mdev dev = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;

	pipeline_open(&pipeline, request->op.env, request->op.force);
	uuid_choose(request->op.uuid, ret_uuid);
	op_set_device(&dev, ret_uuid, NULL, NULL);
	if (load_start(request, &dev, err) < 0)
		return pipeline_failed(request->op.env, ACTION_START, &dev, err);
	signal_block(NULL); /* not before: standard input may be a terminal */
	if (request->wait)
		return start_with_wait(request, &pipeline, &dev, err);
	return start(request, &pipeline, &dev, err);
}
