/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/*
 * The world around the programs: one directory fd below which all paths are relative, time limits,
 * and the write lock. MDEVCTL_ENV_ROOT names another root (mdevctl's variable, for tests).
 */
struct env {
	int root;		 /* owned: O_PATH fd of the root directory */
	const char *root_path;	 /* borrowed: "" or $MDEVCTL_ENV_ROOT, for exec and names that the
				    kernel gives */
	int kmsg;		 /* owned: the kernel's log; -1 = not opened */
	unsigned callout_limit;	 /* seconds a callout may run: $MDEVCTL_CALLOUT_TIMEOUT, 120 */
	unsigned notifier_limit; /* seconds a notifier may run: $MDEVCTL_NOTIFIER_TIMEOUT, 10 */
	unsigned lock_limit;	 /* seconds to wait for the lock: $MDEVCTL_LOCK_TIMEOUT, 30 */
};

int env_open(struct env *ret, struct error *err);
/* For programs that create devices: the driver's own words if one is refused. */
void env_open_kmsg(struct env *env);
void env_close(struct env *env);
#define _cleanup_env_ __attribute__((cleanup(env_close)))

/* Whether this is the machine itself and not another root: only then there is a journal or udev. */
bool env_is_host(const struct env *env);

/* Takes the lock that all writers of definitions share: flock() on /etc/mdevctl.d/.lock, which only
 * root can open. *ret_fd (owned) holds it; closing releases it. Where the file cannot be created or
 * the file system has no locks, *ret_fd is -1 and the work goes on: the write itself will fail, or
 * needs no lock. Errors: STATUS_TIMED_OUT when another writer holds it for lock_limit;
 * STATUS_FAILED. */
int env_lock(const struct env *env, int *ret_fd, struct error *err);
