/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "host/env.h"

/*
 * Who uses which devices, found for all of them in one walk over /proc, for reports. No device node
 * is opened (holder_find() does, to stop one): only one process can have a group open, and a look
 * at the wrong moment would make a guest fail to start.
 */
struct holder {
	const char *path; /* borrowed: the device's directory in sysfs, below the root */

	/* Filled by holders_find(). */
	char *group;	    /* owned: "/dev/vfio/7"; NULL = the device has none */
	char *node;	    /* owned: "/dev/vfio/devices/vfio7"; NULL = it has none of its own */
	enum answer in_use; /* UNKNOWN: nobody is known, but not all processes can be seen */
	int pid;	    /* who uses it; 0 = not known */
	char *command;	    /* owned: the process's name, printable; NULL = not known */
	char *guest; /* owned: the guest's name if that is QEMU, printable; NULL = not known */
};

/* Asks for n devices at once; each process's descriptors are listed once at most. */
void holders_find(const struct env *env, struct holder *holders, size_t n);

/* Releases what holders_find() filled in. */
void holders_free(struct holder *holders, size_t n);

/* Whether a descriptor of a process only names a file (O_PATH), which uses nothing. proc is /proc,
 * pid and fd are names in it. */
bool holders_is_name(int proc, const char *pid, const char *fd);
