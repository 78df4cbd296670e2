/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "base/clock.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_used(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_in(unsigned seconds)
{
	return clock_now() + (uint64_t)seconds * 1000000;
}

int clock_left(uint64_t then, int most)
{
	uint64_t now = clock_now();

	if (now >= then)
		return 0;
	uint64_t left = (then - now + 999) / 1000;
	return left < (uint64_t)most ? (int)left : most;
}
