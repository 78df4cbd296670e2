/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "apply/planner.h"

void planner_problem(struct planner *p, enum status status, const char *format, ...)
{
	struct plan *plan = &p->going;
	va_list args;

	plan->problems = mem_grow(plan->problems, plan->n_problems + 1, sizeof(*plan->problems));
	va_start(args, format);
	plan->problems[plan->n_problems++] =
		(struct plan_problem){ status, mem_vprintf(format, args) };
	va_end(args);
}

struct plan_change *planner_add(struct plan *plan, enum action action,
				const struct snapshot_device *there)
{
	if (plan->n_changes == plan->room_changes) {
		plan->room_changes = plan->room_changes ? plan->room_changes * 2 : 64;
		plan->changes = mem_grow(plan->changes, plan->room_changes, sizeof(*plan->changes));
	}
	struct plan_change *change = &plan->changes[plan->n_changes++];

	*change = (struct plan_change){ .action = action, .there = there };
	if (there && there->definition) {
		change->broken = there->definition->broken;
		change->before = change->broken ? NULL : &there->definition->dev;
	}
	return change;
}

void planner_name(struct mdev *dev, const char *uuid, const char *parent, const char *type)
{
	memcpy(dev->uuid, uuid, UUID_SIZE);
	dev->parent = mem_intern(parent);
	dev->type = mem_intern(type);
}

void planner_define(struct plan_change *change, const struct mdev *from, const char *label)
{
	const char *unknown = change->before ? change->before->unknown : NULL;

	mdev_copy_definition(&change->dev, from);
	free(change->dev.unknown);
	unknown = unknown ? unknown : label;
	change->dev.unknown = unknown ? mem_text(unknown) : NULL;
}

static int by_uuid(const void *left, const void *right)
{
	const struct snapshot_device *const *a = left, *const *b = right;
	int order = strcmp((*a)->uuid, (*b)->uuid);

	return order ? order : strcmp((*a)->parent, (*b)->parent);
}

const struct snapshot_device *const *planner_find(const struct planner *p, const char *uuid,
						  size_t *ret_n)
{
	size_t low = 0, high = p->state->n_devices, n = 0;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(p->by_uuid[middle]->uuid, uuid) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < p->state->n_devices && strcmp(p->by_uuid[low + n]->uuid, uuid) == 0)
		n++;
	*ret_n = n;
	return &p->by_uuid[low];
}

const struct snapshot_device *planner_running(const struct snapshot_device *const *there, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (there[i]->running)
			return there[i];
	return NULL;
}

bool planner_is_full(const struct planner *p, const char *parent, const char *type)
{
	return p->facts->full && mdev_list_has_type(p->facts->full, parent, type);
}

void planner_note_running(struct planner *p, const struct snapshot_device *dev,
			  const struct mdev *wanted, const char *label)
{
	const struct definition *now = dev->definition;
	struct mdev same = *wanted; /* borrows its texts */

	/* The start replaces an incomplete device. */
	if (!dev->running || (dev->state == MDEV_INCOMPLETE && wanted->autostart))
		return;
	same.autostart = now->dev.autostart;
	if (now->broken || !mdev_is_same(&now->dev, &same))
		planner_problem(p, STATUS_OK,
				"Device %s%s is running; the change takes effect at its next start",
				dev->uuid, label);
}

void planner_note_type(struct planner *p, const struct snapshot_device *dev, const char *wanted)
{
	if (dev->running && strcmp(dev->running->type, wanted) != 0)
		planner_problem(p, STATUS_OK, "Device %s on %s is running with type %s, not %s",
				dev->uuid, dev->parent, dev->running->type, wanted);
}

void planner_note_absent(struct planner *p, const char *parent)
{
	planner_problem(p, STATUS_OK, "Parent %s is not present", parent);
}

void planner_open(struct planner *p)
{
	size_t n = p->state->n_devices;

	sites_open(p->state, p->desired, &p->sites);
	p->by_uuid = mem_grow(NULL, n + 1, sizeof(*p->by_uuid));
	p->fates = mem_zero(n + 1, sizeof(*p->fates));
	p->owners = mem_zero(n + 1, sizeof(*p->owners));
	for (size_t i = 0; i < n; i++) {
		p->by_uuid[i] = &p->state->devices[i];
		p->unclaimed += p->state->devices[i].uuid[14] == '5'; /* derived from a name */
	}
	qsort(p->by_uuid, n, sizeof(*p->by_uuid), by_uuid);
}

void planner_close(struct planner *p)
{
	free(p->by_uuid);
	free(p->fates);
	free(p->owners);
	sites_close(&p->sites);
	plan_free(&p->going);
	plan_free(&p->moving);
	plan_free(&p->changing);
	plan_free(&p->coming);
}
