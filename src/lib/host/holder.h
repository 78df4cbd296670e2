/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/env.h"

/*
 * Finds the process that uses a running device. A guest keeps its VFIO group open, /dev/vfio/GROUP,
 * which the kernel allows only one process to open; removing the device would block until the guest
 * ends (kernel documentation, driver-api/vfio.rst). libvirt opens the group to check that no guest
 * uses it, and keeps it open while it runs "mdevctl stop": a group that this process or one of its
 * ancestors has open counts as use only if it is attached to a container or an iommufd.
 */

/* Returns the process that uses the device, e.g. "qemu-system-x86 (PID 4711)" (owned by the
 * caller), or NULL if there is none, as far as this process can see. */
char *holder_find(const struct env *env, const char *uuid);
