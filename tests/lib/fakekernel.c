/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Simulates the mdev core of the kernel for programs that run in a fake root (LD_PRELOAD). It wraps
 * write() of libc. In any path .../sys/...
 *   mdev_supported_types/TYPE/create  creates the directory and links of the device, and counts
 *                                     instances;
 *   UUID/remove                       removes them;
 *   any other file                    is overwritten with the value.
 * A new device gets copies of the files in TYPE/.attributes, and power/control.
 * open() of .../dev/vfio/GROUP fails with EBUSY while any process has it open.
 *
 * FAKEKERNEL_FAIL=FILE[:VALUE]=ERRNO[,...] makes writes fail, e.g.
 * "create=EIO,assign_adapter:9=EINVAL". ERRNO "NOTHING" accepts the value without effect; "KILL"
 * kills the program; "VANISH" removes the device first, like another process would (VANISH_ONCE:
 * only the first time); "REPLACE" removes it and creates it again. FAKEKERNEL_DELAY=MS delays
 * create and remove; FAKEKERNEL_BUSY=FILE delays them while the file exists, and
 * FAKEKERNEL_SLOW=FILE attributes. FAKEKERNEL_LATE=FILE sets the monotonic clock ahead by an hour
 * for each byte of the file, FAKEKERNEL_FAST=N lets the clock of processor time run N times as
 * fast. If ROOT/dev/kmsg exists, the kernel logs there when devices are created and removed, and
 * the driver logs "fake: VALUE refused"; FAKEKERNEL_SAY=TEXT adds TEXT before and after that.
 * FAKEKERNEL_SHORT=1 limits write(), and read() of pipes, to seven bytes. FAKEKERNEL_LOG=FILE
 * appends "PATH VALUE" for each write, with the path relative to /sys. FAKEKERNEL_ATOMIC=FILE does
 * each write in a process of its own, which completes it even if the program is killed, with a lock
 * on FILE until then. Its system calls in the program are open, flock, fork, waitid and readlink.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UUID_LENGTH 36

typedef ssize_t write_function(int fd, const void *buf, size_t n);

static ssize_t real_write(int fd, const void *buf, size_t n)
{
	static write_function *next;

	if (!next)
		next = (write_function *)dlsym(RTLD_NEXT, "write");
	return next(fd, buf, n);
}

/* Special values that a rule can have instead of an errno. */
#define NOTHING (-1) /* the write succeeds without effect */
#define KILL (-2)
#define VANISH (-3)
#define VANISH_ONCE (-4)
#define REPLACE (-5)

static int errno_of(const char *name, size_t n)
{
	static const char *const words[] = { NULL,     "NOTHING",     "KILL",
					     "VANISH", "VANISH_ONCE", "REPLACE" };

	for (int i = 1; i < 6; i++)
		if (n == strlen(words[i]) && strncmp(name, words[i], n) == 0)
			return -i;
	for (int i = 1; i < 134; i++) {
		const char *known = strerrorname_np(i);
		if (known && strlen(known) == n && strncmp(known, name, n) == 0)
			return i;
	}
	fprintf(stderr, "fakekernel: no errno %.*s\n", (int)n, name);
	abort();
}

/* Returns the errno that FAKEKERNEL_FAIL specifies, 0 for none. */
static int refusal(const char *file, const char *value)
{
	const char *rules = getenv("FAKEKERNEL_FAIL");
	char with_value[PATH_MAX];

	snprintf(with_value, sizeof(with_value), "%s:%s", file, value);
	while (rules && *rules) {
		size_t n = strcspn(rules, ","), key = strcspn(rules, "=");
		if ((strlen(file) == key && strncmp(rules, file, key) == 0) ||
		    (strlen(with_value) == key && strncmp(rules, with_value, key) == 0))
			return errno_of(rules + key + 1, n - key - 1);
		rules += n + (rules[n] == ',');
	}
	return 0;
}

static void put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || real_write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

static void get_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

static void count(const char *type_dir, int difference)
{
	char path[PATH_MAX], text[32];

	snprintf(path, sizeof(path), "%s/available_instances", type_dir);
	get_text(path, text, sizeof(text));
	int left = atoi(text) + difference;
	int n = snprintf(text, sizeof(text), "%d\n", left);
	/* Readers never see an empty file. */
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || real_write(fd, text, (size_t)n) < 0 || ftruncate(fd, n) < 0)
		abort();
	close(fd);
}

static void copy_attributes(const char *type_dir, const char *device)
{
	char from[PATH_MAX], to[PATH_MAX], text[4096];
	snprintf(from, sizeof(from), "%s/.attributes", type_dir);
	DIR *dir = opendir(from);

	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (d->d_type != DT_REG)
			continue;
		snprintf(from, sizeof(from), "%s/.attributes/%s", type_dir, d->d_name);
		snprintf(to, sizeof(to), "%s/%s", device, d->d_name);
		get_text(from, text, sizeof(text));
		put_text(to, text);
	}
	if (dir)
		closedir(dir);
}

/* The mdev core also serializes these. Returns the fd that holds the lock. */
static int serialise(const char *type_dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/available_instances", type_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	flock(fd, LOCK_EX);
	return fd;
}

/* Returns the path of the link of a running device: ROOT/sys/bus/mdev/devices/UUID. */
static void link_path(const char *path, const char *uuid, char ret[PATH_MAX])
{
	int root = (int)(strstr(path, "/sys/") - path);

	snprintf(ret, PATH_MAX, "%.*s/sys/bus/mdev/devices/%s", root, path, uuid);
}

static int create_device(const char *type_dir, const char *uuid)
{
	char parent[PATH_MAX], device[PATH_MAX], text[PATH_MAX], path[PATH_MAX], available[32];

	snprintf(path, sizeof(path), "%s/available_instances", type_dir);
	get_text(path, available, sizeof(available));
	if (*available && atoi(available) <= 0)
		return EUSERS;
	snprintf(parent, sizeof(parent), "%s", type_dir);
	*strstr(parent, "/mdev_supported_types/") = '\0';
	snprintf(device, sizeof(device), "%s/%s", parent, uuid);
	link_path(type_dir, uuid, path);
	/* Relative, like links in sysfs. */
	snprintf(text, sizeof(text), "../../..%s", strstr(device, "/sys/") + 4);
	if (symlink(text, path) < 0)
		return errno;
	if (mkdir(device, 0755) < 0)
		return errno;
	snprintf(path, sizeof(path), "%s/mdev_type", device);
	snprintf(text, sizeof(text), "..%s", strstr(type_dir, "/mdev_supported_types/"));
	if (symlink(text, path) < 0)
		return errno;
	snprintf(path, sizeof(path), "%s/remove", device);
	put_text(path, "");
	snprintf(path, sizeof(path), "%s/power", device);
	if (mkdir(path, 0755) < 0)
		return errno;
	snprintf(path, sizeof(path), "%s/power/control", device);
	put_text(path, "auto\n");
	copy_attributes(type_dir, device);
	if (*available)
		count(type_dir, -1);
	return 0;
}

/* Appends a record to the log of the fake root, if it exists. */
__attribute__((format(printf, 2, 3))) static void say(const char *path, const char *format, ...)
{
	char log[PATH_MAX];
	va_list args;

	snprintf(log, sizeof(log), "%.*s/dev/kmsg", (int)(strstr(path, "/sys/") - path), path);
	int fd = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return;
	va_start(args, format);
	vdprintf(fd, format, args);
	va_end(args);
	close(fd);
}

/* Logged by the kernel for each device that is created or removed. */
static void say_group(const char *path, const char *uuid, const char *what)
{
	say(path, "6,1,1,-;vfio_mdev %s: %s iommu group 2\n SUBSYSTEM=mdev\n DEVICE=+mdev:%s\n",
	    uuid, what, uuid);
}

static int create(const char *type_dir, const char *uuid)
{
	int lock_fd = serialise(type_dir), error = create_device(type_dir, uuid);

	if (!error)
		say_group(type_dir, uuid, "Adding to");
	close(lock_fd);
	return error;
}

static int remove_device(const char *device)
{
	char path[PATH_MAX], type_dir[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "%s/mdev_type", device);
	if (!realpath(path, type_dir))
		return ENODEV;
	int lock_fd = serialise(type_dir);
	link_path(device, strrchr(device, '/') + 1, target);
	unlink(target);
	snprintf(path, sizeof(path), "%s/power/control", device);
	unlink(path);
	DIR *dir = opendir(device);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", device, d->d_name);
		remove(path);
	}
	if (dir)
		closedir(dir);
	rmdir(device);
	say_group(device, strrchr(device, '/') + 1, "Removing from");
	count(type_dir, 1);
	close(lock_fd);
	return 0;
}

static void sleep_ms(long n)
{
	struct timespec time = { n / 1000, n % 1000 * 1000000 };

	while (nanosleep(&time, &time) < 0)
		;
}

/* Waits while the file that this variable names exists. */
static void wait_while(const char *variable)
{
	const char *file = getenv(variable);

	while (file && access(file, F_OK) == 0)
		sleep_ms(1);
}

static void take_time(void)
{
	const char *ms = getenv("FAKEKERNEL_DELAY");

	sleep_ms(ms ? atol(ms) : 0);
	wait_while("FAKEKERNEL_BUSY");
}

static void log_write(const char *path, const char *value)
{
	const char *log = getenv("FAKEKERNEL_LOG");
	char line[2 * PATH_MAX];
	int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;

	if (fd < 0)
		return;
	int n = snprintf(line, sizeof(line), "%s %s\n", strstr(path, "/sys/") + 5, value);
	(void)!real_write(fd, line, (size_t)n);
	close(fd);
}

/* A driver logs why it rejects a write: with printk() for create, with dev_warn() for an attribute.
 */
static void say_refused(const char *path, const char *value, bool creates)
{
	const char *more = getenv("FAKEKERNEL_SAY"), *uuid = path;

	say(path, "%s3,1,1,-;fake: %s refused\n", more ? more : "", value);
	for (const char *s = path; !creates && (s = strchr(s, '/')); s++)
		if (strnlen(s, UUID_LENGTH + 2) > UUID_LENGTH + 1 && s[UUID_LENGTH + 1] == '/')
			uuid = s + 1;
	if (uuid != path)
		say(path, " SUBSYSTEM=mdev\n DEVICE=+mdev:%.*s\n", UUID_LENGTH, uuid);
	say(path, "%s", more ? more : "");
}

/* Returns 0 or the errno of the driver. */
static int store(int fd, char *path, const char *value)
{
	static bool vanished;
	char *slash = strrchr(path, '/');
	bool creates = strstr(path, "/mdev_supported_types/") && strcmp(slash, "/create") == 0;
	bool removes = slash - path > UUID_LENGTH && strcmp(slash, "/remove") == 0;
	int error = refusal(slash + 1, value);

	log_write(path, value);
	if (error == NOTHING)
		return 0;
	if (error == KILL)
		kill(getpid(), SIGKILL);
	if (error == VANISH_ONCE)
		error = vanished ? 0 : VANISH;
	if (error == VANISH || error == REPLACE) {
		char type_dir[PATH_MAX], type[PATH_MAX];
		vanished = true;
		*slash = '\0';
		snprintf(type, sizeof(type), "%s/mdev_type", path);
		char *found = realpath(type, type_dir);
		remove_device(path);
		if (error == REPLACE && found)
			create(type_dir, strrchr(path, '/') + 1);
		return ENODEV;
	}
	if (error) {
		say_refused(path, value, creates);
		return error;
	}
	if (!creates && !removes) {
		wait_while("FAKEKERNEL_SLOW");
		if (ftruncate(fd, 0) < 0 || real_write(fd, value, strlen(value)) < 0)
			return errno;
		return 0;
	}
	take_time();
	*slash = '\0';
	return creates ? create(path, value) : remove_device(path);
}

/* Returns the path of the file if it is in sysfs. */
static bool is_sysfs(int fd, char path[PATH_MAX])
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, PATH_MAX - 1);
	path[len < 0 ? 0 : len] = '\0';
	return strstr(path, "/sys/");
}

static size_t bounded(size_t n)
{
	return getenv("FAKEKERNEL_SHORT") && n > 7 ? 7 : n;
}

/* A read of a regular file is short only at its end. */
static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

ssize_t read(int fd, void *buf, size_t n)
{
	static ssize_t (*next)(int fd, void *buf, size_t n);
	char path[PATH_MAX];

	if (!next)
		next = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	return next(fd, buf, is_sysfs(fd, path) || is_regular(fd) ? n : bounded(n));
}

/* As store(), by a process that nobody kills. */
static int store_atomically(const char *lock, int fd, char *path, const char *value)
{
	siginfo_t info = { 0 };
	int lock_fd = (int)syscall(SYS_open, lock, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	flock(lock_fd, LOCK_EX); /* the new process has it, too */
	long pid = syscall(SYS_fork);
	if (pid == 0)
		_exit(store(fd, path, value));
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	close(lock_fd);
	return info.si_status;
}

ssize_t write(int fd, const void *buf, size_t n)
{
	char path[PATH_MAX], value[4096 + 1];
	const char *lock = getenv("FAKEKERNEL_ATOMIC");

	if (!is_sysfs(fd, path))
		return real_write(fd, buf, bounded(n));
	if (n >= sizeof(value)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(value, buf, n);
	value[n] = '\0';
	int error = lock ? store_atomically(lock, fd, path, value) : store(fd, path, value);
	if (error) {
		errno = error;
		return -1;
	}
	return (ssize_t)n;
}

/* Whether any process has this file open. */
static bool is_open(const char *path)
{
	DIR *processes = opendir("/proc");
	bool found = false;

	for (struct dirent *p; processes && !found && (p = readdir(processes));) {
		char dir[PATH_MAX], target[PATH_MAX];
		snprintf(dir, sizeof(dir), "/proc/%s/fd", p->d_name);
		DIR *fds = *p->d_name >= '0' && *p->d_name <= '9' ? opendir(dir) : NULL;
		for (struct dirent *fd; fds && !found && (fd = readdir(fds));) {
			ssize_t len = readlinkat(dirfd(fds), fd->d_name, target, PATH_MAX - 1);
			target[len < 0 ? 0 : len] = '\0';
			found = strcmp(target, path) == 0;
		}
		if (fds)
			closedir(fds);
	}
	if (processes)
		closedir(processes);
	return found;
}

int open(const char *path, int flags, ...)
{
	static int (*next)(const char *path, int flags, ...);
	const char *group = strstr(path, "/dev/vfio/");
	va_list args;

	if (!next)
		next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
	va_start(args, flags);
	mode_t mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (group && group[10] >= '0' && group[10] <= '9' && is_open(path)) {
		errno = EBUSY;
		return -1;
	}
	return next(path, flags, mode);
}

/* The same, with the name used for 64-bit file offsets. */
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static int (*next)(clockid_t clock, struct timespec * ret);
	const char *late = getenv("FAKEKERNEL_LATE"), *fast = getenv("FAKEKERNEL_FAST");
	struct stat st;
	int error = errno;

	if (!next)
		next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int r = next(clock, ret);
	if (r == 0 && late && clock == CLOCK_MONOTONIC && stat(late, &st) == 0)
		ret->tv_sec += st.st_size * 3600;
	if (r == 0 && fast && clock == CLOCK_PROCESS_CPUTIME_ID) {
		long long ns = (ret->tv_sec * 1000000000LL + ret->tv_nsec) * atoi(fast);
		*ret = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	}
	errno = error;
	return r;
}
