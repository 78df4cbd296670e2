/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device/mdev: accepted names and UUIDs, and the order of lists and attributes. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "device/mdev.h"

static int failures;

/* Prints what failed, with the text it was about. */
static void expect(bool fact, const char *what, const char *text)
{
	if (fact)
		return;
	printf("failed: %s: '%s'\n", what, text);
	failures++;
}

#define CANONICAL "0123abcd-4567-4890-abcd-ef0123456789"
#define PLAIN "0123abcd45674890abcdef0123456789"

static void test_uuid_read(void)
{
	static const char *const good[] = {
		CANONICAL,
		PLAIN,
		("{" CANONICAL "}"),
		("urn:uuid:" CANONICAL),
		"0123ABCD-4567-4890-ABCD-EF0123456789",
		"0123ABCD45674890ABCDEF0123456789",
		"{0123aBcD-4567-4890-AbCd-EF0123456789}",
	};
	static const char *const bad[] = {
		"",
		"0",
		"-",
		"{}",
		"urn:uuid:",
		CANONICAL " ",
		" " CANONICAL,
		CANONICAL "0",
		"{" CANONICAL,
		CANONICAL "}",
		"{" CANONICAL ")",
		"{" PLAIN "}",
		"{{" CANONICAL "}}",
		"URN:UUID:" CANONICAL,
		"urn:" CANONICAL,
		"0123abcd-4567-4890-abcd-ef012345678",
		"0123abcd-4567-4890-abcd-ef012345678g",
		"0123abcd+4567-4890-abcd-ef0123456789",
		"0123abc-d4567-4890-abcd-ef0123456789",
		"0123abcd4567-4890-abcd-ef01234567890",
		"0123abcd-4567-4890-abcdef0123456789-",
		"------------------------------------",
		"0123abcd45674890abcdef012345678-",
		"0123abcd45674890abcdef0123456789a",
		"\331\241123abcd-4567-4890-abcd-ef012345678",
	};
	char uuid[UUID_SIZE];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(uuid, 0, sizeof(uuid));
		expect(uuid_read(good[i], uuid), "is a UUID", good[i]);
		expect(strcmp(uuid, CANONICAL) == 0, "becomes canonical", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(uuid, "untouched", sizeof("untouched"));
		expect(!uuid_read(bad[i], uuid), "is no UUID", bad[i]);
		expect(strcmp(uuid, "untouched") == 0, "leaves the result alone", bad[i]);
	}
}

static void test_uuid_is_canonical(void)
{
	static const char *const bad[] = {
		"",
		PLAIN,
		"{" CANONICAL "}",
		CANONICAL "~",
		"0123abcd-4567-4890-abcd-ef012345678",
		"0123Abcd-4567-4890-abcd-ef0123456789",
		"0123abcd-4567-4890-abcd_ef0123456789",
		".123abcd-4567-4890-abcd-ef0123456789",
	};

	expect(uuid_is_canonical(CANONICAL), "is canonical", CANONICAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(!uuid_is_canonical(bad[i]), "is not canonical", bad[i]);
}

static void test_utf8(void)
{
	static const char *const good[] = {
		"",
		"plain",
		"\x7f",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
		"a\xc3\xa4z",
	};
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2z",
		"\xe0\x9f\xbf",
		"\xe2\x82",
		"\xe2\x82z",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf0\x9f\x98",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"good, then \xfe",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		expect(text_is_utf8(good[i], strlen(good[i])), "is UTF-8", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(!text_is_utf8(bad[i], strlen(bad[i])), "is no UTF-8", bad[i]);
	expect(!text_is_utf8("a\0b", 3), "a NUL is no text", "a\\0b");
	expect(text_is_utf8("\xe2\x82\xac", 3), "is UTF-8", "euro sign");
	expect(!text_is_utf8("\xe2\x82\xac", 2), "is cut", "euro sign");
}

static void test_clean(void)
{
	static const struct {
		const char *text, *cleaned;
	} cases[] = {
		{ "", "" },
		{ "a \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "a \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\033[31mred\033[0m", "?[31mred?[0m" },
		{ "\xc2\x9b"
		  "31m \x9b \x7f",
		  "??31m ? ?" },
		{ "a\nb\tc\rd", "a\nb\tc?d" },
		{ "cut \xe2\x82", "cut ??" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];
		snprintf(text, sizeof(text), "%s", cases[i].text);
		text_clean(text);
		expect(strcmp(text, cases[i].cleaned) == 0, "is cleaned", text);
	}
	expect(text_printable("a \xc3\xa9 \xc2\xa0"), "is printable", "letters");
	expect(!text_printable("\xc2\x9f"), "is not printable", "U+009F");
}

static void test_names(void)
{
	static const char *const good[] = {
		"mtty", "0000:00:02.0", "vfio_ap-passthrough", "...", ".x", "a b", "-x", "\xc3\xa4",
	};
	static const char *const bad[] = {
		"", ".", "..", "/", "a/b", "/a", "a/", "a\nb", "\x01", "a\x7f", "\xff",
	};
	char longest[NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		expect(name_valid(good[i]), "is a name", good[i]);
		expect(attr_name_valid(good[i]), "is an attribute's name", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(!name_valid(bad[i]), "is no name", bad[i]);
	memset(longest, 'x', sizeof(longest));
	longest[NAME_MAX + 1] = '\0';
	expect(!name_valid(longest), "is too long", longest);
	expect(!attr_name_valid(longest), "is too long", longest);
	longest[NAME_MAX] = '\0';
	expect(name_valid(longest), "is not too long", longest);
	expect(attr_name_valid(longest), "is not too long", longest);
}

static void test_attr_names(void)
{
	static const char *const good[] = {
		"a", "a/b", "power/control", "a/b/c", "a/...", "..a/b"
	};
	static const char *const bad[] = {
		"",	  "/",	 "/a",	"a/",	 "a//b", "..",	   "../a",    "a/..",
		"a/../b", "a/.", "./a", "a/./b", "a\nb", "a/\xff", "a\x7f/b",
	};
	char deep[PATH_MAX];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		expect(attr_name_valid(good[i]), "is an attribute's name", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(!attr_name_valid(bad[i]), "is no attribute's name", bad[i]);
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 ? '/' : 'a';
	deep[PATH_MAX / 2 - 1] = '\0';
	expect(attr_name_valid(deep), "is not too deep", "a/a/a...");
	deep[PATH_MAX / 2 - 1] = '/';
	deep[PATH_MAX / 2 + 1] = '\0';
	expect(!attr_name_valid(deep), "is too deep", "a/a/a...");
}

/* Joins the names of the attributes of a device. */
static void joined(const struct mdev *dev, char *ret, size_t size)
{
	*ret = '\0';
	for (size_t i = 0; i < dev->n_attrs; i++)
		snprintf(ret + strlen(ret), size - strlen(ret), "%s=%s ", dev->attrs[i].name,
			 dev->attrs[i].value);
}

static void test_attributes(void)
{
	_cleanup_mdev_ struct mdev dev = { 0 };
	char text[64];

	mdev_insert_attr(&dev, 0, "b", "2");
	mdev_insert_attr(&dev, 1, "d", "4");
	mdev_insert_attr(&dev, 0, "a", "1");
	mdev_insert_attr(&dev, 2, "c", "");
	joined(&dev, text, sizeof(text));
	expect(strcmp(text, "a=1 b=2 c= d=4 ") == 0, "are in order after inserts", text);
	mdev_remove_attr(&dev, 3);
	mdev_remove_attr(&dev, 0);
	joined(&dev, text, sizeof(text));
	expect(strcmp(text, "b=2 c= ") == 0, "are in order after removals", text);
	mdev_clear_attrs(&dev);
	expect(dev.n_attrs == 0 && !dev.attrs, "are gone", "attributes");
	mdev_insert_attr(&dev, 0, "e", "5");
	joined(&dev, text, sizeof(text));
	expect(strcmp(text, "e=5 ") == 0, "can be added again", text);
}

static void test_list(void)
{
	static const char *const parents[] = { "mtty", "a", "mtty", "B", "a" };
	static const char *const uuids[] = { "2", "9", "1", "5", "10" };
	_cleanup_list_ struct mdev_list list = { 0 };
	char text[64] = "";

	mdev_list_sort(&list);
	for (size_t i = 0; i < 5; i++) {
		struct mdev *dev = mdev_list_add(&list);
		dev->parent = parents[i];
		snprintf(dev->uuid, sizeof(dev->uuid), "%s", uuids[i]);
	}
	mdev_list_sort(&list);
	for (size_t i = 0; i < list.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.9s/%.9s ",
			 list.v[i].parent, list.v[i].uuid);
	expect(strcmp(text, "B/5 a/10 a/9 mtty/1 mtty/2 ") == 0, "is sorted by bytes", text);
	for (size_t i = 0; i < 100; i++)
		expect(!*mdev_list_add(&list)->uuid, "starts empty", "a new device");
	expect(list.n == 105, "has them all", "list");
}

int main(void)
{
	test_uuid_read();
	test_uuid_is_canonical();
	test_utf8();
	test_clean();
	test_names();
	test_attr_names();
	test_attributes();
	test_list();
	return failures > 0;
}
