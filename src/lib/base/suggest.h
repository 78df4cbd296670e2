/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

/*
 * For a word that is not known: the known one that was probably meant. Case does not count, a
 * beginning or an end of three letters is enough, else one letter wrong, missing, too many or
 * swapped, and one more for every four letters.
 */
struct suggestion {
	const char *word;	 /* borrowed: what was typed */
	char best[NAME_MAX + 1]; /* "" = nothing is near */
	unsigned distance;
};

void suggest_try(struct suggestion *suggestion, const char *known);

/* ". Did you mean 'BEST'?", or "" if nothing is near. Owned by the caller. */
char *suggest_question(const struct suggestion *suggestion);
