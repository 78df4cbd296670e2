/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device/mdev.h"

/*
 * New UUIDs, by libuuid, which only this file knows: a file of its own so that programs that make
 * none (list above all) do not load the library.
 */

/* Copies the UUID that was given (canonical), or makes a random one (RFC 9562, version 4) if that
 * is NULL. */
void uuid_choose(const char *given, char ret[UUID_SIZE]);

/* The UUID of a name in this project's namespace (RFC 9562, version 5): the same on every host, and
 * never that of anything else. */
void uuid_of_name(const char *name, char ret[UUID_SIZE]);
