/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel logs while we ask it for something: drivers say there why they refuse, sysfs only
 * gives a number (kernel documentation, ABI/testing/dev-kmsg).
 */

/* Opens the log. Returns the fd (owned by the caller), or -1: then there is none for us. */
int kmsg_open(int root);

/* From here on: what the log has so far is passed over. */
void kmsg_mark(int fd);

/* What the kernel said last since the mark about the device or its parent (owned by the caller);
 * NULL = nothing. What processes wrote to the log is not taken, nor what merely contains a name:
 * local users can get such lines logged. */
char *kmsg_last(int fd, const char *uuid, const char *parent);
