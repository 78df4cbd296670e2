/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "active.h"
#include "callout.h"
#include "defined.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "op.h"

static bool is_defined(const struct env *env, const struct mdev *dev)
{
	_cleanup_mdev_ struct mdev there = { 0 };

	op_set_device(&there, dev->uuid, dev->parent, NULL);
	return defined_get(env, &there);
}

static int define_from_file(const struct op *op, struct mdev *dev, struct error *err)
{
	if (!op->parent)
		return error_set(err, STATUS_FAILED,
				 "Parent device required to define device via \"%s\"",
				 op->jsonfile);
	op_set_device(dev, NULL, op->parent, NULL);
	if (op_read_jsonfile(op->jsonfile, dev, err) < 0)
		return -1;
	if (is_defined(op->env, dev))
		return error_set(err, STATUS_EXISTS,
				 "Cowardly refusing to overwrite existing config for %s/%s",
				 dev->parent, dev->uuid);
	return 0;
}

static int define_from_options(const struct op *op, struct mdev *dev, struct error *err)
{
	struct mdev running;

	if (op->uuid && active_get(op->env, op->uuid, &running) && (op->parent || !op->type))
		*dev = running; /* promoted: what is not given is as it runs */
	op_set_device(dev, NULL, op->parent, op->type);
	dev->autostart = op->autostart;
	if (!*dev->parent)
		return error_set(err, STATUS_FAILED, "No parent specified");
	if (!*dev->type)
		return error_set(err, STATUS_FAILED, "No type specified");
	/* Only a device that runs just so can tell its attributes. */
	dev->active = dev->active && strcmp(dev->parent, running.parent) == 0 &&
		      strcmp(dev->type, running.type) == 0;
	if (is_defined(op->env, dev))
		return error_set(err, STATUS_EXISTS, "Device %s on %s already defined", dev->uuid,
				 dev->parent);
	return 0;
}

/* Hardware may come later, so this is no error; but most often it is a misspelt name. */
static void check_names(const struct env *env, const struct mdev *dev)
{
	_cleanup_error_ struct error why = { 0 };

	if (active_check(env, dev, &why) < 0 && why.status == STATUS_NOT_FOUND)
		log_hint("It cannot be started yet: %s", why.text);
}

int op_define(const struct op *op, char ret_uuid[UUID_SIZE], struct error *err)
{
	_cleanup_mdev_ struct mdev dev = { 0 };
	_cleanup_callouts_ struct callouts callouts;

	callouts_open(&callouts, op->env);
	op_choose_uuid(op, &dev);
	memcpy(ret_uuid, dev.uuid, UUID_SIZE);
	int r = op->jsonfile ? define_from_file(op, &dev, err) : define_from_options(op, &dev, err);
	if (r < 0 || op_run(op, &callouts, ACTION_DEFINE, &dev, NULL, err) < 0)
		return -1;
	check_names(op->env, &dev);
	return 0;
}

int op_undefine(const struct op *op, struct error *err)
{
	_cleanup_list_ struct mdev_list found = { 0 };
	_cleanup_callouts_ struct callouts callouts;
	struct filter filter = { op->uuid, op->parent };
	bool failed = false;

	callouts_open(&callouts, op->env);
	defined_find(op->env, &filter, &found);
	if (found.n == 0)
		return error_set(err, STATUS_NOT_FOUND, "No devices match the specified uuid");
	for (size_t i = 0; i < found.n; i++) {
		_cleanup_error_ struct error why = { 0 };
		const struct mdev *dev = &found.v[i];

		if (op_run(op, &callouts, ACTION_UNDEFINE, &found.v[i], NULL, &why) == 0)
			continue;
		log_warning("Undefine of %s on parent %s failed with error: %s", dev->uuid,
			    dev->parent, why.text);
		if (!failed)
			error_set(err, why.status, "Undefine failed");
		failed = true;
	}
	return failed ? -1 : 0;
}

/* "PARENT/UUID" or "UUID", as messages of modify name a device. */
static char *name_of(const struct op *op)
{
	return mem_printf("%s%s%s", op->parent ? op->parent : "", op->parent ? "/" : "", op->uuid);
}

/* Reads the one definition that is to be modified. */
static int load_definition(const struct op *op, struct mdev *ret, struct error *err)
{
	_cleanup_list_ struct mdev_list found = { 0 };
	_cleanup_free_ char *name = name_of(op);
	struct filter filter = { op->uuid, op->parent };

	defined_find(op->env, &filter, &found);
	if (found.n == 0)
		return error_set(err, STATUS_NOT_FOUND, "Mediated device %s is not defined", name);
	if (found.n > 1)
		return error_set(err, STATUS_FAILED,
				 "Multiple definitions found for %s, specify a parent", op->uuid);
	if (found.v[0].broken)
		return error_set(err, STATUS_INVALID, "%s", found.v[0].broken);
	*ret = found.v[0];
	found.n = 0; /* moved */
	return 0;
}

static int bad_index(const struct mdev *dev, size_t index, struct error *err)
{
	error_set(err, STATUS_FAILED, "Attribute index %zu is invalid\n", index);
	if (dev->n_attrs == 0) {
		error_append(err, "Device %s has no attributes", dev->uuid);
		return -1;
	}
	_cleanup_free_ char *listing = json_attribute_lines(dev);
	listing[strlen(listing) - 1] = '\0'; /* a sentence ends without a newline */
	error_append(err, "%s", listing);
	return -1;
}

static int modify_attributes(struct mdev *dev, const struct modification *how, struct error *err)
{
	size_t last = dev->n_attrs - (how->delattr && dev->n_attrs > 0 ? 1 : 0);
	size_t index = how->index ? *how->index : last;

	if (how->addattr) {
		if (index > dev->n_attrs)
			return bad_index(dev, index, err);
		mdev_insert_attr(dev, index, how->addattr, how->value);
	}
	if (how->delattr && (dev->n_attrs > 0 || how->index)) {
		if (index >= dev->n_attrs)
			return bad_index(dev, index, err);
		mdev_remove_attr(dev, index);
	}
	return 0;
}

static int modify_definition(const struct op *op, struct callouts *callouts,
			     const struct modification *how, struct mdev *new, struct error *err)
{
	_cleanup_mdev_ struct mdev dev = { 0 };
	_cleanup_close_ int lock_fd = -1;

	if (op_lock(op->env, &lock_fd, err) < 0)
		return -1;
	if (new)
		return op_run(op, callouts, ACTION_MODIFY, new, &lock_fd, err);
	if (load_definition(op, &dev, err) < 0)
		return -1;
	op_set_device(&dev, NULL, NULL, op->type);
	if (how->set_auto || how->set_manual)
		dev.autostart = how->set_auto;
	if (modify_attributes(&dev, how, err) < 0)
		return -1;
	return op_run(op, callouts, ACTION_MODIFY, &dev, &lock_fd, err);
}

/* Whether a running device can take `new` as it is: scripts change attributes, nothing else. */
static int check_live(const struct op *op, const struct modification *how, const struct mdev *new,
		      struct error *err)
{
	_cleanup_mdev_ struct mdev definition = { 0 };
	_cleanup_free_ char *name = name_of(op);
	struct mdev running;

	if (!active_get(op->env, op->uuid, &running) || strcmp(running.parent, op->parent) != 0)
		return error_set(err, STATUS_NOT_FOUND, "Mediated device %s is not active", name);
	if (strcmp(running.type, new->type) != 0)
		return error_set(err, STATUS_FAILED, "'type' cannot be changed on active mdev");
	if (!how->defined)
		return 0;
	if (load_definition(op, &definition, err) < 0)
		return -1;
	if (strcmp(definition.type, running.type) != 0)
		return error_set(err, STATUS_FAILED,
				 "'type' of active and defined mdev does not match");
	return 0;
}

int op_modify(const struct op *op, const struct modification *how, struct error *err)
{
	_cleanup_mdev_ struct mdev new = { 0 };
	_cleanup_callouts_ struct callouts callouts;

	callouts_open(&callouts, op->env);
	if (how->live && !op->jsonfile)
		return error_set(err, STATUS_FAILED, "'%s' cannot be changed on active mdev",
				 how->set_auto ? "auto" : "manual");
	if (!op->jsonfile)
		return modify_definition(op, &callouts, how, NULL, err);
	if (!op->parent)
		return error_set(err, STATUS_FAILED,
				 "Parent device required to modify device via json file");
	op_set_device(&new, op->uuid, op->parent, NULL);
	if (op_read_jsonfile(op->jsonfile, &new, err) < 0)
		return -1;
	if (how->live &&
	    (check_live(op, how, &new, err) < 0 || op_run_live(op, &callouts, &new, err) < 0))
		return -1;
	if (how->live && !how->defined)
		return 0;
	return modify_definition(op, &callouts, how, &new, err);
}
