/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/env.h"

/* An invalid value is ignored with a warning: it must not prevent a device from being started. */
static unsigned seconds(const char *name, unsigned standard)
{
	const char *text = secure_getenv(name);
	unsigned value;

	if (!text)
		return standard;
	if (!text_number(text, 86400, &value) || value == 0) {
		log_warning("Ignoring %s=%s: not a number of seconds from 1 to 86400", name, text);
		return standard;
	}
	return value;
}

/* This is the first file that a program opens. If the caller has closed standard input, output or
 * error, it takes their places as well, or else messages would be written into a lock or a device.
 * Reading and writing still fail, as the file is only a path. */
static int open_root(const char *path)
{
	int fd;

	do
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd;
}

int env_open(struct env *ret, struct error *err)
{
	const char *root = secure_getenv("MDEVCTL_ENV_ROOT");

	if (!root)
		root = "";
	int fd = open_root(*root ? root : "/");
	if (fd < 0)
		return error_set(err, STATUS_FAILED, "Unable to open MDEVCTL_ENV_ROOT '%s': %s",
				 root, error_words(errno));
	*ret = (struct env){ .root = fd,
			     .root_path = strcmp(root, "/") == 0 ? "" : root,
			     .callout_limit = seconds("MDEVCTL_CALLOUT_TIMEOUT", 120),
			     .notifier_limit = seconds("MDEVCTL_NOTIFIER_TIMEOUT", 10),
			     .lock_limit = seconds("MDEVCTL_LOCK_TIMEOUT", 30) };
	return 0;
}

void env_close(struct env *env)
{
	mem_close(&env->root);
}

bool env_has(const struct env *env, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	_cleanup_free_ char *path = mem_vprintf(format, args);
	va_end(args);

	return faccessat(env->root, path, F_OK, 0) == 0;
}

/* Whether a UID that sudo or pkexec has set, if any, is that of root or of the owner. */
static bool may_read(const char *text, uid_t owner)
{
	unsigned uid;

	return !text || (text_number(text, UINT_MAX, &uid) && (uid == 0 || uid == owner));
}

bool env_may_quote(uid_t owner)
{
	return !getauxval(AT_SECURE) && !secure_getenv("DOAS_USER") &&
	       may_read(secure_getenv("SUDO_UID"), owner) &&
	       may_read(secure_getenv("PKEXEC_UID"), owner);
}

bool env_is_host(const struct env *env)
{
	return *env->root_path == '\0';
}
