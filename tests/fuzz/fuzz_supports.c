/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any reply to "get capabilities" is either not versioned, or sets only bits that are in the
 * tables. */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "device/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const actions[] = { "start", "stop", "define", NULL };
	static const char *const events[] = { "pre", "post", NULL };
	struct json_supports supports = { .actions = 77 };
	_cleanup_free_ char *text = mem_zero(size + 1, 1);

	memcpy(text, data, size);
	if (!json_read_supports(text, size, actions, events, &supports)) {
		assert(supports.actions == 77 && !supports.unknown_actions);
		return 0;
	}
	assert(supports.actions < 1u << 3 && supports.events < 1u << 2);
	assert(!supports.unknown_actions ||
	       text_is_utf8(supports.unknown_actions, strlen(supports.unknown_actions)));
	assert(!supports.unknown_events ||
	       text_is_utf8(supports.unknown_events, strlen(supports.unknown_events)));
	json_supports_free(&supports);
	return 0;
}
