/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: scans and point reads on connections that can do nothing else. */
#include "store/store_sqlite.h"

#include <sqlite3.h>

static int64_t
place_of(int64_t fid, uint64_t seq)
{
	return (int64_t)((uint64_t)fid << SEQ_BITS | (seq < SEQ_MAX ? seq : SEQ_MAX));
}

/* ---- a feed's row --------------------------------------------------------------------------- */

/*
 * The least head at any epoch change after the reader's epoch.  A feed writes down its head at the
 * first change it makes in an epoch; while it has made none, its head still is what it was then.
 */
static uint64_t
base_of(struct sqlite3_stmt *stmt, const struct feed_state *state)
{
	uint64_t base = UINT64_MAX;

	if (sqlite3_column_type(stmt, 11) != SQLITE_NULL)
		base = (uint64_t)sqlite3_column_int64(stmt, 11);
	if (state->epoch < state->store_epoch && state->head < base)
		base = state->head;
	return base;
}

enum err
sql_feed_state_read(struct conn *conn, struct sqlite3_stmt *stmt, struct feed_state *state_out)
{
	struct str pinned = sql_column_str(stmt, 9);

	if (pinned.len > sizeof(state_out->pinned))
		return sql_engine_fail(conn->engine, ERR_CORRUPT, "the pinned id of a feed is longer than an id can be");
	TRY(sql_column_guid(conn, stmt, 1, &state_out->incarnation));
	state_out->exists = true;
	state_out->fid = sqlite3_column_int64(stmt, 0);
	state_out->epoch = (uint32_t)sqlite3_column_int64(stmt, 2);
	state_out->head = (uint64_t)sqlite3_column_int64(stmt, 3);
	state_out->horizon = (uint64_t)sqlite3_column_int64(stmt, 4);
	state_out->horizon_ms = sqlite3_column_int64(stmt, 5);
	state_out->last_ms = sqlite3_column_int64(stmt, 6);
	state_out->live = (uint64_t)sqlite3_column_int64(stmt, 7);
	state_out->tombs = (uint64_t)sqlite3_column_int64(stmt, 8);
	state_out->store_epoch = (uint32_t)sqlite3_column_int64(stmt, 10);
	state_out->base = base_of(stmt, state_out);
	state_out->pinned_len = pinned.len;
	memcpy(state_out->pinned, pinned.at, pinned.len);
	return OK;
}

struct store_mark
sql_feed_state_mark(const struct feed_state *state)
{
	if (!state->exists)
		return (struct store_mark){ 0 };
	return (struct store_mark){
		.exists = true,
		.incarnation = state->incarnation,
		.epoch = state->store_epoch,
		.head = state->head,
		.horizon = state->horizon,
		.horizon_ms = state->horizon_ms,
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
sql_conn_get_pinned(struct conn *conn, const struct store_feed *feed, struct arena *arena, struct item *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_stmt(conn, SQL_GET_PINNED, &stmt));
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
sql_conn_get_note(struct conn *conn, const char *space, struct str name, struct arena *arena, struct str *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_stmt(conn, SQL_GET_NOTE, &stmt));
	sql_bind_text(stmt, 1, space);
	sql_bind_blob(stmt, 2, name);
	TRY(sql_conn_step(conn, stmt));
	return copy_column(conn, stmt, 0, STORE_NOTE_MAX, arena, out);
}

/* ---- scans ---------------------------------------------------------------------------------- */

static enum err
stream_open(struct conn *conn, enum sql sql, int64_t after, int64_t until, struct stream *stream)
{
	TRY(sql_conn_stmt(conn, sql, &stream->stmt));
	sql_bind_int(stream->stmt, 1, after);
	sql_bind_int(stream->stmt, 2, until);
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

/* The statement that found the feed is left standing on its row: until it is reset, all reads are of that moment. */
static enum err
begin_scan(struct conn *conn, const struct store_feed *feed, const struct store_range *range,
           struct store_mark *mark_out)
{
	struct feed_state state;
	uint64_t          until;
	enum err          err;

	TRY(sql_conn_stmt(conn, SQL_FEED, &conn->snapshot));
	sql_bind_feed(conn->snapshot, feed);
	sql_bind_int(conn->snapshot, 4, range->epoch);
	err = sql_conn_step(conn, conn->snapshot);
	if (err == ERR_NOT_FOUND) {
		*mark_out = (struct store_mark){ 0 };
		return OK;
	}
	TRY(err);
	TRY(sql_feed_state_read(conn, conn->snapshot, &state));
	*mark_out = sql_feed_state_mark(&state);
	if (range->epoch < state.store_epoch)
		mark_out->base = state.base;
	until = range->until < state.head ? range->until : state.head;
	if (range->after >= until || range->limit == 0)
		return OK;
	conn->left = range->limit;
	conn->items.is_ended = false;
	conn->bodies_only = range->bodies_only;
	TRY(stream_open(conn, range->bodies_only ? SQL_BODIES : SQL_ITEMS, place_of(state.fid, range->after),
	                place_of(state.fid, until), &conn->items));
	if (range->live_only || state.tombs == 0)
		return OK;
	conn->tombs.is_ended = false;
	return stream_open(conn, SQL_TOMBS, place_of(state.fid, range->after), place_of(state.fid, until), &conn->tombs);
}

/* A scan that will find nothing needs the feed's mark alone, and that may be known. */
static bool
is_told_by_head(struct engine *engine, const struct store_feed *feed, const struct store_range *range,
                struct store_mark *mark_out)
{
	struct store_mark mark;

	if (!heads_find(engine->heads, feed, &mark))
		return false;
	if (range->limit > 0 && range->after < range->until && range->after < mark.head)
		return false;
	*mark_out = mark;
	return true;
}

static enum err
scan_open(void *inner, const struct store_feed *feed, const struct store_range *range, struct arena *arena,
          void **scan_out, struct store_mark *mark_out)
{
	struct engine *engine = inner;
	bool           has_head = engine->heads && range->epoch >= engine->epoch;
	uint64_t       moment = has_head ? heads_moment(engine->heads, feed) : 0;
	struct conn   *conn;
	enum err       err;

	(void)arena;                             /* views are of the page itself, until the next step */
	if (has_head && is_told_by_head(engine, feed, range, mark_out)) {
		*scan_out = NULL;
		return OK;
	}
	TRY(sql_conn_borrow(engine, &conn));
	end_scan(conn);
	err = begin_scan(conn, feed, range, mark_out);
	if (err == OK && has_head && mark_out->exists)
		heads_keep(engine->heads, feed, moment, mark_out);
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

	if (!conn || conn->left == 0)            /* no connection: the scan was known to be empty */
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
get_pinned(void *engine, const struct store_feed *feed, struct arena *arena, struct item *out)
{
	AUTO(sql_conn_return) struct conn *conn = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	return sql_conn_get_pinned(conn, feed, arena, out);
}

static enum err
find(void *engine, const struct store_feed *feed, struct str key, uint64_t after_seq, size_t max,
     struct arena *arena, struct item *items_out, size_t *count_out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err = OK;
	size_t                                    count = 0, bytes = 0;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_stmt(conn, SQL_FIND, &stmt));
	sql_bind_feed(stmt, feed);
	sql_bind_blob(stmt, 4, key);
	sql_bind_int(stmt, 5, place_of(0, after_seq));
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

/* The last line above `low` and up to `high`; ERR_NOT_FOUND. */
static enum err
last_line(struct conn *conn, enum sql sql, int64_t low, int64_t high, int64_t *place_out, int64_t *changed_ms_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_stmt(conn, sql, &stmt));
	sql_bind_int(stmt, 1, low);
	sql_bind_int(stmt, 2, high);
	TRY(sql_conn_step(conn, stmt));
	*place_out = sqlite3_column_int64(stmt, 0);
	*changed_ms_out = sqlite3_column_int64(stmt, 1);
	return OK;
}

/* The newest line of one table changed by that moment, by halving: change times rise with places. */
static enum err
newest_by(struct conn *conn, enum sql sql, const struct feed_state *state, int64_t moment_ms, uint64_t *seq_out)
{
	int64_t low = place_of(state->fid, 0), high = place_of(state->fid, state->head), best = low;

	while (low < high) {
		int64_t  middle = high - (high - low) / 2, place = 0, changed_ms = 0;
		enum err err = last_line(conn, sql, low, middle, &place, &changed_ms);

		if (err != OK && err != ERR_NOT_FOUND)
			return err;
		if (err == OK && changed_ms > moment_ms) {
			high = place - 1;
			continue;
		}
		if (err == OK)
			best = place;
		low = middle;
	}
	*seq_out = (uint64_t)best & SEQ_MAX;
	return OK;
}

static enum err
seq_at(void *engine, const struct store_feed *feed, int64_t moment_ms, struct store_mark *mark_out, uint64_t *seq_out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *snapshot = NULL;
	struct feed_state                         state = { 0 };
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
		TRY(sql_feed_state_read(conn, snapshot, &state));
		TRY(newest_by(conn, SQL_ITEM_BELOW, &state, moment_ms, &item));
		TRY(newest_by(conn, SQL_TOMB_BELOW, &state, moment_ms, &tomb));
		if (state.horizon > 0 && state.horizon_ms <= moment_ms && state.horizon > tomb)
			tomb = state.horizon;
	}
	*mark_out = sql_feed_state_mark(&state);
	*seq_out = item > tomb ? item : tomb;
	return OK;
}

static enum err
get_note(void *engine, const char *space, struct str name, struct arena *arena, struct str *out)
{
	AUTO(sql_conn_return) struct conn *conn = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	return sql_conn_get_note(conn, space, name, arena, out);
}

static enum err
next_note(void *engine, const char *space, struct str after, struct arena *arena, struct str *name_out,
          struct str *note_out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_stmt(conn, SQL_NEXT_NOTE, &stmt));
	sql_bind_text(stmt, 1, space);
	sql_bind_blob(stmt, 2, after);
	TRY(sql_conn_step(conn, stmt));
	TRY(copy_column(conn, stmt, 0, STORE_NOTE_MAX, arena, name_out));
	return copy_column(conn, stmt, 1, STORE_NOTE_MAX, arena, note_out);
}

static enum err
next_feed(void *engine, const struct store_feed *after, struct store_feed *feed_out, struct store_mark *mark_out)
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct feed_state                         state;
	struct store_feed                         feed;

	TRY(sql_conn_borrow(engine, &conn));
	TRY(sql_conn_stmt(conn, SQL_NEXT_FEED, &stmt));
	sql_bind_feed(stmt, after);
	TRY(sql_conn_step(conn, stmt));
	TRY(sql_feed_state_read(conn, stmt, &state));
	TRY(sql_column_guid(conn, stmt, 12, &feed.tenant));
	TRY(sql_column_guid(conn, stmt, 13, &feed.owner));
	feed.collection = (uint8_t)sqlite3_column_int64(stmt, 14);
	*feed_out = feed;
	*mark_out = sql_feed_state_mark(&state);
	mark_out->live = state.live;
	mark_out->tombstones = state.tombs;
	return OK;
}

const struct store_reads sqlite_reads = {
	.scan_open = scan_open,
	.scan_next = scan_next,
	.scan_close = scan_close,
	.get = get,
	.get_pinned = get_pinned,
	.find = find,
	.seq_at = seq_at,
	.get_note = get_note,
	.next_note = next_note,
	.next_feed = next_feed,
};
