/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/facts.h"

static int by_uuid(const void *left, const void *right)
{
	const struct fact *a = left, *b = right;

	return strcmp(a->uuid, b->uuid);
}

struct fact *facts_find(const struct facts *facts, const char *uuid)
{
	struct fact wanted = { 0 };

	memcpy(wanted.uuid, uuid, UUID_SIZE);
	return facts->n == 0 ? NULL : bsearch(&wanted, facts->v, facts->n, sizeof(wanted), by_uuid);
}

struct fact *facts_set(struct facts *facts, const char *uuid, enum fact_kind kind, unsigned round)
{
	struct fact *fact = facts_find(facts, uuid);

	if (!fact) {
		size_t i = facts->n;

		facts->v = mem_grow(facts->v, facts->n + 1, sizeof(*facts->v));
		while (i > 0 && strcmp(facts->v[i - 1].uuid, uuid) > 0)
			i--;
		memmove(&facts->v[i + 1], &facts->v[i], (facts->n++ - i) * sizeof(*facts->v));
		fact = &facts->v[i];
		*fact = (struct fact){ 0 };
		memcpy(fact->uuid, uuid, UUID_SIZE);
	}
	free(fact->use);
	fact->use = NULL;
	fact->kind = kind;
	fact->round = round;
	return fact;
}

bool facts_is_full(const struct facts *facts, const char *parent, const char *type)
{
	return mdev_list_has_type(&facts->full, parent, type);
}

bool facts_set_full(struct facts *facts, const struct mdev *dev)
{
	if (facts_is_full(facts, dev->parent, dev->type))
		return false;
	struct mdev *full = mdev_list_add(&facts->full);
	full->parent = dev->parent;
	full->type = dev->type;
	return true;
}

void facts_free(struct facts *facts)
{
	for (size_t i = 0; i < facts->n; i++)
		free(facts->v[i].use);
	free(facts->v);
	for (size_t i = 0; i < facts->n_absent; i++)
		free(facts->absent[i].words);
	free(facts->absent);
	mdev_list_free(&facts->full);
	*facts = (struct facts){ 0 };
}
