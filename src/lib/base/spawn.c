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
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/signal.h"
#include "base/spawn.h"

/* The same on all architectures; older C libraries do not define it. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* Time after SIGTERM until a program is killed, and after SIGKILL until we stop waiting for it. */
#define GRACE_SECONDS 3
/* Interval at which we check whether a program has ended if the kernel has no pidfd. */
#define ASK_EVERY_MS 20

/* The ends of a pipe; -1 = closed. */
struct pipe {
	int read;
	int write;
};

struct text {
	char *v; /* owned, not NUL-terminated */
	size_t n;
	bool cut;
};

/* A running program: our ends of its pipes, and the data read from them. */
struct run {
	pid_t pid;
	int ended;   /* owned: a pidfd, readable when the program has ended; -1 = there is none */
	int signals; /* owned: a signalfd, readable while a signal in `wanted` is pending; never
			read */
	sigset_t wanted;
	struct pipe in, out, err; /* owned */
	const char *input;	  /* borrowed: the rest that is to be written */
	struct text answer, complaint;
	uint64_t deadline;
	unsigned stage; /* action at the deadline: 0 = SIGTERM, 1 = SIGKILL, 2 = stop waiting */
};

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

/* Only our ends are non-blocking, as programs expect blocking pipes. */
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

/* Excludes signals that were already pending before the program was run; they are not forwarded to
 * it. */
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

/* Closes fds inherited from our caller: a background script would keep them open. glibc has a file
 * action for this only since 2.34 (addclosefrom_np), and musl has none. */
static int close_on_exec(void)
{
	_cleanup_names_ struct file_names fds = { 0 };

	int r = file_scan(AT_FDCWD, "/proc/self/fd", &fds);
	if (r < 0)
		return r;
	for (int i = 0; i < fds.n; i++) {
		unsigned long fd = strtoul(fds.v[i]->d_name, NULL, 10);
		if (fd > STDERR_FILENO) /* fails for that of the scan, which is closed */
			(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	}
	return 0;
}

/* The order matters: the end for stdin may be fd 1 or 2 if we were started with them closed. */
static int set_files(posix_spawn_file_actions_t *files, const struct run *run)
{
	int r = posix_spawn_file_actions_adddup2(files, run->in.read, STDIN_FILENO);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(files, run->out.write, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(files, run->err.write, STDERR_FILENO);
	return r;
}

/* The program gets its own process group, so that the time limit also terminates its children. */
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

/* Returns 0 or a positive errno, like posix_spawn(), including errors of exec. */
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

/* Close the pipe, which marks the end of the text, when everything is written or the reader is
 * gone. We keep the reading end open until the program has ended, so writing never causes EPIPE or
 * SIGPIPE. */
static void feed(struct run *run)
{
	ssize_t n = write(run->in.write, run->input, strlen(run->input));

	if (n > 0)
		run->input += n;
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || *run->input == '\0')
		close_end(&run->in.write);
}

/* Reads once. Data beyond the limit is discarded, so that the program does not block. Returns the
 * number of bytes read. */
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

/* Reads what is currently in the pipe, but no more: a background process may keep writing. */
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

/* Forwards each signal once. Signals are not read: they must remain pending for the caller, which
 * blocked them. */
static void hand_on(struct run *run)
{
	sigset_t pending;

	sigpending(&pending);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&run->wanted, sig) == 1 && sigismember(&pending, sig) == 1) {
			(void)kill(-run->pid, sig); /* if it is gone, the pidfd shows it next */
			sigdelset(&run->wanted, sig);
		}
	if (signalfd(run->signals, &run->wanted, 0) < 0)
		close_end(&run->signals);
}

/* Handles an expired deadline. Returns whether to keep waiting: a process that hangs in the kernel
 * survives even SIGKILL. */
static bool end(struct run *run)
{
	switch (run->stage++) {
	case 0:
		(void)kill(-run->pid, SIGTERM);
		break;
	case 1:
		(void)kill(-run->pid, SIGKILL);
		(void)kill(run->pid, SIGKILL); /* it may have left its process group */
		break;
	default:
		return false;
	}
	run->deadline = clock_in(GRACE_SECONDS);
	return true;
}

/* Returns whether the program has ended, without reaping it. */
static bool has_ended(const struct run *run)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == run->pid;
}

/* Serves the pipes until the program itself has ended, even if other processes keep them open. */
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
		int left = clock_left(run->deadline, run->ended < 0 ? ASK_EVERY_MS : INT_MAX);

		if (left == 0) {
			if (!end(run))
				return;
			continue;
		}
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), left) < 0)
			continue;
		if (fds[2].revents)
			feed(run);
		if (fds[3].revents)
			(void)collect(&run->out.read, &run->answer);
		if (fds[4].revents)
			(void)collect(&run->err.read, &run->complaint);
		if (fds[1].revents)
			hand_on(run);
		if (fds[0].revents || (run->ended < 0 && has_ended(run)))
			return;
	}
}

/* Collects the exit status. If the program was terminated, the rest of its process group is killed
 * first: after it has been reaped, the ID of the group may be reused. */
static int reap(struct run *run)
{
	int status = SIGKILL; /* its status if it ever returns from the kernel */

	if (run->stage > 0)
		(void)kill(-run->pid, SIGKILL);
	while (waitpid(run->pid, &status, run->stage > 2 ? WNOHANG : 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Transfers a text to the caller, NUL-terminated. */
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

	if ((r = close_on_exec()) < 0 || (r = open_pipes(run)) < 0 ||
	    (r = open_signals(run, interruptible)) < 0)
		return r;
	run->deadline = clock_in(limit_seconds);
	r = start(run, argv);
	if (r != 0)
		return -r;
	close_end(&run->out.write);
	close_end(&run->err.write);
	run->ended = (int)syscall(SYS_pidfd_open, run->pid, 0);
	/* Before Linux 5.3 there is none, and older system call filters reject it. Otherwise we are
	 * out of fds or memory, and the program must not run unsupervised. */
	if (run->ended < 0 && errno != ENOSYS && errno != EPERM) {
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
	struct sigaction inherited = { .sa_handler = SIG_DFL }; /* seccomp may forbid the query */

	/* If our caller ignores SIGCHLD, so do we, and the kernel discards exit statuses. */
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
