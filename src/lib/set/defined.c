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
#include "device/plain.h"
#include "set/defined.h"

#define DIR_PATH "etc/mdevctl.d"
/* Regular files directly in etc/mdevctl.d are ignored by all readers. */
#define TEMPORARY_PREFIX ".mdevctl.tmp."

/* Not all directories are those of parents: one contains deprecated scripts, and hidden ones are
 * not ours. */
bool defined_is_parent(const char *name)
{
	return name[0] != '.' && strcmp(name, "scripts.d") != 0;
}

static char *path_of(const struct mdev *dev)
{
	return mem_printf(DIR_PATH "/%s/%s", dev->parent, dev->uuid);
}

static const char *reason(int r)
{
	return r == -EINVAL   ? "not a regular file"
	       : r == -EFBIG  ? "too large"
	       : r == -ENOENT ? "dangling symbolic link"
			      : error_words(-r);
}

static bool is_missing(int r)
{
	return r == -ENOENT || r == -ENOTDIR;
}

/* Returns 0 for an error of a missing directory, whose files are missing too, or else the error. */
static int missing_or(int r)
{
	return is_missing(r) ? 0 : r;
}

/* Whether a path that could not be opened exists: 1, 0, or -errno if this cannot be determined. */
static int exists(int dirfd, const char *path)
{
	if (faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return missing_or(-errno);
}

/* Handles a definition that is not in plain form, or that could not be read (r < 0). */
static void load_text(int r, const char *text, size_t len, const char *name, struct mdev *dev)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_free_ char *where = mem_printf("/" DIR_PATH "/%s/%s", dev->parent, name);

	if (r < 0) {
		dev->broken = mem_printf("Unable to read %s: %s", where, reason(r));
		dev->unreadable = r != -EINVAL && r != -EFBIG && r != -ENOENT;
	} else if (json_read_definition(text, len, where, false, dev, &err) < 0) {
		dev->broken = mem_text(err.text);
	}
}

/* Reads a file in the directory of dev->parent into dev. path is its name, or ends with it. A
 * listed file may be a dangling link; any other file that is not found is missing. Return value as
 * for defined_get(). */
static int load(int dirfd, const char *path, bool listed, struct mdev *dev)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	int r = file_read(dirfd, path, &text, &len);
	if (is_missing(r) && !listed)
		return 0;
	int found = r < 0 ? exists(dirfd, path) : 1;
	if (found <= 0)
		return found;
	dev->defined = true;
	if (r < 0 || !plain_read(text, len, dev))
		load_text(r, text, len, name, dev);
	if (strcmp(name, dev->uuid) != 0)
		dev->file = mem_text(name);
	return 1;
}

void defined_open(const struct env *env, const char *parent, struct defined_dir *ret)
{
	*ret = (struct defined_dir){ .env = env, .parent = parent };
}

/* Opens the directory, unless it is open. Returns its fd, or -errno. */
static int open_dir(struct defined_dir *dir, int flags)
{
	char path[sizeof(DIR_PATH "/") + NAME_MAX];

	if (!dir->opened) {
		snprintf(path, sizeof(path), DIR_PATH "/%s", dir->parent);
		int fd = openat(dir->env->root, path, O_DIRECTORY | O_CLOEXEC | flags);
		dir->fd = fd < 0 ? -errno : fd;
		dir->opened = true;
	}
	return dir->fd;
}

void defined_close(struct defined_dir *dir)
{
	file_names_free(&dir->others);
	if (dir->opened && dir->fd >= 0)
		mem_close(&dir->fd);
	*dir = (struct defined_dir){ 0 };
}

/* Lists the files that cannot be opened by their canonical names: other spellings of UUIDs, and
 * links, which may be dangling. */
static int list_others(struct defined_dir *dir)
{
	struct file_names *names = &dir->others;
	char uuid[UUID_SIZE];
	int kept = 0;

	if (dir->listed)
		return 0;
	int fd = open_dir(dir, O_PATH);
	int r = fd < 0 ? fd : file_scan_unsorted(fd, ".", names);
	if (r < 0) /* a directory that was removed, maybe while it was open, has no files */
		return missing_or(r);
	for (int i = 0; i < names->n; i++) {
		struct dirent *file = names->v[i];

		if (file->d_type == DT_REG && uuid_is_canonical(file->d_name))
			continue;
		if (uuid_read(file->d_name, uuid))
			names->v[kept++] = file;
	}
	names->n = kept;
	dir->listed = true;
	return 0;
}

/* Returns the name of one of these files: the canonical name, or else the first in bytewise order.
 * NULL = there is none. */
static const char *find_other(const struct defined_dir *dir, const char *wanted)
{
	const char *found = NULL;
	char uuid[UUID_SIZE];

	for (int i = 0; i < dir->others.n; i++) {
		const char *name = dir->others.v[i]->d_name;

		if (!uuid_read(name, uuid) || strcmp(uuid, wanted) != 0)
			continue;
		if (strcmp(name, wanted) == 0)
			return name;
		if (!found || strcmp(name, found) < 0)
			found = name;
	}
	return found;
}

int defined_look_up(struct defined_dir *dir, struct mdev *dev)
{
	char path[sizeof(DIR_PATH "//") + NAME_MAX + UUID_SIZE];
	bool direct = !dir->used && !dir->opened;
	int r;

	dir->used = true;
	if (direct) {
		snprintf(path, sizeof(path), DIR_PATH "/%s/%s", dir->parent, dev->uuid);
		r = load(dir->env->root, path, false, dev);
	} else {
		int fd = open_dir(dir, O_PATH);
		r = fd >= 0 ? load(fd, dev->uuid, false, dev) : missing_or(fd);
	}
	if (r != 0)
		return r;
	r = list_others(dir);
	if (r < 0)
		return r;
	const char *name = find_other(dir, dev->uuid);
	return name ? load(dir->fd, name, true, dev) : 0;
}

int defined_get(const struct env *env, struct mdev *dev)
{
	_cleanup_defined_ struct defined_dir dir;

	defined_open(env, dev->parent, &dir);
	return defined_look_up(&dir, dev);
}

/* Finds the file that defines a device. Returns 1 and its name, 0 and the canonical name, or
 * -errno. */
static int find_file(struct defined_dir *dir, const char *uuid, const char **ret_name)
{
	*ret_name = uuid;
	int fd = open_dir(dir, O_PATH);
	if (fd < 0)
		return missing_or(fd);
	int r = exists(fd, uuid);
	if (r != 0)
		return r;
	r = list_others(dir);
	if (r < 0)
		return r;
	const char *other = find_other(dir, uuid);
	if (!other)
		return 0;
	*ret_name = other;
	return 1;
}

int defined_exists(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_defined_ struct defined_dir dir;
	const char *name;

	defined_open(env, dev->parent, &dir);
	int r = find_file(&dir, dev->uuid, &name);
	return r < 0 ? error_set(err, STATUS_FAILED, "Unable to read /" DIR_PATH "/%s: %s",
				 dev->parent, error_words(-r))
		     : r;
}

static int already_defined(const struct mdev *dev, struct error *err)
{
	error_set(err, STATUS_EXISTS, "Device %s on %s already defined", dev->uuid, dev->parent);
	return 1;
}

int defined_check_new(const struct env *env, const struct mdev *dev, struct error *err)
{
	int r = defined_exists(env, dev, err);

	return r > 0 ? already_defined(dev, err) : r;
}

bool defined_is(const struct env *env, const struct mdev *dev, const char *text)
{
	_cleanup_mdev_ struct mdev there = MDEV_NONE;

	memcpy(there.uuid, dev->uuid, sizeof(there.uuid));
	there.parent = dev->parent;
	if (defined_get(env, &there) <= 0)
		return false;
	if (there.broken)
		return !*text;
	_cleanup_free_ char *now = json_definition_text(&there);
	return strcmp(now, text) == 0;
}

/* parent is interned. */
static struct mdev *add(struct mdev_list *list, const char *parent, const char *uuid)
{
	struct mdev *dev = mdev_list_add(list);

	dev->parent = parent;
	memcpy(dev->uuid, uuid, UUID_SIZE);
	return dev;
}

/* Whether a file was meant as a definition: UUID or UUID.json. */
static bool is_meant(const char *name, char ret[UUID_SIZE])
{
	size_t n = strlen(name);
	bool json = n > 5 && strcmp(name + n - 5, ".json") == 0;
	_cleanup_free_ char *stem = mem_text_n(name, json ? n - 5 : n);

	return uuid_read(stem, ret);
}

/* Whether a file is a definition, judging by its name; ret is set to its UUID. */
static bool is_definition(const char *parent, const struct dirent *file, char ret[UUID_SIZE])
{
	if (file->d_name[0] == '.')
		return false;
	if (uuid_read(file->d_name, ret))
		return true;
	bool meant = is_meant(file->d_name, ret);
	log_warning("Can't determine uuid for file '%s' in /" DIR_PATH "/%s%s%s", file->d_name,
		    parent, meant ? "; rename it to " : "", meant ? ret : "");
	return false;
}

/* Sorts by UUID; of several files with one UUID, the one that is used comes first. */
static int by_uuid(const void *left, const void *right)
{
	const struct mdev *a = left, *b = right;
	int order = strcmp(a->uuid, b->uuid);

	return order ? order : strcmp(a->file ? a->file : "", b->file ? b->file : "");
}

/* Sorts the definitions of a parent, whose file names may differ from their UUID, and removes
 * duplicates of a UUID. */
static void put_in_order(struct mdev_list *list, size_t first)
{
	size_t kept = first;

	qsort(&list->v[first], list->n - first, sizeof(*list->v), by_uuid);
	for (size_t i = first; i < list->n; i++) {
		struct mdev dev = list->v[i]; /* moved */

		list->v[i] = (struct mdev)MDEV_NONE;
		if (kept > first && strcmp(list->v[kept - 1].uuid, dev.uuid) == 0) {
			log_warning("Ignoring /" DIR_PATH "/%s/%s: another file defines %s",
				    dev.parent, dev.file, dev.uuid);
			mdev_free(&dev);
		} else {
			list->v[kept++] = dev;
		}
	}
	list->n = kept;
}

/* Reads all definitions in the directory of a parent, which is interned. fd may be -errno. */
static void scan_dir(int fd, const char *parent, struct mdev_list *ret)
{
	_cleanup_names_ struct file_names names = { 0 };
	size_t first = ret->n;
	bool renamed = false;
	char uuid[UUID_SIZE];

	int r = file_scan(fd, NULL, &names);
	if (r < 0 && !is_missing(r)) /* removed, or not a directory: not a parent */
		mdev_list_note_unseen(ret, "Unable to read /" DIR_PATH "/%s: %s", parent,
				      error_words(-r));
	for (int i = 0; i < names.n; i++) {
		if (!is_definition(parent, names.v[i], uuid))
			continue;
		struct mdev *dev = add(ret, parent, uuid);
		int found = load(fd, names.v[i]->d_name, true, dev);
		if (found < 0)
			mdev_list_note_unseen(ret, "Unable to read /" DIR_PATH "/%s/%s: %s", parent,
					      names.v[i]->d_name, error_words(-found));
		if (found <= 0)
			ret->n--; /* removed since the scan, or unseen */
		else
			renamed = renamed || dev->file;
	}
	if (renamed)
		put_in_order(ret, first);
}

/* Links are not followed here: mdevctl does not treat them as parents either. With canonical, only
 * the canonical name of the UUID is looked for. */
static void find_in_parent(const struct env *env, const char *parent, const char *uuid,
			   bool canonical, struct mdev_list *ret)
{
	_cleanup_defined_ struct defined_dir dir;

	defined_open(env, parent, &dir);
	int fd = open_dir(&dir, (uuid ? O_PATH : O_RDONLY) | O_NOFOLLOW);
	if (!uuid) {
		scan_dir(fd, mem_intern(parent), ret);
		return;
	}
	struct mdev *dev = add(ret, mem_intern(parent), uuid);
	int r = !canonical ? defined_look_up(&dir, dev)
		: fd >= 0  ? load(fd, uuid, true, dev)
			   : missing_or(fd);
	if (r <= 0)
		ret->n--;
	if (r < 0)
		mdev_list_note_unseen(ret, "Unable to read /" DIR_PATH "/%s: %s", parent,
				      error_words(-r));
}

/* A definition in the wrong place is nobody's device, so its user is told where it belongs. */
static void warn_misplaced(const char *name)
{
	char uuid[UUID_SIZE];

	if (is_meant(name, uuid))
		log_warning("Ignoring /" DIR_PATH "/%s: a definition belongs in the directory of "
			    "its parent, /" DIR_PATH "/PARENT/%s",
			    name, uuid);
}

/* except: see defined_find_elsewhere(); NULL = none */
static void find(const struct env *env, const struct filter *filter, const char *except,
		 struct mdev_list *ret)
{
	_cleanup_names_ struct file_names parents = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, DIR_PATH);
	/* If parent and UUID are given, the path is known. It may lead through a directory that
	 * cannot be listed. */
	if (filter->parent && (fd >= 0 || filter->uuid)) {
		if (defined_is_parent(filter->parent))
			find_in_parent(env, filter->parent, filter->uuid, false, ret);
		return;
	}
	int r = file_scan(fd, NULL, &parents);
	if (r < 0) {
		if (r != -ENOENT)
			mdev_list_note_unseen(ret, "Unable to read /" DIR_PATH ": %s",
					      error_words(-r));
		return;
	}
	for (int i = 0; i < parents.n; i++) {
		const char *name = parents.v[i]->d_name;

		if (parents.v[i]->d_type == DT_REG || parents.v[i]->d_type == DT_LNK) {
			warn_misplaced(name);
			continue;
		}
		if (!defined_is_parent(name) || (except && strcmp(name, except) == 0))
			continue;
		if (name_valid(name))
			find_in_parent(env, name, filter->uuid, except != NULL, ret);
		else
			log_warning("Ignoring a directory in /" DIR_PATH
				    ": its name is not a valid parent name");
	}
}

void defined_find(const struct env *env, const struct filter *filter, struct mdev_list *ret)
{
	find(env, filter, NULL, ret);
}

void defined_find_elsewhere(const struct env *env, const struct mdev *dev, struct mdev_list *ret)
{
	struct filter filter = { dev->uuid, NULL };

	find(env, &filter, dev->parent, ret);
}

void defined_clean(const struct env *env)
{
	_cleanup_names_ struct file_names names = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, DIR_PATH);
	if (file_scan(fd, NULL, &names) < 0)
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

int defined_check_link(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_defined_ struct defined_dir dir;
	char target[PATH_MAX];
	const char *name;

	defined_open(env, dev->parent, &dir);
	int r = find_file(&dir, dev->uuid, &name);
	ssize_t n = r <= 0 ? -1 : readlinkat(dir.fd, name, target, sizeof(target) - 1);
	if (n < 0) /* not a link; other errors are reported when the file is written */
		return 0;
	target[n] = '\0';
	return error_set(err, STATUS_FAILED,
			 "/" DIR_PATH "/%s/%s is a symbolic link; modify its target %s instead",
			 dev->parent, name, target);
}

/* Removes files that define a device under names other than its canonical UUID. Returns their
 * number, or -errno. */
static int remove_others(struct defined_dir *dir, const char *wanted)
{
	int removed = 0, fd = open_dir(dir, O_PATH);
	int r = fd < 0 ? fd : list_others(dir);
	char uuid[UUID_SIZE];

	for (int i = 0; r == 0 && i < dir->others.n; i++) {
		const char *name = dir->others.v[i]->d_name;

		if (strcmp(name, wanted) == 0 || !uuid_read(name, uuid) ||
		    strcmp(uuid, wanted) != 0)
			continue;
		if (unlinkat(fd, name, 0) == 0)
			removed++;
		else if (errno != ENOENT)
			r = -errno;
	}
	return r < 0 ? r : removed;
}

/* A file with another name is renamed to the canonical one first, so that its mode and owner are
 * inherited. For a new definition, the caller has looked for one. */
static int write_file(const struct env *env, const struct mdev *dev, bool new, const char *path,
		      const char *text)
{
	_cleanup_free_ char *temporary = mem_printf(DIR_PATH "/" TEMPORARY_PREFIX "%d", getpid());
	_cleanup_defined_ struct defined_dir dir = { 0 };
	const char *name;

	if (new)
		return file_replace(env->root, temporary, path, text, true);
	defined_open(env, dev->parent, &dir);
	int r = find_file(&dir, dev->uuid, &name);
	if (r < 0)
		return r;
	if (r > 0 && strcmp(name, dev->uuid) != 0 && renameat(dir.fd, name, dir.fd, dev->uuid) < 0)
		return -errno;
	r = file_replace(env->root, temporary, path, text, false);
	if (r == 0)
		(void)remove_others(&dir, dev->uuid); /* readers ignore the remaining files */
	return r;
}

int defined_put(const struct env *env, const struct mdev *dev, bool new, struct error *err)
{
	_cleanup_free_ char *text = json_definition_text(dev), *path = path_of(dev),
			    *dir = mem_printf(DIR_PATH "/%s", dev->parent);

	if (!defined_is_parent(dev->parent)) /* it would not be found when reading */
		return error_set(err, STATUS_INVALID, "Invalid parent name '%s'", dev->parent);
	if (strlen(text) > FILE_LIMIT) /* it would be too large to be read */
		return error_set(err, STATUS_INVALID,
				 "The definition of %s on %s would be too large", dev->uuid,
				 dev->parent);
	if (!new &&defined_check_link(env, dev, err) < 0)
		return -1;
	bool made = mkdirat(env->root, dir, 0755) == 0;
	int r = made || errno == EEXIST ? 0 : -errno;
	if (r == 0)
		r = write_file(env, dev, new, path, text);
	if (r == 0) {
		sync_dir(env, dir);
		if (made)
			sync_dir(env, DIR_PATH);
		return 0;
	}
	if (made)
		(void)unlinkat(env->root, dir, AT_REMOVEDIR); /* if not empty, it is in use */
	if (r == -EEXIST)
		return already_defined(dev, err);
	return error_set(err, STATUS_FAILED, "Unable to write /%s: %s", path, error_words(-r));
}

int defined_drop(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *dir_path = mem_printf(DIR_PATH "/%s", dev->parent);
	_cleanup_defined_ struct defined_dir dir;

	defined_open(env, dev->parent, &dir);
	/* Remove the canonical file last, as it is the one that is used. */
	int r = remove_others(&dir, dev->uuid);
	if (r >= 0 && unlinkat(dir.fd, dev->uuid, 0) < 0 && (errno != ENOENT || r == 0))
		r = -errno;
	if (r < 0)
		return error_set(err, r == -ENOENT ? STATUS_NOT_FOUND : STATUS_FAILED,
				 "Failed to remove file /%s/%s: %s", dir_path,
				 dev->file ? dev->file : dev->uuid, error_words(-r));
	/* Fails if other definitions remain. An empty directory would make the udev rule start a
	 * unit for a parent without devices. */
	bool removed = unlinkat(env->root, dir_path, AT_REMOVEDIR) == 0;
	sync_dir(env, removed ? DIR_PATH : dir_path);
	return 0;
}
