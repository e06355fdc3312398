/* SPDX-License-Identifier: Apache-2.0 */
#include "token_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "text/b64.h"

#define SPACE "seal-key"
#define BIND  (&(struct token_bind){ { { { 1 } }, { { 2 } }, 1 }, TOKEN_CALENDARS_DELTA })

static struct store *
open_store(const char *url, enum store_access access, bool create)
{
	struct store_conf conf = { .url = str_from_c(url),
		                   .access = access,
		                   .create = create,
		                   .clock = &clock_system,
		                   .entropy = &entropy_system };
	struct store     *store = NULL;
	char              why[512] = "";

	if (store_open(&conf, &store, why) != OK)
		fail_msg("no store: %s", why);
	return store;
}

static struct store *
memory_store(void)
{
	return open_store("memory:", STORE_SERVE, true);
}

static struct token_ring *
open_ring_at(struct store *store, const struct clock *clock)
{
	struct token_ring *ring = NULL;

	assert_int_equal(token_ring_open(store, clock, &entropy_system, &ring), OK);
	return ring;
}

static struct token_ring *
open_ring(struct store *store)
{
	return open_ring_at(store, &clock_system);
}

static struct str
seal(struct token_ring *ring, struct arena *arena)
{
	struct token token = token_of(3, 9, STR("select=id"));

	return token_seal(ring, &token, BIND, arena);
}

static enum err
open_err(struct token_ring *ring, struct str text, struct arena *arena)
{
	struct token expected = token_of(3, 9, STR("select=id")), token = token_of(1, 1, STR_EMPTY), untouched = token;
	enum err     err = token_open(ring, text, BIND, arena, &token);

	assert_same_token(&token, err == OK ? &expected : &untouched);
	return err;
}

static size_t
count_kv(struct store *store, struct arena *arena, struct str *last_name_out)
{
	struct str name = STR_EMPTY, value;
	size_t     count = 0;

	while (store_next_kv(store, SPACE, name, arena, &name, &value) == OK)
		count++;
	*last_name_out = name;
	return count;
}

static void
test_ring__the_first_opening_makes_one_key_and_later_ones_find_it(void **state)
{
	struct store      *store = memory_store();
	struct token_ring *ring = open_ring(store);
	struct str         text = seal(ring, *state), name;

	assert_int_equal(count_kv(store, *state, &name), 1);
	assert_int_equal(name.len, 19);
	assert_true(str_starts(name, STR("0000000001-")));
	token_ring_close(&ring);
	assert_null(ring);
	token_ring_close(&ring);
	for (int i = 0; i < 3; i++) {
		ring = open_ring(store);
		assert_int_equal(open_err(ring, text, *state), OK);
		token_ring_close(&ring);
	}
	assert_int_equal(count_kv(store, *state, &name), 1);
	store_close(&store);
}

static void
test_ring__the_newest_key_seals_and_all_open(void **state)
{
	struct store      *store = memory_store();
	struct token_ring *ring = open_ring(store);
	struct str         texts[13], name;

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct token_raw raw;
		char             hex[9];

		texts[i] = seal(ring, *state);
		assert_true(token_raw_read(texts[i], &raw));
		assert_int_equal(count_kv(store, *state, &name), i + 1);
		for (size_t b = 0; b < 4; b++)
			snprintf(hex + 2 * b, 3, "%02x", token_raw_key_id(&raw)[b]);
		assert_true(str_eq(str_skip(name, 11), str_from_c(hex)));
		assert_int_equal(token_ring_rotate(ring), OK);
	}
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT(texts); i++)
			assert_int_equal(open_err(ring, texts[i], *state), OK);
		token_ring_close(&ring);
		ring = open_ring(store);
	}
	assert_true(str_starts(name, STR("0000000013-")));
	token_ring_close(&ring);
	store_close(&store);
}

static void
test_ring__a_note_holds_the_key_and_when_it_was_made(void **state)
{
	struct store      *store = memory_store();
	int64_t            now_ms = 0x0102030405 * INT64_C(1000);
	struct clock       clock = clock_at(&now_ms);
	struct token_ring *ring = open_ring_at(store, &clock);
	struct str         name, value;
	const uint8_t      made[8] = { 5, 4, 3, 2, 1 };

	assert_int_equal(store_next_kv(store, SPACE, STR_EMPTY, *state, &name, &value), OK);
	assert_int_equal(value.len, 40);
	assert_memory_equal(value.at + 32, made, 8);
	token_ring_close(&ring);
	store_close(&store);
}

static void
test_ring__a_key_it_never_had_is_gone_and_all_else_is_bad(void **state)
{
	struct store      *store = memory_store(), *elsewhere = memory_store();
	struct token_ring *ring = open_ring(store), *other = open_ring(elsewhere);
	struct str         text = seal(ring, *state);
	struct token_raw   raw, bad;

	assert_int_equal(open_err(other, text, *state), ERR_GONE);
	assert_int_equal(open_err(ring, seal(other, *state), *state), ERR_GONE);
	assert_true(token_raw_read(text, &raw));
	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		bool in_key_id = bit / 8 >= 1 && bit / 8 <= 4;

		bad = raw;
		bad.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(open_err(ring, b64_encode(B64_URL, bad.bytes, bad.len, *state), *state),
		                 in_key_id ? ERR_GONE : ERR_BAD_TOKEN);
	}
	for (size_t len = 0; len < text.len; len++) {
		assert_int_equal(open_err(ring, str_first(text, len), *state), ERR_BAD_TOKEN);
		assert_int_not_equal(open_err(other, str_first(text, len), *state), OK);
	}
	/* Too short for a token, so its unknown key does not make it ERR_GONE. */
	assert_int_equal(open_err(other, str_first(text, TOKEN_RAW_MIN / 3 * 4 - 4), *state), ERR_BAD_TOKEN);
	token_ring_close(&ring);
	token_ring_close(&other);
	store_close(&store);
	store_close(&elsewhere);
}

static void
test_ring__a_token_for_another_place_is_bad(void **state)
{
	struct store      *store = memory_store();
	struct token_ring *ring = open_ring(store);
	struct str         text = seal(ring, *state);
	struct token_bind  wrong[4] = { *BIND, *BIND, *BIND, *BIND };
	struct token       token;

	wrong[0].feed.tenant.b[15] ^= 1;
	wrong[1].feed.owner.b[0] ^= 1;
	wrong[2].feed.collection = 2;
	wrong[3].function = TOKEN_ALL_RECORDINGS;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(token_open(ring, text, &wrong[i], *state, &token), ERR_BAD_TOKEN);
	assert_int_equal(open_err(ring, text, *state), OK);
	token_ring_close(&ring);
	store_close(&store);
}

static void
test_ring__damaged_notes_are_reported(void **state)
{
	static const struct {
		struct str name, value;
	} bad[] = {
		{ { "0000000001-0102030", 18 }, { "0123456789012345678901234567890123456789", 40 } },
		{ { "0000000001-01020304", 19 }, { "012345678901234567890123456789012345678", 39 } },
		{ { "0000000001-01020304", 19 }, { "01234567890123456789012345678901234567890", 41 } },
		{ { "0000000001-0102030g", 19 }, { "0123456789012345678901234567890123456789", 40 } },
		{ { "000000000x-01020304", 19 }, { "0123456789012345678901234567890123456789", 40 } },
		{ { "0000000001_01020304", 19 }, { "0123456789012345678901234567890123456789", 40 } },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct store      *store = memory_store();
		struct store_txn  *txn = store_begin(store, NULL, *state);
		struct token_ring *ring = NULL;

		store_put_kv(txn, SPACE, bad[i].name, bad[i].value);
		assert_int_equal(store_commit(&txn), OK);
		assert_int_equal(token_ring_open(store, &clock_system, &entropy_system, &ring), ERR_CORRUPT);
		assert_null(ring);
		store_close(&store);
	}
}

struct repeating {
	int draws;
};

/* Repeats the first id. */
static void
repeat_fill(void *ctx, void *bytes, size_t len)
{
	struct repeating *repeating = ctx;

	memset(bytes, 7, len);
	if (len == TOKEN_ID_BYTES && repeating->draws++ >= 2)
		memset(bytes, 8, len);
}

static void
test_ring__draws_another_id_when_one_is_taken(void **state)
{
	struct store      *store = memory_store();
	struct repeating   repeating = { 0 };
	struct entropy     entropy = { &repeating, repeat_fill };
	struct token_ring *ring = NULL;
	struct str         name;

	assert_int_equal(token_ring_open(store, &clock_system, &entropy, &ring), OK);
	assert_int_equal(token_ring_rotate(ring), OK);
	assert_int_equal(count_kv(store, *state, &name), 2);
	assert_true(str_eq(name, STR("0000000002-08080808")));
	token_ring_close(&ring);
	store_close(&store);
}

static void
test_ring__makes_a_new_key_when_the_newest_is_too_old(void **state)
{
	struct store      *store = memory_store();
	struct token_ring *ring = NULL;
	struct str         name;

	assert_int_equal(token_ring_open(store, &clock_system, &entropy_system, &ring), OK);
	assert_int_equal(token_ring_rotate_when_due(ring, TOKEN_KEY_AGE_S), OK);
	assert_int_equal(count_kv(store, *state, &name), 1);
	assert_int_equal(token_ring_rotate_when_due(ring, -1), OK);
	assert_int_equal(count_kv(store, *state, &name), 2);
	token_ring_close(&ring);
	/* The age is also read from the store. */
	assert_int_equal(token_ring_open(store, &clock_system, &entropy_system, &ring), OK);
	assert_int_equal(token_ring_rotate_when_due(ring, 3600), OK);
	assert_int_equal(count_kv(store, *state, &name), 2);
	token_ring_close(&ring);
	store_close(&store);
}

/* Two rings on one store act as two processes. */
static void
test_ring__learns_keys_made_elsewhere_looking_once_a_second(void **state)
{
	struct store      *store = memory_store();
	int64_t            now_ms = 5000;
	struct clock       clock = clock_at(&now_ms);
	struct token_ring *one = open_ring_at(store, &clock), *two = open_ring_at(store, &clock);
	struct str         text, newer;

	assert_int_equal(open_err(two, seal(one, *state), *state), OK);
	assert_int_equal(token_ring_rotate(one), OK);
	text = seal(one, *state);
	now_ms += 999;
	assert_int_equal(open_err(two, text, *state), ERR_GONE);
	now_ms += 1;
	assert_int_equal(open_err(two, text, *state), OK);
	assert_int_equal(token_ring_rotate(one), OK);
	newer = seal(one, *state);
	now_ms += 999;
	assert_int_equal(open_err(two, newer, *state), ERR_GONE);
	assert_int_equal(open_err(two, text, *state), OK);
	now_ms += 1;
	assert_int_equal(open_err(two, newer, *state), OK);
	token_ring_close(&one);
	token_ring_close(&two);
	store_close(&store);
}

static void
test_ring__rotating_knows_what_others_made(void **state)
{
	struct store      *store = memory_store();
	struct token_ring *one = open_ring(store), *two = open_ring(store);
	struct str         name;

	assert_int_equal(token_ring_rotate(one), OK);
	assert_int_equal(token_ring_rotate(two), OK);
	assert_int_equal(count_kv(store, *state, &name), 3);
	assert_true(str_starts(name, STR("0000000003-")));
	assert_int_equal(open_err(two, seal(one, *state), *state), OK);
	token_ring_close(&one);
	token_ring_close(&two);
	store_close(&store);
}

static void
test_ring__is_full_after_1024_keys_and_goes_on_working(void **state)
{
	struct store      *store = memory_store();
	struct token_ring *ring = open_ring(store);
	struct str         first = seal(ring, *state), last, name;

	for (int i = 1; i < 1024; i++)
		assert_int_equal(token_ring_rotate(ring), OK);
	assert_int_equal(token_ring_rotate(ring), ERR_TOO_LARGE);
	assert_int_equal(count_kv(store, *state, &name), 1024);
	last = seal(ring, *state);
	assert_int_equal(open_err(ring, first, *state), OK);
	assert_int_equal(open_err(ring, last, *state), OK);
	token_ring_close(&ring);
	ring = open_ring(store);
	assert_int_equal(open_err(ring, first, *state), OK);
	assert_int_equal(open_err(ring, last, *state), OK);
	token_ring_close(&ring);
	store_close(&store);
}

static void
test_ring__a_store_that_is_only_read_needs_a_key(void **state)
{
	char               dir[] = "/tmp/tidemark-ring-XXXXXX";
	struct store      *store;
	struct token_ring *ring = NULL;
	const char        *url;
	struct str         text;

	assert_non_null(mkdtemp(dir));
	url = arena_c(*state, arena_printf(*state, "sqlite:%s/t.db", dir));
	store = open_store(url, STORE_SERVE, true);
	store_close(&store);
	store = open_store(url, STORE_LOOK, false);
	assert_int_equal(token_ring_open(store, &clock_system, &entropy_system, &ring), ERR_NOT_FOUND);
	assert_null(ring);
	store_close(&store);

	store = open_store(url, STORE_SERVE, false);
	ring = open_ring(store);
	text = seal(ring, *state);
	token_ring_close(&ring);
	store_close(&store);
	store = open_store(url, STORE_LOOK, false);
	ring = open_ring(store);
	assert_int_equal(open_err(ring, text, *state), OK);
	assert_int_equal(token_ring_rotate(ring), ERR_NOT_ALLOWED);
	assert_int_equal(open_err(ring, seal(ring, *state), *state), OK);
	token_ring_close(&ring);
	store_close(&store);
	assert_int_equal(system(arena_c(*state, arena_printf(*state, "rm -rf %s", dir))), 0);
}

struct shared {
	struct token_ring *ring;
	atomic_bool        done;
	atomic_uint        failures;
};

static void *
seal_and_open(void *ctx)
{
	struct shared *shared = ctx;
	struct arena  *arena = arena_open(1 << 16);
	struct token   token = token_of(3, 9, STR("select=id")), back;

	while (!atomic_load(&shared->done)) {
		struct str text = token_seal(shared->ring, &token, BIND, arena);

		if (token_open(shared->ring, text, BIND, arena, &back) != OK || back.cursor.span.until != 9)
			atomic_fetch_add(&shared->failures, 1);
		arena_reset(arena);
	}
	arena_close(&arena);
	return NULL;
}

static void
test_ring__turns_while_others_seal_and_open(void **state)
{
	struct store *store = memory_store();
	struct shared shared = { .ring = open_ring(store) };
	struct str    before = seal(shared.ring, *state);
	pthread_t     threads[4];

	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, seal_and_open, &shared), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(token_ring_rotate(shared.ring), OK);
		usleep(1000);
	}
	atomic_store(&shared.done, true);
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&shared.failures), 0);
	assert_int_equal(open_err(shared.ring, before, *state), OK);
	token_ring_close(&shared.ring);
	store_close(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ARENA(test_ring__the_first_opening_makes_one_key_and_later_ones_find_it),
		TEST_WITH_ARENA(test_ring__the_newest_key_seals_and_all_open),
		TEST_WITH_ARENA(test_ring__a_note_holds_the_key_and_when_it_was_made),
		TEST_WITH_ARENA(test_ring__a_key_it_never_had_is_gone_and_all_else_is_bad),
		TEST_WITH_ARENA(test_ring__a_token_for_another_place_is_bad),
		TEST_WITH_ARENA(test_ring__damaged_notes_are_reported),
		TEST_WITH_ARENA(test_ring__draws_another_id_when_one_is_taken),
		TEST_WITH_ARENA(test_ring__makes_a_new_key_when_the_newest_is_too_old),
		TEST_WITH_ARENA(test_ring__learns_keys_made_elsewhere_looking_once_a_second),
		TEST_WITH_ARENA(test_ring__rotating_knows_what_others_made),
		TEST_WITH_ARENA(test_ring__is_full_after_1024_keys_and_goes_on_working),
		TEST_WITH_ARENA(test_ring__a_store_that_is_only_read_needs_a_key),
		TEST_WITH_ARENA(test_ring__turns_while_others_seal_and_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
