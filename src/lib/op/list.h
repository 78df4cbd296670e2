/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"

/*
 * The two sets joined, for reading. libvirt runs this for every event of a device, so nothing is
 * opened that the answer does not need. A broken definition is left out with a warning; it is an
 * error (STATUS_INVALID) only where its UUID was asked for. After an error *ret holds what could be
 * read, to be printed all the same.
 */

/* The running devices, each with `defined` and `autostart` of its definition. With attributes,
 * scripts are asked for those; the definition's are never shown, since they may not be what runs.
 */
int list_active(const struct env *env, const struct filter *filter, bool attributes,
		struct mdev_list *ret, struct error *err);

/* The definitions; with state, marked `active` where a device runs with that UUID, parent and type.
 */
int list_defined(const struct env *env, const struct filter *filter, bool state,
		 struct mdev_list *ret, struct error *err);
