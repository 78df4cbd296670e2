/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/signal.h"

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int file_scan(int dirfd, const char *path, struct file_names *ret)
{
	struct dirent **v;

	int n = scandirat(dirfd, path, &v, is_entry, by_bytes);
	if (n < 0)
		return -errno;
	*ret = (struct file_names){ v, n };
	return 0;
}

void file_names_free(struct file_names *names)
{
	for (int i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct file_names){ 0 };
}

int file_open_dir(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int file_read_fd(int fd, size_t limit, char **ret_text, size_t *ret_len)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, room = 0;

	for (;;) {
		/* The initial size fits most definitions; from 1024 bytes on, malloc() is slower.
		 */
		if (len + 1 >= room) {
			room = room ? room * 2 : 1000;
			text = mem_grow(text, room, 1);
		}
		ssize_t n = read(fd, text + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > limit)
			return -EFBIG;
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	text = NULL;
	return 0;
}

int file_read(int dirfd, const char *path, char **ret_text, size_t *ret_len)
{
	struct stat st;

	/* O_NONBLOCK: do not block on a FIFO without a writer; it is rejected below. */
	_cleanup_close_ int fd =
		openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return file_read_fd(fd, FILE_LIMIT, ret_text, ret_len);
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

int file_write_attr(int dirfd, const char *path, const char *value)
{
	struct open_how how = { .flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };

	_cleanup_close_ int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	return fd < 0 ? -errno : file_write_value(fd, value);
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

/* A new file inherits the mode and owner that an administrator has set on the file it replaces. */
static void inherit(int fd, int dirfd, const char *path)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	(void)!fchown(fd, st.st_uid, st.st_gid); /* if not permitted, the file remains ours */
	(void)fchmod(fd, st.st_mode & 07777);
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
	if (renameat2(dirfd, temporary, dirfd, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (linkat(dirfd, temporary, dirfd, path, 0) < 0)
		return -errno;
	(void)unlinkat(dirfd, temporary, 0); /* the next writer removes it if we cannot */
	return 0;
}

int file_replace(int dirfd, const char *temporary, const char *path, const char *text,
		 bool exclusive)
{
	/* If locks are not available (see env_lock()), a process with the same PID may have left
	 * one behind. */
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

static bool is_over(const struct timespec *deadline)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline->tv_sec ||
	       (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

int file_lock(int fd, unsigned seconds)
{
	static const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += seconds;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) { /* flock() has no timeout */
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (signal_pending_termination())
			return -EINTR;
		if (is_over(&deadline))
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}
