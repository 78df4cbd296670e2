/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Runs a program as a direct child (the lock of s390's ap-check belongs to its parent process),
 * writes its stdin, collects its stdout and stderr, and terminates it after a time limit.
 * Background processes that it leaves behind are not waited for.
 */
struct spawn_result {
	int wait_status; /* as returned by waitpid() */
	bool timed_out;	 /* it was terminated (SIGTERM, then SIGKILL) because of the time limit */
	bool out_cut;	 /* stdout exceeded FILE_LIMIT, or the memory; the rest was discarded */
	char *out;	 /* owned, NUL-terminated */
	size_t out_len;
	char *err; /* owned, NUL-terminated; NULs are replaced; truncated at FILE_LIMIT */
};

/* argv is terminated by NULL, and argv[0] is a path. If input is NULL, stdin is empty. The program
 * runs in its own session with default signal dispositions, inherits our working directory
 * and environment, and has no other open fds. If interruptible, a blocked termination signal that
 * becomes pending is forwarded to the process group, and remains pending.
 * Returns 0; ENOENT if the program or its interpreter does not exist, or ENOEXEC if the file is not
 * a program; or -errno if the program could not be run for another reason. */
int spawn_run(const char *const argv[], const char *input, unsigned limit_seconds,
	      bool interruptible, struct spawn_result *ret);
void spawn_result_free(struct spawn_result *result);
#define _cleanup_spawn_ __attribute__((cleanup(spawn_result_free)))

/* Replaces this program with another one of this package, which is in the directory of this program
 * (before it is installed) or in LIBEXECDIR. Returns only on failure: an errno. */
int spawn_become(const char *name, char *const argv[]);
