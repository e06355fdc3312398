/* SPDX-License-Identifier: Apache-2.0 */
/*
 * external_issuer — the keys of external issuers: fetched, kept, renewed.  Private to the auth module.
 *
 * A key set never changes and is counted: whoever uses it holds a count.  Renewal builds a new set and then
 * replaces the old one, so a check never waits for a fetch.  A set is renewed every
 * hour, and when a token names a kid that no issuer has, but for that at most once in five minutes.
 * A set that cannot be renewed stays good for 24 hours.
 *
 * The caller of external_step() does all fetching: the thread of external_start(), or a command.
 */
#pragma once

#include "auth/jwks.h"

#define EXTERNAL_PERIOD_MS ((int64_t)3600 * 1000) /* a set that was fetched is renewed after that */
#define EXTERNAL_RETRY_MS  ((int64_t)60 * 1000)   /* a fetch that failed is tried again after that */
#define EXTERNAL_WANTED_MS ((int64_t)300 * 1000)  /* least time between two fetches for unknown kids */
#define EXTERNAL_KEPT_MS   ((int64_t)24 * 3600 * 1000)

struct external;
struct keyset;

/* The rows and their texts are borrowed. */
struct external *external_open(const struct auth_external *rows, size_t count, const struct auth_source *source,
                               const struct clock *clock);
void             external_close(struct external **external);

/* Does the fetches that are due; returns the milliseconds until the next one. */
int64_t external_step(struct external *external);
void    external_start(struct external *external);            /* a thread that calls external_step() until the end */
void    external_wait(struct external *external, int64_t ms); /* waits until each has been tried once, or that long */

/* Call it when a token names an unknown kid. Never waits. */
void     external_want(struct external *external);
uint64_t external_generation(
	const struct external *external); /* rises when a set changes: results of earlier checks are no longer good */
uint64_t external_fetches(const struct external *external);

struct external_hold {
	size_t         count;
	struct trust   trusts[AUTH_EXTERNAL_MAX];
	struct keyset *sets[AUTH_EXTERNAL_MAX];
	uint64_t       generation;
};

void external_take(struct external *external, struct external_hold *hold_out);
void external_release(struct external *external, struct external_hold *hold);
