/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"
#include "base/spawn.h"
#include "device/json.h"
#include "script/callout.h"

enum event { EVENT_PRE, EVENT_POST, EVENT_NOTIFY, EVENT_GET, EVENT_LIVE };

static const char *const actions[] = { "start",	 "stop",       "define",       "undefine",
				       "modify", "attributes", "capabilities", NULL };
static const char *const events[] = { "pre", "post", "notify", "get", "live", NULL };
static const char *const states[] = { "none", "success", "failure" };

/* Sent to scripts when their capabilities are requested: both tables. */
static const char provides[] =
	"{\"provides\":{\"version\":2,\"actions\":[\"start\",\"stop\",\"define\",\"undefine\","
	"\"modify\",\"attributes\",\"capabilities\"],"
	"\"events\":[\"pre\",\"post\",\"notify\",\"get\",\"live\"]}}";

/* Exit codes of scripts, and a value for scripts without a valid exit code. */
#define NOT_MINE 2
#define NO_ANSWER 256

/* Maximum amount of stderr output of scripts that is sent to the journal. */
#define OUTPUT_LIMIT ((size_t)64 * 1024)

struct callout_choice {
	const char *parent, *type; /* borrowed: interned */
	const char *script; /* borrowed: the versioned script, which is the only one called; NULL =
			     all scripts are called */
	unsigned actions;   /* supported actions, as bits of the table above */
	unsigned events;
	char *timed_out; /* owned: error message of a "get" that timed out and is not tried again */
};

/* An event of a device, as passed to scripts. */
struct call {
	struct callouts *all;	/* borrowed */
	const struct mdev *dev; /* borrowed */
	enum event event;
	enum action action;
	enum callout_state state; /* result of the change; NONE = it has not been made */
	const char *input;	  /* borrowed; NULL = empty stdin */
	bool alone;		  /* only one script is called, not all in turn */
};

const char *action_name(enum action action)
{
	return actions[action];
}

/* Prints the stderr output of a script and stores it for the journal, if the script handles the
 * call. The output of other scripts and of notifiers is only printed for debugging. */
static void show_output(const struct call *call, const char *path, bool taken, const char *text)
{
	struct callouts *all = call->all;
	const char *name = strrchr(path, '/') + 1;

	if (!text || *text == '\0')
		return;
	if (!taken) {
		log_debug("%s: %s", name, text);
		return;
	}
	if (all->print)
		log_script(name, text);
	char *output = mem_printf("%s%s: %s%s", all->output ? all->output : "", name, text,
				  text[strlen(text) - 1] == '\n' ? "" : "\n");
	if (strlen(output) > OUTPUT_LIMIT)
		output[OUTPUT_LIMIT] = '\0';
	free(all->output);
	all->output = output;
}

static const char *kind(const struct call *call)
{
	return call->event == EVENT_NOTIFY ? "notifier" : "callout";
}

/* Events that scripts must always receive: the end of a change, as they may hold a lock, and
 * notifications. All others are terminated by a termination signal. */
static bool ends_with_signal(const struct call *call)
{
	return call->state == CALLOUT_NONE && call->event != EVENT_NOTIFY;
}

static int interrupted(struct error *err)
{
	int sig = signal_pending_termination();

	return error_set(err, STATUS_FAILED, "Interrupted by signal %d (%s)", sig, strsignal(sig));
}

/* A file that is not a program, or whose interpreter does not exist, is skipped. A script that we
 * may not execute, or for which resources are lacking, may have refused. */
static int not_run(const struct call *call, const char *path, int error, struct error *err)
{
	const char *why = error == ENOENT    ? "its interpreter does not exist"
			  : error == -EACCES ? "Permission denied, or its file system is mounted "
					       "noexec"
					     : strerror(abs(error));

	if (error < 0)
		return error_set(err, STATUS_FAILED, "Unable to run %s script \"%s\": %s",
				 kind(call), path, why);
	log_warning("Unable to run %s script \"%s\": %s", kind(call), path, why);
	return NO_ANSWER;
}

/* Whether a script handles the call: either it is the only one that is called, or no other is
 * called after it. */
static bool is_taken(const struct call *call, const struct spawn_result *result)
{
	if (call->event == EVENT_NOTIFY)
		return false;
	return call->alone || result->timed_out ||
	       (WIFEXITED(result->wait_status) && WEXITSTATUS(result->wait_status) != NOT_MINE);
}

/* An unusable definition, which can be removed, has no type. */
static const char *type_of(const struct mdev *dev)
{
	return dev->type ? dev->type : "";
}

/* Runs a script. Returns its exit code, NO_ANSWER if there is none (with a warning), or -1. */
static int run(const struct call *call, const char *path, struct spawn_result *ret,
	       struct error *err)
{
	const struct env *env = call->all->env;
	const char *const argv[] = { path,
				     "-t",
				     type_of(call->dev),
				     "-e",
				     events[call->event],
				     "-a",
				     actions[call->action],
				     "-s",
				     states[call->event == EVENT_GET ? CALLOUT_NONE : call->state],
				     "-u",
				     call->dev->uuid,
				     "-p",
				     call->dev->parent,
				     NULL };
	unsigned limit = call->event == EVENT_NOTIFY ? env->notifier_limit : env->callout_limit;

	if (ends_with_signal(call) && signal_pending_termination())
		return interrupted(err);
	log_debug("%s %s: running %s", argv[4], argv[6], path);
	int r = spawn_run(argv, call->input, limit,
			  call->state == CALLOUT_NONE || call->event == EVENT_NOTIFY, ret);
	if (r != 0)
		return not_run(call, path, r, err);
	if (call->action != ACTION_CAPABILITIES) /* see negotiate() */
		show_output(call, path, is_taken(call, ret), ret->err);
	if (ret->timed_out)
		return error_set(err, STATUS_TIMED_OUT,
				 "Timed out after %u s waiting for %s script \"%s\"", limit,
				 kind(call), path);
	if (WIFEXITED(ret->wait_status))
		return WEXITSTATUS(ret->wait_status);
	if (ends_with_signal(call) && signal_pending_termination())
		return interrupted(err);
	log_warning("%s script \"%s\" was terminated by a signal (%s)", kind(call), path,
		    strsignal(WTERMSIG(ret->wait_status)));
	return NO_ANSWER;
}

/* Requests the capabilities of a script, and stores them in choice if it is versioned. A script
 * that times out is treated as not versioned. */
static int negotiate(const struct call *call, const char *path, struct callout_choice *choice,
		     struct error *err)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };
	struct json_supports supports;

	int code = run(call, path, &result, err);
	bool versioned = code >= 0 && code != NOT_MINE && code != NO_ANSWER &&
			 json_read_supports(result.out, result.out_len, actions, events, &supports);

	show_output(call, path, versioned, result.err);
	if (code < 0 && err->status == STATUS_TIMED_OUT) {
		log_warning("%s", err->text);
		if (!choice->timed_out)
			choice->timed_out = mem_text(err->text);
		error_clear(err);
		return 0;
	}
	if (code < 0)
		return -1;
	if (!versioned)
		return 0;
	if (supports.unknown_actions)
		log_warning("Callout script \"%s\" provides unknown Action type: %s", path,
			    supports.unknown_actions);
	if (supports.unknown_events)
		log_warning("Callout script \"%s\" provides unknown Event type: %s", path,
			    supports.unknown_events);
	choice->script = path;
	choice->actions = supports.actions;
	choice->events = supports.events;
	json_supports_free(&supports);
	return 0;
}

static void free_choice(struct callout_choice *choice)
{
	free(choice->timed_out);
	free(choice);
}

/* Searches for a versioned script, once for each parent and type. Returns the result, which is
 * owned by callouts, or NULL on error. */
static struct callout_choice *choose(const struct call *about, struct error *err)
{
	struct callouts *all = about->all;
	struct call call = *about;

	for (size_t i = 0; i < all->n_choices; i++)
		if (strcmp(all->choices[i]->parent, call.dev->parent) == 0 &&
		    strcmp(all->choices[i]->type, type_of(call.dev)) == 0)
			return all->choices[i];

	scripts_find(all->env, "callouts", &all->callouts);
	if (all->callouts.unread) {
		error_set(err, STATUS_FAILED, "%s", all->callouts.unread);
		return NULL;
	}
	call.event = EVENT_GET;
	call.action = ACTION_CAPABILITIES;
	call.input = provides;
	struct callout_choice *choice = mem_zero(1, sizeof(*choice));
	choice->parent = call.dev->parent;
	choice->type = type_of(call.dev);
	for (size_t i = 0; i < all->callouts.n && !choice->script; i++)
		if (negotiate(&call, all->callouts.v[i], choice, err) < 0) {
			free_choice(choice);
			return NULL;
		}
	if (choice->script) { /* only this one is called, so the others may hang */
		free(choice->timed_out);
		choice->timed_out = NULL;
	}
	all->choices = mem_grow(all->choices, all->n_choices + 1, sizeof(all->choices[0]));
	all->choices[all->n_choices++] = choice;
	return choice;
}

/* A versioned script gets only what it supports, and no other script is called instead. */
static int check_supported(const struct callout_choice *choice, const struct call *call,
			   struct error *err)
{
	const char *action = actions[call->action], *event = events[call->event];

	if (!(choice->actions & 1u << call->action))
		return error_set(err, STATUS_REFUSED,
				 "Script \"%s\" does not support action '%c%s'", choice->script,
				 toupper(*action), action + 1);
	if (!(choice->events & 1u << call->event))
		return error_set(err, STATUS_REFUSED, "Script \"%s\" does not support event '%c%s'",
				 choice->script, toupper(*event), event + 1);
	return 0;
}

/* Calls the scripts in order, until one handles the device. A script may decide by UUID, so each
 * one is asked for each device. */
static int ask_all(const struct call *call, const char **ret_script, struct spawn_result *ret,
		   struct error *err)
{
	const struct scripts *scripts = &call->all->callouts; /* loaded by choose() */

	for (size_t i = 0; i < scripts->n; i++) {
		_cleanup_spawn_ struct spawn_result result = { 0 };

		int code = run(call, scripts->v[i], &result, err);
		if (code == NOT_MINE || code == NO_ANSWER)
			continue;
		if (code >= 0) {
			*ret_script = scripts->v[i];
			*ret = result;
			result = (struct spawn_result){ 0 };
		}
		return code;
	}
	return NO_ANSWER;
}

/* Calls the scripts that are responsible: only the versioned script, or *script if an earlier call
 * has set it, or all. Returns an exit code and sets *script to the script that returned it
 * (borrowed); NO_ANSWER if no script handled the device; or -1. */
static int ask(const struct call *call, struct callout_choice *choice, const char **script,
	       struct spawn_result *ret, struct error *err)
{
	if (choice->script && check_supported(choice, call, err) < 0)
		return -1;
	if (choice->script)
		*script = choice->script;
	if (!*script)
		return ask_all(call, script, ret, err);
	struct call alone = *call;
	alone.alone = true;
	int code = run(&alone, *script, ret, err);
	if (code == NO_ANSWER)
		return error_set(err, STATUS_REFUSED, "No reply from callout script \"%s\"",
				 *script);
	return code;
}

/* The message is the same as in mdevctl, as users search for it. */
static int refused(const char *script, int code, struct error *err)
{
	return error_set(err, STATUS_REFUSED, "Script '\"%s\"' failed with status '%d'", script,
			 code);
}

void callouts_open(struct callouts *callouts, const struct env *env, bool print)
{
	*callouts = (struct callouts){ .env = env, .print = print };
}

void callouts_close(struct callouts *callouts)
{
	for (size_t i = 0; i < callouts->n_choices; i++)
		free_choice(callouts->choices[i]);
	free(callouts->choices);
	scripts_free(&callouts->callouts);
	scripts_free(&callouts->notifiers);
	free(callouts->output);
	*callouts = (struct callouts){ 0 };
}

void callout_begin(struct callout *callout, struct callouts *all, enum action action,
		   const struct mdev *dev)
{
	scripts_find(all->env, "callouts", &all->callouts);
	*callout = (struct callout){ .all = all,
				     .action = action,
				     .dev = dev,
				     .input = all->callouts.n ? json_definition_line(dev) : NULL };
}

void callout_end(struct callout *callout)
{
	free(callout->input);
	*callout = (struct callout){ 0 };
}

static struct call call_of(const struct callout *callout, enum event event,
			   enum callout_state state)
{
	return (struct call){ .all = callout->all,
			      .dev = callout->dev,
			      .event = event,
			      .action = callout->action,
			      .state = state,
			      .input = event == EVENT_NOTIFY ? NULL : callout->input };
}

int callout_pre(struct callout *callout, bool force, struct error *err)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };
	const struct call call = call_of(callout, EVENT_PRE, CALLOUT_NONE);
	struct callout_choice *choice = choose(&call, err);

	int code = choice ? ask(&call, choice, &callout->script, &result, err) : -1;
	if (code == 0 || code == NO_ANSWER)
		return 0;
	if (code > 0)
		refused(callout->script, code, err);
	if (!force || signal_pending_termination())
		return -1;
	log_warning("Forcing operation '%s' despite callout failure. Error was: %s",
		    action_name(callout->action), err->text);
	error_clear(err);
	callout->script = NULL; /* only a script that accepted is certain to get post */
	return 0;
}

/* Sets err if the script could not be run or returned an error. */
static void try_post(struct callout *callout, enum callout_state state, struct error *err)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };
	const struct call call = call_of(callout, EVENT_POST, state);
	struct callout_choice *choice = choose(&call, err);

	int code = choice ? ask(&call, choice, &callout->script, &result, err) : -1;
	if (code > 0 && code != NO_ANSWER)
		refused(callout->script, code, err);
}

void callout_post(struct callout *callout, enum callout_state state)
{
	static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	_cleanup_error_ struct error err = { 0 };

	try_post(callout, state, &err);
	if (err.text && err.status == STATUS_FAILED) { /* lack of resources: try again */
		log_debug("%s", err.text);
		error_clear(&err);
		nanosleep(&pause, NULL);
		try_post(callout, state, &err);
	}
	if (!err.text)
		return;
	if (err.status == STATUS_REFUSED) /* too late; post may be unsupported */
		log_debug("%s", err.text);
	else
		log_warning("%s", err.text);
}

void callout_notify(struct callout *callout, enum callout_state state)
{
	struct scripts *scripts = &callout->all->notifiers;
	const struct call call = call_of(callout, EVENT_NOTIFY, state);

	scripts_find(callout->all->env, "notifiers", scripts);
	if (scripts->unread)
		log_warning("%s", scripts->unread);
	for (size_t i = 0; i < scripts->n; i++) {
		_cleanup_spawn_ struct spawn_result result = { 0 };
		_cleanup_error_ struct error err = { 0 };

		if (run(&call, scripts->v[i], &result, &err) < 0)
			log_warning("%s", err.text);
	}
}

int callout_live(struct callout *callout, struct error *err)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };
	const struct call call = call_of(callout, EVENT_LIVE, CALLOUT_NONE);
	struct callout_choice *choice = choose(&call, err);

	if (!choice)
		return -1;
	if (!choice->script)
		return error_set(err, STATUS_FAILED,
				 "Live modification is not supported for this device type. "
				 "Changing the device configuration requires stopping and "
				 "restarting the device.");
	int code = ask(&call, choice, &callout->script, &result, err);
	return code > 0 ? refused(callout->script, code, err) : code;
}

static int read_answer(const char *script, const struct spawn_result *result, struct mdev *ret,
		       struct error *err)
{
	_cleanup_error_ struct error why = { 0 };

	if (result->out_cut)
		error_set(&why, STATUS_INVALID, "Too long");
	else if (json_read_attributes(result->out, result->out_len, "answer", ret, &why) == 0)
		return 0;
	return error_set(err, STATUS_INVALID,
			 "Invalid JSON received from callout script \"%s\": %s", script, why.text);
}

int callout_attributes(struct callouts *callouts, struct mdev *dev, struct error *err)
{
	const struct call call = { .all = callouts,
				   .dev = dev,
				   .event = EVENT_GET,
				   .action = ACTION_ATTRIBUTES,
				   .state = CALLOUT_NONE };
	_cleanup_spawn_ struct spawn_result result = { 0 };
	const char *script = NULL;

	mdev_clear_attrs(dev);
	struct callout_choice *choice = choose(&call, err);
	if (!choice)
		return -1;
	if (choice->timed_out) /* otherwise, listing many devices could take hours */
		return error_set(err, STATUS_TIMED_OUT, "%s", choice->timed_out);
	int code = ask(&call, choice, &script, &result, err);
	if (code < 0 && err->status == STATUS_TIMED_OUT && !choice->timed_out)
		choice->timed_out = mem_text(err->text);
	if (code < 0 || code == NO_ANSWER)
		return code < 0 ? -1 : 0;
	return code > 0 ? refused(script, code, err) : read_answer(script, &result, dev, err);
}

char *callout_take_output(struct callouts *callouts)
{
	char *output = callouts->output;

	callouts->output = NULL;
	return output;
}
