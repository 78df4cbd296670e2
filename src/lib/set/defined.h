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
 * mdevctl reads them, or be a symbolic link to a regular file. The directory of a parent may be a
 * link as well.
 */

/* A device that is defined, and what is true of its file only. */
struct definition {
	struct mdev dev; /* owned; if it is broken, only its UUID and parent are set */
	char *broken;	 /* owned: why the definition is unusable; NULL = it is usable */
	bool unreadable; /* broken because it cannot be read: its contents are unknown */
};
/* Fails if a definition is unusable: STATUS_INVALID, or STATUS_FAILED if it cannot be read. */
int definition_check(const struct definition *definition, struct error *err);
void definition_free(struct definition *definition);
#define _cleanup_definition_ __attribute__((cleanup(definition_free)))

struct definition_list {
	struct definition *v; /* owned */
	size_t n;
	char *unseen; /* owned: a sentence about what could not be read, so that definitions may be
			 missing; NULL = everything was read */
};
void definition_free_all(struct definition_list *list);
#define _cleanup_definitions_ __attribute__((cleanup(definition_free_all)))

/* Returns all definitions that match, sorted by parent and UUID. They include unreadable and
 * invalid ones, with the reason in `broken`; files that are not definitions are ignored with a
 * warning. What cannot be read at all, such as directories, is recorded in ret->unseen. If
 * /etc/mdevctl.d does not exist, the set is empty. */
void defined_find(const struct env *env, const struct filter *filter, struct definition_list *ret);

/* The same for the definitions of dev->uuid on other parents than dev->parent, under its canonical
 * name, as all programs name it: the directories are not listed, which would take time quadratic in
 * the number of new definitions. */
void defined_find_elsewhere(const struct env *env, const struct mdev *dev,
			    struct definition_list *ret);

/* Whether devices have been defined on a parent with this valid name: its directory exists. */
bool defined_has_parent(const struct env *env, const char *parent);

/* The files of a parent that have other names than the canonical UUID. For callers that look at
 * many devices, the directory is listed once per parent in a row. */
struct defined_others {
	const char *parent;	 /* interned; NULL = not listed yet */
	struct file_names files; /* owned */
};
void defined_free_others(struct defined_others *others);
#define _cleanup_others_ __attribute__((cleanup(defined_free_others)))

/* Reads the definition of dev->parent and dev->uuid: nearly all have the canonical name, which is
 * tried first. others NULL = for one device only. Returns 1 if there is a file (if it is invalid,
 * ret->broken is the reason), 0 if there is none, and -errno if this cannot be determined. */
int defined_get(const struct env *env, const struct mdev *dev, struct defined_others *others,
		struct definition *ret);

/* Returns 0 if no file defines this device, whatever its contents, 1 if there is one (err is set,
 * to STATUS_EXISTS), or -1 if this cannot be determined. others: as for defined_get(). */
int defined_check_new(const struct env *env, const struct mdev *dev, struct defined_others *others,
		      struct error *err);

/* Whether the definition of dev->parent and dev->uuid has exactly this text, except for white
 * space: 1 or 0. "" stands for an invalid definition. */
int defined_is(const struct env *env, const struct mdev *dev, const char *text, struct error *err);

/* Fails if the definition is a symbolic link, and reports its target: replacing it would disconnect
 * it from the tool that maintains the target. */
int defined_check_link(const struct env *env, const struct mdev *dev, struct error *err);

/* Writes a definition under its canonical name. A new one must not exist yet (returns 1, and err is
 * set to STATUS_EXISTS); the caller has looked for files with other names (defined_check_new()).
 * The caller holds the lock. */
int defined_put(const struct env *env, const struct mdev *dev, bool new,
		struct defined_others *others, struct error *err);

/* Removes the definition of dev->parent and dev->uuid, under all its names, and its directory if it
 * becomes empty. The target of a symbolic link is not removed. */
int defined_drop(const struct env *env, const struct mdev *dev, struct defined_others *others,
		 struct error *err);

/* Removes temporary files of writers that were killed, when others are listed: the functions above
 * do not list them again. The caller holds the lock. */
void defined_clean(const struct env *env, const char *parent, struct defined_others *others);
