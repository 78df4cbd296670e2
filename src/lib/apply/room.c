/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/room.h"

/* Sums of shares such as 1/24 are not exact. */
#define ROUNDING 1e-6

static int by_name(const void *left, const void *right)
{
	const struct site *a = left, *b = right;

	return strcmp(a->name, b->name);
}

static void add(struct sites *sites, const char *name, const struct snapshot_parent *parent)
{
	sites->v[sites->n++] = (struct site){
		.name = name,
		.parent = parent && parent->present ? parent : NULL,
	};
}

void sites_open(const struct snapshot *state, const struct desired *desired, struct sites *ret)
{
	size_t room = state->n_parents + desired->definitions.n, kept = 0;

	for (size_t i = 0; i < desired->n_sets; i++)
		room += desired->sets[i].n_parents;
	*ret = (struct sites){ .v = mem_zero(room + 1, sizeof(struct site)) };
	for (size_t i = 0; i < state->n_parents; i++)
		add(ret, state->parents[i].name, &state->parents[i]);
	for (size_t i = 0; i < desired->n_sets; i++) {
		const struct set *set = &desired->sets[i];

		for (size_t j = 0; j < set->n_parents; j++)
			if (!snapshot_find_parent(state, set->parents[j]))
				add(ret, set->parents[j], NULL);
	}
	for (size_t i = 0; i < desired->definitions.n; i++)
		if (!snapshot_find_parent(state, desired->definitions.v[i].parent))
			add(ret, desired->definitions.v[i].parent, NULL);
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	for (size_t i = 0; i < ret->n; i++)
		if (i == 0 || strcmp(ret->v[i].name, ret->v[kept - 1].name) != 0)
			ret->v[kept++] = ret->v[i];
	ret->n = kept;
}

void sites_close(struct sites *sites)
{
	free(sites->v);
	*sites = (struct sites){ 0 };
}

struct site *sites_find(const struct sites *sites, const char *name)
{
	struct site wanted = { .name = name };

	return bsearch(&wanted, sites->v, sites->n, sizeof(wanted), by_name);
}

/* If a driver does not count instances, only the start shows whether one is available. */
static unsigned capacity(const struct site *site, const struct mdev_type *type)
{
	return type->counted ? type->available + site->freed : SET_LIMIT;
}

/* A device that cannot be started takes no share. */
static double share(const struct site *site, const struct mdev_type *type)
{
	unsigned instances = type ? capacity(site, type) : 0;

	return instances ? 1.0 / instances : 0;
}

void site_reserve(struct site *site, const struct mdev_type *type, bool add_it)
{
	site->taken += add_it ? 1 : (size_t)-1;
	site->reserved += add_it ? share(site, type) : -share(site, type);
}

bool site_has_room(const struct site *site, const struct mdev_type *type)
{
	if (!site->parent)
		return site->taken == 0;
	return capacity(site, type) * (1 - site->reserved) + ROUNDING >= 1;
}

bool site_start(struct site *site, const struct mdev_type *type)
{
	if (capacity(site, type) * (1 - site->starting) + ROUNDING < 1)
		return false;
	site->starting += share(site, type);
	return true;
}

static int by_card(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	int order = strcmp(a->card, b->card);

	return order ? order : a->at < b->at ? -1 : 1;
}

static int by_turn(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->turn != b->turn)
		return a->turn < b->turn ? -1 : 1;
	return a->at < b->at ? -1 : 1;
}

/* Groups the places of each card; cards are in the order of their first place. */
static void group(struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++)
		places[i].at = i;
	qsort(places, n, sizeof(*places), by_card);
	for (size_t i = 0; i < n; i++)
		places[i].turn = i > 0 && strcmp(places[i].card, places[i - 1].card) == 0
					 ? places[i - 1].turn
					 : places[i].at;
	qsort(places, n, sizeof(*places), by_turn);
}

void spread_open(struct place *places, size_t n, bool fill, struct spread *ret)
{
	*ret = (struct spread){ .places = places,
				.cards = mem_zero(n + 1, sizeof(*ret->cards)),
				.open = mem_zero(n + 1, sizeof(*ret->open)) };
	if (!fill && n > 1)
		group(places, n);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || (!fill && strcmp(places[i].card, places[i - 1].card) != 0)) {
			ret->open[ret->n_open++] = ret->n_cards;
			ret->cards[ret->n_cards++] = (struct card){ .next = i };
		}
		ret->cards[ret->n_cards - 1].end = i + 1;
	}
	ret->at = ret->n_open; /* the first turn has not begun yet */
}

void spread_close(struct spread *spread)
{
	free(spread->cards);
	free(spread->open);
	*spread = (struct spread){ 0 };
}

void spread_count(struct spread *spread, const struct place *place)
{
	size_t index = (size_t)(place - spread->places), low = 0, high = spread->n_cards;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (index < spread->cards[middle].next)
			high = middle;
		else
			low = middle;
	}
	spread->cards[low].devices++;
}

static struct place *take(struct spread *spread, struct card *card)
{
	for (; card->next < card->end; card->next++) {
		struct place *place = &spread->places[card->next];

		if (place->full || !site_has_room(place->site, place->type))
			continue;
		site_reserve(place->site, place->type, true);
		card->devices++;
		return place;
	}
	return NULL;
}

/* Skips full cards, and finds the lowest number of devices on the others. */
static void begin_turn(struct spread *spread)
{
	size_t kept = 0;

	spread->level = (size_t)-1;
	for (size_t i = 0; i < spread->n_open; i++) {
		const struct card *card = &spread->cards[spread->open[i]];

		if (card->next == card->end)
			continue;
		if (card->devices < spread->level)
			spread->level = card->devices;
		spread->open[kept++] = spread->open[i];
	}
	spread->n_open = kept;
	spread->at = 0;
}

/* Iterates over the cards in turns, each time for those with the fewest devices, so that each card
 * is visited at most once per device. */
struct place *spread_next(struct spread *spread)
{
	for (;;) {
		while (spread->at < spread->n_open) {
			struct card *card = &spread->cards[spread->open[spread->at++]];
			struct place *place =
				card->devices > spread->level ? NULL : take(spread, card);

			if (place)
				return place;
		}
		begin_turn(spread);
		if (spread->n_open == 0)
			return NULL;
	}
}
