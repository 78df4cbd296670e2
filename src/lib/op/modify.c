/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"
#include "device/json.h"
#include "host/parent.h"
#include "op/op.h"
#include "op/pipeline.h"
#include "set/active.h"
#include "set/defined.h"
#include "view/reason.h"

/* Returns "PARENT/UUID" or "UUID", as used in messages of modify. */
static char *name_of(const struct op *op)
{
	return mem_printf("%s%s%s", op->parent ? op->parent : "", op->parent ? "/" : "", op->uuid);
}

/* Reads the definition that is to be modified. */
static int load_definition(const struct op *op, struct mdev *ret, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };
	_cleanup_free_ char *name = name_of(op);
	_cleanup_error_ struct error why = { 0 };
	struct filter filter = { op->uuid, op->parent };
	struct mdev running;

	defined_find(op->env, &filter, &found);
	if (found.n == 0 && found.unseen)
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	if (found.n == 0) {
		error_set(err, STATUS_NOT_FOUND, "Mediated device %s is not defined", name);
		if (active_get(op->env, op->uuid, &running, &why) > 0)
			error_append(err,
				     ". It is running; 'mdevctl define -u %s' makes it persistent",
				     op->uuid);
		return -1;
	}
	if (found.n > 1)
		return error_set(err, STATUS_FAILED,
				 "Multiple definitions found for %s, specify a parent", op->uuid);
	if (definition_check(&found.v[0], err) < 0 ||
	    defined_check_link(op->env, &found.v[0].dev, err) < 0)
		return -1;
	*ret = found.v[0].dev;
	found.v[0].dev = (struct mdev){ 0 }; /* moved */
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
	listing[strlen(listing) - 1] = '\0'; /* error messages have no trailing newline */
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

/* Limit for retries after concurrent changes, each of which is progress of another process. */
#define TRIES 100

/* NVIDIA's driver drops the last byte of this value, since everybody writes it with echo. */
static void hint_newline(const struct modification *how)
{
	size_t n = how->addattr ? strlen(how->value) : 0;

	if (n > 0 && strcmp(how->addattr, "nvidia/vgpu_params") == 0 && how->value[n - 1] != '\n')
		log_hint("NVIDIA's driver is reported to ignore the last character of "
			 "nvidia/vgpu_params; in bash, --value=$'%s\\n' appends a newline",
			 how->value);
}

/* Replaces the name of the type that mdevctl apply has recorded, if any, as well: that of another
 * type is removed if the name of the new one is not known. */
static int set_type(const struct op *op, struct mdev *dev, struct error *err)
{
	_cleanup_free_ char *recorded = json_unknown_string(dev, JSON_TYPE_NAME);
	_cleanup_types_ struct mdev_type_list types = { 0 };
	const char *old = dev->type;

	op_set_device(dev, NULL, NULL, op->type);
	if (reason_resolve_type(op->env, dev->parent, &dev->type, err) < 0)
		return -1;
	if (!recorded)
		return 0;
	types_find(op->env, dev->parent, &types);
	const struct mdev_type *type = types_find_name(types.v, types.n, dev->type);
	if ((type && type->title) || !old || strcmp(old, dev->type) != 0)
		json_set_unknown_string(dev, JSON_TYPE_NAME, type ? type->title : NULL);
	return 0;
}

static int apply(const struct op *op, const struct modification *how, struct mdev *dev,
		 struct error *err)
{
	if (op->type && set_type(op, dev, err) < 0)
		return -1;
	if (how->set_auto || how->set_manual)
		dev->autostart = how->set_auto;
	return modify_attributes(dev, how, err);
}

/* Modifies the definition, and starts again if it has been changed since it was read, so that
 * concurrent changes are not lost. */
static int modify_definition(const struct op *op, struct pipeline *pipeline,
			     const struct modification *how, struct error *err)
{
	for (unsigned try = 1;; try++) {
		_cleanup_mdev_ struct mdev dev = { 0 };

		if (load_definition(op, &dev, err) < 0)
			return -1;
		_cleanup_free_ char *was = json_definition_text(&dev);
		if (apply(op, how, &dev, err) < 0)
			return -1;
		const struct change change = { .action = ACTION_MODIFY, .dev = &dev, .was = was };
		int r = pipeline_run(pipeline, &change, err);
		if (r == 0) {
			hint_newline(how);
			if (op->type)
				op_hint_start(op, &dev);
			return 0;
		}
		if (r < 0)
			return -1;
		if (try == TRIES) {
			err->status = STATUS_FAILED;
			return pipeline_failed(op->env, ACTION_MODIFY, &dev, err);
		}
		error_clear(err);
	}
}

/* Replaces the definition with that of the file. */
static int replace_definition(const struct op *op, struct pipeline *pipeline, struct mdev *new,
			      struct error *err)
{
	const struct change change = { .action = ACTION_MODIFY, .dev = new };

	if (defined_check_link(op->env, new, err) < 0 || pipeline_run(pipeline, &change, err) < 0)
		return -1;
	op_hint_start(op, new);
	return 0;
}

/* Checks that `new` can be applied to a running device: scripts can change only attributes. */
static int check_live(const struct op *op, const struct modification *how,
		      const struct mdev *running, const struct mdev *new, struct error *err)
{
	_cleanup_mdev_ struct mdev definition = { 0 };

	if (strcmp(running->type, new->type) != 0)
		return error_set(err, STATUS_FAILED, "'type' cannot be changed on active mdev");
	if (!how->defined)
		return 0;
	if (load_definition(op, &definition, err) < 0)
		return -1;
	if (!definition.type || strcmp(definition.type, running->type) != 0)
		return error_set(err, STATUS_FAILED,
				 "'type' of active and defined mdev does not match");
	return 0;
}

/* The running device has been modified, so its definition has to follow: a signal does not prevent
 * that. A second one does, as a script may hang. */
static int follow(const struct op *op, struct pipeline *pipeline, struct mdev *new,
		  struct error *err)
{
	int sig = signal_take();
	int r = replace_definition(op, pipeline, new, err);

	if (r < 0 && !sig && (sig = signal_take())) {
		error_clear(err);
		r = replace_definition(op, pipeline, new, err);
	}
	if (r < 0)
		error_append(err, "; only the running device was modified");
	if (sig)
		(void)raise(sig); /* blocked until all is done */
	return r;
}

/* Makes a script apply the attributes in a file to the device, then modifies its definition. */
static int modify_live(const struct op *op, struct pipeline *pipeline,
		       const struct modification *how, struct error *err)
{
	_cleanup_mdev_ struct mdev new = { 0 };
	_cleanup_free_ char *name = name_of(op);
	struct mdev running;
	struct op here = *op;
	sigset_t old;

	int r = active_get(op->env, op->uuid, &running, err);
	if (r < 0)
		return r;
	if (r == 0 || (op->parent && strcmp(running.parent, op->parent) != 0))
		return error_set(err, STATUS_NOT_FOUND, "Mediated device %s is not active", name);
	here.parent = running.parent;
	op_set_device(&new, op->uuid, here.parent, NULL);
	if (op_read_jsonfile(op->jsonfile, "file", &new, err) < 0 ||
	    check_live(&here, how, &running, &new, err) < 0)
		return -1;
	signal_block(&old); /* or a signal between both changes would end the program */
	r = pipeline_live(pipeline, &new, err);
	if (r == 0 && how->defined)
		r = follow(&here, pipeline, &new, err);
	if (r < 0 && signal_pending_termination()) /* main does not get to print it */
		log_warning("%s", err->text);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

int op_modify(const struct op *op, const struct modification *how, struct error *err)
{
	_cleanup_mdev_ struct mdev new = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;

	pipeline_open(&pipeline, op->env, op->force);
	if (how->live && !op->jsonfile && how->delattr)
		return error_set(err, STATUS_FAILED,
				 "'live' option must be used with 'jsonfile' option");
	if (how->live && !op->jsonfile)
		return error_set(err, STATUS_FAILED, "'%s' cannot be changed on active mdev",
				 how->set_auto ? "auto" : "manual");
	if (how->live)
		return modify_live(op, &pipeline, how, err);
	if (!op->jsonfile)
		return modify_definition(op, &pipeline, how, err);
	if (!op->parent)
		return error_set(err, STATUS_FAILED,
				 "Parent device required to modify device via json file");
	op_set_device(&new, op->uuid, op->parent, NULL);
	if (op_read_jsonfile(op->jsonfile, "file", &new, err) < 0)
		return -1;
	return replace_definition(op, &pipeline, &new, err);
}

int op_modify_all(const struct op *op, const struct modification *how, struct error *err)
{
	_cleanup_definitions_ struct definition_list found = { 0 };
	_cleanup_pipeline_ struct pipeline pipeline;
	enum status first = STATUS_OK;
	size_t n = 0, failed = 0;

	pipeline_open(&pipeline, op->env, op->force);
	defined_find(op->env, &(struct filter){ 0 }, &found);
	for (size_t i = 0; i < found.n; i++) {
		_cleanup_error_ struct error why = { 0 };
		const struct mdev *dev = &found.v[i].dev;
		struct op one = *op;

		if (op->parent && !parent_is(op->env, dev->parent, op->parent))
			continue;
		n++;
		one.uuid = dev->uuid;
		one.parent = dev->parent;
		if (modify_definition(&one, &pipeline, how, &why) == 0)
			continue;
		log_warning("Modify of %s on %s failed: %s", dev->uuid, dev->parent, why.text);
		first = first ? first : why.status;
		failed++;
	}
	if (failed > 0)
		return error_set(err, first, "%zu of %zu definitions could not be modified", failed,
				 n);
	if (found.unseen) /* there may be more definitions */
		return error_set(err, STATUS_FAILED, "%s", found.unseen);
	return 0;
}
