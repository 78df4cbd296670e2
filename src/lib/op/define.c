/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"
#include "device/json.h"
#include "device/uuid.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/active.h"
#include "set/defined.h"
#include "view/reason.h"

static int define_from_file(const struct op *op, struct mdev *dev, struct error *err)
{
	if (!op->parent)
		return error_set(err, STATUS_FAILED,
				 "Parent device required to define device via \"%s\"",
				 op->jsonfile);
	op_set_device(dev, NULL, op->parent, NULL);
	if (op_read_jsonfile(op->jsonfile, "file", dev, err) < 0)
		return -1;
	int r = defined_check_new(op->env, dev, NULL, err);
	return r <= 0 ? r
		      : error_set(err, STATUS_EXISTS,
				  "Cowardly refusing to overwrite existing config for %s/%s",
				  dev->parent, dev->uuid);
}

/* *ret_running: it is a running device that is defined, with its attributes */
static int define_from_options(const struct op *op, struct mdev *dev, bool *ret_running,
			       struct error *err)
{
	struct mdev running;
	int active = op->uuid ? active_get(op->env, op->uuid, &running, err) : 0;

	if (active < 0)
		return -1;
	*ret_running = active && (op->parent || !op->type);
	if (*ret_running) /* values that are not given are those of the running device */
		op_set_device(dev, NULL, running.parent, running.type);
	op_set_device(dev, NULL, op->parent, op->type);
	if (!dev->parent && op->uuid && !op->type && !active)
		return error_set(err, STATUS_FAILED,
				 "No parent specified, and device %s is not running", op->uuid);
	if (!dev->parent)
		return error_set(err, STATUS_FAILED, "No parent specified");
	if (!dev->type)
		return error_set(err, STATUS_FAILED, "No type specified");
	if (op->type && reason_resolve_type(op->env, dev->parent, &dev->type, err) < 0)
		return -1;
	return defined_check_new(op->env, dev, NULL, err) == 0 ? 0 : -1;
}

static int define(struct pipeline *pipeline, struct mdev *dev, bool running, struct error *err)
{
	const struct change change = { .action = ACTION_DEFINE, .dev = dev, .running = running };
	int r = pipeline_run(pipeline, &change, err);

	return r > 0 ? pipeline_failed(pipeline->env, ACTION_DEFINE, dev, err) : r;
}

/* Removes the definition, but only if it is still the one that was written: another program may
 * have changed it. A signal that ended the start does not end this as well. */
static void undo(struct pipeline *pipeline, struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *was = json_definition_text(dev);
	const struct change change = { .action = ACTION_UNDEFINE, .dev = dev, .was = was };
	_cleanup_error_ struct error why = { 0 };

	int sig = signal_take();
	if (pipeline_run(pipeline, &change, &why) != 0)
		error_append(err, "; and the definition of %s could not be removed again: %s",
			     dev->uuid, why.text);
	if (sig)
		(void)raise(sig); /* blocked until all is done */
}

static int define_and_start(struct pipeline *pipeline, struct mdev *dev, bool running,
			    struct error *err)
{
	const struct change start = { .action = ACTION_START, .dev = dev };

	/* Once it is defined, the name of the parent would be taken as right. */
	if (reason_find(pipeline->env, dev->parent, dev->type) == REASON_NO_PARENT)
		return reason_set(pipeline->env, REASON_NO_PARENT, dev->parent, dev->type, err);
	if (define(pipeline, dev, running, err) < 0)
		return -1;
	int r = active_runs(pipeline->env, dev, err);
	if (r > 0 || (r == 0 && pipeline_run(pipeline, &start, err) == 0))
		return 0;
	undo(pipeline, dev, err);
	return -1;
}

int op_define(const struct op *op, bool autostart, bool start, char ret_uuid[UUID_SIZE],
	      struct error *err)
{
	_cleanup_mdev_ struct mdev dev = { .autostart = autostart };
	_cleanup_pipeline_ struct pipeline pipeline;
	bool running = false;

	pipeline_open(&pipeline, op->env, op->force);
	uuid_choose(op->uuid, ret_uuid);
	op_set_device(&dev, ret_uuid, NULL, NULL);
	int r = op->jsonfile ? define_from_file(op, &dev, err)
			     : define_from_options(op, &dev, &running, err);
	if (r < 0)
		return -1;
	_cleanup_free_ char *hint = start ? NULL : op_start_hint(op, &dev);
	/* Not before: standard input may be a terminal. Or a signal between both changes would end
	 * the program. */
	signal_block(NULL);
	r = start ? define_and_start(&pipeline, &dev, running, err)
		  : define(&pipeline, &dev, running, err);
	if (r < 0 && start && signal_pending_termination()) /* main does not get to print it */
		log_warning("%s", err->text);
	if (r == 0 && hint)
		log_hint("%s", hint);
	return r;
}
