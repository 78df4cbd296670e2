/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/facts.h"

static int by_uuid(const void *uuid, const void *fact)
{
	return strcmp(uuid, ((const struct fact *)fact)->uuid);
}

struct fact *facts_find(const struct facts *facts, const char *uuid)
{
	return facts->n == 0 ? NULL : bsearch(uuid, facts->v, facts->n, sizeof(*facts->v), by_uuid);
}

struct fact *facts_set(struct facts *facts, const char *uuid, enum fact_kind kind, unsigned round)
{
	struct fact *fact = facts_find(facts, uuid);

	if (!fact) {
		facts->v = mem_room(facts->v, facts->n, sizeof(*facts->v));
		for (fact = &facts->v[facts->n++]; fact > facts->v && by_uuid(uuid, fact - 1) < 0;
		     fact--)
			*fact = fact[-1];
		*fact = (struct fact){ 0 };
		memcpy(fact->uuid, uuid, UUID_SIZE);
	}
	free(fact->use);
	fact->use = NULL;
	fact->kind = kind;
	fact->round = round;
	return fact;
}

void facts_free(struct facts *facts)
{
	for (size_t i = 0; i < facts->n; i++)
		free(facts->v[i].use);
	free(facts->v);
	mdev_list_free(&facts->full);
	*facts = (struct facts){ 0 };
}
