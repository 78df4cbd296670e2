/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <uuid/uuid.h>

#include "uuid.h"

void uuid_make(char ret[UUID_SIZE])
{
	uuid_t bytes;

	uuid_generate_random(bytes);
	uuid_unparse_lower(bytes, ret);
}
