/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "active.h"
#include "file.h"
#include "kmsg.h"
#include "log.h"
#include "mem.h"
#include "near.h"

#define DEVICES "sys/bus/mdev/devices"
#define PARENTS "sys/class/mdev_bus"

/* Copies the nth component from the end (1 = last) of a link's target. False: it has none. */
static bool component(const char *path, unsigned nth, char ret[NAME_MAX + 1])
{
	const char *end = path + strlen(path), *start;

	for (;; end = start - 1) {
		for (start = end; start > path && start[-1] != '/';)
			start--;
		if (--nth == 0 || start == path)
			break;
	}
	size_t n = (size_t)(end - start);
	if (nth > 0 || n == 0 || n > NAME_MAX)
		return false;
	memcpy(ret, start, n);
	ret[n] = '\0';
	return name_valid(ret);
}

static bool read_link(int dirfd, const char *path, unsigned nth, char ret[NAME_MAX + 1])
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, path, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return component(target, nth, ret);
}

/* Two links tell all: UUID -> .../PARENT/UUID and UUID/mdev_type -> ../mdev_supported_types/TYPE.
 */
static bool read_device(int dirfd, const char *uuid, struct mdev *ret)
{
	char parent[NAME_MAX + 1], type[NAME_MAX + 1], path[UUID_SIZE + sizeof("/mdev_type")];

	snprintf(path, sizeof(path), "%s/mdev_type", uuid);
	if (!read_link(dirfd, uuid, 2, parent) || !read_link(dirfd, path, 1, type))
		return false;
	*ret = (struct mdev){ .active = true };
	memcpy(ret->uuid, uuid, UUID_SIZE);
	memcpy(ret->parent, parent, sizeof(parent));
	memcpy(ret->type, type, sizeof(type));
	return true;
}

bool active_get(const struct env *env, const char *uuid, struct mdev *ret)
{
	_cleanup_close_ int fd = openat(env->root, DEVICES, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && read_device(fd, uuid, ret);
}

static bool is_running(const struct env *env, const struct mdev *dev)
{
	struct mdev running;

	return active_get(env, dev->uuid, &running) && strcmp(running.parent, dev->parent) == 0 &&
	       strcmp(running.type, dev->type) == 0;
}

/* Who starts a device holds a lock until its attributes are written, so that nobody hands it to a
 * guest before. It is on a file that only root can open: no user can stop us with it. Returns the
 * fd, or -1 if there is no parent to lock. */
static int lock_type(const struct env *env, const struct mdev *dev)
{
	_cleanup_free_ char *path =
		mem_printf(PARENTS "/%s/mdev_supported_types/%s/create", dev->parent, dev->type);
	int fd = openat(env->root, path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	int r = fd < 0 ? 0 : file_lock(fd, env->lock_limit);
	if (r < 0) /* better an old lock passed over than a device not started */
		log_debug("No lock on /%s: %s", path, strerror(-r));
	return fd;
}

bool active_runs(const struct env *env, const struct mdev *dev)
{
	if (!is_running(env, dev))
		return false;
	_cleanup_close_ int fd = lock_type(env, dev);
	return fd < 0 || is_running(env, dev); /* a refused attribute may have ended it */
}

static void add(int dirfd, const char *uuid, const char *parent, struct mdev_list *ret)
{
	struct mdev *dev = mdev_list_add(ret);

	if (!read_device(dirfd, uuid, dev) || (parent && strcmp(dev->parent, parent) != 0))
		ret->n--;
}

void active_find(const struct env *env, const struct filter *filter, struct mdev_list *ret)
{
	_cleanup_names_ struct file_names names = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, DEVICES);
	if (fd >= 0 && filter->uuid) {
		add(fd, filter->uuid, filter->parent, ret);
		return;
	}
	int r = fd < 0 ? fd : file_scan(fd, ".", &names);
	if (r < 0) {
		if (r != -ENOENT)
			log_warning("Unable to read /" DEVICES ": %s", strerror(-r));
		return;
	}
	for (int i = 0; i < names.n; i++) {
		if (uuid_is_canonical(names.v[i]->d_name))
			add(fd, names.v[i]->d_name, filter->parent, ret);
		else
			log_warning("Can't determine uuid for '%s' in /" DEVICES,
				    names.v[i]->d_name);
	}
	mdev_list_sort(ret);
}

/* Appends the name in a directory that was probably meant by word, if there is one. */
static void suggest(int dirfd, const char *path, const char *word, struct error *err)
{
	_cleanup_names_ struct file_names names = { 0 };
	struct near near = { .word = word };

	(void)file_scan(dirfd, path, &names); /* what cannot be read suggests nothing */
	for (int i = 0; i < names.n; i++)
		near_try(&near, names.v[i]->d_name);
	_cleanup_free_ char *question = near_question(&near);
	error_append(err, "%s", question);
}

static int no_parent(const struct env *env, const char *parent, struct error *err)
{
	error_set(err, STATUS_NOT_FOUND, "Unable to find parent device '%s'", parent);
	suggest(env->root, PARENTS, parent, err);
	return -1;
}

static int already_active(const struct mdev *dev, const struct mdev *running, struct error *err)
{
	if (strcmp(dev->parent, running->parent) != 0)
		return error_set(err, STATUS_EXISTS, "Device exists under different parent");
	if (strcmp(dev->type, running->type) != 0)
		return error_set(err, STATUS_EXISTS, "Device exists with different type");
	return error_set(err, STATUS_EXISTS, "Device already exists");
}

static int not_registered(const struct mdev *dev, struct error *err)
{
	return error_set(err, STATUS_NOT_FOUND,
			 "Parent %s is not currently registered for mdev support", dev->parent);
}

/* Opens the directory of the type below the parent, or says which of them is missing. */
static int open_type(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *parent = mem_printf(PARENTS "/%s", dev->parent);

	_cleanup_close_ int parent_fd = openat(env->root, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return no_parent(env, dev->parent, err);
	_cleanup_close_ int types_fd =
		openat(parent_fd, "mdev_supported_types", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (types_fd < 0)
		return not_registered(dev, err);
	_cleanup_close_ int type_fd = openat(types_fd, dev->type, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* A type is there once its files are: the kernel makes the directory first. */
	if (type_fd < 0 || faccessat(type_fd, "create", F_OK, 0) < 0) {
		error_set(err, STATUS_NOT_FOUND, "Parent %s does not support mdev type %s",
			  dev->parent, dev->type);
		if (type_fd < 0)
			suggest(types_fd, ".", dev->type, err);
		return -1;
	}
	int fd = type_fd;
	type_fd = -1;
	return fd;
}

/* How many devices are named that hold what is asked for; there may be thousands. */
#define HOLDERS_NAMED 3

/* Types often share what their parent has, so devices of other types count, too. */
static int no_instances(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_list_ struct mdev_list running = { 0 };
	struct filter filter = { NULL, dev->parent };
	size_t i;

	error_set(err, STATUS_NO_INSTANCES, "No available instances of %s on %s", dev->type,
		  dev->parent);
	active_find(env, &filter, &running);
	for (i = 0; i < running.n && i < HOLDERS_NAMED; i++)
		error_append(err, "%s%s (%s)", i == 0 ? "; running there: " : ", ",
			     running.v[i].uuid, running.v[i].type);
	if (running.n > i)
		error_append(err, " and %zu more", running.n - i);
	return -1;
}

/* Returns the fd of the type's directory, where `create` is. */
static int check(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_mdev_ struct mdev running = { 0 };
	char available[32];

	if (active_get(env, dev->uuid, &running))
		return already_active(dev, &running, err);
	_cleanup_close_ int type_fd = open_type(env, dev, err);
	if (type_fd < 0)
		return -1;
	/* A driver that does not say leaves the decision to `create`. */
	if (file_read_attr(type_fd, "available_instances", available, sizeof(available)) == 0 &&
	    strcmp(available, "0") == 0)
		return no_instances(env, dev, err);
	int fd = type_fd;
	type_fd = -1;
	return fd;
}

int active_check(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_close_ int fd = check(env, dev, err);

	return fd < 0 ? -1 : 0;
}

static int create(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_close_ int fd = check(env, dev, err);
	if (fd < 0)
		return -1;
	log_debug("Writing %s to create of %s on %s", dev->uuid, dev->type, dev->parent);
	int r = file_write_attr(fd, "create", dev->uuid);
	if (r == 0)
		return 0;
	/* Something was faster since the check: another start, or the driver that goes. */
	if (r == -EEXIST)
		return error_set(err, STATUS_EXISTS, "Device already exists");
	if (r == -EUSERS)
		return no_instances(env, dev, err);
	if (r == -ENODEV || r == -ENOENT)
		return not_registered(dev, err);
	return error_set(err, STATUS_FAILED, "Failed to create mdev %s, type %s on %s: %s",
			 dev->uuid, dev->type, dev->parent, error_words(-r));
}

static int write_attributes(int fd, const struct mdev *dev, struct error *err)
{
	for (size_t i = 0; i < dev->n_attrs; i++) {
		const struct attr *attr = &dev->attrs[i];

		log_debug("Writing '%s' to attribute %s", attr->value, attr->name);
		int r = file_write_attr(fd, attr->name, attr->value);
		if (r == -ENOENT || r == -EXDEV || r == -ELOOP || r == -ENOTDIR || r == -EISDIR)
			return error_set(err, STATUS_FAILED, "Invalid attribute '%s'", attr->name);
		if (r < 0)
			return error_set(err, STATUS_FAILED,
					 "Failed to write %s to attribute %s: %s", attr->value,
					 attr->name, error_words(-r));
	}
	return 0;
}

static int remove_device(const struct env *env, const char *uuid)
{
	_cleanup_free_ char *path = mem_printf(DEVICES "/%s", uuid);

	/* Opened first: RESOLVE_BENEATH would refuse the link that leads to it. */
	_cleanup_close_ int fd = openat(env->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : file_write_attr(fd, "remove", "1");
}

static int create_and_configure(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *path = mem_printf(DEVICES "/%s", dev->uuid);

	if (create(env, dev, err) < 0)
		return -1;
	if (dev->n_attrs == 0)
		return 0;
	_cleanup_close_ int fd = openat(env->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, STATUS_NOT_FOUND, "Device %s vanished while it was started",
				 dev->uuid);
	if (write_attributes(fd, dev, err) == 0)
		return 0;
	int r = remove_device(env, dev->uuid);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		error_append(err, "; and the device could not be removed again: %s", strerror(-r));
	return -1;
}

int active_put(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_close_ int lock_fd = lock_type(env, dev);
	_cleanup_close_ int log_fd = kmsg_open(env->root);

	(void)lock_fd; /* held to the end */
	if (create_and_configure(env, dev, err) == 0)
		return 0;
	/* The driver's own words, where it has some: sysfs tells no more than a number. */
	_cleanup_free_ char *text = kmsg_last(log_fd, dev->uuid, dev->parent);
	if (text)
		error_append(err, " (kernel: %s)", text);
	return -1;
}

int active_drop(const struct env *env, const struct mdev *dev, struct error *err)
{
	int r = remove_device(env, dev->uuid);

	if (r == -ENOENT || r == -ENODEV)
		return error_set(err, STATUS_NOT_FOUND, "Device %s is not an active mdev",
				 dev->uuid);
	if (r < 0)
		return error_set(err, STATUS_FAILED, "Failed to remove mdev %s: %s", dev->uuid,
				 error_words(-r));
	return 0;
}
