/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device/uuid: names always have the same UUID on all hosts. */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "device/uuid.h"

int main(void)
{
	char uuid[UUID_SIZE], other[UUID_SIZE];

	/* Computed with uuid.uuid5() of Python, according to RFC 9562. */
	uuid_of_name("desktops/3", uuid);
	assert(strcmp(uuid, "d5a59ac1-370b-518b-94f9-f454bd402b98") == 0);
	uuid_of_name("", uuid);
	assert(strcmp(uuid, "d2bc0bdc-1b88-5f16-a0a3-5c4a0275cd09") == 0);

	uuid_choose("11111111-1111-4111-8111-111111111111", uuid);
	assert(strcmp(uuid, "11111111-1111-4111-8111-111111111111") == 0);
	uuid_choose(NULL, uuid);
	uuid_choose(NULL, other);
	assert(uuid_is_canonical(uuid) && uuid[14] == '4' && strcmp(uuid, other) != 0);
	return 0;
}
