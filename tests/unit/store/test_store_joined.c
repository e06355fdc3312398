/* SPDX-License-Identifier: Apache-2.0 */
/* A replica on the store of a server, while others write. */
#include <pthread.h>
#include <stdatomic.h>

#include "model/model.h"
#include "store/replica.h"
#include "store/store_followed.h"
#include "store/store_sqlite.h"
#include "unit/store/store_kit.h"

#define WRITERS 4
#define PAGES   40
#define ITEMS   25

struct crew {
	struct kit *kit;
	atomic_int  next_writer;
	atomic_bool is_over;
	atomic_uint written, harmed;
};

static void *
writer_main(void *arg)
{
	struct crew  *crew = arg;
	struct arena *arena = arena_open((size_t)1 << 20);
	int           writer = atomic_fetch_add(&crew->next_writer, 1);

	for (int round = 0; !atomic_load(&crew->is_over); round++, arena_reset(arena)) {
		struct store_txn *txn = store_begin(crew->kit->store, NULL, arena);
		struct item       item = { .id = arena_printf(arena, "w%d-%d", writer, round), .body = STR("body") };

		store_put(txn, &kit_feed, &item);
		if (store_commit(&txn) == OK)
			atomic_fetch_add(&crew->written, 1);
		else
			atomic_fetch_add(&crew->harmed, 1);
	}
	arena_close(&arena);
	return NULL;
}

static enum err
merge(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	(void)ctx;
	(void)held;
	buf_put(merged_out, received);
	return OK;
}

static bool
differ(void *ctx, struct str a, struct str b, struct buf *fields_out)
{
	(void)ctx;
	buf_put(fields_out, STR("[]"));
	return !str_eq(a, b);
}

static bool
show(void *ctx, struct str body, struct buf *shown_out)
{
	(void)ctx;
	(void)body;
	(void)shown_out;
	return false;
}

static void
stage_round(struct replica *replica, int64_t sid, enum replica_kind kind, const char *body)
{
	struct replica_merger merger = { .merge = merge, .differ = differ, .show = show };
	struct replica_guard  guard = { 100, 1000000 };
	struct replica_tally  tally;
	bool                  done = false;

	assert_int_equal(replica_begin_round(replica, sid, kind, STR("http://x/1"), 1), OK);
	for (int page = 0; page < PAGES; page++) {
		replica_begin_page(replica, sid);
		for (int i = 0; i < ITEMS; i++) {
			char id[32];

			replica_put_item(replica, str_of(id, str_printf(id, sizeof(id), "%d-%d", page, i)),
			                 REPLICA_LIVE, str_from_c(body));
		}
		assert_int_equal(replica_end_page(replica, STR("http://x/2"), page == PAGES - 1), OK);
	}
	while (!done)
		assert_int_equal(replica_settle(replica, sid, &merger, &guard, 1, &tally, &done), OK);
	assert_int_equal(tally.created + tally.updated, PAGES * ITEMS);
}

static int64_t
add_scope(struct replica *replica)
{
	struct replica_scope scope = { .name = STR("a"), .url = STR("http://x/0"), .resource = STR("a") };
	int64_t              sid = 0;

	assert_int_equal(replica_add_scope(replica, &scope, &sid), OK);
	return sid;
}

static void
test_store_joined__rounds_and_writes_of_others_share_the_writer_and_lose_nothing(void **state)
{
	struct kit          *kit = *state;
	struct crew          crew = { .kit = kit };
	struct replica      *replica = NULL;
	struct replica_scope scope;
	struct feed_state    feed;
	struct store_feed    none = { 0 }, first;
	pthread_t            threads[WRITERS];
	int64_t              sid;

	kit_open(kit);
	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer_main, &crew), 0);
	sid = add_scope(replica);
	stage_round(replica, sid, REPLICA_FIRST, "{\"a\":1}");
	stage_round(replica, sid, REPLICA_NEXT, "{\"a\":2}");
	assert_int_equal(replica_get_scope(replica, sid, kit->arena, &scope), OK);
	assert_int_equal(scope.items, PAGES * ITEMS);
	replica_close(&replica);
	atomic_store(&crew.is_over, true);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(crew.harmed, 0);
	assert_int_equal(store_next_feed(kit->store, &none, &first, &feed), OK);
	assert_int_equal(feed.head, crew.written);
	store_close(&kit->store);
}

/* What a caller has read of a scope may be old: the store judges, and nothing changes. */
static void
test_store_joined__what_does_not_fit_a_scope_is_a_conflict(void **state)
{
	struct kit          *kit = *state;
	struct replica      *replica = NULL;
	struct replica_scope scope = { .name = STR("b"), .url = STR("http://x/b"), .resource = STR("b") };
	struct replica_tally tally;
	struct store_txn    *txn;
	struct str           granted;
	int64_t              sid, other;
	bool                 done;

	kit_open(kit);
	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = add_scope(replica);
	assert_int_equal(replica_add_scope(replica, &scope, &other), OK);
	assert_int_equal(replica_add_scope(replica, &scope, &other), ERR_CONFLICT);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_put_kv(txn, STORE_OF_SCOPE, STR("a"), STR("granted"));
	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(replica_rename_scope(replica, sid, STR("b")), ERR_CONFLICT);
	assert_int_equal(replica_rename_scope(replica, sid, STR("a")), OK);
	assert_int_equal(store_get_kv(kit->store, STORE_OF_SCOPE, STR("a"), kit->arena, &granted), OK);
	replica_begin_page(replica, sid);
	assert_int_equal(replica_end_page(replica, STR("http://x/1"), true), ERR_CONFLICT);
	assert_int_equal(replica_settle(replica, sid, NULL, NULL, 1, &tally, &done), ERR_CONFLICT);
	stage_round(replica, sid, REPLICA_FIRST, "{}");
	assert_int_equal(replica_point_scope(replica, sid, &scope), ERR_CONFLICT);
	replica_close(&replica);
	store_close(&kit->store);
}

/* A page need not be synced when it is stored, a write of the store must. */
static void
test_store_joined__each_commit_of_the_store_is_synced(void **state)
{
	struct kit     *kit = *state;
	struct replica *replica = NULL;
	int64_t         sync = 0, sid;

	kit_open(kit);
	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = add_scope(replica);
	stage_round(replica, sid, REPLICA_FIRST, "{}");
	assert_int_equal(replica_begin_round(replica, sid, REPLICA_NEXT, STR("http://x/1"), 1), OK);
	assert_int_equal(sql_conn_read_int(((struct engine *)kit->store->engine)->writer, "PRAGMA synchronous", &sync),
	                 OK);
	assert_int_equal(sync, 2);
	replica_close(&replica);
	store_close(&kit->store);
}

/* The first failure of a page is its result, and the next page is not harmed. */
static void
test_store_joined__a_page_that_has_failed_takes_nothing_more(void **state)
{
	struct kit          *kit = *state;
	struct replica      *replica = NULL;
	struct replica_scope scope;
	int64_t              sid;

	kit_open(kit);
	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = add_scope(replica);
	assert_int_equal(replica_begin_round(replica, sid, REPLICA_FIRST, STR("http://x/1"), 1), OK);
	replica_begin_page(replica, sid + 1);
	replica_put_item(replica, STR("a"), REPLICA_LIVE, STR("{}"));
	assert_int_equal(replica_end_page(replica, STR("http://x/2"), false), ERR_NOT_FOUND);
	replica_begin_page(replica, sid);
	replica_put_item(replica, STR("b"), REPLICA_LIVE, STR("{}"));
	assert_int_equal(replica_end_page(replica, STR("http://x/3"), true), OK);
	assert_int_equal(replica_get_scope(replica, sid, kit->arena, &scope), OK);
	assert_int_equal(scope.round_items, 1);
	replica_close(&replica);
	store_close(&kit->store);
}

/* The model keeps nothing that is followed. */
static void
test_store_joined__an_engine_that_cannot_follow_says_so(void **state)
{
	struct kit       *kit = *state;
	struct store_conf conf = kit_conf(kit, STORE_SERVE);
	struct replica   *replica = NULL;

	assert_int_equal(model_open(&conf, &kit->store), OK);
	assert_int_equal(replica_join(kit->store, &replica, kit->why), ERR_BAD_REQUEST);
	assert_string_equal(kit->why, "a store of this kind (model:) does not keep what is followed");
	store_close(&kit->store);
	conf.url = STR("memory:");
	assert_int_equal(replica_open(&conf, &replica, kit->why), ERR_BAD_REQUEST);
	assert_string_equal(kit->why,
	                    "what is followed is kept in a file: the store must be sqlite:PATH, not 'memory:'");
	conf.url = STR("sqlite");
	assert_int_equal(replica_open(&conf, &replica, kit->why), ERR_BAD_REQUEST);
	assert_string_equal(
		kit->why,
		"the store URL 'sqlite' is not understood; known are sqlite:PATH, postgresql://… and memory:");
	assert_null(replica);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_store_joined__rounds_and_writes_of_others_share_the_writer_and_lose_nothing, kit_begin,
			kit_end),
		cmocka_unit_test_setup_teardown(test_store_joined__a_page_that_has_failed_takes_nothing_more, kit_begin,
		                                kit_end),
		cmocka_unit_test_setup_teardown(test_store_joined__an_engine_that_cannot_follow_says_so, kit_begin,
		                                kit_end),
		cmocka_unit_test_setup_teardown(test_store_joined__what_does_not_fit_a_scope_is_a_conflict, kit_begin,
		                                kit_end),
		cmocka_unit_test_setup_teardown(test_store_joined__each_commit_of_the_store_is_synced, kit_begin,
		                                kit_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
