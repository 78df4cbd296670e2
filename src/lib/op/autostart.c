/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/journal.h"
#include "host/parent.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/active.h"
#include "set/defined.h"
#include "view/reason.h"

static bool is_wanted(const struct definition *definition)
{
	return definition->broken || definition->dev.autostart;
}

/* Starts a device unless it is running. A failure is logged to the journal. */
static int start(struct pipeline *pipeline, struct definition *definition, struct error *err)
{
	struct mdev *dev = &definition->dev;

	int r = definition_check(definition, err);
	if (r == 0)
		r = active_runs(pipeline->env, dev, err);
	if (r < 0)
		return pipeline_failed(pipeline->env, ACTION_START, dev, err);
	if (r > 0)
		return 0;
	reason_check_name(pipeline->env, dev);
	return pipeline_start(pipeline, dev, err);
}

int op_autostart(const struct env *env, const char *parent, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	_cleanup_free_ char *names = NULL; /* of the devices that failed */
	size_t wanted = 0, done = 0, failed = 0;
	bool present = parent_present(env, parent), removed = false;

	pipeline_open(&pipeline, env, false);
	defined_find(env, &(struct filter){ NULL, parent }, &found);
	for (size_t i = 0; i < found.n; i++)
		wanted += is_wanted(&found.v[i]);
	for (size_t i = 0; i < found.n && !removed; i++) {
		_cleanup_error_ struct error why = { 0 };
		const struct mdev *dev = &found.v[i].dev;

		if (!is_wanted(&found.v[i]))
			continue;
		journal_status("Starting %zu of %zu: %s", ++done, wanted, dev->uuid);
		if (start(&pipeline, &found.v[i], &why) == 0)
			continue;
		if (!journal_is_stderr(env)) /* otherwise, the journal entry is sufficient */
			log_warning("Start of %s on %s failed: %s", dev->uuid, dev->parent,
				    why.text);
		/* By its driver. All devices are started when it is registered again. */
		removed = present && !parent_present(env, parent);
		if (removed)
			continue;
		text_append(&names, ", ", "%s", dev->uuid);
		failed++;
	}
	if (found.unseen)
		error_set(err, STATUS_FAILED, "%s", found.unseen);
	else if (failed > 0)
		error_set(err, STATUS_FAILED, "%zu of %zu devices on %s could not be started: %s",
			  failed, wanted, parent, names);
	if (found.unseen || failed > 0) {
		journal_status("%s", err->text);
		return -1;
	}
	if (removed) {
		log_warning("Parent %s was removed while its devices were started", parent);
		journal_status("The parent was removed");
	} else if (wanted > 0) {
		journal_status("All %zu devices are running", wanted);
	} else {
		log_hint("No device is defined as auto on %s", parent);
		journal_status("No device is defined as auto on %s", parent);
	}
	return 0;
}
