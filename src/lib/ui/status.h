/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "host/history.h"
#include "host/parent.h"
#include "ui/cli.h"
#include "view/snapshot.h"

/*
 * What mdev-status and mdev-show report: read once, and printed as a tree for users (ui/tree), as
 * JSON for programs, or only the problems for monitoring.
 */
struct status_report {
	struct filter filter; /* its parent can be a card */
	bool all;	      /* include types and parents without devices */
	bool headings;
	bool wrong; /* only devices with a problem */
	struct snapshot state;
	struct parent_vf_list vfs; /* those of all cards; not read with `wrong` or for a device */
};

/* Reads what the options ask for. Errors: STATUS_NOT_FOUND if there is no such device or parent;
 * STATUS_FAILED if this cannot be determined. */
int status_read(const struct cli *cli, const struct env *env, struct status_report *ret,
		struct error *err);
void status_free(struct status_report *report);
#define _cleanup_status_ __attribute__((cleanup(status_free)))

/* Returns 0, or -1 with STATUS_FAILED if there is unreadable information; without a text if a
 * device shows the reason. With `wrong`, STATUS_DIFFERS if a device has a problem. */
int status_result(const struct status_report *report, struct error *err);

/* Returns "GUEST (PID)", "COMMAND (PID)", or "?" if the user is not known (owned by the caller);
 * NULL = none. */
char *status_user(const struct holder *holder);

/* Warns that "?" was printed. */
void status_warn_hidden(void);

/* Returns "auto", "manual", or NULL if there is no definition that can be used. */
const char *status_start(const struct snapshot_device *dev);

/* Prints one JSON object, in which all keys are always present. logs: of each device of the
 * snapshot, as far as they were read; NULL = they are not shown. */
void status_print_json(const struct status_report *report, const struct history *logs);

/* Prints one line for each device with a problem. */
void status_print_wrong(const struct status_report *report);
