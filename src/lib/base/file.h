/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/*
 * Access to files relative to a directory fd. Unless stated otherwise, all functions return 0 or
 * -errno; the caller, which knows the names, creates the error message.
 */

/* Maximum size of a definition, sysfs attribute or script reply. */
#define FILE_LIMIT ((size_t)1024 * 1024)

/* Reads the entries of a directory except "." and "..", sorted bytewise. d_type may be DT_UNKNOWN.
 * path NULL = dirfd itself, the result of file_open_dir(): an fd, which can be read only once, or
 * its error, which is returned. */
struct file_names {
	struct dirent **v; /* owned; they point into entries */
	int n;
	char *entries; /* owned */
};
int file_scan(int dirfd, const char *path, struct file_names *ret);
/* The same in the order of the file system, for callers that sort what they make of the names. */
int file_scan_unsorted(int dirfd, const char *path, struct file_names *ret);
void file_names_free(struct file_names *names);
#define _cleanup_names_ __attribute__((cleanup(file_names_free)))

/* Reads the target of a symbolic link. -EINVAL: it is no link. */
int file_read_link(int dirfd, const char *path, char ret[PATH_MAX]);

/* Whether a path that could not be opened (errno) does not exist: ENOENT or ENOTDIR. */
bool file_is_missing(int error);

/* Opens a directory for *at() calls. Returns the fd, which the caller owns. */
int file_open_dir(int dirfd, const char *path);

/* Reads a regular file, following links. -EINVAL: not a regular file, of which nothing is read;
 * -EFBIG: larger than FILE_LIMIT. The text is NUL-terminated; *ret_len excludes the NUL. */
int file_read(int dirfd, const char *path, char **ret_text, size_t *ret_len);

/* Reads an open file, pipe or socket, with or without O_NONBLOCK; -EFBIG: larger than limit. */
int file_read_fd(int fd, size_t limit, char **ret_text, size_t *ret_len);

/* Reads a sysfs file of at most one page into buf, without trailing white space. */
int file_read_attr(int dirfd, const char *path, char *buf, size_t size);

/* Returns type, device and inode of the file that path refers to, following links; an empty path is
 * dirfd itself. With statx(2), does not query the server of the file system, which may be
 * controlled by any user (FUSE) or be unreachable (NFS). Other members of *ret are undefined. */
int file_status(int dirfd, const char *path, struct stat *ret);

/* Whether two of these are the same file. Device nodes are compared by device number: a container
 * has nodes of its own for the same device. */
bool file_is_same(const struct stat *a, const struct stat *b);

/* Writes a value to a sysfs file below dirfd, or to an open sysfs file, with a single write(2), as
 * kernfs requires. The path cannot escape dirfd, neither through ".." nor through symbolic links
 * (openat2() with RESOLVE_BENEATH; on kernels without it, neither is allowed in the path). */
int file_write_attr(int dirfd, const char *path, const char *value);
int file_write_value(int fd, const char *value);

/* Atomically writes a file: writes text to a temporary file, syncs it, and renames it to path.
 * After a crash, path is either the old or the new file; the temporary file may be left behind.
 * With exclusive, fails with -EEXIST if path exists; otherwise, the new file inherits the mode,
 * owner and ACL of the file that it replaces. Both are in one directory. */
int file_replace(int dirfd, const char *temporary, const char *path, const char *text,
		 bool exclusive);

/* Syncs a directory, so that files that were created, renamed or removed in it persist. */
int file_sync_dir(int dirfd, const char *path);

/* Opens a file that only its owner can open, and takes an exclusive flock(2) lock on it; closing
 * the file releases it. A file that is removed or replaced meanwhile, possibly together with its
 * lock, is opened again. flags: O_CREAT or 0. Returns the fd, which the caller owns, and the status
 * of the locked file. -ETIMEDOUT: another process held the lock for the whole time; -EINTR: a
 * blocked termination signal became pending; other values: it cannot be opened, or the file system
 * does not support locks. */
int file_open_locked(int dirfd, const char *path, int flags, unsigned seconds, struct stat *ret);
/* Likewise takes a lock on one byte of a file that is open for writing, which need not exist, with
 * an open file description lock (fcntl_locking(2)). Returns 0 or -errno. */
int file_lock_byte(int fd, off_t byte, unsigned seconds);

/* Whether this error (positive) means that files cannot be written or locked here at all, so that
 * programs do without marks and locks, unlike a temporary lack of resources. */
bool file_is_impossible(int error);
