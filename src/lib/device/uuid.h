/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device/mdev.h"

/*
 * Creates UUIDs. libuuid is used only in this module, so that programs that do not create UUIDs,
 * list in particular, do not load it.
 */

/* Copies a canonical UUID, or generates a random one (RFC 9562, version 4) if it is NULL. */
void uuid_choose(const char *given, char ret[UUID_SIZE]);

/* Derives the UUID of a name in the namespace of this project (RFC 9562, version 5). It is the same
 * on all hosts and does not collide with other UUIDs. */
void uuid_of_name(const char *name, char ret[UUID_SIZE]);
