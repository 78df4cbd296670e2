/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "host/kmsg.h"
#include "set/active.h"

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

/* The nth component from the end of what a link points to. Returns 1, 0 if there is no such link,
 * or -errno. */
static int read_link(int dirfd, const char *path, unsigned nth, char ret[NAME_MAX + 1])
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, path, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EINVAL ? 0 : -errno;
	target[n] = '\0';
	return component(target, nth, ret);
}

/* Two links tell all: UUID -> .../PARENT/UUID and UUID/mdev_type -> ../mdev_supported_types/TYPE.
 * dir is where they are below dirfd: "" or DEVICES "/". Returns as read_link(). */
static int read_device(int dirfd, const char *dir, const char *uuid, struct mdev *ret)
{
	char parent[NAME_MAX + 1], type[NAME_MAX + 1];
	char path[sizeof(DEVICES "/") + UUID_SIZE + sizeof("/mdev_type")];

	int n = snprintf(path, sizeof(path), "%s%s", dir, uuid);
	int r = read_link(dirfd, path, 2, parent);
	if (r <= 0)
		return r;
	snprintf(path + n, sizeof(path) - (size_t)n, "/mdev_type");
	r = read_link(dirfd, path, 1, type);
	if (r <= 0)
		return r;
	*ret = (struct mdev){ .active = true };
	memcpy(ret->uuid, uuid, UUID_SIZE);
	memcpy(ret->parent, parent, sizeof(parent));
	memcpy(ret->type, type, sizeof(type));
	return 1;
}

int active_get(const struct env *env, const char *uuid, struct mdev *ret, struct error *err)
{
	int r = read_device(env->root, DEVICES "/", uuid, ret);

	if (r < 0)
		return error_set(err, STATUS_FAILED, "Unable to read /" DEVICES "/%s: %s", uuid,
				 error_words(-r));
	return r;
}

static bool is_running(const struct env *env, const struct mdev *dev)
{
	struct mdev running;

	return read_device(env->root, DEVICES "/", dev->uuid, &running) > 0 &&
	       strcmp(running.parent, dev->parent) == 0 && strcmp(running.type, dev->type) == 0;
}

/* Opens the directory of the type, for all that is asked of it: each look-up of a whole path in
 * sysfs waits for its lock, which everybody wants while devices come. Returns the fd, or -errno. */
static int open_type(const struct env *env, const struct mdev *dev)
{
	_cleanup_free_ char *path =
		mem_printf(PARENTS "/%s/mdev_supported_types/%s", dev->parent, dev->type);
	int fd = openat(env->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Opens the file that makes devices. Who starts one holds a lock on it until the attributes are
 * written, so that nobody hands the device to a guest before. Only root can open it: no user can
 * stop us with the lock. Returns the fd, or -errno. */
static int open_create(const struct env *env, int type_fd)
{
	if (type_fd < 0) /* there is no such type */
		return type_fd;
	int fd = openat(type_fd, "create", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int r = file_lock(fd, env->lock_limit);
	if (r == -EINTR) {
		mem_close(&fd);
		return r;
	}
	if (r < 0) /* better an old lock passed over than a device not started */
		log_debug("Proceeding without a lock on create: %s", strerror(-r));
	return fd;
}

bool active_runs(const struct env *env, const struct mdev *dev)
{
	if (!is_running(env, dev))
		return false;
	_cleanup_close_ int type_fd = open_type(env, dev);
	_cleanup_close_ int fd = open_create(env, type_fd);
	return fd < 0 || is_running(env, dev); /* a refused attribute may have ended it */
}

static void add(int dirfd, const char *uuid, const char *parent, struct mdev_list *ret)
{
	struct mdev *dev = mdev_list_add(ret);

	int r = read_device(dirfd, "", uuid, dev);
	if (r <= 0 || (parent && strcmp(dev->parent, parent) != 0))
		ret->n--;
	if (r < 0)
		mdev_list_note_unseen(ret, "Unable to read /" DEVICES "/%s: %s", uuid,
				      error_words(-r));
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
			mdev_list_note_unseen(ret, "Unable to read /" DEVICES ": %s",
					      error_words(-r));
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
	struct suggestion suggestion = { .word = word };

	(void)file_scan(dirfd, path, &names); /* what cannot be read suggests nothing */
	for (int i = 0; i < names.n; i++)
		suggest_try(&suggestion, names.v[i]->d_name);
	_cleanup_free_ char *question = suggest_question(&suggestion);
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

/* Whether the type is there below the parent; else says which of them is missing. */
static int check_type(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *parent = mem_printf(PARENTS "/%s", dev->parent);
	_cleanup_free_ char *create = mem_printf("%s/create", dev->type);

	_cleanup_close_ int parent_fd = openat(env->root, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return no_parent(env, dev->parent, err);
	_cleanup_close_ int fd =
		openat(parent_fd, "mdev_supported_types", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return not_registered(dev, err);
	/* A type is there once its files are: the kernel makes the directory first. */
	if (faccessat(fd, create, F_OK, 0) == 0)
		return 0;
	error_set(err, STATUS_NOT_FOUND, "Parent %s does not support mdev type %s", dev->parent,
		  dev->type);
	if (faccessat(fd, dev->type, F_OK, 0) < 0)
		suggest(fd, ".", dev->type, err);
	return -1;
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
		error_append(err, "%s%s (%s)", i == 0 ? "; running devices: " : ", ",
			     running.v[i].uuid, running.v[i].type);
	if (running.n > i)
		error_append(err, " and %zu more", running.n - i);
	return -1;
}

static int check(const struct env *env, const struct mdev *dev, int type_fd, struct error *err)
{
	struct mdev running;
	char available[32];

	int r = active_get(env, dev->uuid, &running, err);
	if (r != 0)
		return r < 0 ? r : already_active(dev, &running, err);
	/* A driver that does not say leaves the decision to `create`. */
	if (file_read_attr(type_fd, "available_instances", available, sizeof(available)) < 0)
		return check_type(env, dev, err);
	return strcmp(available, "0") == 0 ? no_instances(env, dev, err) : 0;
}

int active_check(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_close_ int type_fd = open_type(env, dev);

	return check(env, dev, type_fd, err);
}

/* Appends the driver's own words, where it has some: sysfs tells no more than a number. */
static void quote_kernel(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *text = kmsg_last(env->kmsg, dev->uuid, dev->parent);

	if (text)
		error_append(err, " (kernel: %s)", text);
}

/* The kernel refused (error, positive) what sysfs allowed: something was faster since, another
 * start or the driver that goes; or it has reasons of its own. */
static int not_created(const struct env *env, const struct mdev *dev, int error, struct error *err)
{
	if (error == EINTR)
		return error_set(err, STATUS_FAILED, "Interrupted, nothing was changed");
	if (error == EEXIST) /* perhaps unseen: the kernel may still be removing it */
		return error_set(err, STATUS_EXISTS, "Device already exists");
	if (error == EUSERS)
		return no_instances(env, dev, err);
	if (error == ENODEV || error == ENOENT)
		return not_registered(dev, err);
	return error_set(err, STATUS_FAILED, "Failed to create mdev %s, type %s on %s: %s",
			 dev->uuid, dev->type, dev->parent, error_words(error));
}

static int vanished(const struct mdev *dev, struct error *err)
{
	return error_set(err, STATUS_NOT_FOUND, "Device %s was removed while it was being started",
			 dev->uuid);
}

static int write_attributes(int fd, const struct mdev *dev, struct error *err)
{
	for (size_t i = 0; i < dev->n_attrs; i++) {
		const struct attr *attr = &dev->attrs[i];

		log_debug("Writing '%s' to attribute %s", attr->value, attr->name);
		int r = file_write_attr(fd, attr->name, attr->value);
		if ((r == -ENOENT || r == -ENODEV) && faccessat(fd, "remove", F_OK, 0) < 0)
			return vanished(dev, err);
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

/* Writes the attributes of a new device, or removes it again. */
static int configure(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *path = mem_printf(DEVICES "/%s", dev->uuid);

	if (dev->n_attrs == 0)
		return 0;
	_cleanup_close_ int fd = openat(env->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vanished(dev, err);
	kmsg_mark(env->kmsg);
	if (write_attributes(fd, dev, err) == 0)
		return 0;
	quote_kernel(env, dev, err); /* now: the removal is logged, too */
	/* This device and no other: somebody may have made one of the same UUID meanwhile. */
	int r = file_write_attr(fd, "remove", "1");
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		error_append(err, "; and the device could not be removed again: %s", strerror(-r));
	return -1;
}

int active_put(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_close_ int type_fd = open_type(env, dev);
	_cleanup_close_ int fd = open_create(env, type_fd); /* the lock, until all is written */

	if (check(env, dev, type_fd, err) < 0)
		return -1;
	log_debug("Writing %s to create of %s on %s", dev->uuid, dev->type, dev->parent);
	kmsg_mark(env->kmsg);
	int r = fd < 0 ? fd : file_write_value(fd, dev->uuid);
	if (r == 0)
		return configure(env, dev, err);
	not_created(env, dev, -r, err);
	quote_kernel(env, dev, err);
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
