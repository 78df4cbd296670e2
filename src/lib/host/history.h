/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "device/mdev.h"
#include "host/env.h"

/*
 * What the logs say about one device or one parent since the host was booted: the entries of these
 * programs (host/journal), kernel messages that contain its name, and entries of the daemons of
 * libvirt and NVIDIA that contain it. Any text may be in them, and any amount: only the newest
 * entries are kept, shortened and without control characters.
 */

#define HISTORY_ENTRIES 10

struct history_entry {
	uint64_t time;	 /* microseconds since 1970 */
	uint64_t number; /* its place in its log among entries of the same time */
	char *source;	 /* owned, printable: "mdevctl[703]", "kernel" */
	char *text;	 /* owned, printable, one line */
};

struct history {
	struct history_entry
		v[HISTORY_ENTRIES + 1]; /* oldest first; the last one is for inserting */
	size_t n;
	const char *unseen; /* static: why something may be missing; NULL = nothing is */
};

/* Reads the entries of a device (filter->uuid), or else of a parent. It ends at the deadline
 * (clock_now()), with what has been found until then. */
void history_read(const struct env *env, const struct filter *filter, uint64_t deadline,
		  struct history *ret);
void history_free(struct history *history);
#define _cleanup_history_ __attribute__((cleanup(history_free)))

/* For its sources: adds an entry, unless newer ones take all places. */
void history_add(struct history *history, uint64_t time, uint64_t number, const char *source,
		 const char *text);
