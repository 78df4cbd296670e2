/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "host/env.h"

/*
 * Under which names VFIO hands out a running device (kernel documentation, driver-api/vfio.rst),
 * given by its directory in sysfs, below the root. Each returns whether there is such a name.
 */

/* The directory of a mediated device, for printf(). */
#define VFIO_MDEV "sys/bus/mdev/devices/%s"

/* The number of its group: /dev/vfio/NUMBER, of subsystem vfio. */
bool vfio_group(const struct env *env, const char *device, char ret[NAME_MAX + 1]);

/* "vfioN" if it has a node of its own (since Linux 6.6): /dev/vfio/devices/vfioN, of subsystem
 * vfio-dev. Older kernels have such names without a node, of which udev keeps no record. */
bool vfio_device(const struct env *env, const char *device, char ret[NAME_MAX + 1]);
