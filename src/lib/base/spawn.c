/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/signal.h"
#include "base/spawn.h"

/* How long a program whose time is over has to go before it is killed, and then to be gone. */
#define GRACE_SECONDS 3

/* A pipe, or what is left open of it; -1 = closed. */
struct pipe {
	int read;
	int write;
};

struct text {
	char *v; /* owned, without NUL */
	size_t n;
	bool cut;
};

/* A running program: our ends of its pipes and what came through them. */
struct run {
	pid_t pid;
	int ended;   /* owned: a pidfd, readable once it has ended */
	int signals; /* owned: a signalfd, readable while one of `wanted` is pending; never read */
	sigset_t wanted;
	struct pipe in, out, err; /* owned */
	const char *input;	  /* borrowed: what is still to be written */
	struct text answer, complaint;
	int64_t deadline;
	unsigned stage; /* what is due at the deadline: 0 = TERM, 1 = KILL, 2 = giving up */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_end(int *fd)
{
	mem_close(fd);
	*fd = -1;
}

static void close_run(struct run *run)
{
	int *const fds[] = { &run->ended,    &run->signals,   &run->in.read,  &run->in.write,
			     &run->out.read, &run->out.write, &run->err.read, &run->err.write };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close_end(fds[i]);
	free(run->answer.v);
	free(run->complaint.v);
}
#define _cleanup_run_ __attribute__((cleanup(close_run)))

static int open_pipe(struct pipe *ret)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret = (struct pipe){ fds[0], fds[1] };
	return 0;
}

/* Only our ends: the program's must block as its author expects. */
static int open_pipes(struct run *run)
{
	int r;

	if ((r = open_pipe(&run->in)) < 0 || (r = open_pipe(&run->out)) < 0 ||
	    (r = open_pipe(&run->err)) < 0)
		return r;
	if (fcntl(run->in.write, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(run->out.read, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(run->err.read, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* Signals that are pending already were known before the program was run, so they are not for it.
 */
static int open_signals(struct run *run, bool interruptible)
{
	sigset_t pending;

	signal_termination(&run->wanted);
	sigpending(&pending);
	for (int sig = 1; sig < NSIG; sig++)
		if (!interruptible || sigismember(&pending, sig) == 1)
			sigdelset(&run->wanted, sig);
	run->signals = signalfd(-1, &run->wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signals < 0 ? -errno : 0;
}

/* In this order: the end for stdin may itself be fd 1 or 2 if we were started without them. */
static int set_files(posix_spawn_file_actions_t *files, const struct run *run)
{
	int r = posix_spawn_file_actions_adddup2(files, run->in.read, STDIN_FILENO);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(files, run->out.write, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(files, run->err.write, STDERR_FILENO);
	/* What our own caller let through: a script in the background would hold it open. */
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	return r;
}

/* The group is what a time limit ends, so it is the program's own, with what it starts. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	int r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attributes, 0);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
								 POSIX_SPAWN_SETSIGDEF |
								 POSIX_SPAWN_SETPGROUP);
	return r;
}

/* As posix_spawn(): 0 or a positive errno, that of exec included. */
static int start(struct run *run, const char *const argv[])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;

	int r = posix_spawn_file_actions_init(&files);
	if (r != 0)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = set_files(&files, run);
		if (r == 0)
			r = set_attributes(&attributes);
		if (r == 0)
			r = posix_spawn(&run->pid, argv[0], &files, &attributes,
					(char *const *)argv, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* Nobody reads any more, or all is written: closing is the end of the text. The reading end stays
 * open on our side until the program has ended, so writing never meets EPIPE or SIGPIPE. */
static void feed(struct run *run)
{
	ssize_t n = write(run->in.write, run->input, strlen(run->input));

	if (n > 0)
		run->input += n;
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || *run->input == '\0')
		close_end(&run->in.write);
}

/* Reads once. What is beyond the limit is dropped, so that the program can go on writing. Returns
 * how many bytes were read. */
static size_t collect(int *fd, struct text *text)
{
	char buf[16384];

	ssize_t n = read(*fd, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		close_end(fd);
		return 0;
	}
	size_t room = FILE_LIMIT - text->n;
	size_t kept = (size_t)n < room ? (size_t)n : room;
	if (kept < (size_t)n)
		text->cut = true;
	if (kept > 0) {
		text->v = mem_grow(text->v, text->n + kept, 1);
		memcpy(text->v + text->n, buf, kept);
		text->n += kept;
	}
	return (size_t)n;
}

/* What is in the pipe at this moment and no more: a child in the background may write for ever. */
static void drain(int *fd, struct text *text)
{
	int left = 0;

	if (*fd < 0 || ioctl(*fd, FIONREAD, &left) < 0)
		return;
	while (left > 0) {
		size_t n = collect(fd, text);
		if (n == 0)
			return;
		left -= (int)n;
	}
}

/* Each signal once. It is looked at, not read: it has to stay pending for whoever blocked it. */
static void hand_on(struct run *run)
{
	sigset_t pending;

	sigpending(&pending);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&run->wanted, sig) == 1 && sigismember(&pending, sig) == 1) {
			(void)kill(-run->pid, sig); /* gone already: its end is seen next */
			sigdelset(&run->wanted, sig);
		}
	if (signalfd(run->signals, &run->wanted, 0) < 0)
		close_end(&run->signals);
}

/* Its time is over. Returns whether it is worth waiting on: a process that hangs in the kernel
 * survives even KILL. */
static bool end(struct run *run)
{
	switch (run->stage++) {
	case 0:
		(void)kill(-run->pid, SIGTERM);
		break;
	case 1:
		(void)kill(-run->pid, SIGKILL);
		(void)kill(run->pid, SIGKILL); /* it may have left its group */
		break;
	default:
		return false;
	}
	run->deadline = now_ms() + GRACE_SECONDS * 1000;
	return true;
}

/* Until the program itself has ended, whoever else holds its pipes. */
static void attend(struct run *run)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = run->ended, .events = POLLIN },
			{ .fd = run->signals, .events = POLLIN },
			{ .fd = run->in.write, .events = POLLOUT },
			{ .fd = run->out.read, .events = POLLIN },
			{ .fd = run->err.read, .events = POLLIN },
		};
		int64_t left = run->deadline - now_ms();

		if (left <= 0) {
			if (!end(run))
				return;
			continue;
		}
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), left < INT_MAX ? (int)left : INT_MAX) <
		    0)
			continue;
		if (fds[2].revents)
			feed(run);
		if (fds[3].revents)
			(void)collect(&run->out.read, &run->answer);
		if (fds[4].revents)
			(void)collect(&run->err.read, &run->complaint);
		if (fds[1].revents)
			hand_on(run);
		if (fds[0].revents)
			return;
	}
}

/* Takes the exit status. Before that, what a program that was ended leaves of its group goes, too:
 * once it is reaped the number of the group may be another's. */
static int reap(struct run *run)
{
	int status = SIGKILL; /* what it will be if it ever comes back from the kernel */

	if (run->stage > 0)
		(void)kill(-run->pid, SIGKILL);
	while (waitpid(run->pid, &status, run->stage > 2 ? WNOHANG : 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Hands a text over to the caller, with a NUL behind it. */
static char *hand_over(struct text *text)
{
	char *v = mem_grow(text->v, text->n + 1, 1);

	v[text->n] = '\0';
	text->v = NULL;
	return v;
}

static int run_child(struct run *run, const char *const argv[], unsigned limit_seconds,
		     bool interruptible)
{
	int r;

	if ((r = open_pipes(run)) < 0 || (r = open_signals(run, interruptible)) < 0)
		return r;
	run->deadline = now_ms() + (int64_t)limit_seconds * 1000;
	r = start(run, argv);
	if (r != 0)
		return -r;
	close_end(&run->out.write);
	close_end(&run->err.write);
	run->ended = (int)syscall(SYS_pidfd_open, run->pid, 0);
	if (run->ended < 0) { /* only where fds or memory are out: it must not run unattended */
		r = -errno;
		run->stage = 1;
		(void)reap(run);
		return r;
	}
	attend(run);
	drain(&run->out.read, &run->answer);
	drain(&run->err.read, &run->complaint);
	return 0;
}

int spawn_run(const char *const argv[], const char *input, unsigned limit_seconds,
	      bool interruptible, struct spawn_result *ret)
{
	static const struct sigaction standard = { .sa_handler = SIG_DFL };
	_cleanup_run_ struct run run = { .ended = -1,
					 .signals = -1,
					 .in = { -1, -1 },
					 .out = { -1, -1 },
					 .err = { -1, -1 },
					 .input = input ? input : "" };
	struct sigaction inherited;

	/* Where our caller ignores SIGCHLD, so do we, and the kernel drops exit statuses. */
	sigaction(SIGCHLD, &standard, &inherited);
	int r = run_child(&run, argv, limit_seconds, interruptible);
	int status = r < 0 ? 0 : reap(&run);
	sigaction(SIGCHLD, &inherited, NULL);
	if (r < 0)
		return r;

	for (size_t i = 0; i < run.complaint.n; i++)
		if (run.complaint.v[i] == '\0')
			run.complaint.v[i] = '?';
	*ret = (struct spawn_result){ .wait_status = status,
				      .timed_out = run.stage > 0,
				      .out_cut = run.answer.cut,
				      .out_len = run.answer.n };
	ret->out = hand_over(&run.answer);
	ret->err = hand_over(&run.complaint);
	return 0;
}

void spawn_result_free(struct spawn_result *result)
{
	free(result->out);
	free(result->err);
	*result = (struct spawn_result){ 0 };
}
