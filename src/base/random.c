/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define LANES      16u
#define LANE_BYTES ((size_t)1024)
/* Longer requests are rare and go to the source itself. */
#define WANT_MAX ((size_t)64)

struct lane {
	_Alignas(64) pthread_mutex_t lock;
	size_t  left;
	uint8_t bytes[LANE_BYTES];
};

struct random_pool {
	struct lane           lanes[LANES];
	const struct entropy *source;
};

struct random_pool *
random_pool_open(const struct entropy *source)
{
	struct random_pool *pool = aligned_alloc(_Alignof(struct random_pool), sizeof(*pool));

	MUST(pool != NULL);
	memset(pool, 0, sizeof(*pool));
	pool->source = source;
	for (unsigned i = 0; i < LANES; i++)
		MUST(pthread_mutex_init(&pool->lanes[i].lock, NULL) == 0);
	return pool;
}

void
random_pool_close(struct random_pool **pool)
{
	if (!*pool)
		return;
	for (unsigned i = 0; i < LANES; i++)
		MUST(pthread_mutex_destroy(&(*pool)->lanes[i].lock) == 0);
	explicit_bzero(*pool, sizeof(**pool));
	free(*pool);
	*pool = NULL;
}

static void
draw(const struct random_pool *pool, struct lane *lane, void *bytes, size_t len)
{
	uint8_t *from;

	if (lane->left < len) {
		entropy_fill(pool->source, lane->bytes, sizeof(lane->bytes));
		lane->left = sizeof(lane->bytes);
	}
	lane->left -= len;
	from = lane->bytes + lane->left;
	memcpy(bytes, from, len);
	explicit_bzero(from, len);
}

static void
fill(void *ctx, void *bytes, size_t len)
{
	struct random_pool *pool = ctx;
	int                 cpu = sched_getcpu();
	struct lane        *lane = &pool->lanes[cpu < 0 ? 0 : (unsigned)cpu % LANES];

	if (len > WANT_MAX) {
		entropy_fill(pool->source, bytes, len);
		return;
	}
	MUST(pthread_mutex_lock(&lane->lock) == 0);
	draw(pool, lane, bytes, len);
	MUST(pthread_mutex_unlock(&lane->lock) == 0);
}

struct entropy
random_pool_entropy(struct random_pool *pool)
{
	return (struct entropy){ pool, fill };
}
