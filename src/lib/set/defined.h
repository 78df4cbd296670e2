/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * The defined set: one JSON file per device, /etc/mdevctl.d/PARENT/UUID (mdevctl.d(5)). s390-tools
 * (ap-check, chzdev) read these files directly, and libvirt watches the directories.
 */

/* Returns all definitions that match, sorted by parent and UUID, marked `defined`. They include
 * unreadable and invalid ones, with the reason in `broken`; files that are not definitions are
 * ignored with a warning. Directories that cannot be read are recorded in ret->unseen. If
 * /etc/mdevctl.d does not exist, the set is empty. */
void defined_find(const struct env *env, const struct filter *filter, struct mdev_list *ret);

/* Reads the definition of dev->parent and dev->uuid into dev. Returns 1 if there is a file (if it
 * is invalid, dev->broken is the reason), 0 if there is none, and -errno if this cannot be
 * determined. */
int defined_get(const struct env *env, struct mdev *dev);

/* Whether a file with the name of this definition exists. */
bool defined_exists(const struct env *env, const struct mdev *dev);

/* Whether the definition of dev->parent and dev->uuid has exactly this text, except for white
 * space. "" stands for an invalid definition. */
bool defined_is(const struct env *env, const struct mdev *dev, const char *text);

/* Writes a definition. A new one must not exist yet (STATUS_EXISTS). The caller holds the lock. */
int defined_put(const struct env *env, const struct mdev *dev, bool new, struct error *err);

/* Removes the definition of dev->parent and dev->uuid, and its directory if it becomes empty. */
int defined_drop(const struct env *env, const struct mdev *dev, struct error *err);

/* Removes temporary files of writers that were killed. The caller holds the lock. */
void defined_clean(const struct env *env);
