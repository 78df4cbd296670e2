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

int op_read_file(const char *path, size_t limit, struct op_file *ret)
{
	bool standard = strcmp(path, "/dev/stdin") == 0 || strcmp(path, "-") == 0;
	struct stat st;

	*ret = (struct op_file){ .name = strcmp(path, "-") == 0 ? "standard input" : path };
	/* Opening /dev/stdin fails for a socket. */
	_cleanup_close_ int fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					  : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret->hidden = !standard && (fstat(fd, &st) < 0 || !env_may_quote(st.st_uid));
	return file_read_fd(fd, limit, &ret->text, &ret->len);
}

void op_free_file(struct op_file *file)
{
	free(file->text);
}

int op_file_error(const struct op_file *file, struct error *err)
{
	if (file->hidden) /* the lines follow the sentence */
		err->text[strcspn(err->text, "\n")] = '\0';
	return -1;
}

int op_read_jsonfile(const char *path, const char *noun, struct mdev *ret, struct error *err)
{
	_cleanup_file_ struct op_file file;

	int r = op_read_file(path, FILE_LIMIT, &file);
	if (r < 0)
		return error_set(err, STATUS_FAILED, "Unable to read %s \"%s\": %s", noun, path,
				 error_words(-r));
	r = json_read_definition(file.text, file.len, file.name, true, ret, err);
	return r < 0 ? op_file_error(&file, err) : 0;
}

char *op_start_hint(const struct op *op, const struct mdev *dev)
{
	_cleanup_error_ struct error why = { 0 };

	enum reason reason = reason_find(op->env, dev->parent, dev->type);
	if (reason == REASON_NONE)
		return NULL;
	reason_set(op->env, reason, dev->parent, dev->type, &why);
	if (why.status != STATUS_NOT_FOUND)
		return NULL;
	return mem_printf("The device cannot be started yet: %s", why.text);
}

void op_hint_start(const struct op *op, const struct mdev *dev)
{
	_cleanup_free_ char *hint = op_start_hint(op, dev);

	if (hint)
		log_hint("%s", hint);
}
