/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/defined.h"

int op_undefine(const struct op *op, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	struct filter filter = { op->uuid, op->parent };
	bool failed = false;

	pipeline_open(&pipeline, op->env, op->force);
	defined_find(op->env, &filter, &found);
	if (found.n == 0 && found.unseen)
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	if (found.n == 0)
		return error_set(err, STATUS_NOT_FOUND, "No devices match the specified uuid");
	for (size_t i = 0; i < found.n; i++) {
		_cleanup_error_ struct error why = { 0 };
		struct mdev *dev = &found.v[i].dev;
		const struct change change = { .action = ACTION_UNDEFINE, .dev = dev };

		if (pipeline_run(&pipeline, &change, &why) == 0)
			continue;
		log_warning("Undefine of %s on parent %s failed with error: %s", dev->uuid,
			    dev->parent, why.text);
		if (!failed)
			error_set(err, why.status, "Undefine failed");
		failed = true;
	}
	if (!failed && found.unseen) /* there may be more definitions */
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	return failed ? -1 : 0;
}
