/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The baseline of the benchmarks: makes the system calls that any program requires for a task, in a
 * simple loop with fixed buffers, without checking, parsing or sorting anything.
 * usage: floor list|list-d|types ROOT
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char out[4096];
static size_t out_len;

static void flush(void)
{
	(void)!write(STDOUT_FILENO, out, out_len);
	out_len = 0;
}

static void put(const char *text, size_t n)
{
	if (out_len + n > sizeof(out))
		flush();
	memcpy(out + out_len, text, n);
	out_len += n;
}

static int open_dir(int dirfd, const char *path)
{
	return openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void each(int dirfd, const char *path, void (*what)(int dirfd, const char *name))
{
	char buf[32768];
	ssize_t n;
	int fd = open_dir(dirfd, path);

	while ((n = getdents64(fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n; p += ((struct dirent64 *)p)->d_reclen) {
			const char *name = ((struct dirent64 *)p)->d_name;
			if (name[0] != '.')
				what(fd, name);
		}
	}
	close(fd);
}

static void read_file(int dirfd, const char *name)
{
	char buf[4096];
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf));

	close(fd);
	put(buf, n > 64 ? 64 : (size_t)n);
}

static int root;

/* Returns the name of the parent of the device. */
static const char *links(int dirfd, const char *name, char target[PATH_MAX])
{
	char type[PATH_MAX], path[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, PATH_MAX - 1);

	target[n - 37] = '\0'; /* /UUID */
	snprintf(path, sizeof(path), "%s/mdev_type", name);
	n = readlinkat(dirfd, path, type, sizeof(type));
	put(name, strlen(name));
	put(type, (size_t)n);
	return strrchr(target, '/') + 1;
}

static void state(int dirfd, const char *name)
{
	char target[PATH_MAX];

	links(dirfd, name, target);
}

static void device(int dirfd, const char *name)
{
	char target[PATH_MAX], path[PATH_MAX];
	const char *parent = links(dirfd, name, target);

	snprintf(path, sizeof(path), "etc/mdevctl.d/%s/%s", parent, name);
	read_file(root, path);
}

static void definitions(int dirfd, const char *name)
{
	each(dirfd, name, read_file);
}

static void attribute(int dirfd, const char *name)
{
	char buf[4096];
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf));

	put(buf, (size_t)n);
	close(fd);
}

static void type(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	attribute(fd, "device_api");
	attribute(fd, "available_instances");
	attribute(fd, "name");
	attribute(fd, "description");
	close(fd);
}

static void types(int dirfd, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/mdev_supported_types", name);
	each(dirfd, path, type);
}

int main(int argc, char *argv[])
{
	if (argc != 3)
		return 2;
	root = openat(AT_FDCWD, argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (strcmp(argv[1], "list") == 0) {
		each(root, "sys/bus/mdev/devices", device);
	} else if (strcmp(argv[1], "list-d") == 0) {
		each(root, "etc/mdevctl.d", definitions);
		each(root, "sys/bus/mdev/devices", state);
	} else {
		each(root, "sys/class/mdev_bus", types);
	}
	flush();
	return 0;
}
