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

/* A variable that is no number of seconds is passed over with a warning: a time limit is no reason
 * not to start a device. */
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
				 root, strerror(errno));
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

int env_lock(const struct env *env, int *ret_fd, struct error *err)
{
	(void)mkdirat(env->root, "etc/mdevctl.d", 0755); /* there, or the write will tell */
	_cleanup_close_ int fd = file_open_dir(env->root, "etc/mdevctl.d");
	if (fd == -ENOENT || fd == -EACCES || fd == -ENOTDIR) {
		*ret_fd = -1;
		return 0;
	}
	if (fd < 0)
		return error_set(err, STATUS_FAILED, "Unable to lock /etc/mdevctl.d: %s",
				 strerror(-fd));
	int r = file_lock(fd, env->lock_limit);
	if (r == -ETIMEDOUT)
		return error_set(err, STATUS_TIMED_OUT,
				 "Another program holds the lock on /etc/mdevctl.d for more "
				 "than %u s; 'fuser -v /etc/mdevctl.d' names it",
				 env->lock_limit);
	if (r == -EINTR)
		return error_set(err, STATUS_FAILED, "Interrupted, nothing was changed");
	if (r < 0) {
		log_debug("No lock on /etc/mdevctl.d: %s", strerror(-r));
		*ret_fd = -1;
		return 0;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}
