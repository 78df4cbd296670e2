/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * The active set: the devices that run, /sys/bus/mdev/devices/UUID (kernel documentation,
 * driver-api/vfio-mediated-device.rst). A UUID can run only once.
 */

/* All running devices that match, sorted by parent and UUID; marked `active`, without attributes.
 * One that vanishes meanwhile is left out. No mdev bus means no devices; what cannot be read is
 * named in ret->unseen. */
void active_find(const struct env *env, const struct filter *filter, struct mdev_list *ret);

/* Looks up one running device. Returns 1 if there is one (then ret is filled), 0 if there is none,
 * and -1 (STATUS_FAILED) if that cannot be told. */
int active_get(const struct env *env, const char *uuid, struct mdev *ret, struct error *err);

/* Whether the device runs on this parent and with this type, complete with all its attributes;
 * waits up to lock_limit for a start in progress. Returns 1 or 0; -1 if that cannot be told
 * (STATUS_TIMED_OUT: the start takes longer). */
int active_runs(const struct env *env, const struct mdev *dev, struct error *err);

/* Creates the device and writes its attributes in order; when one is refused the device is removed
 * again. A program that is killed meanwhile leaves a mark (host/mark.h). Errors: STATUS_NOT_FOUND
 * (parent, type), STATUS_EXISTS, STATUS_NO_INSTANCES, STATUS_TIMED_OUT (another program has been
 * starting the device for longer than lock_limit), STATUS_FAILED. */
int active_put(const struct env *env, const struct mdev *dev, struct error *err);

/* Removes the device that a start which was interrupted has left incomplete. Returns 1 if it did
 * (then ret says what was running), 0 if there is none. Errors: STATUS_IN_USE, STATUS_TIMED_OUT,
 * STATUS_FAILED. */
int active_discard(const struct env *env, const char *uuid, struct mdev *ret, struct error *err);

/* Removes the device. The kernel blocks while somebody holds it open. Errors: STATUS_NOT_FOUND. */
int active_drop(const struct env *env, const struct mdev *dev, struct error *err);

/* Whether dev could be created right now as far as sysfs tells: parent, type and a free instance
 * are there. Errors as active_put(). */
int active_check(const struct env *env, const struct mdev *dev, struct error *err);
