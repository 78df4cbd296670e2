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
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/signal.h"
#include "base/spawn.h"
#include "base/text.h"

/* The same on all architectures; older C libraries do not define it. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOEXEC_FLAG (1u << 2) /* CLOSE_RANGE_CLOEXEC */

/* Time after SIGTERM until a program is killed, and after SIGKILL until we stop waiting for it. */
#define GRACE_SECONDS 3

struct text {
	char *v; /* owned, with room for a NUL */
	size_t n;
	bool cut;
};

/* A running program. The arrays are by descriptor: stdin, stdout, stderr. */
struct process {
	pid_t pid;
	int signals;	 /* owned: a signalfd, readable while SIGCHLD or a signal in `wanted` is
			    pending; never read */
	sigset_t wanted; /* signals to be forwarded */
	int ours[3], theirs[3]; /* owned: the ends of its pipes; -1 = closed */
	const char *input;	/* borrowed: the rest that is to be written */
	struct text texts[3];	/* what has been read; that of stdin is unused */
	uint64_t deadline;
	unsigned stage; /* action at the deadline: 0 = SIGTERM, 1 = SIGKILL, 2 = stop waiting */
};

static void close_process(struct process *process)
{
	mem_close(&process->signals);
	for (int i = 0; i < 3; i++) {
		mem_close(&process->ours[i]);
		mem_close(&process->theirs[i]);
		free(process->texts[i].v);
	}
}
#define _cleanup_process_ __attribute__((cleanup(close_process)))

/* Only our ends are non-blocking, as programs expect blocking pipes. */
static int open_pipes(struct process *process)
{
	for (int i = 0; i < 3; i++) {
		int fds[2], write_end = i == STDIN_FILENO;

		if (pipe2(fds, O_CLOEXEC) < 0)
			return -errno;
		process->ours[i] = fds[write_end];
		process->theirs[i] = fds[!write_end];
		if (fcntl(process->ours[i], F_SETFL, O_NONBLOCK) < 0)
			return -errno;
	}
	return 0;
}

/* Opens the signalfd, or changes its signals. */
static int watch_signals(struct process *process)
{
	sigset_t all = process->wanted;

	sigaddset(&all, SIGCHLD);
	process->signals = signalfd(process->signals, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return process->signals < 0 ? -errno : 0;
}

/* Signals that are pending before the program is run are not forwarded to it. */
static int open_signals(struct process *process, bool interruptible)
{
	sigset_t pending;

	signal_termination(&process->wanted);
	sigpending(&pending);
	for (int sig = 1; sig < NSIG; sig++)
		if (!interruptible || sigismember(&pending, sig) == 1)
			sigdelset(&process->wanted, sig);
	return watch_signals(process);
}

/* Closes fds inherited from our caller: a background script would keep them open. glibc has a file
 * action for this only since 2.34 (addclosefrom_np), and musl has none. */
static int close_on_exec(void)
{
	_cleanup_names_ struct file_names fds = { 0 };

	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, CLOEXEC_FLAG) == 0)
		return 0;
	int r = file_scan(AT_FDCWD, "/proc/self/fd", &fds); /* before Linux 5.11 */
	for (int i = 0; i < fds.n; i++) {
		unsigned fd;
		if (text_number(fds.v[i]->d_name, INT_MAX, &fd) && fd > STDERR_FILENO)
			(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC); /* that of the scan is closed */
	}
	return r;
}

/* The program gets its own session, so that the time limit also terminates its children. (A process
 * group would do, but SELinux's reference policy denies setpgid() to libvirtd and what it runs.)
 * Returns 0 or a positive errno, like posix_spawn(), including errors of exec. */
static int start(struct process *process, const char *const argv[])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r = 0;

	sigemptyset(&none);
	sigfillset(&all);
	/* These only store what they are given. */
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETSID);
	(void)posix_spawn_file_actions_init(&files);
	/* In this order: the end for stdin is fd 1 or 2 if we were started with them closed. */
	for (int i = 0; i < 3 && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(&files, process->theirs[i], i);
	if (r == 0)
		r = posix_spawn(&process->pid, argv[0], &files, &attributes, (char *const *)argv,
				environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return r;
}

/* Close the pipe, which marks the end of the text, when everything is written or the reader is
 * gone. We keep the reading end open until the program has ended, so that there is no SIGPIPE. */
static void write_input(struct process *process)
{
	int *fd = &process->ours[STDIN_FILENO];
	ssize_t n = write(*fd, process->input, strlen(process->input));

	if (n > 0)
		process->input += n;
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || *process->input == '\0')
		mem_close(fd);
}

/* Reads once. Data beyond the limit is discarded, so that the program does not block, and so is
 * data for which there is no memory: the program must not run unsupervised. Returns whether there
 * was any. */
static bool read_output(struct process *process, int i)
{
	struct text *text = &process->texts[i];
	char buf[16384];

	ssize_t n = read(process->ours[i], buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		mem_close(&process->ours[i]);
		return false;
	}
	size_t room = FILE_LIMIT - text->n;
	size_t kept = (size_t)n < room ? (size_t)n : room;
	char *v = kept > 0 ? realloc(text->v, text->n + kept + 1) : NULL;
	if (v) {
		text->v = v;
		memcpy(text->v + text->n, buf, kept);
		text->n += kept;
	}
	if (!v || kept < (size_t)n)
		text->cut = true;
	return true;
}

/* Forwards each signal once. Signals are not read: they must remain pending for the caller, which
 * blocked them. SIGCHLD, which may be about another process, is: see has_ended(). */
static void forward_signals(struct process *process)
{
	static const struct timespec at_once = { 0 };
	sigset_t pending, child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigtimedwait(&child, NULL, &at_once); /* fails if it is not pending */
	sigpending(&pending);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&process->wanted, sig) == 1 && sigismember(&pending, sig) == 1) {
			(void)kill(-process->pid, sig); /* if it is gone, we see that next */
			sigdelset(&process->wanted, sig);
		}
	(void)watch_signals(process); /* cannot fail for one that is open */
}

/* Handles a deadline. Returns whether to keep waiting: a hung process survives even SIGKILL. */
static bool terminate(struct process *process)
{
	switch (process->stage++) {
	case 0:
		(void)kill(-process->pid, SIGTERM);
		break;
	case 1:
		(void)kill(-process->pid, SIGKILL);
		(void)kill(process->pid, SIGKILL); /* it may have left its process group */
		break;
	default:
		return false;
	}
	process->deadline = clock_in(GRACE_SECONDS);
	return true;
}

/* Returns whether the program has ended, without reaping it. */
static bool has_ended(const struct process *process)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == process->pid;
}

/* Like poll(). If it fails for lack of memory, all are tried after a while: none of them blocks. */
static void wait_for_any(struct pollfd *fds, nfds_t n, int timeout)
{
	static const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

	if (poll(fds, n, timeout) >= 0)
		return;
	if (errno != EINTR)
		(void)nanosleep(&pause, NULL);
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			fds[i].revents = fds[i].events;
}

/* Serves the pipes until the program itself has ended, even if other processes keep them open. */
static void serve(struct process *process)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = process->ours[STDIN_FILENO], .events = POLLOUT },
			{ .fd = process->ours[STDOUT_FILENO], .events = POLLIN },
			{ .fd = process->ours[STDERR_FILENO], .events = POLLIN },
			{ .fd = process->signals, .events = POLLIN },
		};
		int left = clock_left(process->deadline, INT_MAX);

		if (left == 0) {
			if (!terminate(process))
				return;
			continue;
		}
		wait_for_any(fds, sizeof(fds) / sizeof(fds[0]), left);
		if (fds[3].revents)
			forward_signals(process);
		if (fds[STDIN_FILENO].revents)
			write_input(process);
		for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
			if (fds[i].revents)
				(void)read_output(process, i);
		if (has_ended(process))
			return;
	}
}

/* Collects the exit status. If the program was terminated, the rest of its process group is killed
 * first: after it has been reaped, the ID of the group may be reused. */
static int reap(const struct process *process)
{
	int status = SIGKILL; /* its status if it ever returns from the kernel */

	if (process->stage > 0)
		(void)kill(-process->pid, SIGKILL);
	while (waitpid(process->pid, &status, process->stage > 2 ? WNOHANG : 0) < 0 &&
	       errno == EINTR)
		;
	return status;
}

/* Returns 0, or an error as for spawn_run(). */
static int run(struct process *process, const char *const argv[], unsigned limit_seconds,
	       bool interruptible)
{
	int r;

	if ((r = close_on_exec()) < 0 || (r = open_pipes(process)) < 0 ||
	    (r = open_signals(process, interruptible)) < 0)
		return r;
	process->deadline = clock_in(limit_seconds);
	r = start(process, argv);
	if (r != 0)
		return r == ENOENT || r == ENOEXEC ? r : -r;
	mem_close(&process->theirs[STDOUT_FILENO]);
	mem_close(&process->theirs[STDERR_FILENO]);
	serve(process);
	/* What is left in the pipes, up to the limit: a background process may keep writing. */
	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
		while (process->ours[i] >= 0 && !process->texts[i].cut && read_output(process, i))
			;
	return 0;
}

int spawn_run(const char *const argv[], const char *input, unsigned limit_seconds,
	      bool interruptible, struct spawn_result *ret)
{
	static const struct sigaction standard = { .sa_handler = SIG_DFL };
	_cleanup_process_ struct process process = {
		.signals = -1,
		.ours = { -1, -1, -1 },
		.theirs = { -1, -1, -1 },
		.input = input ? input : "",
		.texts = { [STDOUT_FILENO].v = mem_zero(1, 1), [STDERR_FILENO].v = mem_zero(1, 1) }
	};
	struct text *out = &process.texts[STDOUT_FILENO], *err = &process.texts[STDERR_FILENO];
	struct sigaction inherited = { .sa_handler = SIG_DFL }; /* seccomp may forbid the query */
	sigset_t child, old;

	/* If our caller ignores SIGCHLD, so do we, and the kernel discards exit statuses. */
	sigaction(SIGCHLD, &standard, &inherited);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &old);
	int r = run(&process, argv, limit_seconds, interruptible);
	int status = r == 0 ? reap(&process) : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	sigaction(SIGCHLD, &inherited, NULL);
	if (r != 0)
		return r;

	for (size_t i = 0; i < err->n; i++)
		if (err->v[i] == '\0')
			err->v[i] = '?';
	out->v[out->n] = err->v[err->n] = '\0';
	*ret = (struct spawn_result){ .wait_status = status,
				      .timed_out = process.stage > 0,
				      .out_cut = out->cut,
				      .out = out->v,
				      .out_len = out->n,
				      .err = err->v };
	out->v = err->v = NULL; /* moved */
	return 0;
}

void spawn_result_free(struct spawn_result *result)
{
	free(result->out);
	free(result->err);
	*result = (struct spawn_result){ 0 };
}

int spawn_become(const char *name, char *const argv[])
{
	char path[PATH_MAX + NAME_MAX];

	char *slash =
		file_read_link(AT_FDCWD, "/proc/self/exe", path) < 0 ? NULL : strrchr(path, '/');
	if (slash) {
		snprintf(slash + 1, NAME_MAX, "%s", name);
		execv(path, argv);
	}
	snprintf(path, sizeof(path), "%s/%s", LIBEXECDIR, name);
	execv(path, argv);
	return errno;
}
