/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/env.h"

/*
 * Waits for devices to appear and for udev to finish processing them. In another root directory
 * (tests), or if udev is not running, there are no events: conditions are polled, and every device
 * counts as processed.
 */

struct udev;
struct udev_monitor;

struct settle {
	struct udev *udev;	      /* owned; NULL = udev is not used */
	struct udev_monitor *monitor; /* owned; NULL = not listening */
	uint64_t deadline;	      /* in the time of clock_now() */
};

/* Starts to listen for events. Call it before checking the condition for the first time. */
void settle_open(struct settle *ret, const struct env *env, unsigned seconds);
void settle_close(struct settle *settle);
#define _cleanup_settle_ __attribute__((cleanup(settle_close)))

/* Waits for an event of any device, or for a short time; the caller then checks its condition
 * again. Returns false if the time limit has expired or a termination signal is pending. */
bool settle_next(struct settle *settle);

/* Whether udev has finished processing the running device and its VFIO devices, so that
 * /dev/vfio/GROUP has the owner and mode set by rules. since (clock_now(), 0 = any time) is a time
 * at which the device did not exist yet: older information in udev is about a previous device. */
bool settle_is_done(const struct settle *settle, const struct env *env, const char *uuid,
		    uint64_t since);

/* Whether udev is currently not processing events of any device. */
bool settle_is_idle(const struct settle *settle);
