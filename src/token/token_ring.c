/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_ring — the keys of a store.
 *
 * While a ring is open, keys are added but never changed or removed, so readers need no lock.  A key is written to the
 * next free slot before it is counted; a thread that has read the count may use all keys below it.  Adding takes a
 * lock.
 *
 * A key is one kv entry, "GGGGGGGGGG-IIIIIIII": a generation in decimal, so that the newest comes last, and the key's
 * id in hex.  Its value is the key, then the time it was made (unix seconds, little-endian).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "token/token_codec.h"

#define NS              "seal-key"
#define KEYS_MAX        1024 /* 20 years of weekly rotation */
#define NAME_LEN        (GENERATION_LEN + 1 + 2 * TOKEN_ID_BYTES)
#define GENERATION_LEN  10
#define GENERATION_MAX  UINT64_C(9999999999)
#define VALUE_LEN       (SEAL_KEY_BYTES + 8)
#define LOOK_AGAIN_MS   1000
#define ARENA_BYTES_MAX ((size_t)256 << 10)

struct token_ring {
	struct store         *store;
	const struct clock   *clock;
	const struct entropy *entropy;

	struct token_key *keys; /* KEYS_MAX slots; the newest is the last one counted */
	atomic_size_t     count;

	pthread_mutex_t adding;     /* guards what follows, and the slots beyond count */
	uint64_t        generation; /* of the newest key known */
	int64_t         looked_ms;  /* when the kv entries were last read */
	int64_t         made_s;     /* when the newest key was made, by its maker's clock */
};

static const struct token_key *
find_key(struct token_ring *ring, const uint8_t id[TOKEN_ID_BYTES])
{
	size_t count = atomic_load_explicit(&ring->count, memory_order_acquire);

	while (count-- > 0)
		if (memcmp(ring->keys[count].id, id, TOKEN_ID_BYTES) == 0)
			return &ring->keys[count];
	return NULL;
}

/* ---- under the lock ---- */

static enum err
add_key(struct token_ring *ring, const struct token_key *key, uint64_t generation)
{
	size_t count = atomic_load_explicit(&ring->count, memory_order_relaxed);

	if (count == KEYS_MAX)
		return ERR_TOO_LARGE;
	ring->keys[count] = *key;
	if (generation > ring->generation)
		ring->generation = generation;
	atomic_store_explicit(&ring->count, count + 1, memory_order_release);
	return OK;
}

static bool
parse_name(struct str name, uint64_t *generation_out, uint8_t id_out[TOKEN_ID_BYTES])
{
	return name.len == NAME_LEN && name.at[GENERATION_LEN] == '-' &&
	       hex_read(str_skip(name, GENERATION_LEN + 1), id_out, TOKEN_ID_BYTES) &&
	       str_to_u64(str_first(name, GENERATION_LEN), generation_out);
}

static enum err
take_kv(struct token_ring *ring, struct str name, struct str value)
{
	struct token_key key;
	uint64_t         generation;
	enum err         err = OK;

	if (value.len != VALUE_LEN || !parse_name(name, &generation, key.id))
		return ERR_CORRUPT;
	if (find_key(ring, key.id))
		return OK;
	memcpy(key.bytes, value.at, SEAL_KEY_BYTES);
	ring->made_s = (int64_t)le_read(value.at + SEAL_KEY_BYTES, 8);
	err = add_key(ring, &key, generation);
	crypt_wipe(&key, sizeof(key));
	return err;
}

/* Adds the keys in the store that the ring does not have yet. */
static enum err
read_kv(struct token_ring *ring)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_BYTES_MAX);
	char                            last[NAME_LEN];
	struct str                      after = STR_EMPTY;

	ring->looked_ms = clock_mono_ms(ring->clock);
	for (;;) {
		struct str name, value;
		enum err   err = store_next_kv(ring->store, NS, after, arena, &name, &value);

		if (err == ERR_NOT_FOUND)
			return OK;
		TRY(err);
		err = take_kv(ring, name, value);
		if (value.len > 0)
			crypt_wipe((void *)(uintptr_t)value.at, value.len); /* the arena's copy */
		TRY(err);
		memcpy(last, name.at, NAME_LEN);
		after = str_of(last, NAME_LEN);
		arena_reset(arena);
	}
}

static enum err
write_kv(struct token_ring *ring, const struct token_key *key, uint64_t generation)
{
	AUTO(arena_close) struct arena     *arena = arena_open(ARENA_BYTES_MAX);
	AUTO(store_abort) struct store_txn *txn = NULL;
	uint8_t                             value[VALUE_LEN];
	uint64_t                            now_s = (uint64_t)clock_wall_s(ring->clock);
	struct str                          name;

	name = arena_printf(arena, "%010llu-%02x%02x%02x%02x", (unsigned long long)generation, key->id[0], key->id[1],
	                    key->id[2], key->id[3]);
	memcpy(value, key->bytes, SEAL_KEY_BYTES);
	le_write(value + SEAL_KEY_BYTES, now_s, 8);
	txn = store_begin(ring->store, NULL, arena);
	store_put_kv(txn, NS, name, str_of(value, sizeof(value)));
	crypt_wipe(value, sizeof(value));
	return store_commit(&txn);
}

/* The key seals only after it is stored, so every token still opens after a restart. */
static enum err
make_key(struct token_ring *ring)
{
	struct token_key key;
	enum err         err;

	if (atomic_load_explicit(&ring->count, memory_order_relaxed) == KEYS_MAX || ring->generation >= GENERATION_MAX)
		return ERR_TOO_LARGE;
	do
		entropy_fill(ring->entropy, key.id, sizeof(key.id));
	while (find_key(ring, key.id));
	entropy_fill(ring->entropy, key.bytes, sizeof(key.bytes));
	err = write_kv(ring, &key, ring->generation + 1);
	if (err == OK)
		ring->made_s = clock_wall_s(ring->clock);
	if (err == OK)
		err = add_key(ring, &key, ring->generation + 1);
	crypt_wipe(&key, sizeof(key));
	return err;
}

static void
lock(struct token_ring *ring)
{
	MUST(pthread_mutex_lock(&ring->adding) == 0);
}

static void
unlock(struct token_ring *ring)
{
	MUST(pthread_mutex_unlock(&ring->adding) == 0);
}

/* ---- the ring ---- */

enum err
token_ring_open(struct store *store, const struct clock *clock, const struct entropy *entropy,
                struct token_ring **ring_out)
{
	AUTO(token_ring_close) struct token_ring *ring = handle_new(sizeof(*ring));

	MUST(pthread_mutex_init(&ring->adding, NULL) == 0);
	ring->store = store;
	ring->clock = clock;
	ring->entropy = entropy;
	ring->keys = secret_take(KEYS_MAX * sizeof(ring->keys[0]));
	TRY(read_kv(ring));
	if (ring->count == 0) {
		enum err err = make_key(ring);

		TRY(err == ERR_NOT_ALLOWED ? ERR_NOT_FOUND : err);
	}
	*ring_out = ring;
	ring = NULL;
	return OK;
}

void
token_ring_close(struct token_ring **ring)
{
	if (!*ring)
		return;
	secret_drop((*ring)->keys);
	MUST(pthread_mutex_destroy(&(*ring)->adding) == 0);
	free(*ring);
	*ring = NULL;
}

enum err
token_ring_rotate(struct token_ring *ring)
{
	enum err err;

	lock(ring);
	err = read_kv(ring);
	if (err == OK)
		err = make_key(ring);
	unlock(ring);
	return err;
}

enum err
token_ring_rotate_when_due(struct token_ring *ring, int64_t age_max_s)
{
	int64_t age_s;

	lock(ring);
	age_s = clock_wall_s(ring->clock) - ring->made_s;
	unlock(ring);
	return age_s > age_max_s ? token_ring_rotate(ring) : OK;
}

/*
 * Another process on the same store may have made the key.  The ring reads the store once a second at most, so invented
 * ids cost little.
 */
static enum err
look_for_key(struct token_ring *ring, const uint8_t id[TOKEN_ID_BYTES], const struct token_key **key_out)
{
	enum err                err = OK;
	const struct token_key *key;

	lock(ring);
	if (clock_mono_ms(ring->clock) - ring->looked_ms >= LOOK_AGAIN_MS)
		err = read_kv(ring);
	key = find_key(ring, id);
	unlock(ring);
	if (!key)
		return err == OK ? ERR_GONE : err;
	*key_out = key;
	return OK;
}

struct str
token_seal(struct token_ring *ring, const struct token *token, const struct token_bind *bind, struct arena *arena)
{
	size_t count = atomic_load_explicit(&ring->count, memory_order_acquire);

	return token_seal_with(&ring->keys[count - 1], token, bind, ring->entropy, arena);
}

enum err
token_open(struct token_ring *ring, struct str text, const struct token_bind *bind, struct arena *arena,
           struct token *token_out)
{
	struct token_raw        raw;
	const struct token_key *key;

	if (!token_raw_read(text, &raw))
		return ERR_BAD_TOKEN;
	key = find_key(ring, token_raw_key_id(&raw));
	if (!key)
		TRY(look_for_key(ring, token_raw_key_id(&raw), &key));
	return token_open_with(key, &raw, bind, arena, token_out) ? OK : ERR_BAD_TOKEN;
}
