/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <libudev.h>

#include "mem.h"
#include "settle.h"

/* Not everything that is waited for makes an event (a free instance of a vGPU, say). */
#define LOOK_AGAIN_MS 100

void settle_open(struct settle *ret, const struct env *env, unsigned seconds)
{
	*ret = (struct settle){ 0 };
	clock_gettime(CLOCK_MONOTONIC, &ret->deadline);
	ret->deadline.tv_sec += seconds;
	if (!env_is_host(env) || access("/run/udev/control", F_OK) < 0)
		return;
	ret->udev = udev_new();
	if (!ret->udev)
		return;
	ret->monitor = udev_monitor_new_from_netlink(ret->udev, "udev");
	if (ret->monitor && udev_monitor_enable_receiving(ret->monitor) < 0)
		ret->monitor = udev_monitor_unref(ret->monitor);
}

void settle_close(struct settle *settle)
{
	udev_monitor_unref(settle->monitor);
	udev_unref(settle->udev);
	*settle = (struct settle){ 0 };
}

static long milliseconds_left(const struct settle *settle)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (settle->deadline.tv_sec - now.tv_sec) * 1000 +
	       (settle->deadline.tv_nsec - now.tv_nsec) / 1000000;
}

bool settle_next(struct settle *settle)
{
	struct pollfd fd = { .fd = -1, .events = POLLIN };
	struct udev_device *device;
	long left = milliseconds_left(settle);

	if (left <= 0)
		return false;
	if (settle->monitor)
		fd.fd = udev_monitor_get_fd(settle->monitor);
	if (poll(&fd, 1, left < LOOK_AGAIN_MS ? (int)left : LOOK_AGAIN_MS) > 0)
		while ((device = udev_monitor_receive_device(settle->monitor)))
			udev_device_unref(device); /* which one does not matter: all is looked at */
	return true;
}

/* A device that is not there (any more) is nothing to wait for. */
static bool is_initialized(struct udev *udev, const char *subsystem, const char *name)
{
	struct udev_device *device = udev_device_new_from_subsystem_sysname(udev, subsystem, name);
	bool done = !device || udev_device_get_is_initialized(device);

	udev_device_unref(device);
	return done;
}

bool settle_is_done(const struct settle *settle, const struct env *env, const char *uuid)
{
	char group[PATH_MAX];
	_cleanup_free_ char *path = mem_printf("sys/bus/mdev/devices/%s/iommu_group", uuid);

	if (!settle->udev)
		return true;
	if (!is_initialized(settle->udev, "mdev", uuid))
		return false;
	ssize_t n = readlinkat(env->root, path, group, sizeof(group) - 1);
	if (n <= 0)
		return true;
	group[n] = '\0';
	const char *slash = strrchr(group, '/');
	return is_initialized(settle->udev, "vfio", slash ? slash + 1 : group);
}
