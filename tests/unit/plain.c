/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device/plain: what is in plain form is read like any other JSON, and nothing else is read. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "device/json.h"
#include "device/plain.h"

#define T "\"mdev_type\":\"t\""
#define S "\"start\":\"manual\""
#define FIFTY "01234567890123456789012345678901234567890123456789"
#define LONG FIFTY FIFTY FIFTY FIFTY FIFTY "01234" /* 255 */

static const char *const plain[] = {
	"{" T "," S "}",
	"{" S ",\"attrs\":[]," T "}",
	"\r\n\t {\n  \"mdev_type\" : \"nvidia-700\" ,\"start\":\"auto\", \"attrs\" : [ ] } \n",
	"{\n  " T ",\n  " S ",\n  \"attrs\": [\n    {\n      \"a\": \"1\"\n    },\n    {\n      "
	"\"b/c\": \"\"\n    },\n    {\"a\": \"0xab\"}\n  ]\n}\n",
	"{" T "," S ",\n  \"set\": \"desktops/3\"}",
	"{\"\" :  \"\" ," T "," S "}",
	"{" T "," S ",\"a\" :\"x\",\"b\": \"a\" ,\n\"\":\":\"}",
	"{\"mdev_type\":\"" LONG "\"," S "}",
};

/* Valid and invalid definitions, which are left to json. A value that is also a name is not
 * distinguished. */
static const char *const other[] = {
	"",
	"{}",
	"{" T "}",
	"{" S "}",
	"[" T "," S "]",
	"{" T "," S,
	"{" T "," S ",}",
	"{" T "," S "}}",
	"{" T "," S "} x",
	"{" T " " S "}",
	"{" T "," T "," S "}",
	"{" T "," S "," S "}",
	"{" T "," S ",\"attrs\":[],\"attrs\":[]}",
	"{\"mdev_type\":\"\"," S "}",
	"{\"mdev_type\":\"a/b\"," S "}",
	"{\"mdev_type\":\"..\"," S "}",
	"{\"mdev_type\":\"\\u0074\"," S "}",
	"{\"mdev_type\":\"\xc3\xa4\"," S "}",
	"{\"mdev_type\":\"a\x7f\"," S "}",
	"{\"mdev_type\":\"a\nb\"," S "}",
	"{\"mdev_type\":\"" LONG "x\"," S "}",
	"{\"mdev_type\":null," S "}",
	"{\"mdev_type\":\"t",
	"{" T ",\"start\":\"Auto\"}",
	"{" T ",\"start\":true}",
	"{" T "," S ",\"attrs\":null}",
	"{" T "," S ",\"attrs\":[{}]}",
	"{" T "," S ",\"attrs\":[{\"a\":\"1\"},]}",
	"{" T "," S ",\"attrs\":[{\"a\":\"1\",\"b\":\"2\"}]}",
	"{" T "," S ",\"attrs\":[{\"a\":1}]}",
	"{" T "," S ",\"attrs\":[{\"../a\":\"1\"}]}",
	"{" T "," S ",\"attrs\":[{\"a\":\"1\"}",
	"{" T "," S ",\"attrs\":[\"a\"]}",
	"{" T "," S ",\"a\":\"1\",\"b\":\"2\",\"a\":\"1\"}",
	"{" T "," S ",\"\":\"\",\"\":\"\"}",
	"{" T "," S ",\"a\":\"b\",\"b\":\"1\"}",
	"{" T "," S ",\"a\":1}",
	"\xef\xbb\xbf{" T "," S "}",
};

static char *told(const struct mdev *dev)
{
	_cleanup_free_ char *text = json_definition_text(dev);

	return mem_printf("%s %s", text, dev->unknown ? dev->unknown : "-");
}

static void test_plain(const char *text)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mdev_ struct mdev dev = { 0 }, same = { 0 };

	printf("%s\n", text);
	assert(plain_read(text, strlen(text), &dev));
	assert(json_read_definition(text, strlen(text), "F", true, &same, &err) == 0);
	_cleanup_free_ char *got = told(&dev), *wanted = told(&same);
	assert(strcmp(got, wanted) == 0);
}

static void test_other(const char *text, size_t len)
{
	struct mdev dev = { .parent = "p", .type = "before", .autostart = true };

	printf("%s\n", text);
	assert(!plain_read(text, len, &dev));
	assert(strcmp(dev.type, "before") == 0 && dev.autostart && dev.n_attrs == 0);
	assert(!dev.unknown && !dev.attrs);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		test_plain(plain[i]);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		test_other(other[i], strlen(other[i]));
	static const char embedded[] = "{" T "," S "}\0 ";
	test_other(embedded, sizeof(embedded) - 1);
	return 0;
}
