/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any file of mdevctl apply is either rejected with a sentence, or read as valid sets and
 * definitions. */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/desired.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_attributes(const struct mdev *dev)
{
	for (size_t i = 0; i < dev->n_attrs; i++)
		assert(attr_name_valid(dev->attrs[i].name));
}

static void check_set(const struct set *set)
{
	_cleanup_free_ char *label = set_label(set, SET_LIMIT - 1);
	char uuid[UUID_SIZE];

	assert(*set->name && set->count <= SET_LIMIT);
	assert(!set->max || set->count == SET_LIMIT);
	for (size_t i = 0; i < set->n_parents; i++) {
		assert(name_valid(set->parents[i]));
		(void)set_matches(set, set->parents[i]);
	}
	assert(strlen(label) == strlen(set->name) + strlen("/4095"));
	set_uuid(set, SET_LIMIT - 1, uuid);
	assert(uuid_is_canonical(uuid) && uuid[14] == '5');
	if (set->count > 0) {
		assert(set->n_parents > 0);
		assert(title_valid(set->device.type)); /* which may be "I/O subchannel" */
		check_attributes(&set->device);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_desired_ struct desired desired = { 0 };
	/* Like the result of op_read_file(), NUL-terminated. */
	_cleanup_free_ char *text = mem_zero(size + 1, 1);

	memcpy(text, data, size);
	setenv("MDEVCTL_LOG", "off", 1); /* warnings would fill the terminal */
	if (desired_read(text, size, "file", false, &desired, &err) < 0) {
		assert(err.status == STATUS_INVALID && err.text && *err.text);
		assert(desired.n_sets == 0 && desired.definitions.n == 0);
		return 0;
	}
	assert(!err.text);
	assert(desired.n_sets == 0 || desired.definitions.n == 0);
	for (size_t i = 0; i < desired.n_sets; i++)
		check_set(desired.sets[i]);
	for (size_t i = 0; i < desired.definitions.n; i++) {
		const struct mdev *dev = &desired.definitions.v[i];

		assert(uuid_is_canonical(dev->uuid) && name_valid(dev->parent));
		assert(i == 0 || strcmp(dev[-1].parent, dev->parent) < 0 ||
		       (strcmp(dev[-1].parent, dev->parent) == 0 &&
			strcmp(dev[-1].uuid, dev->uuid) < 0));
		assert(name_valid(dev->type));
		check_attributes(dev);
	}
	return 0;
}
