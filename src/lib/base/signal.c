/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "base/signal.h"

/* Excludes ignored signals (nohup, a background job): they become pending when they are blocked,
 * but must not have any effect. */
void signal_termination(sigset_t *ret)
{
	static const int all[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,	 SIGALRM,
				   SIGUSR1, SIGUSR2, SIGXCPU, SIGVTALRM, SIGPROF };
	struct sigaction action;

	sigemptyset(ret);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (sigaction(all[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(ret, all[i]);
}

int signal_pending_termination(void)
{
	sigset_t all, pending;

	signal_termination(&all);
	sigpending(&pending);
	sigandset(&all, &all, &pending);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&all, sig) == 1)
			return sig;
	return 0;
}

void signal_block(sigset_t *ret_old)
{
	sigset_t set;

	signal_termination(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, ret_old);
	(void)signal(SIGXFSZ, SIG_IGN);
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
