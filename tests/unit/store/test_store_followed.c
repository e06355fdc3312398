/* SPDX-License-Identifier: Apache-2.0 */
/* Followed feeds: reading and purging them. */
#include "unit/store/followed_kit.h"

static const char *
read_after(struct kit *kit, uint64_t after, uint64_t until, uint32_t limit)
{
	struct store_feed  feed = feed_of(kit, "a");
	struct store_range range = { .after = after, .until = until, .epoch = 1, .limit = limit };

	return read_range(kit, &feed, &range, NULL);
}

static const char *
read_by_id(struct kit *kit, const char *after, uint32_t limit)
{
	struct store_feed  feed = feed_of(kit, "a");
	struct store_range range = {
		.by_id = true, .bodies_only = true, .after_id = str_from_c(after), .limit = limit
	};

	return read_range(kit, &feed, &range, NULL);
}

/* The body of an item, or "". */
static const char *
body_of(struct kit *kit, const char *id)
{
	struct store_feed feed = feed_of(kit, "a");
	struct item       item;
	enum err          err = store_get(kit->store, &feed, str_from_c(id), kit->arena, &item);

	if (err == ERR_NOT_FOUND)
		return "";
	assert_int_equal(err, OK);
	assert_int_equal(item.life, ITEM_LIVE);
	return arena_c(kit->arena, item.body);
}

static void
test_store_followed__a_scan_has_items_and_removals_in_the_order_of_change(void **state)
{
	struct kit        *kit = *state;
	struct store_feed  feed = feed_of(kit, "a");
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = 1, .limit = 10, .live_only = true };
	struct feed_state  seen;

	/* A row that says that e is removed: it is no item. */
	write_sql(kit, "INSERT INTO follow_item(place, id, life, body) VALUES(@5, 'e', 1, '')");
	assert_string_equal(read_by_id(kit, "", 10), "a1 b2 d4 f6");
	assert_string_equal(read_all(kit, &feed), "a1 b2 -c3.2 d4 -e5.1 f6");
	assert_string_equal(read_after(kit, 3, 5, 10), "d4 -e5.1");
	assert_string_equal(read_after(kit, 1, STORE_TO_HEAD, 2), "b2 -c3.2");
	assert_string_equal(read_after(kit, 6, STORE_TO_HEAD, 2), "");
	assert_string_equal(read_range(kit, &feed, &range, &seen), "a1 b2 d4 f6");
	assert_int_equal(seen.head, 6);
	range.bodies_only = true;
	assert_string_equal(read_range(kit, &feed, &range, NULL), "A1 B2 D4 F6");
	range.key = STR("a");
	assert_string_equal(read_range(kit, &feed, &range, NULL), "");
	range = (struct store_range){ .until = STORE_TO_HEAD, .limit = 10, .by_made = true };
	assert_string_equal(read_range(kit, &feed, &range, &seen), "");
	assert_int_equal(seen.live, 4);
	assert_int_equal(kit_faults(kit->store), 0);
}

static void
test_store_followed__items_are_found_by_id_and_in_the_order_of_ids(void **state)
{
	struct kit        *kit = *state;
	struct store_feed  feed = feed_of(kit, "a");
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 10, .by_id = true };
	struct item        item;

	write_sql(kit, "UPDATE follow_item SET id = 'aa' WHERE id = 'f'; DELETE FROM follow_entry WHERE id = 'f';"
	               "INSERT INTO follow_entry(gen, id, place) VALUES(3, 'aa', @6), (4, 'b', 1), (2, 'b', 1)");
	assert_string_equal(read_by_id(kit, "", 10), "a1 aa6 b2 d4");
	assert_string_equal(read_by_id(kit, "a", 2), "aa6 b2");
	assert_string_equal(read_by_id(kit, "d", 2), "");
	assert_string_equal(body_of(kit, "aa"), "F");
	assert_string_equal(body_of(kit, "c"), "");
	assert_int_equal(store_get(kit->store, &feed, STR("b"), kit->arena, &item), OK);
	assert_int_equal(item.seq, 2);
	assert_int_equal(store_get_default(kit->store, &feed, kit->arena, &item), ERR_NOT_FOUND);
	assert_int_equal(kit_put(kit->store, kit->arena, "x", "1"), OK);
	assert_string_equal(read_range(kit, &kit_feed, &range, NULL), "");
}

static void
test_store_followed__a_round_is_seen_when_the_head_rises_and_not_before(void **state)
{
	struct kit       *kit = *state;
	struct store_feed feed = feed_of(kit, "a");

	write_sql(kit, round_moves);
	assert_string_equal(read_all(kit, &feed), "a1 b2 -c3.2 d4 -e5.1 f6");
	assert_string_equal(read_by_id(kit, "", 10), "a1 b2 d4 f6");
	assert_string_equal(body_of(kit, "b"), "B");
	assert_string_equal(body_of(kit, "d"), "D");
	assert_string_equal(body_of(kit, "g"), "");
	assert_int_equal(kit_faults(kit->store), 0);
	write_sql(kit, round_is_visible);
	assert_string_equal(read_all(kit, &feed), "a1 -c3.2 -e5.1 f6 b7 g8 -d9.2");
	assert_string_equal(read_by_id(kit, "", 10), "a1 b7 f6 g8");
	assert_string_equal(body_of(kit, "b"), "B2");
	assert_string_equal(body_of(kit, "d"), "");
	assert_string_equal(body_of(kit, "g"), "G");
	assert_int_equal(kit_faults(kit->store), 0);
	write_sql(kit, "DELETE FROM follow_item WHERE place IN (@2, @4); DELETE FROM follow_dead;"
	               "UPDATE feed SET moving = 0; UPDATE follow_scope SET moving = 0");
	assert_string_equal(read_all(kit, &feed), "a1 -c3.2 -e5.1 f6 b7 g8 -d9.2");
	assert_int_equal(kit_faults(kit->store), 0);
}

/* ---- dead rows ------------------------------------------------------------------------------- */

#define SEQS 160

struct rows {                /* of a feed, by their seq */
	char kind[SEQS + 1]; /* 'i' an item, 't' a tombstone, ' ' none */
	bool is_dead[SEQS + 1];
};

static uint32_t
draw(uint64_t *seed, uint32_t below)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33) % below;
}

/* Runs of dead rows of any length, some of them in many ranges. */
static void
write_random(struct kit *kit, uint64_t *seed, struct rows *rows)
{
	struct str sql = STR("BEGIN; DELETE FROM follow_item; DELETE FROM follow_tomb; DELETE FROM follow_dead;"
	                     "UPDATE feed SET head = 160, moving = 1, tombs = 1");
	uint32_t   tombs = 1 + draw(seed, 40);

	for (unsigned at = 1, next = 0; at <= SEQS; at++) {
		rows->kind[at] = draw(seed, 10) == 0 ? ' ' : draw(seed, tombs) == 0 ? 't' : 'i';
		if (rows->kind[at] != ' ')
			sql = rows->kind[at] == 'i'
			              ? arena_printf(kit->arena,
			                             "%.*s;INSERT INTO follow_item VALUES(@%u,'x',0,'',NULL)",
			                             STR_ARG(sql), at)
			              : arena_printf(kit->arena, "%.*s;INSERT INTO follow_tomb VALUES(@%u,'x',0,0)",
			                             STR_ARG(sql), at);
		rows->is_dead[at] = at < next;
		if (at < next || draw(seed, 3) > 0)
			continue;
		next = at + 1 + (draw(seed, 4) == 0 ? draw(seed, 30) : 0);
		rows->is_dead[at] = true;
		sql = arena_printf(kit->arena, "%.*s;INSERT INTO follow_dead VALUES(@%u,@%u)", STR_ARG(sql), at,
		                   next - 1);
	}
	write_sql(kit, arena_c(kit->arena, arena_printf(kit->arena, "%.*s;COMMIT", STR_ARG(sql))));
}

static const char *
expected(struct kit *kit, const struct rows *rows, const struct store_range *range)
{
	struct str text = STR_EMPTY;
	uint32_t   left = range->limit;

	for (unsigned at = (unsigned)range->after + 1; at <= SEQS && at <= range->until && left > 0; at++) {
		bool is_item = rows->kind[at] == 'i';

		if (rows->kind[at] == ' ' || rows->is_dead[at] || (range->live_only && !is_item))
			continue;
		text = arena_printf(kit->arena, "%.*s%s%sx%u%s", STR_ARG(text), text.len ? " " : "", is_item ? "" : "-",
		                    at, is_item ? "" : ".0");
		left--;
	}
	return arena_c(kit->arena, text);
}

static void
test_store_followed__while_rows_move_exactly_the_dead_ones_are_left_out(void **state)
{
	struct kit       *kit = *state;
	struct store_feed feed = feed_of(kit, "a");
	uint64_t          seed = 1;

	for (int i = 0; i < 60; i++, arena_reset(kit->arena)) {
		struct rows rows;

		write_random(kit, &seed, &rows);
		for (int j = 0; j < 10; j++) {
			struct store_range range = { .after = draw(&seed, 3) ? draw(&seed, SEQS) : 0,
				                     .until = draw(&seed, 2) ? draw(&seed, SEQS) : STORE_TO_HEAD,
				                     .epoch = 1,
				                     .limit = 1 + draw(&seed, SEQS),
				                     .live_only = draw(&seed, 4) == 0 };

			assert_string_equal(read_range(kit, &feed, &range, NULL), expected(kit, &rows, &range));
		}
	}
}

/* The work of SQLite for that statement of the scans since the last call. */
static int
steps_of(struct kit *kit, enum sql sql)
{
	struct engine *engine = kit->store->engine;
	sqlite3_stmt  *stmt = engine->idle->stmts[sql];

	return stmt ? sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1) : 0;
}

static int
row_steps(struct kit *kit)
{
	return steps_of(kit, SQL_FOLLOWED_ITEMS) + steps_of(kit, SQL_FOLLOWED_TOMBS);
}

static int
range_steps(struct kit *kit)
{
	return steps_of(kit, SQL_FOLLOWED_DEAD_ITEMS) + steps_of(kit, SQL_FOLLOWED_DEAD_TOMBS);
}

static uint64_t
count_rows(struct kit *kit)
{
	struct store_feed  feed = feed_of(kit, "a");
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = 1, .limit = UINT32_MAX };
	struct store_scan *scan = store_scan_open(kit->store, &feed, &range, kit->arena);
	struct item        item;
	uint64_t           rows = 0;

	while (store_scan_next(scan, &item))
		rows++;
	assert_int_equal(store_scan_close(&scan), OK);
	return rows;
}

static void
test_store_followed__a_scan_jumps_over_what_is_dead(void **state)
{
	struct kit *kit = *state;
	int         most = 600; /* a walk has hundreds of thousands */

	/* 7…30000 are items with a tombstone between every two; 30001 and 30002 are seen. */
	write_sql(kit, "WITH RECURSIVE s(n) AS (SELECT 7 UNION ALL SELECT n + 1 FROM s WHERE n < 30002)"
	               " INSERT INTO follow_item(place, id, life, body) SELECT @n, 'i', 0, 'I' FROM s"
	               "  WHERE n % 2 OR n > 30000;"
	               "WITH RECURSIVE s(n) AS (SELECT 8 UNION ALL SELECT n + 2 FROM s WHERE n < 30000)"
	               " INSERT INTO follow_tomb(place, id, life, at_ms) SELECT @n, 't', 0, 300 FROM s;"
	               "UPDATE feed SET head = 30002, tombs = 20000");
	assert_string_equal(read_after(kit, 29999, STORE_TO_HEAD, 10), "-t30000.0 i30001 i30002");
	(void)row_steps(kit);
	assert_int_equal(count_rows(kit), 30002);
	assert_true(row_steps(kit) > 200000);

	/* One range; then one for each row of the first thousand, without a gap. */
	write_sql(kit, "UPDATE feed SET moving = 1; INSERT INTO follow_dead(first, last) VALUES(@7, @30000)");
	assert_string_equal(read_after(kit, 0, STORE_TO_HEAD, 10), "a1 b2 -c3.2 d4 -e5.1 f6 i30001 i30002");
	assert_in_range(row_steps(kit), 1, most);
	assert_in_range(range_steps(kit), 1, most);
	write_sql(kit, "DELETE FROM follow_dead; INSERT INTO follow_dead(first, last) VALUES(@1007, @30000);"
	               "WITH RECURSIVE s(n) AS (SELECT 7 UNION ALL SELECT n + 1 FROM s WHERE n < 1006)"
	               " INSERT INTO follow_dead(first, last) SELECT @n, @n FROM s");
	assert_string_equal(read_after(kit, 0, STORE_TO_HEAD, 10), "a1 b2 -c3.2 d4 -e5.1 f6 i30001 i30002");
	assert_in_range(row_steps(kit), 1, most);
	(void)range_steps(kit);

	/* Every second item is dead, and one tombstone is behind all of them: its stream does not walk the ranges. */
	write_sql(kit, "DELETE FROM follow_dead; DELETE FROM follow_tomb WHERE place BETWEEN @7 AND @29999;"
	               "INSERT INTO follow_dead(first, last) SELECT place, place FROM follow_item"
	               "  WHERE place BETWEEN @7 AND @30000 AND (place & 2) = 2");
	assert_string_equal(read_after(kit, 6, STORE_TO_HEAD, 3), "i9 i13 i17");
	assert_in_range(row_steps(kit), 1, most);
	assert_in_range(range_steps(kit), 1, most);
}

/* ---- point reads ----------------------------------------------------------------------------- */

static uint64_t
seq_at(struct kit *kit, int64_t moment_ms)
{
	struct store_feed feed = feed_of(kit, "a");
	struct feed_state seen;
	uint64_t          seq;

	assert_int_equal(store_seq_at(kit->store, &feed, moment_ms, &seen, &seq), OK);
	assert_true(seen.exists);
	return seq;
}

static void
test_store_followed__a_moment_gives_the_rounds_that_had_ended(void **state)
{
	struct kit *kit = *state;

	assert_int_equal(seq_at(kit, 99), 0);
	assert_int_equal(seq_at(kit, 100), 3);
	assert_int_equal(seq_at(kit, 299), 5);
	assert_int_equal(seq_at(kit, 300), 6);
	write_sql(kit, "UPDATE follow_range SET at_ms = 400 WHERE n = 11; UPDATE feed SET last_ms = 400");
	assert_int_equal(seq_at(kit, 250), 0); /* the clock was set back: the first round may be later than that */
	write_sql(kit, scene);
	write_sql(kit, "DELETE FROM follow_range WHERE n = 11; UPDATE follow_scope SET tail = 13");
	assert_int_equal(seq_at(kit, 150), 0);
	assert_int_equal(seq_at(kit, 250), 5);
	write_sql(kit, "UPDATE feed SET horizon = 3, horizon_ms = 100");
	assert_int_equal(seq_at(kit, 150), 3);
	assert_int_equal(seq_at(kit, 99), 0);

	/* Changes of an earlier version have left their items in their rows. */
	write_sql(kit, scene);
	write_sql(kit,
	          "UPDATE feed SET last_ms = 900;"
	          "INSERT INTO follow_change(n, sid, kind, life, at_ms, id, fields) VALUES(30, 1, 1, 0, 900, 'a', '')");
	assert_int_equal(seq_at(kit, 300), 0);
	write_sql(kit, "DELETE FROM follow_change; UPDATE follow_scope SET tail = 30");
	assert_int_equal(seq_at(kit, 300), 0);
	assert_int_equal(seq_at(kit, 900), 6);
}

static void
test_store_followed__a_scope_is_found_by_name_and_has_its_feed(void **state)
{
	struct kit           *kit = *state;
	struct store_followed followed;
	struct replica       *replica = NULL;
	int64_t               sid;

	assert_int_equal(store_get_followed(kit->store, STR("a"), kit->arena, &followed), OK);
	assert_true(str_eq(followed.url, STR("http://x/0")) && str_eq(followed.owner, STR("t/o")));
	assert_true(str_eq(followed.resource, STR("users")));
	assert_int_equal(followed.rounds, 3);
	assert_int_equal(followed.round_ended_ms, 300);
	assert_int_equal(store_get_followed(kit->store, STR("b"), kit->arena, &followed), ERR_NOT_FOUND);
	assert_int_equal(replica_join(kit->store, &replica, kit->why), OK);
	sid = replica_scope_add(replica, "b");
	assert_int_equal(store_get_followed(kit->store, STR("b"), kit->arena, &followed), OK);
	assert_int_equal(followed.rounds, 0);
	assert_string_equal(read_all(kit, &followed.feed), "");
	replica_round(replica, sid, REPLICA_FIRST, "x y", 500);
	assert_int_equal(store_get_followed(kit->store, STR("b"), kit->arena, &followed), OK);
	assert_int_equal(followed.rounds, 1);
	assert_int_equal(followed.round_ended_ms, 500);
	replica_close(&replica);
}

static void
test_store_followed__followed_feeds_are_walked_apart_from_others(void **state)
{
	struct kit       *kit = *state;
	struct store_feed feed = { 0 }, zero = { .collection = 1 };
	struct item       item = { .id = STR("x"), .body = STR("1") };
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	struct feed_state seen;

	store_put(txn, &kit_feed, &item);
	store_put(txn, &zero, &item);
	assert_int_equal(store_commit(&txn), OK);
	write_sql(
		kit,
		"INSERT INTO feed(tenant, owner, collection, incarnation, epoch, head, horizon, horizon_ms, last_ms,"
		"  live, tombs, gen) VALUES(zeroblob(16), CAST('0000000000000012' AS BLOB), 255, zeroblob(16), 1, 0, 0,"
		"  0, 0, 0, 0, 9)");
	assert_int_equal(store_next_followed(kit->store, &feed, &feed, &seen), OK);
	assert_memory_equal(feed.owner.b, "0000000000000001", 16);
	assert_int_equal(seen.tombstones, 2);
	assert_int_equal(store_next_followed(kit->store, &feed, &feed, &seen), OK);
	assert_memory_equal(feed.owner.b, "0000000000000012", 16);
	assert_int_equal(store_next_followed(kit->store, &feed, &feed, &seen), ERR_NOT_FOUND);
	feed = (struct store_feed){ 0 };
	assert_int_equal(store_next_feed(kit->store, &feed, &feed, &seen), OK);
	assert_int_equal(store_next_feed(kit->store, &feed, &feed, &seen), OK);
	assert_int_equal(feed.collection, 1);
	assert_int_equal(store_next_feed(kit->store, &feed, &feed, &seen), ERR_NOT_FOUND);
}

static void
test_store_followed__the_members_of_an_item_come_in_order(void **state)
{
	struct kit         *kit = *state;
	struct store_feed   feed = feed_of(kit, "a");
	struct store_member member, *after = NULL;
	struct str          seen = STR_EMPTY;
	static const char   sql[] =
		"INSERT INTO follow_member(gen, id, relation, member, life, type, value, place) VALUES"
		" (3, 'a', 'owners', '1', 0, 't', '{}', @2), (3, 'a', 'members', '2', 0, 't', '{}', @3),"
		" (3, 'a', 'members', '1', 0, 't', '{}', @4), (3, 'a', 'members', '3', 0, 't', '{}', @7),"
		" (3, 'b', 'members', '9', 0, 't', '{}', @5), (4, 'a', 'members', '0', 0, 't', '{}', @6)";

	write_sql(kit, sql);
	while (store_next_member(kit->store, &feed, STR("a"), after, kit->arena, &member) == OK) {
		seen = arena_printf(kit->arena, "%.*s %.*s=%.*s", STR_ARG(seen), STR_ARG(member.relation),
		                    STR_ARG(member.member));
		assert_true(str_eq(member.value, STR("{}")) && str_eq(member.type, STR("t")));
		after = &member;
	}
	assert_string_equal(arena_c(kit->arena, seen), " members=1 members=2 owners=1");
}

/* ---- the feed's state ------------------------------------------------------------------------ */

static void
test_store_followed__a_poll_that_finds_nothing_new_needs_no_database(void **state)
{
	struct kit        *kit = *state;
	struct store_feed  feed = feed_of(kit, "a");
	struct store_range range = { .after = 6, .until = STORE_TO_HEAD, .epoch = 1, .limit = 10 };
	struct engine     *engine = kit->store->engine;
	struct feed_state  seen;

	assert_string_equal(read_range(kit, &feed, &range, &seen), "");
	write_sql(kit,
	          "UPDATE feed SET head = 7; INSERT INTO follow_item(place, id, life, body) VALUES(@7, 'g', 0, 'G')");
	assert_string_equal(read_range(kit, &feed, &range, &seen), ""); /* that commit did not say so */
	assert_int_equal(seen.head, 6);
	head_cache_touch(engine->head_cache, &feed);
	head_cache_commit_begins(engine->head_cache);
	head_cache_commit_ended(engine->head_cache);
	head_cache_report(engine->head_cache);
	assert_string_equal(read_range(kit, &feed, &range, &seen), "g7");
	range.after = 7;
	range.by_id = true;
	assert_string_equal(read_range(kit, &feed, &range, &seen), "a1 b2 d4 f6");
}

static void
test_store_followed__a_reader_of_an_earlier_epoch_gets_the_base(void **state)
{
	struct kit        *kit = *state;
	struct store_feed  feed = feed_of(kit, "a");
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = 1, .limit = 0 };
	struct feed_state  seen;

	write_sql(kit, "UPDATE meta SET epoch = 7; UPDATE feed SET epoch = 7; INSERT INTO feed_epoch VALUES(5, 7, 4)");
	(void)read_range(kit, &feed, &range, &seen);
	assert_int_equal(seen.base, 4);
	assert_int_equal(seen.epoch, 7);
	range.epoch = 7;
	(void)read_range(kit, &feed, &range, &seen);
	assert_true(seen.base == UINT64_MAX);
	write_sql(kit, "UPDATE meta SET epoch = 8; DELETE FROM feed_epoch");
	range.epoch = 0; /* the engine is in epoch 1 and keeps the states of later epochs */
	(void)read_range(kit, &feed, &range, &seen);
	assert_int_equal(seen.base, 6);
}

/* ---- writing --------------------------------------------------------------------------------- */

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
test_store_followed__a_purge_takes_the_oldest_and_raises_purged_through(void **state)
{
	struct kit        *kit = *state;
	struct store_feed  feed = feed_of(kit, "a");
	struct engine     *engine = kit->store->engine;
	struct store_range range = { .after = 6, .until = STORE_TO_HEAD, .epoch = 1, .limit = 1 };
	struct feed_state  seen;
	int64_t            ids = 0;

	(void)read_range(kit, &feed, &range, &seen);
	assert_int_equal(seen.purged_through, 0);
	assert_int_equal(purge(kit, 99, 10), 0);
	assert_int_equal(purge(kit, 200, 1), 1);
	assert_string_equal(read_all(kit, &feed), "a1 b2 d4 -e5.1 f6");
	(void)read_range(kit, &feed, &range, &seen);
	assert_int_equal(seen.purged_through, 3);
	assert_int_equal(seen.purged_through_ms, 100);
	assert_int_equal(purge(kit, 1000, 10), 1);
	(void)read_range(kit, &feed, &range, &seen);
	assert_int_equal(seen.purged_through, 5);
	assert_int_equal(kit_faults(kit->store), 0);
	assert_int_equal(
		sql_conn_read_int(engine->writer, "SELECT count(*) FROM follow_detail WHERE id IN ('c', 'e')", &ids),
		OK);
	assert_int_equal(ids, 2);
}

static void
test_store_followed__nothing_is_purged_while_rows_move(void **state)
{
	struct kit *kit = *state;

	write_sql(kit, round_moves);
	assert_int_equal(purge(kit, 1000, 10), 0);
	write_sql(kit, round_is_visible);
	assert_int_equal(purge(kit, 1000, 10), 0);
	write_sql(kit, "UPDATE follow_scope SET moving = 0"); /* each of the two forbids it */
	assert_int_equal(purge(kit, 1000, 10), 0);
	write_sql(kit, "UPDATE feed SET moving = 0");
	assert_int_equal(purge(kit, 1000, 10), 3);
}

static enum err
try_write(struct kit *kit, int which)
{
	struct store_feed feed = feed_of(kit, "a");
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	struct item       item = { .id = STR("a"), .body = STR("x") };

	switch (which) {
	case 0:
		store_put(txn, &feed, &item);
		break;
	case 1:
		store_rewrite(txn, &feed, &item);
		break;
	case 2:
		(void)store_remove(txn, &feed, item.id);
		break;
	case 3:
		store_set_default(txn, &feed, item.id);
		break;
	case 4:
		store_drop_feed(txn, &feed);
		break;
	case 5:
		(void)store_txn_get(txn, &feed, item.id, &item);
		break;
	case 6:
		(void)store_txn_get_default(txn, &feed, &item);
		break;
	case 7:
		(void)store_txn_find(txn, &feed, STR("a"), &item);
		break;
	default:
		(void)store_txn_next(txn, &feed, 0, kit->arena, &item);
		break;
	}
	return store_commit(&txn);
}

static void
test_store_followed__no_transaction_writes_a_followed_feed(void **state)
{
	struct kit       *kit = *state;
	struct store_feed feed = feed_of(kit, "a");

	for (int which = 0; which < 9; which++)
		assert_int_equal(try_write(kit, which), ERR_NOT_ALLOWED);
	assert_string_equal(read_all(kit, &feed), "a1 b2 -c3.2 d4 -e5.1 f6");
	assert_int_equal(kit_faults(kit->store), 0);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, scene_begin, kit_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_store_followed__a_scan_has_items_and_removals_in_the_order_of_change),
		ALONE(test_store_followed__items_are_found_by_id_and_in_the_order_of_ids),
		ALONE(test_store_followed__a_round_is_seen_when_the_head_rises_and_not_before),
		ALONE(test_store_followed__while_rows_move_exactly_the_dead_ones_are_left_out),
		ALONE(test_store_followed__a_scan_jumps_over_what_is_dead),
		ALONE(test_store_followed__a_moment_gives_the_rounds_that_had_ended),
		ALONE(test_store_followed__a_scope_is_found_by_name_and_has_its_feed),
		ALONE(test_store_followed__followed_feeds_are_walked_apart_from_others),
		ALONE(test_store_followed__the_members_of_an_item_come_in_order),
		ALONE(test_store_followed__a_poll_that_finds_nothing_new_needs_no_database),
		ALONE(test_store_followed__a_reader_of_an_earlier_epoch_gets_the_base),
		ALONE(test_store_followed__a_purge_takes_the_oldest_and_raises_purged_through),
		ALONE(test_store_followed__nothing_is_purged_while_rows_move),
		ALONE(test_store_followed__no_transaction_writes_a_followed_feed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
