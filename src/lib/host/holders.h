/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "host/env.h"

/*
 * Finds the processes that use devices, for all devices in a single pass over /proc, for reports.
 * It does not open device nodes (unlike holder_find(), which is used before a device is stopped):
 * only one process can have a group open, so opening it at the wrong moment would prevent a guest
 * from starting.
 */
struct holder {
	int dirfd;	  /* borrowed */
	const char *path; /* borrowed: the sysfs directory of the device, relative to dirfd */

	/* Set by holders_find(). */
	char *group;	    /* owned: "/dev/vfio/7"; NULL = the device has no group */
	char *node;	    /* owned: "/dev/vfio/devices/vfio7"; NULL = it has no node of its own */
	enum answer in_use; /* UNKNOWN: no user was found, but not all processes are visible */
	int pid;	    /* the process that uses it; 0 = unknown */
	char *command;	    /* owned: name of the process, printable; NULL = unknown */
	char *guest; /* owned: name of the guest if the process is QEMU, printable; NULL = unknown
		      */
};

/* Handles n devices at once; the file descriptors of each process are listed at most once. Without
 * walk, only the device nodes are determined. */
void holders_find(const struct env *env, struct holder *holders, size_t n, bool walk);

/* Frees what holders_find() has set. */
void holders_free(struct holder *holders, size_t n);

/* Whether a file descriptor of a process only refers to a file (O_PATH), which does not use it.
 * proc is /proc; pid and fd are names in it. */
bool holders_is_name(int proc, const char *pid, const char *fd);
