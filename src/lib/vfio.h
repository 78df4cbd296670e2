/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "env.h"

/*
 * Under which names VFIO hands out a running device (kernel documentation, driver-api/vfio.rst).
 * Each returns whether there is such a name.
 */

/* The number of its group: /dev/vfio/NUMBER, of subsystem vfio. */
bool vfio_group(const struct env *env, const char *uuid, char ret[NAME_MAX + 1]);

/* "vfioN" of subsystem vfio-dev (since Linux 6.1), with a node /dev/vfio/devices/vfioN if the
 * kernel gives devices one (since Linux 6.6). */
bool vfio_device(const struct env *env, const char *uuid, char ret[NAME_MAX + 1]);
