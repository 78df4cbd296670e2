/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * The request of a command (struct op), and the operations that execute it. Each operation has its
 * own file, such as op/define.c, so that a program links only the libraries it needs; all of them
 * change devices through op/pipeline.h.
 */

/* A request. All texts are borrowed and have been checked by cli; NULL = not given. */
struct op {
	const struct env *env;
	const char *uuid; /* canonical */
	const char *parent;
	const char *type;
	const char *jsonfile;
	bool force; /* proceed even if a pre callout refuses */
};

/* Defines a new device, or makes a running one persistent. With start, starts it as well; if that
 * fails, the definition is removed again. ret_uuid is always set. Termination signals remain
 * blocked, so that the caller can print the UUID first. */
int op_define(const struct op *op, bool autostart, bool start, char ret_uuid[UUID_SIZE],
	      struct error *err);

/* Removes the definitions of the UUID, under all parents or one. Without a UUID, removes all
 * definitions, those on op->parent or the functions of this card if it is given. Continues after a
 * failure; the status is that of the first one. */
int op_undefine(const struct op *op, struct error *err);

/* A modification: one of the first four members at most, and op->type; or else op->jsonfile. */
struct modification {
	bool set_auto;
	bool set_manual;
	const char *addattr; /* borrowed: name of the attribute; NULL = do not add one */
	bool delattr;
	const char *value;     /* borrowed: value of addattr */
	const unsigned *index; /* borrowed: position; NULL = at the end */
	bool live;	       /* modify the running device, using its script */
	bool defined;	       /* with live: modify the definition as well */
};
int op_modify(const struct op *op, const struct modification *how, struct error *err);

/* The same for all definitions, selected as by op_undefine(); how is set_auto or set_manual. */
int op_modify_all(const struct op *op, const struct modification *how, struct error *err);

/* A start of a device. Its parent is that of a transient device, or chooses a definition. */
struct start_request {
	struct op op;
	bool ensure;   /* succeed without calling scripts if the device is already running */
	bool settle;   /* wait until udev has finished processing the device */
	unsigned wait; /* seconds to wait for parent, type and instance, and for udev; 0 = only for
			  udev, for its usual time */
};

/* Starts a defined device, or a transient one of the type on the parent. ret_uuid is always set,
 * and signals remain blocked, as with op_define(). */
int op_start(const struct start_request *request, char ret_uuid[UUID_SIZE], struct error *err);

/* A stop of one or all running devices. With force, also if it is unknown whether it is in use. */
struct stop_request {
	struct op op;	   /* uuid NULL = all running devices, parent NULL = on any; for all, it can
			      also be the name of a card */
	bool ensure;	   /* succeed without calling scripts if the device is not running */
	bool only_settled; /* a device that udev is still processing is treated as not running */
	unsigned wait;	   /* seconds to wait until the device is not in use */
};

int op_stop(const struct stop_request *request, struct error *err);

/* Stops all running devices that match. Continues after a failure; the first one is the status. */
int op_stop_all(const struct stop_request *request, struct error *err);

/* Starts all devices of a parent that are defined as auto and not running, in the order of their
 * UUIDs. Continues after a failure; the error lists the devices that failed. */
int op_autostart(const struct env *env, const char *parent, struct error *err);

/* Helpers for the operations. */

/* Sets the values that are given (not NULL). */
void op_set_device(struct mdev *dev, const char *uuid, const char *parent, const char *type);

/* A JSON file that was given on the command line; /dev/stdin and - are standard input. */
struct op_file {
	const char *name; /* borrowed: what it is called in messages */
	char *text;	  /* owned */
	size_t len;
	bool hidden; /* messages must not quote it */
};
/* Returns 0 or -errno; ret->name is always set. A FIFO is waited for. */
int op_read_file(const char *path, size_t limit, struct op_file *ret);
void op_free_file(struct op_file *file);
#define _cleanup_file_ __attribute__((cleanup(op_free_file)))

/* Removes the lines that an error quotes, if the file must not be quoted. Returns -1. */
int op_file_error(const struct op_file *file, struct error *err);

/* Reads the file of --jsonfile into dev. noun is the term for it in the error message. */
int op_read_jsonfile(const char *path, const char *noun, struct mdev *ret, struct error *err);

/* Return or print a hint if the parent or type of a definition does not exist. This is not an
 * error, as the hardware may be added later, but usually the name is misspelt. For a new
 * definition, the hint is made before it is written, as the name of a parent with definitions is
 * taken as right. NULL = no hint; owned by the caller. */
char *op_start_hint(const struct op *op, const struct mdev *dev);
void op_hint_start(const struct op *op, const struct mdev *dev);
