/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "apply/apply.h"
#include "op/list.h"
#include "set/types.h"

/*
 * Prints the output of list and types, identical to that of mdevctl: libvirt parses the JSON, and
 * users and Ansible roles parse the text. JSON output is not terminated by a newline.
 */

/* Prints one line per device, with "(defined)" or "(active)" as selected by of_defined. */
void print_devices(const struct listing *listing, bool of_defined, bool verbose);

/* Prints all devices by parent. With bare, and exactly one device, prints only its definition. */
void print_devices_json(const struct listing *listing, bool bare);

void print_types(const struct mdev_type_list *list);
void print_types_json(const struct mdev_type_list *list);

/* Prints one line: the action that was or would be taken, the device and its set. */
void print_change(const struct plan_change *change);
/* On a terminal, unless the changes are printed on it, shows how many changes have been made. */
void print_progress(const struct apply *apply);
/* Prints one object with all changes and the result. err: empty text = no error. */
void print_apply_json(const struct apply *apply, const struct error *err);
