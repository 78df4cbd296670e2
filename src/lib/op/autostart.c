/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/journal.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/active.h"
#include "set/defined.h"
#include "view/reason.h"

/* Progress of an autostart. */
struct progress {
	size_t wanted, done, failed;
	char *names; /* owned: UUIDs of the devices that failed; NULL = none */
};

static void free_progress(struct progress *progress)
{
	free(progress->names);
}

static void note_failure(struct progress *progress, const struct mdev *dev)
{
	text_append(&progress->names, ", ", "%s", dev->uuid);
	progress->failed++;
}

static void start_automatically(const struct op *op, struct pipeline *pipeline,
				struct definition *definition, struct progress *progress)
{
	_cleanup_error_ struct error why = { 0 };
	struct mdev *dev = &definition->dev;

	journal_status("Starting %zu of %zu: %s", progress->done + 1, progress->wanted, dev->uuid);
	progress->done++;
	if (definition_check(definition, &why) < 0) {
		(void)pipeline_failed(op->env, ACTION_START, dev, &why);
	} else {
		int r = active_runs(op->env, dev, &why);
		if (r == 0)
			reason_check_name(op->env, dev);
		if (r > 0 || (r == 0 && pipeline_start(pipeline, dev, &why) == 0))
			return;
		if (r < 0)
			(void)pipeline_failed(op->env, ACTION_START, dev, &why);
	}
	if (!journal_is_stderr(op->env)) /* otherwise, the journal entry is sufficient */
		log_warning("Start of %s on %s failed: %s", dev->uuid, dev->parent, why.text);
	note_failure(progress, dev);
}

int op_autostart(const struct op *op, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	struct filter filter = { NULL, op->parent };
	__attribute__((cleanup(free_progress))) struct progress progress = { 0 };

	pipeline_open(&pipeline, op->env, op->force);
	defined_find(op->env, &filter, &found);
	for (size_t i = 0; i < found.n; i++)
		progress.wanted += found.v[i].broken || found.v[i].dev.autostart;
	for (size_t i = 0; i < found.n; i++)
		if (found.v[i].broken || found.v[i].dev.autostart)
			start_automatically(op, &pipeline, &found.v[i], &progress);
	if (found.unseen) {
		journal_status("%s", found.unseen);
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	}
	if (progress.failed > 0) {
		error_set(err, STATUS_FAILED, "%zu of %zu devices on %s could not be started: %s",
			  progress.failed, progress.wanted, op->parent, progress.names);
		journal_status("%s", err->text);
		return -1;
	}
	if (progress.wanted == 0) {
		log_hint("No device is defined as auto on %s", op->parent);
		journal_status("No device is defined as auto on %s", op->parent);
	} else {
		journal_status("All %zu devices are running", progress.wanted);
	}
	return 0;
}
