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
#include "base/text.h"
#include "device/json.h"
#include "script/callout.h"

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
	const char *script; /* borrowed: the versioned one, which is called alone; NULL = all are */
	unsigned actions;   /* supported actions, as bits of the table above */
	unsigned events;
	char *timed_out; /* owned: error message of a "get" that timed out and is not tried again */
};

const char *action_name(enum action action)
{
	return actions[action];
}

/* Prints the stderr output of a script and stores it for the journal, if the script handles the
 * event. The output of other scripts and of notifiers is only printed for debugging. */
static void show_output(const struct callout *callout, const char *path, bool taken)
{
	struct callouts *all = callout->all;
	const char *name = text_base_name(path), *text = callout->result.err;

	if (!text || *text == '\0')
		return;
	if (!taken) {
		log_debug("%s: %s", name, text);
		return;
	}
	_cleanup_free_ char *line =
		mem_printf("%s: %s%s", name, text, text[strlen(text) - 1] == '\n' ? "" : "\n");
	if (all->print)
		log_script(line);
	text_append(&all->output, "", "%s", line);
	if (strlen(all->output) > OUTPUT_LIMIT)
		all->output[OUTPUT_LIMIT] = '\0';
}

/* Whether the event is not sent or was not answered because of a termination signal. Scripts must
 * always receive the end of a change, as they may hold a lock, and notifications. */
static bool is_interrupted(const struct callout *callout, struct error *err)
{
	bool must = callout->state != CALLOUT_NONE || callout->event == EVENT_NOTIFY;
	int sig = must ? 0 : signal_pending_termination();

	if (sig)
		error_set(err, STATUS_FAILED, "Interrupted by signal %d (%s)", sig, strsignal(sig));
	return sig;
}

/* A file that is not a program, or whose interpreter does not exist, is skipped. A script that we
 * may not execute, or for which resources are lacking, may have refused. */
static int not_run(const char *kind, const char *path, int error, struct error *err)
{
	const char *why = error == ENOENT    ? "its interpreter does not exist"
			  : error == -EACCES ? "Permission denied, or its file system is mounted "
					       "noexec"
					     : strerror(abs(error));

	if (error < 0)
		return error_set(err, STATUS_FAILED, "Unable to run %s script \"%s\": %s", kind,
				 path, why);
	log_warning("Unable to run %s script \"%s\": %s", kind, path, why);
	return NO_ANSWER;
}

/* An unusable definition, which can be removed, has no type. */
static const char *type_of(const struct mdev *dev)
{
	return dev->type ? dev->type : "";
}

/* Runs a script. Returns its exit code, NO_ANSWER if there is none (with a warning), or -1. */
static int run(struct callout *callout, const char *path, struct error *err)
{
	const struct env *env = callout->all->env;
	const struct spawn_result *result = &callout->result;
	bool notify = callout->event == EVENT_NOTIFY;
	const char *action = actions[callout->action], *event = events[callout->event];
	const char *state = states[callout->event == EVENT_GET ? CALLOUT_NONE : callout->state];
	const char *uuid = callout->dev->uuid, *parent = callout->dev->parent;
	const char *type = type_of(callout->dev);
	const char *const argv[] = { path, "-t",  type, "-e", event, "-a",   action,
				     "-s", state, "-u", uuid, "-p",  parent, NULL };
	const char *kind = notify ? "notifier" : "callout";
	const char *input = callout->action == ACTION_CAPABILITIES ? provides : callout->input;
	unsigned limit = notify ? env->notifier_limit : env->callout_limit;

	spawn_result_free(&callout->result);
	if (is_interrupted(callout, err))
		return -1;
	log_debug("%s %s: running %s", event, action, path);
	int r = spawn_run(argv, notify ? NULL : input, limit,
			  notify || callout->state == CALLOUT_NONE, &callout->result);
	if (r != 0)
		return not_run(kind, path, r, err);
	bool ended = WIFEXITED(result->wait_status);
	int code = WEXITSTATUS(result->wait_status);
	/* It handles the event if it is the only one that is called, or no other is after it. */
	if (callout->action != ACTION_CAPABILITIES) /* see negotiate() */
		show_output(callout, path,
			    !notify && (callout->script || result->timed_out ||
					(ended && code != NOT_MINE)));
	if (result->timed_out)
		return error_set(err, STATUS_TIMED_OUT,
				 "Timed out after %u s waiting for %s script \"%s\"", limit, kind,
				 path);
	if (ended)
		return code;
	if (is_interrupted(callout, err))
		return -1;
	log_warning("%s script \"%s\" was terminated by a signal (%s)", kind, path,
		    strsignal(WTERMSIG(result->wait_status)));
	return NO_ANSWER;
}

/* Requests the capabilities of a script, and stores them in choice if it is versioned. A script
 * that times out is treated as not versioned. */
static int negotiate(struct callout *callout, const char *path, struct callout_choice *choice,
		     struct error *err)
{
	struct json_supports supports;

	int code = run(callout, path, err);
	bool versioned = code >= 0 && code != NOT_MINE && code != NO_ANSWER &&
			 json_read_supports(callout->result.out, callout->result.out_len, actions,
					    events, &supports);

	show_output(callout, path, versioned);
	if (code < 0 && err->status != STATUS_TIMED_OUT)
		return -1;
	if (code < 0) {
		log_warning("%s", err->text);
		if (!choice->timed_out)
			choice->timed_out = mem_text(err->text);
		error_clear(err);
	}
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
	free(choice->timed_out); /* only this one is called, so the others may hang */
	choice->timed_out = NULL;
	json_supports_free(&supports);
	return 0;
}

/* Searches for a versioned script, once for each parent and type. Returns the result, which is
 * valid until another parent or type is looked up, or NULL on error. */
static struct callout_choice *choose(const struct callout *callout, struct error *err)
{
	struct callouts *all = callout->all;
	struct callout_choice choice = { .parent = callout->dev->parent,
					 .type = type_of(callout->dev) };
	_cleanup_callout_ struct callout request = { .all = all,
						     .action = ACTION_CAPABILITIES,
						     .dev = callout->dev,
						     .event = EVENT_GET,
						     .state = callout->state };
	int r = 0;

	for (size_t i = 0; i < all->n_choices; i++)
		if (strcmp(all->choices[i].parent, choice.parent) == 0 &&
		    strcmp(all->choices[i].type, choice.type) == 0)
			return &all->choices[i];
	scripts_find(all->env, "callouts", &all->callouts);
	if (all->callouts.unread)
		r = error_set(err, STATUS_FAILED, "%s", all->callouts.unread);
	for (size_t i = 0; i < all->callouts.n && r == 0 && !choice.script; i++)
		r = negotiate(&request, all->callouts.v[i], &choice, err);
	if (r < 0) {
		free(choice.timed_out);
		return NULL;
	}
	all->choices = mem_room(all->choices, all->n_choices, sizeof(all->choices[0]));
	all->choices[all->n_choices] = choice;
	return &all->choices[all->n_choices++];
}

/* A versioned script gets only what it supports, and no other script is called instead. */
static int check_supported(const struct callout_choice *choice, const struct callout *callout,
			   struct error *err)
{
	bool action = choice->actions & 1u << callout->action;
	const char *name = action ? events[callout->event] : actions[callout->action];

	if (action && choice->events & 1u << callout->event)
		return 0;
	return error_set(err, STATUS_REFUSED, "Script \"%s\" does not support %s '%c%s'",
			 choice->script, action ? "event" : "action", toupper(*name), name + 1);
}

/* Sends an event to the script that is responsible: the versioned one, or the one that an earlier
 * event has set. If there is neither, the scripts are called in order until one handles the device:
 * a script may decide by UUID, so each one is asked for each device. Returns 1 if a script
 * accepted, which callout->script then is; 0 if none handled the device; or -1. */
static int send_event(struct callout *callout, enum callout_event event, enum callout_state state,
		      struct error *err)
{
	callout->event = event;
	callout->state = state;
	const struct callout_choice *choice = choose(callout, err);
	if (!choice || (choice->script && check_supported(choice, callout, err) < 0))
		return -1;
	if (choice->script)
		callout->script = choice->script;
	bool alone = callout->script;
	const struct scripts *scripts = &callout->all->callouts; /* found by choose() */

	for (size_t i = 0; i < (alone ? 1 : scripts->n); i++) {
		const char *script = alone ? callout->script : scripts->v[i];
		int code = run(callout, script, err);

		if (alone && code == NO_ANSWER)
			return error_set(err, STATUS_REFUSED, "No reply from callout script \"%s\"",
					 script);
		if (!alone && (code == NO_ANSWER || code == NOT_MINE))
			continue;
		if (code > 0) /* the message is that of mdevctl, as users search for it */
			return error_set(err, STATUS_REFUSED,
					 "Script '\"%s\"' failed with status '%d'", script, code);
		if (code == 0)
			callout->script = script;
		return code < 0 ? -1 : 1;
	}
	return 0;
}

void callouts_open(struct callouts *callouts, const struct env *env, bool print)
{
	*callouts = (struct callouts){ .env = env, .print = print };
}

void callouts_close(struct callouts *callouts)
{
	for (size_t i = 0; i < callouts->n_choices; i++)
		free(callouts->choices[i].timed_out);
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
	spawn_result_free(&callout->result);
	*callout = (struct callout){ 0 };
}

int callout_pre(struct callout *callout, bool force, struct error *err)
{
	if (send_event(callout, EVENT_PRE, CALLOUT_NONE, err) >= 0)
		return 0;
	if (!force || signal_pending_termination())
		return -1;
	log_warning("Forcing operation '%s' despite callout failure. Error was: %s",
		    action_name(callout->action), err->text);
	error_clear(err);
	callout->script = NULL; /* only a script that accepted is certain to get post */
	return 0;
}

void callout_post(struct callout *callout, enum callout_state state)
{
	static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	_cleanup_error_ struct error err = { 0 };

	int r = send_event(callout, EVENT_POST, state, &err);
	if (r < 0 && err.status == STATUS_FAILED) { /* lack of resources: try again */
		log_debug("%s", err.text);
		error_clear(&err);
		nanosleep(&pause, NULL);
		r = send_event(callout, EVENT_POST, state, &err);
	}
	if (r < 0) /* it is too late to refuse, and post may be unsupported */
		(err.status == STATUS_REFUSED ? log_debug : log_warning)("%s", err.text);
}

void callout_notify(struct callout *callout)
{
	struct scripts *scripts = &callout->all->notifiers;

	callout->event = EVENT_NOTIFY;
	scripts_find(callout->all->env, "notifiers", scripts);
	if (scripts->unread)
		log_warning("%s", scripts->unread);
	for (size_t i = 0; i < scripts->n; i++) {
		_cleanup_error_ struct error err = { 0 };

		if (run(callout, scripts->v[i], &err) < 0)
			log_warning("%s", err.text);
	}
}

int callout_live(struct callout *callout, struct error *err)
{
	const struct callout_choice *choice = choose(callout, err);

	if (!choice)
		return -1;
	if (!choice->script)
		return error_set(err, STATUS_FAILED,
				 "Live modification is not supported for this device type. "
				 "Changing the device configuration requires stopping and "
				 "restarting the device.");
	return send_event(callout, EVENT_LIVE, CALLOUT_NONE, err) < 0 ? -1 : 0;
}

int callout_attributes(struct callouts *callouts, struct mdev *dev, struct error *err)
{
	_cleanup_callout_ struct callout callout = { .all = callouts,
						     .action = ACTION_ATTRIBUTES,
						     .dev = dev };
	const struct spawn_result *result = &callout.result;
	_cleanup_error_ struct error why = { 0 };

	mdev_clear_attrs(dev);
	struct callout_choice *choice = choose(&callout, err);
	if (!choice)
		return -1;
	if (choice->timed_out) /* otherwise, listing many devices could take hours */
		return error_set(err, STATUS_TIMED_OUT, "%s", choice->timed_out);
	int r = send_event(&callout, EVENT_GET, CALLOUT_NONE, err);
	if (r < 0 && err->status == STATUS_TIMED_OUT)
		choice->timed_out = mem_text(err->text);
	if (r <= 0)
		return r;
	if (result->out_cut)
		error_set(&why, STATUS_INVALID, "Too long");
	else if (json_read_attributes(result->out, result->out_len, "answer", dev, &why) == 0)
		return 0;
	return error_set(err, STATUS_INVALID,
			 "Invalid JSON received from callout script \"%s\": %s", callout.script,
			 why.text);
}

char *callout_take_output(struct callouts *callouts)
{
	char *output = callouts->output;

	callouts->output = NULL;
	return output;
}
