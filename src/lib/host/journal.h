/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"
#include "host/history.h"

/*
 * The journal. Writes structured entries with MDEV_UUID, MDEV_PARENT, MDEV_TYPE and MDEV_ACTION, so
 * that `journalctl MDEV_UUID=...` shows the history of a device. Without a journal, and in another
 * root directory, nothing is sent; all important messages are also printed on stderr. Built with
 * JOURNAL=no, entries are sent to syslog(3), and systemd is not notified.
 */

/* Logs a change of a device that succeeded (err NULL) or failed. output is the stderr output of its
 * callouts, which is logged one line per entry; NULL = none. */
void journal_change(const struct env *env, const struct mdev *dev, const char *action,
		    const struct error *err, const char *output);

/* Logs what was found and done before a change, with the stderr output of callouts likewise. */
void journal_warning(const struct env *env, const struct mdev *dev, const char *action,
		     const char *message, const char *output);

/* Whether stderr is connected to the journal (systemd.exec(5), $JOURNAL_STREAM): structured entries
 * must not be printed on stderr as well then. */
bool journal_is_stderr(const struct env *env);

/* Sets the status of the service that `systemctl status` shows. */
void journal_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Adds the entries about a device (filter->uuid) or else a parent since the host was booted: those
 * of these programs, and what contains its name of kernel messages and of the daemons of libvirt
 * and NVIDIA. Returns whether the journal has such messages at all: otherwise, those of the kernel
 * may be read from /dev/kmsg. */
bool journal_read(const struct env *env, const struct filter *filter, uint64_t deadline,
		  struct history *history);
