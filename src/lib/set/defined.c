/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "device/json.h"
#include "set/defined.h"

#define DIR_PATH "etc/mdevctl.d"
/* Regular files directly in etc/mdevctl.d are ignored by all readers. */
#define TEMPORARY_PREFIX ".mdevctl.tmp."

/* Not all directories are those of parents: one contains deprecated scripts, and hidden ones are
 * not ours. */
static bool is_parent(const char *name)
{
	return name[0] != '.' && strcmp(name, "scripts.d") != 0;
}

static char *path_of(const struct mdev *dev)
{
	return mem_printf(DIR_PATH "/%s/%s", dev->parent, dev->uuid);
}

static const char *reason(int r)
{
	return r == -EINVAL ? "not a regular file" : r == -EFBIG ? "too large" : error_words(-r);
}

static bool is_missing(int r)
{
	return r == -ENOENT || r == -ENOTDIR;
}

/* Whether a path that could not be opened exists: 1, 0, or -errno if this cannot be determined. */
static int exists(int dirfd, const char *path)
{
	if (faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return is_missing(-errno) ? 0 : -errno;
}

/* Reads dirfd/path into dev, or if path is NULL, the definition of its parent and UUID, relative to
 * the root. Return value as for defined_get(). */
static int load(int dirfd, const char *path, struct mdev *dev)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_free_ char *text = NULL;
	char where[sizeof("/" DIR_PATH "//") + NAME_MAX + UUID_SIZE];
	size_t len;

	snprintf(where, sizeof(where), "/" DIR_PATH "/%s/%s", dev->parent, dev->uuid);
	int r = file_read(dirfd, path ? path : where + 1, &text, &len);
	if (is_missing(r) || r == -ELOOP) /* links are not definitions, see below */
		return 0;
	int found = r < 0 ? exists(dirfd, path ? path : where + 1) : 1;
	if (found <= 0)
		return found;
	dev->defined = true;
	if (r < 0) {
		dev->broken = mem_printf("Unable to read %s: %s", where, reason(r));
		dev->unreadable = r != -EINVAL && r != -EFBIG;
	}
	if (r == 0 && json_read_definition(text, len, where, false, dev, &err) < 0)
		dev->broken = mem_text(err.text);
	return 1;
}

int defined_get(const struct env *env, struct mdev *dev)
{
	return load(env->root, NULL, dev);
}

bool defined_exists(const struct env *env, const struct mdev *dev)
{
	_cleanup_free_ char *path = path_of(dev);

	return faccessat(env->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool defined_is(const struct env *env, const struct mdev *dev, const char *text)
{
	_cleanup_mdev_ struct mdev there = { 0 };

	memcpy(there.uuid, dev->uuid, sizeof(there.uuid));
	memcpy(there.parent, dev->parent, sizeof(there.parent));
	if (defined_get(env, &there) <= 0)
		return false;
	if (there.broken)
		return !*text;
	_cleanup_free_ char *now = json_definition_text(&there);
	return strcmp(now, text) == 0;
}

static struct mdev *add(struct mdev_list *list, const char *parent, const char *uuid)
{
	struct mdev *dev = mdev_list_add(list);

	memcpy(dev->parent, parent, strlen(parent) + 1);
	memcpy(dev->uuid, uuid, UUID_SIZE);
	return dev;
}

/* A link is not a definition, whatever its target is: mdevctl does not read them. */
static bool is_definition(const char *parent, const struct dirent *file)
{
	char uuid[UUID_SIZE];

	if (file->d_name[0] == '.' || file->d_type == DT_LNK)
		return false;
	if (uuid_is_canonical(file->d_name))
		return true;
	if (uuid_read(file->d_name, uuid))
		log_warning("Ignoring /" DIR_PATH "/%s/%s: rename it to %s", parent, file->d_name,
			    uuid);
	else
		log_warning("Can't determine uuid for file '%s' in /" DIR_PATH "/%s", file->d_name,
			    parent);
	return false;
}

static void scan_parent(int dirfd, const char *parent, struct mdev_list *ret)
{
	_cleanup_names_ struct file_names names = { 0 };

	_cleanup_close_ int fd = file_open_dir(dirfd, parent);
	int r = fd < 0 ? fd : file_scan(fd, ".", &names);
	if (r < 0) {
		if (!is_missing(r)) /* removed, or not a directory: not a parent */
			mdev_list_note_unseen(ret, "Unable to read /" DIR_PATH "/%s: %s", parent,
					      error_words(-r));
		return;
	}
	for (int i = 0; i < names.n; i++) {
		const char *name = names.v[i]->d_name;

		if (!is_definition(parent, names.v[i]))
			continue;
		if (load(fd, name, add(ret, parent, name)) <= 0)
			ret->n--; /* removed since the scan */
	}
}

static void find_in_parent(const struct env *env, int dirfd, const char *parent, const char *uuid,
			   struct mdev_list *ret)
{
	if (!uuid) {
		scan_parent(dirfd, parent, ret);
		return;
	}
	int r = defined_get(env, add(ret, parent, uuid));
	if (r <= 0)
		ret->n--;
	if (r < 0)
		mdev_list_note_unseen(ret, "Unable to read /" DIR_PATH "/%s: %s", parent,
				      error_words(-r));
}

void defined_find(const struct env *env, const struct filter *filter, struct mdev_list *ret)
{
	_cleanup_names_ struct file_names parents = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, DIR_PATH);
	int r = fd;
	/* If parent and UUID are given, the path is known. It may lead through a directory that
	 * cannot be listed. */
	if (filter->parent && (fd >= 0 || filter->uuid)) {
		if (is_parent(filter->parent))
			find_in_parent(env, fd, filter->parent, filter->uuid, ret);
		return;
	}
	if (fd >= 0)
		r = file_scan(fd, ".", &parents);
	if (r < 0) {
		if (r != -ENOENT)
			mdev_list_note_unseen(ret, "Unable to read /" DIR_PATH ": %s",
					      error_words(-r));
		return;
	}
	for (int i = 0; i < parents.n; i++) {
		const char *name = parents.v[i]->d_name;

		if (parents.v[i]->d_type == DT_REG || !is_parent(name))
			continue;
		if (name_valid(name))
			find_in_parent(env, fd, name, filter->uuid, ret);
		else
			log_warning("Ignoring a directory in /" DIR_PATH
				    ": its name is not a valid parent name");
	}
}

void defined_clean(const struct env *env)
{
	_cleanup_names_ struct file_names names = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, DIR_PATH);
	if (fd < 0 || file_scan(fd, ".", &names) < 0)
		return;
	for (int i = 0; i < names.n; i++)
		if (strncmp(names.v[i]->d_name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) == 0)
			(void)unlinkat(fd, names.v[i]->d_name, 0); /* the next writer tries again */
}

/* The change has been made. That it may be lost on power failure is worth a warning, but not an
 * error. */
static void sync_dir(const struct env *env, const char *dir)
{
	int r = file_sync_dir(env->root, dir);

	if (r < 0)
		log_warning("Unable to sync /%s, so a power failure may revert this change: %s",
			    dir, strerror(-r));
}

int defined_put(const struct env *env, const struct mdev *dev, bool new, struct error *err)
{
	_cleanup_free_ char *text = json_definition_text(dev), *path = path_of(dev),
			    *dir = mem_printf(DIR_PATH "/%s", dev->parent),
			    *temporary = mem_printf(DIR_PATH "/" TEMPORARY_PREFIX "%d", getpid());

	if (!is_parent(dev->parent)) /* it would not be found when reading */
		return error_set(err, STATUS_INVALID, "Invalid parent name '%s'", dev->parent);
	if (strlen(text) > FILE_LIMIT) /* it would be too large to be read */
		return error_set(err, STATUS_INVALID,
				 "The definition of %s on %s would be too large", dev->uuid,
				 dev->parent);
	bool made = mkdirat(env->root, dir, 0755) == 0;
	int r = made || errno == EEXIST ? 0 : -errno;
	if (r == 0)
		r = file_replace(env->root, temporary, path, text, new);
	if (r == 0) {
		sync_dir(env, dir);
		if (made)
			sync_dir(env, DIR_PATH);
		return 0;
	}
	if (made)
		(void)unlinkat(env->root, dir, AT_REMOVEDIR); /* if not empty, it is in use */
	if (r == -EEXIST)
		return error_set(err, STATUS_EXISTS, "Device %s on %s already defined", dev->uuid,
				 dev->parent);
	return error_set(err, STATUS_FAILED, "Unable to write /%s: %s", path, error_words(-r));
}

int defined_drop(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *path = path_of(dev), *dir = mem_printf(DIR_PATH "/%s", dev->parent);

	if (unlinkat(env->root, path, 0) < 0)
		return error_set(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_FAILED,
				 "Failed to remove file /%s: %s", path, error_words(errno));
	/* Fails if other definitions remain. An empty directory would make the udev rule start a
	 * unit for a parent without devices. */
	bool removed = unlinkat(env->root, dir, AT_REMOVEDIR) == 0;
	sync_dir(env, removed ? DIR_PATH : dir);
	return 0;
}
