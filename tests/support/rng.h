/* SPDX-License-Identifier: Apache-2.0 */
/* rng — a seeded source of randomness for histories, and clock and entropy seams on top of it. */
#pragma once

#include "base/clock.h"

struct rng {
	uint64_t state;
};

static inline uint64_t
rng_next(struct rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* 0 .. n-1 */
static inline uint32_t
rng_below(struct rng *rng, uint32_t n)
{
	return (uint32_t)(rng_next(rng) % n);
}

static inline void
rng_fill(void *ctx, void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)bytes)[i] = (uint8_t)rng_next(ctx);
}

static inline struct entropy
rng_entropy(struct rng *rng)
{
	return (struct entropy){ rng, rng_fill };
}

/* A clock that moves only when the test moves it. */
struct still_clock {
	int64_t ns;
};

static inline int64_t
still_now(void *ctx)
{
	return ((struct still_clock *)ctx)->ns;
}

static inline struct clock
still_clock_of(struct still_clock *at)
{
	return (struct clock){ at, still_now, still_now };
}
