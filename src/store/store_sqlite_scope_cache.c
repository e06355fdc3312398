/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite_scope_cache.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/bytes.h"

#define SLOTS 1024 /* 1 MB, resident only where scopes are read */
#define WORDS 128

struct head { /* of what a slot holds; the texts follow: name, url, resource, owner */
	uint64_t          moment, rounds;
	int64_t           round_ended_ms;
	struct store_feed feed;
	uint16_t          name, url, resource, owner; /* their lengths */
};

#define TEXT_MAX   (WORDS * sizeof(uint64_t) - sizeof(struct head))
#define HEAD_WORDS (sizeof(struct head) / sizeof(uint64_t))

_Static_assert(sizeof(struct head) % sizeof(uint64_t) == 0 && TEXT_MAX <= UINT16_MAX, "a slot is words");

/* A sequence lock: the version is odd while the words change. */
struct slot {
	atomic_uint_least64_t version;
	atomic_uint_least64_t words[WORDS];
};

struct scope_cache {
	atomic_uint_least64_t moment;
	struct slot           slots[SLOTS];
};

struct kept {
	struct head head;
	char        text[TEXT_MAX];
};

struct scope_cache *
scope_cache_open(void)
{
	struct scope_cache *cache = handle_new(sizeof(*cache));

	return cache;
}

void
scope_cache_close(struct scope_cache **cache)
{
	free(*cache);
	*cache = NULL;
}

static struct slot *
slot_of(struct scope_cache *cache, struct str name)
{
	return &cache->slots[bytes_hash(BYTES_HASH_START, name) % SLOTS];
}

static size_t
text_len(const struct head *head)
{
	return (size_t)head->name + head->url + head->resource + head->owner;
}

static void
read_words(struct slot *slot, struct kept *kept, size_t from, size_t until)
{
	for (size_t i = from; i < until; i++) {
		uint64_t word = atomic_load_explicit(&slot->words[i], memory_order_acquire);

		memcpy((char *)kept + i * sizeof(word), &word, sizeof(word));
	}
}

/* The head says how much there is; what a writer changed meanwhile is read as far as there is room, and not used. */
static bool
read_slot(struct slot *slot, uint64_t moment, struct kept *kept)
{
	uint64_t version = atomic_load_explicit(&slot->version, memory_order_acquire);
	size_t   len;

	if (version & 1)
		return false;
	read_words(slot, kept, 0, HEAD_WORDS);
	len = text_len(&kept->head);
	if (kept->head.moment != moment || len > TEXT_MAX)
		return false;
	read_words(slot, kept, HEAD_WORDS, HEAD_WORDS + (len + sizeof(uint64_t) - 1) / sizeof(uint64_t));
	return atomic_load_explicit(&slot->version, memory_order_relaxed) == version;
}

static struct str
cut(struct str *texts, size_t len)
{
	struct str text = str_first(*texts, len);

	*texts = str_skip(*texts, len);
	return text;
}

bool
scope_cache_find(struct scope_cache *cache, struct str name, struct arena *arena, struct store_followed *out)
{
	uint64_t    moment = atomic_load(&cache->moment);
	struct kept kept;
	struct str  texts;

	if (moment & 1 || !read_slot(slot_of(cache, name), moment, &kept) ||
	    !str_eq(str_of(kept.text, kept.head.name), name))
		return false;
	texts = arena_copy(arena, str_of(kept.text, text_len(&kept.head)));
	out->feed = kept.head.feed;
	out->name = cut(&texts, kept.head.name);
	out->url = cut(&texts, kept.head.url);
	out->resource = cut(&texts, kept.head.resource);
	out->owner = cut(&texts, kept.head.owner);
	out->rounds = kept.head.rounds;
	out->round_ended_ms = kept.head.round_ended_ms;
	return true;
}

uint64_t
scope_cache_moment(struct scope_cache *cache)
{
	return atomic_load(&cache->moment);
}

static void
write_slot(struct slot *slot, const struct kept *kept, size_t len)
{
	uint64_t version = atomic_load_explicit(&slot->version, memory_order_relaxed), word;

	if (version & 1 || !atomic_compare_exchange_strong(&slot->version, &version, version + 1))
		return;
	for (size_t i = 0; i * sizeof(word) < len; i++) {
		memcpy(&word, (const char *)kept + i * sizeof(word), sizeof(word));
		atomic_store_explicit(&slot->words[i], word, memory_order_release);
	}
	atomic_store_explicit(&slot->version, version + 2, memory_order_release);
}

void
scope_cache_keep(struct scope_cache *cache, uint64_t moment, const struct store_followed *followed)
{
	const struct str texts[] = { followed->name, followed->url, followed->resource, followed->owner };
	struct kept      kept = { 0 };
	size_t           len = 0;

	if (moment & 1 ||
	    followed->name.len + followed->url.len + followed->resource.len + followed->owner.len > TEXT_MAX)
		return;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (texts[i].len > 0)
			memcpy(kept.text + len, texts[i].at, texts[i].len);
		len += texts[i].len;
	}
	kept.head = (struct head){
		.moment = moment,
		.rounds = followed->rounds,
		.round_ended_ms = followed->round_ended_ms,
		.feed = followed->feed,
		.name = (uint16_t)followed->name.len,
		.url = (uint16_t)followed->url.len,
		.resource = (uint16_t)followed->resource.len,
		.owner = (uint16_t)followed->owner.len,
	};
	write_slot(slot_of(cache, followed->name), &kept, sizeof(kept.head) + len);
}

void
scope_cache_commit_begins(struct scope_cache *cache)
{
	(void)atomic_fetch_add(&cache->moment, 1);
}

void
scope_cache_commit_ended(struct scope_cache *cache)
{
	(void)atomic_fetch_add(&cache->moment, 1);
}
