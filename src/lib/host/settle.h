/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/env.h"

/*
 * Waiting for devices to come and for udev to be done with them. In another root (tests), or where
 * no udev runs, there is nothing to hear: conditions are looked at again from time to time, and
 * every device counts as done.
 */

struct udev;
struct udev_monitor;

struct settle {
	struct udev *udev;	      /* owned; NULL = no udev here */
	struct udev_monitor *monitor; /* owned; NULL = not listening */
	uint64_t deadline;	      /* as settle_now() */
};

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t settle_now(void);

/* Starts to listen; open it before the condition is looked at for the first time. */
void settle_open(struct settle *ret, const struct env *env, unsigned seconds);
void settle_close(struct settle *settle);
#define _cleanup_settle_ __attribute__((cleanup(settle_close)))

/* Waits until something happened to some device, or for a moment. Returns false once the time is
 * over: the caller looked at its condition for the last time. */
bool settle_next(struct settle *settle);

/* Whether udev is done with the running device, and with what VFIO made of it (then /dev/vfio/GROUP
 * has the owner and mode that rules gave it). since (settle_now(), 0 = whenever) is a moment when
 * the device was not there yet: what udev knows from before that is about another one. */
bool settle_is_done(const struct settle *settle, const struct env *env, const char *uuid,
		    uint64_t since);
