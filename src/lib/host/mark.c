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

static void release(struct mark *mark)
{
	mem_close(&mark->fd);
	*mark = MARK_NONE;
}

/* Returns the fd, or -errno. */
static int open_mark(const struct mark *mark, int flags)
{
	int fd = openat(mark->root, mark->path,
			flags | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/* The same, and creates the directory if it does not exist. */
static int create_mark(const struct mark *mark)
{
	int fd = open_mark(mark, O_CREAT);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(mark->root, MARKS, 0711) < 0 && errno != EEXIST)
		return -errno;
	return open_mark(mark, O_CREAT);
}

/* Opens and locks the mark file. Returns 0 or -errno; on error, the caller releases the mark. */
static int take(const struct env *env, const char *uuid, bool create, unsigned seconds,
		struct mark *mark)
{
	struct stat status;

	*mark = MARK_NONE;
	mark->root = env->root;
	snprintf(mark->path, sizeof(mark->path), MARKS "/%s", uuid);
	for (;;) {
		mark->fd = create ? create_mark(mark) : open_mark(mark, 0);
		int r = mark->fd < 0 ? mark->fd : file_lock(mark->fd, seconds);
		if (r < 0)
			return r;
		if (fstat(mark->fd, &status) < 0)
			return -errno;
		/* It has none if it was removed, and possibly created again, in the meantime. */
		if (status.st_nlink > 0)
			break;
		mem_close(&mark->fd);
	}
	mark->set = status.st_size > 0;
	return 0;
}

static int failed(const struct env *env, const char *uuid, int error, struct error *err)
{
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
	int r = take(env, uuid, true, env->lock_limit, ret);

	if (r == 0)
		return 0;
	release(ret);
	if (!file_is_impossible(-r))
		return failed(env, uuid, -r, err);
	ret->error = -r;
	return 0;
}

int mark_find(const struct env *env, const char *uuid, unsigned seconds, struct mark *ret,
	      struct error *err)
{
	int r = take(env, uuid, false, seconds, ret);

	if (r == 0)
		return 0;
	release(ret);
	return file_is_impossible(-r) ? 0 : failed(env, uuid, -r, err);
}

static void warn_once(int error)
{
	static bool warned;

	if (!warned)
		log_warning("Unable to create a file in /" MARKS
			    ": %s; if the start is interrupted, the device remains incomplete, "
			    "and this is not detected",
			    error_words(error));
	warned = true;
}

int mark_set(struct mark *mark, struct error *err)
{
	if (mark->fd < 0) {
		warn_once(mark->error);
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
	release(mark);
}

bool mark_any(const struct env *env)
{
	_cleanup_names_ struct file_names names = { 0 };
	int r = file_scan(env->root, MARKS, &names);

	return r < 0 ? r != -ENOENT : names.n > 0;
}

/* For callers that cannot open a mark: what is not set says that nothing was interrupted. */
static int is_unset(int dir, const char *uuid)
{
	struct stat status;

	if (fstatat(dir, uuid, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return status.st_size == 0 ? 0 : -EACCES;
}

int mark_is_left(const struct env *env, const char *uuid)
{
	struct stat status;

	_cleanup_close_ int dir =
		openat(env->root, MARKS, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	_cleanup_close_ int fd = openat(dir, uuid, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == EACCES)
		return is_unset(dir, uuid);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	/* A mark that was removed in the meantime has no links. */
	return fstat(fd, &status) < 0 ? -errno : status.st_nlink > 0 && status.st_size > 0;
}
