/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

/*
 * The names under which VFIO provides a running device (kernel documentation, driver-api/vfio.rst).
 * Each function takes the directory of the device in sysfs, device below dirfd, and returns 1, 0 if
 * there is no such name, or -errno.
 */

/* The directory of a mediated device, for printf(). */
#define VFIO_MDEV "sys/bus/mdev/devices/%s"

/* The number of its group: /dev/vfio/NUMBER, subsystem vfio. */
int vfio_group(int dirfd, const char *device, char ret[NAME_MAX + 1]);

/* "vfioN" if it has its own node (since Linux 6.6): /dev/vfio/devices/vfioN, subsystem vfio-dev.
 * Older kernels have such names without a node, which udev does not track. */
int vfio_device(int dirfd, const char *device, char ret[NAME_MAX + 1]);
