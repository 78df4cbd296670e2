/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel logs while we ask it for something: drivers say there why they refuse, sysfs only
 * gives a number (kernel documentation, ABI/testing/dev-kmsg).
 */

/* Opens the log at its end. Returns the fd (owned by the caller), or -1: then there is none for us.
 */
int kmsg_open(int root);

/* The last message since then that has one of both names in it (owned by the caller); NULL = none.
 */
char *kmsg_last(int fd, const char *name, const char *other_name);
