/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* Time limits. Setting the time of day does not change this time. */

/* Returns the time of CLOCK_MONOTONIC in microseconds. */
uint64_t clock_now(void);

/* Returns the processor time that this process has used, in microseconds: other processes can slow
 * it down, but not use up a limit of it. */
uint64_t clock_used(void);

/* Returns clock_now() in a number of seconds. */
uint64_t clock_in(unsigned seconds);

/* Returns the milliseconds left until then, rounded up, at most `most`, for poll(); 0 = none. */
int clock_left(uint64_t then, int most);
