/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/signal.h"

static const int termination[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,	 SIGUSR2,
				   SIGALRM, SIGTERM, SIGXCPU, SIGVTALRM, SIGPROF };
#define N_TERMINATION (sizeof(termination) / sizeof(termination[0]))

static bool is_ignored(int sig)
{
	struct sigaction action;

	return sigaction(sig, NULL, &action) < 0 || action.sa_handler == SIG_IGN;
}

void signal_termination(sigset_t *ret)
{
	sigemptyset(ret);
	for (size_t i = 0; i < N_TERMINATION; i++)
		if (!is_ignored(termination[i]))
			sigaddset(ret, termination[i]);
}

int signal_pending_termination(void)
{
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < N_TERMINATION; i++)
		if (sigismember(&pending, termination[i]) == 1 && !is_ignored(termination[i]))
			return termination[i];
	return 0;
}

/* Whether a signal is ignored matters only when it is pending. */
void signal_block(sigset_t *ret_old)
{
	static bool done;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < N_TERMINATION; i++)
		sigaddset(&set, termination[i]);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, ret_old);
	if (!done)
		(void)signal(SIGXFSZ, SIG_IGN);
	done = true;
}

int signal_take(void)
{
	static const struct timespec at_once = { 0 };
	sigset_t all;
	int first = 0;

	signal_termination(&all);
	for (int sig; (sig = sigtimedwait(&all, NULL, &at_once)) > 0;)
		first = first ? first : sig;
	return first;
}
