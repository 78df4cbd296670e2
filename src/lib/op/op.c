/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "device/json.h"
#include "op/op.h"
#include "view/reason.h"

void op_set_device(struct mdev *dev, const char *uuid, const char *parent, const char *type)
{
	if (uuid)
		memcpy(dev->uuid, uuid, UUID_SIZE);
	if (parent)
		dev->parent = mem_intern(parent);
	if (type)
		dev->type = mem_intern(type);
}

/* Opens a file that was given on the command line. Standard input is used directly, as opening
 * /dev/stdin fails for a socket. O_NONBLOCK is set only while opening, so that a FIFO without a
 * writer is read as an empty file. */
static int open_file(const char *path)
{
	bool standard = strcmp(path, "/dev/stdin") == 0 || strcmp(path, "-") == 0;
	int fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			  : open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!standard)
		(void)fcntl(fd, F_SETFL, 0); /* cannot fail for a new file descriptor */
	return fd;
}

int op_read_file(const char *path, size_t limit, char **ret_text, size_t *ret_len)
{
	_cleanup_close_ int fd = open_file(path);

	return fd < 0 ? fd : file_read_fd(fd, limit, ret_text, ret_len);
}

const char *op_file_name(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

int op_read_jsonfile(const char *path, const char *noun, struct mdev *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	int r = op_read_file(path, FILE_LIMIT, &text, &len);
	if (r < 0)
		return error_set(err, STATUS_FAILED, "Unable to read %s \"%s\": %s", noun, path,
				 error_words(-r));
	return json_read_definition(text, len, op_file_name(path), true, ret, err);
}

char *op_start_hint(const struct op *op, const struct mdev *dev)
{
	_cleanup_error_ struct error why = { 0 };

	if (reason_check(op->env, dev->parent, dev->type, &why) == 0 ||
	    why.status != STATUS_NOT_FOUND)
		return NULL;
	return mem_printf("The device cannot be started yet: %s", why.text);
}

void op_hint_start(const struct op *op, const struct mdev *dev)
{
	_cleanup_free_ char *hint = op_start_hint(op, dev);

	if (hint)
		log_hint("%s", hint);
}
