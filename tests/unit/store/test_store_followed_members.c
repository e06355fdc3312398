/* SPDX-License-Identifier: Apache-2.0 */
/* Followed feeds: the members of relations as rows, each with a seq of its own. */
#include "unit/store/followed_kit.h"

/* The scope "a" with the group g of m and n between two other items. */
static void
begin(struct kit *kit, struct replica **replica_out, int64_t *sid_out)
{
	kit_open(kit);
	assert_int_equal(replica_join(kit->store, replica_out, kit->why), OK);
	*sid_out = replica_scope_add(*replica_out, "a");
	replica_round(*replica_out, *sid_out, REPLICA_FIRST, "a g g:m g:n b", 100);
}

static const char *
all(struct kit *kit)
{
	struct store_feed feed = feed_of(kit, "a");

	assert_int_equal(kit_faults(kit->store), 0);
	return read_all(kit, &feed);
}

static const char *
some(struct kit *kit, const struct store_range *range)
{
	struct store_feed feed = feed_of(kit, "a");

	return read_range(kit, &feed, range, NULL);
}

static const char *
members(struct kit *kit, const char *id)
{
	struct store_feed   feed = feed_of(kit, "a");
	struct store_member member, *after = NULL;
	struct str          seen = STR_EMPTY;

	while (store_next_member(kit->store, &feed, str_from_c(id), after, kit->arena, &member) == OK) {
		seen = arena_printf(kit->arena, "%.*s%.*s", STR_ARG(seen), STR_ARG(member.member));
		after = &member;
	}
	return arena_c(kit->arena, seen);
}

static void
test_store_followed__a_scan_may_end_inside_a_group(void **state)
{
	struct kit        *kit = *state;
	struct replica    *replica;
	int64_t            sid;
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = 1, .limit = 3 };
	struct store_feed  feed;
	struct store_scan *scan;
	struct item        item;

	begin(kit, &replica, &sid);
	assert_string_equal(all(kit), "a1 g2 g:m3 g:n4 b5");
	assert_string_equal(some(kit, &range), "a1 g2 g:m3");
	range.after = 3;
	assert_string_equal(some(kit, &range), "g:n4 b5");
	range.until = 4;
	assert_string_equal(some(kit, &range), "g:n4");
	range = (struct store_range){ .until = STORE_TO_HEAD, .limit = 9, .live_only = true, .bodies_only = true };
	assert_string_equal(some(kit, &range), "a1 g2 g:m3 g:n4 b5");
	range = (struct store_range){ .until = STORE_TO_HEAD, .limit = 9, .by_id = true };
	assert_string_equal(some(kit, &range), "a1 b5 g2");
	feed = feed_of(kit, "a");
	assert_int_equal(store_get(kit->store, &feed, STR("g"), kit->arena, &item), OK);
	assert_null(item.member);
	range = (struct store_range){ .after = 2, .until = STORE_TO_HEAD, .limit = 1 };
	scan = store_scan_open(kit->store, &feed, &range, kit->arena);
	assert_true(store_scan_next(scan, &item));
	assert_true(str_eq(item.id, STR("g")) && str_eq(item.member->relation, STR("members")));
	assert_true(str_eq(item.member->type, STR("t")) && str_eq(item.member->value, STR("{}")));
	assert_int_equal(store_scan_close(&scan), OK);
	replica_close(&replica);
}

static void
test_store_followed__who_goes_leaves_a_tombstone_until_he_is_back(void **state)
{
	struct kit        *kit = *state;
	struct replica    *replica;
	int64_t            sid;
	struct store_range live = { .until = STORE_TO_HEAD, .epoch = 1, .limit = 9, .live_only = true };

	begin(kit, &replica, &sid);
	replica_round(replica, sid, REPLICA_NEXT, "g g!m g:o g:n", 200);
	assert_string_equal(all(kit), "a1 g:n4 b5 g6 -g:m7.2 g:o8");
	assert_string_equal(some(kit, &live), "a1 g:n4 b5 g6 g:o8");
	assert_string_equal(members(kit, "g"), "no");
	replica_round(replica, sid, REPLICA_NEXT, "g g:m g!x", 300);
	assert_string_equal(all(kit), "a1 g:n4 b5 g:o8 g10 g:m11");
	assert_string_equal(members(kit, "g"), "mno");
	replica_close(&replica);
}

static void
test_store_followed__what_a_listing_does_not_name_goes(void **state)
{
	struct kit     *kit = *state;
	struct replica *replica;
	int64_t         sid;

	begin(kit, &replica, &sid);
	replica_round(replica, sid, REPLICA_RESYNC, "g g:n g:p", 200);
	assert_string_equal(all(kit), "g:n4 g6 g:p8 -a9.0 -b10.0 -g:m11.2");
	replica_round(replica, sid, REPLICA_NEXT, "-g g g:n", 300);
	assert_string_equal(all(kit), "g:n4 -a9.0 -b10.0 -g:m11.2 g13 -g:p15.2");
	replica_close(&replica);
}

static void
test_store_followed__a_removed_item_tells_of_its_members_when_it_is_back(void **state)
{
	struct kit     *kit = *state;
	struct replica *replica;
	int64_t         sid;

	begin(kit, &replica, &sid);
	replica_round(replica, sid, REPLICA_NEXT, "g g!m", 200);
	replica_round(replica, sid, REPLICA_NEXT, "-g", 300);
	assert_string_equal(all(kit), "a1 b5 -g8.2");
	assert_string_equal(members(kit, "g"), "");
	replica_round(replica, sid, REPLICA_NEXT, "g g:o", 400);
	assert_string_equal(all(kit), "a1 b5 g9 g:o10 -g:m11.2 -g:n12.2");
	replica_close(&replica);
}

static void
test_store_followed__a_member_told_otherwise_is_a_change_of_the_feed_alone(void **state)
{
	struct kit     *kit = *state;
	struct replica *replica;
	int64_t         sid;
	uint64_t        before, after;

	begin(kit, &replica, &sid);
	assert_int_equal(replica_head(replica, &before), OK);
	replica_round(replica, sid, REPLICA_NEXT, "g g;m g:n", 200);
	assert_int_equal(replica_head(replica, &after), OK);
	assert_int_equal(before, after);
	assert_string_equal(all(kit), "a1 g2 g:n4 b5 g:m7");
	replica_round(replica, sid, REPLICA_NEXT, "g g;m", 300);
	assert_string_equal(all(kit), "a1 g2 g:n4 b5 g:m7");
	replica_close(&replica);
}

static void
test_store_followed__a_dropped_round_leaves_no_rows(void **state)
{
	struct kit     *kit = *state;
	struct replica *replica;
	int64_t         sid;

	begin(kit, &replica, &sid);
	assert_int_equal(replica_begin_round(replica, sid, REPLICA_NEXT, STR("http://x/1"), 200), OK);
	replica_begin_page(replica, sid);
	replica_put_word(replica, STR("g"));
	replica_put_word(replica, STR("g:x"));
	assert_int_equal(replica_end_page(replica, STR("http://x/2"), false), OK);
	assert_string_equal(all(kit), "a1 g2 g:m3 g:n4 b5");
	assert_int_equal(replica_drop_round(replica, sid), OK);
	replica_round(replica, sid, REPLICA_NEXT, "g g:y", 300);
	assert_string_equal(all(kit), "a1 g:m3 g:n4 b5 g8 g:y9");
	replica_close(&replica);
}

static uint32_t
purge(struct kit *kit, int64_t until_ms, uint32_t max)
{
	struct store_feed feed = feed_of(kit, "a");
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	uint32_t          purged = 99;

	store_purge(txn, &feed, until_ms, max, &purged);
	assert_int_equal(store_commit(&txn), OK);
	return purged;
}

static void
test_store_followed__tombstones_are_purged_with_those_of_items(void **state)
{
	struct kit        *kit = *state;
	struct engine     *engine;
	struct replica    *replica;
	int64_t            sid, rows = 0;
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = 1 };
	struct store_feed  feed;
	struct feed_state  seen;

	begin(kit, &replica, &sid);
	engine = kit->store->engine;
	replica_round(replica, sid, REPLICA_NEXT, "g g!m -a h h:m h:n", 200);
	replica_round(replica, sid, REPLICA_NEXT, "h h!n -g", 300);
	assert_string_equal(all(kit), "b5 -a8.2 h:m10 h12 -h:n13.2 -g14.2");
	assert_int_equal(purge(kit, 100, 9), 0);
	assert_int_equal(purge(kit, 200, 9), 1);
	assert_string_equal(all(kit), "b5 h:m10 h12 -h:n13.2 -g14.2");
	assert_int_equal(purge(kit, 300, 1), 1);
	assert_string_equal(all(kit), "b5 h:m10 h12 -g14.2");
	feed = feed_of(kit, "a");
	(void)read_range(kit, &feed, &range, &seen);
	assert_int_equal(seen.purged_through, 13);
	assert_int_equal(seen.purged_through_ms, 300);
	assert_int_equal(purge(kit, 300, 9), 1);
	assert_string_equal(all(kit), "b5 h:m10 h12");
	assert_int_equal(sql_conn_read_int(engine->writer, "SELECT count(*) FROM follow_member WHERE gen = 1", &rows),
	                 OK);
	assert_int_equal(rows, 1);
	replica_close(&replica);
}

/* ---- in parts ---------------------------------------------------------------------------------- */

static void
sweep(struct replica *replica)
{
	bool done = false;

	while (!done)
		assert_int_equal(replica_sweep(replica, &done), OK);
}

static void
test_store_followed__in_parts_members_get_the_same_seqs(void **state)
{
	for (uint32_t rows = 4; rows > 0; rows--) {
		struct kit     *kit = *state;
		struct replica *replica;
		int64_t         sid;

		begin(kit, &replica, &sid);
		replica_limit_commits(replica, rows);
		replica_round(replica, sid, REPLICA_NEXT, "g g!m g:o g;n g:p", 200);
		assert_string_equal(all(kit), "a1 b5 g6 -g:m7.2 g:o8 g:n9 g:p10");
		replica_round(replica, sid, REPLICA_NEXT, "-a -g g g:n g:q", 300);
		assert_string_equal(all(kit), "b5 -g:m7.2 -a11.2 g13 g:n14 g:q15 -g:o16.2 -g:p17.2");
		replica_round(replica, sid, REPLICA_NEXT, "-g", 400);
		assert_string_equal(all(kit), "b5 -a11.2 -g18.2");
		replica_round(replica, sid, REPLICA_NEXT, "g g:q", 500);
		assert_string_equal(all(kit), "b5 -a11.2 g19 g:q20 -g:m21.2 -g:n22.2 -g:o23.2 -g:p24.2");
		sweep(replica);
		assert_string_equal(all(kit), "b5 -a11.2 g19 g:q20 -g:m21.2 -g:n22.2 -g:o23.2 -g:p24.2");
		replica_close(&replica);
		assert_int_equal(kit_end(state), 0);
		assert_int_equal(kit_begin(state), 0);
	}
}

static int64_t
count(struct kit *kit, const char *sql)
{
	struct engine *engine = kit->store->engine;
	int64_t        rows = -1;

	assert_int_equal(sql_conn_read_int(engine->writer, sql, &rows), OK);
	return rows;
}

/* After any number of parts: nothing of it was seen, and nothing of it stays. */
static void
test_store_followed__a_round_that_is_dropped_in_the_middle_leaves_no_versions(void **state)
{
	static const struct replica_merger merger = { .merge = take_received,
		                                      .differ = bodies_differ,
		                                      .show = show_body };
	bool                               done = false;

	for (unsigned parts = 1; !done; parts++) {
		struct kit     *kit = *state;
		struct replica *replica;
		int64_t         sid;

		begin(kit, &replica, &sid);
		replica_limit_commits(replica, 1);
		replica_stage(replica, sid, REPLICA_NEXT, "g g!m g:o g;n -a h h:x", 200);
		for (unsigned i = 0; i < parts && !done; i++)
			done = replica_settle_part(replica, sid, &merger, 200);
		if (!done) {
			assert_int_equal(replica_drop_round(replica, sid), OK);
			assert_string_equal(all(kit), "a1 g2 g:m3 g:n4 b5");
			sweep(replica);
			assert_string_equal(all(kit), "a1 g2 g:m3 g:n4 b5");
			assert_int_equal(count(kit, "SELECT count(*) FROM follow_member"), 2);
			assert_int_equal(count(kit, "SELECT (SELECT count(*) FROM follow_detail_member)"
			                            " + (SELECT count(*) FROM follow_detail)"),
			                 0);
			assert_int_equal(count(kit, "SELECT count(*) FROM follow_entry"), 3);
			replica_round(replica, sid, REPLICA_NEXT, "g g!n", 300);
			assert_string_equal(members(kit, "g"), "m");
		}
		replica_close(&replica);
		assert_int_equal(kit_end(state), 0);
		assert_int_equal(kit_begin(state), 0);
	}
}

#define MANY 1500 /* more than one commit looks at when all of a round is one */

static void
test_store_followed__a_small_round_about_a_large_group_is_settled_in_parts(void **state)
{
	static const struct replica_merger merger = { .merge = take_received,
		                                      .differ = bodies_differ,
		                                      .show = show_body };
	struct kit                        *kit = *state;
	struct replica                    *replica;
	int64_t                            sid;
	unsigned                           calls = 1;
	char                               word[16];

	kit_open(kit);
	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = replica_scope_add(replica, "a");
	assert_int_equal(replica_begin_round(replica, sid, REPLICA_FIRST, STR("http://x/1"), 100), OK);
	replica_begin_page(replica, sid);
	replica_put_word(replica, STR("g"));
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(word, sizeof(word), "g:%u", i);
		replica_put_word(replica, str_from_c(word));
	}
	assert_int_equal(replica_end_page(replica, STR("http://x/2"), true), OK);
	while (!replica_settle_part(replica, sid, &merger, 100))
		;
	replica_stage(replica, sid, REPLICA_NEXT, "-g", 200);
	for (; !replica_settle_part(replica, sid, &merger, 200); calls++)
		assert_int_equal(count(kit, "SELECT count(*) FROM relations"), MANY);
	assert_true(calls > 2);
	assert_string_equal(all(kit), "-g1502.2");
	assert_int_equal(count(kit, "SELECT count(*) FROM relations"), 0);
	sweep(replica);
	assert_int_equal(count(kit, "SELECT count(*) FROM follow_member WHERE life = 2"), MANY);
	assert_int_equal(count(kit, "SELECT count(*) FROM follow_member"), MANY);
	replica_close(&replica);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, kit_begin, kit_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_store_followed__a_scan_may_end_inside_a_group),
		ALONE(test_store_followed__who_goes_leaves_a_tombstone_until_he_is_back),
		ALONE(test_store_followed__what_a_listing_does_not_name_goes),
		ALONE(test_store_followed__a_removed_item_tells_of_its_members_when_it_is_back),
		ALONE(test_store_followed__a_member_told_otherwise_is_a_change_of_the_feed_alone),
		ALONE(test_store_followed__a_dropped_round_leaves_no_rows),
		ALONE(test_store_followed__tombstones_are_purged_with_those_of_items),
		ALONE(test_store_followed__in_parts_members_get_the_same_seqs),
		ALONE(test_store_followed__a_round_that_is_dropped_in_the_middle_leaves_no_versions),
		ALONE(test_store_followed__a_small_round_about_a_large_group_is_settled_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
