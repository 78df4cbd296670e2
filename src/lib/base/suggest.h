/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

/*
 * Finds the known word that was probably meant by an unknown word. Case is ignored. The unknown
 * word may be a prefix or suffix of at least three letters; otherwise, one letter may be wrong,
 * missing, added or swapped, plus one more for every four letters.
 */
struct suggestion {
	const char *word;	 /* borrowed: what was typed */
	char best[NAME_MAX + 1]; /* "" = no similar word */
	unsigned distance;
};

void suggest_try(struct suggestion *suggestion, const char *known);

/* Returns ". Did you mean 'BEST'?", or "" if no word is similar. Owned by the caller. */
char *suggest_question(const struct suggestion *suggestion);
