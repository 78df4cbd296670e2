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

/* The values that are words. */
static const char words[][sizeof("false")] = { "true", "false", "null" };
#define WORDS (sizeof(words) / sizeof(words[0]))

struct checker {
	const char *p; /* the current position */
	unsigned depth;
	struct syntax_error *error;
};

/* Returns false, so that callers can `return fail(...)`. */
static bool fail(const struct checker *c, const char *at, const char *what)
{
	*c->error = (struct syntax_error){ at, *at ? what : "unexpected end" };
	return false;
}

static bool skip_space(struct checker *c)
{
	c->p += strspn(c->p, " \t\r\n");
	if (*c->p == '#' || (*c->p == '/' && (c->p[1] == '/' || c->p[1] == '*')))
		return fail(c, c->p, "comment");
	if ((unsigned char)*c->p < 0x20 && *c->p)
		return fail(c, c->p, "control character");
	return true;
}

/* Describes the error in text that is neither a value nor a name, based on common mistakes. */
static bool bad_word(const struct checker *c, const char *unquoted)
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

/* Returns the length of the escape sequence with the backslash at p, or 0 if it is invalid. */
static size_t escape_length(const char *p)
{
	if (p[1] && strchr("\"\\/bfnrt", p[1]))
		return 2;
	if (p[1] != 'u' || strspn(p + 2, HEX) < 4)
		return 0;
	char digits[5] = { p[2], p[3], p[4], p[5], '\0' };
	unsigned long unit = strtoul(digits, NULL, 16);
	if (unit < 0xd800 || unit > 0xdfff)
		return 6;
	if (unit > 0xdbff || p[6] != '\\' || p[7] != 'u' || strspn(p + 8, HEX) < 4)
		return 0; /* half of a surrogate pair */
	return strchr("dD", p[8]) && strchr("cdefCDEF", p[9]) ? 12 : 0;
}

static bool check_string(struct checker *c)
{
	const char *start = c->p++;

	while (*c->p != '"') {
		size_t n = 1;

		if (!*c->p)
			return fail(c, start, "unterminated string");
		if ((unsigned char)*c->p < 0x20)
			return fail(c, c->p, "control character");
		if (*c->p == '\\') {
			n = escape_length(c->p);
			if (n == 0)
				return fail(c, c->p + (c->p[1] != '\0'), "invalid escape");
			/* A NUL would truncate the string. */
			if (strncmp(c->p + 1, "u0000", 5) == 0)
				return fail(c, c->p + 1, "control character");
		}
		c->p += n;
	}
	c->p++;
	return true;
}

static bool check_number(struct checker *c)
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

static bool check_value(struct checker *c);

/* Checks a name and its value. */
static bool check_member(struct checker *c)
{
	if (*c->p != '"')
		return bad_word(c, "name without quotes");
	if (!check_string(c))
		return false;
	const char *end = c->p;
	if (!skip_space(c))
		return false;
	if (*c->p != ':')
		return fail(c, *c->p ? end : c->p, "missing colon");
	c->p++;
	return skip_space(c) && check_value(c);
}

/* Checks the contents of brackets; c->p is at the opening one. */
static bool check_items(struct checker *c, char closing, bool (*check_item)(struct checker *c))
{
	const char *comma = c->p; /* the last one, once there is one */
	bool more = false;

	if (++c->depth > DEEPEST)
		return fail(c, c->p, "nesting too deep");
	for (c->p++;;) {
		if (!skip_space(c))
			return false;
		if (*c->p == closing && !more)
			break;
		if (*c->p == closing)
			return fail(c, comma, "trailing comma");
		if (*c->p == ',')
			return fail(c, c->p, "unexpected comma");
		if (!check_item(c))
			return false;
		const char *end = c->p;
		if (!skip_space(c))
			return false;
		if (*c->p == closing)
			break;
		bool item = *c->p && (strchr("\"'{[-_", *c->p) || isalnum((unsigned char)*c->p));
		if (*c->p != ',')
			return item ? fail(c, end, "missing comma")
				    : fail(c, c->p, "unexpected text");
		comma = c->p++;
		more = true;
	}
	c->p++;
	c->depth--;
	return true;
}

static bool check_word(struct checker *c)
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

static bool check_value(struct checker *c)
{
	if (*c->p == '{')
		return check_items(c, '}', check_member);
	if (*c->p == '[')
		return check_items(c, ']', check_value);
	if (*c->p == '"')
		return check_string(c);
	if (*c->p && strchr("-" DIGITS, *c->p))
		return check_number(c);
	return check_word(c);
}

bool syntax_check(const char *text, struct syntax_error *ret)
{
	struct checker c = { .p = text, .error = ret };

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		return fail(&c, text, "byte order mark");
	if (!skip_space(&c) || !check_value(&c) || !skip_space(&c))
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
