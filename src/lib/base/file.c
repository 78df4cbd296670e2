/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* musl has neither renameat2() nor its flags. */
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#endif

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/signal.h"

/* As much as the kernel gives at once: a page of names is a system call, and list reads thousands.
 * Half of it is enough to find that there are no more. */
#define SCAN_ROOM ((size_t)32 * 1024)

static int by_bytes(const void *a, const void *b)
{
	return strcmp((*(struct dirent *const *)a)->d_name, (*(struct dirent *const *)b)->d_name);
}

/* Reads the entries as the kernel lays them out (getdents64(2)), which is how the C library
 * declares struct dirent. With readdir(), list takes 1.01 to 1.05 times as long at 10, 100 and
 * 1,000 devices, and then exceeds the limit of `make bench`. */
int file_scan_unsorted(int dirfd, const char *path, struct file_names *ret)
{
	_cleanup_names_ struct file_names names = { 0 };
	size_t len = 0, room = 0;

	_cleanup_close_ int opened = path ? file_open_dir(dirfd, path) : -1;
	int fd = path ? opened : dirfd;
	if (fd < 0)
		return fd;
	for (long n = 1; n > 0; len += (size_t)n) {
		if (room - len < SCAN_ROOM / 2) {
			room = 2 * room + SCAN_ROOM;
			names.entries = mem_grow(names.entries, room, 1);
		}
		n = syscall(SYS_getdents64, fd, names.entries + len, room - len);
		if (n < 0)
			return -errno;
	}
	for (size_t at = 0; at < len;) {
		struct dirent *entry = (struct dirent *)(void *)(names.entries + at);

		at += entry->d_reclen;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		names.v = mem_room(names.v, (size_t)names.n, sizeof(*names.v));
		names.v[names.n++] = entry;
	}
	*ret = names;
	names = (struct file_names){ 0 };
	return 0;
}

int file_scan(int dirfd, const char *path, struct file_names *ret)
{
	int r = file_scan_unsorted(dirfd, path, ret);

	if (r == 0 && ret->n > 1)
		qsort(ret->v, (size_t)ret->n, sizeof(*ret->v), by_bytes);
	return r;
}

void file_names_free(struct file_names *names)
{
	free(names->v);
	free(names->entries);
	*names = (struct file_names){ 0 };
}

int file_read_link(int dirfd, const char *path, char ret[PATH_MAX])
{
	ssize_t n = readlinkat(dirfd, path, ret, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

bool file_is_missing(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

int file_open_dir(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Nearly all definitions fit in. */
#define FIRST_ROOM 4096

int file_read_fd(int fd, size_t limit, char **ret_text, size_t *ret_len)
{
	struct pollfd input = { .fd = fd, .events = POLLIN };
	size_t room = FIRST_ROOM, len = 0;
	_cleanup_free_ char *text = mem_grow(NULL, room, 1);

	for (;;) {
		if (len + 1 >= room) {
			room *= 2;
			text = mem_grow(text, room, 1);
		}
		ssize_t n = read(fd, text + len, room - len - 1);
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else if (errno == EAGAIN) /* a pipe with O_NONBLOCK, such as standard input */
			(void)poll(&input, 1, -1); /* on errors, reading is tried again */
		else if (errno != EINTR)
			return -errno;
		if (len > limit)
			return -EFBIG;
	}
	text[len] = '\0';
	*ret_len = len;
	*ret_text = text;
	text = NULL;
	return 0;
}

int file_read(int dirfd, const char *path, char **ret_text, size_t *ret_len)
{
	struct stat st;

	/* O_NONBLOCK: do not block on a FIFO without a writer; it is rejected below. */
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENXIO ? -EINVAL : -errno; /* a socket */
	_cleanup_free_ char *text = mem_grow(NULL, FIRST_ROOM, 1);
	/* pread() takes nothing out of a FIFO, a socket or a terminal: it fails. A regular file
	 * gives all it has, and most definitions are short: then nothing else has to be asked. With
	 * fstat() and read(), list -d takes 1.00, 1.07 and 1.18 times as long for 10, 100 and 1,000
	 * definitions. */
	ssize_t n = pread(fd, text, FIRST_ROOM - 1, 0);
	int error = errno;
	if (n > 0 && n < FIRST_ROOM - 1) {
		text[n] = '\0';
		*ret_len = (size_t)n;
		*ret_text = text;
		text = NULL;
		return 0;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return n < 0 ? -error : file_read_fd(fd, FILE_LIMIT, ret_text, ret_len);
}

int file_read_attr(int dirfd, const char *path, char *buf, size_t size)
{
	ssize_t n;

	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do /* kernfs returns the whole value with the first read */
		n = read(fd, buf, size - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == ' ' || buf[n - 1] == '\t'))
		n--;
	buf[n] = '\0';
	return 0;
}

int file_status(int dirfd, const char *path, struct stat *ret)
{
#ifdef STATX_TYPE
	struct statx status;

	if (statx(dirfd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO,
		  &status) == 0) {
		*ret = (struct stat){ .st_mode = status.stx_mode, .st_ino = status.stx_ino };
		ret->st_dev = makedev(status.stx_dev_major, status.stx_dev_minor);
		ret->st_rdev = makedev(status.stx_rdev_major, status.stx_rdev_minor);
		return 0;
	}
	/* EINVAL: the C library emulates the call without AT_STATX_DONT_SYNC. */
	if (errno != ENOSYS && errno != EPERM && errno != EINVAL)
		return -errno;
#endif
	return fstatat(dirfd, path, ret, AT_EMPTY_PATH | AT_NO_AUTOMOUNT) < 0 ? -errno : 0;
}

bool file_is_same(const struct stat *a, const struct stat *b)
{
	if (S_ISCHR(a->st_mode) && S_ISCHR(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

#define ATTR_FLAGS (O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* Opens the path component by component. Stricter than openat2(): neither ".." nor any link. */
static int open_by_steps(int dirfd, const char *path)
{
	_cleanup_close_ int dir = -1; /* owned: the directory reached so far; -1 = dirfd */
	char name[NAME_MAX + 1];

	if (*path == '/')
		return -EXDEV;
	for (;;) {
		size_t len = strcspn(path, "/");
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = '\0';
		if (strcmp(name, "..") == 0)
			return -EXDEV;
		bool last = path[len] == '\0';
		path += len + strspn(path + len, "/");
		int fd = openat(dir < 0 ? dirfd : dir, *name ? name : ".",
				last ? O_NOFOLLOW | ATTR_FLAGS
				     : O_NOFOLLOW | O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (last)
			return fd;
		mem_close(&dir);
		dir = fd;
	}
}

/* Kernels before 5.6 have no openat2(). Older system call filters, and RestrictSUIDSGID= of
 * systemd, reject it; if it was the file that did, the steps fail with the same error. */
static int open_beneath(int dirfd, const char *path)
{
#ifdef RESOLVE_BENEATH
	struct open_how how = { .flags = ATTR_FLAGS,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };

	int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	if (fd >= 0)
		return fd;
	if (errno != ENOSYS && errno != EPERM)
		return -errno;
#endif
	return open_by_steps(dirfd, path);
}

int file_write_attr(int dirfd, const char *path, const char *value)
{
	_cleanup_close_ int fd = open_beneath(dirfd, path);

	return fd < 0 ? fd : file_write_value(fd, value);
}

int file_write_value(int fd, const char *value)
{
	size_t len = strlen(value);
	ssize_t n;

	do
		n = write(fd, value, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

#define ACL "system.posix_acl_access"

/* Copies the ACL of a file, including that it has none. Returns false if nobody but the owner may
 * get access instead: the group permissions of a file with an ACL are those of its mask. */
static bool copy_acl(int from, int to)
{
	char acl[4096]; /* larger than the largest in ext4, XFS and Btrfs that is of any use */
	ssize_t n = fgetxattr(from, ACL, acl, sizeof(acl));

	if (n >= 0)
		return fsetxattr(to, ACL, acl, (size_t)n, 0) == 0;
	if (errno != ENODATA && errno != EOPNOTSUPP)
		return false;
	(void)fremovexattr(to, ACL); /* that of the directory; fails if there is none */
	return true;
}

/* A new file inherits the mode, owner and ACL that an administrator has set on the one before. */
static void inherit(int fd, int dirfd, const char *path)
{
	_cleanup_close_ int old =
		openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	(void)!fchown(fd, st.st_uid, st.st_gid); /* if not permitted, the file remains ours */
	mode_t mode = st.st_mode & 07777;
	(void)fchmod(fd, mode & ~(mode_t)S_IRWXG);
	if (copy_acl(old, fd))
		(void)fchmod(fd, mode);
}

int file_sync_dir(int dirfd, const char *path)
{
	_cleanup_close_ int fd = file_open_dir(dirfd, path);

	if (fd < 0)
		return fd;
	/* File systems that cannot sync a directory return these errors and do not need it. */
	return fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

/* Renames a file unless the target exists. NFS does not support this, but supports link(). */
static int rename_new(int dirfd, const char *temporary, const char *path)
{
	if (syscall(SYS_renameat2, dirfd, temporary, dirfd, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(dirfd, temporary, dirfd, path, 0) < 0)
		return -errno;
	(void)unlinkat(dirfd, temporary, 0); /* the next writer removes it if we cannot */
	return 0;
}

int file_replace(int dirfd, const char *temporary, const char *path, const char *text,
		 bool exclusive)
{
	/* Without locks (see host/lock.h), a process with the same PID may have left one. */
	(void)unlinkat(dirfd, temporary, 0);
	_cleanup_close_ int fd = openat(dirfd, temporary,
					O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (!exclusive)
		inherit(fd, dirfd, path);
	int r = write_all(fd, text, strlen(text));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && exclusive)
		r = rename_new(dirfd, temporary, path);
	else if (r == 0 && renameat(dirfd, temporary, dirfd, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dirfd, temporary, 0); /* the next writer removes it if we cannot */
	return r;
}

/* Locks the file, or a range of it. Neither kind of lock has a time limit of its own. */
static int wait_for_lock(int fd, struct flock *range, unsigned seconds)
{
	static const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	uint64_t deadline = clock_in(seconds);

	while ((range ? fcntl(fd, F_OFD_SETLK, range) : flock(fd, LOCK_EX | LOCK_NB)) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (signal_pending_termination())
			return -EINTR;
		if (clock_left(deadline, 1) == 0)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int file_open_locked(int dirfd, const char *path, int flags, unsigned seconds, struct stat *ret)
{
	struct stat opened;

	flags |= O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	for (;;) {
		_cleanup_close_ int fd = openat(dirfd, path, flags, 0600);
		if (fd < 0 || fstat(fd, &opened) < 0)
			return -errno;
		if (opened.st_mode & 077)
			(void)fchmod(fd, 0600); /* a copied file may have another mode */
		int r = wait_for_lock(fd, NULL, seconds);
		if (r < 0)
			return r;
		r = fstatat(dirfd, path, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
		if (r < 0 && r != -ENOENT)
			return r;
		/* Whoever removes it does so once: then the next one is locked. */
		if (r < 0 || !file_is_same(&opened, ret))
			continue;
		r = fd;
		fd = -1;
		return r;
	}
}

int file_lock_byte(int fd, off_t byte, unsigned seconds)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
	};

	return wait_for_lock(fd, &range, seconds);
}

bool file_is_impossible(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == ENOENT ||
	       error == ENOTDIR || error == ENOSPC || error == EDQUOT || error == ENOSYS ||
	       error == ENOLCK || error == EOPNOTSUPP;
}
