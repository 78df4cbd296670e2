/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any definition file is either rejected with a sentence, or read so that writing it produces an
 * identical definition. If it is in plain form, both readers read the same. */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "device/json.h"
#include "device/plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct mdev *a, const struct mdev *b)
{
	assert(strcmp(a->type, b->type) == 0 && a->autostart == b->autostart);
	assert(a->n_attrs == b->n_attrs);
	for (size_t i = 0; i < a->n_attrs; i++) {
		assert(strcmp(a->attrs[i].name, b->attrs[i].name) == 0);
		assert(strcmp(a->attrs[i].value, b->attrs[i].value) == 0);
	}
	assert(!a->unknown == !b->unknown);
	assert(!a->unknown || strcmp(a->unknown, b->unknown) == 0);
}

static void check_accepted(const struct mdev *dev)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mdev_ struct mdev again = { 0 };

	assert(name_valid(dev->type));
	for (size_t i = 0; i < dev->n_attrs; i++)
		assert(attr_name_valid(dev->attrs[i].name));
	_cleanup_free_ char *text = json_definition_text(dev);
	assert(text_is_utf8(text, strlen(text)));
	assert(json_read_definition(text, strlen(text), "again", true, &again, &err) == 0);
	check_same(dev, &again);
	_cleanup_free_ char *text_again = json_definition_text(&again);
	assert(strcmp(text, text_again) == 0);
}

static void read_definition(const char *text, size_t size, bool strict)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mdev_ struct mdev dev = { .type = "old" };

	mdev_insert_attr(&dev, 0, "old", "value");
	if (json_read_definition(text, size, "file", strict, &dev, &err) == 0) {
		assert(!err.text);
		check_accepted(&dev);
	} else {
		assert(err.status == STATUS_INVALID && err.text && *err.text);
		assert(strcmp(dev.type, "old") == 0 && dev.n_attrs == 1);
	}
}

static void read_plain(const char *text, size_t size)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mdev_ struct mdev plain = { 0 }, dev = { 0 };

	if (plain_read(text, size, &plain)) {
		assert(json_read_definition(text, size, "file", true, &dev, &err) == 0);
		check_same(&plain, &dev);
	} else {
		assert(!plain.type && plain.n_attrs == 0 && !plain.unknown);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Like the result of file_read(), NUL-terminated. */
	_cleanup_free_ char *text = mem_zero(size + 1, 1);

	memcpy(text, data, size);
	setenv("MDEVCTL_LOG", "off", 1); /* warnings would fill the terminal */
	read_definition(text, size, true);
	read_definition(text, size, false);
	read_plain(text, size);
	return 0;
}
