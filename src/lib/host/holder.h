/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * Finds the processes that use devices, in a single pass over /proc. A guest has the VFIO group of
 * its device open, /dev/vfio/GROUP, or the device's own node, /dev/vfio/devices/vfioN; removing the
 * device would block until the guest closes it (kernel documentation, driver-api/vfio.rst). What
 * cannot be seen is never taken for "not in use". A guest that opens the device during or after the
 * pass is not seen.
 */
struct holder {
	const char *path; /* borrowed: the sysfs directory of the device, below the root */

	/* Set by holder_find_all(). */
	char *group;	    /* owned: "/dev/vfio/7"; NULL = the device has no group */
	char *node;	    /* owned: "/dev/vfio/devices/vfio7"; NULL = it has no node of its own */
	enum answer in_use; /* UNKNOWN: no user was found, but there may be one */
	unsigned pid;	    /* the process that uses it; 0 = unknown */
	int group_fd;	    /* its descriptor of the group; -1 = it has the device itself open */
	char *command;	    /* owned: name of the process, printable; NULL = unknown */
	char *guest;	    /* owned: name of the guest if it is QEMU, printable; NULL = unknown */
};

/* Finds the users of n devices, for reports. The file descriptors of each process are listed at
 * most once, and no device node is opened: only one process can have a group open, so opening it at
 * the wrong moment would prevent a guest from starting. Without walk, only finds the nodes. */
void holder_find_all(const struct env *env, struct holder *holders, size_t n, bool walk);

/* Frees and resets what holder_find_all() has set. */
void holder_free_all(struct holder *holders, size_t n);

/* Returns how a device is used, as words that follow its name (owned by the caller), with the guest
 * or else the process: "is in use by vm7 (PID 4711)"; NULL = no user is known. */
char *holder_words(const struct holder *holder);

/* Whether a running device that is to be removed is in use. *ret_words (owned by the caller) is set
 * to words that follow its name: "is in use by vm7 (PID 4711)", or if this cannot be determined,
 * "may be in use: ..." and the reason; NULL = it is not in use. This opens the group, which fails
 * while another process has it open. libvirt opens it as well to check that no guest uses it, and
 * keeps it open while it runs "mdevctl stop": a group that this process or one of its ancestors has
 * open counts as use only if it is attached to a container or an iommufd.
 *
 * As the kernel lets nobody open a group while a guest uses its device, a device whose group is
 * free is not in use even if not all processes are visible, for example in a container. The
 * processes of ordinary users, who cannot use devices but can have many files open, come last; they
 * are checked until the deadline (clock_now(); 0 = in ten seconds), but for at least one second, in
 * processor time. */
enum answer holder_find(const struct env *env, const char *uuid, uint64_t deadline,
			char **ret_words);

/* All running devices, for holder_find_all(), or to be removed one after the other: /proc is read
 * once for all of them, and again when what was found is older than a second, as a device may have
 * been opened since. */
struct holder_pass {
	const struct env *env;	/* borrowed */
	struct holder *holders; /* owned, with their paths */
	size_t n;
	uint64_t until; /* in the time of clock_now(): they are up to date; 0 = not yet */
};
void holder_pass_open(struct holder_pass *ret, const struct env *env, const struct mdev_list *list);
void holder_pass_close(struct holder_pass *pass);
#define _cleanup_holder_pass_ __attribute__((cleanup(holder_pass_close)))

/* Like holder_find(), for a device of the pass. Its group, if it has one, is opened in any case. */
enum answer holder_pass_find(struct holder_pass *pass, const char *uuid, uint64_t deadline,
			     char **ret_words);
