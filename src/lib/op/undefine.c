/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "host/parent.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/defined.h"

/* Removes a definition, and warns on failure. Returns its status. */
static enum status undefine(struct pipeline *pipeline, struct mdev *dev)
{
	_cleanup_error_ struct error why = { 0 };
	const struct change change = { .action = ACTION_UNDEFINE, .dev = dev };

	if (pipeline_run(pipeline, &change, &why) == 0)
		return STATUS_OK;
	log_warning("Undefine of %s on parent %s failed with error: %s", dev->uuid, dev->parent,
		    why.text);
	return why.status;
}

int op_undefine(const struct op *op, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	struct filter filter = { op->uuid, op->parent };
	enum status first = STATUS_OK;

	pipeline_open(&pipeline, op->env, op->force);
	defined_find(op->env, &filter, &found);
	if (found.n == 0 && found.unseen)
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	if (found.n == 0)
		return error_set(err, STATUS_NOT_FOUND, "No devices match the specified uuid");
	for (size_t i = 0; i < found.n; i++) {
		enum status status = undefine(&pipeline, &found.v[i].dev);
		first = first ? first : status;
	}
	if (first)
		return error_set(err, first, "Undefine failed");
	if (found.unseen) /* there may be more definitions */
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	return 0;
}

int op_undefine_all(const struct op *op, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	enum status first = STATUS_OK;
	size_t n = 0, failed = 0;

	pipeline_open(&pipeline, op->env, op->force);
	defined_find(op->env, &(struct filter){ 0 }, &found);
	for (size_t i = 0; i < found.n; i++) {
		struct mdev *dev = &found.v[i].dev;

		if (op->parent && !parent_is(op->env, dev->parent, op->parent))
			continue;
		enum status status = undefine(&pipeline, dev);
		first = first ? first : status;
		failed += status != STATUS_OK;
		n++;
	}
	if (failed > 0)
		return error_set(err, first, "%zu of %zu definitions could not be removed", failed,
				 n);
	if (found.unseen) /* there may be more definitions */
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	return 0;
}
