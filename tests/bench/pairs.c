/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs two commands alternately and prints the median time of each in microseconds, and the peak
 * memory of the first in KiB. They alternate because load on the host slows down both alike; the
 * median is used because it slows down some runs a lot; processor time is measured because the
 * commands never sleep, and waiting for a processor is not their cost. Output goes to /dev/null.
 * usage: pairs TURNS COMMAND [ARGUMENT...] : COMMAND [ARGUMENT...]
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int by_size(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[n / 2];
}

static double microseconds(const struct timeval *time)
{
	return (double)time->tv_sec * 1e6 + (double)time->tv_usec;
}

static double run(char *argv[], long *ret_memory)
{
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0 ||
	    wait4(pid, &status, 0, &usage) != pid || status != 0) {
		fprintf(stderr, "pairs: %s failed\n", argv[0]);
		exit(1);
	}
	posix_spawn_file_actions_destroy(&actions);
	*ret_memory = usage.ru_maxrss;
	return microseconds(&usage.ru_utime) + microseconds(&usage.ru_stime);
}

int main(int argc, char *argv[])
{
	size_t turns = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	char **second = argv;
	long memory, ignored;

	while (*second && strcmp(*second, ":") != 0)
		second++;
	if (turns == 0 || !*second) {
		fputs("usage: pairs TURNS COMMAND [ARGUMENT...] : COMMAND [ARGUMENT...]\n", stderr);
		return 2;
	}
	*second++ = NULL;
	double *a = calloc(turns, sizeof(*a)), *b = calloc(turns, sizeof(*b));
	if (!a || !b)
		return 1;
	for (size_t i = 0; i < turns; i++) {
		if (i % 2) /* the second one may find the caches of the processor warmer */
			b[i] = run(second, &ignored);
		a[i] = run(argv + 2, &memory);
		if (i % 2 == 0)
			b[i] = run(second, &ignored);
	}
	printf("%.1f %.1f %ld\n", median(a, turns), median(b, turns), memory);
	free(a);
	free(b);
	return 0;
}
