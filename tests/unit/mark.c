/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host/mark: distinguishes starts that are in progress, have completed, or were killed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/mark.h"

static int failures;

static void expect(bool fact, const char *what)
{
	if (fact)
		return;
	printf("failed: %s\n", what);
	failures++;
}

#define UUID "0123abcd-4567-4890-abcd-ef0123456789"
#define FILE_NAME "run/mdevctl/" UUID

static struct env env = { .root_path = "", .lock_limit = 1 };

static bool exists(void)
{
	return faccessat(env.root, FILE_NAME, F_OK, 0) == 0;
}

/* Another process takes the mark, reports it, and runs until it is killed. */
static pid_t start_elsewhere(bool set)
{
	int told[2];
	char byte;

	if (pipe(told) < 0)
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		struct mark mark;
		struct error err = { 0 };
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever waits for our output waits for its */
		if (mark_take(&env, UUID, &mark, &err) < 0 || (set && mark_set(&mark, &err) < 0))
			_exit(1);
		(void)!write(told[1], "x", 1);
		for (;;)
			pause();
	}
	close(told[1]);
	expect(read(told[0], &byte, 1) == 1, "another program takes the mark");
	close(told[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_no_place(void)
{
	_cleanup_error_ struct error err = { 0 };
	_cleanup_mark_ struct mark mark;

	expect(mark_is_left(&env, UUID) == 0, "without /run nothing is left");
	expect(mark_take(&env, UUID, &mark, &err) == 0 && mark.fd < 0, "no /run, no mark");
	expect(mark_set(&mark, &err) == 0, "a start without a mark goes on");
}

static void test_whole_start(void)
{
	_cleanup_error_ struct error err = { 0 };
	struct mark mark;
	struct stat status;

	expect(mark_take(&env, UUID, &mark, &err) == 0 && !mark.set, "a mark is taken");
	expect(exists(), "it is a file");
	expect(fstatat(env.root, "run/mdevctl", &status, 0) == 0 &&
		       (status.st_mode & 07777) == 0711,
	       "only root can list the directory");
	expect(fstatat(env.root, FILE_NAME, &status, 0) == 0 && (status.st_mode & 07777) == 0600,
	       "so is the file");
	expect(mark_set(&mark, &err) == 0, "it is set");
	expect(mark_is_left(&env, UUID) == 0, "a start in progress is not interrupted");
	mark_clear(&mark);
	mark_close(&mark);
	expect(!exists(), "a mark that is cleared is removed");
	expect(mark_find(&env, UUID, 0, &mark, &err) == 0 && mark.fd < 0, "and not found");
	mark_close(&mark);
}

static void test_killed(void)
{
	_cleanup_error_ struct error err = { 0 };
	struct mark mark;

	expect(!mark_any(&env), "no mark at all");
	end(start_elsewhere(false));
	expect(mark_any(&env), "a mark");
	expect(exists() && mark_is_left(&env, UUID) == 0, "killed before the mark was set");
	expect(mark_find(&env, UUID, 0, &mark, &err) == 0 && mark.fd >= 0 && !mark.set,
	       "a mark that was not set says nothing");
	mark_close(&mark);
	expect(!exists(), "and is removed");

	end(start_elsewhere(true));
	expect(mark_is_left(&env, UUID) == 1, "killed after the mark was set");
	expect(mark_find(&env, UUID, 0, &mark, &err) == 0 && mark.set, "the mark is found set");
	mark_close(&mark);
	expect(mark_is_left(&env, UUID) == 1, "who only looks leaves it");
	expect(mark_take(&env, UUID, &mark, &err) == 0 && mark.set, "who takes it sees it");
	mark_clear(&mark);
	mark_close(&mark);
	expect(!exists(), "who clears it removes it");
}

static void test_busy(void)
{
	_cleanup_error_ struct error err = { 0 };
	struct mark mark;
	pid_t pid = start_elsewhere(true);

	expect(mark_take(&env, UUID, &mark, &err) < 0 && err.status == STATUS_TIMED_OUT,
	       "waiting for another start ends");
	expect(err.text && strcmp(err.text, "Another program has been starting device " UUID
					    " for more than 1 s; 'fuser -v /run/mdevctl/" UUID
					    "' shows it") == 0,
	       "and says for whom it waited");
	mark_close(&mark);
	expect(exists(), "its mark is left alone");
	end(pid);
	expect(mark_find(&env, UUID, 0, &mark, &err) == 0, "it ends");
	mark_clear(&mark);
	mark_close(&mark);
}

/* Many processes take the mark in turn; each must be alone, although each removes the file. */
static void test_turns(void)
{
	enum { PROGRAMS = 8, ROUNDS = 200 };
	int broken = 0, status;

	for (int i = 0; i < PROGRAMS; i++) {
		if (fork() != 0)
			continue;
		for (int round = 0; round < ROUNDS; round++) {
			struct mark mark;
			struct error err = { 0 };
			env.lock_limit = 600;
			if (mark_take(&env, UUID, &mark, &err) < 0 || mark.set ||
			    mkdirat(env.root, "alone", 0700) < 0 ||
			    unlinkat(env.root, "alone", AT_REMOVEDIR) < 0)
				_exit(1);
			mark_close(&mark);
		}
		_exit(0);
	}
	while (wait(&status) > 0)
		broken += status != 0;
	expect(broken == 0, "programs that take the mark in turn are alone with it");
	expect(!exists(), "and the last one removes it");
}

int main(void)
{
	char path[] = "/tmp/mark.XXXXXX";

	if (!mkdtemp(path))
		return 1;
	env.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	test_no_place();
	mkdirat(env.root, "run", 0755);
	test_whole_start();
	test_killed();
	test_busy();
	test_turns();
	unlinkat(env.root, "run/mdevctl", AT_REMOVEDIR);
	unlinkat(env.root, "run", AT_REMOVEDIR);
	rmdir(path);
	return failures != 0;
}
