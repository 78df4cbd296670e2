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
