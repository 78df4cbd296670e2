/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device/mdev.h"
#include "set/types.h"

/*
 * What list and types print on stdout, byte for byte as mdevctl does: libvirt parses the JSON,
 * people and roles the text. JSON has no newline at its end.
 */

/* A line a device, "(defined)" or "(active)" behind it if that is set and asked for by of_defined.
 */
void print_devices(const struct mdev_list *list, bool of_defined, bool verbose);

/* All devices by parent; with bare, and exactly one device, only its definition. */
void print_devices_json(const struct mdev_list *list, bool bare);

void print_types(const struct mdev_type_list *list);
void print_types_json(const struct mdev_type_list *list);
