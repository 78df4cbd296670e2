/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/mark.h"

#define MARKS "run/mdevctl"

/* Opens and locks the mark. */
static int open_mark(const struct env *env, const char *uuid, int flags, unsigned seconds,
		     struct mark *ret, struct error *err)
{
	struct stat status;

	*ret = (struct mark){ .root = env->root };
	snprintf(ret->path, sizeof(ret->path), MARKS "/%s", uuid);
	ret->fd = file_open_locked(env->root, ret->path, flags, seconds, &status);
	if (ret->fd == -ENOENT && flags & O_CREAT)
		ret->fd = mkdirat(env->root, MARKS, 0711) < 0 && errno != EEXIST
				  ? -errno
				  : file_open_locked(env->root, ret->path, flags, seconds, &status);
	int error = ret->fd < 0 ? -ret->fd : 0;
	ret->set = error == 0 && status.st_size > 0;
	if (error == 0 || file_is_impossible(error))
		return 0;
	if (error == ETIMEDOUT)
		return error_set(err, STATUS_TIMED_OUT,
				 "Another program has been starting device %s for more than %u s; "
				 "'fuser -v /" MARKS "/%s' shows it",
				 uuid, env->lock_limit, uuid);
	if (error == EINTR)
		return error_interrupted(err);
	return error_set(err, STATUS_FAILED, "Unable to open /" MARKS "/%s: %s", uuid,
			 error_words(error));
}

int mark_take(const struct env *env, const char *uuid, struct mark *ret, struct error *err)
{
	return open_mark(env, uuid, O_CREAT, env->lock_limit, ret, err);
}

int mark_find(const struct env *env, const char *uuid, unsigned seconds, struct mark *ret,
	      struct error *err)
{
	return open_mark(env, uuid, 0, seconds, ret, err);
}

int mark_set(struct mark *mark, struct error *err)
{
	static bool warned;

	if (mark->fd < 0) {
		if (!warned)
			log_warning("Unable to create a file in /" MARKS
				    ": %s; if the start is interrupted, the device remains "
				    "incomplete, and this is not detected",
				    error_words(-mark->fd));
		warned = true;
		return 0;
	}
	/* Sets the size, not contents, which requires no memory if /run is full. */
	if (ftruncate(mark->fd, 1) < 0)
		return error_set(err, STATUS_FAILED, "Unable to write /%s: %s", mark->path,
				 error_words(errno));
	mark->set = true;
	return 0;
}

void mark_clear(struct mark *mark)
{
	mark->set = false;
}

void mark_close(struct mark *mark)
{
	/* Still locked, so no other program can have taken it. */
	if (mark->fd >= 0 && !mark->set && unlinkat(mark->root, mark->path, 0) < 0)
		(void)!ftruncate(mark->fd, 0); /* an empty file has no meaning either */
	mem_close(&mark->fd);
}

bool mark_any(const struct env *env)
{
	_cleanup_names_ struct file_names names = { 0 };
	int r = file_scan(env->root, MARKS, &names);

	return r < 0 ? r != -ENOENT : names.n > 0;
}

int mark_is_left(const struct env *env, const char *uuid)
{
	_cleanup_free_ char *path = mem_printf(MARKS "/%s", uuid);
	struct stat status;

	/* If it is not set, nothing was interrupted, also for callers that cannot open it. */
	if (fstatat(env->root, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_size == 0)
		return 0;
	_cleanup_close_ int fd =
		openat(env->root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	/* A mark that was removed in the meantime has no links. */
	return fstat(fd, &status) < 0 ? -errno : status.st_nlink > 0 && status.st_size > 0;
}
