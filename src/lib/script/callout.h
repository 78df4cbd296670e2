/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/spawn.h"
#include "device/mdev.h"
#include "host/env.h"
#include "script/scripts.h"

/*
 * The script protocol of mdevctl-callout(7). Callouts can refuse a change (pre), learn its result
 * (post), and get and set attributes of running devices (get, live); notifiers are informed
 * afterwards. All scripts are direct children of this process.
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

enum callout_event { EVENT_PRE, EVENT_POST, EVENT_NOTIFY, EVENT_GET, EVENT_LIVE };

enum callout_state { CALLOUT_NONE, CALLOUT_SUCCESS, CALLOUT_FAILURE };

/* Returns "start", "stop", ..., as used in the protocol, in messages and in the journal. */
const char *action_name(enum action action);

/* Information about the scripts of one parent and type. Private. */
struct callout_choice;

struct callouts {
	const struct env *env;
	struct scripts callouts, notifiers; /* owned: searched for once per process */
	struct callout_choice *choices;	    /* owned: capabilities are requested once per process */
	size_t n_choices;
	bool print;   /* print the stderr output of scripts immediately */
	char *output; /* owned: that output since callout_take_output(), for the journal */
};
/* Without print, the caller sends the stderr output of scripts to the journal, which is its own
 * stderr. */
void callouts_open(struct callouts *callouts, const struct env *env, bool print);
void callouts_close(struct callouts *callouts);
#define _cleanup_callouts_ __attribute__((cleanup(callouts_close)))

/* A change of a device: the script that accepts pre also gets post. */
struct callout {
	struct callouts *all; /* borrowed */
	enum action action;
	const struct mdev *dev; /* borrowed */
	char *input; /* owned: the device as JSON, the same for pre and post; NULL = no scripts */
	const char *script; /* borrowed: that which accepted pre and is called alone; NULL = none */
	enum callout_event event;   /* the event that is being sent */
	enum callout_state state;   /* the result of the change in it; NONE = not made yet */
	struct spawn_result result; /* owned: of the script that was run last */
};
void callout_begin(struct callout *callout, struct callouts *all, enum action action,
		   const struct mdev *dev);
void callout_end(struct callout *callout);
#define _cleanup_callout_ __attribute__((cleanup(callout_end)))

/* Calls the scripts before the change. With force, a refusal is only a warning. Errors:
 * STATUS_REFUSED, STATUS_TIMED_OUT, STATUS_FAILED (a termination signal is pending, even with
 * force; no memory to run a script). */
int callout_pre(struct callout *callout, bool force, struct error *err);
/* Reports the result to the script that accepted pre, or else to the first one that handles the
 * device. Call it only after callout_pre() has succeeded. */
void callout_post(struct callout *callout, enum callout_state state);
/* Runs all notifiers, also if pre was refused, with the state that callouts were sent last. */
void callout_notify(struct callout *callout);

/* Passes the new attributes of a running device (callout->dev) to its script. Errors: STATUS_FAILED
 * if no versioned script supports this; otherwise as for callout_pre(). */
int callout_live(struct callout *callout, struct error *err);

/* Replaces the attributes of a running device with those that its script reports; none if there is
 * no script. Errors: as for callout_pre(), and STATUS_INVALID; dev has no attributes then. */
int callout_attributes(struct callouts *callouts, struct mdev *dev, struct error *err);

/* Returns the stderr output of scripts so far (NULL = none) and transfers its ownership. */
char *callout_take_output(struct callouts *callouts);
