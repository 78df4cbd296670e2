/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/parent.h"
#include "script/callout.h"
#include "op/list.h"
#include "set/active.h"
#include "set/defined.h"
#include "view/absent.h"

void listing_free(struct listing *listing)
{
	free(listing->v);
	mdev_list_free(&listing->running);
	definition_free_all(&listing->definitions);
	*listing = (struct listing){ 0 };
}

/* An unusable definition: an error if its UUID was specified, otherwise a warning. */
static int check(const struct filter *filter, const struct definition *definition,
		 struct error *err)
{
	if (filter->uuid)
		return definition_check(definition, err);
	if (definition->broken)
		log_warning("%s", definition->broken);
	return 0;
}

/* What is not listed would be taken for removed, so nothing is. */
static int fail(struct listing *listing, const char *unseen, struct error *err)
{
	listing->n = 0;
	return error_set(err, STATUS_FAILED, "%s", unseen);
}

/* Sets the start mode of a running device, and whether it is defined. */
static int join_definition(const struct env *env, struct defined_others *others,
			   const struct filter *filter, struct mdev *dev, bool *ret_defined,
			   char **unseen, struct error *err)
{
	_cleanup_definition_ struct definition definition = { 0 };

	int r = defined_get(env, dev, others, &definition);
	if (r < 0 && r != -EACCES)
		text_append(unseen, "; ", "Unable to read /etc/mdevctl.d/%s: %s", dev->parent,
			    error_words(-r));
	else if (r < 0) /* the directory is closed to ordinary users */
		log_warning("Unable to tell whether %s is defined on %s: %s", dev->uuid,
			    dev->parent, error_words(-r));
	*ret_defined = r > 0;
	dev->autostart = definition.dev.autostart;
	return check(filter, &definition, err);
}

static void ask_attributes(struct callouts *callouts, struct mdev *dev)
{
	_cleanup_error_ struct error why = { 0 };

	if (callout_attributes(callouts, dev, &why) == 0)
		return;
	/* A script does not need to support attributes, and can print the reason itself. */
	(why.status == STATUS_REFUSED ? log_debug : log_warning)(
		"Unable to get the attributes of %s: %s", dev->uuid, why.text);
}

/* A terminal is told why nothing is listed if the parent does not exist; a program is not. */
static void hint_parent(const struct env *env, const struct filter *filter, size_t n)
{
	if (n > 0 || !filter->parent || parent_present(env, filter->parent))
		return;
	_cleanup_free_ char *why = absent_parent(env, filter->parent);
	log_hint("%s", why);
}

int list_active(const struct env *env, const struct filter *filter, bool attributes,
		struct listing *ret, struct error *err)
{
	struct mdev_list *running = &ret->running;
	_cleanup_callouts_ struct callouts callouts;
	_cleanup_others_ struct defined_others others = { 0 };
	int r = 0;

	callouts_open(&callouts, env, true);
	active_find(env, filter, running);
	ret->v = mem_grow(NULL, running->n + 1, sizeof(*ret->v));
	ret->n = running->n;
	for (size_t i = 0; i < running->n; i++) {
		struct mdev *dev = &running->v[i];

		ret->v[i].dev = dev;
		if (join_definition(env, &others, filter, dev, &ret->v[i].in_both, &running->unseen,
				    err) < 0)
			r = -1; /* the device is running nevertheless, and is listed */
		if (attributes)
			ask_attributes(&callouts, dev);
	}
	if (running->unseen)
		return fail(ret, running->unseen, err);
	hint_parent(env, filter, ret->n);
	return r;
}

int list_defined(const struct env *env, const struct filter *filter, bool state,
		 struct listing *ret, struct error *err)
{
	struct definition_list *found = &ret->definitions;
	int r = 0;

	defined_find(env, filter, found);
	if (found->unseen)
		return fail(ret, found->unseen, err);
	ret->v = mem_zero(found->n + 1, sizeof(*ret->v));
	for (size_t i = 0; i < found->n; i++)
		if (check(filter, &found->v[i], err) < 0)
			r = -1;
		else if (!found->v[i].broken)
			ret->v[ret->n++].dev = &found->v[i].dev;
	if (state) {
		active_find(env, filter, &ret->running);
		if (ret->running.unseen)
			log_warning("%s", ret->running.unseen);
		for (size_t i = 0; i < ret->n; i++) {
			const struct mdev *dev = ret->v[i].dev,
					  *now = mdev_list_find(&ret->running, dev);

			ret->v[i].in_both = now && strcmp(now->type, dev->type) == 0;
		}
	}
	hint_parent(env, filter, ret->n);
	return r;
}
