/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "holder.h"
#include "mem.h"

/* Since Linux 6.6 a device may have a node of its own, /dev/vfio/devices/vfioN. */
static char *device_node(const struct env *env, const char *uuid)
{
	_cleanup_names_ struct file_names names = { 0 };
	_cleanup_free_ char *path = mem_printf("sys/bus/mdev/devices/%s/vfio-dev", uuid);

	if (file_scan(env->root, path, &names) < 0 || names.n == 0)
		return NULL;
	return mem_printf("%s/dev/vfio/devices/%s", env->root_path, names.v[0]->d_name);
}

static char *group_node(const struct env *env, const char *uuid)
{
	_cleanup_free_ char *path = mem_printf("sys/bus/mdev/devices/%s/iommu_group", uuid);
	char group[PATH_MAX];

	ssize_t n = readlinkat(env->root, path, group, sizeof(group) - 1);
	if (n <= 0)
		return NULL;
	group[n] = '\0';
	const char *slash = strrchr(group, '/');
	return mem_printf("%s/dev/vfio/%s", env->root_path, slash ? slash + 1 : group);
}

/* Whether one of the process's descriptors, /proc/PID/fd, is of this name. */
static bool has_open(int proc, const char *pid, const char *name)
{
	_cleanup_names_ struct file_names fds = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/fd", pid);
	char target[PATH_MAX];

	_cleanup_close_ int dir = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || file_scan(dir, ".", &fds) < 0)
		return false;
	for (int i = 0; i < fds.n; i++) {
		ssize_t n = readlinkat(dir, fds.v[i]->d_name, target, sizeof(target) - 1);
		if (n > 0 && (size_t)n == strlen(name) && memcmp(target, name, (size_t)n) == 0)
			return true;
	}
	return false;
}

/* The first process that has something of this name open. */
static char *find_process(int proc, const char *name)
{
	_cleanup_names_ struct file_names pids = { 0 };
	char comm[64];

	if (!name || file_scan(proc, ".", &pids) < 0)
		return NULL;
	for (int i = 0; i < pids.n; i++) {
		const char *pid = pids.v[i]->d_name;

		if (*pid < '1' || *pid > '9' || !has_open(proc, pid, name))
			continue;
		_cleanup_free_ char *path = mem_printf("%s/comm", pid);
		if (file_read_attr(proc, path, comm, sizeof(comm)) < 0)
			continue; /* it ended just now */
		return mem_printf("%s (PID %s)", comm, pid);
	}
	return NULL;
}

char *holder_find(const struct env *env, const char *uuid)
{
	_cleanup_free_ char *group = group_node(env, uuid), *node = device_node(env, uuid);

	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = group ? open(group, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
	bool busy = group && fd < 0 && errno == EBUSY;
	char *who = proc < 0 ? NULL : node ? find_process(proc, node) : NULL;

	if (who || !busy)
		return who;
	if (proc >= 0)
		who = find_process(proc, group);
	/* The group closed, the device still open: its descriptor does not tell which device. */
	if (!who && proc >= 0)
		who = find_process(proc, "anon_inode:[vfio-device]");
	return who ? who
		   : mem_printf("a process that cannot be seen from here (%s is busy)", group);
}
