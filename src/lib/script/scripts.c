/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/scripts.h"

/* Write permission for others. With an ACL, that of the group is its mask: it may be granted to
 * anybody, even if the group is that of root. */
#define WRITABLE (S_IWGRP | S_IWOTH)

/* As many as the kernel follows. */
#define LINKS 40

static bool is_leftover(const char *name)
{
	static const char patterns[][sizeof("*.rpmsave")] = { ".*",	 "*~",	      "*.bak",
							      "*.orig",	 "*.rpmsave", "*.rpmnew",
							      "*.dpkg-*" };

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

/* Sets *ret_why (owned by the caller) if users other than root and the caller could change the file
 * at `path` in `dir`. In a directory with the sticky bit, such as /tmp, they can only add files:
 * whoever owns a directory there keeps it, but a file may be a hard link to any other. */
static int check_file(const char *dir, const char *path, const struct stat *st, char **ret_why)
{
	const char *in = *dir ? dir : "/";
	struct stat above;

	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		*ret_why = mem_printf("%s is owned by user %u; run 'chown -h root %s'", path,
				      st->st_uid, path);
	} else if (S_ISDIR(st->st_mode) ? (st->st_mode & WRITABLE && !(st->st_mode & S_ISVTX))
					: !S_ISLNK(st->st_mode) && st->st_mode & WRITABLE) {
		*ret_why = mem_printf("%s is writable by other users (mode %04o); run "
				      "'chmod go-w %s'",
				      path, st->st_mode & 07777, path);
	} else if (!S_ISDIR(st->st_mode)) {
		if (lstat(in, &above) < 0)
			return -errno;
		if (above.st_mode & WRITABLE)
			*ret_why =
				mem_printf("Other users can create files in its directory %s", in);
	}
	return 0;
}

/* Follows a path from the directory *at ("" = /), which becomes what it leads to: a path without
 * links. Each directory, link and file on the way is checked, until *ret_why is set. */
static int follow(char **at, const char *path, unsigned *links, char **ret_why)
{
	char target[PATH_MAX];
	struct stat st;
	int r = 0;

	if (*path == '/')
		**at = '\0';
	while (r == 0 && !*ret_why && *(path += strspn(path, "/"))) {
		size_t length = strcspn(path, "/");
		_cleanup_free_ char *name = mem_text_n(path, length);

		path += length;
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			*(**at ? strrchr(*at, '/') : *at) = '\0';
			continue;
		}
		_cleanup_free_ char *next = mem_printf("%s/%s", *at, name);
		r = lstat(next, &st) < 0 ? -errno : check_file(*at, next, &st, ret_why);
		if (r < 0 || *ret_why)
			continue;
		if (!S_ISLNK(st.st_mode)) {
			free(*at);
			*at = next;
			next = NULL;
			continue;
		}
		r = ++*links > LINKS ? -ELOOP : file_read_link(AT_FDCWD, next, target);
		if (r == 0)
			r = follow(at, target, links, ret_why);
	}
	return r;
}

/* Checks whether others could control what is run under this path, with our privileges. If nobody
 * can change any part of it, it is still the file that was checked when it is executed. */
static int check_path(const char *path, char **ret_why)
{
	char dir[PATH_MAX] = "";
	unsigned links = 0;
	struct stat st;

	if (lstat("/", &st) < 0 || (*path != '/' && !getcwd(dir, sizeof(dir))))
		return -errno;
	_cleanup_free_ char *at = mem_text("");
	int r = check_file("", "/", &st, ret_why);
	if (r == 0)
		r = follow(&at, dir, &links, ret_why);
	return r < 0 ? r : follow(&at, path, &links, ret_why);
}

/* Returns whether this is a script to be run, or -errno if that cannot be determined. Symbolic
 * links are followed, as administrators use them to install scripts. Whether we may execute it is
 * seen when it is run: one that we may not cannot be asked, which does not mean that it accepts. */
static int is_script(const char *path)
{
	_cleanup_free_ char *why = NULL;
	struct stat st;

	int r = stat(path, &st) < 0 ? -errno : 0;
	if (r == 0 && (!S_ISREG(st.st_mode) || !(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH))))
		return 0;
	if (r == 0)
		r = check_path(path, &why);
	if (r < 0)
		return file_is_missing(-r) || r == -ELOOP ? 0 : r;
	if (why)
		log_warning("Ignoring script %s: %s", path, why);
	return !why;
}

static void note_unread(const char *path, int error, struct scripts *ret)
{
	if (!ret->unread)
		ret->unread = mem_printf("Unable to read %s: %s", path, error_words(error));
}

static void add_dir(const char *dir, struct scripts *ret)
{
	_cleanup_names_ struct file_names names = { 0 };

	int r = file_scan(AT_FDCWD, dir, &names);
	if (r == -ENOTDIR || r == -ELOOP)
		log_warning("Unable to read directory %s: %s", dir, error_words(-r));
	else if (r < 0 && r != -ENOENT)
		note_unread(dir, -r, ret);
	for (int i = 0; i < names.n; i++) {
		const char *name = names.v[i]->d_name;
		_cleanup_free_ char *path = mem_printf("%s/%s", dir, name);

		r = is_leftover(name) ? 0 : is_script(path);
		if (r < 0)
			note_unread(path, -r, ret);
		if (r <= 0) {
			log_debug("Ignoring %s: not a script", path);
			continue;
		}
		ret->v = mem_room(ret->v, ret->n, sizeof(ret->v[0]));
		ret->v[ret->n++] = path;
		path = NULL;
	}
}

void scripts_find(const struct env *env, const char *kind, struct scripts *scripts)
{
	static const char *const dirs[] = { "usr/lib/mdevctl", "etc/mdevctl.d" };

	if (scripts->known)
		return;
	scripts->known = true;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		_cleanup_free_ char *dir =
			mem_printf("%s/%s/scripts.d/%s", env->root_path, dirs[i], kind);
		add_dir(dir, scripts);
	}
}

void scripts_free(struct scripts *scripts)
{
	for (size_t i = 0; i < scripts->n; i++)
		free(scripts->v[i]);
	free(scripts->v);
	free(scripts->unread);
	*scripts = (struct scripts){ 0 };
}
