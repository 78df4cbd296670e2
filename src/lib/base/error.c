/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

int error_set(struct error *err, enum status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = mem_vprintf(format, args); /* before free(): args may refer to the old text */
	va_end(args);

	free(err->text);
	err->status = status;
	err->text = text;
	return -1;
}

void error_append(struct error *err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	_cleanup_free_ char *more = mem_vprintf(format, args);
	va_end(args);

	text_append(&err->text, "", "%s", more);
}

const char *error_words(int error)
{
	if (geteuid() != 0 && error == EACCES)
		return "Permission denied (must be root)";
	if (geteuid() != 0 && error == EPERM)
		return "Operation not permitted (must be root)";
	return strerror(error);
}

const char *error_must_be_root(void)
{
	return geteuid() == 0 ? "" : " (must be root)";
}

int error_interrupted(struct error *err)
{
	return error_set(err, STATUS_FAILED, "Interrupted, nothing was changed");
}

void error_clear(struct error *err)
{
	free(err->text);
	*err = (struct error){ 0 };
}
