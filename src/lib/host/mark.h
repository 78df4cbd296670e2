/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * The mark of a start in progress: /run/mdevctl/UUID, a file that only root can open, in a
 * directory that only root can list. Other users can see that a UUID has no mark. The mark is
 * locked (flock) while a program starts the device, set before the device is created, and removed
 * after its last attribute has been written. If the program is killed, the kernel releases the
 * lock, so a mark that is set but not locked means that the device is incomplete. /run is empty
 * after a reboot.
 *
 * If /run is not writable (permissions, a security module, a read-only root), there are no marks,
 * and devices are started without them, with a warning.
 */

struct mark {
	int root; /* borrowed: that of env */
	int fd;	  /* owned: holds the lock; -errno = there is no mark, and why */
	bool set;
	char path[sizeof("run/mdevctl/") + UUID_SIZE]; /* below root */
};
#define MARK_NONE ((struct mark){ .root = -1, .fd = -1 })

/* Locks the mark of this UUID, which is created if it does not exist. Waits up to lock_limit for
 * another program that holds it. ret->set is true if an earlier start was interrupted. Errors:
 * STATUS_TIMED_OUT; STATUS_FAILED (also: a termination signal is pending). */
int mark_take(const struct env *env, const char *uuid, struct mark *ret, struct error *err);

/* Locks an existing mark; if there is none, ret->fd is negative. Waits for `seconds`. */
int mark_find(const struct env *env, const char *uuid, unsigned seconds, struct mark *ret,
	      struct error *err);

/* Sets the mark, which remains if the program is killed. If there can be none, warns once. */
int mark_set(struct mark *mark, struct error *err);
/* The device is complete or has been removed: mark_close() removes the mark. */
void mark_clear(struct mark *mark);
/* Unlocks the mark, and removes it if it is not set. */
void mark_close(struct mark *mark);
#define _cleanup_mark_ __attribute__((cleanup(mark_close)))

/* Whether there may be any marks, to avoid checking many devices. */
bool mark_any(const struct env *env);

/* Whether the last start of this UUID was interrupted, so that its device, if it is there, is
 * incomplete. Does not wait: a start in progress is none that was interrupted. Returns 1 or 0, or
 * -errno if that is unknown (-EACCES: there is a mark that only root can read). */
int mark_is_left(const struct env *env, const char *uuid);
