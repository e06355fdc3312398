/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite_head_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SLOTS      ((size_t)STORE_TOPICS) /* 4 MB, resident only where feeds are read */
#define FEED_WORDS 5

enum word {
	WORD_GENERATION = FEED_WORDS,
	WORD_EPOCH = WORD_GENERATION + 2,
	WORD_HEAD,
	WORD_PURGED_THROUGH,
	WORD_PURGED_MS,
	WORD_MOMENT,
	WORDS
};

_Static_assert(sizeof(struct store_feed) == 33, "a feed is bytes without gaps, so it can be compared as words");

/*
 * A sequence lock: the version is odd while the words change. All fields are atomic, so a reader may read at any
 * time.
 */
struct slot {
	atomic_uint_least64_t moment;
	atomic_uint_least64_t version;
	atomic_uint_least64_t words[WORDS];
};

struct head_cache {
	struct slot slots[SLOTS];
	uint64_t    touched[SLOTS /
                         64]; /* of the holder of the write lock: bits of the slots that the next commit changes */

	pthread_mutex_t   watch_lock;
	store_changed_fn *changed; /* NULL: nobody watches */
	void             *changed_ctx;
};

struct head_cache *
head_cache_open(void)
{
	struct head_cache *cache = handle_new(sizeof(*cache));

	MUST(pthread_mutex_init(&cache->watch_lock, NULL) == 0);
	return cache;
}

void
head_cache_close(struct head_cache **cache)
{
	if (!*cache)
		return;
	(void)pthread_mutex_destroy(&(*cache)->watch_lock);
	free(*cache);
	*cache = NULL;
}

static void
feed_words(const struct store_feed *feed, uint64_t words_out[FEED_WORDS])
{
	words_out[FEED_WORDS - 1] = 0;
	memcpy(words_out, feed, sizeof(*feed));
}

static size_t
slot_of(const uint64_t feed[FEED_WORDS])
{
	uint64_t hash = 0;

	for (size_t i = 0; i < FEED_WORDS; i++)
		hash = (hash ^ feed[i] ^ hash >> 29) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(hash >> 32) % SLOTS;
}

uint32_t
store_feed_topic(const struct store_feed *feed)
{
	uint64_t words[FEED_WORDS];

	feed_words(feed, words);
	return (uint32_t)slot_of(words);
}

static bool
read_words(struct slot *slot, uint64_t words_out[WORDS])
{
	uint64_t version = atomic_load_explicit(&slot->version, memory_order_acquire);

	if (version & 1)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words_out[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
	return atomic_load_explicit(&slot->version, memory_order_relaxed) == version;
}

bool
head_cache_find(struct head_cache *cache, const struct store_feed *feed, struct feed_state *state_out)
{
	uint64_t     name[FEED_WORDS], words[WORDS], moment;
	struct slot *slot;

	feed_words(feed, name);
	slot = &cache->slots[slot_of(name)];
	moment = atomic_load(&slot->moment);
	if (moment & 1 || !read_words(slot, words) || words[WORD_MOMENT] != moment ||
	    memcmp(words, name, sizeof(name)) != 0)
		return false;
	*state_out = (struct feed_state){
		.exists = true,
		.epoch = (uint32_t)words[WORD_EPOCH],
		.head = words[WORD_HEAD],
		.purged_through = words[WORD_PURGED_THROUGH],
		.purged_through_ms = (int64_t)words[WORD_PURGED_MS],
		.base = UINT64_MAX,
	};
	memcpy(state_out->generation.b, &words[WORD_GENERATION], sizeof(state_out->generation.b));
	return true;
}

uint64_t
head_cache_moment(struct head_cache *cache, const struct store_feed *feed)
{
	uint64_t name[FEED_WORDS];

	feed_words(feed, name);
	return atomic_load(&cache->slots[slot_of(name)].moment);
}

void
head_cache_keep(struct head_cache *cache, const struct store_feed *feed, uint64_t moment,
                const struct feed_state *state)
{
	uint64_t     words[WORDS], version;
	struct slot *slot;

	feed_words(feed, words);
	slot = &cache->slots[slot_of(words)];
	memcpy(&words[WORD_GENERATION], state->generation.b, sizeof(state->generation.b));
	words[WORD_EPOCH] = state->epoch;
	words[WORD_HEAD] = state->head;
	words[WORD_PURGED_THROUGH] = state->purged_through;
	words[WORD_PURGED_MS] = (uint64_t)state->purged_through_ms;
	words[WORD_MOMENT] = moment;
	version = atomic_load_explicit(&slot->version, memory_order_relaxed);
	if (moment & 1 || version & 1 || !atomic_compare_exchange_strong(&slot->version, &version, version + 1))
		return;
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
	atomic_store_explicit(&slot->version, version + 2, memory_order_release);
}

void
head_cache_touch(struct head_cache *cache, const struct store_feed *feed)
{
	uint64_t name[FEED_WORDS];
	size_t   at;

	feed_words(feed, name);
	at = slot_of(name);
	cache->touched[at / 64] |= (uint64_t)1 << at % 64;
}

/* Calls act() for each slot that the commit changes. */
static void
for_each_touched(struct head_cache *cache, store_changed_fn *act, void *ctx)
{
	for (size_t i = 0; i < SLOTS / 64; i++)
		for (uint64_t bits = cache->touched[i]; bits; bits &= bits - 1)
			act(ctx, (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(bits));
}

static void
move(void *ctx, uint32_t slot)
{
	atomic_fetch_add(&((struct head_cache *)ctx)->slots[slot].moment, 1);
}

void
head_cache_commit_begins(struct head_cache *cache)
{
	for_each_touched(cache, move, cache);
}

void
head_cache_commit_ended(struct head_cache *cache)
{
	for_each_touched(cache, move, cache);
}

void
head_cache_report(struct head_cache *cache)
{
	MUST(pthread_mutex_lock(&cache->watch_lock) == 0);
	if (cache->changed)
		for_each_touched(cache, cache->changed, cache->changed_ctx);
	MUST(pthread_mutex_unlock(&cache->watch_lock) == 0);
	memset(cache->touched, 0, sizeof(cache->touched));
}

void
head_cache_watch(struct head_cache *cache, store_changed_fn *changed, void *ctx)
{
	MUST(pthread_mutex_lock(&cache->watch_lock) == 0);
	cache->changed = changed;
	cache->changed_ctx = ctx;
	MUST(pthread_mutex_unlock(&cache->watch_lock) == 0);
}
