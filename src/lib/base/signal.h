/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

/*
 * Termination signals (SIGINT, SIGTERM, SIGHUP) during a change. They are blocked, so that the
 * program terminates only when the device and the scripts are in a known state; functions that wait
 * check whether one is pending.
 */

/* Returns the termination signals that are not ignored. An ignored signal (nohup, a background job)
 * becomes pending when it is blocked, but must not have any effect. */
void signal_termination(sigset_t *ret);

/* Blocks the termination signals. *ret_old is set to the previous mask, to be restored with
 * sigprocmask(). */
void signal_block(sigset_t *ret_old);

/* Returns the termination signal that is blocked and pending in this process, or 0. */
int signal_pending_termination(void);
