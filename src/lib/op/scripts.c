/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "op/scripts.h"

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

/* Links are followed: administrators link scripts from elsewhere. */
static bool is_executable(const struct env *env, const char *path)
{
	struct stat st;

	return fstatat(env->root, path, &st, 0) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(env->root, path, X_OK, AT_EACCESS) == 0;
}

static void add_dir(const struct env *env, const char *dir, struct scripts *ret)
{
	_cleanup_names_ struct file_names names = { 0 };

	int r = file_scan(env->root, dir, &names);
	if (r < 0 && r != -ENOENT)
		log_warning("Unable to read directory %s/%s: %s", env->root_path, dir,
			    strerror(-r));
	for (int i = 0; i < names.n; i++) {
		const char *name = names.v[i]->d_name;
		_cleanup_free_ char *path = mem_printf("%s/%s", dir, name);

		if (is_leftover(name) || !is_executable(env, path)) {
			log_debug("No script: %s/%s", env->root_path, path);
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
	*scripts = (struct scripts){ 0 };
}
