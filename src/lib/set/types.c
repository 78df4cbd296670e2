/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/parent.h"
#include "set/types.h"

#define SPACE " \t\n\v\f\r"

/* Removes white space at both ends, like mdevctl. */
static char *trim(char *text)
{
	text += strspn(text, SPACE);
	for (char *end = text + strlen(text); end > text && strchr(SPACE, end[-1]);)
		*--end = '\0';
	return text;
}

/* Returns the text of an optional attribute; NULL if it does not exist or is empty. */
static char *optional_text(int dirfd, const char *path)
{
	char buf[4096 + 1];

	if (file_read_attr(dirfd, path, buf, sizeof(buf)) < 0)
		return NULL;
	char *text = trim(buf);
	if (!*text || !text_is_utf8(text, strlen(text)))
		return NULL;
	text_clean(text);
	return mem_text(text);
}

/* Joins the lines of a description with ", ". */
static char *read_description(int dirfd)
{
	_cleanup_free_ char *text = optional_text(dirfd, "description");
	char *joined = NULL, *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));)
		text_append(&joined, ", ", "%s", line);
	return joined;
}

/* Whatever is wrong with the number, `create` may work, so the type is listed without it. */
static void read_available(int dirfd, struct mdev_type *type)
{
	char text[64];

	int r = file_read_attr(dirfd, "available_instances", text, sizeof(text));
	const char *number = r == 0 ? trim(text) : "";
	type->counted = text_number(number + (*number == '+'), UINT_MAX, &type->available);
	if (r < 0)
		log_warning("Type %s of %s: Unable to read available_instances: %s", type->name,
			    type->parent, error_words(-r));
	else if (!type->counted)
		log_warning("Type %s of %s: available_instances is not a number: '%s'", type->name,
			    type->parent, text);
}

/* parent is interned. */
static void add(int dirfd, const char *parent, const char *name, struct mdev_type_list *ret)
{
	struct mdev_type type = { 0 };

	_cleanup_close_ int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && file_is_missing(errno))
		return; /* removed since the scan */
	type.parent = parent;
	type.name = mem_intern(name);
	read_available(fd, &type);
	type.device_api = optional_text(fd, "device_api");
	if (!type.device_api)
		log_warning("Type %s of %s: Unable to read device_api", name, parent);
	type.title = optional_text(fd, "name");
	type.description = read_description(fd);
	ret->v = mem_room(ret->v, ret->n, sizeof(*ret->v));
	ret->v[ret->n++] = type;
}

/* parent is interned. */
static void scan_parent(int dirfd, const char *parent, struct mdev_type_list *ret)
{
	_cleanup_names_ struct file_names names = { 0 };
	_cleanup_free_ char *path = mem_printf("%s/mdev_supported_types", parent);

	_cleanup_close_ int fd = file_open_dir(dirfd, path);
	int r = file_scan(fd, NULL, &names);
	if (r < 0) {
		log_warning("Ignoring parent %s: Unable to read mdev_supported_types: %s", parent,
			    error_words(-r));
		return;
	}
	ret->parents = mem_room(ret->parents, ret->n_parents, sizeof(*ret->parents));
	ret->parents[ret->n_parents++] = parent;
	for (int i = 0; i < names.n; i++)
		if (name_valid(names.v[i]->d_name))
			add(fd, parent, names.v[i]->d_name, ret);
		else
			log_warning(
				"Ignoring a type of parent %s: its name is not a valid type name",
				parent);
}

void types_find(const struct env *env, const char *parent, struct mdev_type_list *ret)
{
	_cleanup_names_ struct file_names names = { 0 };

	_cleanup_close_ int fd = file_open_dir(env->root, PARENT_CLASS);
	int r = file_scan(fd, NULL, &names);
	if (r < 0) {
		if (r != -ENOENT)
			log_warning("Unable to read /" PARENT_CLASS ": %s", error_words(-r));
		return;
	}
	for (int i = 0; i < names.n; i++) {
		const char *name = names.v[i]->d_name;

		if (name_valid(name) && (!parent || strcmp(parent, name) == 0))
			scan_parent(fd, mem_intern(name), ret);
	}
}

const struct mdev_type *types_find_name(const struct mdev_type *types, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

int types_match(const struct mdev_type *types, size_t n, const char *name,
		const struct mdev_type **ret, struct error *err)
{
	const struct mdev_type *found = types_find_name(types, n, name);
	_cleanup_free_ char *titled = NULL; /* names of the types with this title */
	size_t n_titled = 0;

	for (size_t i = 0; i < n && (!found || titled); i++)
		if (types[i].title && strcmp(types[i].title, name) == 0) {
			text_append(&titled, ", ", "%s", types[i].name);
			found = &types[i];
			n_titled++;
		}
	if (n_titled > 1)
		return error_set(err, STATUS_NOT_FOUND,
				 "Parent %s has several types with the name '%s': %s",
				 found->parent, name, titled);
	*ret = found;
	return 0;
}

void types_free(struct mdev_type_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->v[i].device_api);
		free(list->v[i].title);
		free(list->v[i].description);
	}
	free(list->v);
	free(list->parents);
	*list = (struct mdev_type_list){ 0 };
}
