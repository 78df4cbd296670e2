/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Creates a fake root for the benchmarks: DEFINED definitions, of which the first ACTIVE are
 * running, on 16 parents with 8 types each, with links and one-line files like in sysfs.
 * usage: tree ROOT ACTIVE DEFINED
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARENTS 16
#define TYPES 8

static void die(const char *path)
{
	fprintf(stderr, "tree: %s: %s\n", path, strerror(errno));
	exit(1);
}

__attribute__((format(printf, 1, 2))) static void make_dirs(const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			die(path);
		*slash = '/';
	}
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die(path);
}

__attribute__((format(printf, 2, 3))) static void make_file(const char *text, const char *format,
							    ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	FILE *file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		die(path);
}

__attribute__((format(printf, 2, 3))) static void make_link(const char *target, const char *format,
							    ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (symlink(target, path) < 0)
		die(path);
}

static void make_parent(unsigned i)
{
	char dir[PATH_MAX];

	for (unsigned type = 0; type < TYPES; type++) {
		snprintf(dir, sizeof(dir), "sys/devices/parent-%02u/mdev_supported_types/type-%u",
			 i, type);
		make_dirs("%s", dir);
		make_file("24\n", "%s/available_instances", dir);
		make_file("vfio-pci\n", "%s/device_api", dir);
		make_file("Model\n", "%s/name", dir);
		make_file("num_heads=4, frl_config=45, framebuffer=512M\n", "%s/description", dir);
	}
	snprintf(dir, sizeof(dir), "../../devices/parent-%02u", i);
	make_link(dir, "sys/class/mdev_bus/parent-%02u", i);
}

static void make_device(unsigned i, unsigned active)
{
	char uuid[37], target[PATH_MAX];
	unsigned parent = i % PARENTS, type = i % TYPES;

	/* The order of a directory is not that of names, like in real directories. */
	snprintf(uuid, sizeof(uuid), "%08x-0000-4000-8000-%012x", i * 2654435761u, i);
	snprintf(target, sizeof(target),
		 "{\n  \"mdev_type\": \"type-%u\",\n  \"start\": \"%s\",\n  \"attrs\": [\n"
		 "    {\n      \"assign_adapter\": \"%u\"\n    },\n"
		 "    {\n      \"assign_domain\": \"0xab\"\n    }\n  ]\n}",
		 type, i % 2 ? "auto" : "manual", i % 200);
	make_file(target, "etc/mdevctl.d/parent-%02u/%s", parent, uuid);
	if (i >= active)
		return;
	make_dirs("sys/devices/parent-%02u/%s", parent, uuid);
	snprintf(target, sizeof(target), "../mdev_supported_types/type-%u", type);
	make_link(target, "sys/devices/parent-%02u/%s/mdev_type", parent, uuid);
	snprintf(target, sizeof(target), "../../../devices/parent-%02u/%s", parent, uuid);
	make_link(target, "sys/bus/mdev/devices/%s", uuid);
}

int main(int argc, char *argv[])
{
	if (argc != 4) {
		fputs("usage: tree ROOT ACTIVE DEFINED\n", stderr);
		return 2;
	}
	unsigned active = (unsigned)strtoul(argv[2], NULL, 10),
		 defined = (unsigned)strtoul(argv[3], NULL, 10);

	if (mkdir(argv[1], 0755) < 0 || chdir(argv[1]) < 0)
		die(argv[1]);
	make_dirs("sys/class/mdev_bus");
	make_dirs("sys/bus/mdev/devices");
	make_dirs("usr/lib/mdevctl/scripts.d/callouts");
	make_dirs("usr/lib/mdevctl/scripts.d/notifiers");
	for (unsigned i = 0; i < PARENTS; i++) {
		make_parent(i);
		make_dirs("etc/mdevctl.d/parent-%02u", i);
	}
	for (unsigned i = 0; i < defined; i++)
		make_device(i, active);
	return 0;
}
