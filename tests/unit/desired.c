/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op/desired: what a file of mdevctl apply may say, and what each mistake in it is called. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "device/json.h"
#include "apply/desired.h"

static int failures;

#define DEFINITION "\"mdev_type\":\"t\",\"start\":\"auto\""
#define PARENTS ",\"parents\":[\"p\"]"
#define UUID "11111111-1111-4111-8111-111111111111"

/* A set in one line. */
static void tell_set(FILE *file, const struct set *set)
{
	_cleanup_free_ char *line = json_definition_line(&set->device);

	fprintf(file, "%s %u%s %s:", set->name, set->count, set->max ? " max" : "",
		set->fill ? "fill" : "cards");
	for (size_t i = 0; i < set->n_parents; i++)
		fprintf(file, " %s", set->parents[i]);
	fprintf(file, " %s\n", line);
}

static void tell_device(FILE *file, const struct mdev *dev)
{
	_cleanup_free_ char *line = json_definition_line(dev);

	fprintf(file, "%s %s %s%s%s\n", dev->uuid, dev->parent, line, dev->unknown ? " " : "",
		dev->unknown ? dev->unknown : "");
}

/* What a text reads as, a line each, or the error. */
static void reads(const char *text, const char *wanted)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_desired_ struct desired desired = { 0 };
	_cleanup_free_ char *got = NULL;
	FILE *file = mem_stream(&got);

	if (desired_read(text, strlen(text), "F", false, &desired, &err) < 0)
		fprintf(file, "%s%s", err.status == STATUS_INVALID ? "" : "status? ", err.text);
	for (size_t i = 0; i < desired.n_sets; i++)
		tell_set(file, desired.sets[i]);
	for (size_t i = 0; i < desired.definitions.n; i++)
		tell_device(file, &desired.definitions.v[i]);
	mem_stream_end(file, &got);
	if (strcmp(got, wanted) == 0)
		return;
	printf("failed: %s\n--- wanted\n%s\n--- got\n%s\n", text, wanted, got);
	failures++;
}

#define LINE "{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[]}\n"

static void test_sets(void)
{
	reads("{}", "");
	reads("{\"a\":{" DEFINITION PARENTS "}}", "a 1 cards: p " LINE);
	reads("{\"b\":{" DEFINITION
	      ",\"parents\":[\"q\",\"p*\"],\"count\":4096,\"spread\":\"fill\"},"
	      "\"A.1_-\":{" DEFINITION PARENTS ",\"count\":\"max\",\"spread\":\"cards\","
	      "\"attrs\":[{\"a\":\"1\"},{\"a\":\"2\"}]}}",
	      "b 4096 fill: q p* " LINE "A.1_- 4096 max cards: p {\"mdev_type\":\"t\",\"start\":"
	      "\"auto\",\"attrs\":[{\"a\":\"1\"},{\"a\":\"2\"}]}\n");
	reads("{\"a\":{\"count\":0}}",
	      "a 0 cards: {\"mdev_type\":\"\",\"start\":\"manual\",\"attrs\":[]}\n");
	reads("{\"a\":{" DEFINITION PARENTS ",\"count\":0}}", "a 0 cards: p " LINE);
}

static void test_bad_sets(void)
{
	reads("", "Invalid JSON in F: unexpected end at line 1 column 1");
	reads("7", "Invalid F: neither an object of sets nor a list of definitions");
	reads("{\"a\":7}", "Invalid F: set 'a': not an object");
	reads("{\"a b\":{}}", "Invalid F: set 'a b': the name of a set is 1 to 64 letters, digits, "
			      "'.', '_' or '-'");
	reads("{\"\":{}}", "Invalid F: set '': the name of a set is 1 to 64 letters, digits, '.', "
			   "'_' or '-'");
	reads("{\"a\":{},\"b\":{},\"a\":{}}", "Invalid F: set 'a' is given twice");
	reads("{\"a\":{\"count\":0,\"start\":\"auto\",\"count\":0}}",
	      "Invalid F: set 'a': key 'count' is given twice");
	reads("{\"a\":{\"coutn\":0}}",
	      "Invalid F: set 'a': unknown key 'coutn'. Did you mean 'count'?");
	reads("{\"a\":{\"7\":0}}", "Invalid F: set 'a': unknown key '7'");
	reads("{\"a\":{" DEFINITION "}}", "Invalid F: set 'a': 'parents' is missing");
	reads("{\"a\":{\"start\":\"auto\"" PARENTS "}}",
	      "Invalid F: set 'a': invalid json, 'mdev_type' is missing");
	reads("{\"a\":{\"mdev_type\":\"t\"" PARENTS "}}",
	      "Invalid F: set 'a': invalid json, 'start' is missing");
	reads("{\"a\":{\"mdev_type\":7,\"start\":\"auto\"" PARENTS "}}",
	      "Invalid F: set 'a': 'mdev_type' must be a string");
	reads("{\"a\":{\"mdev_type\":\"t\",\"start\":\"maybe\"" PARENTS "}}",
	      "Invalid F: set 'a': 'start' must be \"auto\" or \"manual\"");
	reads("{\"a\":{" DEFINITION PARENTS ",\"attrs\":{}}}",
	      "Invalid F: set 'a': attributes field is not an array");
	reads("{\"a\":{\"count\":0,\"attrs\":[{\"a\":\"1\"}]}}",
	      "Invalid F: set 'a': invalid json, 'mdev_type' is missing");
	reads("{\"a\":{\"count\":0,\"spread\":1}}",
	      "Invalid F: set 'a': 'spread' must be \"cards\" or \"fill\"");
	reads("{\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[]}",
	      "Invalid F: this is the definition of one device, which is for 'mdevctl define "
	      "--jsonfile'");
}

static void test_bad_values(void)
{
	static const char *const counts[] = { "-1", "4097", "1.5", "1e9", "\"8\"", "true", "null" };
	static const char *const lists[] = { "[]", "\"p\"", "[7]", "null" };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		_cleanup_free_ char *text =
			mem_printf("{\"a\":{" DEFINITION PARENTS ",\"count\":%s}}", counts[i]);
		reads(text, "Invalid F: set 'a': 'count' must be a whole number from 0 to 4096, or "
			    "\"max\"");
	}
	reads("{\"a\\\"1e-9\":{\"count\":0.000e-900},\"b\":{\"count\":1e-400}}",
	      "Invalid JSON in F: the number 1e-400 is too small");
	reads("{\"a\":{\"count\":0.000e-900}}",
	      "a 0 cards: {\"mdev_type\":\"\",\"start\":\"manual\",\"attrs\":[]}\n");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		_cleanup_free_ char *text =
			mem_printf("{\"a\":{" DEFINITION ",\"parents\":%s}}", lists[i]);
		reads(text, "Invalid F: set 'a': 'parents' must be a list of names or patterns");
	}
	reads("{\"a\":{" DEFINITION ",\"parents\":[\"p\",\"../q\"]}}",
	      "Invalid F: set 'a': invalid parent name '../q' in 'parents'");
	reads("{\"a\":{" DEFINITION ",\"parents\":[\"p\",\"q\",\"p\"]}}",
	      "Invalid F: set 'a': 'parents' has 'p' twice");
}

static void test_definitions(void)
{
	reads("[]", "");
	reads("[{\"q\":[{\"{22222222222242228222222222222222}\":{" DEFINITION "}}],\"p\":[]},"
	      "{\"p\":[{\"" UUID "\":{" DEFINITION ",\"attrs\":[{\"a\":\"1\"}]}}]}]",
	      "Invalid F: device '{22222222222242228222222222222222}' of 'q': not a UUID");
	reads("[{\"q\":[{\"" UUID "\":{" DEFINITION "}}],\"p\":[]},"
	      "{\"p\":[{\"" UUID "\":{" DEFINITION ",\"attrs\":[{\"a\":\"1\"}]}}]}]",
	      UUID " p {\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[{\"a\":\"1\"}]}\n" UUID
		   " q " LINE);
}

/* The label of a device is read if it is the one that its UUID is derived from. */
static void test_labels(void)
{
#define A1 "f5c10516-50b2-5aac-9af1-c2f5b685af46"
	reads("[{\"p\":[{\"" A1 "\":{" DEFINITION ",\"set\":\"a/1\"}}]}]",
	      A1 " p {\"mdev_type\":\"t\",\"start\":\"auto\",\"attrs\":[]} \"set\": \"a/1\"\n");
	reads("[{\"p\":[{\"" A1 "\":{" DEFINITION ",\"set\":\"a/2\"}}]}]", A1 " p " LINE);
	reads("[{\"p\":[{\"" UUID "\":{" DEFINITION ",\"set\":\"a\"}}]}]", UUID " p " LINE);

	static const struct {
		const char *label, *name;
		unsigned index;
	} labels[] = { { "a/0", "a", 0 },
		       { "A.1_-/4095", "A.1_-", 4095 },
		       { "a/4096", NULL, 0 },
		       { "a/01", NULL, 0 },
		       { "a/1/2", NULL, 0 },
		       { "a/", NULL, 0 },
		       { "a", NULL, 0 },
		       { "/1", NULL, 0 },
		       { "a b/1", NULL, 0 },
		       { "a/-1", NULL, 0 },
		       { "a/99999999999999999999", NULL, 0 },
		       { "", NULL, 0 } };
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		char name[SET_NAME_LIMIT + 1] = "";
		unsigned index = 0;
		bool valid = set_read_label(labels[i].label, name, &index);

		if (valid == (labels[i].name != NULL) &&
		    (!valid || (strcmp(name, labels[i].name) == 0 && index == labels[i].index)))
			continue;
		printf("failed: label %s\n", labels[i].label);
		failures++;
	}
}

/* With --prune, the file names all sets, which a list of definitions does not. */
static void test_prune(void)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_desired_ struct desired desired = { 0 };

	if (desired_read("[]", 2, "F", true, &desired, &err) < 0 && err.status == STATUS_INVALID &&
	    strcmp(err.text, "Invalid F: --prune is for sets, and this is a list of definitions") ==
		    0)
		return;
	printf("failed: prune: %s\n", err.text ? err.text : "no error");
	failures++;
}

static void test_bad_definitions(void)
{
	reads("[7]", "Invalid F: not a list of parents");
	reads("[{\"p\":[],\"q\":[],\"p\":[]}]", "Invalid F: parent 'p' is given twice");
	reads("[{\"..\":[]}]", "Invalid F: invalid parent name '..'");
	reads("[{\"p\":{}}]", "Invalid F: parent 'p' is not a list of devices");
	reads("[{\"p\":[{}]}]",
	      "Invalid F: devices of parent 'p' must be objects of one UUID each");
	reads("[{\"p\":[{\"1\":{}}]}]", "Invalid F: device '1' of 'p': not a UUID");
	reads("[{\"p\":[{\"" UUID "\":[]}]}]",
	      "Invalid F: device '" UUID "' of 'p': not an object");
	reads("[{\"p\":[{\"" UUID "\":{" DEFINITION ",\"set\":1}}]}]",
	      "Invalid F: device '" UUID "' of 'p': 'set' must be a string");
	reads("[{\"p\":[{\"" UUID "\":{" DEFINITION ",\"mdev_type_name\":1}}]}]",
	      "Invalid F: device '" UUID "' of 'p': 'mdev_type_name' must be a string");
	reads("[{\"p\":[{\"" UUID "\":{" DEFINITION ",\"start\":\"auto\"}}]}]",
	      "Invalid F: device '" UUID "' of 'p': key 'start' is given twice");
	reads("[{\"p\":[{\"" UUID "\":{}}]}]",
	      "Invalid F: device '" UUID "' of 'p': invalid json, 'mdev_type' is missing");
	reads("[{\"p\":[{\"" UUID "\":{" DEFINITION "}}]},{\"p\":[{\"urn:uuid:" UUID
	      "\":{" DEFINITION "}}]}]",
	      "Invalid F: device '" UUID "' of 'p' is given twice");
}

static void test_patterns(void)
{
	static char *parents[] = { (char *)"matrix", (char *)"0000:41:*", (char *)"a\\*" };
	struct set set = { .parents = parents, .n_parents = 3 };

	static const struct {
		const char *parent;
		bool wanted;
	} names[] = { { "matrix", true },	{ "matrix2", false }, { "0000:41:00.0", true },
		      { "0000:41:", true },	{ "0000:4", false },  { "a\\b", true },
		      { "0000:81:00.0", false } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (set_matches(&set, names[i].parent) != names[i].wanted) {
			printf("failed: match of %s\n", names[i].parent);
			failures++;
		}
}

int main(void)
{
	test_sets();
	test_bad_sets();
	test_bad_values();
	test_definitions();
	test_labels();
	test_prune();
	test_bad_definitions();
	test_patterns();
	return failures > 0;
}
