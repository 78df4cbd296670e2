/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "device/mdev.h"

/*
 * JSON: definitions and script answers are read with cJSON, which only this file knows; output is
 * written as serde_json writes it, since people and programs compare it byte for byte.
 */

/* Reads a definition into type, autostart, attrs and unknown of ret; uuid and parent stay.
 * With strict (a --jsonfile) an unknown "start" is an error, else it is manual, with a warning (a
 * file on disk; mdevctl reads it so). where names the text in messages, e.g. its path.
 * Errors: STATUS_INVALID; ret is untouched. */
int json_read_definition(const char *text, size_t len, const char *where, bool strict,
			 struct mdev *ret, struct error *err);

/* A value of JSON, for what is made of more than one definition (op/desired). */
struct json_value;

/* Parses a text (owned by the caller). NULL: err says why, STATUS_INVALID. */
struct json_value *json_parse(const char *text, size_t len, const char *where, struct error *err);
void json_free(struct json_value **value);
#define _cleanup_json_ __attribute__((cleanup(json_free)))

bool json_is_object(const struct json_value *value);
bool json_is_array(const struct json_value *value);
/* The members of an object or array, in order; NULL = no more. */
const struct json_value *json_first(const struct json_value *value);
const struct json_value *json_next(const struct json_value *value);
/* The name of a member of an object. Borrowed, as all below. */
const char *json_name(const struct json_value *value);
/* The text of a string; NULL = it is none. */
const char *json_text(const struct json_value *value);
/* Whether it is a whole number from 0 to max; then it is in *ret. */
bool json_whole(const struct json_value *value, unsigned max, unsigned *ret);
/* The name that two members of an object have; NULL = there is none. */
const char *json_twice(const struct json_value *object);
/* As json_read_definition(), strict, of an object; its other members are passed over. */
int json_take_definition(const struct json_value *object, const char *where, struct mdev *ret,
			 struct error *err);

/* Reads the answer of a script to "get attributes" into attrs of ret: an array of objects with one
 * string member each. Empty text, white space and null are no attributes; empty objects are dropped
 * (s390's ap-check answers [{}]); trailing NULs and white space are dropped. Errors:
 * STATUS_INVALID. */
int json_read_attributes(const char *text, size_t len, const char *where, struct mdev *ret,
			 struct error *err);

/* What a script supports: names of actions and events, as bits of the order in the table given. */
struct json_supports {
	unsigned actions; /* bit i: actions[i] of the table is listed */
	unsigned events;
	char *unknown_actions; /* owned: names listed that no table has, joined by ", "; NULL = none
				*/
	char *unknown_events;
};
void json_supports_free(struct json_supports *supports);

/* Reads {"supports":{"version":N,"actions":[...],"events":[...]}}. Both tables end with NULL.
 * Returns false if the text is anything else: such a script is not versioned, which is no error. */
bool json_read_supports(const char *text, size_t len, const char *const actions[],
			const char *const events[], struct json_supports *ret);

/* A writer: call the functions in the order of the text. pretty: two blanks an indent, as
 * serde_json's to_string_pretty(); else no white space at all. */
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

/* The value of a member of the definition that is not ours, if it is a string (owned by the
 * caller); NULL = there is no such. */
char *json_unknown_string(const struct mdev *dev, const char *name);

/* Writes a device as the object of a definition: mdev_type, start, attrs. */
void json_definition(struct json_writer *w, const struct mdev *dev);

/* The text of a definition file (pretty, with the unknown members), and what scripts get on stdin
 * (one line, without them). Both owned by the caller. */
char *json_definition_text(const struct mdev *dev);
char *json_definition_line(const struct mdev *dev);

/* The attributes as people read them, numbered for --index: a line "  Attrs:", then a line each.
 * Owned; empty if there are none. */
char *json_attribute_lines(const struct mdev *dev);
