/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

void text_append(char **list, const char *separator, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *words = mem_vprintf(format, args);
	va_end(args);

	if (*list) {
		char *all = mem_printf("%s%s%s", *list, separator, words);
		free(*list);
		free(words);
		words = all;
	}
	*list = words;
}

bool text_number(const char *text, unsigned max, unsigned *ret)
{
	unsigned value;

	if (!text_take_number(&text, max, &value) || *text)
		return false;
	*ret = value;
	return true;
}

bool text_take_number(const char **text, unsigned max, unsigned *ret)
{
	unsigned long long value = 0;
	const char *p = *text;

	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (unsigned)(*p - '0');
		if (value > max)
			return false;
	}
	if (p == *text)
		return false;
	*text = p;
	*ret = (unsigned)value;
	return true;
}

const char *text_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

size_t text_utf8_length(const unsigned char *p, const unsigned char *end)
{
	if (p[0] < 0x80)
		return p[0] ? 1 : 0;
	size_t n = p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 4;

	if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0; /* overlong encoding, surrogate, or beyond Unicode */
	return n;
}

static bool is_control(const unsigned char *p)
{
	return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

static bool is_valid(const char *text, size_t len, bool controls)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;

	for (size_t n; p < end; p += n) {
		n = 1;
		if (*p >= 0x20 && *p < 0x7f) /* nearly all is ASCII */
			continue;
		n = text_utf8_length(p, end);
		if (n == 0 || (!controls && is_control(p)))
			return false;
	}
	return true;
}

bool text_is_utf8(const char *text, size_t len)
{
	return is_valid(text, len, true);
}

bool text_printable(const char *text)
{
	return is_valid(text, strlen(text), false);
}

void text_clean(char *text)
{
	unsigned char *p = (unsigned char *)text, *end = p + strlen(text);

	while (p < end) {
		size_t n = text_utf8_length(p, end);
		bool good = n > 0 && (*p == '\n' || *p == '\t' || !is_control(p));

		for (n += n == 0; n > 0; n--, p++)
			if (!good)
				*p = '?';
	}
}
