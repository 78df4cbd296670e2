/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fnmatch.h>
#include <search.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/suggest.h"
#include "base/text.h"
#include "device/json.h"
#include "device/uuid.h"
#include "apply/desired.h"

#define KEY_SIZE sizeof(JSON_TYPE_NAME) /* the longest one */

static const char set_keys[][KEY_SIZE] = { "mdev_type", "start",  "attrs", "parents",
					   "count",	"spread", "" };
static const char definition_keys[][KEY_SIZE] = { "mdev_type", "start",	       "attrs",
						  JSON_SET,    JSON_TYPE_NAME, "" };

/* Sets the error for a part of the file. Returns -1. */
__attribute__((format(printf, 3, 4))) static int invalid(struct error *err, const char *where,
							 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *text = mem_vprintf(format, args);
	va_end(args);
	return error_set(err, STATUS_INVALID, "Invalid %s: %s", where, text);
}

static bool is_key(const char *name, const char (*keys)[KEY_SIZE])
{
	while (**keys && strcmp(*keys, name) != 0)
		keys++;
	return **keys;
}

static int check_twice(const struct json_value *object, const char *noun, const char *where,
		       struct error *err)
{
	const char *twice = json_twice(object);

	return twice ? invalid(err, where, "%s '%s' is given twice", noun, twice) : 0;
}

/* Checks that all members have one of these keys, and no two the same. */
static int check_keys(const struct json_value *object, const char (*keys)[KEY_SIZE],
		      const char *where, struct error *err)
{
	if (check_twice(object, "key", where, err) < 0)
		return -1;
	for (const struct json_value *item = json_first(object); item; item = json_next(item)) {
		struct suggestion suggestion = { .word = json_name(item) };

		if (is_key(json_name(item), keys))
			continue;
		for (size_t i = 0; *keys[i]; i++)
			suggest_try(&suggestion, keys[i]);
		_cleanup_free_ char *question = suggest_question(&suggestion);
		return invalid(err, where, "unknown key '%s'%s", json_name(item), question);
	}
	return 0;
}

static const struct json_value *find(const struct json_value *object, const char *name)
{
	const struct json_value *item = json_first(object);

	while (item && strcmp(json_name(item), name) != 0)
		item = json_next(item);
	return item;
}

static bool is_text(const struct json_value *value, const char *text)
{
	return json_text(value) && strcmp(json_text(value), text) == 0;
}

static int read_parents(const struct json_value *array, const char *where, struct set *set,
			struct error *err)
{
	const struct json_value *item = json_is_array(array) ? json_first(array) : NULL;
	const char *parent;

	if (!array)
		return invalid(err, where, "'parents' is missing");
	for (; item && (parent = json_text(item)); item = json_next(item)) {
		if (!parent_name_valid(parent))
			return invalid(err, where, "invalid parent name '%s' in 'parents'", parent);
		for (size_t i = 0; i < set->n_parents; i++)
			if (strcmp(set->parents[i], parent) == 0)
				return invalid(err, where, "'parents' has '%s' twice", parent);
		set->parents = mem_room(set->parents, set->n_parents, sizeof(*set->parents));
		set->parents[set->n_parents++] = mem_text(parent);
	}
	if (item || set->n_parents == 0)
		return invalid(err, where, "'parents' must be a list of names or patterns");
	return 0;
}

/* Returns the length of the name of a set at the start of text; 0 = it is none. */
static size_t name_length(const char *text)
{
	size_t n =
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n <= SET_NAME_LIMIT ? n : 0;
}

static int read_set(const struct json_value *object, const char *file, struct desired *ret,
		    struct error *err)
{
	const char *name = json_name(object);
	_cleanup_free_ char *where = mem_printf("%s: set '%s'", file, name);

	if (name_length(name) == 0 || name[name_length(name)])
		return invalid(err, where,
			       "the name of a set is 1 to %d letters, digits, '.', '_' or '-'",
			       SET_NAME_LIMIT);
	if (!json_is_object(object))
		return invalid(err, where, "not an object");
	struct set *set = desired_add(ret, name);
	if (check_keys(object, set_keys, where, err) < 0)
		return -1;
	const struct json_value *count = find(object, "count"), *spread = find(object, "spread");
	const struct json_value *parents = find(object, "parents");
	set->max = is_text(count, "max");
	set->count = set->max ? SET_LIMIT : 1;
	if (count && !set->max && !json_whole(count, SET_LIMIT, &set->count))
		return invalid(err, where,
			       "'count' must be a whole number from 0 to %u, or \"max\"",
			       SET_LIMIT);
	/* A set with 0 devices requires no other keys, but those given must be valid. */
	bool gone = set->count == 0;
	if ((!gone || find(object, "mdev_type") || find(object, "start") ||
	     find(object, "attrs")) &&
	    json_take_definition(object, where, true, &set->device, err) < 0)
		return -1;
	if ((!gone || parents) && read_parents(parents, where, set, err) < 0)
		return -1;
	set->fill = is_text(spread, "fill");
	if (spread && !set->fill && !is_text(spread, "cards"))
		return invalid(err, where, "'spread' must be \"cards\" or \"fill\"");
	return 0;
}

static int read_sets(const struct json_value *object, const char *file, struct desired *ret,
		     struct error *err)
{
	if (check_twice(object, "set", file, err) < 0)
		return -1;
	for (const struct json_value *item = json_first(object); item; item = json_next(item)) {
		/* The output of list --dumpjson with one --uuid. */
		if (is_key(json_name(item), definition_keys) && !json_is_object(item))
			return invalid(err, file,
				       "this is the definition of one device, which is for "
				       "'mdevctl define --jsonfile'");
		if (read_set(item, file, ret, err) < 0)
			return -1;
	}
	return 0;
}

/* The set that a device belongs to, and the name of its type. Whatever else these members may
 * contain is not compared. */
static int read_set_members(const struct json_value *definition, const char *where,
			    struct mdev *dev, struct error *err)
{
	static const char names[][KEY_SIZE] = { JSON_SET, JSON_TYPE_NAME };
	const char *texts[2] = { NULL, NULL };
	char name[SET_NAME_LIMIT + 1], uuid[UUID_SIZE];
	unsigned index;

	for (size_t i = 0; i < 2; i++) {
		const struct json_value *value = find(definition, names[i]);

		texts[i] = value ? json_text(value) : NULL;
		if (value && !texts[i])
			return invalid(err, where, "'%s' must be a string", names[i]);
	}
	if (!texts[0] || !set_read_label(texts[0], name, &index))
		return 0;
	uuid_of_name(texts[0], uuid);
	for (size_t i = 0; i < 2 && strcmp(uuid, dev->uuid) == 0; i++)
		json_set_unknown_string(dev, names[i], texts[i]);
	return 0;
}

/* {"UUID": {definition}} */
static int read_device(const struct json_value *object, const char *file, const char *parent,
		       struct mdev_list *ret, struct error *err)
{
	const struct json_value *definition = json_is_object(object) ? json_first(object) : NULL;

	if (!definition || json_next(definition))
		return invalid(err, file, "devices of parent '%s' must be objects of one UUID each",
			       parent);
	const char *uuid = json_name(definition);
	_cleanup_free_ char *where = mem_printf("%s: device '%s' of '%s'", file, uuid, parent);
	struct mdev *dev = mdev_list_add(ret);

	if (!uuid_read(uuid, dev->uuid))
		return invalid(err, where, "not a UUID");
	if (!json_is_object(definition))
		return invalid(err, where, "not an object");
	dev->parent = mem_intern(parent);
	if (check_keys(definition, definition_keys, where, err) < 0 ||
	    json_take_definition(definition, where, false, dev, err) < 0)
		return -1;
	return read_set_members(definition, where, dev, err);
}

/* {"PARENT": [device, ...], ...} */
static int read_devices(const struct json_value *object, const char *file, struct mdev_list *ret,
			struct error *err)
{
	if (!json_is_object(object))
		return invalid(err, file, "not a list of parents");
	if (check_twice(object, "parent", file, err) < 0)
		return -1;
	for (const struct json_value *item = json_first(object); item; item = json_next(item)) {
		const char *parent = json_name(item);

		if (!parent_name_valid(parent))
			return invalid(err, file, "invalid parent name '%s'", parent);
		if (!json_is_array(item))
			return invalid(err, file, "parent '%s' is not a list of devices", parent);
		for (const struct json_value *dev = json_first(item); dev; dev = json_next(dev))
			if (read_device(dev, file, parent, ret, err) < 0)
				return -1;
	}
	return 0;
}

static int read_definitions(const struct json_value *array, const char *file, struct mdev_list *ret,
			    struct error *err)
{
	for (const struct json_value *item = json_first(array); item; item = json_next(item))
		if (read_devices(item, file, ret, err) < 0)
			return -1;
	mdev_list_sort(ret);
	for (size_t i = 1; i < ret->n; i++)
		if (mdev_compare(&ret->v[i], &ret->v[i - 1]) == 0)
			return invalid(err, file, "device '%s' of '%s' is given twice",
				       ret->v[i].uuid, ret->v[i].parent);
	return 0;
}

int desired_read(const char *text, size_t len, const char *where, bool prune, struct desired *ret,
		 struct error *err)
{
	_cleanup_desired_ struct desired desired = { .prune = prune };
	int r;

	_cleanup_json_ struct json_value *value = json_parse(text, len, where, err);
	if (!value)
		return -1;
	if (json_is_object(value))
		r = read_sets(value, where, &desired, err);
	else if (!json_is_array(value))
		r = invalid(err, where, "neither an object of sets nor a list of definitions");
	else if (prune)
		r = invalid(err, where, "--prune is for sets, and this is a list of definitions");
	else
		r = read_definitions(value, where, &desired.definitions, err);
	if (r < 0)
		return -1;
	*ret = desired;
	desired = (struct desired){ 0 };
	return 0;
}

/* Compares two sets, or a name with one, which begins with it. */
static int by_name(const void *left, const void *right)
{
	return strcmp(left, right);
}

const struct set *desired_find(const struct desired *desired, const char *name)
{
	struct set *const *found = tfind(name, &desired->names, by_name);

	return found ? *found : NULL;
}

struct set *desired_add(struct desired *desired, const char *name)
{
	struct set *set = mem_zero(1, sizeof(*set));

	memcpy(set->name, name, strlen(name) + 1);
	set->position = desired->n_sets;
	desired->sets = mem_room(desired->sets, desired->n_sets, sizeof(*desired->sets));
	desired->sets[desired->n_sets++] = set;
	mem_check(tsearch(set, &desired->names, by_name));
	return set;
}

static void free_set(void *pointer)
{
	struct set *set = pointer;

	for (size_t i = 0; i < set->n_parents; i++)
		free(set->parents[i]);
	free(set->parents);
	mdev_free(&set->device);
	free(set);
}

void desired_free(struct desired *desired)
{
	tdestroy(desired->names, free_set);
	free(desired->sets);
	mdev_list_free(&desired->definitions);
	*desired = (struct desired){ 0 };
}

char *set_label(const struct set *set, unsigned index)
{
	return mem_printf("%s/%u", set->name, index);
}

bool set_read_label(const char *label, char ret_name[SET_NAME_LIMIT + 1], unsigned *ret_index)
{
	size_t n = name_length(label);

	if (n == 0 || label[n] != '/' || (label[n + 1] == '0' && label[n + 2]) || /* "a/007" */
	    !text_number(&label[n + 1], SET_LIMIT - 1, ret_index))
		return false;
	memcpy(ret_name, label, n);
	ret_name[n] = '\0';
	return true;
}

void set_uuid(const struct set *set, unsigned index, char ret[UUID_SIZE])
{
	_cleanup_free_ char *label = set_label(set, index);

	uuid_of_name(label, ret);
}

bool set_is_pattern(const char *entry)
{
	return strpbrk(entry, "*?[") != NULL;
}

bool set_entry_matches(const char *entry, const char *parent)
{
	return strcmp(entry, parent) == 0 ||
	       (set_is_pattern(entry) && fnmatch(entry, parent, FNM_NOESCAPE) == 0);
}

bool set_matches(const struct set *set, const char *parent)
{
	for (size_t i = 0; i < set->n_parents; i++)
		if (set_entry_matches(set->parents[i], parent))
			return true;
	return false;
}
