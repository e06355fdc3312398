/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock, entropy — two of the three seams (the third is follow's source of pages).
 *
 * No module asks the system for the time or for random bytes directly:
 * both are passed in, so a test can own them and a seed replays a failure.
 * Wall time is for what people and tokens see; monotonic time is for waiting.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct clock {
	void *ctx;
	int64_t (*wall_ns)(void *ctx); /* nanoseconds since 1970-01-01T00:00:00Z */
	int64_t (*mono_ns)(void *ctx); /* nanoseconds since some fixed moment */
};

struct entropy {
	void *ctx;
	void (*fill)(void *ctx, void *bytes, size_t len);
};

extern const struct clock   clock_system;
extern const struct entropy entropy_system; /* getrandom(2); ends the process if it fails */

static inline int64_t
clock_wall_s(const struct clock *clock)
{
	return clock->wall_ns(clock->ctx) / 1000000000;
}

static inline int64_t
clock_wall_ms(const struct clock *clock)
{
	return clock->wall_ns(clock->ctx) / 1000000;
}

static inline int64_t
clock_mono_ms(const struct clock *clock)
{
	return clock->mono_ns(clock->ctx) / 1000000;
}

static inline void
entropy_fill(const struct entropy *entropy, void *bytes, size_t len)
{
	entropy->fill(entropy->ctx, bytes, len);
}
