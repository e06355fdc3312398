/* SPDX-License-Identifier: Apache-2.0 */
/* store_bench — a memory: store and an arena for a test; every step of it must succeed. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

struct store_bench {
	struct store *store;
	struct arena *arena;
};

static inline void
store_bench_open(struct store_bench *bench)
{
	struct store_conf conf = {
		.url = STR("memory:"), .create = true, .clock = &clock_system, .entropy = &entropy_system
	};
	char why[512];

	bench->arena = arena_open((size_t)64 << 20);
	assert_int_equal(store_open(&conf, &bench->store, why), OK);
}

static inline void
store_bench_close(struct store_bench *bench)
{
	store_close(&bench->store);
	arena_close(&bench->arena);
}

static inline struct store_txn *
store_bench_begin(struct store_bench *bench)
{
	return store_begin(bench->store, NULL, bench->arena);
}
