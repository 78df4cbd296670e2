/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "active.h"
#include "defined.h"
#include "log.h"
#include "mem.h"
#include "op.h"

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
		return error_set(err, STATUS_FAILED, "Device is insufficiently specified");
	op_set_device(ret, NULL, op->parent, op->type);
	return 0;
}

/* Whether the device runs already, on this parent and with this type. */
static bool runs(const struct env *env, const struct mdev *dev)
{
	struct mdev running;

	return active_get(env, dev->uuid, &running) && strcmp(running.parent, dev->parent) == 0 &&
	       strcmp(running.type, dev->type) == 0;
}

static int start(const struct op *op, struct mdev *dev, struct error *err)
{
	if (op->ensure && runs(op->env, dev))
		return 0;
	return op_run(op, ACTION_START, dev, NULL, err);
}

int op_start(const struct op *op, char ret_uuid[UUID_SIZE], struct error *err)
{
	_cleanup_mdev_ struct mdev dev = { 0 };

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
	return start(op, &dev, err);
}

int op_stop(const struct op *op, struct error *err)
{
	struct mdev dev;

	bool active = active_get(op->env, op->uuid, &dev) &&
		      (!op->parent || strcmp(op->parent, dev.parent) == 0);
	if (!active && op->ensure)
		return 0;
	if (!active)
		return error_set(err, STATUS_NOT_FOUND, "Device %s is not an active mdev",
				 op->uuid);
	return op_run(op, ACTION_STOP, &dev, NULL, err);
}

int op_autostart(const struct op *op, struct error *err)
{
	_cleanup_list_ struct mdev_list found = { 0 };
	_cleanup_free_ char *names = NULL;
	struct filter filter = { NULL, op->parent };
	size_t wanted = 0, failed = 0;

	defined_find(op->env, &filter, &found);
	for (size_t i = 0; i < found.n; i++) {
		_cleanup_error_ struct error why = { 0 };
		struct mdev *dev = &found.v[i];

		if (!dev->broken && !dev->autostart)
			continue;
		wanted++;
		if (dev->broken)
			error_set(&why, STATUS_INVALID, "%s", dev->broken);
		else if (start(op, dev, &why) == 0)
			continue;
		log_warning("Start of %s on %s failed: %s", dev->uuid, dev->parent, why.text);
		char *more = mem_printf("%s%s%s", names ? names : "", names ? ", " : "", dev->uuid);
		free(names);
		names = more;
		failed++;
	}
	if (failed > 0)
		return error_set(err, STATUS_FAILED,
				 "%zu of %zu devices on %s could not be started: %s", failed,
				 wanted, op->parent, names);
	return 0;
}
