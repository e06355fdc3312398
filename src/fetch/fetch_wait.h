/* SPDX-License-Identifier: Apache-2.0 */
/* fetch_wait — how long to wait before the next try. */
#pragma once

#include "base/clock.h"
#include "base/str.h"

#define FETCH_WAIT_MAX_MS ((int64_t)1000000000 * 1000) /* thirty years */

/*
 * Reads Retry-After: "120", Graph's "2.128", or an HTTP date.  Returns 1 ms to FETCH_WAIT_MAX_MS; -1 if the header is
 * missing or cannot be read.
 */
int64_t fetch_wait_requested(struct str field, int64_t wall_ns);
/* What the remote's clock shows, by the answer's Date; wall_ns without one.  A date of Retry-After counts from it. */
int64_t fetch_wait_now(struct str date, int64_t wall_ns);
/* Without Retry-After: 250 ms before try 1, then doubled for each try, up to a minute. */
int64_t fetch_wait_own(unsigned tries);
/* Adds up to a quarter, so that a thousand clients do not come back at once. */
int64_t fetch_wait_jitter(int64_t ms, const struct entropy *entropy);
