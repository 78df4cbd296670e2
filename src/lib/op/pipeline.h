/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "script/callout.h"
#include "op/op.h"

/*
 * The pipeline that every change of a device runs through: pre callouts, the change, post callouts,
 * notifiers, journal. If pre has succeeded, post always runs; termination signals take effect
 * afterwards.
 */

/* Runs the pipeline for a device and logs the result to the journal. The capabilities of scripts
 * are requested once for each `callouts`. `was` (NULL = any) is the text of the definition that dev
 * was created from: if the definition has changed, nothing is written (STATUS_EXISTS) or logged,
 * and the caller tries again or calls pipeline_failed(). No lock is held while scripts are running,
 * so they can call mdevctl. */
int pipeline_run(const struct op *op, struct callouts *callouts, enum action action,
		 struct mdev *dev, const char *was, struct error *err);

/* Starts a device that is not running. With op->ensure, it also succeeds if another process has
 * started the device in the meantime. Errors as for pipeline_run(). */
int pipeline_start(const struct op *op, struct callouts *callouts, struct mdev *dev,
		   struct error *err);

/* Logs a change that failed outside of pipeline_run() to the journal. Returns -1. */
int pipeline_failed(const struct op *op, enum action action, const struct mdev *dev,
		    const struct error *err);

/* Passes new attributes to the script of a running device, which applies them. */
int pipeline_live(const struct op *op, struct callouts *callouts, const struct mdev *dev,
		  struct error *err);
