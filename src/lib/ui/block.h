/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "host/env.h"
#include "ui/status.h"

/*
 * Prints what is known about one device or one parent, with what the logs say, for people who ask
 * why it does not work: a device as lines of subjects, like `systemctl status UNIT`, and a parent
 * as its part of the tree. Reads the logs itself, for which this takes libsystemd.
 */
int block_print(const struct env *env, const struct status_report *report, struct error *err);

/* The same as JSON: that of status_print_json(), with the log of each device. */
void block_print_json(const struct env *env, const struct status_report *report);
