/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * What a command asks for (struct op), and the operations that do it. Each operation has a file of
 * its own, op/define.c and so on, so that a program links only the libraries it needs; all of them
 * change devices through op/pipeline.h.
 */

/* What was asked for. All texts are borrowed and checked by cli; NULL = not given. */
struct op {
	const struct env *env;
	const char *uuid; /* canonical */
	const char *parent;
	const char *type;
	const char *jsonfile;
	bool autostart;
	bool force;    /* go on though a pre callout refuses */
	bool ensure;   /* what is so already is success, without any callout */
	bool settle;   /* start: return when udev is done with the device; stop: only such a one */
	unsigned wait; /* seconds: start waits for parent, type and instance, stop for the holder */
};

/* Defines a new device, or a running one as it is. ret_uuid is filled in any case. */
int op_define(const struct op *op, char ret_uuid[UUID_SIZE], struct error *err);

/* Removes the definitions of the UUID, under all parents or one; goes on after a failure. */
int op_undefine(const struct op *op, struct error *err);

/* How a definition changes; exactly one of the first four, or op->jsonfile. op->type may go with
 * it. */
struct modification {
	bool set_auto;
	bool set_manual;
	const char *addattr; /* borrowed: name of the attribute; NULL = none to add */
	bool delattr;
	const char *value;     /* borrowed: of addattr */
	const unsigned *index; /* borrowed: where; NULL = at the end */
	bool live;	       /* change the running device, by its script */
	bool defined;	       /* with live: the definition, too */
};
int op_modify(const struct op *op, const struct modification *how, struct error *err);

/* Starts a defined device, or a transient one of type on parent. ret_uuid is filled in any case. */
int op_start(const struct op *op, char ret_uuid[UUID_SIZE], struct error *err);

int op_stop(const struct op *op, struct error *err);

/* Starts all devices of op->parent that are defined as auto and do not run, in the order of their
 * UUIDs, going on after a failure. The error says how many failed, of how many, and which. */
int op_autostart(const struct op *op, struct error *err);

/* Helpers of the operations. */

/* Fills in what is given (not NULL). */
void op_set_device(struct mdev *dev, const char *uuid, const char *parent, const char *type);

/* Reads a file that the command line names; /dev/stdin and - are standard input. Returns 0 or
 * -errno
 * (-EFBIG: more than limit). */
int op_read_file(const char *path, size_t limit, char **ret_text, size_t *ret_len);

/* Reads the file of --jsonfile into dev; /dev/stdin and - are standard input. */
int op_read_jsonfile(const char *path, struct mdev *ret, struct error *err);

/* A hint to people if what was just defined has no parent or type. Hardware may come later, so this
 * is no error; but most often it is a misspelt name. */
void op_hint_start(const struct op *op, const struct mdev *dev);
