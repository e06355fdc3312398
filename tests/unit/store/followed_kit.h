/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of followed feeds share: a scene written into the tables, rounds by a replica, and a feed as text. */
#pragma once

#include <sqlite3.h>

#include "store/replica_relation.h"
#include "store/store_followed.h"
#include "store/store_sqlite.h"
#include "unit/store/store_kit.h"

/* clang-format off */
/* The scope "a" of number 1: three rounds, at 100 (a, b, c deleted), 200 (d, e changed) and 300 (f). */
static const char scene[] =
	"DELETE FROM feed; DELETE FROM feed_epoch; DELETE FROM follow_scope; DELETE FROM follow_item;"
	"DELETE FROM follow_tomb; DELETE FROM follow_entry; DELETE FROM follow_dead; DELETE FROM follow_range;"
	"DELETE FROM follow_detail; DELETE FROM follow_member; DELETE FROM follow_change; DELETE FROM follow_old;"
	"UPDATE meta SET epoch = 1;"
	"INSERT INTO follow_scope(sid, name, url, resource, from_now, gen, ord, top, items, rounds, round_ended_ms,"
	"  owner, delta_link) VALUES(1, 'a', 'http://x/0', 'users', 0, 3, 6, 6, 4, 3, 300, 't/o', 'http://x/9');"
	"INSERT INTO feed(fid, tenant, owner, collection, incarnation, epoch, head, horizon, horizon_ms, last_ms,"
	"  pinned, live, tombs, gen) VALUES(5, zeroblob(16), CAST('0000000000000001' AS BLOB), 255, zeroblob(16), 1,"
	"  6, 0, 0, 300, NULL, 4, 2, 3);"
	"INSERT INTO follow_item(place, id, life, body) VALUES(@1, 'a', 0, 'A'), (@2, 'b', 0, 'B'), (@4, 'd', 0, 'D'),"
	"  (@6, 'f', 0, 'F');"
	"INSERT INTO follow_tomb(place, id, life, at_ms) VALUES(@3, 'c', 2, 100), (@5, 'e', 1, 200);"
	"INSERT INTO follow_entry(gen, id, place) VALUES(3, 'a', @1), (3, 'b', @2), (3, 'c', @3), (3, 'd', @4),"
	"  (3, 'e', @5), (3, 'f', @6);"
	"INSERT INTO follow_range(n, last, sid, gen, at_ms, first) VALUES(11, 13, 1, 3, 100, 1),"
	"  (14, 15, 1, 3, 200, 4), (20, 20, 1, 3, 300, 6);"
	"INSERT INTO follow_detail(place, kind, life, fields, id) VALUES(@3, 2, 2, '', 'c'), (@5, 2, 1, '', 'e')";
/* The next round while its entries move: b again, g, d deleted. */
static const char round_moves[] =
	"INSERT INTO follow_item(place, id, life, body) VALUES(@7, 'b', 0, 'B2'), (@8, 'g', 0, 'G');"
	"INSERT INTO follow_tomb(place, id, life, at_ms) VALUES(@9, 'd', 2, 400);"
	"UPDATE follow_entry SET was = place, place = @7 WHERE id = 'b';"
	"UPDATE follow_entry SET was = place, place = @9 WHERE id = 'd';"
	"INSERT INTO follow_entry(gen, id, place) VALUES(3, 'g', @8);"
	"INSERT INTO follow_dead(first, last) VALUES(@2, @2), (@4, @4);"
	"UPDATE follow_scope SET top = 9, moving = 1, phase = 2, round_link = 'http://x/2'";
static const char round_is_visible[] =
	"UPDATE follow_scope SET ord = 9, items = 4, moving = 2, phase = 0, round_link = '';"
	"UPDATE feed SET head = 9, live = 4, tombs = 3, last_ms = 400, moving = 1";
/* clang-format on */

/* Runs it on the writer. "@7" is the row key of seq 7. */
static inline void
write_sql(struct kit *kit, const char *sql)
{
	struct engine *engine = kit->store->engine;
	struct buf     text;
	enum err       err;

	buf_open(&text, (size_t)1 << 20);
	for (; *sql; sql++)
		buf_put(&text, *sql == '@' ? STR("(3 << 36) + ") : str_of(sql, 1));
	buf_put(&text, str_of("", 1));
	err = sql_conn_exec(engine->writer, buf_str(&text).at);
	if (err != OK)
		print_error("%s\n", sqlite3_errmsg(engine->writer->db));
	assert_int_equal(err, OK);
	buf_close(&text);
}

static inline int
scene_begin(void **state)
{
	int code = kit_begin(state);

	kit_open(*state);
	write_sql(*state, scene);
	return code;
}

static inline struct store_feed
feed_of(struct kit *kit, const char *scope)
{
	struct store_followed followed;

	assert_int_equal(store_get_followed(kit->store, str_from_c(scope), kit->arena, &followed), OK);
	return followed.feed;
}

/*
 * "a1 -c3.2 g:m4" is item a at seq 1, a tombstone of c at 3 with the reason 2, and the member m of g at 4.  Of
 * bodies_only: the bodies.
 */
static inline const char *
read_range(struct kit *kit, const struct store_feed *feed, const struct store_range *range,
           struct feed_state *state_out)
{
	struct store_scan *scan = store_scan_open(kit->store, feed, range, kit->arena);
	struct str         seen = STR_EMPTY;
	struct item        item;

	if (state_out)
		*state_out = *store_scan_state(scan);
	while (store_scan_next(scan, &item)) {
		bool       is_live = item.life == ITEM_LIVE;
		struct str name = item.id.len > 0 ? item.id : item.body;

		if (item.member)
			name = arena_printf(kit->arena, "%.*s:%.*s", STR_ARG(name), STR_ARG(item.member->member));
		seen = arena_printf(kit->arena, "%.*s%s%s%.*s%llu", STR_ARG(seen), seen.len ? " " : "",
		                    is_live ? "" : "-", STR_ARG(name), (unsigned long long)item.seq);
		if (!is_live)
			seen = arena_printf(kit->arena, "%.*s.%d", STR_ARG(seen), (int)item.removal);
	}
	assert_int_equal(store_scan_close(&scan), OK);
	return arena_c(kit->arena, seen);
}

static inline const char *
read_all(struct kit *kit, const struct store_feed *feed)
{
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = 1, .limit = 1000 };

	return read_range(kit, feed, &range, NULL);
}

/* ---- by a replica ---------------------------------------------------------------------------- */

static inline enum err
take_received(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	(void)ctx;
	(void)held;
	buf_put(merged_out, received);
	return OK;
}

static inline bool
bodies_differ(void *ctx, struct str a, struct str b, struct buf *fields_out)
{
	(void)ctx;
	buf_put(fields_out, STR("[]"));
	return !str_eq(a, b);
}

static inline bool
show_body(void *ctx, struct str body, struct buf *shown_out)
{
	(void)ctx;
	(void)body;
	(void)shown_out;
	return false;
}

static inline int64_t
replica_scope_add(struct replica *replica, const char *name)
{
	struct replica_scope scope = { .name = str_from_c(name), .url = str_from_c(name), .resource = STR("users") };
	int64_t              sid = 0;

	assert_int_equal(replica_add_scope(replica, &scope, &sid), OK);
	return sid;
}

/*
 * "a" is an item, and so is "a=B" with the body B, "-a" its removal.  After the item "a:m" is a member, "a;m" the same
 * told otherwise, "a!m" none.
 */
static inline void
replica_put_word(struct replica *replica, struct str word)
{
	struct replica_relation relation = { .relation = STR("members"), .type = STR("t"), .value = STR("{}") };
	struct str              id;
	size_t                  at = 0;

	while (at < word.len && !strchr(":;!", word.at[at]))
		at++;
	relation.member = str_skip(word, at < word.len ? at + 1 : at);
	relation.is_removed = at < word.len && word.at[at] == '!';
	if (at < word.len && word.at[at] == ';')
		relation.value = STR("{ }");
	if (str_starts(word, STR("-")))
		replica_put_item(replica, str_skip(word, 1), REPLICA_DELETED, STR_EMPTY);
	else if (at < word.len)
		replica_put_relation(replica, str_first(word, at), &relation);
	else if (str_take_until(&word, '=', &id))
		replica_put_item(replica, id, REPLICA_LIVE, word.len > 0 ? word : id);
}

/* A page that is a whole round: words with a blank between. */
static inline void
replica_stage(struct replica *replica, int64_t sid, enum replica_kind kind, const char *items, int64_t at_ms)
{
	struct str rest = str_from_c(items), word;

	assert_int_equal(replica_begin_round(replica, sid, kind, STR("http://x/1"), at_ms), OK);
	replica_begin_page(replica, sid);
	while (str_take_until(&rest, ' ', &word))
		replica_put_word(replica, word);
	assert_int_equal(replica_end_page(replica, STR("http://x/2"), true), OK);
}

/* A part of the settling; true when the round is visible. */
static inline bool
replica_settle_part(struct replica *replica, int64_t sid, const struct replica_merger *merger, int64_t at_ms)
{
	struct replica_guard guard = { 100, 1000000 };
	struct replica_tally tally;
	bool                 done = false;

	assert_int_equal(replica_settle(replica, sid, merger, &guard, at_ms, &tally, &done), OK);
	return done;
}

static inline void
replica_round(struct replica *replica, int64_t sid, enum replica_kind kind, const char *items, int64_t at_ms)
{
	struct replica_merger merger = { .merge = take_received, .differ = bodies_differ, .show = show_body };

	replica_stage(replica, sid, kind, items, at_ms);
	while (!replica_settle_part(replica, sid, &merger, at_ms))
		;
}
