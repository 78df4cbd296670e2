/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"
#include "set/defined.h"

/*
 * Lists devices by joining the two sets. libvirt runs this for every event of a device, so only the
 * required files are opened. An unusable definition is skipped with a warning; it is an error (see
 * definition_check()) only if its UUID was specified. *ret contains the devices to be printed, also
 * on error; none if a directory could not be read, since those not listed would be taken for
 * removed.
 */

struct listed_device {
	const struct mdev *dev; /* borrowed from the listing */
	bool in_both;		/* it is running and defined */
};

struct listing {
	struct listed_device *v; /* owned; sorted by parent and UUID */
	size_t n;

	/* The owners of the devices. */
	struct mdev_list running;
	struct definition_list definitions;
};
void listing_free(struct listing *listing);
#define _cleanup_listing_ __attribute__((cleanup(listing_free)))

/* Returns the running devices; those that are defined have the start mode of their definition. With
 * attributes, these are queried from scripts; those of the definition are never shown, since the
 * running device may differ. */
int list_active(const struct env *env, const struct filter *filter, bool attributes,
		struct listing *ret, struct error *err);

/* Returns the definitions. With state, finds out whether they are running (with the same type). */
int list_defined(const struct env *env, const struct filter *filter, bool state,
		 struct listing *ret, struct error *err);
