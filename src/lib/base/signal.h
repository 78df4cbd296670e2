/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

/*
 * Termination signals during a change: those that end a program by default and that people, timers
 * and limits send. They are blocked, so that the program terminates only when the device and the
 * scripts are in a known state; functions that wait check whether one is pending.
 */

/* Returns the termination signals that are not ignored. An ignored signal (nohup, a background job)
 * becomes pending when it is blocked, but must not have any effect. */
void signal_termination(sigset_t *ret);

/* Blocks the termination signals. *ret_old is set to the previous mask, to be restored with
 * sigprocmask(); NULL = it will not be. SIGPIPE and SIGXFSZ are answers to a write of our own, and
 * no request to end: SIGPIPE is blocked as well, SIGXFSZ ignored for good, so that the write fails
 * and is reported. */
void signal_block(sigset_t *ret_old);

/* Returns the termination signal that is blocked and pending in this process, or 0. */
int signal_pending_termination(void);

/* The same, and takes it, for work that has to be done first: the caller raises it afterwards. */
int signal_take(void);
