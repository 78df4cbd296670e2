/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device/mdev.h"
#include "host/env.h"

/*
 * What parents offer: /sys/class/mdev_bus/PARENT/mdev_supported_types/TYPE (kernel documentation,
 * ABI/testing/sysfs-bus-vfio-mdev).
 */
struct mdev_type {
	char parent[NAME_MAX + 1];
	char name[NAME_MAX + 1];
	unsigned available; /* instances that can still be created */
	char *device_api;   /* owned, e.g. "vfio-pci" */
	char *title;	    /* owned: file "name"; NULL = the driver has none */
	char *description;  /* owned; NULL = the driver has none */
};

struct mdev_type_list {
	struct mdev_type *v; /* owned */
	size_t n;
};

/* All types, sorted by parent and name; parent NULL = all parents. What a driver offers only in
 * part (a parent without types, a type without an API) is passed over with a warning. */
void types_find(const struct env *env, const char *parent, struct mdev_type_list *ret);
/* Why there are no types (parent NULL: at all), as far as sysfs tells. Owned by the caller. */
char *types_explain(const struct env *env, const char *parent);

void types_free(struct mdev_type_list *list);
#define _cleanup_types_ __attribute__((cleanup(types_free)))
