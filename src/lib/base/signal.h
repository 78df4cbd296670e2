/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

/*
 * Termination signals (INT, TERM, HUP) while a change is in progress: they are blocked, so that
 * they end the program only once the device and the scripts are in a known state, and whoever
 * waits looks at whether one is pending.
 */

/* The termination signals that are not ignored (nohup, a background job): an ignored one becomes
 * pending when it is blocked, but it must end nothing. */
void signal_termination(sigset_t *ret);

/* Blocks the termination signals. *ret_old gets the mask to restore with sigprocmask(). */
void signal_block(sigset_t *ret_old);

/* The termination signal that is blocked and pending in this process, or 0. */
int signal_pending_termination(void);
