/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/mem: equal names are stored once. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

int main(void)
{
	const char *first[1000];
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		first[i] = mem_intern(name);
		assert(first[i] != name && strcmp(first[i], name) == 0);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		assert(mem_intern(name) == first[i]);
	}
	assert(strcmp(mem_intern(""), "") == 0);
	return 0;
}
