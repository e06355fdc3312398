/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outside — the keys of outside issuers: fetched, kept, renewed.  Private to the auth room.
 *
 * A key set is immutable and counted; who looks at one holds it.  Renewal builds a new set beside
 * the old one and puts it in its place, so a check never waits for a fetch.  A set is renewed every
 * hour, and when a token names a kid that no issuer has: then at most once in five minutes, whatever
 * comes.  A set that cannot be renewed stays good for 24 hours.
 *
 * All fetching is done by whoever calls outside_turn(): the thread of outside_start(), or a command.
 */
#pragma once

#include "auth/jwks.h"

#define OUTSIDE_PERIOD_MS  ((int64_t)3600 * 1000)        /* a set that was fetched is renewed after that */
#define OUTSIDE_RETRY_MS   ((int64_t)60 * 1000)          /* a fetch that failed is tried again after that */
#define OUTSIDE_WANTED_MS  ((int64_t)300 * 1000)         /* least time between two fetches for unknown kids */
#define OUTSIDE_KEPT_MS    ((int64_t)24 * 3600 * 1000)

struct outside;
struct keyset;

/* The rows and their texts are borrowed. */
struct outside *outside_open(const struct auth_outside *rows, size_t count, const struct auth_source *source,
                             const struct clock *clock);
void            outside_close(struct outside **outside);

/* Does the fetches that are due; milliseconds until there is something due again. */
int64_t outside_turn(struct outside *outside);
void    outside_start(struct outside *outside);                  /* a thread that takes turns until the end */
void    outside_wait(struct outside *outside, int64_t ms);       /* until each has been tried once, or that long */

/* A token names a kid that nobody has. Never waits. */
void     outside_want(struct outside *outside);
uint64_t outside_generation(const struct outside *outside);      /* rises when a set changes: what was checked before is stale */
uint64_t outside_fetches(const struct outside *outside);

struct outside_hold {
	size_t         count;
	struct trust   trusts[AUTH_OUTSIDE_MAX];
	struct keyset *sets[AUTH_OUTSIDE_MAX];
	uint64_t       generation;
};

void outside_take(struct outside *outside, struct outside_hold *hold_out);
void outside_release(struct outside *outside, struct outside_hold *hold);
