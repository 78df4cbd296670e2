/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Runs one program as a direct child (s390's ap-check locks in the name of its parent process),
 * feeds its stdin, collects its stdout and stderr, and ends it when its time is over. What it
 * leaves behind in the background is not waited for.
 */
struct spawn_result {
	int wait_status; /* as waitpid() gives it */
	bool timed_out;	 /* it was ended (TERM, then KILL) because its time was over */
	bool out_cut;	 /* stdout was longer than FILE_LIMIT; the rest was dropped */
	char *out;	 /* owned, NUL behind out_len */
	size_t out_len;
	char *err; /* owned, NUL-terminated; NULs of the script are replaced; cut at FILE_LIMIT */
};

/* argv ends with NULL, argv[0] is a path. input may be NULL (an empty stdin). The program gets its
 * own process group, the default signal dispositions, our directory and environment, no other fds.
 * If interruptible, a termination signal that is blocked and becomes pending meanwhile is handed on
 * to its group, and stays pending.
 * Returns 0, or -errno if it could not be run (then nothing ran). */
int spawn_run(const char *const argv[], const char *input, unsigned limit_seconds,
	      bool interruptible, struct spawn_result *ret);
void spawn_result_free(struct spawn_result *result);
#define _cleanup_spawn_ __attribute__((cleanup(spawn_result_free)))
