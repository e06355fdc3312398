/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite_scope_cache.h"

#include <pthread.h>
#include <stdatomic.h>

#include "unit/store/followed_kit.h"

#define CHANGES 3000
#define WHOLE   100000
#define READERS 3

static struct arena *
begin(struct scope_cache **cache_out)
{
	*cache_out = scope_cache_open();
	return arena_open((size_t)1 << 20);
}

static void
end(struct scope_cache **cache, struct arena *arena)
{
	scope_cache_close(cache);
	assert_null(*cache);
	arena_close(&arena);
}

static const struct store_followed kept = {
	.feed = { .owner = { { 3 } }, .collection = STORE_FOLLOWED },
	.name = { "a", 1 },
	.url = { "http://x/0", 10 },
	.resource = { "users", 5 },
	.owner = { "t/o", 3 },
	.rounds = 7,
	.round_ended_ms = -1234,
};

static void
test_scope_cache__tells_what_was_kept_and_nothing_of_other_scopes(void **state)
{
	struct scope_cache   *cache;
	struct arena         *arena = begin(&cache);
	struct store_followed seen;

	(void)state;
	assert_false(scope_cache_find(cache, kept.name, arena, &seen));
	scope_cache_keep(cache, scope_cache_moment(cache), &kept);
	assert_true(scope_cache_find(cache, kept.name, arena, &seen));
	assert_memory_equal(&seen.feed, &kept.feed, sizeof(seen.feed));
	assert_true(str_eq(seen.name, kept.name) && str_eq(seen.url, kept.url));
	assert_true(str_eq(seen.resource, kept.resource) && str_eq(seen.owner, kept.owner));
	assert_int_equal(seen.rounds, 7);
	assert_int_equal(seen.round_ended_ms, -1234);
	/* Enough names for every slot: one of them shares it. */
	for (int i = 0; i < 10000; i++)
		assert_false(scope_cache_find(cache, arena_printf(arena, "a:%d", i), arena, &seen));
	end(&cache, arena);
}

static void
test_scope_cache__keeps_no_texts_for_which_there_is_no_room(void **state)
{
	struct scope_cache   *cache;
	struct arena         *arena = begin(&cache);
	struct store_followed seen, longer = kept;
	size_t                most = 0;

	(void)state;
	for (size_t len = 0; len < 2000; len++) {
		longer.url = str_of(arena_take(arena, len + 1), len);
		scope_cache_commit_begins(cache);
		scope_cache_commit_ended(cache);
		scope_cache_keep(cache, scope_cache_moment(cache), &longer);
		if (scope_cache_find(cache, kept.name, arena, &seen)) {
			assert_true(str_eq(seen.url, longer.url) && str_eq(seen.owner, kept.owner));
			most = len;
		}
		arena_reset(arena);
	}
	assert_in_range(most, 900, 1023);
	end(&cache, arena);
}

static void
test_scope_cache__tells_nothing_while_a_commit_runs_and_nothing_old_after_it(void **state)
{
	struct scope_cache   *cache;
	struct arena         *arena = begin(&cache);
	struct store_followed seen;
	uint64_t              before = scope_cache_moment(cache);

	(void)state;
	scope_cache_keep(cache, before, &kept);
	scope_cache_commit_begins(cache);
	assert_false(scope_cache_find(cache, kept.name, arena, &seen));
	scope_cache_keep(cache, scope_cache_moment(cache), &kept);
	assert_false(scope_cache_find(cache, kept.name, arena, &seen));
	scope_cache_commit_ended(cache);
	assert_false(scope_cache_find(cache, kept.name, arena, &seen));
	scope_cache_keep(cache, before, &kept); /* read in a snapshot from before the commit */
	assert_false(scope_cache_find(cache, kept.name, arena, &seen));
	scope_cache_keep(cache, scope_cache_moment(cache), &kept);
	assert_true(scope_cache_find(cache, kept.name, arena, &seen));
	end(&cache, arena);
}

/* ---- through the store ---------------------------------------------------------------------- */

static struct store_followed
followed_of(struct kit *kit, const char *name)
{
	struct store_followed followed;

	assert_int_equal(store_get_followed(kit->store, str_from_c(name), kit->arena, &followed), OK);
	return followed;
}

static void
test_scope_cache__a_second_call_needs_no_database_and_a_native_commit_changes_nothing(void **state)
{
	struct kit *kit = *state;

	assert_true(str_eq(followed_of(kit, "a").owner, STR("t/o")));
	write_sql(kit, "UPDATE follow_scope SET owner = 'other'"); /* says so to nobody */
	assert_true(str_eq(followed_of(kit, "a").owner, STR("t/o")));
	kit_put(kit->store, kit->arena, "one", "body");
	assert_true(str_eq(followed_of(kit, "a").owner, STR("t/o")));
}

static void
test_scope_cache__every_change_of_a_scope_is_seen_by_the_next_call(void **state)
{
	struct kit           *kit = *state;
	struct replica       *replica = NULL;
	struct replica_scope  elsewhere = { .url = STR("http://y/0"), .resource = STR("groups") };
	struct store_followed seen;
	bool                  done = false;
	int64_t               sid;

	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = replica_scope_add(replica, "b");
	assert_true(str_eq(followed_of(kit, "b").url, STR("b")));
	assert_int_equal(replica_point_scope(replica, sid, &elsewhere), OK);
	seen = followed_of(kit, "b");
	assert_true(str_eq(seen.url, STR("http://y/0")) && str_eq(seen.resource, STR("groups")));
	assert_int_equal(replica_set_rule(replica, sid, STR(""), STR("devices")), OK);
	assert_true(str_eq(followed_of(kit, "b").resource, STR("devices")));
	assert_int_equal(replica_set_owner(replica, sid, STR("t/p")), OK);
	assert_true(str_eq(followed_of(kit, "b").owner, STR("t/p")));
	replica_round(replica, sid, REPLICA_FIRST, "x y", 500);
	assert_int_equal(followed_of(kit, "b").rounds, 1);
	replica_round(replica, sid, REPLICA_NEXT, "z", 600);
	seen = followed_of(kit, "b");
	assert_int_equal(seen.rounds, 2);
	assert_int_equal(seen.round_ended_ms, 600);
	assert_int_equal(replica_rename_scope(replica, sid, STR("c")), OK);
	assert_int_equal(store_get_followed(kit->store, STR("b"), kit->arena, &seen), ERR_NOT_FOUND);
	assert_int_equal(followed_of(kit, "c").rounds, 2);
	assert_int_equal(replica_forget_scope(replica, sid, &done), OK);
	assert_int_equal(followed_of(kit, "c").rounds, 0);
	while (!done)
		assert_int_equal(replica_forget_scope(replica, sid, &done), OK);
	assert_int_equal(store_get_followed(kit->store, STR("c"), kit->arena, &seen), ERR_NOT_FOUND);
	replica_close(&replica);
}

static void
put_of_scope(struct kit *kit, const char *scope, const char *value)
{
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);

	store_put_kv(txn, STORE_OF_SCOPE, str_from_c(scope), str_from_c(value));
	assert_int_equal(store_commit(&txn), OK);
}

/* "name=value " of each. */
static struct str
all_of_scopes(struct kit *kit)
{
	struct str all = STR(""), name = STR(""), value;

	while (store_next_kv(kit->store, STORE_OF_SCOPE, name, kit->arena, &name, &value) == OK)
		all = arena_printf(kit->arena, "%.*s%.*s=%.*s ", STR_ARG(all), STR_ARG(name), STR_ARG(value));
	return all;
}

/* Killed between any two commits, nothing that was given for one scope is another's. */
static void
test_scope__its_kv_entry_has_its_name_and_ends_with_it(void **state)
{
	struct kit     *kit = *state;
	struct replica *replica = NULL;
	uint64_t        generation;
	bool            done = false;
	int64_t         sid;

	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = replica_scope_add(replica, "b");
	replica_round(replica, sid, REPLICA_FIRST, "x y", 500);
	put_of_scope(kit, "a", "1");
	put_of_scope(kit, "b", "2");
	put_of_scope(kit, "c", "of a scope that never was");
	generation = store_kv_generation(kit->store);
	assert_int_equal(replica_rename_scope(replica, sid, STR("c")), OK);
	assert_true(str_eq(all_of_scopes(kit), STR("a=1 c=2 ")) && store_kv_generation(kit->store) > generation);
	assert_int_equal(replica_forget_scope(replica, sid, &done), OK);
	assert_true(!done && str_eq(all_of_scopes(kit), STR("a=1 ")));
	put_of_scope(kit, "c", "3");
	while (!done)
		assert_int_equal(replica_forget_scope(replica, sid, &done), OK);
	assert_true(str_eq(all_of_scopes(kit), STR("a=1 ")));
	sid = replica_scope_add(replica, "d");
	put_of_scope(kit, "d", "4");
	assert_int_equal(replica_rename_scope(replica, sid, STR("a")), ERR_CONFLICT);
	assert_true(str_eq(all_of_scopes(kit), STR("a=1 d=4 ")));
	replica_close(&replica);
}

struct look {
	struct kit           *kit;
	struct store_followed seen;
};

/* SQLite calls it within COMMIT, when others can see what it has committed. */
static int
look_within_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct look *look = ctx;

	(void)db;
	(void)name;
	(void)pages;
	return store_get_followed(look->kit->store, STR("b"), look->kit->arena, &look->seen) == OK ? SQLITE_OK
	                                                                                           : SQLITE_ERROR;
}

static void
test_scope_cache__nothing_old_is_told_while_a_commit_becomes_visible(void **state)
{
	struct kit     *kit = *state;
	struct engine  *engine = kit->store->engine;
	struct replica *replica = NULL;
	struct look     look = { .kit = kit };
	int64_t         sid;

	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = replica_scope_add(replica, "b");
	assert_int_equal(followed_of(kit, "b").owner.len, 0);
	(void)sqlite3_wal_hook(engine->writer->db, look_within_commit, &look);
	assert_int_equal(replica_set_owner(replica, sid, STR("new")), OK);
	sql_group_watch_wal(engine);
	replica_close(&replica);
	assert_true(str_eq(look.seen.owner, STR("new")));
}

struct race {
	struct store *store, *beside; /* the same file; the second only reads, and keeps nothing */
	atomic_uint   known;          /* the newest change that somebody has seen */
	atomic_uint   wrong;
	atomic_bool   ended;
};

static unsigned
number_of(const struct store_followed *followed)
{
	unsigned number = 0;

	for (size_t i = 0; i < followed->owner.len; i++)
		number = number * 10 + (unsigned)(followed->owner.at[i] - '0');
	return number;
}

static void
know(struct race *race, unsigned number)
{
	unsigned known = atomic_load(&race->known);

	while (known < number && !atomic_compare_exchange_weak(&race->known, &known, number))
		;
}

static void
watch_store(struct race *race, struct store *store)
{
	struct arena *arena = arena_open((size_t)1 << 20);

	while (!atomic_load(&race->ended)) {
		unsigned              known = atomic_load(&race->known);
		struct store_followed seen;

		if (store_get_followed(store, STR("b"), arena, &seen) != OK || number_of(&seen) < known)
			atomic_fetch_add(&race->wrong, 1);
		else
			know(race, number_of(&seen));
		arena_reset(arena);
	}
	arena_close(&arena);
}

static void *
watch(void *ctx)
{
	watch_store(ctx, ((struct race *)ctx)->store);
	return NULL;
}

static void *
watch_file(void *ctx)
{
	watch_store(ctx, ((struct race *)ctx)->beside);
	return NULL;
}

static void
test_scope_cache__no_thread_gets_an_answer_older_than_what_another_has_seen(void **state)
{
	struct kit     *kit = *state;
	struct race     race = { .store = kit->store };
	struct replica *replica = NULL;
	pthread_t       readers[READERS];
	char            owner[16];
	int64_t         sid;

	assert_int_equal(kit_try_open(kit, STORE_LOOK, &race.beside), OK);
	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = replica_scope_add(replica, "b");
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, i == 0 ? watch_file : watch, &race), 0);
	for (unsigned n = 1; n <= CHANGES; n++) {
		str_printf(owner, sizeof(owner), "%u", n);
		assert_int_equal(replica_set_owner(replica, sid, str_from_c(owner)), OK);
		know(&race, n);
	}
	atomic_store(&race.ended, true);
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	replica_close(&replica);
	store_close(&race.beside);
	assert_int_equal(race.wrong, 0);
}

struct tear {
	struct scope_cache *cache;
	atomic_bool         ended;
};

static void *
keep_by_turns(void *ctx)
{
	struct tear          *tear = ctx;
	struct store_followed one = kept, other = kept;
	char                  a[600], b[600];

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	one.url = str_of(a, sizeof(a));
	other.url = str_of(b, sizeof(b));
	while (!atomic_load(&tear->ended)) {
		scope_cache_keep(tear->cache, scope_cache_moment(tear->cache), &one);
		scope_cache_keep(tear->cache, scope_cache_moment(tear->cache), &other);
	}
	return NULL;
}

static void
test_scope_cache__a_reader_gets_no_half_of_an_answer(void **state)
{
	struct tear           tear = { 0 };
	struct arena         *arena = begin(&tear.cache);
	struct store_followed seen;
	pthread_t             writer;
	int                   whole = 0, torn = 0;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, keep_by_turns, &tear), 0);
	while (whole < WHOLE && torn == 0) {
		if (!scope_cache_find(tear.cache, kept.name, arena, &seen))
			continue;
		whole++;
		torn += seen.url.at[0] != seen.url.at[seen.url.len - 1];
		arena_reset(arena);
	}
	atomic_store(&tear.ended, true);
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(torn, 0);
	end(&tear.cache, arena);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, scene_begin, kit_end)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scope_cache__tells_what_was_kept_and_nothing_of_other_scopes),
		cmocka_unit_test(test_scope_cache__keeps_no_texts_for_which_there_is_no_room),
		cmocka_unit_test(test_scope_cache__tells_nothing_while_a_commit_runs_and_nothing_old_after_it),
		ALONE(test_scope_cache__a_second_call_needs_no_database_and_a_native_commit_changes_nothing),
		ALONE(test_scope_cache__every_change_of_a_scope_is_seen_by_the_next_call),
		ALONE(test_scope__its_kv_entry_has_its_name_and_ends_with_it),
		ALONE(test_scope_cache__nothing_old_is_told_while_a_commit_becomes_visible),
		ALONE(test_scope_cache__no_thread_gets_an_answer_older_than_what_another_has_seen),
		cmocka_unit_test(test_scope_cache__a_reader_gets_no_half_of_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
