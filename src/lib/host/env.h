/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * The environment of the programs: a root directory fd that all paths are relative to, and time
 * limits. MDEVCTL_ENV_ROOT specifies another root directory (a variable of mdevctl, used by tests).
 */
struct env {
	int root;	       /* owned: O_PATH fd of the root directory */
	const char *root_path; /* borrowed: "" or $MDEVCTL_ENV_ROOT, as in paths from the kernel */
	/* Time limits in seconds. */
	unsigned callout_limit;	 /* $MDEVCTL_CALLOUT_TIMEOUT, default 120 */
	unsigned notifier_limit; /* $MDEVCTL_NOTIFIER_TIMEOUT, default 10 */
	unsigned lock_limit;	 /* $MDEVCTL_LOCK_TIMEOUT, default 30 */
};

int env_open(struct env *ret, struct error *err);
void env_close(struct env *env);
#define _cleanup_env_ __attribute__((cleanup(env_close)))

/* Whether this path exists below the root directory. */
bool env_has(const struct env *env, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether messages may quote a file of this owner that the user of the program has named: with
 * sudo, run0, pkexec or doas, a user can name files that only root can read. That of another user
 * is quoted only if the program was started without them. */
bool env_may_quote(uid_t owner);

/* Whether the root directory is that of the host: the journal and udev are used only then. */
bool env_is_host(const struct env *env);
