/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of base/spawn that shell tests cannot cover: our own process before and after a script, and
 * signals. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/signal.h"
#include "base/spawn.h"

static int shell(const char *script, const char *input, unsigned limit, struct spawn_result *ret)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	return spawn_run(argv, input, limit, true, ret);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_streams(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	assert(shell("tr a-z A-Z; echo why >&2; exit 7", "abc", 10, &result) == 0);
	assert(strcmp(result.out, "ABC") == 0 && result.out_len == 3);
	assert(strcmp(result.err, "why\n") == 0);
	assert(WIFEXITED(result.wait_status) && WEXITSTATUS(result.wait_status) == 7);
	assert(!result.timed_out && !result.out_cut);
}

/* A script may open its stdin by name, like jq and cat /dev/stdin: it must be a pipe. */
static void test_stdin_by_name(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	assert(shell("test -p /dev/stdin && cat /dev/stdin", "{}", 10, &result) == 0);
	assert(strcmp(result.out, "{}") == 0);
}

static void test_empty_stdin(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	assert(shell("cat; echo end", NULL, 10, &result) == 0);
	assert(strcmp(result.out, "end\n") == 0);
	assert(strcmp(result.err, "") == 0);
}

static void test_nuls(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	assert(shell("printf 'a\\0b'; printf 'c\\0d' >&2", NULL, 10, &result) == 0);
	assert(result.out_len == 3 && memcmp(result.out, "a\0b", 4) == 0);
	assert(strcmp(result.err, "c?d") == 0);
}

/* More data than the capacity of a pipe, in both directions, also for a script that does not read,
 * or stops reading. */
static void test_large_input(void)
{
	static char input[FILE_LIMIT + 1];
	struct sigaction action;
	sigset_t pending;

	memset(input, 'x', FILE_LIMIT);
	for (int i = 0; i < 3; i++) {
		static const char *const scripts[] = { "cat", "exec <&-; echo end",
						       "head -c 1 >&2; echo end" };
		_cleanup_spawn_ struct spawn_result result = { 0 };

		assert(shell(scripts[i], input, 10, &result) == 0);
		assert(result.out_len == (i == 0 ? FILE_LIMIT : 4));
		assert(WIFEXITED(result.wait_status) && !result.timed_out && !result.out_cut);
	}
	assert(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 0);
	assert(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
}

/* The memory usage of this process does not grow while a script writes a gigabyte to both pipes. */
static void test_gigabyte(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };
	struct rusage usage;

	assert(shell("head -c 1G /dev/zero; head -c 64M /dev/zero >&2; exit 3", NULL, 600,
		     &result) == 0);
	assert(WEXITSTATUS(result.wait_status) == 3 && result.out_cut);
	assert(result.out_len == FILE_LIMIT && strlen(result.err) == FILE_LIMIT);
	assert(getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss < 256 * 1024);
}

static void test_pipes_closed_early(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	assert(shell("exec <&- >&- 2>&-; exit 5", "text", 10, &result) == 0);
	assert(WEXITSTATUS(result.wait_status) == 5 && result.out_len == 0);
}

/* A background process keeps all pipes open and writes to them: only the script itself is waited
 * for. */
static void test_background(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };
	double begin = seconds();
	int child;

	assert(shell("(trap '' PIPE; while :; do echo y || sleep 0.1; done 2>&1) & "
		     "echo $! >&2; exit 0",
		     NULL, 600, &result) == 0);
	assert(seconds() - begin < 300 && !result.timed_out);
	assert(sscanf(result.err, "%d", &child) == 1);
	assert(kill(child, SIGKILL) == 0); /* it is still running: it was not killed */
}

/* Runs a script that hangs after it has printed "ready". A slow machine does not get that far
 * within the limit, and is given more time. */
static void hangs(const char *script, struct spawn_result *ret)
{
	for (unsigned limit = 1;; limit *= 2) {
		assert(limit < 200 && shell(script, NULL, limit, ret) == 0 && ret->timed_out);
		if (strstr(ret->out, "ready\n"))
			return;
		spawn_result_free(ret);
	}
}

/* SIGTERM first, so that a script can clean up, and its reply is ignored. */
static void test_limit(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	hangs("trap 'echo over; exit 0' TERM; echo ready; while :; do sleep 0.1; done", &result);
	assert(strcmp(result.out, "ready\nover\n") == 0);
}

/* Gone, or a zombie that its new parent has not reaped yet. */
static bool is_gone(pid_t pid)
{
	_cleanup_free_ char *path = mem_printf("/proc/%d/stat", pid);
	char text[256] = "";

	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || strstr(text, ") Z ");
}

static void wait_until_gone(pid_t pid)
{
	double begin = seconds();

	while (!is_gone(pid)) {
		assert(seconds() - begin < 120);
		usleep(1000);
	}
}

/* SIGKILL for processes that ignore SIGTERM: the script and its children. */
static void test_limit_kill(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	hangs("trap '' TERM; sleep 1000 & echo $! >&2; echo ready; while :; do sleep 0.1; done",
	      &result);
	assert(WTERMSIG(result.wait_status) == SIGKILL);
	wait_until_gone(atoi(result.err));
}

/* Processes left by a script that was terminated by SIGTERM are killed as well. */
static void test_limit_leftover(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	hangs("(trap '' TERM; echo ready; sleep 1000) & echo $! >&2; exec sleep 1000", &result);
	assert(WTERMSIG(result.wait_status) == SIGTERM);
	wait_until_gone(atoi(result.err));
}

static void test_not_run(void)
{
	static const struct {
		const char *text;
		mode_t mode;
		int error;
	} cases[] = { { "#!/nonexistent/interpreter\n", 0755, ENOENT },
		      { "no first line\n", 0755, ENOEXEC },
		      { "#!/bin/sh\n", 0644, -EACCES } };
	char path[] = "/tmp/spawn-XXXXXX";
	const char *const argv[] = { path, NULL };
	int fd = mkstemp(path);

	close(fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct spawn_result result = { .wait_status = 1234 };
		FILE *file = fopen(path, "w");

		fputs(cases[i].text, file);
		fclose(file);
		chmod(path, cases[i].mode);
		assert(spawn_run(argv, "input", 10, true, &result) == cases[i].error);
		assert(result.wait_status == 1234); /* untouched */
	}
	unlink(path);
	assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD); /* no child is left to reap */
}

/* The script starts with a clean state, regardless of signals that its caller ignores or blocks,
 * and without our fds. The state of the caller does not change. */
static void test_clean_start(void)
{
	static const struct sigaction ignore = { .sa_handler = SIG_IGN };
	static const struct sigaction standard = { .sa_handler = SIG_DFL };
	static const int all[] = { SIGPIPE, SIGCHLD, SIGHUP, SIGINT };
	_cleanup_spawn_ struct spawn_result result = { 0 };
	struct sigaction action;
	sigset_t set, old, after;
	int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, like a careless caller */

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (size_t i = 0; i < 4; i++)
		sigaction(all[i], &ignore, NULL);
	/* Not with dash, which clears its signal mask itself. */
	const char *const argv[] = { "/bin/grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status",
				     NULL };
	assert(spawn_run(argv, NULL, 10, true, &result) == 0);
	for (size_t i = 0; i < 4; i++) {
		sigaction(all[i], NULL, &action);
		assert(action.sa_handler == SIG_IGN);
		sigaction(all[i], &standard, NULL);
	}
	sigprocmask(SIG_SETMASK, &old, &after);
	assert(sigismember(&after, SIGUSR1) == 1);
	unsigned long long blocked, ignored;
	assert(sscanf(result.out, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored) == 2);
	assert(blocked == 0 && (ignored & 0x7fffffff) == 0); /* glibc reserves 32 and 33 */
	assert(WIFEXITED(result.wait_status) && WEXITSTATUS(result.wait_status) == 0);

	spawn_result_free(&result);
	assert(shell("echo $PPID; ps -o pgid= -p $$; echo $$; ls /proc/$$/fd; true", NULL, 10,
		     &result) == 0);
	int parent, group, pid, n;
	assert(sscanf(result.out, "%d %d %d %n", &parent, &group, &pid, &n) == 3);
	assert(parent == getpid() && group == pid);
	assert(strcmp(result.out + n, "0\n1\n2\n") == 0);
	close(leak);
}

/* Waits until the script has created this file, or our parent, which runs it, is gone. */
static void wait_for_file(const char *path, pid_t parent)
{
	while (access(path, F_OK) != 0) {
		if (getppid() != parent)
			_exit(1);
		usleep(1000);
	}
}

/* Sends a signal to this process after the script has created dir/ready, then lets the script end:
 * when it has got the signal, or, if it should not get it, after a while. */
static pid_t signal_later(const char *dir, int sig, bool forwarded)
{
	_cleanup_free_ char *ready = mem_printf("%s/ready", dir);
	_cleanup_free_ char *got = mem_printf("%s/got", dir);
	_cleanup_free_ char *end = mem_printf("%s/end", dir);
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	wait_for_file(ready, parent);
	kill(parent, sig);
	if (forwarded)
		wait_for_file(got, parent);
	else
		usleep(300 * 1000); /* a signal that is forwarded by mistake arrives first */
	close(open(end, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	_exit(0);
}

/* A blocked signal is forwarded to the script once, and remains pending. This excludes signals that
 * were pending before or are ignored, and scripts that must not be interrupted. */
static void test_forwarded_signals(void)
{
	static const struct {
		int sig;
		bool before, interruptible, ignored;
		const char *out;
	} cases[] = {
		{ SIGTERM, false, true, false, "TERM\n" }, { SIGINT, false, true, false, "INT\n" },
		{ SIGHUP, false, true, false, "HUP\n" },   { SIGTERM, true, true, false, "" },
		{ SIGTERM, false, false, false, "" },	   { SIGHUP, false, true, true, "" }
	};
	static const char script[] = "cd \"$0\"; for s in TERM INT HUP; do\n"
				     "trap \"echo $s; : > got\" $s; done; : > ready\n"
				     "until test -e end; do sleep 0.05; done; rm -f ready got end";
	sigset_t set, old;
	char dir[] = "/tmp/spawn-XXXXXX";
	int sig;

	assert(mkdtemp(dir));
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const argv[] = { "/bin/sh", "-c", script, dir, NULL };
		_cleanup_spawn_ struct spawn_result result = { 0 };

		assert(signal_pending_termination() == 0);
		signal(SIGHUP, cases[i].ignored ? SIG_IGN : SIG_DFL);
		pid_t sender = signal_later(dir, cases[i].sig, *cases[i].out != '\0');
		if (cases[i].before)
			kill(getpid(), cases[i].sig);
		assert(spawn_run(argv, NULL, 600, cases[i].interruptible, &result) == 0);
		assert(strcmp(result.out, cases[i].out) == 0);
		assert(waitpid(sender, NULL, 0) == sender);
		assert(signal_pending_termination() == (cases[i].ignored ? 0 : cases[i].sig));
		assert(sigwait(&set, &sig) == 0 && sig == cases[i].sig);
	}
	assert(signal_pending_termination() == 0);
	signal(SIGHUP, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	rmdir(dir);
}

/* If started with closed standard descriptors, the pipes get their numbers. */
static void test_closed_standard_fds(void)
{
	for (int closed = 0; closed < 8; closed++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			struct spawn_result result = { 0 };

			for (int fd = 0; fd < 3; fd++)
				if (closed & 1 << fd)
					close(fd);
			if (shell("cat; echo err >&2", "in", 10, &result) != 0)
				_exit(1);
			_exit(strcmp(result.out, "in") || strcmp(result.err, "err\n") ? 2 : 0);
		}
		assert(waitpid(pid, &status, 0) == pid);
		assert(status == 0);
	}
}

/* Without free fds: an error, and nothing is run. */
static void test_no_fds(void)
{
	struct rlimit old, none;

	assert(getrlimit(RLIMIT_NOFILE, &old) == 0);
	for (rlim_t fds = 3; fds < 10; fds++) {
		struct spawn_result result = { 0 };

		none = old;
		none.rlim_cur = fds;
		setrlimit(RLIMIT_NOFILE, &none);
		assert(shell("echo", NULL, 10, &result) == -EMFILE);
		assert(!result.out && !result.err);
	}
	setrlimit(RLIMIT_NOFILE, &old);
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert(next == 3); /* all were closed */
	close(next);
}

static int poll_error, polls;

/* Replaces that of the C library. */
int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	const struct timespec time = { .tv_sec = timeout / 1000,
				       .tv_nsec = timeout % 1000 * 1000000L };

	polls++;
	if (poll_error == 0)
		return ppoll(fds, n, &time, NULL);
	errno = poll_error;
	return -1;
}

/* Without memory for poll(), the program is served all the same, and we do not run at full speed.
 */
static void test_no_memory_to_wait(void)
{
	_cleanup_spawn_ struct spawn_result result = { 0 };

	polls = 0;
	poll_error = ENOMEM;
	assert(shell("cat; sleep 0.5; echo end >&2; exit 3", "text", 10, &result) == 0);
	poll_error = 0;
	assert(strcmp(result.out, "text") == 0 && strcmp(result.err, "end\n") == 0);
	assert(WIFEXITED(result.wait_status) && WEXITSTATUS(result.wait_status) == 3);
	assert(polls < 100); /* every 20 ms */
}

int main(void)
{
	for (int fd = 3; fd < 64; fd++) /* those of the test runner */
		close(fd);
	test_streams();
	test_stdin_by_name();
	test_empty_stdin();
	test_nuls();
	test_large_input();
	test_gigabyte();
	test_pipes_closed_early();
	test_background();
	test_limit();
	test_limit_kill();
	test_limit_leftover();
	test_not_run();
	test_clean_start();
	test_forwarded_signals();
	test_closed_standard_fds();
	test_no_fds();
	test_no_memory_to_wait();
	return 0;
}
