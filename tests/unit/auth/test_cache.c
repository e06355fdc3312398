/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of verified tokens, seen through the gate: what it saves, what it must not keep, how large it gets. */
#include "auth/cache.h"
#include "unit/auth/fixture.h"

#include <pthread.h>

static void
test_cache__a_known_token_costs_no_signature_check(void **state)
{
	struct bench *bench = bench_open();
	struct str    token = mint(bench, user_grant());

	(void)state;
	for (size_t i = 0; i < 100; i++)
		assert_true(is_good(bench, token));
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, 1);
	assert_int_equal(auth_gate_stats(bench->gate).cache_hits, 99);
	assert_int_equal(auth_gate_stats(bench->gate).cached, 1);
	bench_close(bench);
}

static void
assert_same_caller(const struct caller *a, const struct caller *b)
{
	assert_true(guid_eq(&a->tenant, &b->tenant));
	assert_true(guid_eq(&a->oid, &b->oid));
	assert_true(str_eq(a->app, b->app));
	assert_true(str_eq(a->grants, b->grants));
	assert_int_equal(a->is_app, b->is_app);
}

static void
test_cache__tells_the_same_caller_as_the_token(void **state)
{
	struct bench       *bench = bench_open();
	struct issuer_grant grants[] = { user_grant(), app_grant(), user_grant(), app_grant() };

	(void)state;
	grants[2].app = STR_EMPTY;
	grants[3].grants = STR_EMPTY;
	for (size_t i = 0; i < 4; i++) {
		struct str    token = mint(bench, grants[i]);
		struct caller first, second;
		const char   *why;

		assert_int_equal(check_by(bench->gate, bench, token, &first, &why), OK);
		assert_int_equal(check_by(bench->gate, bench, token, &second, &why), OK);
		assert_same_caller(&first, &second);
		assert_true(guid_eq(&second.tenant, &grants[i].tenant));
		assert_true(guid_eq(&second.oid, &grants[i].oid));
		assert_true(str_eq(second.grants, grants[i].grants));
		assert_int_equal(second.is_app, grants[i].is_app);
	}
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, 4);
	bench_close(bench);
}

/* Bad tokens of every price: no token at all, a wrong signature, a right signature under wrong claims. */
static void
test_cache__a_flood_of_bad_tokens_leaves_no_trace(void **state)
{
	static const struct claim wrong[] = { { "aud", "\"other\"" }, { NULL, NULL } };
	struct bench             *bench = bench_open();
	struct str                token = mint(bench, user_grant()), signed_wrong;
	uint64_t                  checks;

	(void)state;
	assert_true(is_good(bench, token));
	for (unsigned i = 0; i < 2000; i++) {
		struct arena *arena = bench->arena;
		uint8_t       random[64];

		bench->arena = arena_open((size_t)1 << 20);
		entropy_fill(&entropy_system, random, sizeof(random));
		signed_wrong = forge(issuer_key(bench->issuer), header_of(bench), payload_of(bench, user_claims, wrong),
		                     bench->arena);
		assert_false(is_good(bench, signed_wrong));
		assert_false(is_good(bench, forge_with(header_of(bench), payload_of(bench, user_claims, NULL),
		                                       str_of(random, 64), bench->arena)));
		assert_false(is_good(bench, b64_of(str_of(random, 64), bench->arena)));
		arena_close(&bench->arena);
		bench->arena = arena;
	}
	assert_int_equal(auth_gate_stats(bench->gate).cached, 1);
	checks = auth_gate_stats(bench->gate).signature_checks;
	assert_true(is_good(bench, token));
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, checks);
	bench_close(bench);
}

/* An honest token, however it is damaged, is another token to the cache. */
static void
test_cache__a_known_token_lends_nothing_to_a_damaged_one(void **state)
{
	struct bench *bench = bench_open();
	struct str    token = mint(bench, user_grant());

	(void)state;
	assert_true(is_good(bench, token));
	assert_false(is_good(bench, str_first(token, token.len - 1)));
	assert_false(is_good(bench, arena_printf(bench->arena, "%.*sA", STR_ARG(token))));
	assert_false(is_good(bench, arena_printf(bench->arena, "%.*s=", STR_ARG(token))));
	assert_int_equal(auth_gate_stats(bench->gate).cache_hits, 0);
	bench_close(bench);
}

/* The wall clock is set back two hours after the token died: not even the cache's copy may count then. */
static void
test_cache__forgets_when_either_clock_says_so(void **state)
{
	struct bench *bench = bench_open();
	struct str    token = mint(bench, user_grant());

	(void)state;
	assert_true(is_good(bench, token));
	bench->mono_ns += INT64_C(3659) * 1000000000;
	assert_true(is_good(bench, token));
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, 1);
	bench->mono_ns += INT64_C(1) * 1000000000;
	assert_true(is_good(bench, token));
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, 2);
	bench->wall_ns += INT64_C(3660) * 1000000000;
	assert_false(is_good(bench, token));
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, 3);
	assert_int_equal(auth_gate_stats(bench->gate).cached, 0);
	bench_close(bench);
}

static void
key_of(unsigned n, uint8_t key_out[CACHE_KEY_LEN])
{
	hash_blake2b(str_of(&n, sizeof(n)), key_out, CACHE_KEY_LEN);
}

static const struct cache_life   long_life = { .from_wall_s = 0, .until_wall_s = 1000, .until_mono_ms = 1000 };
static const struct cache_moment moment = { .wall_s = 1, .mono_ms = 1 };

static struct caller
caller_number(unsigned n)
{
	struct caller caller = { .tenant = guid_of(TID), .app = STR_EMPTY, .grants = STR("a b") };

	memcpy(caller.oid.b, &n, sizeof(n));
	return caller;
}

static void
test_cache__never_holds_more_than_its_size(void **state)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)16 << 20);
	struct cache                   *cache = cache_open(&entropy_system);
	struct caller                   caller;
	struct cache_life               life;
	uint8_t                         key[CACHE_KEY_LEN];
	unsigned                        kept = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		caller = caller_number(i);
		key_of(i, key);
		cache_put(cache, key, &long_life, &caller);
		assert_true(cache_get(cache, key, &moment, arena, &caller, &life));
	}
	assert_true(cache_count(cache) <= (uint64_t)CACHE_SETS * CACHE_WAYS);
	assert_true(cache_count(cache) > (uint64_t)CACHE_SETS * CACHE_WAYS / 2);
	for (unsigned i = 0; i < 20000; i++) {
		struct caller wanted = caller_number(i);

		key_of(i, key);
		if (!cache_get(cache, key, &moment, arena, &caller, &life))
			continue;
		assert_same_caller(&caller, &wanted);
		kept++;
	}
	assert_int_equal(kept, cache_count(cache));
	cache_close(&cache);
	assert_null(cache);
}

/* Who keeps asking stays, however many come once. */
static void
test_cache__keeps_what_is_used(void **state)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)16 << 20);
	struct cache                   *cache = cache_open(&entropy_system);
	struct caller                   caller = caller_number(0);
	struct cache_life               life;
	uint8_t                         busy[CACHE_KEY_LEN], key[CACHE_KEY_LEN];

	(void)state;
	key_of(0, busy);
	cache_put(cache, busy, &long_life, &caller);
	for (unsigned i = 1; i < 20000; i++) {
		key_of(i, key);
		cache_put(cache, key, &long_life, &caller);
		assert_true(cache_get(cache, busy, &moment, arena, &caller, &life));
	}
	cache_close(&cache);
}

static void
test_cache__holds_a_token_once(void **state)
{
	struct cache *cache = cache_open(&entropy_system);
	struct caller caller = caller_number(7);
	uint8_t       key[CACHE_KEY_LEN];

	(void)state;
	key_of(7, key);
	for (unsigned i = 0; i < 10; i++)
		cache_put(cache, key, &long_life, &caller);
	assert_int_equal(cache_count(cache), 1);
	cache_close(&cache);
}

/* The place for grants is fixed; a token with more is still good, only not remembered. */
static void
test_cache__leaves_out_callers_with_very_many_grants(void **state)
{
	struct bench       *bench = bench_open();
	struct issuer_grant grant = app_grant();
	char                many[CACHE_TEXT_MAX + 1];
	struct str          token;

	(void)state;
	memset(many, 'r', sizeof(many));
	for (size_t len = CACHE_TEXT_MAX - GUID_TEXT_LEN; len <= CACHE_TEXT_MAX - GUID_TEXT_LEN + 1; len++) {
		grant.grants = str_of(many, len);
		token = mint(bench, grant);
		assert_true(is_good(bench, token));
		assert_true(is_good(bench, token));
	}
	assert_int_equal(auth_gate_stats(bench->gate).cached, 1);
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, 3);
	bench_close(bench);
}

static void
test_cache__two_processes_hash_the_same_token_differently(void **state)
{
	struct cache *one = cache_open(&entropy_system), *two = cache_open(&entropy_system);
	uint8_t       a[CACHE_KEY_LEN], b[CACHE_KEY_LEN], again[CACHE_KEY_LEN];

	(void)state;
	cache_key(one, STR("token"), a);
	cache_key(one, STR("token"), again);
	cache_key(two, STR("token"), b);
	assert_memory_equal(a, again, sizeof(a));
	assert_memory_not_equal(a, b, sizeof(a));
	cache_close(&one);
	cache_close(&two);
}

/* ---- many threads ------------------------------------------------------------------------------ */

#define THREADS 8
#define TOKENS  24

struct crowd {
	struct bench *bench;
	struct str    fields[TOKENS];
	struct guid   oids[TOKENS];
};

static void *
ask_often(void *ctx)
{
	struct crowd *crowd = ctx;
	struct arena *arena = arena_open((size_t)1 << 20);
	uintptr_t     wrong = 0;

	for (size_t i = 0; i < 3000; i++) {
		struct caller caller;
		const char   *why;
		size_t        n = i * 7 % TOKENS;

		if (auth_check(crowd->bench->gate, crowd->fields[n], arena, &caller, &why) != OK ||
		    !guid_eq(&caller.oid, &crowd->oids[n]))
			wrong++;
		arena_reset(arena);
	}
	arena_close(&arena);
	return (void *)wrong;
}

static void
test_cache__serves_many_threads(void **state)
{
	struct crowd      crowd = { .bench = bench_open() };
	pthread_t         threads[THREADS];
	struct auth_stats stats;

	(void)state;
	for (size_t i = 0; i < TOKENS; i++) {
		struct issuer_grant grant = app_grant();

		grant.oid = crowd.oids[i] = guid_random(&entropy_system);
		crowd.fields[i] = arena_printf(crowd.bench->arena, "Bearer %.*s", STR_ARG(mint(crowd.bench, grant)));
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &crowd), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *wrong;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	stats = auth_gate_stats(crowd.bench->gate);
	assert_int_equal(stats.signature_checks + stats.cache_hits, THREADS * 3000);
	assert_int_equal(stats.cached, TOKENS);
	bench_close(crowd.bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache__a_known_token_costs_no_signature_check),
		cmocka_unit_test(test_cache__tells_the_same_caller_as_the_token),
		cmocka_unit_test(test_cache__a_flood_of_bad_tokens_leaves_no_trace),
		cmocka_unit_test(test_cache__a_known_token_lends_nothing_to_a_damaged_one),
		cmocka_unit_test(test_cache__forgets_when_either_clock_says_so),
		cmocka_unit_test(test_cache__never_holds_more_than_its_size),
		cmocka_unit_test(test_cache__keeps_what_is_used),
		cmocka_unit_test(test_cache__holds_a_token_once),
		cmocka_unit_test(test_cache__leaves_out_callers_with_very_many_grants),
		cmocka_unit_test(test_cache__two_processes_hash_the_same_token_differently),
		cmocka_unit_test(test_cache__serves_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
