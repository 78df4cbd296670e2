/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"
#include "host/holder.h"
#include "script/callout.h"
#include "set/defined.h"

/*
 * The pipeline that every change of a device runs through: pre callouts, the change, post callouts,
 * notifiers, journal. If pre has succeeded, post always runs; termination signals take effect
 * afterwards. No lock is held while scripts are running, so they can call mdevctl.
 */

/* What the changes of a program have in common. */
struct pipeline {
	const struct env *env;	      /* borrowed */
	bool force;		      /* proceed even if a pre callout refuses, or if it is unknown
					 whether a device to be stopped is in use */
	struct callouts callouts;     /* owned */
	struct defined_others others; /* owned: of the parent whose definitions were changed last */
	struct holder_pass *pass; /* borrowed: users of the devices that are stopped; NULL = they
				     are looked for one by one */
};
void pipeline_open(struct pipeline *pipeline, const struct env *env, bool force);
void pipeline_close(struct pipeline *pipeline);
#define _cleanup_pipeline_ __attribute__((cleanup(pipeline_close)))

/* A change of a device. */
struct change {
	enum action action;
	struct mdev *dev; /* borrowed */
	bool running;	  /* define: the device is running, and its script sets the attributes */
	const char *was;  /* borrowed: modify, undefine: only if the definition still has this text
			     (see defined_is()); NULL = whatever it is */
	bool alone;	  /* define: only if it is not defined on another parent */
};

/* Makes a change and logs the result to the journal. Returns 0 or -1, or 1 if a definition is not
 * as the change requires, or already exists: then another process was faster, nothing is written,
 * err is set (STATUS_EXISTS), and nothing is logged. The caller tries again, or calls
 * pipeline_failed(). */
int pipeline_run(struct pipeline *pipeline, const struct change *change, struct error *err);

/* Starts a device that is not running, after removing an incomplete device that an interrupted
 * start has left. Succeeds as well if another process has started it meanwhile. Returns 0 or -1. */
int pipeline_start(struct pipeline *pipeline, struct mdev *dev, struct error *err);

/* Passes new attributes to the script of a running device, which applies them. */
int pipeline_live(struct pipeline *pipeline, const struct mdev *dev, struct error *err);

/* Whether a running device that is to be removed is in use, as seen by the pass if there is one. */
enum answer pipeline_find_user(const struct pipeline *pipeline, const char *uuid, uint64_t deadline,
			       char **ret_use);

/* Logs a change that failed outside of the pipeline to the journal. Returns -1. */
int pipeline_failed(const struct env *env, enum action action, const struct mdev *dev,
		    const struct error *err);
