/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "host/parent.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/defined.h"

int op_undefine(const struct op *op, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	const struct filter filter = { op->uuid, op->uuid ? op->parent : NULL };
	enum status first = STATUS_OK;
	size_t n = 0, failed = 0;

	pipeline_open(&pipeline, op->env, op->force);
	defined_find(op->env, &filter, &found);
	for (size_t i = 0; i < found.n; i++) {
		_cleanup_error_ struct error why = { 0 };
		struct mdev *dev = &found.v[i].dev;
		const struct change change = { .action = ACTION_UNDEFINE, .dev = dev };

		if (op->parent && !parent_is(op->env, dev->parent, op->parent))
			continue;
		n++;
		if (pipeline_run(&pipeline, &change, &why) == 0)
			continue;
		log_warning("Undefine of %s on parent %s failed with error: %s", dev->uuid,
			    dev->parent, why.text);
		first = first ? first : why.status;
		failed++;
	}
	if (failed > 0 && op->uuid)
		return error_set(err, first, "Undefine failed");
	if (failed > 0)
		return error_set(err, first, "%zu of %zu definitions could not be removed", failed,
				 n);
	if (found.unseen) /* there may be more definitions */
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	if (op->uuid && n == 0)
		return error_set(err, STATUS_NOT_FOUND, "No devices match the specified uuid");
	return 0;
}
