/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/lock.h"

#define CONFIGURATION "etc/mdevctl.d"
/* All readers ignore hidden files in this directory: mdevctl, libvirt, ap-check. */
#define DEFINITIONS_LOCK CONFIGURATION "/.lock"
#define APPLY_LOCK CONFIGURATION "/.apply.lock"

/* Returns the fd, or -errno. */
static int open_lock(const struct env *env, const char *path)
{
	struct stat st;

	(void)mkdirat(env->root, CONFIGURATION, 0755); /* on errors, opening the file fails */
	int fd =
		openat(env->root, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_mode & 077)
		(void)fchmod(fd, 0600); /* a copied file may have another mode */
	return fd;
}

/* Whether the path names another file than the one that is locked: a tool that purges unknown
 * files may have removed it, and the next program locks a new one. */
static bool is_replaced(const struct env *env, const char *path, int fd)
{
	struct stat locked, named;

	if (fstat(fd, &locked) < 0)
		return false;
	return fstatat(env->root, path, &named, AT_SYMLINK_NOFOLLOW) < 0
		       ? errno == ENOENT
		       : !file_is_same(&locked, &named);
}

/* Returns the fd of the locked file, or -errno. */
static int open_and_lock(const struct env *env, const char *path)
{
	uint64_t deadline = clock_in(env->lock_limit);

	do {
		_cleanup_close_ int fd = open_lock(env, path);
		int r = fd < 0 ? fd : file_lock(fd, env->lock_limit);

		if (r < 0)
			return r;
		if (!is_replaced(env, path, fd)) {
			r = fd;
			fd = -1;
			return r;
		}
	} while (clock_left(deadline, 1) > 0);
	return -ETIMEDOUT;
}

static int take(const struct env *env, const char *path, int *ret_fd, struct error *err)
{
	int r = open_and_lock(env, path);

	if (r == -ETIMEDOUT)
		return error_set(err, STATUS_TIMED_OUT,
				 "Another process has held the lock on /%s for more than %u s; "
				 "use 'fuser -v /%s' to find it",
				 path, env->lock_limit, path);
	if (r == -EINTR)
		return error_interrupted(err);
	if (r < 0 && !file_is_impossible(-r))
		return error_set(err, STATUS_FAILED, "Unable to lock /%s: %s", path,
				 error_words(-r));
	if (r < 0)
		log_debug("Proceeding without a lock on /%s: %s", path, error_words(-r));
	*ret_fd = r < 0 ? -1 : r;
	return 0;
}

int lock_definitions(const struct env *env, int *ret_fd, struct error *err)
{
	return take(env, DEFINITIONS_LOCK, ret_fd, err);
}

int lock_apply(const struct env *env, int *ret_fd, struct error *err)
{
	return take(env, APPLY_LOCK, ret_fd, err);
}
