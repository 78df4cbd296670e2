/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/env.h"

/*
 * Why there is no such parent, or none at all, and what to do: what a name stands for instead (a
 * device with another driver or without one, a card whose virtual functions are the parents, a
 * device number of a subchannel), or the parent that was probably meant.
 */

/* Returns the sentence that there is no such parent, followed by ". Did you mean 'PARENT'?", ".
 * NAME is bound to vfio-pci ...", or nothing if nothing is known. A name that definitions exist for
 * is not misspelt, so no other parent is suggested. Owned by the caller. */
char *absent_parent(const struct env *env, const char *parent);

/* Returns the same in a few words (interned), which follow "parent": "not present", "without
 * driver", "bound to vfio-pci". */
const char *absent_words(const struct env *env, const char *parent);

/* Returns ". Did you mean 'PARENT'?" if the word is another spelling of the name of a parent:
 * without the domain, in upper case, as libvirt writes it, or the number of the device of a
 * subchannel. NULL = it is not. Owned by the caller. */
char *absent_spelling(const struct env *env, const char *word);

/* Returns why this host has no parents, as a sentence. Owned by the caller. */
char *absent_all(const struct env *env);
