/* SPDX-License-Identifier: Apache-2.0 */
/* Scans and point reads, on connections that can only read. */
#include "store/store_sqlite.h"

#include <sqlite3.h>

static int64_t
cursor_of(int64_t fid, uint64_t seq)
{
	return (int64_t)((uint64_t)fid << SEQ_BITS | (seq < SEQ_MAX ? seq : SEQ_MAX));
}

/* ---- a feed's row --------------------------------------------------------------------------- */

/*
 * The least head at any epoch change after the reader's epoch. A feed stores its head at its first change in an
 * epoch. Before that change, its present head is the head it had when the epoch began.
 */
static uint64_t
base_of(struct sqlite3_stmt *stmt, const struct feed_row *row)
{
	uint64_t base = UINT64_MAX;

	if (sqlite3_column_type(stmt, 11) != SQLITE_NULL)
		base = (uint64_t)sqlite3_column_int64(stmt, 11);
	if (row->epoch < row->store_epoch && row->head < base)
		base = row->head;
	return base;
}

enum err
sql_feed_row_read(struct conn *conn, struct sqlite3_stmt *stmt, struct feed_row *row_out)
{
	struct str default_id = sql_column_str(stmt, 9);

	if (default_id.len > sizeof(row_out->default_id))
		return sql_engine_fail(conn->engine, ERR_CORRUPT,
		                       "the pinned id of a feed is longer than an id can be");
	TRY(sql_column_guid(conn, stmt, 1, &row_out->generation));
	row_out->exists = true;
	row_out->fid = sqlite3_column_int64(stmt, 0);
	row_out->epoch = (uint32_t)sqlite3_column_int64(stmt, 2);
	row_out->head = (uint64_t)sqlite3_column_int64(stmt, 3);
	row_out->purged_through = (uint64_t)sqlite3_column_int64(stmt, 4);
	row_out->purged_through_ms = sqlite3_column_int64(stmt, 5);
	row_out->last_ms = sqlite3_column_int64(stmt, 6);
	row_out->live = (uint64_t)sqlite3_column_int64(stmt, 7);
	row_out->tombs = (uint64_t)sqlite3_column_int64(stmt, 8);
	row_out->store_epoch = (uint32_t)sqlite3_column_int64(stmt, 10);
	row_out->base = base_of(stmt, row_out);
	row_out->default_len = default_id.len;
	memcpy(row_out->default_id, default_id.at, default_id.len);
	return OK;
}

struct feed_state
sql_feed_row_state(const struct feed_row *row)
{
	if (!row->exists)
		return (struct feed_state){ 0 };
	return (struct feed_state){
		.exists = true,
		.generation = row->generation,
		.epoch = row->store_epoch,
		.head = row->head,
		.purged_through = row->purged_through,
		.purged_through_ms = row->purged_through_ms,
		.base = UINT64_MAX,
	};
}

/* ---- rows ----------------------------------------------------------------------------------- */

void
sql_item_from_row(struct sqlite3_stmt *stmt, struct item *item_out)
{
	item_out->seq = (uint64_t)sqlite3_column_int64(stmt, 0) & SEQ_MAX;
	item_out->id = sql_column_str(stmt, 1);
	item_out->key = sql_column_str(stmt, 2);
	item_out->changed_ms = sqlite3_column_int64(stmt, 3);
	item_out->body = sql_column_str(stmt, 4);
	item_out->made = (uint64_t)sqlite3_column_int64(stmt, 5);
	item_out->life = ITEM_LIVE;
}

struct item
sql_item_copy(struct item item, struct arena *arena)
{
	item.id = arena_copy(arena, item.id);
	item.key = arena_copy(arena, item.key);
	item.body = arena_copy(arena, item.body);
	return item;
}

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

	TRY(sql_conn_stmt(conn, SQL_GET_DEFAULT, &stmt));
	sql_bind_feed(stmt, feed);
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

	TRY(sql_conn_stmt(conn, SQL_GET_KV, &stmt));
	sql_bind_text(stmt, 1, ns);
	sql_bind_blob(stmt, 2, name);
	TRY(sql_conn_step(conn, stmt));
	return copy_column(conn, stmt, 0, STORE_KV_MAX, arena, out);
}

/* ---- scans ---------------------------------------------------------------------------------- */

static enum err
stream_open(struct conn *conn, enum sql sql, int64_t first, int64_t second, struct stream *stream)
{
	TRY(sql_conn_stmt(conn, sql, &stream->stmt));
	sql_bind_int(stream->stmt, 1, first);
	sql_bind_int(stream->stmt, 2, second);
	return OK;
}

static void
end_scan(struct conn *conn)
{
	sql_stmt_reset(&conn->items.stmt);
	sql_stmt_reset(&conn->tombs.stmt);
	sql_stmt_reset(&conn->snapshot);
	conn->items = conn->tombs = (struct stream){ .is_ended = true };
}

/* The statement that found the feed stays on its row: until it is reset, all reads use that snapshot. */
static enum err
begin_scan(struct conn *conn, const struct store_feed *feed, const struct store_range *range,
           struct feed_state *state_out)
{
	struct feed_row row;
	uint64_t        until;
	enum err        err;

	TRY(sql_conn_stmt(conn, SQL_FEED, &conn->snapshot));
	sql_bind_feed(conn->snapshot, feed);
	sql_bind_int(conn->snapshot, 4, range->epoch);
	err = sql_conn_step(conn, conn->snapshot);
	if (err == ERR_NOT_FOUND) {
		*state_out = (struct feed_state){ 0 };
		return OK;
	}
	TRY(err);
	TRY(sql_feed_row_read(conn, conn->snapshot, &row));
	*state_out = sql_feed_row_state(&row);
	if (range->epoch < row.store_epoch)
		state_out->base = row.base;
	until = range->until < row.head ? range->until : row.head;
	if (range->by_made) {
		state_out->live = row.live;
		state_out->tombstones = row.tombs;
	}
	if (range->after >= until || range->limit == 0)
		return OK;
	conn->left = range->limit;
	conn->items.is_ended = false;
	conn->bodies_only = range->bodies_only;
	if (range->by_made)
		return stream_open(conn, SQL_MADE, row.fid, (int64_t)range->after, &conn->items);
	TRY(stream_open(conn, range->bodies_only ? SQL_BODIES : SQL_ITEMS, cursor_of(row.fid, range->after),
	                cursor_of(row.fid, until), &conn->items));
	if (range->live_only || row.tombs == 0)
		return OK;
	conn->tombs.is_ended = false;
	return stream_open(conn, SQL_TOMBS, cursor_of(row.fid, range->after), cursor_of(row.fid, until), &conn->tombs);
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
	bool           has_head = engine->head_cache && range->epoch >= engine->epoch && !range->by_made;
	uint64_t       moment = has_head ? head_cache_moment(engine->head_cache, feed) : 0;
	struct conn   *conn;
	enum err       err;

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
	err = sql_conn_step(conn, stream->stmt);
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
	TRY(sql_conn_stmt(conn, SQL_GET, &stmt));
	sql_bind_feed(stmt, feed);
	sql_bind_blob(stmt, 4, id);
	return one_item(conn, stmt, arena, out);
}

static enum err
get_default(void *engine, const struct store_feed *feed, struct arena *arena, struct item *out)
{
	AUTO(sql_conn_return) struct conn *conn = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	return sql_conn_get_default(conn, feed, arena, out);
}

static enum err
find(void *engine, const struct store_feed *feed, struct str key, uint64_t after_seq, size_t max, struct arena *arena,
     struct item *items_out, size_t *count_out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err = OK;
	size_t                                    count = 0, bytes = 0;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_stmt(conn, SQL_FIND, &stmt));
	sql_bind_feed(stmt, feed);
	sql_bind_blob(stmt, 4, key);
	sql_bind_int(stmt, 5, cursor_of(0, after_seq));
	sql_bind_int(stmt, 6, max < INT32_MAX ? (int64_t)max : INT32_MAX);
	while (count < max && err == OK && (count < 2 || bytes <= STORE_FIND_BYTES)) {
		err = one_item(conn, stmt, arena, &items_out[count]);
		if (err == OK)
			bytes += items_out[count++].body.len;
	}
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	*count_out = count;
	return OK;
}

/* The last row above `low` and up to `high`; ERR_NOT_FOUND. */
static enum err
last_line(struct conn *conn, enum sql sql, int64_t low, int64_t high, int64_t *cursor_out, int64_t *changed_ms_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_stmt(conn, sql, &stmt));
	sql_bind_int(stmt, 1, low);
	sql_bind_int(stmt, 2, high);
	TRY(sql_conn_step(conn, stmt));
	*cursor_out = sqlite3_column_int64(stmt, 0);
	*changed_ms_out = sqlite3_column_int64(stmt, 1);
	return OK;
}

/* The newest row of one table changed at or before that moment, by binary search: change times rise with row keys. */
static enum err
newest_by(struct conn *conn, enum sql sql, const struct feed_row *row, int64_t moment_ms, uint64_t *seq_out)
{
	int64_t low = cursor_of(row->fid, 0), high = cursor_of(row->fid, row->head), best = low;

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
	TRY(sql_conn_stmt(conn, SQL_FEED, &snapshot));
	sql_bind_feed(snapshot, feed);
	sql_bind_int(snapshot, 4, INT64_MAX);
	err = sql_conn_step(conn, snapshot);
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	if (err == OK) {
		TRY(sql_feed_row_read(conn, snapshot, &row));
		TRY(newest_by(conn, SQL_ITEM_BELOW, &row, moment_ms, &item));
		TRY(newest_by(conn, SQL_TOMB_BELOW, &row, moment_ms, &tomb));
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
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_stmt(conn, SQL_NEXT_KV, &stmt));
	sql_bind_text(stmt, 1, ns);
	sql_bind_blob(stmt, 2, after);
	TRY(sql_conn_step(conn, stmt));
	TRY(copy_column(conn, stmt, 0, STORE_KV_MAX, arena, name_out));
	return copy_column(conn, stmt, 1, STORE_KV_MAX, arena, value_out);
}

static enum err
next_feed(void *engine, const struct store_feed *after, struct store_feed *feed_out, struct feed_state *state_out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct feed_row                           row;
	struct store_feed                         feed;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_stmt(conn, SQL_NEXT_FEED, &stmt));
	sql_bind_feed(stmt, after);
	TRY(sql_conn_step(conn, stmt));
	TRY(sql_feed_row_read(conn, stmt, &row));
	TRY(sql_column_guid(conn, stmt, 12, &feed.tenant));
	TRY(sql_column_guid(conn, stmt, 13, &feed.owner));
	feed.collection = (uint8_t)sqlite3_column_int64(stmt, 14);
	*feed_out = feed;
	*state_out = sql_feed_row_state(&row);
	state_out->live = row.live;
	state_out->tombstones = row.tombs;
	return OK;
}

const struct store_reads sqlite_reads = {
	.scan_open = scan_open,
	.scan_next = scan_next,
	.scan_close = scan_close,
	.get = get,
	.get_default = get_default,
	.find = find,
	.seq_at = seq_at,
	.get_kv = get_kv,
	.next_kv = next_kv,
	.next_feed = next_feed,
};
