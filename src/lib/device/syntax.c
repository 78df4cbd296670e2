/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "device/syntax.h"

#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"
/* The limit of mdevctl. */
#define DEEPEST 127
/* Most definitions have fewer values. */
#define FIRST_ROOM 16

/* The values that are words. */
static const char *const words[] = { "true", "false", "null" };
#define WORDS (sizeof(words) / sizeof(words[0]))

struct parser {
	const char *text, *p; /* its start, and the current position */
	unsigned depth;
	size_t room; /* for values */
	struct json_tree *tree;
	struct syntax_error *error;
};

/* Returns false, so that callers can `return fail(...)`. */
static bool fail(const struct parser *c, const char *at, const char *what)
{
	*c->error = (struct syntax_error){ at, *at ? what : "unexpected end" };
	return false;
}

static bool skip_space(struct parser *c)
{
	while (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r')
		c->p++;
	if (*c->p == '#' || (*c->p == '/' && (c->p[1] == '/' || c->p[1] == '*')))
		return fail(c, c->p, "comment");
	if ((unsigned char)*c->p < 0x20 && *c->p)
		return fail(c, c->p, "control character");
	return true;
}

/* Describes the error in text that is neither a value nor a name, based on common mistakes. */
static bool bad_word(const struct parser *c, const char *unquoted)
{
	if (*c->p == '\'')
		return fail(c, c->p, "single quotes instead of double quotes");
	for (size_t i = 0; i < WORDS; i++)
		if (strncasecmp(c->p, words[i], strlen(words[i])) == 0 &&
		    strncmp(c->p, words[i], strlen(words[i])) != 0 &&
		    !isalnum((unsigned char)c->p[strlen(words[i])]))
			return fail(c, c->p, "true, false or null in capital letters");
	if (isalpha((unsigned char)*c->p) || *c->p == '_')
		return fail(c, c->p, unquoted);
	return fail(c, c->p, "unexpected text");
}

/* Returns the number of \uXXXX at p; -1 = there is none. */
static long code_at(const char *p)
{
	if (p[0] != '\\' || p[1] != 'u' || strspn(p + 2, HEX) < 4)
		return -1;
	char digits[5] = { p[2], p[3], p[4], p[5], '\0' };
	return strtol(digits, NULL, 16);
}

/* Appends a character as UTF-8, and returns the new end. */
static char *put_utf8(char *to, long code)
{
	static const struct {
		long limit;
		unsigned char first;
	} forms[] = { { 0x80, 0 }, { 0x800, 0xc0 }, { 0x10000, 0xe0 }, { 0x110000, 0xf0 } };
	int more = 0; /* bytes after the first one */

	while (code >= forms[more].limit)
		more++;
	*to++ = (char)(forms[more].first | (code >> 6 * more));
	while (more-- > 0)
		*to++ = (char)(0x80 | (code >> 6 * more & 0x3f));
	return to;
}

/* Reads the escape sequence at the current position, and appends its character to *to. */
static bool read_escape(struct parser *c, char **to)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *found = c->p[1] ? strchr(letters, c->p[1]) : NULL;
	long code = found ? meanings[found - letters] : code_at(c->p), low = 0;

	if (code >= 0xd800 && code < 0xdc00) { /* the first half of a surrogate pair */
		low = code_at(c->p + 6);
		code = low >= 0xdc00 && low < 0xe000
			       ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
			       : -1;
	}
	if (code < 0 || (code >= 0xdc00 && code < 0xe000))
		return fail(c, c->p + (c->p[1] != '\0'), "invalid escape");
	if (code == 0) /* it would truncate the string */
		return fail(c, c->p + 1, "control character");
	*to = put_utf8(*to, code);
	c->p += found ? 2 : low ? 12 : 6;
	return true;
}

/* A string is not longer than its form in the text, so it has its place in tree->strings. */
static bool read_string(struct parser *c, const char **ret)
{
	const char *start = c->p++;
	char *to = c->tree->strings + (start - c->text);

	*ret = to;
	while (*c->p != '"') {
		if (!*c->p)
			return fail(c, start, "unterminated string");
		if ((unsigned char)*c->p < 0x20)
			return fail(c, c->p, "control character");
		if (*c->p != '\\')
			*to++ = *c->p++;
		else if (!read_escape(c, &to))
			return false;
	}
	*to = '\0';
	c->p++;
	return true;
}

static bool check_number(struct parser *c)
{
	const char *start = c->p, *p = start + (*start == '-');
	size_t n = strspn(p, DIGITS);
	bool good = n == 1 || (n > 1 && *p != '0');

	p += n;
	if (good && *p == '.') {
		n = strspn(++p, DIGITS);
		good = n > 0;
		p += n;
	}
	if (good && (*p == 'e' || *p == 'E')) {
		p += p[1] == '+' || p[1] == '-' ? 2 : 1;
		n = strspn(p, DIGITS);
		good = n > 0;
		p += n;
	}
	/* mdevctl parses numbers as double. */
	if (!good || (*p && strchr("+-.eE", *p)) || !isfinite(strtod(start, NULL)))
		return fail(c, start, "invalid number");
	c->p = p;
	return true;
}

static bool read_value(struct parser *c, const char *start, const char *name);

static bool read_item(struct parser *c)
{
	return read_value(c, c->p, NULL);
}

static bool read_member(struct parser *c)
{
	const char *start = c->p, *name;

	if (*c->p != '"')
		return bad_word(c, "name without quotes");
	if (!read_string(c, &name))
		return false;
	const char *end = c->p;
	if (!skip_space(c))
		return false;
	if (*c->p != ':')
		return fail(c, *c->p ? end : c->p, "missing colon");
	c->p++;
	return skip_space(c) && read_value(c, start, name);
}

static bool begins_item(char c)
{
	return c && (strchr("\"'{[-_", c) || isalnum((unsigned char)c));
}

/* Reads the contents of brackets; c->p is at the opening one. */
static bool read_items(struct parser *c, char closing, bool (*read)(struct parser *c))
{
	const char *comma = NULL; /* the last one */
	size_t before = 0;	  /* the previous item; 0 = none */

	if (++c->depth > DEEPEST)
		return fail(c, c->p, "nesting too deep");
	for (c->p++;; comma = c->p++) {
		size_t item = c->tree->n;

		if (!skip_space(c))
			return false;
		if (*c->p == closing && !comma)
			break;
		if (*c->p == closing)
			return fail(c, comma, "trailing comma");
		if (*c->p == ',')
			return fail(c, c->p, "unexpected comma");
		if (!read(c))
			return false;
		if (before)
			c->tree->v[before].next = item - before;
		before = item;
		const char *end = c->p;
		if (!skip_space(c))
			return false;
		if (*c->p == closing)
			break;
		if (*c->p != ',' && begins_item(*c->p))
			return fail(c, end, "missing comma");
		if (*c->p != ',')
			return fail(c, c->p, "unexpected text");
	}
	c->p++;
	c->depth--;
	return true;
}

static bool check_word(struct parser *c)
{
	for (size_t i = 0; i < WORDS; i++) {
		size_t n = strlen(words[i]);

		if (strncmp(c->p, words[i], n) == 0 && !isalnum((unsigned char)c->p[n])) {
			c->p += n;
			return true;
		}
	}
	return bad_word(c, "text without quotes");
}

static bool read_contents(struct parser *c, const char **ret_string)
{
	if (*c->p == '{')
		return read_items(c, '}', read_member);
	if (*c->p == '[')
		return read_items(c, ']', read_item);
	if (*c->p == '"')
		return read_string(c, ret_string);
	if (*c->p && strchr("-" DIGITS, *c->p))
		return check_number(c);
	return check_word(c);
}

/* start, name: of the member whose value it is; NULL = it is not that of a member */
static bool read_value(struct parser *c, const char *start, const char *name)
{
	struct json_tree *tree = c->tree;
	struct json_value value = { .start = start, .name = name, .at = c->p };
	size_t i = tree->n++;

	if (tree->n > c->room) {
		c->room = c->room ? 2 * c->room : FIRST_ROOM;
		tree->v = mem_grow(tree->v, c->room, sizeof(*tree->v));
	}
	if (!read_contents(c, &value.string))
		return false;
	value.end = c->p;
	value.filled = tree->n > i + 1;
	tree->v[i] = value;
	return true;
}

bool syntax_parse(const char *text, size_t len, struct json_tree *ret, struct syntax_error *error)
{
	struct parser c = { .text = text, .p = text, .tree = ret, .error = error };

	ret->strings = mem_grow(NULL, len + 1, 1);
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		return fail(&c, text, "byte order mark");
	if (!skip_space(&c) || !read_item(&c) || !skip_space(&c))
		return false;
	return *c.p ? fail(&c, c.p, "unexpected text") : true;
}

/* Maximum number of characters that are shown on each side of the error. */
#define SHOWN 60

static bool is_continuation(char c)
{
	return (c & 0xc0) == 0x80;
}

/* Returns the line that contains the error, and a line with the marker. */
static char *excerpt(const char *text, const char *at)
{
	const char *start = at, *end = at;
	int before = 0;

	for (; start > text && start[-1] != '\n' && before < SHOWN; start--)
		before += !is_continuation(start[-1]);
	while (*end && *end != '\n' && *end != '\r' && end < at + SHOWN)
		end++;
	while (is_continuation(*end))
		end++;
	char *shown = mem_text_n(start, (size_t)(end - start));
	for (char *p = shown; *p; p++)
		if (*p == '\t') /* one column wide, so that the marker is aligned */
			*p = ' ';
	char *lines = mem_printf("\n  %s\n  %*s^", shown, before, "");
	free(shown);
	return lines;
}

char *syntax_message(const char *text, const struct syntax_error *error, const char *where)
{
	unsigned line = 1, column = 1;

	for (const char *p = text; p < error->at; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	_cleanup_free_ char *lines =
		*error->at ? excerpt(text, error->at) : mem_text(""); /* nothing to show */
	return mem_printf("Invalid JSON in %s: %s at line %u column %u%s", where, error->what, line,
			  column, lines);
}
