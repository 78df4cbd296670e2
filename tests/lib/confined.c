/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Confines a program like a security policy that allows what libvirt's daemon needs (LD_PRELOAD):
 * EACCES for opening a group for writing, for the open files of processes other than this one and
 * its parent, for /dev/kmsg and for /run/mdevctl; EPERM for pidfd_getfd(). Each denial is appended
 * to $CONFINED_LOG.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

typedef int openat_function(int dirfd, const char *path, int flags, ...);
typedef int open_function(const char *path, int flags, ...);

static bool deny(const char *what, int error)
{
	const char *log = getenv("CONFINED_LOG");
	openat_function *next = (openat_function *)dlsym(RTLD_NEXT, "openat");
	int fd = log ? next(AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

	if (fd >= 0) {
		dprintf(fd, "%s\n", what);
		close(fd);
	}
	errno = error;
	return true;
}

/* Whether the path is PID/fd of a process that may not be seen. */
static bool is_foreign(const char *path)
{
	char *end;
	long pid = strtol(path, &end, 10);

	return isdigit((unsigned char)*path) && strcmp(end, "/fd") == 0 && pid != getpid() &&
	       pid != getppid();
}

static bool is_denied(const char *path, int flags)
{
	const char *group = strstr(path, "/dev/vfio/");
	const char *marks = strstr(path, "run/mdevctl");

	return (group && isdigit((unsigned char)group[10]) && (flags & O_ACCMODE) != O_RDONLY) ||
	       is_foreign(path) || strcmp(path, "dev/kmsg") == 0 || marks;
}

static mode_t mode_of(int flags, va_list args)
{
	return (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
}

int openat(int dirfd, const char *path, int flags, ...)
{
	openat_function *next = (openat_function *)dlsym(RTLD_NEXT, "openat");
	va_list args;

	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return is_denied(path, flags) && deny(path, EACCES) ? -1 : next(dirfd, path, flags, mode);
}
int openat64(int dirfd, const char *path, int flags, ...) __attribute__((alias("openat")));

int open(const char *path, int flags, ...)
{
	open_function *next = (open_function *)dlsym(RTLD_NEXT, "open");
	va_list args;

	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return is_denied(path, flags) && deny(path, EACCES) ? -1 : next(path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	int (*next)(int, const char *, mode_t) =
		(int (*)(int, const char *, mode_t))dlsym(RTLD_NEXT, "mkdirat");

	return is_denied(path, 0) && deny(path, EACCES) ? -1 : next(dirfd, path, mode);
}

long syscall(long number, ...)
{
	long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long arg[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_pidfd_getfd && deny("pidfd_getfd", EPERM))
		return -1;
	return next(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
