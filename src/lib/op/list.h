/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * Lists devices by joining the two sets. libvirt runs this for every event of a device, so only the
 * required files are opened. An invalid definition is skipped with a warning; it is an error
 * (STATUS_INVALID) only if its UUID was specified. On error, *ret contains the devices that could
 * be read, which should still be printed.
 */

/* Returns the running devices, with `defined` and `autostart` of their definitions. With
 * attributes, these are queried from scripts; those of the definition are never shown, since the
 * running device may differ. */
int list_active(const struct env *env, const struct filter *filter, bool attributes,
		struct mdev_list *ret, struct error *err);

/* Returns the definitions. With state, they are marked `active` if a device with the same UUID,
 * parent and type is running. */
int list_defined(const struct env *env, const struct filter *filter, bool state,
		 struct mdev_list *ret, struct error *err);
