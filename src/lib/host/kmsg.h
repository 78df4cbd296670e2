/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages that the kernel logs during an operation: drivers log why they reject it, while sysfs
 * only returns an error number (kernel documentation, ABI/testing/dev-kmsg).
 */

/* Opens the kernel log. Returns the fd (owned by the caller), or -1 if it is not accessible. */
int kmsg_open(int root);

/* Skips all messages that have been logged so far. */
void kmsg_mark(int fd);

/* As long as a record of the kernel's log can be. */
#define KMSG_SIZE 1024

/* What the kernel said last since the mark about the device or its parent, "" if nothing. Allocates
 * nothing: the device that it is about may still have to be removed. What processes wrote to the
 * log is not taken, nor what merely contains a name: local users can get such lines logged. */
void kmsg_last(int fd, const char *uuid, const char *parent, char ret[KMSG_SIZE]);
