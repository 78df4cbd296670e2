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
#include "host/holders.h"
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

/* The targets and results of a pass over all processes. */
struct walk {
	int proc;			   /* borrowed */
	const struct node *device, *group; /* borrowed */
	pid_t callers[32];		   /* this process and its ancestors */
	size_t n_callers;
	char *device_user; /* owned, like the next two: the first process that has the device node
			      open */
	char *group_user;  /* ... the group */
	char *other_user;  /* ... a device that may belong to the group */
	int caller;	   /* PID of a caller that has the group open; 0 = none */
	int caller_fd;
};

static void free_walk(struct walk *walk)
{
	free(walk->device_user);
	free(walk->group_user);
	free(walk->other_user);
}
#define _cleanup_walk_ __attribute__((cleanup(free_walk)))

/* The targets that a process has open. */
struct table {
	bool device;	   /* the device node */
	int group_fd;	   /* -1 = not the group */
	bool other_device; /* a device that was opened through some group */
	bool other_group;  /* another group */
};

static bool is_node(const struct walk *walk, const char *pid, int dir, const char *fd,
		    const char *target, const struct node *node)
{
	struct stat status;

	return node->path && strcmp(target, node->path) == 0 &&
	       file_status(dir, fd, &status) == 0 && file_is_same(&status, &node->status) &&
	       !holders_is_name(walk->proc, pid, fd);
}

/* The devices that a process has open most likely belong to the groups that it has open. */
static bool is_other_group(const struct walk *walk, int dir, const char *fd, const char *target)
{
	struct stat status;

	return strncmp(target, "/dev/vfio/", 10) == 0 && target[10] >= '0' && target[10] <= '9' &&
	       file_status(dir, fd, &status) == 0 &&
	       !(walk->group->path && file_is_same(&status, &walk->group->status));
}

/* Checks the file descriptors of a process once: any user may have hundreds of thousands of them.
 */
static struct table read_table(const struct walk *walk, const char *pid)
{
	struct table table = { .group_fd = -1 };
	_cleanup_names_ struct file_names fds = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/fd", pid);
	char target[PATH_MAX];

	_cleanup_close_ int dir = openat(walk->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || file_scan_unsorted(dir, ".", &fds) < 0)
		return table;
	for (int i = 0; i < fds.n; i++) {
		const char *fd = fds.v[i]->d_name;
		ssize_t n = readlinkat(dir, fd, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		if (strcmp(target, DEVICE_FD) == 0)
			table.other_device = true;
		else if (is_node(walk, pid, dir, fd, target, walk->device))
			table.device = true;
		else if (is_node(walk, pid, dir, fd, target, walk->group))
			table.group_fd = (int)strtol(fd, NULL, 10);
		else if (is_other_group(walk, dir, fd, target))
			table.other_group = true;
	}
	return table;
}

/* Returns the process that precedes pid in the chain of ancestors; 0 = none. */
static pid_t parent_of(int proc, pid_t pid)
{
	_cleanup_free_ char *path = mem_printf("%d/stat", (int)pid);
	char stat[PATH_MAX];

	if (file_read_attr(proc, path, stat, sizeof(stat)) < 0)
		return 0;
	const char *name_end = strrchr(stat, ')'); /* PID (NAME) STATE PARENT ..., with any NAME */
	return name_end && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/* PIDs are those in /proc, which may belong to another PID namespace than this process. */
static void find_callers(struct walk *walk)
{
	char self[16];
	ssize_t n = readlinkat(walk->proc, "self", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	for (pid_t pid = (pid_t)strtol(self, NULL, 10); pid > 0; pid = parent_of(walk->proc, pid)) {
		if (walk->n_callers == sizeof(walk->callers) / sizeof(walk->callers[0]))
			break;
		walk->callers[walk->n_callers++] = pid;
	}
}

static bool is_caller(const struct walk *walk, pid_t pid)
{
	for (size_t i = 0; i < walk->n_callers; i++)
		if (walk->callers[i] == pid)
			return true;
	return false;
}

/* Returns the name and PID of a process, or NULL if it has just ended. */
static char *describe(int proc, const char *pid)
{
	_cleanup_free_ char *path = mem_printf("%s/comm", pid);
	char comm[64];

	return file_read_attr(proc, path, comm, sizeof(comm)) < 0
		       ? NULL
		       : mem_printf("%s (PID %s)", comm, pid);
}

static void look_at(struct walk *walk, const char *pid)
{
	struct table table = read_table(walk, pid);

	if (table.device && !walk->device_user)
		walk->device_user = describe(walk->proc, pid);
	if (table.group_fd >= 0 && !walk->group_user)
		walk->group_user = describe(walk->proc, pid);
	if (table.other_device && !table.other_group && !walk->other_user)
		walk->other_user = describe(walk->proc, pid);
	pid_t number = (pid_t)strtol(pid, NULL, 10);
	if (table.group_fd >= 0 && is_caller(walk, number)) {
		walk->caller = number;
		walk->caller_fd = table.group_fd;
	}
}

static void look_at_all(struct walk *walk)
{
	_cleanup_names_ struct file_names pids = { 0 };

	find_callers(walk);
	if (file_scan_unsorted(walk->proc, ".", &pids) < 0)
		return;
	for (int i = 0; i < pids.n && !walk->device_user; i++)
		if (pids.v[i]->d_name[0] >= '1' && pids.v[i]->d_name[0] <= '9')
			look_at(walk, pids.v[i]->d_name);
}

/* Whether the group that a process has open is attached to a container or an iommufd: 1, 0, or -1
 * if this cannot be determined. The device of an unattached group cannot be opened. */
static int is_attached(pid_t pid, int fd, const struct node *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	struct stat same;

	_cleanup_close_ int process = (int)syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return -1;
	_cleanup_close_ int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy < 0 || file_status(copy, "", &same) < 0 || !file_is_same(&same, &group->status) ||
	    ioctl(copy, VFIO_GROUP_GET_STATUS, &status) < 0)
		return -1;
	return (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) != 0;
}

/* Returns the process that uses a device whose group is open, or NULL if only the caller has it
 * open. */
static char *find_user(const struct walk *walk)
{
	int attached = walk->caller ? is_attached(walk->caller, walk->caller_fd, walk->group) : 1;

	if (attached == 0)
		return NULL;
	if (attached > 0 && walk->group_user)
		return mem_text(walk->group_user);
	if (walk->other_user) /* it may have closed the group */
		return mem_text(walk->other_user);
	if (walk->caller)
		return NULL;
	return mem_printf("a process that is not visible (%s is busy)", walk->group->path);
}

char *holder_find(const struct env *env, const char *uuid)
{
	char name[NAME_MAX + 1];
	_cleanup_free_ char *dir = mem_printf(VFIO_MDEV, uuid);
	_cleanup_node_ struct node device = { 0 }, group = { 0 };

	if (vfio_device(env->root, dir, name))
		device = find_node(env, "devices/", name);
	if (vfio_group(env->root, dir, name))
		group = find_node(env, "", name);
	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = group.path ? open(group.path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
	bool busy = group.path && fd < 0 && errno == EBUSY;
	mem_close(&fd); /* at once: a guest that starts now must find the group free */
	if (!busy && !device.path)
		return NULL;
	_cleanup_walk_ struct walk walk = { .proc = proc, .device = &device, .group = &group };
	look_at_all(&walk);
	if (walk.device_user)
		return mem_text(walk.device_user);
	return busy ? find_user(&walk) : NULL;
}
