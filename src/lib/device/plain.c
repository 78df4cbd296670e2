/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "device/plain.h"

/* A longer text is not plain. */
#define TEXT_SIZE 256

struct reader {
	const char *p;	 /* the current position */
	struct mdev dev; /* owned by plain_read() */
	bool started;	 /* start has been read */
	bool listed;	 /* attrs has been read */
};

static void skip_space(struct reader *r)
{
	while (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')
		r->p++;
}

/* Skips white space, and this character if it is the next one. */
static bool skip(struct reader *r, char c)
{
	skip_space(r);
	if (*r->p != c)
		return false;
	r->p++;
	return true;
}

static bool read_text(struct reader *r, char ret[TEXT_SIZE])
{
	if (!skip(r, '"'))
		return false;
	for (size_t n = 0; n < TEXT_SIZE; n++) {
		unsigned char c = (unsigned char)*r->p;

		if (c < 0x20 || c > 0x7e || c == '\\') /* also stops at the NUL */
			return false;
		r->p++;
		ret[n] = (char)c;
		if (c == '"') {
			ret[n] = '\0';
			return true;
		}
	}
	return false;
}

static bool read_type(struct reader *r)
{
	char type[TEXT_SIZE];

	if (r->dev.type || !read_text(r, type) || !name_valid(type))
		return false;
	r->dev.type = mem_intern(type);
	return true;
}

static bool read_start(struct reader *r)
{
	char start[TEXT_SIZE];

	if (r->started || !read_text(r, start))
		return false;
	r->started = true;
	r->dev.autostart = strcmp(start, "auto") == 0;
	return r->dev.autostart || strcmp(start, "manual") == 0;
}

static bool read_attr(struct reader *r)
{
	char name[TEXT_SIZE], value[TEXT_SIZE];

	if (!skip(r, '{') || !read_text(r, name) || !skip(r, ':') || !read_text(r, value) ||
	    !skip(r, '}') || !attr_name_valid(name))
		return false;
	mdev_insert_attr(&r->dev, r->dev.n_attrs, name, value);
	return true;
}

static bool read_attrs(struct reader *r)
{
	if (r->listed || !skip(r, '['))
		return false;
	r->listed = true;
	if (skip(r, ']'))
		return true;
	do
		if (!read_attr(r))
			return false;
	while (skip(r, ','));
	return skip(r, ']');
}

/* Unknown members are plain, as apply adds the name of the set and the title of the type. This one
 * starts with the name, whose quotes are included in len. */
static bool read_unknown(struct reader *r, const char *name, size_t len)
{
	const char *others = r->dev.unknown ? r->dev.unknown : "";
	char value[TEXT_SIZE];

	if (memmem(others, strlen(others), name, len) /* perhaps given twice */ ||
	    !read_text(r, value))
		return false;
	text_append(&r->dev.unknown, ",\n  ", "%.*s", (int)(r->p - name), name);
	return true;
}

static bool read_member(struct reader *r)
{
	char name[TEXT_SIZE];

	skip_space(r);
	const char *start = r->p;
	if (!read_text(r, name) || !skip(r, ':'))
		return false;
	if (strcmp(name, "mdev_type") == 0)
		return read_type(r);
	if (strcmp(name, "start") == 0)
		return read_start(r);
	if (strcmp(name, "attrs") == 0)
		return read_attrs(r);
	return read_unknown(r, start, strlen(name) + 2);
}

static bool read_definition(struct reader *r)
{
	if (!skip(r, '{'))
		return false;
	do
		if (!read_member(r))
			return false;
	while (skip(r, ','));
	return skip(r, '}') && r->dev.type && r->started;
}

bool plain_read(const char *text, size_t len, struct mdev *ret)
{
	struct reader r = { .p = text };

	bool plain = read_definition(&r);
	skip_space(&r);
	plain = plain && r.p == text + len;
	if (plain)
		mdev_move_definition(ret, &r.dev);
	mdev_free(&r.dev);
	return plain;
}
