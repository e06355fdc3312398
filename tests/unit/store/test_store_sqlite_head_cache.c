/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite_head_cache.h"

#include "unit/store/store_kit.h"

static struct feed_state
state_at(uint64_t head)
{
	return (struct feed_state){ .exists = true,
		                    .generation = { { 7 } },
		                    .epoch = 3,
		                    .head = head,
		                    .purged_through = 2,
		                    .purged_through_ms = 1234,
		                    .base = UINT64_MAX };
}

static void
keep_now(struct head_cache *head_cache, const struct store_feed *feed, uint64_t head)
{
	struct feed_state now_state = state_at(head);

	head_cache_keep(head_cache, feed, head_cache_moment(head_cache, feed), &now_state);
}

static void
test_head_cache__tell_what_was_kept_and_nothing_of_other_feeds(void **state)
{
	struct head_cache *head_cache = head_cache_open();
	struct store_feed  other = kit_feed;
	struct feed_state  seen, kept = state_at(41);

	(void)state;
	assert_false(head_cache_find(head_cache, &kit_feed, &seen));
	keep_now(head_cache, &kit_feed, 41);
	assert_true(head_cache_find(head_cache, &kit_feed, &seen));
	assert_memory_equal(&seen, &kept, sizeof(seen));
	other.collection = 2;
	assert_false(head_cache_find(head_cache, &other, &seen));
	head_cache_close(&head_cache);
	assert_null(head_cache);
}

static void
test_head_cache__tell_nothing_while_a_commit_runs_and_nothing_old_after_it(void **state)
{
	struct head_cache *head_cache = head_cache_open();
	struct feed_state  seen;

	(void)state;
	keep_now(head_cache, &kit_feed, 5);
	head_cache_touch(head_cache, &kit_feed);
	assert_true(head_cache_find(head_cache, &kit_feed, &seen));
	head_cache_commit_begins(head_cache);
	assert_false(head_cache_find(head_cache, &kit_feed, &seen));
	keep_now(head_cache, &kit_feed, 5);
	assert_false(head_cache_find(head_cache, &kit_feed, &seen));
	head_cache_commit_ended(head_cache);
	assert_false(head_cache_find(head_cache, &kit_feed, &seen));
	keep_now(head_cache, &kit_feed, 6);
	assert_true(head_cache_find(head_cache, &kit_feed, &seen));
	assert_int_equal(seen.head, 6);
	head_cache_close(&head_cache);
}

static void
test_head_cache__forget_what_was_read_in_a_snapshot_from_before_a_commit(void **state)
{
	struct head_cache *head_cache = head_cache_open();
	struct feed_state  old = state_at(5), seen;
	uint64_t           moment = head_cache_moment(head_cache, &kit_feed);

	(void)state;
	head_cache_touch(head_cache, &kit_feed);
	head_cache_commit_begins(head_cache);
	head_cache_commit_ended(head_cache);
	head_cache_keep(head_cache, &kit_feed, moment, &old);
	assert_false(head_cache_find(head_cache, &kit_feed, &seen));
	head_cache_close(&head_cache);
}

static void
test_head_cache__leave_other_feeds_alone_in_a_commit(void **state)
{
	struct head_cache *head_cache = head_cache_open();
	struct store_feed  other = kit_feed;
	struct feed_state  seen;

	(void)state;
	other.owner.b[0] = 99;
	keep_now(head_cache, &kit_feed, 5);
	head_cache_touch(head_cache, &other);
	head_cache_commit_begins(head_cache);
	assert_true(head_cache_find(head_cache, &kit_feed, &seen));
	head_cache_commit_ended(head_cache);
	assert_true(head_cache_find(head_cache, &kit_feed, &seen));
	head_cache_close(&head_cache);
}

/* ---- through the store ----------------------------------------------------------------------------- */

static struct feed_state
state_by_scan(struct kit *kit, uint64_t after, bool *empty_out)
{
	struct store_range range = {
		.after = after, .until = STORE_TO_HEAD, .epoch = store_epoch(kit->store), .limit = 10
	};
	struct store_scan *scan = store_scan_open(kit->store, &kit_feed, &range, kit->arena);
	struct feed_state  now_state = *store_scan_state(scan);
	struct item        item;

	*empty_out = !store_scan_next(scan, &item);
	assert_int_equal(store_scan_close(&scan), OK);
	return now_state;
}

static void
put(struct kit *kit, const char *id)
{
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	struct item       item = { .id = str_from_c(id), .key = STR_EMPTY, .body = STR("body"), .life = ITEM_LIVE };

	store_put(txn, &kit_feed, &item);
	assert_int_equal(store_commit(&txn), OK);
}

static void
test_head_cache__never_hide_a_commit_from_the_one_who_made_it(void **state)
{
	struct kit *kit = *state;
	bool        empty;

	kit_open(kit);
	for (uint64_t n = 1; n <= 50; n++) {
		put(kit, n % 2 ? "a" : "b");
		assert_int_equal(state_by_scan(kit, n - 1, &empty).head, n);
		assert_false(empty);
		for (int again = 0; again < 3; again++) {
			assert_int_equal(state_by_scan(kit, n, &empty).head, n);
			assert_true(empty);
		}
	}
	store_close(&kit->store);
}

static void
test_head_cache__know_when_a_feed_is_dropped_and_made_again(void **state)
{
	struct kit       *kit = *state;
	struct store_txn *txn;
	struct guid       before, after;
	bool              empty;

	kit_open(kit);
	put(kit, "a");
	before = state_by_scan(kit, 1, &empty).generation;
	assert_true(state_by_scan(kit, 1, &empty).exists);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_drop_feed(txn, &kit_feed);
	assert_int_equal(store_commit(&txn), OK);
	assert_false(state_by_scan(kit, 1, &empty).exists);
	put(kit, "a");
	after = state_by_scan(kit, 1, &empty).generation;
	assert_false(guid_eq(&before, &after));
	store_close(&kit->store);
}

static void
test_scan__of_bodies_alone_tells_the_same_bodies_and_removals(void **state)
{
	struct kit        *kit = *state;
	struct store_range whole = { .until = STORE_TO_HEAD, .epoch = 1, .limit = 10 }, bodies = whole;
	struct store_scan *a, *b;
	struct item        x, y;
	int                count = 0;

	kit_open(kit);
	bodies.bodies_only = true;
	kit_put(kit->store, kit->arena, "one", "first body");
	kit_put(kit->store, kit->arena, "two", "second body");
	kit_remove(kit->store, kit->arena, "one");
	a = store_scan_open(kit->store, &kit_feed, &whole, kit->arena);
	b = store_scan_open(kit->store, &kit_feed, &bodies, kit->arena);
	for (; store_scan_next(a, &x); count++) {
		assert_true(store_scan_next(b, &y));
		assert_int_equal(x.seq, y.seq);
		assert_int_equal(x.life, y.life);
		assert_true(str_eq(x.body, y.body));
		assert_true(str_eq(y.id, x.life == ITEM_REMOVED ? STR("one") : STR_EMPTY));
	}
	assert_false(store_scan_next(b, &y));
	assert_int_equal(count, 2);
	assert_int_equal(store_scan_close(&a), OK);
	assert_int_equal(store_scan_close(&b), OK);
	store_close(&kit->store);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_cache__tell_what_was_kept_and_nothing_of_other_feeds),
		cmocka_unit_test(test_head_cache__tell_nothing_while_a_commit_runs_and_nothing_old_after_it),
		cmocka_unit_test(test_head_cache__forget_what_was_read_in_a_snapshot_from_before_a_commit),
		cmocka_unit_test(test_head_cache__leave_other_feeds_alone_in_a_commit),
		cmocka_unit_test_setup_teardown(test_head_cache__never_hide_a_commit_from_the_one_who_made_it,
		                                kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_head_cache__know_when_a_feed_is_dropped_and_made_again, kit_begin,
		                                kit_end),
		cmocka_unit_test_setup_teardown(test_scan__of_bodies_alone_tells_the_same_bodies_and_removals,
		                                kit_begin, kit_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
