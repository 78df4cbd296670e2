/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of script/callout that shell tests cannot cover: messages when a signal terminates the
 * program, and output for the journal. */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "script/callout.h"

static struct env env = { .callout_limit = 60, .notifier_limit = 60 };
static struct mdev dev = { .uuid = "11111111-1111-4111-8111-111111111111",
			   .parent = "mtty",
			   .type = "mtty-1" };
static const char script_path[] = "usr/lib/mdevctl/scripts.d/callouts/script";

static void put_script(const char *body)
{
	int fd = openat(env.root, script_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	FILE *file = fdopen(fd, "w");

	assert(file);
	fprintf(file, "#!/bin/sh\nevent=$4 action=$6\n%s\n", body);
	fclose(file);
}

/* No script is run after a signal is pending, not even with force; the message is logged to the
 * journal. */
static void test_interrupted(void)
{
	static const char text[] = "Interrupted by signal 15 (Terminated)";
	_cleanup_callouts_ struct callouts callouts;
	_cleanup_callout_ struct callout callout;
	_cleanup_error_ struct error err = { 0 };
	sigset_t set, old;
	int sig;

	put_script(": > \"$0.ran\"");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGTERM);

	callouts_open(&callouts, &env, true);
	callout_begin(&callout, &callouts, ACTION_MODIFY, &dev);
	assert(callout_pre(&callout, true, &err) == -1);
	assert(err.status == STATUS_FAILED && strcmp(err.text, text) == 0);
	assert(callout_live(&callout, &err) == -1 && strcmp(err.text, text) == 0);
	mdev_insert_attr(&dev, 0, "stale", "1");
	assert(callout_attributes(&callouts, &dev, &err) == -1 && strcmp(err.text, text) == 0);
	assert(dev.n_attrs == 0);
	mdev_free(&dev);
	assert(faccessat(env.root, "usr/lib/mdevctl/scripts.d/callouts/script.ran", F_OK, 0) != 0);

	assert(sigwait(&set, &sig) == 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* In order, each line prefixed with the name of its script, and limited to 64 KiB. */
static void test_output(void)
{
	_cleanup_callouts_ struct callouts callouts;
	_cleanup_callout_ struct callout callout;
	_cleanup_error_ struct error err = { 0 };

	callouts_open(&callouts, &env, false);
	assert(!callout_take_output(&callouts));
	put_script("test $action = capabilities || echo \"on $event\" >&2");
	callout_begin(&callout, &callouts, ACTION_START, &dev);
	assert(callout_pre(&callout, false, &err) == 0);
	callout_post(&callout, CALLOUT_SUCCESS);
	_cleanup_free_ char *output = callout_take_output(&callouts);
	assert(strcmp(output, "script: on pre\nscript: on post\n") == 0);
	assert(!callout_take_output(&callouts));

	put_script("head -c 50000 /dev/zero | tr '\\0' x >&2");
	assert(callout_pre(&callout, false, &err) == 0);
	callout_post(&callout, CALLOUT_SUCCESS);
	_cleanup_free_ char *much = callout_take_output(&callouts);
	assert(strlen(much) == 64 * 1024);
}

int main(void)
{
	char root[] = "/tmp/callout-XXXXXX";
	static const char *const dirs[] = { "usr", "usr/lib", "usr/lib/mdevctl",
					    "usr/lib/mdevctl/scripts.d",
					    "usr/lib/mdevctl/scripts.d/callouts" };

	assert(mkdtemp(root));
	env.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	env.root_path = root;
	for (size_t i = 0; i < 5; i++)
		assert(mkdirat(env.root, dirs[i], 0755) == 0);
	test_interrupted();
	test_output();
	assert(unlinkat(env.root, script_path, 0) == 0);
	for (size_t i = 5; i > 0; i--)
		assert(unlinkat(env.root, dirs[i - 1], AT_REMOVEDIR) == 0);
	assert(rmdir(root) == 0);
	return 0;
}
