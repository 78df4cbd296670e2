/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "host/lock.h"

int lock_take(const struct env *env, const char *path, int *ret_fd, struct error *err)
{
	struct stat status;

	(void)mkdirat(env->root, "etc/mdevctl.d", 0755); /* on errors, opening the file fails */
	int r = file_open_locked(env->root, path, O_CREAT, env->lock_limit, &status);
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
