/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "device/mdev.h"
#include "host/env.h"
#include "op/scripts.h"

/*
 * The script protocol of mdevctl-callout(7). Scripts take part in every change: callouts may refuse
 * it (pre), learn its end (post), read and set attributes of running devices (get, live); notifiers
 * are told afterwards. All scripts are direct children of this process.
 */

enum action {
	ACTION_START,
	ACTION_STOP,
	ACTION_DEFINE,
	ACTION_UNDEFINE,
	ACTION_MODIFY,
	ACTION_ATTRIBUTES,
	ACTION_CAPABILITIES,
};

enum callout_state { CALLOUT_NONE, CALLOUT_SUCCESS, CALLOUT_FAILURE };

/* "start", "stop", ...: the words of the protocol, of messages and of the journal. */
const char *action_name(enum action action);

/* What is known of the scripts of one parent and type. Private. */
struct callout_choice;

struct callouts {
	const struct env *env;
	struct scripts callouts, notifiers; /* owned: a process looks for them once */
	struct callout_choice **choices;    /* owned: a process asks for capabilities once */
	size_t n_choices;
	char *said; /* owned: what scripts wrote to stderr since callout_take_said(); for the
		       journal */
	bool quiet; /* stderr is the journal, which gets `said`: do not print it as well */
};
void callouts_open(struct callouts *callouts, const struct env *env);
void callouts_close(struct callouts *callouts);
#define _cleanup_callouts_ __attribute__((cleanup(callouts_close)))

/* One change of one device: the script that answers pre gets post, too. */
struct callout {
	struct callouts *all; /* borrowed */
	enum action action;
	const struct mdev *dev; /* borrowed */
	char *input;  /* owned: the device as JSON, the same for pre and post; NULL = no scripts */
	char *script; /* owned: path of the script that agreed to pre; NULL = none */
};
void callout_begin(struct callout *callout, struct callouts *all, enum action action,
		   const struct mdev *dev);
void callout_end(struct callout *callout);
#define _cleanup_callout_ __attribute__((cleanup(callout_end)))

/* Asks before the change. With force a refusal is only a warning. Errors: STATUS_REFUSED,
 * STATUS_TIMED_OUT, STATUS_FAILED (a termination signal is pending, with force as well; no memory
 * to run a script). */
int callout_pre(struct callout *callout, bool force, struct error *err);
/* Tells how it ended: the script that agreed to pre, else the first that takes it. Only on a way
 * out of callout_pre() with success. */
void callout_post(struct callout *callout, enum callout_state state);
/* Tells all notifiers; also when pre refused, then with CALLOUT_NONE. */
void callout_notify(struct callout *callout, enum callout_state state);

/* Hands the new attributes of a running device (callout->dev) to its script. Errors: STATUS_FAILED
 * where no versioned script supports it, else as callout_pre(). */
int callout_live(struct callout *callout, struct error *err);

/* Replaces the attributes of a running device by what its script reports; none if there is no
 * script. Errors: as callout_pre(), and STATUS_INVALID; then dev has no attributes. */
int callout_attributes(struct callouts *callouts, struct mdev *dev, struct error *err);

/* Hands over what scripts said on stderr so far (NULL = nothing). */
char *callout_take_said(struct callouts *callouts);
