/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "host/env.h"

/*
 * Locks of programs against each other: flock() on hidden files in /etc/mdevctl.d, which is created
 * if it does not exist. Only root can open them, so no other user can hold them.
 */

/* The lock that all writers of definitions share, held only while writing. All readers ignore
 * hidden files in this directory: mdevctl, libvirt, ap-check. */
#define LOCK_DEFINITIONS "etc/mdevctl.d/.lock"
/* The lock of programs that bring a host to a state (apply/apply), held for the whole run. */
#define LOCK_APPLY "etc/mdevctl.d/.apply.lock"

/* Waits up to lock_limit for one of these. *ret_fd (owned) holds it until it is closed. If the file
 * system does not support locks, or the file cannot be opened or created, *ret_fd is -1 and the
 * caller proceeds; writing a definition reports any error. Errors: STATUS_TIMED_OUT if another
 * process holds the lock; STATUS_FAILED. */
int lock_take(const struct env *env, const char *path, int *ret_fd, struct error *err);
