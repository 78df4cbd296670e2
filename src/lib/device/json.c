/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "device/json.h"
#include "device/syntax.h"

static void free_tree(cJSON **tree)
{
	cJSON_Delete(*tree);
}
#define _cleanup_tree_ __attribute__((cleanup(free_tree)))

static cJSON *parse(const char *text, size_t len, const char *where, struct error *err)
{
	struct syntax_error error;

	if (!text_is_utf8(text, len)) {
		error_set(err, STATUS_INVALID, "Invalid JSON in %s: not valid UTF-8", where);
		return NULL;
	}
	if (!syntax_check(text, &error)) {
		_cleanup_free_ char *message = syntax_message(text, &error, where);
		error_set(err, STATUS_INVALID, "%s", message);
		return NULL;
	}
	cJSON *tree = cJSON_ParseWithOpts(text, NULL, true);
	if (!tree) /* a limit of cJSON, none of which is known to be reached */
		error_set(err, STATUS_INVALID, "Invalid JSON in %s", where);
	return tree;
}

/* Duplicate members are legal; like in mdevctl, the last one counts. */
static const cJSON *member(const cJSON *object, const char *name)
{
	const cJSON *found = NULL, *item;

	cJSON_ArrayForEach (item, object)
		if (strcmp(item->string, name) == 0)
			found = item;
	return found;
}

/* Reads [{"name":"value"},...]. With lenient, empty objects are ignored. */
static int read_attrs(const cJSON *array, bool lenient, const char *where, struct mdev *ret,
		      struct error *err)
{
	const cJSON *item;

	if (!array || cJSON_IsNull(array))
		return 0;
	if (!cJSON_IsArray(array))
		return error_set(err, STATUS_INVALID,
				 "Invalid %s: attributes field is not an array", where);
	cJSON_ArrayForEach (item, array) {
		if (!cJSON_IsObject(item))
			return error_set(
				err, STATUS_INVALID,
				"Invalid %s: invalid JSON format for attribute: not an object",
				where);
		const cJSON *attr = item->child;
		if (!attr && lenient)
			continue;
		if (!attr || attr->next)
			return error_set(err, STATUS_INVALID,
					 "Invalid %s: invalid JSON format for attribute: %s", where,
					 attr ? "too many fields" : "no field");
		if (!cJSON_IsString(attr))
			return error_set(
				err, STATUS_INVALID,
				"Invalid %s: invalid JSON format for attribute \"%s\": value "
				"must be of type str",
				where, attr->string);
		if (!attr_name_valid(attr->string))
			return error_set(err, STATUS_INVALID,
					 "Invalid %s: invalid attribute name '%s'", where,
					 attr->string);
		mdev_insert_attr(ret, ret->n_attrs, attr->string, attr->valuestring);
	}
	return 0;
}

/* Returns the end of the member that starts at p: the comma or brace that follows it. */
static const char *member_end(const char *p)
{
	bool string = false;

	for (unsigned depth = 0;; p++) {
		if (string && *p == '\\')
			p++;
		else if (*p == '"')
			string = !string;
		else if (string)
			continue;
		else if (*p == '{' || *p == '[')
			depth++;
		else if (depth == 0 && (*p == ',' || *p == '}'))
			return p;
		else if (*p == '}' || *p == ']')
			depth--;
	}
}

/* Returns the unknown members of a valid object other than `except` (NULL = all of them), copied
 * literally from its text: parsing and writing them would change numbers that a double cannot
 * represent. Owned by the caller; NULL if there are none. */
static char *unknown_members(const char *text, const cJSON *object, const char *except)
{
	const char *p = strchr(text, '{') + 1, *end;
	const cJSON *item;
	FILE *file = NULL;
	char *all = NULL;

	for (item = object->child; item; item = item->next, p = end + 1) {
		p += strspn(p, " \t\r\n");
		end = member_end(p);
		if (strcmp(item->string, "mdev_type") == 0 || strcmp(item->string, "start") == 0 ||
		    strcmp(item->string, "attrs") == 0 ||
		    (except && strcmp(item->string, except) == 0))
			continue;
		size_t n = (size_t)(end - p);
		while (strchr(" \t\r\n", p[n - 1]))
			n--;
		if (file)
			fputs(",\n  ", file);
		else
			file = mem_stream(&all);
		fwrite(p, 1, n, file);
	}
	if (file)
		mem_stream_end(file, &all);
	return all;
}

char *json_unknown_string(const struct mdev *dev, const char *name)
{
	if (!dev->unknown || !strstr(dev->unknown, name)) /* avoids parsing in most cases */
		return NULL;
	_cleanup_free_ char *text = mem_printf("{%s}", dev->unknown);
	_cleanup_tree_ cJSON *tree = cJSON_Parse(text);
	const char *value = cJSON_GetStringValue(member(tree, name));
	return value ? mem_text(value) : NULL;
}

/* What can be read from a stored definition, so that it can be removed, must not be given. */
static int check_attrs(const struct mdev *dev, const char *where, struct error *err)
{
	int r = mdev_check_attrs(dev, err);

	return r < 0 ? error_set(err, err->status, "Invalid %s: %s", where, err->text) : 0;
}

static int read_start(const cJSON *start, const char *where, bool strict, bool *ret,
		      struct error *err)
{
	const char *value = cJSON_GetStringValue(start);
	bool known = value && (strcmp(value, "auto") == 0 || strcmp(value, "manual") == 0);

	if (!start || cJSON_IsNull(start))
		return error_set(err, STATUS_INVALID,
				 "Invalid %s: invalid json, 'start' is missing", where);
	if (!known && strict)
		return error_set(err, STATUS_INVALID,
				 "Invalid %s: 'start' must be \"auto\" or \"manual\"", where);
	if (!known)
		log_warning("%s: 'start' is neither \"auto\" nor \"manual\", treating it as manual",
			    where);
	*ret = known && strcmp(value, "auto") == 0;
	return 0;
}

/* Reads a definition without its unknown members. title: see json_take_definition(). */
static int read_definition(const cJSON *tree, const char *where, bool strict, bool title,
			   struct mdev *ret, struct error *err)
{
	_cleanup_mdev_ struct mdev dev = { 0 };

	if (!cJSON_IsObject(tree))
		return error_set(err, STATUS_INVALID, "Invalid %s: invalid json, not an object%s",
				 where,
				 strict && cJSON_IsArray(tree)
					 ? ". A list of definitions is for 'mdevctl apply'"
					 : "");
	const cJSON *type = member(tree, "mdev_type");
	if (!type || cJSON_IsNull(type))
		return error_set(err, STATUS_INVALID,
				 "Invalid %s: invalid json, 'mdev_type' is missing", where);
	if (!cJSON_IsString(type))
		return error_set(err, STATUS_INVALID, "Invalid %s: 'mdev_type' must be a string",
				 where);
	if (!(title ? title_valid : name_valid)(type->valuestring))
		return error_set(err, STATUS_INVALID, "Invalid %s: invalid type name '%s'", where,
				 type->valuestring);
	dev.type = mem_intern(type->valuestring);
	if (read_start(member(tree, "start"), where, strict, &dev.autostart, err) < 0 ||
	    read_attrs(member(tree, "attrs"), false, where, &dev, err) < 0 ||
	    (strict && check_attrs(&dev, where, err) < 0))
		return -1;
	mdev_move_definition(ret, &dev);
	return 0;
}

int json_read_definition(const char *text, size_t len, const char *where, bool strict,
			 struct mdev *ret, struct error *err)
{
	_cleanup_tree_ cJSON *tree = parse(text, len, where, err);

	if (!tree || read_definition(tree, where, strict, false, ret, err) < 0)
		return -1;
	ret->unknown = unknown_members(text, tree, NULL);
	return 0;
}

/* json_value is another name for cJSON, which is used only in this module. */
static const cJSON *tree_of(const struct json_value *value)
{
	return (const cJSON *)value;
}

/* Returns the first number of a valid text that is not 0, but that a double cannot tell from it
 * (1e-400); NULL = there is none. *ret_end is its end. */
static const char *find_underflow(const char *text, const char **ret_end)
{
	char *end;

	for (const char *p = text; *p; p = end) {
		end = (char *)p + 1;
		if (*p == '"') {
			while (*end != '"')
				end += *end == '\\' ? 2 : 1;
			end++;
		} else if (*p >= '0' && *p <= '9' && strtod(p, &end) == 0 &&
			   strcspn(p, "123456789") < strcspn(p, "eE,]} \t\r\n")) {
			*ret_end = end;
			return p;
		}
	}
	return NULL;
}

struct json_value *json_parse(const char *text, size_t len, const char *where, struct error *err)
{
	cJSON *tree = parse(text, len, where, err);
	const char *end, *tiny = tree ? find_underflow(text, &end) : NULL;

	if (!tiny)
		return (struct json_value *)tree;
	cJSON_Delete(tree);
	error_set(err, STATUS_INVALID, "Invalid JSON in %s: the number %.*s is too small", where,
		  (int)(end - tiny), tiny);
	return NULL;
}

void json_free(struct json_value **value)
{
	cJSON_Delete((cJSON *)*value);
}

bool json_is_object(const struct json_value *value)
{
	return cJSON_IsObject(tree_of(value));
}

bool json_is_array(const struct json_value *value)
{
	return cJSON_IsArray(tree_of(value));
}

const struct json_value *json_first(const struct json_value *value)
{
	return (const struct json_value *)tree_of(value)->child;
}

const struct json_value *json_next(const struct json_value *value)
{
	return (const struct json_value *)tree_of(value)->next;
}

const char *json_name(const struct json_value *value)
{
	return tree_of(value)->string;
}

const char *json_text(const struct json_value *value)
{
	return cJSON_GetStringValue(tree_of(value));
}

static bool is_whole(const cJSON *value, unsigned max)
{
	return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble <= max &&
	       value->valuedouble == (unsigned)value->valuedouble;
}

bool json_whole(const struct json_value *value, unsigned max, unsigned *ret)
{
	if (!is_whole(tree_of(value), max))
		return false;
	*ret = (unsigned)tree_of(value)->valuedouble;
	return true;
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

const char *json_twice(const struct json_value *object)
{
	_cleanup_free_ const char **names = NULL;
	const cJSON *item;
	size_t n = 0;

	cJSON_ArrayForEach (item, tree_of(object)) {
		names = mem_room(names, n, sizeof(*names));
		names[n++] = item->string;
	}
	if (n > 1)
		qsort(names, n, sizeof(*names), by_text);
	for (size_t i = 1; i < n; i++)
		if (strcmp(names[i], names[i - 1]) == 0)
			return names[i];
	return NULL;
}

int json_take_definition(const struct json_value *object, const char *where, bool title,
			 struct mdev *ret, struct error *err)
{
	return read_definition(tree_of(object), where, true, title, ret, err);
}

int json_read_attributes(const char *text, size_t len, const char *where, struct mdev *ret,
			 struct error *err)
{
	_cleanup_mdev_ struct mdev dev = { 0 };

	while (len > 0 && strchr(" \t\r\n", text[len - 1])) /* strchr() also finds the NUL */
		len--;
	_cleanup_free_ char *trimmed = mem_grow(NULL, len + 1, 1);
	memcpy(trimmed, text, len); /* not strndup(): parse() must see and reject embedded NULs */
	trimmed[len] = '\0';
	if (len > 0) {
		_cleanup_tree_ cJSON *tree = parse(trimmed, len, where, err);
		if (!tree || read_attrs(tree, true, where, &dev, err) < 0 ||
		    check_attrs(&dev, where, err) < 0)
			return -1;
	}
	mdev_clear_attrs(ret);
	ret->attrs = dev.attrs;
	ret->n_attrs = dev.n_attrs;
	dev = (struct mdev){ 0 };
	return 0;
}

/* Reads an array of strings and sets the bits of their positions in names. Unknown strings are
 * joined in ret_unknown (owned; NULL = none). Returns false if it is not an array of strings. */
static bool read_names(const cJSON *array, const char *const names[], unsigned *ret,
		       char **ret_unknown)
{
	const cJSON *item;

	if (!cJSON_IsArray(array))
		return false;
	cJSON_ArrayForEach (item, array) {
		size_t i = 0;

		if (!cJSON_IsString(item))
			return false;
		while (names[i] && strcmp(names[i], item->valuestring) != 0)
			i++;
		if (names[i])
			*ret |= 1u << i;
		else
			text_append(ret_unknown, ", ", "%s", item->valuestring);
	}
	return true;
}

bool json_read_supports(const char *text, size_t len, const char *const actions[],
			const char *const events[], struct json_supports *ret)
{
	_cleanup_error_ struct error err = { 0 };
	struct json_supports found = { 0 };

	while (len > 0 && text[len - 1] == '\0') /* some scripts terminate their reply with NULs */
		len--;
	_cleanup_tree_ cJSON *tree = parse(text, len, "the answer", &err);
	const cJSON *supports = cJSON_IsObject(tree) ? member(tree, "supports") : NULL;
	if (!cJSON_IsObject(supports) || !is_whole(member(supports, "version"), UINT_MAX) ||
	    !read_names(member(supports, "actions"), actions, &found.actions,
			&found.unknown_actions) ||
	    !read_names(member(supports, "events"), events, &found.events, &found.unknown_events)) {
		json_supports_free(&found);
		return false;
	}
	*ret = found;
	return true;
}

void json_supports_free(struct json_supports *supports)
{
	free(supports->unknown_actions);
	free(supports->unknown_events);
	*supports = (struct json_supports){ 0 };
}

/* Writes text as a JSON string, with all escapes. Bytes that are not UTF-8 become U+FFFD. */
static void quote(FILE *file, const char *text)
{
	static const char plain[] = "btnvfr"; /* \b \t \n (\v has no short form) \f \r */

	const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
	size_t n;

	putc_unlocked('"', file);
	for (; p < end; p += n) {
		n = *p < 0x80 ? 1 : text_utf8_length(p, end);
		if (*p == '"' || *p == '\\')
			fprintf(file, "\\%c", *p);
		else if (*p >= '\b' && *p <= '\r' && *p != '\v')
			fprintf(file, "\\%c", plain[*p - '\b']);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(file, "\\u%04x", *p);
		else if (*p == 0xc2 && n == 2 && p[1] < 0xa0) /* see text_printable() */
			fprintf(file, "\\u%04x", p[1]);
		else if (n > 0)
			for (size_t i = 0; i < n; i++)
				putc_unlocked(p[i], file);
		else {
			fputs_unlocked("\xef\xbf\xbd", file); /* U+FFFD */
			n = 1;
		}
	}
	putc_unlocked('"', file);
}

static void new_line(struct json_writer *w)
{
	if (w->pretty)
		fprintf(w->file, "\n%*s", (int)(2 * w->depth), "");
}

/* Writes what precedes a value or key: the comma and the indentation. */
static void separate(struct json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->filled)
		putc_unlocked(',', w->file);
	if (w->depth > 0)
		new_line(w);
	w->filled = true;
}

void json_open(struct json_writer *w, char bracket)
{
	separate(w);
	putc_unlocked(bracket, w->file);
	w->depth++;
	w->filled = false;
}

void json_close(struct json_writer *w, char bracket)
{
	w->depth--;
	if (w->filled)
		new_line(w);
	putc_unlocked(bracket, w->file);
	w->filled = true;
}

void json_key(struct json_writer *w, const char *key)
{
	separate(w);
	quote(w->file, key);
	fputs_unlocked(w->pretty ? ": " : ":", w->file);
	w->after_key = true;
}

void json_string(struct json_writer *w, const char *value)
{
	separate(w);
	quote(w->file, value);
}

void json_number(struct json_writer *w, unsigned value)
{
	separate(w);
	fprintf(w->file, "%u", value);
}

void json_bool(struct json_writer *w, bool value)
{
	separate(w);
	fputs_unlocked(value ? "true" : "false", w->file);
}

void json_null(struct json_writer *w)
{
	separate(w);
	fputs_unlocked("null", w->file);
}

void json_attributes(struct json_writer *w, const struct mdev *dev)
{
	json_open(w, '[');
	for (size_t i = 0; i < dev->n_attrs; i++) {
		json_open(w, '{');
		json_key(w, dev->attrs[i].name);
		json_string(w, dev->attrs[i].value);
		json_close(w, '}');
	}
	json_close(w, ']');
}

static void members(struct json_writer *w, const struct mdev *dev)
{
	json_key(w, "mdev_type");
	json_string(w, dev->type ? dev->type : ""); /* of an unusable definition */
	json_key(w, "start");
	json_string(w, dev->autostart ? "auto" : "manual");
	json_key(w, "attrs");
	json_attributes(w, dev);
}

void json_set_unknown_string(struct mdev *dev, const char *name, const char *value)
{
	_cleanup_free_ char *text = mem_printf("{%s}", dev->unknown ? dev->unknown : "");
	_cleanup_tree_ cJSON *tree = cJSON_Parse(text);
	char *added;

	free(dev->unknown);
	dev->unknown = unknown_members(text, tree, name);
	if (!value)
		return;
	FILE *file = mem_stream(&added);
	quote(file, name);
	fputs(": ", file);
	quote(file, value);
	mem_stream_end(file, &added);
	text_append(&dev->unknown, ",\n  ", "%s", added);
	free(added);
}

void json_definition(struct json_writer *w, const struct mdev *dev)
{
	/* The UUIDs of sets are derived from a name: others may use this member for anything. */
	_cleanup_free_ char *label =
		dev->uuid[14] == '5' ? json_unknown_string(dev, JSON_SET) : NULL;
	_cleanup_free_ char *name = label ? json_unknown_string(dev, JSON_TYPE_NAME) : NULL;

	json_open(w, '{');
	members(w, dev);
	if (label) {
		json_key(w, JSON_SET);
		json_string(w, label);
	}
	if (name) {
		json_key(w, JSON_TYPE_NAME);
		json_string(w, name);
	}
	json_close(w, '}');
}

static char *definition(const struct mdev *dev, bool pretty)
{
	char *text;
	struct json_writer w = { .file = mem_stream(&text), .pretty = pretty };

	json_open(&w, '{');
	members(&w, dev);
	if (pretty && dev->unknown)
		fprintf(w.file, ",\n  %s", dev->unknown);
	json_close(&w, '}');
	mem_stream_end(w.file, &text);
	return text;
}

char *json_definition_text(const struct mdev *dev)
{
	return definition(dev, true);
}

char *json_definition_line(const struct mdev *dev)
{
	return definition(dev, false);
}

char *json_attribute_lines(const struct mdev *dev)
{
	char *text;
	FILE *file = mem_stream(&text);

	if (dev->n_attrs > 0)
		fputs("  Attrs:\n", file);
	for (size_t i = 0; i < dev->n_attrs; i++) {
		fprintf(file, "    @{%zu}: {", i);
		quote(file, dev->attrs[i].name);
		fputc(':', file);
		quote(file, dev->attrs[i].value);
		fputs("}\n", file);
	}
	mem_stream_end(file, &text);
	return text;
}
