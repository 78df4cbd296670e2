/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/file.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * The defined set: one JSON file per device, /etc/mdevctl.d/PARENT/UUID (mdevctl.d(5)). s390-tools
 * (ap-check, chzdev) read these files directly, and libvirt watches the directories. A file may
 * have another spelling of the UUID as its name (upper case, without hyphens, in braces), as
 * mdevctl reads them, or be a symbolic link to a regular file.
 */

/* Returns all definitions that match, sorted by parent and UUID, marked `defined`. They include
 * unreadable and invalid ones, with the reason in `broken`; files that are not definitions are
 * ignored with a warning. Directories that cannot be read are recorded in ret->unseen. If
 * /etc/mdevctl.d does not exist, the set is empty. */
void defined_find(const struct env *env, const struct filter *filter, struct mdev_list *ret);

/* The same for the definitions of dev->uuid on other parents than dev->parent, under its canonical
 * name, as all programs name it: the directories are not listed, which would take time quadratic in
 * the number of new definitions. */
void defined_find_elsewhere(const struct env *env, const struct mdev *dev, struct mdev_list *ret);

/* Whether devices of a parent with this valid name can be defined: some directories are not those
 * of parents. */
bool defined_is_parent(const char *name);

/* The directory of a parent, for several lookups. It is opened only when a second lookup or a
 * listing needs it, as most parents have one device. */
struct defined_dir {
	const struct env *env;	  /* borrowed */
	const char *parent;	  /* borrowed */
	bool used;		  /* for a lookup */
	bool opened;		  /* fd is set */
	int fd;			  /* owned; -errno if there is none */
	bool listed;		  /* others has been read */
	struct file_names others; /* owned: files that cannot be found by their canonical names */
};
void defined_open(const struct env *env, const char *parent, struct defined_dir *ret);
void defined_close(struct defined_dir *dir);
#define _cleanup_defined_ __attribute__((cleanup(defined_close)))

/* Like defined_get(), for a device of this parent. */
int defined_look_up(struct defined_dir *dir, struct mdev *dev);

/* Reads the definition of dev->parent and dev->uuid into dev. Returns 1 if there is a file (if it
 * is invalid, dev->broken is the reason), 0 if there is none, and -errno if this cannot be
 * determined. */
int defined_get(const struct env *env, struct mdev *dev);

/* Whether a file that defines this device exists, whatever its contents: 1 or 0. */
int defined_exists(const struct env *env, const struct mdev *dev, struct error *err);

/* Returns 0 if there is no such file, 1 if there is one (err is set, to STATUS_EXISTS), or -1 if
 * this cannot be determined. */
int defined_check_new(const struct env *env, const struct mdev *dev, struct error *err);

/* Whether the definition of dev->parent and dev->uuid has exactly this text, except for white
 * space. "" stands for an invalid definition. */
bool defined_is(const struct env *env, const struct mdev *dev, const char *text);

/* Fails if the definition is a symbolic link, and reports its target: replacing it would disconnect
 * it from the tool that maintains the target. */
int defined_check_link(const struct env *env, const struct mdev *dev, struct error *err);

/* Writes a definition under its canonical name. A new one must not exist yet (returns 1, and err is
 * set to STATUS_EXISTS); the caller has looked for files with other names (defined_check_new()).
 * The caller holds the lock. */
int defined_put(const struct env *env, const struct mdev *dev, bool new, struct error *err);

/* Removes the definition of dev->parent and dev->uuid, under all its names, and its directory if it
 * becomes empty. The target of a symbolic link is not removed. */
int defined_drop(const struct env *env, const struct mdev *dev, struct error *err);

/* Removes temporary files of writers that were killed. The caller holds the lock. */
void defined_clean(const struct env *env);
