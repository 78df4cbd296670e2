/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device/json: all forms of definitions and script replies, and the output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "device/json.h"

static int failures;

/* Compares two texts and prints what they describe. */
static void expect(const char *got, const char *wanted, const char *of)
{
	if (strcmp(got, wanted) == 0)
		return;
	printf("failed: %s\n--- wanted\n%s\n--- got\n%s\n", of, wanted, got);
	failures++;
}

/* Returns a device as the line that scripts get, followed by its unknown members. */
static char *told(const struct mdev *dev)
{
	_cleanup_free_ char *line = json_definition_line(dev);

	return mem_printf("%s%s%s", line, dev->unknown ? " + " : "",
			  dev->unknown ? dev->unknown : "");
}

/* Prints a definition as it is read: a line, or the error. */
static void reads(const char *text, bool strict, const char *wanted)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mdev_ struct mdev dev = {
		.uuid = "U", .parent = "", .type = "before", .autostart = true
	};

	mdev_insert_attr(&dev, 0, "old", "0");
	if (json_read_definition(text, strlen(text), "F", strict, &dev, &err) < 0) {
		expect(err.text, wanted, text);
		expect(err.status == STATUS_INVALID ? "invalid" : "other", "invalid", text);
		_cleanup_free_ char *same = told(&dev);
		expect(same,
		       "{\"mdev_type\":\"before\",\"start\":\"auto\",\"attrs\":[{\"old\":\"0\"}]}",
		       "an error leaves the device alone");
		return;
	}
	_cleanup_free_ char *got = told(&dev);
	expect(got, wanted, text);
	expect(dev.uuid, "U", "the UUID stays");
}

static void test_definitions(void)
{
	reads("{\"mdev_type\":\"t\",\"start\":\"auto\"}", true,
	      "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[]}");
	reads(" \r\n\t{ \"start\" : \"manual\" , \"attrs\" : null , \"mdev_type\" : \"t\" } \n",
	      true, "{\"mdev_type\":\"t\",\"start\":\"manual\",\"attrs\":[]}");
	reads("{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"a\":\"1\"},{\"b/"
	      "c\":\"\"},{\"a\":"
	      "\"2\"}]}",
	      true,
	      "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"a\":\"1\"},{\"b/"
	      "c\":\"\"},{\"a\":"
	      "\"2\"}]}");
	reads("{\"mdev_type\":\"t\",\"start\":\"odd\"}", true,
	      "Invalid F: 'start' must be \"auto\" or \"manual\"");
	reads("{\"mdev_type\":\"\\ud83d\\ude00\",\"start\":\"auto\"}", true,
	      "{\"mdev_type\":\"\xf0\x9f\x98\x80\",\"start\":\"auto\",\"attrs\":[]}");
	/* Only "attrs" itself may be null. */
	reads("{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[null]}", true,
	      "Invalid F: invalid JSON format for attribute: not an object");
	reads("{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"a\":null}]}", true,
	      "Invalid F: invalid JSON format for attribute \"a\": value must be of type str");
	reads("{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"\":\"1\"}]}", true,
	      "Invalid F: invalid attribute name ''");
	reads("null", false, "Invalid F: invalid json, not an object");
	reads("{\"Mdev_Type\":\"t\",\"start\":\"auto\"}", false,
	      "Invalid F: invalid json, 'mdev_type' is missing");
}

static void test_unknown_members(void)
{
	static const char plain[] = "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[]}";
	_cleanup_free_ char *one = mem_printf("%s + \"x\":1", plain);
	_cleanup_free_ char *two =
		mem_printf("%s + \"x\" : 1e300,\n  \"y\":[{\"start\":1},\"},\"]", plain);
	_cleanup_free_ char *odd = mem_printf("%s + \"a\\\"}\":\"\\\\\",\n  \"\":{}", plain);

	reads("{\"x\":1,\"mdev_type\":\"t\",\"start\":\"auto\"}", true, one);
	reads("{\"mdev_type\":\"t\",\"start\":\"auto\", \n\"x\":1 \t}", true, one);
	reads("{\"x\" : 1e300 "
	      ",\"mdev_type\":\"t\",\"start\":\"auto\",\"y\":[{\"start\":1},\"},\"]}",
	      true, two);
	reads("{\"a\\\"}\":\"\\\\\",\"mdev_type\":\"t\",\"\":{},\"start\":\"auto\"}", true, odd);
}

static void test_broken_json(void)
{
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		{ "", "Invalid JSON in F: unexpected end at line 1 column 1" },
		{ "{", "Invalid JSON in F: unexpected end at line 1 column 2" },
		{ "{}x", "Invalid JSON in F: unexpected text at line 1 column 3\n  {}x\n    ^" },
		{ "{}\n\n {}",
		  "Invalid JSON in F: unexpected text at line 3 column 2\n   {}\n   ^" },
		{ "{\"a\":\"\n\"}", "Invalid JSON in F: control character at line 1 column 7\n  "
				    "{\"a\":\"\n        ^" },
		{ "{\"a\":\f1}", "Invalid JSON in F: control character at line 1 column 6\n  "
				 "{\"a\":\f1}\n       ^" },
		{ "{\"a\\u0000b\":1}", "Invalid JSON in F: control character at line 1 column 5\n  "
				       "{\"a\\u0000b\":1}\n      ^" },
		{ "{\"a\":\"\\\\u0000\"}", "Invalid F: invalid json, 'mdev_type' is missing" },
		{ "\xff", "Invalid JSON in F: not valid UTF-8" },
	};
	static const char *const bad[] = {
		"{\"a\":}",
		"{\"a\"}",
		"{\"a\":1,}",
		"[1,]",
		"{,}",
		"{\"a\":tru}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":+1}",
		"{\"a\":\"x}",
		"{\"a\":nul}",
		"{a:1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":--1}",
		"{\"a\":1.2.3}",
		"{\"a\":1e400}",
		"7 8",
		"[\"a\"",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		reads(cases[i].text, false, cases[i].wanted);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_error_ struct error err = { 0 };
		struct mdev dev = { 0 };
		bool refused =
			json_read_definition(bad[i], strlen(bad[i]), "F", false, &dev, &err) < 0 &&
			strncmp(err.text, "Invalid JSON in F: ", 19) == 0;
		expect(refused ? "refused" : "taken", "refused", bad[i]);
	}
}

/* Checks how a reply to "get attributes" is read. */
static void answers(const char *text, size_t len, const char *wanted)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mdev_ struct mdev dev = { 0 };

	mdev_insert_attr(&dev, 0, "old", "0");
	if (json_read_attributes(text, len, "answer", &dev, &err) < 0) {
		expect(err.text, wanted, text);
		expect(dev.n_attrs == 1 ? "untouched" : "touched", "untouched", text);
		return;
	}
	_cleanup_free_ char *got = json_attribute_lines(&dev);
	expect(got, wanted, text);
}

static void test_answers(void)
{
	static const char *const none[] = {
		"", "[]", "null", " \n", "[{}]", "[{}]\n", "[{},{}]\n\n"
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		answers(none[i], strlen(none[i]), "");
	answers("[]\0\0", 4, "");
	answers("\0\n\0", 3, "");
	answers("[{\"a\":\"1\"},{},{\"b\":\"x\\ny\"}]\n", 28,
		"  Attrs:\n    @{0}: {\"a\":\"1\"}\n    @{1}: {\"b\":\"x\\ny\"}\n");
	answers("[]\0[]", 5, "Invalid JSON in answer: not valid UTF-8");
	answers("{}", 2, "Invalid answer: attributes field is not an array");
	answers("[{\"a\":\"1\",\"b\":\"2\"}]", 19,
		"Invalid answer: invalid JSON format for attribute: too many fields");
	answers("[{\"../a\":\"1\"}]", 14, "Invalid answer: invalid attribute name '../a'");
	answers("[", 1, "Invalid JSON in answer: unexpected end at line 1 column 2");
}

/* Checks how a reply to "get capabilities" is read: "ACTIONS EVENTS UNKNOWN UNKNOWN" or "no". */
static void supports(const char *text, const char *wanted)
{
	static const char *const actions[] = { "start", "stop", NULL };
	static const char *const events[] = { "pre", "post", NULL };
	struct json_supports found;

	if (!json_read_supports(text, strlen(text), actions, events, &found)) {
		expect("no", wanted, text);
		return;
	}
	_cleanup_free_ char *got = mem_printf("%u %u %s %s", found.actions, found.events,
					      found.unknown_actions ? found.unknown_actions : "-",
					      found.unknown_events ? found.unknown_events : "-");
	expect(got, wanted, text);
	json_supports_free(&found);
}

static void test_supports(void)
{
	supports("{\"supports\":{\"version\":2,\"actions\":[\"stop\",\"start\"],\"events\":["
		 "\"post\"]}}",
		 "3 2 - -");
	supports("{\"supports\":{\"version\":1,\"actions\":[],\"events\":[]},\"x\":1}\n",
		 "0 0 - -");
	supports("{\"supports\":{\"version\":2,\"actions\":[\"a\",\"stop\",\"b\"],\"events\":["
		 "\"PRE\"]}}",
		 "2 0 a, b PRE");
	supports("{\"supports\":{\"version\":2,\"actions\":[\"start\",\"start\"],\"events\":[]}}",
		 "1 0 - -");
	supports("", "no");
	supports("hello", "no");
	supports("[]", "no");
	supports("{}", "no");
	supports("{\"supports\":[]}", "no");
	supports("{\"supports\":{\"actions\":[],\"events\":[]}}", "no");
	supports("{\"supports\":{\"version\":\"2\",\"actions\":[],\"events\":[]}}", "no");
	supports("{\"supports\":{\"version\":-1,\"actions\":[],\"events\":[]}}", "no");
	supports("{\"supports\":{\"version\":1e300,\"actions\":[],\"events\":[]}}", "no");
	supports("{\"supports\":{\"version\":1.5,\"actions\":[],\"events\":[]}}", "no");
	supports("{\"supports\":{\"version\":4294967296,\"actions\":[],\"events\":[]}}", "no");
	supports("{\"supports\":{\"version\":4294967295,\"actions\":[],\"events\":[]}}", "0 0 - -");
	supports("{\"supports\":{\"version\":2,\"events\":[]}}", "no");
	supports("{\"supports\":{\"version\":2,\"actions\":[\"a\"],\"events\":{}}}", "no");
	supports("{\"supports\":{\"version\":2,\"actions\":[1],\"events\":[]}}", "no");
}

static void test_written(void)
{
	_cleanup_mdev_ struct mdev dev = { .type = "t\"", .autostart = true };

	_cleanup_free_ char *bare = json_definition_text(&dev);
	expect(bare, "{\n  \"mdev_type\": \"t\\\"\",\n  \"start\": \"auto\",\n  \"attrs\": []\n}",
	       "a definition without attributes");
	mdev_insert_attr(&dev, 0, "a", "\x01\b\t\n\x0b\f\r\x1f \\ / \x7f \xc2\x9b \xc3\xa4");
	dev.unknown = mem_text("\"x\": 1");
	_cleanup_free_ char *text = json_definition_text(&dev);
	expect(text,
	       "{\n  \"mdev_type\": \"t\\\"\",\n  \"start\": \"auto\",\n  \"attrs\": [\n    {\n"
	       "      \"a\": \"\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\\ / \\u007f \\u009b "
	       "\xc3\xa4\"\n    }\n"
	       "  ],\n  \"x\": 1\n}",
	       "a definition with everything");
	_cleanup_free_ char *line = json_definition_line(&dev);
	expect(line,
	       "{\"mdev_type\":\"t\\\"\",\"start\":\"auto\",\"attrs\":[{\"a\":"
	       "\"\\u0001\\b\\t\\n\\u000b"
	       "\\f\\r\\u001f \\\\ / \\u007f \\u009b \xc3\xa4\"}]}",
	       "the line for scripts");
}

/* Output is read back as the same device. */
static void test_round_trip(void)
{
	for (unsigned c = 1; c < 0x80; c++) {
		_cleanup_error_ struct error err = { 0 };
		_cleanup_mdev_ struct mdev dev = { 0 }, back = { 0 };
		char value[] = { 'x', (char)c, 'y', '\0' };

		dev.type = "t";
		mdev_insert_attr(&dev, 0, "a", value);
		_cleanup_free_ char *text = json_definition_text(&dev);
		if (json_read_definition(text, strlen(text), "F", true, &back, &err) < 0)
			expect(err.text, "", text);
		else
			expect(back.attrs[0].value, value, text);
	}
}

int main(void)
{
	test_definitions();
	test_unknown_members();
	test_broken_json();
	test_answers();
	test_supports();
	test_written();
	test_round_trip();
	return failures > 0;
}
