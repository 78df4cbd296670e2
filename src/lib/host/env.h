/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/*
 * The environment of the programs: a root directory fd that all paths are relative to, time limits,
 * and the lock for writers. MDEVCTL_ENV_ROOT specifies another root directory (a variable of
 * mdevctl, used by tests).
 */
struct env {
	int root;	       /* owned: O_PATH fd of the root directory */
	const char *root_path; /* borrowed: "" or $MDEVCTL_ENV_ROOT, for exec and for paths returned
				  by the kernel */
	int kmsg;	       /* owned: the kernel log; -1 = not opened */
	unsigned callout_limit;	 /* time limit of callouts in seconds: $MDEVCTL_CALLOUT_TIMEOUT,
				    default 120 */
	unsigned notifier_limit; /* time limit of notifiers in seconds: $MDEVCTL_NOTIFIER_TIMEOUT,
				    default 10 */
	unsigned lock_limit; /* time limit for the lock in seconds: $MDEVCTL_LOCK_TIMEOUT, default
				30 */
};

int env_open(struct env *ret, struct error *err);
/* For programs that create devices: opens the kernel log, which contains the driver's reason if it
 * rejects a device. */
void env_open_kmsg(struct env *env);
void env_close(struct env *env);
#define _cleanup_env_ __attribute__((cleanup(env_close)))

/* Whether the root directory is that of the host: the journal and udev are used only then. */
bool env_is_host(const struct env *env);

/* Takes the lock that all writers of definitions share: flock() on /etc/mdevctl.d, which is created
 * if it does not exist. *ret_fd (owned) holds the lock until it is closed. If the file system does
 * not support locks, or the directory cannot be read, *ret_fd is -1 and the caller proceeds;
 * writing the definition reports any error.
 * Errors: STATUS_TIMED_OUT if another process holds the lock for lock_limit; STATUS_FAILED. */
int env_lock(const struct env *env, int *ret_fd, struct error *err);

/* Likewise for the lock of programs that bring a host to a state (apply/apply), which is held for
 * the whole run: /etc/mdevctl.d/.apply.lock. */
int env_lock_apply(const struct env *env, int *ret_fd, struct error *err);
