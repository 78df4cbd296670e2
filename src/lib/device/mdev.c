/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "device/mdev.h"

void mdev_clear_attrs(struct mdev *dev)
{
	for (size_t i = 0; i < dev->n_attrs; i++)
		free(dev->attrs[i].name);
	free(dev->attrs);
	dev->attrs = NULL;
	dev->n_attrs = 0;
}

void mdev_free(struct mdev *dev)
{
	mdev_clear_attrs(dev);
	free(dev->unknown);
	dev->unknown = NULL;
}

void mdev_insert_attr(struct mdev *dev, size_t index, const char *name, const char *value)
{
	size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
	/* One piece of memory: list reads thousands of attributes. */
	char *copy = mem_grow(NULL, name_size + value_size, 1);

	memcpy(copy, name, name_size);
	memcpy(copy + name_size, value, value_size);
	dev->attrs = mem_room(dev->attrs, dev->n_attrs, sizeof(*dev->attrs));
	memmove(&dev->attrs[index + 1], &dev->attrs[index],
		(dev->n_attrs - index) * sizeof(*dev->attrs));
	dev->attrs[index] = (struct attr){ copy, copy + name_size };
	dev->n_attrs++;
}

void mdev_remove_attr(struct mdev *dev, size_t index)
{
	free(dev->attrs[index].name);
	dev->n_attrs--;
	memmove(&dev->attrs[index], &dev->attrs[index + 1],
		(dev->n_attrs - index) * sizeof(*dev->attrs));
}

int mdev_check_attrs(const struct mdev *dev, struct error *err)
{
	for (size_t i = 0; i < dev->n_attrs; i++)
		if (!attr_name_settable(dev->attrs[i].name))
			return error_set(err, STATUS_INVALID,
					 "'%s' is not an attribute that can be set",
					 dev->attrs[i].name);
	return 0;
}

const char *mdev_state_name(enum mdev_state state)
{
	static const char *const names[] = {
		[MDEV_UNKNOWN] = "unknown",	  [MDEV_BROKEN] = "broken",
		[MDEV_INCOMPLETE] = "incomplete", [MDEV_DIFFERS] = "differs",
		[MDEV_MISSING] = "missing",	  [MDEV_RUNNING] = "running",
		[MDEV_STOPPED] = "stopped",
	};

	return names[state];
}

void mdev_copy_definition(struct mdev *dev, const struct mdev *from)
{
	dev->type = from->type;
	dev->autostart = from->autostart;
	for (size_t i = 0; i < from->n_attrs; i++)
		mdev_insert_attr(dev, i, from->attrs[i].name, from->attrs[i].value);
	dev->unknown = from->unknown ? mem_text(from->unknown) : NULL;
}

void mdev_move_definition(struct mdev *ret, struct mdev *dev)
{
	mdev_free(ret);
	ret->type = dev->type;
	ret->autostart = dev->autostart;
	ret->attrs = dev->attrs;
	ret->n_attrs = dev->n_attrs;
	ret->unknown = dev->unknown;
	*dev = (struct mdev){ 0 };
}

bool mdev_is_same(const struct mdev *a, const struct mdev *b)
{
	if (strcmp(a->type, b->type) != 0 || a->autostart != b->autostart ||
	    a->n_attrs != b->n_attrs)
		return false;
	for (size_t i = 0; i < a->n_attrs; i++)
		if (strcmp(a->attrs[i].name, b->attrs[i].name) != 0 ||
		    strcmp(a->attrs[i].value, b->attrs[i].value) != 0)
			return false;
	return true;
}

struct mdev *mdev_list_add(struct mdev_list *list)
{
	list->v = mem_room(list->v, list->n, sizeof(*list->v));
	list->v[list->n] = (struct mdev){ 0 };
	return &list->v[list->n++];
}

int mdev_compare(const struct mdev *a, const struct mdev *b)
{
	int order = strcmp(a->parent, b->parent);

	return order ? order : strcmp(a->uuid, b->uuid);
}

static int compare(const void *a, const void *b)
{
	return mdev_compare(a, b);
}

void mdev_list_sort(struct mdev_list *list)
{
	if (list->n > 1)
		qsort(list->v, list->n, sizeof(*list->v), compare);
}

const struct mdev *mdev_list_find(const struct mdev_list *list, const struct mdev *dev)
{
	return list->n == 0 ? NULL : bsearch(dev, list->v, list->n, sizeof(*list->v), compare);
}

bool mdev_list_has_type(const struct mdev_list *list, const char *parent, const char *type)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].parent, parent) == 0 && strcmp(list->v[i].type, type) == 0)
			return true;
	return false;
}

void mdev_list_free(struct mdev_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		mdev_free(&list->v[i]);
	free(list->v);
	free(list->unseen);
	*list = (struct mdev_list){ 0 };
}

bool uuid_read(const char *text, char ret[UUID_SIZE])
{
	char uuid[UUID_SIZE];
	size_t n = strlen(text);

	if (uuid_is_canonical(text)) {	       /* the common case */
		memmove(ret, text, UUID_SIZE); /* may be the same */
		return true;
	}
	if (strncmp(text, "urn:uuid:", 9) == 0) {
		text += 9;
		n -= 9;
	} else if (n == UUID_SIZE + 1 && text[0] == '{' && text[n - 1] == '}') {
		text++;
		n -= 2;
	}
	if (n != 32 && n != UUID_SIZE - 1)
		return false;
	for (size_t i = 0; i < UUID_SIZE - 1; i++) {
		bool hyphen = n == 32 && (i == 8 || i == 13 || i == 18 || i == 23);

		uuid[i] = (char)(hyphen ? '-' : tolower((unsigned char)*text++));
	}
	uuid[UUID_SIZE - 1] = '\0';
	if (!uuid_is_canonical(uuid))
		return false;
	memcpy(ret, uuid, UUID_SIZE);
	return true;
}

bool uuid_is_canonical(const char *text)
{
	/* A table: processors cannot predict which digits are letters. */
	static const bool digits[UCHAR_MAX + 1] = { ['0' ... '9'] = true, ['a' ... 'f'] = true };
	static const unsigned groups[] = { 8, 4, 4, 4, 12 };

	for (size_t i = 0; i < 5; i++) {
		for (unsigned n = groups[i]; n > 0; n--) /* also stops at a NUL */
			if (!digits[(unsigned char)*text++])
				return false;
		if (*text++ != (i < 4 ? '-' : '\0'))
			return false;
	}
	return true;
}

/* Whether the first n bytes of text are a valid path component. */
static bool component_valid(const char *text, size_t n)
{
	return n > 0 && n <= NAME_MAX && !(n == 1 && text[0] == '.') &&
	       !(n == 2 && text[0] == '.' && text[1] == '.');
}

bool name_valid(const char *text)
{
	return component_valid(text, strlen(text)) && !strchr(text, '/') && text_printable(text);
}

bool parent_name_valid(const char *text)
{
	/* One contains deprecated scripts, and hidden ones are not ours. */
	return name_valid(text) && text[0] != '.' && strcmp(text, "scripts.d") != 0;
}

bool attr_name_valid(const char *text)
{
	if (strlen(text) >= PATH_MAX / 2)
		return false;
	for (const char *p = text;; p++) {
		size_t n = strcspn(p, "/");
		if (!component_valid(p, n))
			return false;
		p += n;
		if (*p == '\0')
			return text_printable(text);
	}
}

bool attr_name_settable(const char *text)
{
	return strcmp(text, "remove") != 0 && strcmp(text, "driver_override") != 0 &&
	       strcmp(text_base_name(text), "uevent") != 0;
}

bool title_valid(const char *text)
{
	return strlen(text) <= NAME_MAX && attr_name_valid(text);
}
