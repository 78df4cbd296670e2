/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * Structured entries for the journal, so that `journalctl MDEV_UUID=...` tells a device's whole
 * story: MDEV_UUID, MDEV_PARENT, MDEV_TYPE and MDEV_ACTION. Without a journal, and in another root,
 * nothing is sent; what people have to know is on stderr anyway.
 */

/* One change of one device, done or failed (err, NULL = done). said is what its callouts wrote to
 * stderr, a line an entry; NULL = nothing. */
void journal_change(const struct env *env, const struct mdev *dev, const char *action,
		    const struct error *err, const char *said);

/* Whether stderr is the journal (systemd.exec(5), $JOURNAL_STREAM): what is sent as a structured
 * entry would stand there twice. */
bool journal_is_stderr(const struct env *env);

/* Tells systemd what this process is doing, for `systemctl status`. */
void journal_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
