/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/parent.h"
#include "script/callout.h"
#include "op/list.h"
#include "set/active.h"
#include "set/defined.h"

/* An invalid definition: an error if its UUID was specified, otherwise a warning. */
static int broken(const struct filter *filter, const struct mdev *dev, struct error *err)
{
	if (filter->uuid)
		return error_set(err, STATUS_INVALID, "%s", dev->broken);
	log_warning("%s", dev->broken);
	return 0;
}

static int join_definition(struct defined_dir *dir, const struct filter *filter, struct mdev *dev,
			   struct error *err)
{
	_cleanup_mdev_ struct mdev definition = MDEV_NONE;

	memcpy(definition.uuid, dev->uuid, sizeof(dev->uuid));
	definition.parent = dev->parent;
	int r = defined_look_up(dir, &definition);
	if (r < 0)
		log_warning("Unable to tell whether %s is defined on %s: %s", dev->uuid,
			    dev->parent, error_words(-r));
	dev->defined = r > 0;
	dev->autostart = definition.autostart;
	return definition.broken ? broken(filter, &definition, err) : 0;
}

static void ask_attributes(struct callouts *callouts, struct mdev *dev)
{
	_cleanup_error_ struct error why = { 0 };

	if (callout_attributes(callouts, dev, &why) == 0)
		return;
	/* A script does not need to support attributes, and can print the reason itself. */
	if (why.status == STATUS_REFUSED)
		log_debug("Unable to get the attributes of %s: %s", dev->uuid, why.text);
	else
		log_warning("Unable to get the attributes of %s: %s", dev->uuid, why.text);
}

/* A terminal is told why nothing is listed if the parent does not exist; a program is not. */
static void hint_parent(const struct env *env, const struct filter *filter,
			const struct mdev_list *list)
{
	if (list->n > 0 || !filter->parent || list->unseen || parent_present(env, filter->parent))
		return;
	_cleanup_free_ char *help = parent_missing(env, filter->parent);
	log_hint("Parent '%s' does not exist%s", filter->parent, help);
}

int list_active(const struct env *env, const struct filter *filter, bool attributes,
		struct mdev_list *ret, struct error *err)
{
	_cleanup_defined_ struct defined_dir dir = { 0 };
	_cleanup_callouts_ struct callouts callouts;
	int r = 0;

	callouts_open(&callouts, env);
	active_find(env, filter, ret);
	for (size_t i = 0; i < ret->n; i++) {
		if (i == 0 || strcmp(ret->v[i].parent, ret->v[i - 1].parent) != 0) {
			defined_close(&dir);
			defined_open(env, ret->v[i].parent, &dir);
		}
		if (join_definition(&dir, filter, &ret->v[i], err) < 0)
			r = -1; /* the device is running nevertheless, and is listed */
		if (attributes)
			ask_attributes(&callouts, &ret->v[i]);
	}
	hint_parent(env, filter, ret);
	return ret->unseen ? error_set(err, STATUS_FAILED, "%s", ret->unseen) : r;
}

/* Marks running devices. Both lists have the same order, so all pairs are found in one pass. */
static void join_state(struct mdev_list *defined, const struct mdev_list *active)
{
	size_t j = 0;

	for (size_t i = 0; i < defined->n; i++) {
		struct mdev *dev = &defined->v[i];
		int order = 1;

		for (; j < active->n; j++) {
			order = strcmp(active->v[j].parent, dev->parent);
			if (order == 0)
				order = strcmp(active->v[j].uuid, dev->uuid);
			if (order >= 0)
				break;
		}
		dev->active =
			j < active->n && order == 0 && strcmp(active->v[j].type, dev->type) == 0;
	}
}

int list_defined(const struct env *env, const struct filter *filter, bool state,
		 struct mdev_list *ret, struct error *err)
{
	_cleanup_list_ struct mdev_list active = { 0 };
	size_t kept = 0;
	int r = 0;

	defined_find(env, filter, ret);
	for (size_t i = 0; i < ret->n; i++) {
		if (!ret->v[i].broken) {
			struct mdev dev = ret->v[i]; /* moved */
			ret->v[i] = (struct mdev)MDEV_NONE;
			ret->v[kept++] = dev;
		} else {
			if (broken(filter, &ret->v[i], err) < 0)
				r = -1;
			mdev_free(&ret->v[i]);
		}
	}
	ret->n = kept;
	if (state) {
		active_find(env, filter, &active);
		if (active.unseen)
			log_warning("%s", active.unseen);
		join_state(ret, &active);
	}
	hint_parent(env, filter, ret);
	if (ret->unseen && filter->uuid && ret->n == 0)
		return error_set(err, STATUS_FAILED, "%s", ret->unseen);
	if (ret->unseen)
		log_warning("%s", ret->unseen);
	return r;
}
