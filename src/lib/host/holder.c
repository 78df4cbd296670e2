/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "host/holder.h"
#include "host/vfio.h"

/* A device node that a process may have open. Its name alone is not sufficient: any user can create
 * a file with the same name in their own mount namespace. */
struct node {
	char *path; /* owned; NULL = the device has no such node */
	struct stat status;
};

static void free_node(struct node *node)
{
	free(node->path);
}
#define _cleanup_node_ __attribute__((cleanup(free_node)))

/* The same on all architectures; older C libraries do not define them. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define PID_SIZE 16

/* The name of a device descriptor in /proc/PID/fd if the device was opened through its group. */
#define DEVICE_FD "anon_inode:[vfio-device]"

static struct node find_node(const struct env *env, const char *dir, const char *name)
{
	struct node node = { .path = mem_printf("%s/dev/vfio/%s%s", env->root_path, dir, name) };

	if (file_status(AT_FDCWD, node.path, &node.status) == 0)
		return node;
	free(node.path);
	return (struct node){ 0 };
}

/* Whether a file descriptor, dir/fd in /proc/PID/fd, refers to this name, and to this node if
 * given. */
static bool is_open(int dir, const char *fd, const char *name, const struct node *node)
{
	char target[PATH_MAX];
	struct stat status;

	ssize_t n = readlinkat(dir, fd, target, sizeof(target) - 1);
	if (n <= 0 || (size_t)n != strlen(name) || memcmp(target, name, (size_t)n) != 0)
		return false;
	return !node ||
	       (file_status(dir, fd, &status) == 0 && file_is_same(&status, &node->status));
}

/* Returns the file descriptor by which a process has this name and node open, or -1. */
static int find_fd(int proc, const char *pid, const char *name, const struct node *node)
{
	_cleanup_names_ struct file_names fds = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/fd", pid);

	_cleanup_close_ int dir = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || file_scan(dir, ".", &fds) < 0)
		return -1;
	for (int i = 0; i < fds.n; i++)
		if (is_open(dir, fds.v[i]->d_name, name, node))
			return atoi(fds.v[i]->d_name);
	return -1;
}

/* The devices that a process has open most likely belong to the groups that it has open. */
static bool has_other_group(int proc, const char *pid, const struct node *group)
{
	_cleanup_names_ struct file_names fds = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/fd", pid);
	char target[PATH_MAX];
	struct stat status;

	_cleanup_close_ int dir = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || file_scan(dir, ".", &fds) < 0)
		return false;
	for (int i = 0; i < fds.n; i++) {
		ssize_t n = readlinkat(dir, fds.v[i]->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		if (strncmp(target, "/dev/vfio/", 10) == 0 && target[10] >= '0' &&
		    target[10] <= '9' && file_status(dir, fds.v[i]->d_name, &status) == 0 &&
		    !file_is_same(&status, &group->status))
			return true;
	}
	return false;
}

/* Replaces pid by that of the parent process; returns false if there is none. */
static bool go_to_parent(int proc, char pid[PID_SIZE])
{
	_cleanup_free_ char *path = mem_printf("%s/stat", pid);
	char stat[PATH_MAX];

	if (file_read_attr(proc, path, stat, sizeof(stat)) < 0)
		return false;
	const char *name_end = strrchr(stat, ')'); /* PID (NAME) STATE PARENT ..., with any NAME */
	return name_end && sscanf(name_end, ") %*c %15[0-9]", pid) == 1 && strcmp(pid, "0") != 0;
}

/* Returns the file descriptor by which this process or one of its ancestors has a node open, or
 * -1. */
static int find_caller(int proc, const struct node *node, char ret_pid[PID_SIZE])
{
	ssize_t n = readlinkat(proc, "self", ret_pid, PID_SIZE - 1);

	if (n <= 0)
		return -1;
	ret_pid[n] = '\0';
	do {
		int fd = find_fd(proc, ret_pid, node->path, node);
		if (fd >= 0)
			return fd;
	} while (go_to_parent(proc, ret_pid));
	return -1;
}

/* Whether the group that a process has open is attached to a container or an iommufd: 1, 0, or -1
 * if this cannot be determined. The device of an unattached group cannot be opened. */
static int is_attached(const char *pid, int fd, const struct node *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct stat same;

	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
	if (process < 0)
		return -1;
	_cleanup_close_ int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy < 0 || file_status(copy, "", &same) < 0 || !file_is_same(&same, &group->status) ||
	    ioctl(copy, VFIO_GROUP_GET_STATUS, &status) < 0)
		return -1;
	return (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) != 0;
}

/* Processes can set their own name, so it is not trusted. */
static char *describe(const char *comm, const char *pid)
{
	char *who = mem_printf("%s (PID %s)", comm, pid);

	for (char *p = who; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return who;
}

/* Returns the first process that has this node open; or, with a group instead, the first one that
 * has a device open that may belong to that group. */
static char *find_process(int proc, const struct node *node, const struct node *group)
{
	_cleanup_names_ struct file_names pids = { 0 };
	const char *name = node ? node->path : DEVICE_FD;
	char comm[64];

	if (!name || file_scan(proc, ".", &pids) < 0)
		return NULL;
	for (int i = 0; i < pids.n; i++) {
		const char *pid = pids.v[i]->d_name;

		if (*pid < '1' || *pid > '9' || find_fd(proc, pid, name, node) < 0 ||
		    (group && has_other_group(proc, pid, group)))
			continue;
		_cleanup_free_ char *path = mem_printf("%s/comm", pid);
		if (file_read_attr(proc, path, comm, sizeof(comm)) == 0)
			return describe(comm, pid); /* otherwise, it has just ended */
	}
	return NULL;
}

/* Returns the process that uses a device whose group is open, or NULL if only the caller has it
 * open. */
static char *find_user(int proc, const struct node *group)
{
	char caller[PID_SIZE], *who = NULL;
	int fd = find_caller(proc, group, caller);
	int attached = fd < 0 ? 1 : is_attached(caller, fd, group);

	if (attached == 0)
		return NULL;
	if (attached > 0)
		who = find_process(proc, group, NULL);
	if (!who) /* it may have closed the group */
		who = find_process(proc, NULL, group);
	if (who || fd >= 0)
		return who;
	return mem_printf("a process that is not visible (%s is busy)", group->path);
}

char *holder_find(const struct env *env, const char *uuid)
{
	char name[NAME_MAX + 1];
	_cleanup_free_ char *dir = mem_printf(VFIO_MDEV, uuid);
	_cleanup_node_ struct node device = { 0 }, group = { 0 };

	if (vfio_device(env, dir, name))
		device = find_node(env, "devices/", name);
	if (vfio_group(env, dir, name))
		group = find_node(env, "", name);
	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd =
		group.path ? open(group.path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
	bool busy = group.path && fd < 0 && errno == EBUSY;
	char *who = find_process(proc, &device, NULL);

	return who || !busy ? who : find_user(proc, &group);
}
