/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"
#include "base/text.h"
#include "device/json.h"
#include "host/holder.h"
#include "host/lock.h"
#include "apply/apply.h"
#include "set/active.h"
#include "set/defined.h"
#include "view/reason.h"

/* Limit for rounds that repeat another one because other processes change the host. */
#define REPEATED 10

static int read_file(struct apply *apply, const char *file, bool prune, struct error *err)
{
	_cleanup_file_ struct op_file json;

	int r = op_read_file(file, DESIRED_LIMIT, &json);
	if (r < 0)
		return error_set(err, r == -EFBIG ? STATUS_INVALID : STATUS_FAILED,
				 json.name == file ? "Unable to read file \"%s\": %s"
						   : "Unable to read %s: %s",
				 json.name, error_words(-r));
	r = desired_read(json.text, json.len, json.name, prune, &apply->desired, err);
	return r < 0 ? op_file_error(&json, err) : 0;
}

/* Reports a problem, once in a run. */
static void report(struct apply *apply, enum status status, const char *text)
{
	if (plan_add_problem(&apply->problems, status, "%s", text))
		log_warning("%s", text);
}

/* Finds out whether a device that the plan stops is in use, which is a new fact. Other users than
 * root often cannot see that, which is reported once for all devices. */
static bool find_user(struct apply *apply, const char *uuid)
{
	char *use;
	enum answer in_use = pipeline_find_user(&apply->pipeline, uuid, 0, &use);

	if (!use)
		return false;
	if (in_use == ANSWER_UNKNOWN && geteuid() != 0) {
		free(use);
		use = NULL;
	}
	struct fact *fact = facts_set(&apply->facts, uuid, FACT_IN_USE, apply->round);
	fact->in_use = in_use;
	fact->use = use;
	return true;
}

/* Reads the host and makes a plan. A device in use is not moved, and neither are those that would
 * replace it, so with each device that is found to be in use, the plan is made again. A dry run
 * does not open device nodes, as a guest may be starting: only one process can. */
static int begin_round(struct apply *apply, struct error *err)
{
	unsigned what = SNAPSHOT_TYPES | (apply->dry_run ? SNAPSHOT_HOLDERS : 0);
	const struct plan *plan = &apply->plan;
	bool found;

	apply->round++;
	apply->at = 0;
	apply->learned = apply->raced = apply->changed = false;
	snapshot_free(&apply->state);
	snapshot_read(apply->env, &(struct filter){ 0 }, what, &apply->state);
	holder_pass_close(&apply->users);
	holder_pass_open(&apply->users, apply->env, &apply->state.running);
	do {
		plan_free(&apply->plan);
		if (plan_make(apply->env, &apply->state, &apply->desired, &apply->facts,
			      &apply->plan, err) < 0)
			return -1;
		found = false;
		for (size_t i = 0; i < plan->n_changes && !apply->dry_run; i++)
			if (plan->changes[i].action == ACTION_STOP &&
			    find_user(apply, plan->changes[i].dev.uuid))
				found = true;
	} while (found);
	log_debug("Round %u: %zu changes planned", apply->round, plan->n_changes);
	return 0;
}

/* Returns "N devices to be stopped may be in use". Owned by the caller. */
static char *doubt(size_t n)
{
	return mem_printf("%zu device%s to be stopped may be in use%s", n, n == 1 ? "" : "s",
			  error_must_be_root());
}

int apply_open(const struct op *op, const char *file, bool prune, bool dry_run, unsigned wait,
	       struct apply *ret, struct error *err)
{
	sigset_t old;

	*ret = (struct apply){ .dry_run = dry_run, .env = op->env, .wait = wait, .lock = -1 };
	pipeline_open(&ret->pipeline, op->env, op->force);
	ret->pipeline.pass = &ret->users;
	if (read_file(ret, file, prune, err) < 0)
		return -1;
	signal_block(&old); /* until the end: one that was received is reported as an error */
	if (!dry_run && lock_take(op->env, LOCK_APPLY, &ret->lock, err) < 0)
		return -1;
	if (wait)
		settle_open(&ret->settle, op->env, wait);
	if (begin_round(ret, err) < 0)
		return -1;
	_cleanup_free_ char *text = doubt(ret->plan.doubtful);
	if (ret->plan.doubtful > 0)
		report(ret, STATUS_OK, text);
	return 0;
}

/* What has become of a change. */
enum outcome {
	MADE,
	NOT_NEEDED, /* another process has made it */
	CHANGED,    /* another process has changed the device */
	REFUSED, /* by a script, perhaps because of an attribute of another device that has yet to
		    be changed */
	IN_USE,
	FULL, /* its type has no instance, contrary to sysfs */
	FAILED,
};

static enum outcome run_change(struct apply *apply, struct plan_change *change, struct error *why)
{
	_cleanup_free_ char *was = change->broken	 ? mem_text("")
				   : change->before.type ? json_definition_text(&change->before)
							 : NULL;
	const struct change request = {
		.action = change->action, .dev = &change->dev, .was = was, .alone = change->set
	};

	int r = pipeline_run(&apply->pipeline, &request, why);
	if (r < 0 && why->status == STATUS_REFUSED && change->action == ACTION_MODIFY)
		return REFUSED;
	return r == 0 ? MADE : r > 0 ? CHANGED : FAILED;
}

static enum outcome undefine(struct apply *apply, struct plan_change *change, struct error *why)
{
	_cleanup_error_ struct error unread = { 0 };
	enum outcome outcome = run_change(apply, change, why);
	struct mdev running;

	if (outcome == FAILED && why->status == STATUS_NOT_FOUND)
		return CHANGED;
	if (outcome != MADE)
		return outcome;
	/* The autostart of udev may have started it; if that is not known, the next round ends. */
	int r = active_get(apply->env, change->dev.uuid, &running, &unread);
	if (r < 0 || (r > 0 && strcmp(running.parent, change->dev.parent) == 0))
		apply->raced = true;
	return MADE;
}

static enum outcome stop(struct apply *apply, struct plan_change *change, struct error *why)
{
	struct mdev running;

	int r = active_get(apply->env, change->dev.uuid, &running, why);
	if (r <= 0)
		return r < 0 ? FAILED : NOT_NEEDED;
	if (strcmp(running.parent, change->dev.parent) != 0) {
		error_set(why, STATUS_EXISTS, "Device %s was started on %s by another process",
			  running.uuid, running.parent);
		return CHANGED;
	}
	if (find_user(apply, change->dev.uuid))
		return IN_USE;
	enum outcome outcome = run_change(apply, change, why);
	return outcome == FAILED && why->status == STATUS_NOT_FOUND ? NOT_NEEDED : outcome;
}

static enum outcome start(struct apply *apply, struct plan_change *change, struct error *why)
{
	struct mdev *dev = &change->dev;

	int r = active_runs(apply->env, dev, why);
	if (r != 0) /* the autostart of udev may have been faster */
		return r < 0 ? FAILED : NOT_NEEDED;
	_cleanup_free_ char *text = json_definition_text(dev);
	r = defined_is(apply->env, dev, text, why);
	if (r < 0)
		return FAILED;
	if (r == 0) {
		error_set(why, STATUS_EXISTS,
			  "The definition of %s on %s was changed by another process", dev->uuid,
			  dev->parent);
		return CHANGED;
	}
	if (pipeline_start(&apply->pipeline, dev, why) == 0)
		return MADE;
	if (why->status == STATUS_EXISTS || why->status == STATUS_NOT_FOUND)
		return CHANGED;
	/* Without an instance, drivers return different errors. */
	if (change->set &&
	    (why->status == STATUS_NO_INSTANCES ||
	     (why->status == STATUS_FAILED &&
	      reason_find(apply->env, dev->parent, dev->type) == REASON_NO_INSTANCES)))
		return FULL;
	return FAILED;
}

static enum outcome try_change(struct apply *apply, struct plan_change *change, struct error *why)
{
	switch (change->action) {
	case ACTION_UNDEFINE:
		return undefine(apply, change, why);
	case ACTION_STOP:
		return stop(apply, change, why);
	case ACTION_START:
		return start(apply, change, why);
	default:
		return run_change(apply, change, why);
	}
}

/* Records what the next plan needs to know to do without the change, or to make it again. Returns
 * false if it has failed for good. */
static bool add_fact(struct apply *apply, const struct mdev *dev, enum outcome outcome)
{
	const struct fact *fact = facts_find(&apply->facts, dev->uuid);
	struct mdev_list *full = &apply->facts.full;

	if (outcome == FAILED || (outcome == CHANGED && apply->repeated == REPEATED) ||
	    (outcome == REFUSED && fact && fact->kind == FACT_REFUSED) ||
	    (outcome == FULL && mdev_list_has_type(full, dev->parent, dev->type)))
		return false;
	if (outcome == CHANGED)
		apply->raced = true;
	else
		apply->learned = true;
	if (outcome == FULL)
		op_set_device(mdev_list_add(full), NULL, dev->parent, dev->type);
	else if (outcome != IN_USE) /* set by stop() */
		facts_set(&apply->facts, dev->uuid,
			  outcome == REFUSED ? FACT_REFUSED : FACT_CHANGED, apply->round);
	return true;
}

/* Makes a change. Returns whether there is something to report: it was made, or it failed. */
static bool make_change(struct apply *apply, struct plan_change *change)
{
	const struct fact *fact = facts_find(&apply->facts, change->dev.uuid);
	_cleanup_error_ struct error why = { 0 };

	if ((fact && fact->round == apply->round) || /* this plan does not know it */
	    (change->takes_instance &&
	     mdev_list_has_type(&apply->facts.full, change->dev.parent, change->dev.type)))
		return false;
	enum outcome outcome = try_change(apply, change, &why);
	if (outcome == MADE || outcome == NOT_NEEDED)
		return outcome == MADE;
	if (add_fact(apply, &change->dev, outcome))
		return false;
	log_warning("Unable to %s %s on %s: %s", action_name(change->action), change->dev.uuid,
		    change->dev.parent, why.text);
	facts_set(&apply->facts, change->dev.uuid, FACT_FAILED, apply->round);
	change->error = why;
	why = (struct error){ 0 };
	return true;
}

static bool is_interrupted(struct apply *apply)
{
	int sig = signal_pending_termination();

	if (sig)
		error_set(&apply->error, STATUS_FAILED, "Interrupted by signal %d (%s)", sig,
			  strsignal(sig));
	return sig;
}

/* Waits until one of the devices that should be stopped is not in use any more. Returns false when
 * the time limit of the whole run has expired. */
static bool wait_for_users(struct apply *apply)
{
	while (!is_interrupted(apply) && settle_next(&apply->settle))
		for (size_t i = 0; i < apply->facts.n; i++) {
			struct fact *fact = &apply->facts.v[i];
			_cleanup_free_ char *use = NULL;

			if (fact->kind != FACT_IN_USE)
				continue;
			(void)holder_find(apply->env, fact->uuid, apply->settle.deadline, &use);
			if (use)
				continue;
			facts_set(&apply->facts, fact->uuid, FACT_CHANGED, 0);
			return true;
		}
	return false;
}

/* Begins the next round, and returns whether there is one. A run ends, because each round needs one
 * of these:
 *  - a new fact. There are finitely many: the definition of each device is refused once and in use
 *    once (until the next item), and each type of each parent is found to be full once. The plan
 *    observes them: what has failed, is in use or needs an instance of such a type is not tried
 *    again.
 *  - a change by another process, or by ourselves so that more may fit: REPEATED times, after which
 *    the next such change is a failure.
 *  - a device that is not in use any more, until the deadline of --wait. */
static bool next_round(struct apply *apply)
{
	bool again = apply->learned;
	/* How many instances our own changes take or release was only an estimate. */
	bool may_fit = apply->changed && (apply->plan.missing > 0 || apply->plan.max);

	if (apply->dry_run || is_interrupted(apply))
		return false;
	if (!again && (apply->raced || may_fit) && apply->repeated < REPEATED) {
		apply->repeated++;
		again = true;
	}
	if (!again && apply->wait && apply->plan.in_use + apply->plan.maybe_in_use > 0)
		again = wait_for_users(apply);
	return again && begin_round(apply, &apply->error) == 0;
}

/* Moves a change of the plan to those that have been made. */
static const struct plan_change *add_change(struct apply *apply, struct plan_change *from)
{
	apply->changes = mem_room(apply->changes, apply->n_changes, sizeof(*apply->changes));
	struct plan_change *change = &apply->changes[apply->n_changes++];
	*change = *from;
	*from = (struct plan_change){ 0 };
	apply->changed = apply->changed || change->error.status == STATUS_OK;
	if (change->note && change->error.status == STATUS_OK)
		report(apply, STATUS_OK, change->note);
	return change;
}

const struct plan_change *apply_next(struct apply *apply)
{
	const struct plan *plan = &apply->plan;

	while (!apply->ended) {
		if (apply->at == plan->n_changes) {
			apply->ended = !next_round(apply);
			continue;
		}
		struct plan_change *change = &plan->changes[apply->at++];
		if (!apply->dry_run && is_interrupted(apply))
			apply->ended = true;
		else if (apply->dry_run || make_change(apply, change))
			return add_change(apply, change);
	}
	for (size_t i = 0; i < plan->problems.n && !apply->error.text; i++)
		report(apply, plan->problems.v[i].status, plan->problems.v[i].text);
	return NULL;
}

static bool is_failure(enum status status)
{
	return status != STATUS_OK && status != STATUS_NO_INSTANCES && status != STATUS_IN_USE;
}

/* Sets *ret to the status of the first failure; 5 and 6 only if there is no other. */
static void add_status(enum status *ret, enum status status)
{
	if (*ret == STATUS_OK || (is_failure(status) && !is_failure(*ret)))
		*ret = status;
}

/* Counts what has failed. What the plan cannot do is counted by the plan. */
static size_t count_failures(const struct apply *apply, enum status *ret)
{
	const struct problem_list *problems = &apply->plan.problems;
	size_t n = 0;

	for (size_t i = 0; i < apply->n_changes; i++) {
		add_status(ret, apply->changes[i].error.status);
		n += apply->changes[i].error.status != STATUS_OK;
	}
	for (size_t i = 0; i < problems->n; i++)
		if (is_failure(problems->v[i].status)) {
			add_status(ret, problems->v[i].status);
			n++;
		}
	return n;
}

int apply_result(const struct apply *apply, struct error *err)
{
	const struct plan *plan = &apply->plan;
	enum status status = STATUS_OK;
	size_t failures = count_failures(apply, &status);
	_cleanup_free_ char *text = NULL;

	if (apply->error.text)
		return error_set(err, apply->error.status, "%s", apply->error.text);
	if (failures > 0)
		text_append(&text, "; ", "%zu change%s failed", failures, failures == 1 ? "" : "s");
	if (plan->missing > 0) {
		text_append(&text, "; ", "%zu of %zu devices are missing", plan->missing,
			    plan->wanted);
		add_status(&status, STATUS_NO_INSTANCES);
	}
	if (plan->in_use > 0)
		text_append(&text, "; ", "%zu device%s to be stopped %s in use", plan->in_use,
			    plan->in_use == 1 ? "" : "s", plan->in_use == 1 ? "is" : "are");
	_cleanup_free_ char *maybe = doubt(plan->maybe_in_use);
	if (plan->maybe_in_use > 0)
		text_append(&text, "; ", "%s", maybe);
	if (plan->in_use + plan->maybe_in_use > 0)
		add_status(&status, STATUS_IN_USE);
	if (status != STATUS_OK)
		return error_set(err, status, "%s", text);
	if (!apply->dry_run || apply->n_changes == 0)
		return 0;
	err->status = STATUS_DIFFERS;
	return -1;
}

void apply_close(struct apply *apply)
{
	for (size_t i = 0; i < apply->n_changes; i++)
		plan_change_free(&apply->changes[i]);
	free(apply->changes);
	plan_free_problems(&apply->problems);
	plan_free(&apply->plan);
	snapshot_free(&apply->state);
	desired_free(&apply->desired);
	facts_free(&apply->facts);
	pipeline_close(&apply->pipeline);
	holder_pass_close(&apply->users);
	settle_close(&apply->settle);
	mem_close(&apply->lock);
	error_clear(&apply->error);
	*apply = (struct apply){ .lock = -1 };
}
