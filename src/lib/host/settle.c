/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <unistd.h>

#include <libudev.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/signal.h"
#include "host/settle.h"
#include "host/vfio.h"

/* Not all conditions cause an event, for example when an instance of a vGPU becomes free. */
#define LOOK_AGAIN_MS 100

void settle_open(struct settle *ret, const struct env *env, unsigned seconds)
{
	*ret = (struct settle){ .deadline = clock_in(seconds) };
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

bool settle_next(struct settle *settle)
{
	struct pollfd fd = { .fd = -1, .events = POLLIN };
	struct udev_device *device;
	int left = clock_left(settle->deadline, LOOK_AGAIN_MS);

	if (left == 0 || signal_pending_termination())
		return false;
	if (settle->monitor)
		fd.fd = udev_monitor_get_fd(settle->monitor);
	if (poll(&fd, 1, left) > 0)
		while ((device = udev_monitor_receive_device(settle->monitor)))
			udev_device_unref(device); /* any event is sufficient */
	return true;
}

/* A device that does not exist (any longer) is not waited for. Information in udev about a previous
 * device with the same name, whose removal has not been processed yet, is ignored. */
static bool is_initialized(struct udev *udev, const char *subsystem, const char *name,
			   uint64_t since)
{
	struct udev_device *device = udev_device_new_from_subsystem_sysname(udev, subsystem, name);
	bool done =
		!device || (udev_device_get_is_initialized(device) &&
			    udev_device_get_usec_since_initialized(device) + since <= clock_now());

	udev_device_unref(device);
	return done;
}

bool settle_is_done(const struct settle *settle, const struct env *env, const char *uuid,
		    uint64_t since)
{
	_cleanup_free_ char *device = mem_printf(VFIO_MDEV, uuid);
	char name[NAME_MAX + 1];

	return !settle->udev || (is_initialized(settle->udev, "mdev", uuid, since) &&
				 (vfio_device(env->root, device, name) <= 0 ||
				  is_initialized(settle->udev, "vfio-dev", name, since)) &&
				 (vfio_group(env->root, device, name) <= 0 ||
				  is_initialized(settle->udev, "vfio", name, since)));
}

bool settle_is_idle(const struct settle *settle)
{
	struct udev_queue *queue = settle->udev ? udev_queue_new(settle->udev) : NULL;
	bool idle = !queue || udev_queue_get_queue_is_empty(queue);

	udev_queue_unref(queue);
	return idle;
}
