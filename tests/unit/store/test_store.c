/* SPDX-License-Identifier: Apache-2.0 */
/* What the shell promises over any engine; each test runs on SQLite and on the model. */
#include "model/model.h"
#include "unit/store/store_kit.h"

static int
begin_sqlite(void **state)
{
	assert_int_equal(kit_begin(state), 0);
	kit_open(*state);
	return 0;
}

static int
begin_model(void **state)
{
	struct kit       *kit;
	struct store_conf conf;

	assert_int_equal(kit_begin(state), 0);
	kit = *state;
	conf = kit_conf(kit, STORE_SERVE);
	assert_int_equal(model_open(&conf, &kit->store), OK);
	return 0;
}

static void
test_store__an_unknown_scheme_is_refused_and_the_known_are_named(void **state)
{
	struct kit   *kit = *state;
	struct store *store = NULL;
	const char   *path = "?";

	(void)snprintf(kit->url, sizeof(kit->url), "oracle:x");
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_BAD_REQUEST);
	assert_null(store);
	assert_non_null(strstr(kit->why, "sqlite:PATH"));
	assert_non_null(strstr(kit->why, "memory:"));
	assert_int_equal(store_url_path(STR("oracle:x"), kit->arena, &path), ERR_BAD_REQUEST);
	assert_int_equal(store_url_path(STR("sqlite"), kit->arena, &path), ERR_BAD_REQUEST);
	assert_int_equal(store_url_path(STR("sqlite:"), kit->arena, &path), ERR_BAD_REQUEST);
	assert_int_equal(store_url_path(STR("sqlite:/a/b"), kit->arena, &path), OK);
	assert_string_equal(path, "/a/b");
	assert_int_equal(store_url_path(STR("memory:"), kit->arena, &path), OK);
	assert_string_equal(path, "");
}

static void
test_store__an_item_moves_to_the_end_at_each_write(void **state)
{
	struct kit *kit = *state;

	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "2"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "c", "1"), OK);
	assert_int_equal(kit_remove(kit->store, kit->arena, "b"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a3 c4 -b5");
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, true, NULL), "a3 c4");
	assert_string_equal(kit_changes(kit->store, kit->arena, 3, false, NULL), "c4 -b5");
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "again"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a3 c4 b6");
}

static void
test_store__a_scan_shows_the_moment_it_was_opened(void **state)
{
	struct kit        *kit = *state;
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 10, .epoch = 1 };
	struct store_scan *scan;
	struct item        item;

	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	scan = store_scan_open(kit->store, &kit_feed, &range, kit->arena);
	assert_true(store_scan_next(scan, &item));
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "2"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "2"), OK);
	assert_int_equal(store_scan_state(scan)->head, 2);
	assert_true(store_scan_next(scan, &item));
	assert_true(str_eq(item.id, STR("b")));
	assert_int_equal(item.seq, 2);
	assert_true(str_eq(item.body, STR("1")));
	assert_false(store_scan_next(scan, &item));
	assert_int_equal(store_scan_close(&scan), OK);
	assert_null(scan);
}

static void
test_store__a_failed_transaction_does_nothing_more_and_tells_its_first_reason(void **state)
{
	struct kit       *kit = *state;
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	struct item       item = { .id = STR("a"), .body = STR("1") };
	struct feed_state now_state;

	store_put(txn, &kit_feed, &item);
	store_fail(txn, ERR_STALE);
	store_fail(txn, ERR_CONFLICT);
	store_put(txn, &kit_feed, &item);
	assert_false(store_txn_get(txn, &kit_feed, STR("a"), &item));
	assert_false(store_txn_state(txn, &kit_feed, &now_state));
	assert_int_equal(store_txn_err(txn), ERR_STALE);
	assert_int_equal(store_commit(&txn), ERR_STALE);
	assert_null(txn);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, &now_state), "");
	assert_false(now_state.exists);
	store_abort(&txn);
}

static enum err
put_sized(struct kit *kit, size_t id, size_t key, size_t body)
{
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	struct item       item = {
		      .id = str_of(arena_take(kit->arena, id + 1), id),
		      .key = str_of(arena_take(kit->arena, key + 1), key),
		      .body = str_of(arena_take(kit->arena, body + 1), body),
	};

	store_put(txn, &kit_feed, &item);
	return store_commit(&txn);
}

static void
test_store__sizes_are_held_to_their_limits(void **state)
{
	struct kit       *kit = *state;
	struct store_txn *txn;

	assert_int_equal(put_sized(kit, 0, 0, 1), ERR_BAD_REQUEST);
	assert_int_equal(put_sized(kit, STORE_ID_MAX, STORE_KEY_MAX, STORE_BODY_MAX), OK);
	assert_int_equal(put_sized(kit, STORE_ID_MAX + 1, 0, 1), ERR_TOO_LARGE);
	assert_int_equal(put_sized(kit, 1, STORE_KEY_MAX + 1, 1), ERR_TOO_LARGE);
	assert_int_equal(put_sized(kit, 1, 0, STORE_BODY_MAX + 1), ERR_TOO_LARGE);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_put_kv(txn, "s", STR("n"), str_of(arena_take(kit->arena, STORE_KV_MAX + 1), STORE_KV_MAX + 1));
	assert_int_equal(store_commit(&txn), ERR_TOO_LARGE);
}

static void
test_store__a_repeated_op_changes_nothing_and_says_so(void **state)
{
	struct kit       *kit = *state;
	struct store_op   op = { { { 42 } } };
	struct item       item = { .id = STR("a"), .body = STR("1") };
	struct store_txn *txn = store_begin(kit->store, &op, kit->arena);

	assert_false(store_was_done(txn));
	store_put(txn, &kit_feed, &item);
	store_abort(&txn); /* undone, so not done */
	for (int i = 0; i < 3; i++) {
		txn = store_begin(kit->store, &op, kit->arena);
		assert_int_equal(store_was_done(txn), i > 0);
		store_put(txn, &kit_feed, &item);
		assert_int_equal(store_commit(&txn), OK);
	}
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1");
	kit->now_ms += 1000;
	txn = store_begin(kit->store, NULL, kit->arena);
	store_forget_ops(txn, kit->now_ms);
	assert_int_equal(store_commit(&txn), OK);
	txn = store_begin(kit->store, &op, kit->arena);
	assert_false(store_was_done(txn));
	store_abort(&txn);
}

static void
test_store__a_dropped_feed_comes_back_as_another(void **state)
{
	struct kit       *kit = *state;
	struct feed_state first, second;
	struct store_txn *txn;

	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	(void)kit_changes(kit->store, kit->arena, 0, false, &first);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_drop_feed(txn, &kit_feed);
	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "c", "1"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, &second), "c1");
	assert_false(guid_eq(&first.generation, &second.generation));
}

static void
test_store__a_purge_takes_the_oldest_and_raises_purged_through(void **state)
{
	struct kit       *kit = *state;
	struct feed_state now_state;
	struct store_txn *txn;
	uint32_t          purged;

	for (int i = 0; i < 4; i++) {
		char id[2] = { (char)('a' + i), 0 };

		assert_int_equal(kit_put(kit->store, kit->arena, id, "1"), OK);
		assert_int_equal(kit_remove(kit->store, kit->arena, id), OK);
		kit->now_ms += 10;
	}
	txn = store_begin(kit->store, NULL, kit->arena);
	store_purge(txn, &kit_feed, kit->now_ms - 20, 2, &purged);
	assert_int_equal(purged, 2);
	store_purge(txn, &kit_feed, kit->now_ms - 20, 2, &purged);
	assert_int_equal(purged, 1);
	assert_int_equal(store_commit(&txn), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, &now_state), "-d8");
	assert_int_equal(now_state.purged_through, 6);
	assert_int_equal(now_state.purged_through_ms, kit->now_ms - 20);
}

static void
test_store__pins_and_rewrites_need_a_live_item(void **state)
{
	struct kit       *kit = *state;
	struct item       item = { .id = STR("a"), .key = STR("k"), .body = STR("2") };
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);

	store_rewrite(txn, &kit_feed, &item);
	assert_int_equal(store_commit(&txn), ERR_NOT_FOUND);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_set_default(txn, &kit_feed, STR("a"));
	assert_int_equal(store_commit(&txn), ERR_NOT_FOUND);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_rewrite(txn, &kit_feed, &item);
	store_set_default(txn, &kit_feed, STR("a"));
	assert_int_equal(store_commit(&txn), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1");
	assert_int_equal(store_get_default(kit->store, &kit_feed, kit->arena, &item), OK);
	assert_true(str_eq(item.body, STR("2")));
	assert_int_equal(kit_remove(kit->store, kit->arena, "a"), OK);
	assert_int_equal(store_get_default(kit->store, &kit_feed, kit->arena, &item), ERR_NOT_FOUND);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "3"), OK);
	assert_int_equal(store_get_default(kit->store, &kit_feed, kit->arena, &item), ERR_NOT_FOUND);
}

static void
test_store__the_notes_generation_rises_with_committed_notes_only(void **state)
{
	struct kit       *kit = *state;
	uint64_t          first = store_kv_generation(kit->store);
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);

	store_put_kv(txn, "s", STR("n"), STR("v"));
	store_abort(&txn);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(store_kv_generation(kit->store), first);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_put_kv(txn, "s", STR("n"), STR("v"));
	assert_int_equal(store_kv_generation(kit->store), first);
	assert_int_equal(store_commit(&txn), OK);
	assert_true(store_kv_generation(kit->store) > first);
}

static void
test_store__the_arena_may_be_reset_inside_a_transaction(void **state)
{
	struct kit       *kit = *state;
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	struct item       item;

	for (int i = 0; i < 100; i++) {
		item = (struct item){ .id = arena_printf(kit->arena, "item-%d", i), .body = STR("x") };
		store_put(txn, &kit_feed, &item);
		assert_true(store_txn_get(txn, &kit_feed, item.id, &item));
		arena_reset(kit->arena);
	}
	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(store_get(kit->store, &kit_feed, STR("item-99"), kit->arena, &item), OK);
	assert_int_equal(item.seq, 100);
}

#define ON_BOTH(test) \
	{ #test " (sqlite)", test, begin_sqlite, kit_end, NULL }, \
	{ \
#test " (model)", test, begin_model, kit_end, NULL \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(test_store__an_unknown_scheme_is_refused_and_the_known_are_named),
		ON_BOTH(test_store__an_item_moves_to_the_end_at_each_write),
		ON_BOTH(test_store__a_scan_shows_the_moment_it_was_opened),
		ON_BOTH(test_store__a_failed_transaction_does_nothing_more_and_tells_its_first_reason),
		ON_BOTH(test_store__sizes_are_held_to_their_limits),
		ON_BOTH(test_store__a_repeated_op_changes_nothing_and_says_so),
		ON_BOTH(test_store__a_dropped_feed_comes_back_as_another),
		ON_BOTH(test_store__a_purge_takes_the_oldest_and_raises_purged_through),
		ON_BOTH(test_store__pins_and_rewrites_need_a_live_item),
		ON_BOTH(test_store__the_notes_generation_rises_with_committed_notes_only),
		ON_BOTH(test_store__the_arena_may_be_reset_inside_a_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
