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
#include "base/text.h"
#include "device/json.h"
#include "device/plain.h"
#include "set/defined.h"

#define DIR_PATH "etc/mdevctl.d"
/* A new file is made in the directory of its parent, so that it gets the group, the default ACL and
 * the security label of files there. All readers ignore names that are not UUIDs. */
#define TEMPORARY_PREFIX ".mdevctl.tmp."

static char *path_of_parent(const char *parent)
{
	return mem_printf(DIR_PATH "/%s", parent);
}

static char *path_of_file(const char *parent, const char *name)
{
	return mem_printf(DIR_PATH "/%s/%s", parent, name);
}

bool defined_has_parent(const struct env *env, const char *parent)
{
	_cleanup_free_ char *path = path_of_parent(parent);

	return parent_name_valid(parent) && faccessat(env->root, path, F_OK, 0) == 0;
}

int definition_check(const struct definition *definition, struct error *err)
{
	if (!definition->broken)
		return 0;
	return error_set(err, definition->unreadable ? STATUS_FAILED : STATUS_INVALID, "%s",
			 definition->broken);
}

void definition_free(struct definition *definition)
{
	mdev_free(&definition->dev);
	free(definition->broken);
	*definition = (struct definition){ 0 };
}

void definition_free_all(struct definition_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		definition_free(&list->v[i]);
	free(list->v);
	free(list->unseen);
	*list = (struct definition_list){ 0 };
}

static const char *reason(int r)
{
	return r == -EINVAL   ? "not a regular file"
	       : r == -EFBIG  ? "too large"
	       : r == -ENOENT ? "dangling symbolic link"
			      : error_words(-r);
}

/* Records what could not be read (r < 0) below the root. */
static void add_unseen(struct definition_list *list, const char *path, int r)
{
	text_append(&list->unseen, "; ", "Unable to read /%s: %s", path, error_words(-r));
}

/* Whether a path that could not be opened exists: 1, 0, or -errno if this cannot be determined. */
static int exists(int dirfd, const char *path)
{
	if (faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return file_is_missing(errno) ? 0 : -errno;
}

/* Reads a file in the directory of the parent into ret, whose UUID and parent are set. path is its
 * name, or ends with it. Return value as for defined_get(). */
static int load(int dirfd, const char *path, struct definition *ret)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	int r = file_read(dirfd, path, &text, &len);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM) /* says nothing about the file */
		return r;
	int found = r < 0 ? exists(dirfd, path) : 1; /* it may be a dangling link */
	if (found <= 0 || (r == 0 && plain_read(text, len, &ret->dev)))
		return found;
	_cleanup_free_ char *where =
		mem_printf("/" DIR_PATH "/%s/%s", ret->dev.parent, text_base_name(path));
	if (r < 0) {
		ret->broken = mem_printf("Unable to read %s: %s", where, reason(r));
		ret->unreadable = r != -EINVAL && r != -EFBIG && r != -ENOENT && r != -ELOOP;
	} else if (json_read_definition(text, len, where, false, &ret->dev, &err) < 0) {
		ret->broken = mem_text(err.text);
	}
	return 1;
}

/* Returns a definition of which nothing but the device is known. */
static struct definition of_device(const char *parent, const char uuid[UUID_SIZE])
{
	struct definition definition = { .dev.parent = parent };

	memcpy(definition.dev.uuid, uuid, UUID_SIZE);
	return definition;
}

/* Reads the definition with the canonical name. Return value as for defined_get(). */
static int open_canonical(const struct env *env, const struct mdev *dev, struct definition *ret)
{
	char path[sizeof(DIR_PATH "//") + NAME_MAX + UUID_SIZE];

	snprintf(path, sizeof(path), DIR_PATH "/%s/%s", dev->parent, dev->uuid);
	*ret = of_device(dev->parent, dev->uuid);
	return load(env->root, path, ret);
}

void defined_free_others(struct defined_others *others)
{
	file_names_free(&others->files);
	others->parent = NULL;
}

/* Lists the files of a parent, unless this was done last. clean: removes temporary files. Returns 0
 * or -errno. */
static int list_others(const struct env *env, const char *parent, bool clean,
		       struct defined_others *others)
{
	_cleanup_free_ char *path = path_of_parent(parent);
	struct file_names *files = &others->files;
	char uuid[UUID_SIZE];
	int kept = 0;

	if (others->parent && strcmp(others->parent, parent) == 0)
		return 0;
	defined_free_others(others);
	_cleanup_close_ int fd = file_open_dir(env->root, path);
	int r = file_scan_unsorted(fd, NULL, files);
	if (r < 0 && !file_is_missing(-r)) /* a directory that was removed has no files */
		return r;
	for (int i = 0; i < files->n; i++) {
		const char *name = files->v[i]->d_name;

		if (!uuid_is_canonical(name) && uuid_read(name, uuid))
			files->v[kept++] = files->v[i];
		else if (clean && strncmp(name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) == 0)
			(void)unlinkat(fd, name, 0); /* the next writer tries again */
	}
	files->n = kept;
	others->parent = mem_intern(parent);
	return 0;
}

void defined_clean(const struct env *env, const char *parent, struct defined_others *others)
{
	(void)list_others(env, parent, true, others); /* errors are those of the next function */
}

/* Finds the first file of a device, in bytewise order, that has another name than its canonical
 * UUID. others: NULL = the directory is listed anew. Returns 1 and its path, which the caller owns,
 * 0 if there is none, or -errno. */
static int find_other(const struct env *env, const struct mdev *dev, struct defined_others *others,
		      char **ret_path)
{
	_cleanup_others_ struct defined_others own = { 0 };
	const char *found = NULL;
	char uuid[UUID_SIZE];

	others = others ? others : &own;
	int r = list_others(env, dev->parent, false, others);
	for (int i = 0; i < others->files.n; i++) {
		const char *name = others->files.v[i]->d_name;

		if (uuid_read(name, uuid) && strcmp(uuid, dev->uuid) == 0 &&
		    (!found || strcmp(name, found) < 0))
			found = name;
	}
	if (r < 0)
		return r;
	if (!found)
		return 0;
	*ret_path = path_of_file(dev->parent, found);
	return 1;
}

int defined_get(const struct env *env, const struct mdev *dev, struct defined_others *others,
		struct definition *ret)
{
	_cleanup_free_ char *path = NULL;

	int r = open_canonical(env, dev, ret);
	if (r == 0)
		r = find_other(env, dev, others, &path);
	return path ? load(env->root, path, ret) : r;
}

/* Finds the file that defines a device; as for find_other(). */
static int find_file(const struct env *env, const struct mdev *dev, struct defined_others *others,
		     char **ret_path)
{
	_cleanup_free_ char *path = path_of_file(dev->parent, dev->uuid);

	int r = exists(env->root, path);
	if (r == 0)
		return find_other(env, dev, others, ret_path);
	if (r > 0) {
		*ret_path = path;
		path = NULL;
	}
	return r;
}

static int already_defined(const struct mdev *dev, struct error *err)
{
	error_set(err, STATUS_EXISTS, "Device %s on %s already defined", dev->uuid, dev->parent);
	return 1;
}

static int cannot_read(const struct mdev *dev, int r, struct error *err)
{
	return error_set(err, STATUS_FAILED, "Unable to read /" DIR_PATH "/%s: %s", dev->parent,
			 error_words(-r));
}

int defined_check_new(const struct env *env, const struct mdev *dev, struct defined_others *others,
		      struct error *err)
{
	_cleanup_free_ char *path = NULL;

	int r = find_file(env, dev, others, &path);
	return r > 0 ? already_defined(dev, err) : r < 0 ? cannot_read(dev, r, err) : 0;
}

int defined_is(const struct env *env, const struct mdev *dev, const char *text, struct error *err)
{
	_cleanup_definition_ struct definition there = { 0 };

	int r = defined_get(env, dev, NULL, &there);
	if (r < 0)
		return cannot_read(dev, r, err);
	if (there.unreadable)
		return definition_check(&there, err);
	if (r == 0 || there.broken)
		return r > 0 && !*text;
	_cleanup_free_ char *now = json_definition_text(&there.dev);
	return strcmp(now, text) == 0;
}

/* Appends a definition, which is moved. */
static void add(struct definition_list *list, const struct definition *definition)
{
	list->v = mem_room(list->v, list->n, sizeof(*list->v));
	list->v[list->n++] = *definition;
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

/* A file that defines a device of a parent. */
struct named {
	char uuid[UUID_SIZE];
	const char *name; /* borrowed */
};

/* Sorts by UUID; of several files with one UUID, the one that is used comes first. */
static int by_uuid(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	int order = strcmp(a->uuid, b->uuid);

	if (order)
		return order;
	if (uuid_is_canonical(a->name) || uuid_is_canonical(b->name))
		return uuid_is_canonical(a->name) ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Reads all definitions in the directory of a parent, which is interned. */
static void scan_dir(const struct env *env, const char *parent, struct definition_list *ret)
{
	_cleanup_free_ char *path = path_of_parent(parent);
	_cleanup_names_ struct file_names names = { 0 };
	size_t n = 0;

	_cleanup_close_ int fd = file_open_dir(env->root, path);
	int r = file_scan(fd, NULL, &names);
	if (r < 0 && !file_is_missing(-r)) /* removed, or not a directory: not a parent */
		add_unseen(ret, path, r);
	_cleanup_free_ struct named *files = mem_grow(NULL, (size_t)names.n + 1, sizeof(*files));
	bool renamed = false;
	for (int i = 0; i < names.n; i++)
		if (is_definition(parent, names.v[i], files[n].uuid)) {
			files[n].name = names.v[i]->d_name;
			renamed = renamed || !uuid_is_canonical(files[n].name);
			n++;
		}
	if (renamed) /* otherwise, they are sorted */
		qsort(files, n, sizeof(*files), by_uuid);
	for (size_t i = 0; i < n; i++) {
		const struct named *file = &files[i];
		struct definition one = of_device(parent, file->uuid);

		if (i > 0 && strcmp(file->uuid, files[i - 1].uuid) == 0) {
			log_warning("Ignoring /" DIR_PATH "/%s/%s: another file defines %s", parent,
				    file->name, file->uuid);
			continue;
		}
		int found = load(fd, file->name, &one);
		if (found > 0) { /* not removed since the scan */
			add(ret, &one);
		} else if (found < 0) {
			_cleanup_free_ char *where = path_of_file(parent, file->name);
			add_unseen(ret, where, found);
		}
	}
}

/* With canonical, only the canonical name of the UUID is looked for. */
static void find_in_parent(const struct env *env, const char *parent, const char *uuid,
			   bool canonical, struct definition_list *ret)
{
	_cleanup_free_ char *path = path_of_parent(parent);
	struct definition found;

	if (!uuid) {
		scan_dir(env, mem_intern(parent), ret);
		return;
	}
	const struct definition wanted = of_device(mem_intern(parent), uuid);
	int r = canonical ? open_canonical(env, &wanted.dev, &found)
			  : defined_get(env, &wanted.dev, NULL, &found);
	if (r > 0)
		add(ret, &found);
	if (r < 0)
		add_unseen(ret, path, r);
}

/* Whether an entry of DIR_PATH is a directory, or a link to one (stow links whole directories). */
static bool is_directory(const struct env *env, const char *name, struct definition_list *ret)
{
	_cleanup_free_ char *path = path_of_parent(name);
	char uuid[UUID_SIZE];
	struct stat st;

	int r = file_status(env->root, path, &st);
	if (r == 0 && S_ISDIR(st.st_mode))
		return true;
	if (r == 0 && is_meant(name, uuid)) /* its user is told where it belongs */
		log_warning("Ignoring /" DIR_PATH "/%s: a definition belongs in the directory of "
			    "its parent, /" DIR_PATH "/PARENT/%s",
			    name, uuid);
	else if (r < 0 && !file_is_missing(-r) && r != -ELOOP)
		add_unseen(ret, path, r);
	else if (r < 0 && exists(env->root, path) > 0)
		log_warning("Ignoring /%s: %s", path, reason(r));
	return false;
}

/* except: see defined_find_elsewhere(); NULL = none */
static void find(const struct env *env, const struct filter *filter, const char *except,
		 struct definition_list *ret)
{
	_cleanup_names_ struct file_names parents = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, DIR_PATH);
	/* With parent and UUID, the path is known, also if the directory cannot be listed. */
	if (filter->parent && (fd >= 0 || filter->uuid)) {
		if (is_directory(env, filter->parent, ret))
			find_in_parent(env, filter->parent, filter->uuid, false, ret);
		return;
	}
	int r = file_scan(fd, NULL, &parents);
	if (r < 0 && r != -ENOENT)
		add_unseen(ret, DIR_PATH, r);
	for (int i = 0; i < parents.n; i++) {
		const char *name = parents.v[i]->d_name;

		if (name_valid(name) &&
		    (!parent_name_valid(name) || (except && strcmp(name, except) == 0)))
			continue;
		if (parents.v[i]->d_type != DT_DIR && !is_directory(env, name, ret))
			continue;
		if (name_valid(name))
			find_in_parent(env, name, filter->uuid, except != NULL, ret);
		else
			log_warning("Ignoring a directory in /" DIR_PATH
				    ": its name is not a valid parent name");
	}
}

void defined_find(const struct env *env, const struct filter *filter, struct definition_list *ret)
{
	find(env, filter, NULL, ret);
}

void defined_find_elsewhere(const struct env *env, const struct mdev *dev,
			    struct definition_list *ret)
{
	struct filter filter = { dev->uuid, NULL };

	find(env, &filter, dev->parent, ret);
}

/* The change has been made: that a power failure may revert it is a warning, not an error. */
static void sync_dir(const struct env *env, const char *dir)
{
	int r = file_sync_dir(env->root, dir);

	if (r < 0)
		log_warning("Unable to sync /%s, so a power failure may revert this change: %s",
			    dir, strerror(-r));
}

int defined_check_link(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	char target[PATH_MAX];

	int r = find_file(env, dev, NULL, &path);
	/* Not a link; other errors are reported when the file is written. */
	if (r <= 0 || file_read_link(env->root, path, target) < 0)
		return 0;
	return error_set(err, STATUS_FAILED, "/%s is a symbolic link; modify its target %s instead",
			 path, target);
}

/* Removes the files of a device that have other names. Returns their number, or -errno. */
static int remove_others(const struct env *env, const struct mdev *dev,
			 struct defined_others *others)
{
	char uuid[UUID_SIZE];
	int removed = 0;

	int r = list_others(env, dev->parent, false, others);
	for (int i = 0; r == 0 && i < others->files.n; i++) {
		const char *name = others->files.v[i]->d_name;

		if (!uuid_read(name, uuid) || strcmp(uuid, dev->uuid) != 0)
			continue;
		_cleanup_free_ char *path = path_of_file(dev->parent, name);
		if (unlinkat(env->root, path, 0) == 0)
			removed++;
		else if (errno != ENOENT)
			r = -errno;
	}
	return r < 0 ? r : removed;
}

/* A file with another name is renamed to the canonical one first, so that its mode and owner are
 * inherited. For a new definition, the caller has looked for one. */
static int write_file(const struct env *env, const struct mdev *dev, bool new,
		      struct defined_others *others, const char *path, const char *text)
{
	_cleanup_free_ char *old = NULL,
			    *temporary = mem_printf(DIR_PATH "/%s/" TEMPORARY_PREFIX "%d",
						    dev->parent, getpid());

	if (new)
		return file_replace(env->root, temporary, path, text, true);
	int r = find_file(env, dev, NULL, &old);
	if (r < 0)
		return r;
	if (r > 0 && strcmp(old, path) != 0 && renameat(env->root, old, env->root, path) < 0)
		return -errno;
	r = file_replace(env->root, temporary, path, text, false);
	if (r == 0)
		(void)remove_others(env, dev, others); /* readers ignore the remaining files */
	return r;
}

int defined_put(const struct env *env, const struct mdev *dev, bool new,
		struct defined_others *others, struct error *err)
{
	_cleanup_free_ char *text = json_definition_text(dev),
			    *path = path_of_file(dev->parent, dev->uuid),
			    *dir = path_of_parent(dev->parent);

	if (mdev_check_attrs(dev, err) < 0)
		return -1;
	if (strlen(text) > FILE_LIMIT) /* it would be too large to be read */
		return error_set(err, STATUS_INVALID,
				 "The definition of %s on %s would be too large", dev->uuid,
				 dev->parent);
	if (!new &&defined_check_link(env, dev, err) < 0)
		return -1;
	bool made = mkdirat(env->root, dir, 0755) == 0;
	int r = made || errno == EEXIST ? 0 : -errno;
	if (r == 0)
		r = write_file(env, dev, new, others, path, text);
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
	if (r == -ENOENT && exists(env->root, dir) > 0)
		return error_set(err, STATUS_FAILED, "/%s is a %s", dir, reason(r));
	return error_set(err, STATUS_FAILED, "Unable to write /%s: %s", path, error_words(-r));
}

int defined_drop(const struct env *env, const struct mdev *dev, struct defined_others *others,
		 struct error *err)
{
	_cleanup_free_ char *dir = path_of_parent(dev->parent),
			    *path = path_of_file(dev->parent, dev->uuid);

	/* Remove the canonical file last, as it is the one that is used. */
	int r = remove_others(env, dev, others);
	if (r >= 0 && unlinkat(env->root, path, 0) < 0 && (errno != ENOENT || r == 0))
		r = -errno;
	if (r < 0)
		return error_set(err, r == -ENOENT ? STATUS_NOT_FOUND : STATUS_FAILED,
				 "Failed to remove file /%s: %s", path, error_words(-r));
	/* Fails if other definitions remain. An empty directory would make the udev rule start a
	 * unit for a parent without devices. */
	bool removed = unlinkat(env->root, dir, AT_REMOVEDIR) == 0;
	sync_dir(env, removed ? DIR_PATH : dir);
	return 0;
}
