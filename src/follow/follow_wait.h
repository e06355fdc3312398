/* SPDX-License-Identifier: Apache-2.0 */
/* follow_wait — how long to stay away: what the far end asks for, and what decency adds.  Private to the follow module. */
#pragma once

#include "base/clock.h"
#include "base/str.h"

#define FOLLOW_ASKED_MAX_MS ((int64_t)1000000000 * 1000) /* thirty years */

/*
 * Retry-After in its three forms: "120", Graph's "2.128", an HTTP date.  At least 1 ms, at most the number above;
 * -1 if there is none or it cannot be read.
 */
int64_t follow_wait_asked(struct str field, int64_t wall_ns);
/* Before try 1, 2, 3 … after a failure nobody gave a time for: 250 ms, doubled each time, at most a minute. */
int64_t follow_wait_own(unsigned tries);
/* Never less than what was asked, up to a quarter more: a thousand clients must not come back at once. */
int64_t follow_wait_jitter(int64_t ms, const struct entropy *entropy);
