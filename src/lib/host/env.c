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
#include "host/env.h"
#include "host/kmsg.h"

#define CONFIGURATION "etc/mdevctl.d"
/* All readers ignore hidden files in this directory: mdevctl, libvirt, ap-check. */
#define LOCK CONFIGURATION "/.lock"
#define APPLY_LOCK CONFIGURATION "/.apply.lock"

/* An invalid value is ignored with a warning: it must not prevent a device from being started. */
static unsigned seconds(const char *name, unsigned standard)
{
	const char *text = secure_getenv(name);
	char *end;

	if (!text)
		return standard;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value == 0 || value > 86400) {
		log_warning("Ignoring %s=%s: not a number of seconds from 1 to 86400", name, text);
		return standard;
	}
	return (unsigned)value;
}

int env_open(struct env *ret, struct error *err)
{
	const char *root = secure_getenv("MDEVCTL_ENV_ROOT");

	if (!root)
		root = "";
	int fd = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, STATUS_FAILED, "Unable to open MDEVCTL_ENV_ROOT '%s': %s",
				 root, error_words(errno));
	*ret = (struct env){ .root = fd,
			     .kmsg = -1,
			     .root_path = strcmp(root, "/") == 0 ? "" : root,
			     .callout_limit = seconds("MDEVCTL_CALLOUT_TIMEOUT", 120),
			     .notifier_limit = seconds("MDEVCTL_NOTIFIER_TIMEOUT", 10),
			     .lock_limit = seconds("MDEVCTL_LOCK_TIMEOUT", 30) };
	return 0;
}

void env_open_kmsg(struct env *env)
{
	env->kmsg = kmsg_open(env->root);
}

void env_close(struct env *env)
{
	if (env->root < 0) /* not opened */
		return;
	mem_close(&env->root);
	mem_close(&env->kmsg);
	env->root = -1;
}

bool env_is_host(const struct env *env)
{
	return *env->root_path == '\0';
}

/* Whether a writer can proceed without the lock: writing reports the error, or requires no new
 * file. */
static bool may_lack(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == ENOSPC ||
	       error == EDQUOT || error == ENOENT || error == ENOTDIR;
}

/* Opens the lock file. Only root can open it: if it were a directory that all users can open, any
 * user could hold the lock forever. Returns the fd, or -errno. */
static int open_lock(const struct env *env, const char *path)
{
	struct stat st;

	(void)mkdirat(env->root, CONFIGURATION, 0755); /* on errors, opening the file fails */
	_cleanup_close_ int fd =
		openat(env->root, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_mode & 077)
		(void)fchmod(fd, 0600); /* a copied file may have another mode */
	int r = fd;
	fd = -1;
	return r;
}

static int take_lock(const struct env *env, const char *path, int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = open_lock(env, path);

	if (fd < 0 && may_lack(-fd)) {
		log_debug("Proceeding without a lock on /%s: %s", path, error_words(-fd));
		*ret_fd = -1;
		return 0;
	}
	if (fd < 0)
		return error_set(err, STATUS_FAILED, "Unable to lock /%s: %s", path,
				 error_words(-fd));
	int r = file_lock(fd, env->lock_limit);
	if (r == -ETIMEDOUT)
		return error_set(err, STATUS_TIMED_OUT,
				 "Another process has held the lock on /%s for more than %u s; "
				 "use 'fuser -v /%s' to find it",
				 path, env->lock_limit, path);
	if (r == -EINTR)
		return error_set(err, STATUS_FAILED, "Interrupted, nothing was changed");
	if (r < 0) {
		log_debug("Proceeding without a lock on /%s: %s", path, error_words(-r));
		*ret_fd = -1;
		return 0;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int env_lock(const struct env *env, int *ret_fd, struct error *err)
{
	return take_lock(env, LOCK, ret_fd, err);
}

int env_lock_apply(const struct env *env, int *ret_fd, struct error *err)
{
	return take_lock(env, APPLY_LOCK, ret_fd, err);
}
