/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/text: lists of words, numbers and paths. */
#undef NDEBUG
#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static void test_append(void)
{
	_cleanup_free_ char *list = NULL;

	text_append(&list, ", ", "%s", "one");
	assert(strcmp(list, "one") == 0);
	text_append(&list, ", ", "%d of %s", 2, list); /* words may be those of the list */
	assert(strcmp(list, "one, 2 of one") == 0);
}

static void test_number(void)
{
	static const char *const bad[] = { "",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "1x",
					   "0x1",
					   "1.0",
					   "4294967296",
					   "18446744073709551617",
					   "99999999999999999999999" };
	unsigned number = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert(!text_number(bad[i], UINT_MAX, &number) && number == 7);
	assert(text_number("4294967295", UINT_MAX, &number) && number == UINT_MAX);
	assert(text_number("0", 0, &number) && number == 0);
	assert(!text_number("11", 10, &number) && number == 0);
}

static void test_take_number(void)
{
	const char *text = "12 : name";
	unsigned number = 7;

	assert(!text_take_number(&text, 11, &number) && number == 7 && *text == '1');
	assert(text_take_number(&text, 12, &number) && number == 12 &&
	       strcmp(text, " : name") == 0);
	assert(!text_take_number(&text, 12, &number) && number == 12 && *text == ' ');
}

static void test_base_name(void)
{
	assert(strcmp(text_base_name("a/b/c"), "c") == 0);
	assert(strcmp(text_base_name("c"), "c") == 0);
	assert(strcmp(text_base_name("a/"), "") == 0);
}

int main(void)
{
	test_append();
	test_number();
	test_take_number();
	test_base_name();
	return 0;
}
