/* SPDX-License-Identifier: Apache-2.0 */
/* Followed feeds: the streams of a scan, point reads, what a purge needs. */
#include <sqlite3.h>

#include "store/replica_content.h"
#include "store/store_followed.h"
#include "store/store_sqlite.h"
#include "store/store_sqlite_replica_sql.h"

#define OWNER_DIGITS   16
#define DEAD_STEPS_MAX 8 /* ranges that are stepped over before one is searched for */
#define DEAD_ROWS_MAX  8 /* the same of dead rows */

_Static_assert(sizeof(struct guid) == OWNER_DIGITS, "an owner is digits of a scope's number, as FOLLOWED_OWNER() says");

struct store_feed
sql_followed_name(int64_t sid)
{
	struct store_feed feed = { .collection = STORE_FOLLOWED };

	for (size_t i = OWNER_DIGITS; i > 0; i--, sid /= 10)
		feed.owner.b[i - 1] = (uint8_t)('0' + sid % 10);
	return feed;
}

static int64_t
sid_of(const struct store_feed *feed)
{
	int64_t sid = 0;

	for (size_t i = 0; i < OWNER_DIGITS; i++)
		sid = sid * 10 + (feed->owner.b[i] - '0');
	return sid;
}

/* ---- scans ---------------------------------------------------------------------------------- */

static enum err
open_stream(struct conn *conn, enum sql rows, enum sql dead, const struct sql_value *values, struct stream *stream)
{
	TRY(sql_conn_bind(conn, rows, values, &stream->stmt));
	stream->is_ended = false;
	if (dead == SQL_COUNT)
		return OK;
	stream->dead_first = stream->dead_last = 0;
	return sql_conn_bind(conn, dead, VALUES(values[0]), &stream->dead);
}

enum err
sql_followed_open(struct conn *conn, const struct feed_row *row, const struct store_range *range)
{
	int64_t low = sql_row_key(row, range->after);
	int64_t high = sql_row_key(row, range->until < row->head ? range->until : row->head);

	conn->relates = false;
	if (range->by_id) {
		conn->bodies_only = false;
		return open_stream(conn, SQL_FOLLOWED_BY_ID, SQL_COUNT,
		                   VALUES(INT(row->gen), TEXT(range->after_id), INT(sql_row_key(row, row->head))),
		                   &conn->items);
	}
	if (low >= high || range->by_made || range->key.len > 0)
		return OK;
	conn->relates = row->relates;
	conn->bodies_only = range->bodies_only && !row->relates;
	TRY(open_stream(conn,
	                row->relates         ? SQL_RELATED_ITEMS
	                : range->bodies_only ? SQL_FOLLOWED_BODIES
	                                     : SQL_FOLLOWED_ITEMS,
	                row->moving ? SQL_FOLLOWED_DEAD_ITEMS : SQL_COUNT, VALUES(INT(low), INT(high)), &conn->items));
	if (range->live_only || row->tombs == 0)
		return OK;
	return open_stream(conn, row->relates ? SQL_RELATED_TOMBS : SQL_FOLLOWED_TOMBS,
	                   row->moving ? SQL_FOLLOWED_DEAD_TOMBS : SQL_COUNT, VALUES(INT(low), INT(high)),
	                   &conn->tombs);
}

static enum err
next_dead(struct conn *conn, struct stream *stream)
{
	enum err err = sql_conn_step(conn, stream->dead);

	if (err == ERR_NOT_FOUND) {
		stream->dead_first = stream->dead_last = INT64_MAX;
		return OK;
	}
	TRY(err);
	stream->dead_first = sqlite3_column_int64(stream->dead, 0);
	stream->dead_last = sqlite3_column_int64(stream->dead, 1);
	return OK;
}

/* Goes to the first range that ends at or above the row key. */
static enum err
find_dead(struct conn *conn, struct stream *stream, int64_t row_key)
{
	for (int steps = 0; stream->dead_last < row_key; steps++) {
		if (steps == DEAD_STEPS_MAX) {
			(void)sqlite3_reset(stream->dead);
			sql_bind_int(stream->dead, 1, row_key);
		}
		TRY(next_dead(conn, stream));
	}
	return OK;
}

/* The row is dead, and so are all up to *last_out, in this range and in those that follow it without a gap. */
static enum err
jump(struct conn *conn, struct stream *stream, int64_t row_key, int64_t *last_out)
{
	int64_t last;

	do {
		last = stream->dead_last;
		TRY(next_dead(conn, stream));
	} while (stream->dead_first - 1 == last && stream->dead_last > last);
	*last_out = last;
	if (last - row_key < DEAD_ROWS_MAX)
		return OK;
	(void)sqlite3_reset(stream->stmt);
	sql_bind_int(stream->stmt, 1, last);
	return OK;
}

enum err
sql_followed_step(struct conn *conn, struct stream *stream)
{
	int64_t dead_to = 0;

	for (;;) {
		int64_t row_key;

		TRY(sql_conn_step(conn, stream->stmt));
		row_key = sqlite3_column_int64(stream->stmt, 0);
		if (row_key <= dead_to)
			continue;
		TRY(find_dead(conn, stream, row_key));
		if (row_key < stream->dead_first)
			return OK;
		TRY(jump(conn, stream, row_key, &dead_to));
	}
}

void
sql_followed_item(struct conn *conn, struct item *item)
{
	struct sqlite3_stmt *stmt = item->life == ITEM_REMOVED ? conn->tombs.stmt : conn->items.stmt;
	int64_t              why = item->life == ITEM_REMOVED ? sqlite3_column_int64(stmt, 6) : ITEM_UNNAMED;

	item->seq &= (uint64_t)ORD_MAX;
	item->removal = why == ITEM_CHANGED || why == ITEM_DELETED ? (enum item_removal)why : ITEM_UNNAMED;
	if (!conn->relates || sqlite3_column_type(stmt, 7) == SQLITE_NULL)
		return;
	conn->member = (struct store_member){ sql_column_str(stmt, 7), sql_column_str(stmt, 8), sql_column_str(stmt, 9),
		                              sql_column_str(stmt, 10) };
	item->member = &conn->member;
}

/* ---- point reads ---------------------------------------------------------------------------- */

enum err
sql_followed_get(struct conn *conn, const struct store_feed *feed, struct str id, struct arena *arena, struct item *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct item                               item;

	TRY(sql_conn_row(conn, SQL_FOLLOWED_GET, VALUES(FEED(feed), TEXT(id)), &stmt));
	sql_item_from_row(stmt, &item);
	item.seq &= (uint64_t)ORD_MAX;
	*out = sql_item_copy(item, arena);
	return OK;
}

enum err
sql_followed_seq_at(struct conn *conn, const struct feed_row *row, int64_t moment_ms, uint64_t *seq_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err;

	*seq_out = row->head;
	if (row->last_ms <= moment_ms)
		return OK;
	err = sql_conn_row(conn, SQL_FOLLOWED_SEQ_AT, VALUES(INT(sid_of(&row->name)), INT(row->gen), INT(moment_ms)),
	                   &stmt);
	*seq_out = err == OK ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
read_scope(struct engine *engine, struct str name, struct arena *arena, struct store_followed *out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct store_followed                     followed;
	bool                                      fits = true;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_row(conn, SQL_FOLLOWED_SCOPE, VALUES(TEXT(name)), &stmt));
	followed = (struct store_followed){
		.feed = sql_followed_name(sqlite3_column_int64(stmt, 0)),
		.name = sql_column_text(stmt, 1, REPLICA_NAME_MAX, arena, &fits),
		.url = sql_column_text(stmt, 2, REPLICA_LINK_MAX, arena, &fits),
		.resource = sql_column_text(stmt, 3, REPLICA_NAME_MAX, arena, &fits),
		.owner = sql_column_text(stmt, 4, REPLICA_OWNER_MAX, arena, &fits),
		.rounds = (uint64_t)sqlite3_column_int64(stmt, 5),
		.round_ended_ms = sqlite3_column_int64(stmt, 6),
	};
	if (!fits)
		return sql_engine_fail(conn->engine, ERR_CORRUPT, "a text of a scope is longer than one can be");
	*out = followed;
	return OK;
}

enum err
sqlite_get_followed(void *engine, struct str name, struct arena *arena, struct store_followed *out)
{
	struct scope_cache *cache = ((struct engine *)engine)->scope_cache;
	uint64_t            moment;

	if (!cache)
		return read_scope(engine, name, arena, out);
	if (scope_cache_find(cache, name, arena, out))
		return OK;
	moment = scope_cache_moment(cache); /* before the snapshot begins */
	TRY(read_scope(engine, name, arena, out));
	scope_cache_keep(cache, moment, out);
	return OK;
}

enum err
sqlite_next_member(void *engine, const struct store_feed *feed, struct str id, const struct store_member *after,
                   struct arena *arena, struct store_member *out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_row(conn, SQL_FOLLOWED_MEMBER,
	                 VALUES(FEED(feed), TEXT(id), TEXT(after ? after->relation : STR_EMPTY),
	                        TEXT(after ? after->member : STR_EMPTY)),
	                 &stmt));
	if (sql_column_str(stmt, 0).len > REPLICA_NAME_MAX || sql_column_str(stmt, 1).len > STORE_ID_MAX)
		return sql_engine_fail(conn->engine, ERR_CORRUPT, "a member of a relation is longer than one can be");
	*out = (struct store_member){
		.relation = arena_copy(arena, sql_column_str(stmt, 0)),
		.member = arena_copy(arena, sql_column_str(stmt, 1)),
		.type = arena_copy(arena, sql_column_str(stmt, 2)),
		.value = arena_copy(arena, sql_column_str(stmt, 3)),
	};
	return OK;
}

enum err
sqlite_content_file(void *engine, const struct store_feed *feed, struct str id, struct arena *arena,
                    struct str *file_out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	bool                                      fits = true;
	struct str                                file;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_row(conn, SQL_FOLLOWED_CONTENT, VALUES(INT(sid_of(feed)), TEXT(id), INT(REPLICA_CONTENT_DONE)),
	                 &stmt));
	file = sql_column_text(stmt, 0, STORE_KEY_MAX, arena, &fits);
	if (!fits)
		return sql_engine_fail(conn->engine, ERR_CORRUPT, "a name of a file is longer than one can be");
	*file_out = file;
	return OK;
}

/* ---- purging -------------------------------------------------------------------------------- */

enum err
sql_followed_may_purge(struct conn *conn, const struct feed_row *row)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	if (row->moving)
		return ERR_NOT_FOUND;
	return sql_conn_row(conn, SQL_FOLLOWED_MOVING, VALUES(INT(sid_of(&row->name))), &stmt);
}
