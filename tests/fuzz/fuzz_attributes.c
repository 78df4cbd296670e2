/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any reply to "get attributes" is either rejected with a sentence, or printed as text that libvirt
 * can read. */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "device/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(struct mdev *dev)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mdev_ struct mdev again = { 0 };

	dev->type = "type";
	_cleanup_free_ char *text = json_definition_line(dev);
	assert(json_read_definition(text, strlen(text), "again", true, &again, &err) == 0);
	assert(again.n_attrs == dev->n_attrs);
	for (size_t i = 0; i < dev->n_attrs; i++) {
		assert(attr_name_valid(dev->attrs[i].name));
		assert(text_is_utf8(dev->attrs[i].value, strlen(dev->attrs[i].value)));
		assert(strcmp(dev->attrs[i].name, again.attrs[i].name) == 0);
		assert(strcmp(dev->attrs[i].value, again.attrs[i].value) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mdev_ struct mdev dev = { 0 };
	/* Like the result of spawn_run(), NUL-terminated. */
	_cleanup_free_ char *text = mem_zero(size + 1, 1);

	memcpy(text, data, size);
	mdev_insert_attr(&dev, 0, "old", "value");
	if (json_read_attributes(text, size, "answer", &dev, &err) == 0) {
		assert(!err.text);
		check_accepted(&dev);
	} else {
		assert(err.status == STATUS_INVALID && err.text && *err.text);
		assert(dev.n_attrs == 1 && strcmp(dev.attrs[0].name, "old") == 0);
	}
	return 0;
}
