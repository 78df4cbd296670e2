/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device/mdev.h"
#include "host/env.h"

/*
 * The types that parents support: /sys/class/mdev_bus/PARENT/mdev_supported_types/TYPE (kernel
 * documentation, ABI/testing/sysfs-bus-vfio-mdev).
 */
struct mdev_type {
	const char *parent, *name; /* interned */
	unsigned available;	   /* instances that can still be created; 0 if that is not known */
	bool counted;		   /* it is known: only `create` can tell otherwise */
	char *device_api;	   /* owned, e.g. "vfio-pci"; NULL = not provided by the driver */
	char *title; /* owned: contents of the file "name"; NULL = not provided by the driver */
	char *description; /* owned: one line; NULL = not provided by the driver */
};

struct mdev_type_list {
	struct mdev_type *v; /* owned */
	size_t n;
	const char **parents; /* owned: interned, sorted; including those without types */
	size_t n_parents;
};

/* Returns all types, sorted by parent and name, and their parents; parent NULL = all parents.
 * What a type does not provide as it should is named in a warning; a parent without
 * mdev_supported_types is skipped with one. */
void types_find(const struct env *env, const char *parent, struct mdev_type_list *ret);
/* Returns the type whose directory has this name among the n types of a parent; NULL = none. */
const struct mdev_type *types_find_name(const struct mdev_type *types, size_t n, const char *name);

/* Finds the type with this name among the n types of a parent: the name of a directory, or else a
 * human-readable name; *ret = NULL: none. Errors: STATUS_NOT_FOUND if several have the latter. */
int types_match(const struct mdev_type *types, size_t n, const char *name,
		const struct mdev_type **ret, struct error *err);

void types_free(struct mdev_type_list *list);
#define _cleanup_types_ __attribute__((cleanup(types_free)))
