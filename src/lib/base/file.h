/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Files below a directory fd. Every function returns 0 (or what it says) or -errno; callers know
 * the names and make the sentence.
 */

/* The largest definition, sysfs attribute or script answer that is read. */
#define FILE_LIMIT ((size_t)1024 * 1024)

/* The entries of a directory but "." and "..", in byte order; d_type may be DT_UNKNOWN. */
struct file_names {
	struct dirent **v; /* owned */
	int n;
};
int file_scan(int dirfd, const char *path, struct file_names *ret);
void file_names_free(struct file_names *names);
#define _cleanup_names_ __attribute__((cleanup(file_names_free)))

/* Opens a directory for *at() calls. Returns the fd (owned by the caller). */
int file_open_dir(int dirfd, const char *path);

/* Reads a whole regular file. -ELOOP: it is a link; -EINVAL: no regular file; -EFBIG: more than
 * FILE_LIMIT. The text gets a NUL behind its length. */
int file_read(int dirfd, const char *path, char **ret_text, size_t *ret_len);

/* Reads an open file, pipe or socket to its end. -EFBIG: more than limit. */
int file_read_fd(int fd, size_t limit, char **ret_text, size_t *ret_len);

/* Reads a file of sysfs into buf as text without trailing white space. Never more than one page. */
int file_read_attr(int dirfd, const char *path, char *buf, size_t size);

/* Writes a value to a file of sysfs below dirfd, or to one that is open: one write(2), as kernfs
 * wants it. The path can leave dirfd neither by ".." nor by a link (openat2, RESOLVE_BENEATH). */
int file_write_attr(int dirfd, const char *path, const char *value);
int file_write_value(int fd, const char *value);

/* Puts text at path as a whole: temporary file, fsync, rename. A crash leaves the old file, or the
 * new one, and at worst the temporary file. With exclusive an existing path is -EEXIST, else a
 * replaced file hands down its mode and owner. Both paths are below dirfd and on one file system.
 */
int file_replace(int dirfd, const char *temporary, const char *path, const char *text,
		 bool exclusive);

/* What was renamed, made or removed in a directory lasts only once the directory is on disk. */
int file_sync_dir(int dirfd, const char *path);

/* Takes flock(LOCK_EX) on an open file, for which closing it lets go. -ETIMEDOUT: somebody else has
 * held it for so long; -EINTR: a termination signal that is blocked came meanwhile; -errno: the
 * file system has no locks. */
int file_lock(int fd, unsigned seconds);
