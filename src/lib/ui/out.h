/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "device/json.h"

/*
 * The only way to standard output. Text may come from files, sysfs, scripts, process names and
 * logs, so what can be harmful on a terminal is replaced here (text_clean()), and JSON is written
 * with the writer of device/json, which makes any text valid. The tree has its own way (ui/tree).
 */

/* Prints text after replacing what is not printable. */
void out_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns a writer of readable JSON. */
struct json_writer out_json(void);

/* Write a member of an object: null if the text is NULL or empty, or the number is not known. */
void out_json_text(struct json_writer *w, const char *key, const char *text);
void out_json_number(struct json_writer *w, const char *key, bool known, unsigned number);

/* Ends JSON of a format of our own: with a newline on a terminal, where messages may follow. */
void out_end_json(void);

/* Writes what has been printed so far. */
void out_flush(void);

/* The same at the end of the program. Returns STATUS_OK, or STATUS_FAILED after an error message. A
 * reader that has gone is no error: it has seen what it wanted (`mdevctl status | head`), as with
 * the programs of util-linux. */
enum status out_done(void);
