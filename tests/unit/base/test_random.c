/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TAKES 4000
#define WIDTH 16

/* A source that never gives the same bytes again: a counter, in each eight of them. */
struct source {
	pthread_mutex_t lock;
	uint64_t        next;
	unsigned        calls;
};

static void
count_up(void *ctx, void *bytes, size_t len)
{
	struct source *source = ctx;

	(void)pthread_mutex_lock(&source->lock);
	source->calls++;
	for (size_t at = 0; at < len; at += sizeof(source->next)) {
		source->next++;
		memcpy((char *)bytes + at, &source->next,
		       len - at < sizeof(source->next) ? len - at : sizeof(source->next));
	}
	(void)pthread_mutex_unlock(&source->lock);
}

static uint64_t seen[2 * TAKES * WIDTH / 8];

struct taker {
	struct entropy entropy;
	uint64_t      *out;
};

static void *
take_many(void *ctx)
{
	struct taker *taker = ctx;

	for (size_t i = 0; i < TAKES; i++)
		entropy_fill(&taker->entropy, taker->out + i * (WIDTH / 8), WIDTH);
	return NULL;
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
test_random__never_gives_a_byte_twice_even_to_two_threads(void **state)
{
	struct source       source = { PTHREAD_MUTEX_INITIALIZER, 0, 0 };
	struct entropy      behind = { &source, count_up };
	struct random_pool *pool = random_pool_open(&behind);
	struct taker        takers[2] = { { random_pool_entropy(pool), seen },
		                          { random_pool_entropy(pool), seen + TAKES * WIDTH / 8 } };
	pthread_t           thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, take_many, &takers[1]), 0);
	(void)take_many(&takers[0]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	qsort(seen, sizeof(seen) / sizeof(seen[0]), sizeof(seen[0]), by_value);
	assert_int_not_equal(seen[0], 0);
	for (size_t i = 1; i < sizeof(seen) / sizeof(seen[0]); i++)
		assert_int_not_equal(seen[i], seen[i - 1]);
	assert_true(source.calls < 2 * TAKES / 8);
	random_pool_close(&pool);
	assert_null(pool);
}

static void
test_random__takes_what_is_long_from_the_source_itself(void **state)
{
	struct source       source = { PTHREAD_MUTEX_INITIALIZER, 0, 0 };
	struct entropy      behind = { &source, count_up }, entropy;
	struct random_pool *pool = random_pool_open(&behind);
	uint64_t            bytes[64] = { 0 };

	(void)state;
	entropy = random_pool_entropy(pool);
	entropy_fill(&entropy, bytes, sizeof(bytes));
	assert_int_equal(source.calls, 1);
	assert_int_equal(source.next, 64);
	assert_int_equal(bytes[63], 64);
	random_pool_close(&pool);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random__never_gives_a_byte_twice_even_to_two_threads),
		cmocka_unit_test(test_random__takes_what_is_long_from_the_source_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
