/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/scripts.h"

static bool is_leftover(const char *name)
{
	static const char *const ends[] = { "~", ".bak", ".orig", ".rpmsave", ".rpmnew" };
	size_t n = strlen(name);

	if (*name == '.' || strstr(name, ".dpkg-"))
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);
		if (n >= end && strcmp(name + n - end, ends[i]) == 0)
			return true;
	}
	return false;
}

/* Returns why users other than root and the caller could change the contents of path: they own it
 * or can write to it. The group of root is treated like root; in a sticky directory, only the owner
 * of a file can replace it. Owned by the caller; NULL = they cannot. */
static char *exposure(const char *path, const struct stat *st)
{
	mode_t writable = S_IWOTH | (st->st_gid == 0 ? 0 : S_IWGRP);

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return mem_printf("%s is owned by user %u", path, st->st_uid);
	if (st->st_mode & writable && !(S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX))
		return mem_printf("%s is writable by other users (mode %04o)", path,
				  st->st_mode & 07777);
	return NULL;
}

/* Checks a path without symbolic links and all directories above it. */
static char *exposed_path(char *path)
{
	struct stat st;

	for (;;) {
		char *why = stat(path, &st) < 0 ? mem_printf("Unable to access %s: %s", path,
							     error_words(errno))
						: exposure(path, &st);
		char *slash = strrchr(path, '/');

		if (why || !slash || !path[1])
			return why;
		slash[slash == path] = '\0'; /* "/a" is in "/" */
	}
}

/* Returns why other users could control this script, which runs with our privileges. If it is a
 * symbolic link, its target and the directories above that are checked. Owned by the caller; NULL =
 * they cannot. */
static char *exposed(int fd)
{
	char name[32], target[PATH_MAX];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(name, target, sizeof(target) - 1);
	if (n < 0)
		return mem_printf("Unable to read its path: %s", error_words(errno));
	target[n] = '\0';
	return exposed_path(target);
}

/* Whether an error concerns the file itself, rather than our resources or the disk. */
static bool is_certain(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP;
}

/* Symbolic links are followed, as administrators use them to install scripts. in_dir says why
 * others could replace any file of its directory, a link included; NULL = they cannot. Returns 1 or
 * 0, or -errno if this cannot be determined. */
static int is_executable(const struct env *env, const char *in_dir, const char *path)
{
	struct stat st;

	_cleanup_close_ int fd = openat(env->root, path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return is_certain(errno) ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (faccessat(env->root, path, X_OK, AT_EACCESS) < 0)
		return is_certain(errno) ? 0 : -errno;
	_cleanup_free_ char *why = in_dir ? mem_text(in_dir) : exposed(fd);
	if (why)
		log_warning("Ignoring script %s/%s: %s", env->root_path, path, why);
	return !why;
}

static void note_unread(const struct env *env, const char *path, int error, struct scripts *ret)
{
	if (!ret->unread)
		ret->unread = mem_printf("Unable to read %s/%s: %s", env->root_path, path,
					 error_words(error));
}

static void add_dir(const struct env *env, const char *dir, struct scripts *ret)
{
	_cleanup_names_ struct file_names names = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, dir);
	int r = file_scan(fd, NULL, &names);
	if (r < 0 && r != -ENOENT && is_certain(-r))
		log_warning("Unable to read directory %s/%s: %s", env->root_path, dir,
			    error_words(-r));
	else if (r < 0 && r != -ENOENT)
		note_unread(env, dir, -r, ret);
	_cleanup_free_ char *in_dir = names.n > 0 ? exposed(fd) : NULL;
	for (int i = 0; i < names.n; i++) {
		const char *name = names.v[i]->d_name;
		_cleanup_free_ char *path = mem_printf("%s/%s", dir, name);

		r = is_leftover(name) ? 0 : is_executable(env, in_dir, path);
		if (r < 0)
			note_unread(env, path, -r, ret);
		if (r <= 0) {
			log_debug("Ignoring %s/%s: not a script", env->root_path, path);
			continue;
		}
		ret->v = mem_grow(ret->v, ret->n + 1, sizeof(ret->v[0]));
		ret->v[ret->n++] = mem_printf("%s/%s", env->root_path, path);
	}
}

void scripts_find(const struct env *env, const char *kind, struct scripts *scripts)
{
	if (scripts->known)
		return;
	_cleanup_free_ char *packaged = mem_printf("usr/lib/mdevctl/scripts.d/%s", kind);
	_cleanup_free_ char *local = mem_printf("etc/mdevctl.d/scripts.d/%s", kind);
	scripts->known = true;
	add_dir(env, packaged, scripts);
	add_dir(env, local, scripts);
}

void scripts_free(struct scripts *scripts)
{
	for (size_t i = 0; i < scripts->n; i++)
		free(scripts->v[i]);
	free(scripts->v);
	free(scripts->unread);
	*scripts = (struct scripts){ 0 };
}
