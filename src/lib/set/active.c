/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/holder.h"
#include "host/kmsg.h"
#include "host/mark.h"
#include "host/parent.h"
#include "set/active.h"

#define DEVICES "sys/bus/mdev/devices"

/* Reads the nth component from the end (1 = last) of the target of a link, interned. Returns 1, 0
 * if there is no such link, or -errno. */
static int read_link(int dirfd, const char *path, unsigned nth, const char **ret)
{
	char target[PATH_MAX], *slash;
	int r = file_read_link(dirfd, path, target);

	if (r < 0)
		return file_is_missing(-r) || r == -EINVAL ? 0 : r;
	for (; nth > 1 && (slash = strrchr(target, '/')); nth--)
		*slash = '\0';
	const char *name = text_base_name(target);
	if (nth > 1 || !name_valid(name))
		return 0;
	*ret = mem_intern(name);
	return 1;
}

/* Two links contain all information: UUID -> .../PARENT/UUID and UUID/mdev_type ->
 * ../mdev_supported_types/TYPE. dir, "" or DEVICES "/", leads to them. Returns as read_link(). */
static int read_device(int dirfd, const char *dir, const char *uuid, struct mdev *ret)
{
	struct mdev dev = { 0 };
	char path[sizeof(DEVICES "/") + UUID_SIZE + sizeof("/mdev_type")];

	char *end = mempcpy(mempcpy(path, dir, strlen(dir)), uuid, UUID_SIZE);
	int r = read_link(dirfd, path, 2, &dev.parent);
	if (r <= 0)
		return r;
	memcpy(end - 1, "/mdev_type", sizeof("/mdev_type"));
	r = read_link(dirfd, path, 1, &dev.type);
	if (r <= 0)
		return r;
	memcpy(dev.uuid, uuid, UUID_SIZE);
	*ret = dev;
	return 1;
}

int active_get(const struct env *env, const char *uuid, struct mdev *ret, struct error *err)
{
	int r = read_device(env->root, DEVICES "/", uuid, ret);

	if (r < 0)
		error_set(err, STATUS_FAILED, "Unable to read /" DEVICES "/%s: %s", uuid,
			  error_words(-r));
	return r < 0 ? -1 : r;
}

/* Whether it is running on this parent and with this type. Return value as for active_get(). */
static int is_running(const struct env *env, const struct mdev *dev, struct error *err)
{
	struct mdev running;

	int r = active_get(env, dev->uuid, &running, err);
	if (r <= 0)
		return r;
	return strcmp(running.parent, dev->parent) == 0 && strcmp(running.type, dev->type) == 0;
}

/* Opens the directory of the type, to be used for all accesses: each lookup of a full path in sysfs
 * takes a lock that is contended while devices are created. Returns the fd, or -errno. */
static int open_type(const struct env *env, const struct mdev *dev)
{
	_cleanup_free_ char *path =
		mem_printf(PARENT_CLASS "/%s/mdev_supported_types/%s", dev->parent, dev->type);
	int fd = openat(env->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Opens the file that creates devices. Returns the fd, or -errno. */
static int open_create(int type_fd)
{
	if (type_fd < 0)
		return type_fd;
	int fd = openat(type_fd, "create", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The byte of `create` that stands for a device: FNV-1a of its UUID, in 62 bits. */
static off_t byte_of(const char *uuid)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *uuid; uuid++)
		hash = (hash ^ (unsigned char)*uuid) * 0x100000001b3;
	return (off_t)(hash >> 2);
}

/* Locks the device against a start by a program that does not see its mark, as it has another /run,
 * for example in a container that shares /sys. Only root can open `create`, and sysfs allows this
 * only for writing. Where it cannot be locked, there is only the mark. */
static int lock_start(const struct env *env, const struct mdev *dev, int create_fd,
		      struct error *err)
{
	int r = create_fd < 0 ? 0 : file_lock_byte(create_fd, byte_of(dev->uuid), env->lock_limit);

	if (r == -ETIMEDOUT)
		return error_set(err, STATUS_TIMED_OUT,
				 "Another program has been starting device %s for more than %u s; "
				 "'fuser -v /" PARENT_CLASS
				 "/%s/mdev_supported_types/%s/create' shows "
				 "it",
				 dev->uuid, env->lock_limit, dev->parent, dev->type);
	if (r == -EINTR)
		return error_interrupted(err);
	if (r < 0)
		log_debug("Proceeding without a lock on create: %s", error_words(-r));
	return 0;
}

int active_runs(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_mark_ struct mark mark = MARK_NONE;

	int r = is_running(env, dev, err);
	if (r <= 0)
		return r;
	if (mark_find(env, dev->uuid, env->lock_limit, &mark, err) < 0)
		return -1;
	_cleanup_close_ int type_fd = open_type(env, dev);
	_cleanup_close_ int create_fd = open_create(type_fd);
	if (lock_start(env, dev, create_fd, err) < 0) /* by a program with another /run */
		return -1;
	/* A rejected attribute may have removed it. */
	return mark.set ? 0 : is_running(env, dev, err);
}

static void add(int dirfd, const char *uuid, const char *parent, struct mdev_list *ret)
{
	struct mdev *dev = mdev_list_add(ret);

	int r = read_device(dirfd, "", uuid, dev);
	if (r <= 0 || (parent && strcmp(dev->parent, parent) != 0))
		ret->n--;
	if (r < 0)
		text_append(&ret->unseen, "; ", "Unable to read /" DEVICES "/%s: %s", uuid,
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
	int r = file_scan_unsorted(fd, NULL, &names);
	if (r < 0) {
		if (r != -ENOENT)
			text_append(&ret->unseen, "; ", "Unable to read /" DEVICES ": %s",
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

static int already_active(const struct mdev *dev, const struct mdev *running, struct error *err)
{
	if (strcmp(dev->parent, running->parent) != 0)
		return error_set(err, STATUS_EXISTS,
				 "Device exists under different parent: %s is running on %s, not "
				 "on %s",
				 dev->uuid, running->parent, dev->parent);
	if (strcmp(dev->type, running->type) != 0)
		return error_set(err, STATUS_EXISTS,
				 "Device exists with different type: %s is running with type %s, "
				 "not %s",
				 dev->uuid, running->type, dev->type);
	return error_set(err, STATUS_EXISTS, "Device already exists");
}

/* Returns 0 if sysfs allows to create the device, -1 with the error, or what is not available. */
static int check(const struct env *env, const struct mdev *dev, int type_fd, int create_fd,
		 struct error *err)
{
	struct mdev running;
	char available[32];

	int r = active_get(env, dev->uuid, &running, err);
	if (r != 0)
		return r < 0 ? r : already_active(dev, &running, err);
	/* A type is usable when its files exist: the kernel creates the directory first. */
	if (create_fd < 0 && file_is_missing(-create_fd))
		return ACTIVE_NO_TYPE;
	/* If the driver does not provide the number, only `create` shows it. */
	if (file_read_attr(type_fd, "available_instances", available, sizeof(available)) < 0)
		return 0;
	return strcmp(available, "0") == 0 ? ACTIVE_NO_INSTANCES : 0;
}

/* Appends the message of the driver, if any: sysfs only returns an error number. */
static void quote_kernel(const char *text, struct error *err)
{
	if (*text)
		error_append(err, " (kernel: %s)", text);
}

/* The kernel rejected (positive errno) what sysfs allowed: another start or the removal of the
 * driver may have been faster, or the driver has its own reasons. */
static int not_created(const struct mdev *dev, int error, struct error *err)
{
	if (error == EINTR)
		return error_interrupted(err);
	if (error == EEXIST) /* it may be invisible: the kernel may still be removing it */
		return error_set(err, STATUS_EXISTS, "Device already exists");
	if (error == EUSERS)
		return ACTIVE_NO_INSTANCES;
	if (error == ENODEV || error == ENOENT)
		return ACTIVE_NO_TYPE;
	return error_set(err, STATUS_FAILED, "Failed to create mdev %s, type %s on %s: %s",
			 dev->uuid, dev->type, dev->parent, error_words(error));
}

static int refused(const struct attr *attr, int error, struct error *err)
{
	if (error == ENOENT || error == EXDEV || error == ELOOP || error == ENOTDIR ||
	    error == EISDIR)
		return error_set(err, STATUS_FAILED, "Invalid attribute '%s'", attr->name);
	return error_set(err, STATUS_FAILED, "Failed to write %s to attribute %s: %s", attr->value,
			 attr->name, error_words(error));
}

#define DEVICE_PATH_SIZE (sizeof(DEVICES "/") + UUID_SIZE)

static bool is_gone(int error)
{
	return error == ENOENT || error == ENODEV;
}

/* Opens the directory of a device for file_write_attr(), as RESOLVE_BENEATH would reject the link
 * that leads to it. A new device cannot be removed without it, so a failure for lack of resources
 * is retried once. Returns the fd, or -errno. */
static int open_device(const struct env *env, const char *uuid)
{
	static const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	char path[DEVICE_PATH_SIZE];

	snprintf(path, sizeof(path), DEVICES "/%s", uuid);
	for (int tries = 2;; tries--) {
		int fd = openat(env->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		int error = errno;

		if (fd >= 0)
			return fd;
		if (is_gone(error) || tries == 1)
			return -error;
		nanosleep(&pause, NULL);
	}
}

static bool has_link(const struct env *env, const char *uuid)
{
	char path[DEVICE_PATH_SIZE], target;

	snprintf(path, sizeof(path), DEVICES "/%s", uuid);
	return readlinkat(env->root, path, &target, sizeof(target)) > 0;
}

/* Checks that the link in DEVICES no longer leads to this directory: some drivers accept the
 * removal and do nothing. Returns 0, -EEXIST, or -errno if this cannot be determined. */
static int check_gone(const struct env *env, const char *uuid, int fd)
{
	char path[DEVICE_PATH_SIZE];
	struct stat opened, named;

	snprintf(path, sizeof(path), DEVICES "/%s", uuid);
	if (fstatat(env->root, path, &named, 0) < 0)
		return is_gone(errno) ? 0 : -errno;
	if (fstat(fd, &opened) < 0)
		return -errno;
	return file_is_same(&opened, &named) ? -EEXIST : 0;
}

/* Removes exactly the device whose directory is open: another program may have created one with the
 * same UUID. Returns 0 or -errno. */
static int remove_device(const struct env *env, const char *uuid, int fd)
{
	int r = file_write_attr(fd, "remove", "1");

	if (r == -ENOMEM) /* see open_device() */
		r = file_write_attr(fd, "remove", "1");
	return r < 0 ? r : check_gone(env, uuid, fd);
}

static const char *removal_words(int error)
{
	return error == EEXIST ? "its driver accepted the removal but did nothing"
			       : error_words(error);
}

/* Writes the attributes of a new device in order. On failure, the device is removed, and the mark
 * is closed before the error is set, for which there may be no memory. */
static int configure(const struct env *env, const struct mdev *dev, struct mark *mark,
		     struct error *err)
{
	const struct attr *attr = dev->attrs, *end = attr + dev->n_attrs;
	char reason[KMSG_SIZE] = "";
	bool vanished = false;

	_cleanup_close_ int fd = open_device(env, dev->uuid);
	int r = fd < 0 ? fd : 0, removed = r, kmsg = kmsg_mark(env->root);
	for (; r == 0 && attr < end; attr += r == 0) {
		log_debug("Writing '%s' to attribute %s", attr->value, attr->name);
		r = file_write_attr(fd, attr->name, attr->value);
	}
	if (r == 0)
		return 0;
	if (fd >= 0) {
		kmsg_last(kmsg, dev->uuid, dev->parent, reason); /* not of the removal */
		vanished = is_gone(-r) && faccessat(fd, "remove", F_OK, 0) < 0 && is_gone(errno);
		removed = vanished ? 0 : remove_device(env, dev->uuid, fd);
	}
	bool left = removed < 0 && !is_gone(-removed);
	if (!left)
		mark_clear(mark);
	mark_close(mark);
	if (vanished)
		error_set(err, STATUS_NOT_FOUND, "Device %s was removed while it was being started",
			  dev->uuid);
	else if (fd >= 0)
		refused(attr, -r, err);
	else if (left)
		error_set(err, STATUS_FAILED, "Unable to open device %s: %s", dev->uuid,
			  error_words(-fd));
	else
		error_set(err, STATUS_NOT_FOUND,
			  "Device %s was accepted by the kernel but does not exist: its driver did "
			  "nothing, or it was removed immediately",
			  dev->uuid);
	quote_kernel(reason, err);
	if (left)
		error_append(err, "; and the device could not be removed again: %s",
			     removal_words(-removed));
	return -1;
}

/* The mark is locked. */
static int create_and_configure(const struct env *env, const struct mdev *dev, struct mark *mark,
				struct error *err)
{
	_cleanup_close_ int type_fd = open_type(env, dev);
	_cleanup_close_ int fd = open_create(type_fd);

	if (lock_start(env, dev, fd, err) < 0)
		return -1;
	int r = check(env, dev, type_fd, fd, err);
	/* Left by a program that was killed; only --ensure removes it. */
	if (r < 0 && mark->set && err->status == STATUS_EXISTS)
		error_append(err, ", but its start was interrupted and it is incomplete: stop it, "
				  "or start it with --ensure");
	if (r != 0)
		return r;
	log_debug("Writing %s to create of %s on %s", dev->uuid, dev->type, dev->parent);
	if (fd < 0)
		return not_created(dev, -fd, err);
	if (mark_set(mark, err) < 0)
		return -1;
	int kmsg = kmsg_mark(env->root);
	r = file_write_value(fd, dev->uuid);
	mem_close(&type_fd); /* configure() may need its file descriptor */
	if (r < 0) {
		char reason[KMSG_SIZE];

		mark_clear(mark);
		kmsg_last(kmsg, dev->uuid, dev->parent, reason);
		r = not_created(dev, -r, err);
		quote_kernel(reason, err);
		return r;
	}
	/* Without attributes, its link is sufficient: following it takes several times as long. */
	if (!(dev->n_attrs == 0 && has_link(env, dev->uuid)) && configure(env, dev, mark, err) < 0)
		return -1;
	mark_clear(mark);
	return 0;
}

int active_put(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_mark_ struct mark mark = MARK_NONE;
	struct mdev running;

	if (mdev_check_attrs(dev, err) < 0 || mark_take(env, dev->uuid, &mark, err) < 0)
		return -1;
	if (mark.set && read_device(env->root, DEVICES "/", dev->uuid, &running) == 0)
		mark_clear(&mark); /* the device has been removed since */
	return create_and_configure(env, dev, &mark, err);
}

/* Scripts take time: another program may have replaced the device by one that only has its UUID. */
static int drop(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_close_ int fd = open_device(env, dev->uuid);

	int running = fd < 0 ? 0 : is_running(env, dev, err);
	if (running < 0)
		return -1;
	int r = fd < 0 ? fd : running ? remove_device(env, dev->uuid, fd) : -ENODEV;
	if (is_gone(-r))
		return error_set(err, STATUS_NOT_FOUND, "Device %s is not an active mdev",
				 dev->uuid);
	if (r < 0)
		return error_set(err, STATUS_FAILED, "Error removing device %s: %s", dev->uuid,
				 removal_words(-r));
	return 0;
}

int active_drop(const struct env *env, const struct mdev *dev, struct error *err)
{
	_cleanup_error_ struct error ignored = { 0 };
	_cleanup_mark_ struct mark mark = MARK_NONE;
	struct mdev running;
	int r = drop(env, dev, err);

	/* It may have been incomplete. A locked mark belongs to a new start and is not touched. */
	if (mark_find(env, dev->uuid, 0, &mark, &ignored) == 0 &&
	    read_device(env->root, DEVICES "/", dev->uuid, &running) == 0)
		mark_clear(&mark);
	return r;
}

int active_discard(const struct env *env, const char *uuid, struct mdev *ret, struct error *err)
{
	_cleanup_mark_ struct mark mark = MARK_NONE;

	if (mark_find(env, uuid, env->lock_limit, &mark, err) < 0)
		return -1;
	if (!mark.set)
		return 0;
	int r = active_get(env, uuid, ret, err);
	if (r == 0)
		mark_clear(&mark);
	if (r <= 0)
		return r;
	_cleanup_free_ char *use = NULL;
	if (holder_find(env, uuid, 0, &use) != ANSWER_NO)
		return error_set(err, STATUS_IN_USE,
				 "The start of device %s was interrupted and it is incomplete, but "
				 "it %s",
				 uuid, use);
	if (drop(env, ret, err) < 0 && err->status != STATUS_NOT_FOUND)
		return -1;
	error_clear(err);
	mark_clear(&mark);
	return 1;
}
