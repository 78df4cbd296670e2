/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device.h"

/*
 * New UUIDs, by libuuid, which only this file knows: a file of its own so that programs that make
 * none (list above all) do not load the library.
 */

/* Makes a random UUID (RFC 9562, version 4), canonical. */
void uuid_make(char ret[UUID_SIZE]);
