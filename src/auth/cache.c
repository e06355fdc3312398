/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/cache.h"

#include "auth/jwt.h"
#include "crypt/seal.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
	bool              used;
	uint8_t           key[CACHE_KEY_LEN];
	struct cache_life life;
	uint64_t          last_use;
	struct caller     caller; /* its texts are in `text` */
	char              text[CACHE_TEXT_MAX];
};

struct cache {
	uint8_t         secret[HASH_KEYED_BYTES];
	pthread_mutex_t locks[CACHE_LOCKS];
	uint64_t        uses[CACHE_LOCKS]; /* counts under its lock; orders last_use */
	struct entry    entries[CACHE_SETS][CACHE_WAYS];
};

struct cache *
cache_open(const struct entropy *entropy)
{
	struct cache *cache = handle_new(sizeof(*cache));

	entropy_fill(entropy, cache->secret, sizeof(cache->secret));
	for (size_t i = 0; i < CACHE_LOCKS; i++)
		MUST(pthread_mutex_init(&cache->locks[i], NULL) == 0);
	return cache;
}

void
cache_close(struct cache **cache)
{
	if (!*cache)
		return;
	for (size_t i = 0; i < CACHE_LOCKS; i++)
		pthread_mutex_destroy(&(*cache)->locks[i]);
	crypt_wipe(*cache, sizeof(**cache));
	free(*cache);
	*cache = NULL;
}

void
cache_key(const struct cache *cache, struct str token, uint8_t key_out[CACHE_KEY_LEN])
{
	MUST(token.len <= JWT_BYTES_MAX);
	hash_keyed(cache->secret, token, key_out);
}

static size_t
set_of(const uint8_t key[CACHE_KEY_LEN])
{
	return ((size_t)key[0] << 8 | key[1]) % CACHE_SETS;
}

static bool
is_alive(const struct cache_life *life, const struct cache_moment *now)
{
	return now->wall_s >= life->from_wall_s && now->wall_s < life->until_wall_s &&
	       now->mono_ms < life->until_mono_ms && now->keys == life->keys;
}

static struct entry *
find_entry(struct entry set[CACHE_WAYS], const uint8_t key[CACHE_KEY_LEN])
{
	for (size_t way = 0; way < CACHE_WAYS; way++) {
		if (set[way].used && crypt_equal(set[way].key, key, CACHE_KEY_LEN))
			return &set[way];
	}
	return NULL;
}

static void
copy_caller(const struct entry *entry, struct arena *arena, struct caller *caller_out)
{
	*caller_out = entry->caller;
	caller_out->app = arena_copy(arena, entry->caller.app);
	caller_out->grants = arena_copy(arena, entry->caller.grants);
}

bool
cache_get(struct cache *cache, const uint8_t key[CACHE_KEY_LEN], const struct cache_moment *now, struct arena *arena,
          struct caller *caller_out, struct cache_life *life_out)
{
	size_t        set = set_of(key), lock = set % CACHE_LOCKS;
	struct entry *entry;
	bool          found = false;

	pthread_mutex_lock(&cache->locks[lock]);
	entry = find_entry(cache->entries[set], key);
	if (entry && !is_alive(&entry->life, now)) {
		entry->used = false;
	} else if (entry) {
		entry->last_use = ++cache->uses[lock];
		copy_caller(entry, arena, caller_out);
		*life_out = entry->life;
		found = true;
	}
	pthread_mutex_unlock(&cache->locks[lock]);
	return found;
}

/* Its own entry if there is one, else a free one, else the one that was not used for longest. */
static struct entry *
find_cursor(struct entry set[CACHE_WAYS], const uint8_t key[CACHE_KEY_LEN])
{
	struct entry *slot = find_entry(set, key);

	if (slot)
		return slot;
	slot = &set[0];
	for (size_t way = 0; way < CACHE_WAYS; way++) {
		if (!set[way].used)
			return &set[way];
		if (set[way].last_use < slot->last_use)
			slot = &set[way];
	}
	return slot;
}

void
cache_put(struct cache *cache, const uint8_t key[CACHE_KEY_LEN], const struct cache_life *life,
          const struct caller *caller)
{
	size_t        set = set_of(key), lock = set % CACHE_LOCKS;
	struct entry *entry;

	if (caller->app.len > CACHE_TEXT_MAX || caller->grants.len > CACHE_TEXT_MAX - caller->app.len)
		return;
	pthread_mutex_lock(&cache->locks[lock]);
	entry = find_cursor(cache->entries[set], key);
	memcpy(entry->key, key, CACHE_KEY_LEN);
	entry->life = *life;
	entry->last_use = ++cache->uses[lock];
	entry->caller = *caller;
	entry->caller.app.at = memcpy(entry->text, caller->app.at, caller->app.len);
	entry->caller.grants.at = memcpy(entry->text + caller->app.len, caller->grants.at, caller->grants.len);
	entry->used = true;
	pthread_mutex_unlock(&cache->locks[lock]);
}

void
cache_drop(struct cache *cache, const uint8_t key[CACHE_KEY_LEN])
{
	size_t        set = set_of(key), lock = set % CACHE_LOCKS;
	struct entry *entry;

	pthread_mutex_lock(&cache->locks[lock]);
	entry = find_entry(cache->entries[set], key);
	if (entry)
		entry->used = false;
	pthread_mutex_unlock(&cache->locks[lock]);
}

uint64_t
cache_count(struct cache *cache)
{
	uint64_t count = 0;

	for (size_t set = 0; set < CACHE_SETS; set++) {
		pthread_mutex_lock(&cache->locks[set % CACHE_LOCKS]);
		for (size_t way = 0; way < CACHE_WAYS; way++)
			count += cache->entries[set][way].used;
		pthread_mutex_unlock(&cache->locks[set % CACHE_LOCKS]);
	}
	return count;
}
