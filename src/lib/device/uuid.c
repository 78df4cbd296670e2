/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <uuid/uuid.h>

#include "device/uuid.h"

void uuid_choose(const char *given, char ret[UUID_SIZE])
{
	uuid_t bytes;

	if (given) {
		memcpy(ret, given, UUID_SIZE);
		return;
	}
	uuid_generate_random(bytes);
	uuid_unparse_lower(bytes, ret);
}

void uuid_of_name(const char *name, char ret[UUID_SIZE])
{
	/* a24606aa-b2db-447e-b9f5-0374077e6ccb, generated randomly. It must never change, as the
	 * UUIDs of devices in sets are derived from it. */
	static const uuid_t namespace = { 0xa2, 0x46, 0x06, 0xaa, 0xb2, 0xdb, 0x44, 0x7e,
					  0xb9, 0xf5, 0x03, 0x74, 0x07, 0x7e, 0x6c, 0xcb };
	uuid_t bytes;

	uuid_generate_sha1(bytes, namespace, name, strlen(name));
	uuid_unparse_lower(bytes, ret);
}
