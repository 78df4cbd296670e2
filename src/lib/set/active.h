/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * The active set: the running devices, /sys/bus/mdev/devices/UUID (kernel documentation,
 * driver-api/vfio-mediated-device.rst). Only one device with a given UUID can be running.
 */

/* Returns all running devices that match, sorted by parent and UUID, without attributes. A device
 * that is removed in the meantime is skipped. If there is no mdev bus, there are no devices; errors
 * are recorded in ret->unseen. */
void active_find(const struct env *env, const struct filter *filter, struct mdev_list *ret);

/* Looks up a running device. Returns 1 if it exists (and fills ret), 0 if it does not, and -1
 * (STATUS_FAILED) if this cannot be determined. */
int active_get(const struct env *env, const char *uuid, struct mdev *ret, struct error *err);

/* Whether the device is running on this parent and with this type, and is complete with all its
 * attributes. Waits up to lock_limit for a start in progress. Returns 1 or 0, or -1 if this cannot
 * be determined (STATUS_TIMED_OUT: the start takes longer). */
int active_runs(const struct env *env, const struct mdev *dev, struct error *err);

/* Results of active_put() other than 0 and -1. */
enum {
	ACTIVE_NO_TYPE = 1,	 /* the parent or its type does not exist, or not any more */
	ACTIVE_NO_INSTANCES = 2, /* the type has no instance left */
};

/* Creates the device and writes its attributes in order. If an attribute is rejected, the device is
 * removed again. Returns 0, -1 (STATUS_EXISTS, STATUS_NOT_FOUND: it was removed in the meantime,
 * STATUS_FAILED), or one of the results above, for which view/reason makes the error; in that case,
 * the device was not created, and the text of err is what is to be appended to that error: the
 * words of the kernel, or NULL. */
int active_put(const struct env *env, const struct mdev *dev, struct error *err);

/* Removes an incomplete device that was left by an interrupted start. Returns 1 if it was removed
 * (ret is the device), and 0 if there is none. Errors: STATUS_IN_USE, STATUS_TIMED_OUT,
 * STATUS_FAILED. */
int active_discard(const struct env *env, const char *uuid, struct mdev *ret, struct error *err);

/* Removes the device; blocks while it is in use. Errors: STATUS_NOT_FOUND, STATUS_FAILED. */
int active_drop(const struct env *env, const struct mdev *dev, struct error *err);
