/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * The defined set: one JSON file a device, /etc/mdevctl.d/PARENT/UUID (mdevctl.d(5)). s390-tools
 * (ap-check, chzdev) read these files themselves, and libvirt watches the directories.
 */

/* All definitions that match, sorted by parent and UUID. One that cannot be read or used is among
 * them, with the reason in `broken`; files that are no definitions are passed over with a warning.
 * Directories that cannot be read are named in ret->unseen. A missing /etc/mdevctl.d is an empty
 * set. Devices are marked `defined`. */
void defined_find(const struct env *env, const struct filter *filter, struct mdev_list *ret);

/* Reads the definition of dev->parent and dev->uuid into dev. Returns 1 if there is a file (if it
 * is broken, dev->broken says why), 0 if there is none, and -errno if that cannot be told. */
int defined_get(const struct env *env, struct mdev *dev);

/* Whether something has the name of this definition. */
bool defined_exists(const struct env *env, const struct mdev *dev);

/* Whether the definition of dev->parent and dev->uuid is just this text of a definition file, white
 * space aside. */
bool defined_is(const struct env *env, const struct mdev *dev, const char *text);

/* Writes a definition; a new one must not exist yet (STATUS_EXISTS). The caller holds the lock. */
int defined_put(const struct env *env, const struct mdev *dev, bool new, struct error *err);

/* Removes the definition of dev->parent and dev->uuid, and its directory once that is empty. */
int defined_drop(const struct env *env, const struct mdev *dev, struct error *err);

/* Removes temporary files of writers that were killed. The caller holds the lock. */
void defined_clean(const struct env *env);
