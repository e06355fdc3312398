/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite_heads.h"

#include "unit/store/store_kit.h"

static struct store_mark
mark_at(uint64_t head)
{
	return (struct store_mark){ .exists = true, .incarnation = { { 7 } }, .epoch = 3, .head = head, .horizon = 2,
		                    .horizon_ms = 1234, .base = UINT64_MAX };
}

static void
keep_now(struct heads *heads, const struct store_feed *feed, uint64_t head)
{
	struct store_mark mark = mark_at(head);

	heads_keep(heads, feed, heads_moment(heads, feed), &mark);
}

static void
test_heads__tell_what_was_kept_and_nothing_of_other_feeds(void **state)
{
	struct heads     *heads = heads_open();
	struct store_feed other = kit_feed;
	struct store_mark told, kept = mark_at(41);

	(void)state;
	assert_false(heads_find(heads, &kit_feed, &told));
	keep_now(heads, &kit_feed, 41);
	assert_true(heads_find(heads, &kit_feed, &told));
	assert_memory_equal(&told, &kept, sizeof(told));
	other.collection = 2;
	assert_false(heads_find(heads, &other, &told));
	heads_close(&heads);
	assert_null(heads);
}

static void
test_heads__tell_nothing_while_a_commit_runs_and_nothing_old_after_it(void **state)
{
	struct heads     *heads = heads_open();
	struct store_mark told;

	(void)state;
	keep_now(heads, &kit_feed, 5);
	heads_touch(heads, &kit_feed);
	assert_true(heads_find(heads, &kit_feed, &told));
	heads_commit_begins(heads);
	assert_false(heads_find(heads, &kit_feed, &told));
	keep_now(heads, &kit_feed, 5);
	assert_false(heads_find(heads, &kit_feed, &told));
	heads_commit_ended(heads);
	assert_false(heads_find(heads, &kit_feed, &told));
	keep_now(heads, &kit_feed, 6);
	assert_true(heads_find(heads, &kit_feed, &told));
	assert_int_equal(told.head, 6);
	heads_close(&heads);
}

static void
test_heads__forget_what_was_read_in_a_snapshot_from_before_a_commit(void **state)
{
	struct heads     *heads = heads_open();
	struct store_mark old = mark_at(5), told;
	uint64_t          moment = heads_moment(heads, &kit_feed);

	(void)state;
	heads_touch(heads, &kit_feed);
	heads_commit_begins(heads);
	heads_commit_ended(heads);
	heads_keep(heads, &kit_feed, moment, &old);
	assert_false(heads_find(heads, &kit_feed, &told));
	heads_close(&heads);
}

static void
test_heads__leave_other_feeds_alone_in_a_commit(void **state)
{
	struct heads     *heads = heads_open();
	struct store_feed other = kit_feed;
	struct store_mark told;

	(void)state;
	other.owner.b[0] = 99;
	keep_now(heads, &kit_feed, 5);
	heads_touch(heads, &other);
	heads_commit_begins(heads);
	assert_true(heads_find(heads, &kit_feed, &told));
	heads_commit_ended(heads);
	assert_true(heads_find(heads, &kit_feed, &told));
	heads_close(&heads);
}

/* ---- through the store ----------------------------------------------------------------------------- */

static struct store_mark
mark_by_scan(struct kit *kit, uint64_t after, bool *empty_out)
{
	struct store_range range = { .after = after, .until = STORE_TO_HEAD, .epoch = store_epoch(kit->store), .limit = 10 };
	struct store_scan *scan = store_scan_open(kit->store, &kit_feed, &range, kit->arena);
	struct store_mark  mark = *store_scan_mark(scan);
	struct item        item;

	*empty_out = !store_scan_next(scan, &item);
	assert_int_equal(store_scan_close(&scan), OK);
	return mark;
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
test_heads__never_hide_a_commit_from_the_one_who_made_it(void **state)
{
	struct kit *kit = *state;
	bool        empty;

	kit_open(kit);
	for (uint64_t n = 1; n <= 50; n++) {
		put(kit, n % 2 ? "a" : "b");
		assert_int_equal(mark_by_scan(kit, n - 1, &empty).head, n);
		assert_false(empty);
		for (int again = 0; again < 3; again++) {
			assert_int_equal(mark_by_scan(kit, n, &empty).head, n);
			assert_true(empty);
		}
	}
	store_close(&kit->store);
}

static void
test_heads__know_when_a_feed_is_dropped_and_made_again(void **state)
{
	struct kit       *kit = *state;
	struct store_txn *txn;
	struct guid       before, after;
	bool              empty;

	kit_open(kit);
	put(kit, "a");
	before = mark_by_scan(kit, 1, &empty).incarnation;
	assert_true(mark_by_scan(kit, 1, &empty).exists);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_drop_feed(txn, &kit_feed);
	assert_int_equal(store_commit(&txn), OK);
	assert_false(mark_by_scan(kit, 1, &empty).exists);
	put(kit, "a");
	after = mark_by_scan(kit, 1, &empty).incarnation;
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
		cmocka_unit_test(test_heads__tell_what_was_kept_and_nothing_of_other_feeds),
		cmocka_unit_test(test_heads__tell_nothing_while_a_commit_runs_and_nothing_old_after_it),
		cmocka_unit_test(test_heads__forget_what_was_read_in_a_snapshot_from_before_a_commit),
		cmocka_unit_test(test_heads__leave_other_feeds_alone_in_a_commit),
		cmocka_unit_test_setup_teardown(test_heads__never_hide_a_commit_from_the_one_who_made_it, kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_heads__know_when_a_feed_is_dropped_and_made_again, kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_scan__of_bodies_alone_tells_the_same_bodies_and_removals, kit_begin,
		                                kit_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
