/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "host/holder.h"
#include "host/vfio.h"

/* A device node that a process may have open. Its name alone is not sufficient: any user can create
 * a file with the same name in their own mount namespace. */
struct node {
	char *path; /* owned; NULL = the device has no such node */
	struct statx status;
};

static void free_node(struct node *node)
{
	free(node->path);
}
#define _cleanup_node_ __attribute__((cleanup(free_node)))

/* Does not query the server of the file system, which may be controlled by any user (FUSE) or be
 * unreachable (NFS). */
static bool get_status(int dirfd, const char *path, struct statx *ret)
{
	return statx(dirfd, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, ret) == 0;
}

static struct node find_node(const struct env *env, const char *dir, const char *name)
{
	struct node node = { .path = mem_printf("%s/dev/vfio/%s%s", env->root_path, dir, name) };

	if (get_status(AT_FDCWD, node.path, &node.status))
		return node;
	free(node.path);
	return (struct node){ 0 };
}

static bool is_same(const struct statx *a, const struct statx *b)
{
	if (S_ISCHR(a->stx_mode) &&
	    S_ISCHR(b->stx_mode)) /* in a container, it has a different inode */
		return a->stx_rdev_major == b->stx_rdev_major &&
		       a->stx_rdev_minor == b->stx_rdev_minor;
	return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor &&
	       a->stx_ino == b->stx_ino;
}

/* Whether a file descriptor, dir/fd in /proc/PID/fd, refers to this name, and to this node if
 * given. */
static bool is_open(int dir, const char *fd, const char *name, const struct node *node)
{
	char target[PATH_MAX];
	struct statx status;

	ssize_t n = readlinkat(dir, fd, target, sizeof(target) - 1);
	if (n <= 0 || (size_t)n != strlen(name) || memcmp(target, name, (size_t)n) != 0)
		return false;
	return !node || (get_status(dir, fd, &status) && is_same(&status, &node->status));
}

static bool has_open(int proc, const char *pid, const char *name, const struct node *node)
{
	_cleanup_names_ struct file_names fds = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/fd", pid);

	_cleanup_close_ int dir = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || file_scan(dir, ".", &fds) < 0)
		return false;
	for (int i = 0; i < fds.n; i++)
		if (is_open(dir, fds.v[i]->d_name, name, node))
			return true;
	return false;
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

/* Returns the first process that has a file with this name open; with node, only that node. */
static char *find_process(int proc, const char *name, const struct node *node)
{
	_cleanup_names_ struct file_names pids = { 0 };
	char comm[64];

	if (!name || file_scan(proc, ".", &pids) < 0)
		return NULL;
	for (int i = 0; i < pids.n; i++) {
		const char *pid = pids.v[i]->d_name;

		if (*pid < '1' || *pid > '9' || !has_open(proc, pid, name, node))
			continue;
		_cleanup_free_ char *path = mem_printf("%s/comm", pid);
		if (file_read_attr(proc, path, comm, sizeof(comm)) == 0)
			return describe(comm, pid); /* otherwise, it has just ended */
	}
	return NULL;
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
	char *who = proc < 0 ? NULL : find_process(proc, device.path, &device);

	if (who || !busy)
		return who;
	if (proc >= 0)
		who = find_process(proc, group.path, &group);
	/* The group is closed, but the device is still open: the file descriptor does not show
	 * which device. */
	if (!who && proc >= 0)
		who = find_process(proc, "anon_inode:[vfio-device]", NULL);
	return who ? who : mem_printf("a process that is not visible (%s is busy)", group.path);
}
