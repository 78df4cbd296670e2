/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdlib.h>

#include "error.h"
#include "mem.h"

int error_set(struct error *err, enum status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = mem_vprintf(format, args); /* before the free: args may borrow the old text */
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

	char *text = mem_printf("%s%s", err->text, more);
	free(err->text);
	err->text = text;
}

void error_clear(struct error *err)
{
	free(err->text);
	*err = (struct error){ 0 };
}
