/* SPDX-License-Identifier: Apache-2.0 */
/* token_test — cmocka, an arena per test, a memory store, and a clock and randomness that a test owns. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "token/token_codec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline int
arena_for_test(void **state)
{
	if (crypt_init() != OK)
		return -1;
	*state = arena_open((size_t)64 << 20);
	return 0;
}

static inline int
arena_end_test(void **state)
{
	struct arena *arena = *state;

	arena_close(&arena);
	return 0;
}

#define TEST_WITH_ARENA(function) cmocka_unit_test_setup_teardown(function, arena_for_test, arena_end_test)

static inline int64_t
set_clock_ns(void *ctx)
{
	return *(int64_t *)ctx * 1000000;
}

/* A clock, wall and monotonic, that shows the millisecond it points at. */
static inline struct clock
clock_at(int64_t *millisecond)
{
	return (struct clock){ millisecond, set_clock_ns, set_clock_ns };
}

static inline struct guid
guid_of(uint8_t byte)
{
	struct guid guid;

	memset(guid.b, byte, sizeof(guid.b));
	return guid;
}

static inline struct token_bind
bind_of(uint8_t tenant, uint8_t owner, uint8_t collection, enum token_function function)
{
	return (struct token_bind){ { guid_of(tenant), guid_of(owner), collection }, function };
}

static inline struct token
token_of(uint64_t after, uint64_t until, struct str options)
{
	return (struct token){
		.cursor = { { after, until, false }, guid_of(9), 3, until + 5 },
		.issued_s = 1790000000,
		.options = options,
	};
}

static inline void
assert_same_token(const struct token *a, const struct token *b)
{
	assert_true(a->cursor.span.after == b->cursor.span.after);
	assert_true(a->cursor.span.until == b->cursor.span.until);
	assert_int_equal(a->cursor.span.initial, b->cursor.span.initial);
	assert_true(guid_eq(&a->cursor.generation, &b->cursor.generation));
	assert_int_equal(a->cursor.epoch, b->cursor.epoch);
	assert_true(a->cursor.seen == b->cursor.seen);
	assert_true(a->issued_s == b->issued_s);
	assert_true(str_eq(a->options, b->options));
}
