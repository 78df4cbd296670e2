/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/suggest.h"

/* Longer words are only compared for equality. */
#define LONGEST 63

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Number of letters that have to be changed, added, removed or swapped with the next one (optimal
 * string alignment distance). Only three rows of the matrix are required. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][LONGEST + 1];
	size_t n = strlen(b);

	for (unsigned j = 0; j <= n; j++)
		rows[0][j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3],
			 *second = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			row[j] = least(above[j], row[j - 1]) + 1;
			row[j] = least(row[j], above[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = least(row[j], second[j - 2] + 1);
		}
	}
	return rows[strlen(a) % 3][n];
}

void suggest_try(struct suggestion *suggestion, const char *known)
{
	size_t n = strlen(suggestion->word), known_n = strlen(known);
	unsigned limit = 1 + (unsigned)n / 4, found;

	if (strcasecmp(suggestion->word, known) == 0)
		found = 0;
	else if (n >= 3 && known_n > n &&
		 (strncasecmp(suggestion->word, known, n) == 0 ||
		  strcasecmp(suggestion->word, known + known_n - n) == 0))
		found = 1; /* this includes a PCI address without its domain, as printed by lspci */
	else if (n <= LONGEST && known_n <= LONGEST)
		found = distance(suggestion->word, known);
	else
		return;
	if (found > limit || found >= n || known_n >= sizeof(suggestion->best) ||
	    (*suggestion->best && found >= suggestion->distance))
		return;
	memcpy(suggestion->best, known, known_n + 1);
	suggestion->distance = found;
}

char *suggest_question(const struct suggestion *suggestion)
{
	return *suggestion->best ? mem_printf(". Did you mean '%s'?", suggestion->best)
				 : mem_text("");
}
