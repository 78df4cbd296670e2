/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * Messages that the kernel logs during an operation: drivers log why they reject it, while sysfs
 * only returns an error number (kernel documentation, ABI/testing/dev-kmsg).
 */

/* Opens the kernel log. Returns the fd (owned by the caller), or -1 if it is not accessible: for
 * the other functions, nothing has been logged then. */
int kmsg_open(int root);

/* Skips all messages that have been logged so far, and returns the log as kmsg_open() does, but not
 * owned: it is opened once, which takes as long as several other calls, for all devices that the
 * process starts. */
int kmsg_mark(int root);

/* Maximum length of a kernel log message. */
#define KMSG_SIZE 1024

/* Returns the last kernel message about the device or its parent since the mark, or "" if there is
 * none. Reads a limited number of messages, as others may be logged all the time. Does not allocate
 * memory, as the device may still have to be removed. Messages written by processes, and messages
 * that merely contain a name, are ignored, as local users can create them. */
void kmsg_last(int fd, const char *uuid, const char *parent, char ret[KMSG_SIZE]);

/* Whether a kernel message explains nothing: that a device joins or leaves a group is logged
 * whenever one is created or removed. */
bool kmsg_is_routine(const char *text);

/* Reads the next records, or "" if they were overwritten meanwhile. Returns false at the end. */
#define KMSG_RECORDS (8192 + 1) /* the limit of the kernel is 8 KiB */
bool kmsg_read(int fd, char ret[KMSG_RECORDS]);

/* Returns TEXT of "PRIORITY,SEQUENCE,TIME,FLAGS;TEXT"; NULL = it is no message of a driver. */
const char *kmsg_text(const char *line);
