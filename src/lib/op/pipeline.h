/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "op/callout.h"
#include "op/op.h"

/*
 * The pipeline that every change of a device runs through: pre callouts, the change, post callouts,
 * notifiers, journal. Once pre has succeeded, post runs on every path out; SIGTERM, SIGINT and
 * SIGHUP take effect after it.
 */

/* Runs the pipeline for one device, and tells the journal. Scripts are asked for their capabilities
 * once for each of `callouts`. `was` (NULL = does not matter) is the text of the definition that
 * dev was made from: nothing is written (STATUS_EXISTS) if that is not what is there any more, and
 * the journal is not told: the caller tries again, or calls pipeline_failed(). No lock is held
 * while scripts run, so they may call mdevctl again. */
int pipeline_run(const struct op *op, struct callouts *callouts, enum action action,
		 struct mdev *dev, const char *was, struct error *err);

/* Starts a device that does not run. With op->ensure it is success, too, if somebody else was
 * faster, and what an interrupted start has left of the device is removed first. As
 * pipeline_run(). */
int pipeline_start(const struct op *op, struct callouts *callouts, struct mdev *dev,
		   struct error *err);

/* Tells the journal of a change that failed outside of pipeline_run(). Returns -1. */
int pipeline_failed(const struct op *op, enum action action, const struct mdev *dev,
		    const struct error *err);

/* Hands new attributes to the script of a running device; no change of ours is part of it. */
int pipeline_live(const struct op *op, struct callouts *callouts, const struct mdev *dev,
		  struct error *err);
