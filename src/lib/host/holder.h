/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/env.h"

/*
 * Who uses a running device. A guest holds its VFIO group, /dev/vfio/GROUP, which the kernel lets
 * only one process open; removing the device would block until the guest ends (kernel
 * documentation, driver-api/vfio.rst).
 */

/* Returns who holds the device, e.g. "qemu-system-x86 (PID 4711)" (owned by the caller), or NULL if
 * nobody does, as far as this process may know. */
char *holder_find(const struct env *env, const char *uuid);
