/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"
#include "device/json.h"
#include "host/holder.h"
#include "host/lock.h"
#include "host/settle.h"
#include "apply/apply.h"
#include "op/pipeline.h"
#include "apply/plan.h"
#include "view/reason.h"
#include "view/snapshot.h"
#include "set/active.h"
#include "set/defined.h"

/* Limit for retries after concurrent changes of a device. */
#define TRIES 10

/* A device with a failure. */
struct trouble {
	char uuid[UUID_SIZE];
	unsigned tries; /* retries after concurrent changes */
	bool failed;	/* it is not changed any further */
	bool skipped;	/* skipped until the next plan */
	bool refused;	/* a script has refused to modify it once */
};

struct apply_run {
	struct op op; /* that of the caller */
	struct desired desired;
	struct snapshot state;
	struct plan plan;
	char **uses;	       /* owned: see plan_facts */
	struct mdev_list full; /* see plan_facts */
	struct pipeline pipeline;
	struct settle settle;
	int lock;
	size_t at;     /* index in the plan */
	size_t *later; /* owned: changes that a script refused, to be tried again */
	size_t n_later, later_at;
	bool again;   /* the host has changed since it was planned */
	bool changed; /* this plan has changed the host */
	bool ended;
	struct trouble *troubles; /* owned */
	size_t n_troubles;
	size_t failures;
	unsigned rounds;    /* plans made because more devices may fit */
	struct error error; /* the reason why the run ended */
	enum status status; /* of the first failure */
	sigset_t signals;
};

/* --- Planning
 * --------------------------------------------------------------------------------------- */

static int read_file(const char *file, struct desired *ret, struct error *err)
{
	const char *name = op_file_name(file);
	_cleanup_free_ char *text = NULL;
	size_t len;

	int r = op_read_file(file, DESIRED_LIMIT, &text, &len);
	if (r < 0)
		return error_set(err, r == -EFBIG ? STATUS_INVALID : STATUS_FAILED,
				 name == file ? "Unable to read file \"%s\": %s"
					      : "Unable to read %s: %s",
				 name, error_words(-r));
	return desired_read(text, len, name, ret, err);
}

static void free_uses(struct apply_run *run)
{
	for (size_t i = 0; run->uses && i < run->state.n_devices; i++)
		free(run->uses[i]);
	free(run->uses);
	run->uses = NULL;
}

/* Returns how a device that the plan stops is used, like holder_find(). A dry run does not open
 * device nodes: only one process can, and a guest may be starting. */
static char *find_use(const struct apply_run *run, const struct plan_change *change, bool dry_run)
{
	const struct holder *holder = change->there->holder;
	char *use;

	if (dry_run)
		return holder ? holder_words(holder) : NULL;
	(void)holder_find(run->op.env, change->dev.uuid, 0, &use);
	return use;
}

/* Returns the number of devices in use that the plan stops. */
static size_t find_uses(struct apply_run *run, bool dry_run)
{
	size_t n = 0;

	run->uses = mem_zero(run->state.n_devices + 1, sizeof(*run->uses));
	for (size_t i = 0; i < run->plan.n_changes; i++) {
		const struct plan_change *change = &run->plan.changes[i];
		char *use = change->action == ACTION_STOP ? find_use(run, change, dry_run) : NULL;

		if (!use)
			continue;
		run->uses[change->there - run->state.devices] = use;
		n++;
	}
	return n;
}

static bool stops_any(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_changes; i++)
		if (plan->changes[i].action == ACTION_STOP)
			return true;
	return false;
}

static void forget_plan(struct apply_run *run)
{
	plan_free(&run->plan);
	free_uses(run);
	snapshot_free(&run->state);
	run->at = run->n_later = run->later_at = 0;
	run->again = run->changed = false;
}

static int read_and_plan(struct apply_run *run, unsigned what, struct error *err)
{
	struct plan_facts facts = { .full = &run->full };

	forget_plan(run);
	snapshot_read(run->op.env, NULL, what, &run->state);
	return plan_make(&run->state, &run->desired, &facts, &run->plan, err);
}

/* A device in use is not moved, and neither are those that would replace it: when these are known,
 * the plan is made again. */
static int make_plan(struct apply_run *run, bool dry_run, struct error *err)
{
	struct plan_facts facts = { .full = &run->full };

	/* Mostly nothing changes, and then definitions need not know which types there are. */
	if (run->desired.n_sets == 0) {
		if (read_and_plan(run, 0, err) < 0)
			return -1;
		if (run->plan.n_changes == 0 && run->plan.n_problems == 0)
			return 0;
	}
	if (read_and_plan(run, SNAPSHOT_TYPES, err) < 0)
		return -1;
	if (!stops_any(&run->plan))
		return 0;
	if (dry_run && read_and_plan(run, SNAPSHOT_TYPES | SNAPSHOT_HOLDERS, err) < 0)
		return -1;
	if (find_uses(run, dry_run) == 0)
		return 0;
	facts.uses = run->uses;
	plan_free(&run->plan);
	return plan_make(&run->state, &run->desired, &facts, &run->plan, err);
}

static void add_problem(struct apply *apply, enum status status, const char *text)
{
	apply->problems =
		mem_grow(apply->problems, apply->n_problems + 1, sizeof(*apply->problems));
	apply->problems[apply->n_problems++] = (struct apply_problem){ status, mem_text(text) };
	log_warning("%s", text);
}

/* Notes are printed immediately, and once; problems are printed when nothing more can be done about
 * them. */
static void tell_problems(struct apply *apply, bool wrong)
{
	const struct plan *plan = &apply->run->plan;

	for (size_t i = 0; i < plan->n_problems; i++) {
		const struct plan_problem *problem = &plan->problems[i];
		bool told = false;

		if ((problem->status != STATUS_OK) != wrong)
			continue;
		for (size_t j = 0; j < apply->n_problems; j++)
			told = told || strcmp(apply->problems[j].text, problem->text) == 0;
		if (!told)
			add_problem(apply, problem->status, problem->text);
	}
}

/* A dry run cannot always tell whether the real run will find a device in use. */
static void tell_doubts(struct apply *apply)
{
	const struct plan *plan = &apply->run->plan;
	size_t n = 0;

	for (size_t i = 0; i < plan->n_changes; i++) {
		const struct plan_change *change = &plan->changes[i];
		const struct holder *holder =
			change->action == ACTION_STOP ? change->there->holder : NULL;

		n += holder && holder->in_use == ANSWER_UNKNOWN;
	}
	if (n == 0)
		return;
	_cleanup_free_ char *text = mem_printf(
		"Unable to determine whether %zu of the devices to be stopped %s in use%s", n,
		n == 1 ? "is" : "are", geteuid() == 0 ? "" : " (must be root)");
	add_problem(apply, STATUS_OK, text);
}

static int start_run(struct apply *apply, const char *file, struct error *err)
{
	struct apply_run *run = apply->run;

	if (read_file(file, &run->desired, err) < 0)
		return -1;
	signal_block(&run->signals);
	if (!apply->dry_run && lock_apply(run->op.env, &run->lock, err) < 0)
		return -1;
	if (run->op.wait)
		settle_open(&run->settle, run->op.env, run->op.wait);
	if (make_plan(run, apply->dry_run, err) < 0)
		return -1;
	if (apply->dry_run)
		tell_doubts(apply);
	tell_problems(apply, false);
	return 0;
}

int apply_open(const struct op *op, const char *file, bool dry_run, struct apply *ret,
	       struct error *err)
{
	*ret = (struct apply){ .op = op,
			       .dry_run = dry_run,
			       .run = mem_zero(1, sizeof(*ret->run)) };
	ret->run->op = *op;
	ret->run->lock = -1;
	pipeline_open(&ret->run->pipeline, op->env, op->force);
	if (start_run(ret, file, err) == 0)
		return 0;
	error_set(&ret->run->error, err->status, "%s", err->text);
	return -1;
}

/* --- What went wrong
 * -------------------------------------------------------------------------------- */

static struct trouble *find_trouble(struct apply_run *run, const char *uuid)
{
	for (size_t i = 0; i < run->n_troubles; i++)
		if (strcmp(run->troubles[i].uuid, uuid) == 0)
			return &run->troubles[i];
	return NULL;
}

static struct trouble *note_trouble(struct apply_run *run, const char *uuid)
{
	struct trouble *trouble = find_trouble(run, uuid);

	if (trouble)
		return trouble;
	run->troubles = mem_grow(run->troubles, run->n_troubles + 1, sizeof(*run->troubles));
	trouble = &run->troubles[run->n_troubles++];
	*trouble = (struct trouble){ 0 };
	memcpy(trouble->uuid, uuid, UUID_SIZE);
	return trouble;
}

static void note_full(struct apply_run *run, const struct mdev *dev)
{
	struct mdev *full = mdev_list_add(&run->full);

	full->parent = dev->parent;
	full->type = dev->type;
}

/* --- One change
 * ------------------------------------------------------------------------------------- */

static struct apply_change *add_change(struct apply *apply, enum action action,
				       const struct plan_change *planned)
{
	struct apply_change *change = mem_zero(1, sizeof(*change));
	const struct mdev *dev = &planned->dev;
	bool writes = action == ACTION_DEFINE || action == ACTION_MODIFY;
	const struct mdev *before = action == ACTION_START ? dev : planned->before;
	const struct mdev *after = writes ? dev : action == ACTION_UNDEFINE ? NULL : before;

	change->action = action;
	memcpy(change->dev.uuid, dev->uuid, sizeof(dev->uuid));
	change->dev.parent = dev->parent;
	change->dev.type = dev->type;
	change->set = planned->set ? planned->set->name : NULL;
	change->index = planned->index;
	if (before)
		mdev_copy_definition(&change->before, before);
	if (after)
		mdev_copy_definition(&change->after, after);
	apply->changes =
		mem_grow(apply->changes, apply->n_changes + 1, sizeof(struct apply_change *));
	apply->changes[apply->n_changes++] = change;
	return change;
}

static const struct apply_change *fail(struct apply *apply, const struct plan_change *planned,
				       const struct error *err)
{
	struct apply_run *run = apply->run;
	struct apply_change *change = add_change(apply, planned->action, planned);

	error_set(&change->error, err->status, "%s", err->text);
	note_trouble(run, planned->dev.uuid)->failed = true;
	run->failures++;
	if (run->status == STATUS_OK || run->status == STATUS_NO_INSTANCES ||
	    run->status == STATUS_IN_USE)
		run->status = err->status;
	log_warning("Unable to %s %s on %s: %s", action_name(planned->action), planned->dev.uuid,
		    planned->dev.parent, err->text);
	return change;
}

/* Another process has changed the device: all its changes are planned again. */
static const struct apply_change *lose(struct apply *apply, const struct plan_change *planned,
				       const struct error *err)
{
	struct trouble *trouble = note_trouble(apply->run, planned->dev.uuid);

	if (++trouble->tries == TRIES)
		return fail(apply, planned, err);
	trouble->skipped = apply->run->again = true;
	return NULL;
}

static int run_change(struct apply_run *run, struct plan_change *planned, struct error *err)
{
	_cleanup_free_ char *was = planned->before   ? json_definition_text(planned->before)
				   : planned->broken ? mem_text("")
						     : NULL;

	const struct change change = {
		.action = planned->action, .dev = &planned->dev, .was = was, .unique = planned->set
	};
	return pipeline_run(&run->pipeline, &change, err);
}

static const struct apply_change *write_definition(struct apply *apply, struct plan_change *planned)
{
	struct apply_run *run = apply->run;
	_cleanup_error_ struct error why = { 0 };

	int r = run_change(run, planned, &why);
	if (r == 0)
		return add_change(apply, planned->action, planned);
	if (r > 0)
		return lose(apply, planned, &why);
	if (why.status != STATUS_REFUSED || planned->action != ACTION_MODIFY ||
	    note_trouble(run, planned->dev.uuid)->refused)
		return fail(apply, planned, &why);
	/* Possibly because of an attribute of another device that has yet to be changed. */
	note_trouble(run, planned->dev.uuid)->refused = true;
	run->later = mem_grow(run->later, run->n_later + 1, sizeof(*run->later));
	run->later[run->n_later++] = (size_t)(planned - run->plan.changes);
	return NULL;
}

static const struct apply_change *remove_definition(struct apply *apply,
						    struct plan_change *planned)
{
	struct apply_run *run = apply->run;
	_cleanup_error_ struct error why = { 0 };
	struct mdev running;

	int r = run_change(run, planned, &why);
	if (r != 0)
		return r > 0 || why.status == STATUS_NOT_FOUND ? lose(apply, planned, &why)
							       : fail(apply, planned, &why);
	/* The autostart of udev may have started it. */
	if (planned->surplus && active_get(run->op.env, planned->dev.uuid, &running, &why) != 0)
		run->again = true;
	return add_change(apply, planned->action, planned);
}

static const struct apply_change *stop(struct apply *apply, struct plan_change *planned)
{
	struct apply_run *run = apply->run;
	_cleanup_error_ struct error why = { 0 };
	struct mdev running;

	int r = active_get(run->op.env, planned->dev.uuid, &running, &why);
	if (r < 0)
		return fail(apply, planned, &why);
	if (r == 0)
		return NULL;
	_cleanup_free_ char *use = NULL;
	if (holder_find(run->op.env, planned->dev.uuid, 0, &use) != ANSWER_NO) {
		error_set(&why, STATUS_IN_USE, "Device %s %s", running.uuid, use);
		return fail(apply, planned, &why);
	}
	if (strcmp(running.parent, planned->dev.parent) != 0)
		error_set(&why, STATUS_EXISTS, "Device %s was started on %s by another process",
			  running.uuid, running.parent);
	if (why.text)
		return lose(apply, planned, &why);
	if (run_change(run, planned, &why) == 0)
		return add_change(apply, planned->action, planned);
	return why.status == STATUS_NOT_FOUND ? NULL : fail(apply, planned, &why);
}

/* Whether the definition is still the one that is to be started. */
static bool is_still_defined(const struct apply_run *run, const struct mdev *dev,
			     struct definition *ret)
{
	return defined_get(run->op.env, dev, ret) > 0 && !ret->broken &&
	       mdev_is_same(&ret->dev, dev);
}

/* No instance is available after all: removes the definition, so that the device moves to another
 * parent. */
static const struct apply_change *give_up_place(struct apply *apply, struct plan_change *planned,
						const struct mdev *definition)
{
	struct apply_run *run = apply->run;
	struct plan_change change = { .action = ACTION_UNDEFINE,
				      .dev = planned->dev, /* borrowed */
				      .before = definition,
				      .set = planned->set,
				      .index = planned->index };

	note_full(run, &planned->dev);
	const struct apply_change *done = remove_definition(apply, &change);
	if (done && done->error.status == STATUS_OK)
		note_trouble(run, planned->dev.uuid)->skipped = run->again = true;
	return done;
}

static const struct apply_change *start(struct apply *apply, struct plan_change *planned)
{
	struct apply_run *run = apply->run;
	_cleanup_definition_ struct definition definition = { 0 };
	_cleanup_error_ struct error why = { 0 };

	int r = active_runs(run->op.env, &planned->dev, &why);
	if (r != 0) /* the autostart of udev may have been faster */
		return r < 0 ? fail(apply, planned, &why) : NULL;
	if (!is_still_defined(run, &planned->dev, &definition)) {
		error_set(&why, STATUS_EXISTS,
			  "The definition of %s on %s was changed by another process",
			  planned->dev.uuid, planned->dev.parent);
		return lose(apply, planned, &why);
	}
	if (pipeline_start(&run->pipeline, &planned->dev, &why) == 0)
		return add_change(apply, planned->action, planned);
	if (why.status == STATUS_EXISTS || why.status == STATUS_NOT_FOUND)
		return lose(apply, planned, &why);
	/* Drivers return different errors for this. */
	bool none = why.status == STATUS_NO_INSTANCES ||
		    (why.status == STATUS_FAILED &&
		     reason_find(run->op.env, planned->dev.parent, planned->dev.type) ==
			     REASON_NO_INSTANCES);
	if (none && planned->set)
		return give_up_place(apply, planned, &definition.dev);
	return fail(apply, planned, &why);
}

static const struct apply_change *perform(struct apply *apply, struct plan_change *planned)
{
	struct apply_run *run = apply->run;
	const struct trouble *trouble = find_trouble(run, planned->dev.uuid);

	if (trouble && (trouble->failed || trouble->skipped))
		return NULL;
	if (planned->set && planned->dev.autostart &&
	    mdev_list_has_type(&run->full, planned->dev.parent, planned->dev.type) &&
	    (planned->action == ACTION_DEFINE || planned->action == ACTION_START)) {
		run->again = true;
		return NULL;
	}
	switch (planned->action) {
	case ACTION_DEFINE:
	case ACTION_MODIFY:
		return write_definition(apply, planned);
	case ACTION_UNDEFINE:
		return remove_definition(apply, planned);
	case ACTION_STOP:
		return stop(apply, planned);
	default:
		return start(apply, planned);
	}
}

/* --- All of them
 * ------------------------------------------------------------------------------------ */

static struct plan_change *next_planned(struct apply_run *run)
{
	if (run->at < run->plan.n_changes)
		return &run->plan.changes[run->at++];
	if (run->later_at < run->n_later)
		return &run->plan.changes[run->later[run->later_at++]];
	return NULL;
}

static bool is_interrupted(struct apply_run *run)
{
	int sig = signal_pending_termination();

	if (sig)
		error_set(&run->error, STATUS_FAILED, "Interrupted by signal %d (%s)", sig,
			  strsignal(sig));
	return sig;
}

/* Waits until one of the devices that should be stopped is not in use. Returns false when the time
 * limit of the whole run has expired. */
static bool wait_for_users(struct apply_run *run)
{
	while (!is_interrupted(run) && settle_next(&run->settle))
		for (size_t i = 0; run->uses && i < run->state.n_devices; i++) {
			if (!run->uses[i])
				continue;
			_cleanup_free_ char *use = NULL;
			if (holder_find(run->op.env, run->state.devices[i].uuid,
					run->settle.deadline, &use) == ANSWER_NO)
				return true;
		}
	return false;
}

/* Whether the host may have room for more devices than the plan assumes: how many instances its own
 * changes take or release is only an estimate. */
static bool may_fit(struct apply_run *run)
{
	bool max = false;

	for (size_t i = 0; i < run->desired.n_sets; i++)
		max = max || run->desired.sets[i].max;
	return run->changed && (run->plan.missing > 0 || max) && ++run->rounds < TRIES;
}

/* Plans again after the last planned change, and returns whether there are more changes. */
static bool plan_again(struct apply *apply)
{
	struct apply_run *run = apply->run;

	if (apply->dry_run || is_interrupted(run) || run->error.text)
		return false;
	if (!run->again && !may_fit(run) &&
	    (run->plan.in_use == 0 || run->op.wait == 0 || !wait_for_users(run)))
		return false;
	for (size_t i = 0; i < run->n_troubles; i++)
		run->troubles[i].skipped = false;
	if (make_plan(run, false, &run->error) < 0)
		return false;
	tell_problems(apply, false);
	return true;
}

const struct apply_change *apply_next(struct apply *apply)
{
	struct apply_run *run = apply->run;

	while (!run->ended) {
		struct plan_change *planned = next_planned(run);
		const struct apply_change *done;

		apply->n_planned = run->plan.n_changes - run->at;
		if (!planned) {
			run->ended = !plan_again(apply);
			continue;
		}
		if (apply->dry_run)
			return add_change(apply, planned->action, planned);
		if (is_interrupted(run)) {
			run->ended = true;
		} else if ((done = perform(apply, planned))) {
			run->changed = run->changed || done->error.status == STATUS_OK;
			return done;
		}
	}
	if (!run->error.text)
		tell_problems(apply, true);
	return NULL;
}

static char *join(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static char *join(char *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	_cleanup_free_ char *more = mem_vprintf(format, args);
	va_end(args);
	char *all = mem_printf("%s%s%s", text, *text ? "; " : "", more);
	free(text);
	return all;
}

int apply_result(const struct apply *apply, struct error *err)
{
	const struct apply_run *run = apply->run;
	size_t failures = run->failures;
	enum status status = run->status;
	char *text = mem_text("");

	if (run->error.text) {
		free(text);
		return error_set(err, run->error.status, "%s", run->error.text);
	}
	for (size_t i = 0; i < run->plan.n_problems; i++) {
		enum status problem = run->plan.problems[i].status;

		if (problem == STATUS_OK || problem == STATUS_NO_INSTANCES ||
		    problem == STATUS_IN_USE)
			continue;
		status = failures++ == 0 ? problem : status;
	}
	if (failures > 0)
		text = join(text, "%zu change%s failed", failures, failures == 1 ? "" : "s");
	if (run->plan.missing > 0)
		text = join(text, "%zu of %zu devices are missing", run->plan.missing,
			    run->plan.wanted);
	if (run->plan.in_use > 0)
		text = join(text, "%zu device%s to be stopped %s in use", run->plan.in_use,
			    run->plan.in_use == 1 ? "" : "s", run->plan.in_use == 1 ? "is" : "are");
	if (failures == 0)
		status = run->plan.missing > 0	? STATUS_NO_INSTANCES
			 : run->plan.in_use > 0 ? STATUS_IN_USE
						: STATUS_OK;
	if (status != STATUS_OK)
		error_set(err, status, "%s", text);
	else if (apply->dry_run && apply->n_changes > 0)
		err->status = status = STATUS_DIFFERS;
	free(text);
	return status == STATUS_OK ? 0 : -1;
}

static void free_change(struct apply_change *change)
{
	mdev_free(&change->before);
	mdev_free(&change->after);
	error_clear(&change->error);
	free(change);
}

/* Signals remain blocked: one that was received is reported as an error, and nothing is left to
 * interrupt. */
static void close_run(struct apply_run *run)
{
	free_uses(run);
	plan_free(&run->plan);
	snapshot_free(&run->state);
	desired_free(&run->desired);
	mdev_list_free(&run->full);
	pipeline_close(&run->pipeline);
	settle_close(&run->settle);
	mem_close(&run->lock);
	free(run->later);
	free(run->troubles);
	error_clear(&run->error);
	free(run);
}

void apply_close(struct apply *apply)
{
	for (size_t i = 0; i < apply->n_changes; i++)
		free_change(apply->changes[i]);
	free(apply->changes);
	for (size_t i = 0; i < apply->n_problems; i++)
		free(apply->problems[i].text);
	free(apply->problems);
	if (apply->run)
		close_run(apply->run);
	*apply = (struct apply){ 0 };
}
