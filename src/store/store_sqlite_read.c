/* SPDX-License-Identifier: Apache-2.0 */
/* Scans and point reads, on connections that can only read. */
#include "store/store_sqlite.h"

#include <sqlite3.h>

static enum err
one_item(struct conn *conn, struct sqlite3_stmt *stmt, struct arena *arena, struct item *out)
{
	struct item item;

	TRY(sql_conn_step(conn, stmt));
	sql_item_from_row(stmt, &item);
	*out = sql_item_copy(item, arena);
	return OK;
}

enum err
sql_conn_get_default(struct conn *conn, const struct store_feed *feed, struct arena *arena, struct item *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_bind(conn, SQL_GET_DEFAULT, VALUES(FEED(feed)), &stmt));
	return one_item(conn, stmt, arena, out);
}

static enum err
copy_column(struct conn *conn, struct sqlite3_stmt *stmt, int at, size_t max, struct arena *arena, struct str *out)
{
	struct str bytes = sql_column_str(stmt, at);

	if (bytes.len > max)
		return sql_engine_fail(conn->engine, ERR_CORRUPT, "a note is longer than one can be");
	*out = arena_copy(arena, bytes);
	return OK;
}

enum err
sql_conn_get_kv(struct conn *conn, const char *ns, struct str name, struct arena *arena, struct str *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_row(conn, SQL_GET_KV, VALUES(TEXT(str_from_c(ns)), BLOB(name)), &stmt));
	return copy_column(conn, stmt, 0, STORE_KV_MAX, arena, out);
}

enum err
sql_conn_next_kv(struct conn *conn, const char *ns, struct str after, struct arena *arena, struct str *name_out,
                 struct str *value_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_row(conn, SQL_NEXT_KV, VALUES(TEXT(str_from_c(ns)), BLOB(after)), &stmt));
	TRY(copy_column(conn, stmt, 0, STORE_KV_MAX, arena, name_out));
	return copy_column(conn, stmt, 1, STORE_KV_MAX, arena, value_out);
}

/* ---- scans ---------------------------------------------------------------------------------- */

static enum err
stream_open(struct conn *conn, enum sql sql, int64_t first, int64_t second, struct stream *stream)
{
	TRY(sql_conn_bind(conn, sql, VALUES(INT(first), INT(second)), &stream->stmt));
	stream->is_ended = false;
	return OK;
}

static enum err
native_open(struct conn *conn, const struct feed_row *row, const struct store_range *range)
{
	int64_t low = sql_row_key(row, range->after);
	int64_t high = sql_row_key(row, range->until < row->head ? range->until : row->head);

	if (low >= high || range->by_id)
		return OK;
	if (range->by_made)
		return stream_open(conn, SQL_MADE, row->fid, (int64_t)range->after, &conn->items);
	if (range->key.len > 0) {
		TRY(stream_open(conn, SQL_OF_KEY, low, high, &conn->items));
		sql_bind(conn->items.stmt, VALUES(INT(low), INT(high), INT(row->fid), BLOB(range->key)));
		return OK;
	}
	TRY(stream_open(conn, range->bodies_only ? SQL_BODIES : SQL_ITEMS, low, high, &conn->items));
	if (range->live_only || row->tombs == 0)
		return OK;
	return stream_open(conn, SQL_TOMBS, low, high, &conn->tombs);
}

static void
end_scan(struct conn *conn)
{
	sql_stmt_reset(&conn->items.stmt);
	sql_stmt_reset(&conn->items.dead);
	sql_stmt_reset(&conn->tombs.stmt);
	sql_stmt_reset(&conn->tombs.dead);
	sql_stmt_reset(&conn->snapshot);
	conn->items = conn->tombs = (struct stream){ .is_ended = true };
}

/* The statement that found the feed stays on its row: until it is reset, all reads use that snapshot. */
static enum err
begin_scan(struct conn *conn, const struct store_feed *feed, const struct store_range *range,
           struct feed_state *state_out)
{
	struct feed_row row;
	enum err        err;

	err = sql_conn_row(conn, SQL_FEED, VALUES(FEED(feed), INT(range->epoch)), &conn->snapshot);
	if (err == ERR_NOT_FOUND) {
		*state_out = (struct feed_state){ 0 };
		return OK;
	}
	TRY(err);
	TRY(sql_feed_row_read(conn, conn->snapshot, &row));
	*state_out = sql_feed_row_state(&row);
	if (range->epoch < row.store_epoch)
		state_out->base = row.base;
	if (range->by_made || range->by_id) {
		state_out->live = row.live;
		state_out->tombstones = row.tombs;
	}
	conn->left = range->limit;
	conn->bodies_only = range->bodies_only;
	conn->is_followed = row.gen != 0;
	if (range->limit == 0)
		return OK;
	return row.gen ? sql_followed_open(conn, &row, range) : native_open(conn, &row, range);
}

/* A scan that finds nothing needs only the feed's state, and the head cache may have it. */
static bool
is_shown_by_head(struct engine *engine, const struct store_feed *feed, const struct store_range *range,
                 struct feed_state *state_out)
{
	struct feed_state state;

	if (!head_cache_find(engine->head_cache, feed, &state))
		return false;
	if (range->limit > 0 && range->after < range->until && range->after < state.head)
		return false;
	*state_out = state;
	return true;
}

static enum err
scan_open(void *inner, const struct store_feed *feed, const struct store_range *range, struct arena *arena,
          void **scan_out, struct feed_state *state_out)
{
	struct engine *engine = inner;
	bool         has_head = engine->head_cache && range->epoch >= engine->epoch && !range->by_made && !range->by_id;
	uint64_t     moment = has_head ? head_cache_moment(engine->head_cache, feed) : 0;
	struct conn *conn;
	enum err     err;

	(void)arena; /* views point into SQLite's page, until the next step */
	if (has_head && is_shown_by_head(engine, feed, range, state_out)) {
		*scan_out = NULL;
		return OK;
	}
	TRY(sql_conn_borrow(engine, &conn));
	end_scan(conn);
	err = begin_scan(conn, feed, range, state_out);
	if (err == OK && has_head && state_out->exists)
		head_cache_keep(engine->head_cache, feed, moment, state_out);
	if (err != OK || conn->items.is_ended)
		end_scan(conn);
	if (err != OK) {
		sql_conn_return(&conn);
		return err;
	}
	*scan_out = conn;
	return OK;
}

static enum err
hold(struct conn *conn, struct stream *stream)
{
	enum err err;

	if (stream->is_held || stream->is_ended)
		return OK;
	err = stream->dead ? sql_followed_step(conn, stream) : sql_conn_step(conn, stream->stmt);
	stream->is_held = err == OK;
	stream->is_ended = err != OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

static bool
is_before(const struct stream *a, const struct stream *b)
{
	return a->is_held && (!b->is_held || sqlite3_column_int64(a->stmt, 0) < sqlite3_column_int64(b->stmt, 0));
}

static void
take_item(const struct conn *conn, struct item *item_out)
{
	struct sqlite3_stmt *stmt = conn->items.stmt;

	if (!conn->bodies_only) {
		sql_item_from_row(stmt, item_out);
		return;
	}
	*item_out = (struct item){
		.id = STR_EMPTY,
		.key = STR_EMPTY,
		.body = sql_column_str(stmt, 1),
		.seq = (uint64_t)sqlite3_column_int64(stmt, 0) & SEQ_MAX,
		.life = ITEM_LIVE,
	};
}

static enum err
scan_next(void *scan, struct item *item_out)
{
	struct conn *conn = scan;

	if (!conn || conn->left == 0) /* no connection: the head cache showed that the scan is empty */
		return ERR_NOT_FOUND;
	TRY(hold(conn, &conn->items));
	TRY(hold(conn, &conn->tombs));
	if (is_before(&conn->items, &conn->tombs)) {
		take_item(conn, item_out);
		conn->items.is_held = false;
	} else if (conn->tombs.is_held) {
		sql_item_from_row(conn->tombs.stmt, item_out);
		item_out->life = ITEM_REMOVED;
		conn->tombs.is_held = false;
	} else {
		return ERR_NOT_FOUND;
	}
	if (conn->is_followed)
		sql_followed_item(conn, item_out);
	conn->left--;
	return OK;
}

static void
scan_close(void *scan)
{
	struct conn *conn = scan;

	if (!conn)
		return;
	end_scan(conn);
	sql_conn_return(&conn);
}

/* ---- point reads ---------------------------------------------------------------------------- */

static enum err
get(void *engine, const struct store_feed *feed, struct str id, struct arena *arena, struct item *out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	if (feed->collection == STORE_FOLLOWED)
		return sql_followed_get(conn, feed, id, arena, out);
	TRY(sql_conn_bind(conn, SQL_GET, VALUES(FEED(feed), BLOB(id)), &stmt));
	return one_item(conn, stmt, arena, out);
}

static enum err
get_default(void *engine, const struct store_feed *feed, struct arena *arena, struct item *out)
{
	AUTO(sql_conn_return) struct conn *conn = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	return sql_conn_get_default(conn, feed, arena, out);
}

/* The last row above `low` and up to `high`; ERR_NOT_FOUND. */
static enum err
last_line(struct conn *conn, enum sql sql, int64_t low, int64_t high, int64_t *cursor_out, int64_t *changed_ms_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_row(conn, sql, VALUES(INT(low), INT(high)), &stmt));
	*cursor_out = sqlite3_column_int64(stmt, 0);
	*changed_ms_out = sqlite3_column_int64(stmt, 1);
	return OK;
}

/* The newest row of one table changed at or before that moment, by binary search: change times rise with row keys. */
static enum err
newest_by(struct conn *conn, enum sql sql, const struct feed_row *row, int64_t moment_ms, uint64_t *seq_out)
{
	int64_t low = sql_row_key(row, 0), high = sql_row_key(row, row->head), best = low;

	while (low < high) {
		int64_t  middle = high - (high - low) / 2, row_key = 0, changed_ms = 0;
		enum err err = last_line(conn, sql, low, middle, &row_key, &changed_ms);

		if (err != OK && err != ERR_NOT_FOUND)
			return err;
		if (err == OK && changed_ms > moment_ms) {
			high = row_key - 1;
			continue;
		}
		if (err == OK)
			best = row_key;
		low = middle;
	}
	*seq_out = (uint64_t)best & SEQ_MAX;
	return OK;
}

static enum err
seq_at(void *engine, const struct store_feed *feed, int64_t moment_ms, struct feed_state *state_out, uint64_t *seq_out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *snapshot = NULL;
	struct feed_row                           row = { 0 };
	uint64_t                                  item = 0, tomb = 0;
	enum err                                  err;

	TRY(sql_conn_borrow(engine, &conn));
	err = sql_conn_row(conn, SQL_FEED, VALUES(FEED(feed), INT(INT64_MAX)), &snapshot);
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	if (err == OK) {
		TRY(sql_feed_row_read(conn, snapshot, &row));
		if (row.gen) {
			row.name = *feed;
			TRY(sql_followed_seq_at(conn, &row, moment_ms, &item));
		} else {
			TRY(newest_by(conn, SQL_ITEM_BELOW, &row, moment_ms, &item));
			TRY(newest_by(conn, SQL_TOMB_BELOW, &row, moment_ms, &tomb));
		}
		if (row.purged_through > 0 && row.purged_through_ms <= moment_ms && row.purged_through > tomb)
			tomb = row.purged_through;
	}
	*state_out = sql_feed_row_state(&row);
	*seq_out = item > tomb ? item : tomb;
	return OK;
}

static enum err
get_kv(void *engine, const char *ns, struct str name, struct arena *arena, struct str *out)
{
	AUTO(sql_conn_return) struct conn *conn = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	return sql_conn_get_kv(conn, ns, name, arena, out);
}

static enum err
next_kv(void *engine, const char *ns, struct str after, struct arena *arena, struct str *name_out,
        struct str *value_out)
{
	AUTO(sql_conn_return) struct conn *conn = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	return sql_conn_next_kv(conn, ns, after, arena, name_out, value_out);
}

static enum err
take_next_feed(struct conn *conn, enum sql sql, const struct store_feed *after, struct store_feed *feed_out,
               struct feed_state *state_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct feed_row                           row;
	struct store_feed                         feed;

	TRY(sql_conn_row(conn, sql, VALUES(FEED(after)), &stmt));
	TRY(sql_feed_row_read(conn, stmt, &row));
	TRY(sql_column_guid(conn, stmt, 15, &feed.tenant));
	TRY(sql_column_guid(conn, stmt, 16, &feed.owner));
	feed.collection = (uint8_t)sqlite3_column_int64(stmt, 17);
	*feed_out = feed;
	*state_out = sql_feed_row_state(&row);
	state_out->live = row.live;
	state_out->tombstones = row.tombs;
	return OK;
}

static enum err
next_feed(void *engine, const struct store_feed *after, struct store_feed *feed_out, struct feed_state *state_out)
{
	AUTO(sql_conn_return) struct conn *conn = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	return take_next_feed(conn, SQL_NEXT_FEED, after, feed_out, state_out);
}

static enum err
next_followed(void *engine, const struct store_feed *after, struct store_feed *feed_out, struct feed_state *state_out)
{
	AUTO(sql_conn_return) struct conn *conn = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	return take_next_feed(conn, SQL_NEXT_FOLLOWED, after, feed_out, state_out);
}

const struct store_reads sqlite_reads = {
	.scan_open = scan_open,
	.scan_next = scan_next,
	.scan_close = scan_close,
	.get = get,
	.get_default = get_default,
	.seq_at = seq_at,
	.get_kv = get_kv,
	.next_kv = next_kv,
	.next_feed = next_feed,
	.next_followed = next_followed,
	.get_followed = sqlite_get_followed,
	.next_member = sqlite_next_member,
	.get_content_file = sqlite_content_file,
};
