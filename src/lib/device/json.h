/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "device/mdev.h"

/*
 * JSON: definitions and script replies are parsed with cJSON, which is used only in this module.
 * Output is formatted like that of serde_json, since users and programs compare it byte by byte.
 */

/* Reads a definition into type, autostart, attrs and unknown of ret; uuid and parent are not
 * changed. With strict (for --jsonfile), an unknown value of "start" is an error; otherwise (for a
 * stored definition), it is treated as manual with a warning, like in mdevctl. where identifies the
 * text in messages, for example by its path.
 * Errors: STATUS_INVALID; ret is not changed. */
int json_read_definition(const char *text, size_t len, const char *where, bool strict,
			 struct mdev *ret, struct error *err);

/* A JSON value, for files that contain more than one definition (apply/desired). */
struct json_value;

/* Parses a text. Returns a value that is owned by the caller, or NULL on error (STATUS_INVALID). */
struct json_value *json_parse(const char *text, size_t len, const char *where, struct error *err);
void json_free(struct json_value **value);
#define _cleanup_json_ __attribute__((cleanup(json_free)))

bool json_is_object(const struct json_value *value);
bool json_is_array(const struct json_value *value);
/* Iterate over the members of an object or array, in order; NULL = no more. */
const struct json_value *json_first(const struct json_value *value);
const struct json_value *json_next(const struct json_value *value);
/* Returns the name of a member of an object. Borrowed, like the results below. */
const char *json_name(const struct json_value *value);
/* Returns the text of a string; NULL = not a string. */
const char *json_text(const struct json_value *value);
/* Whether the value is an integer from 0 to max, which is stored in *ret. */
bool json_whole(const struct json_value *value, unsigned max, unsigned *ret);
/* Returns a name that two members of an object have; NULL = there is none. */
const char *json_twice(const struct json_value *object);
/* Like json_read_definition() with strict, for an object whose other members are ignored. title:
 * "mdev_type" may be the human-readable name of a type. */
int json_take_definition(const struct json_value *object, const char *where, bool title,
			 struct mdev *ret, struct error *err);

/* Reads the reply of a script to "get attributes" into attrs of ret: an array of objects with one
 * string member each. Empty text, white space and null mean that there are no attributes; empty
 * objects are ignored (s390's ap-check returns [{}]), and so are trailing NULs and white space.
 * Errors: STATUS_INVALID. */
int json_read_attributes(const char *text, size_t len, const char *where, struct mdev *ret,
			 struct error *err);

/* The actions and events that a script supports, as bits in the order of the given tables. */
struct json_supports {
	unsigned actions; /* bit i: actions[i] of the table is supported */
	unsigned events;
	char *unknown_actions; /* owned: names not in the table, joined by ", "; NULL = none */
	char *unknown_events;
};
void json_supports_free(struct json_supports *supports);

/* Reads {"supports":{"version":N,"actions":[...],"events":[...]}}. Both tables are terminated by
 * NULL. Returns false for any other text, which is not an error: the script is not versioned. */
bool json_read_supports(const char *text, size_t len, const char *const actions[],
			const char *const events[], struct json_supports *ret);

/* A writer, whose functions are called in the order of the output. With pretty, the output is
 * indented by two spaces per level, like that of serde_json's to_string_pretty(); otherwise, it
 * contains no white space. */
struct json_writer {
	FILE *file; /* borrowed */
	bool pretty;
	unsigned depth;
	bool filled; /* the innermost array or object has a member */
	bool after_key;
};
void json_open(struct json_writer *w, char bracket);  /* '[' or '{' */
void json_close(struct json_writer *w, char bracket); /* ']' or '}' */
void json_key(struct json_writer *w, const char *key);
void json_string(struct json_writer *w, const char *value);
void json_number(struct json_writer *w, unsigned value);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);

/* Members of the definitions of sets that only mdevctl apply interprets (mdevctl.d(5)). */
#define JSON_SET "set"			/* the set and the index: "desktops/3" */
#define JSON_TYPE_NAME "mdev_type_name" /* the human-readable name that the type had */

/* Returns the text of an unknown member (owned by the caller); NULL = there is no such string. */
char *json_unknown_string(const struct mdev *dev, const char *name);
/* Sets the value of an unknown member; NULL removes it. */
void json_set_unknown_string(struct mdev *dev, const char *name, const char *value);

/* Writes the attributes as an array of objects with one member each. */
void json_attributes(struct json_writer *w, const struct mdev *dev);

/* Writes the definition object of a device: mdev_type, start, attrs, and for a device with a UUID
 * that is derived from a name, the set that it belongs to and the name of its type. */
void json_definition(struct json_writer *w, const struct mdev *dev);

/* Return the text of a definition file (pretty, with unknown members), and the text that scripts
 * get on stdin (on one line, without unknown members). Owned by the caller. */
char *json_definition_text(const struct mdev *dev);
char *json_definition_line(const struct mdev *dev);

/* Returns the attributes in readable form, with their index for --index: the line "  Attrs:",
 * followed by one line per attribute. Owned by the caller; empty if there are none. */
char *json_attribute_lines(const struct mdev *dev);
