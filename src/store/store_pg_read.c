/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans and point reads.  Each is one statement, so each is one snapshot.
 *
 * A page's first row is the feed's state; its items and tombstones follow in their order.  They are taken from the
 * socket one by one, and the session is the scan's until it is closed.
 */
#include "store/store_pg.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "crypt/seal.h"

enum row_kind { ROW_STATE, ROW_ITEM, ROW_TOMB };
enum row_column { COLUMN_KIND, COLUMN_SEQ, COLUMN_MADE, COLUMN_CHANGED, COLUMN_ID, COLUMN_KEY, COLUMN_BODY };

struct scan {
	struct pg_session *session;
	struct pg_result  *row; /* whose views the caller has */
	uint64_t           left;
	bool               is_ended;
};

struct guid
pg_feed_key(const struct store_feed *feed)
{
	uint8_t     name[2 * sizeof(struct guid) + 1];
	struct guid key;

	memcpy(name, feed->tenant.b, sizeof(feed->tenant.b));
	memcpy(name + sizeof(feed->tenant.b), feed->owner.b, sizeof(feed->owner.b));
	name[sizeof(name) - 1] = feed->collection;
	hash_blake2b(str_of(name, sizeof(name)), key.b, sizeof(key.b));
	return key;
}

/* ---- rows ---------------------------------------------------------------------------------------- */

static uint64_t
packed(struct str numbers, size_t at)
{
	uint64_t number;

	MUST(numbers.len >= (at + 1) * sizeof(number));
	memcpy(&number, numbers.at + at * sizeof(number), sizeof(number));
	return be64toh(number);
}

static struct feed_state
state_of(const struct pg_result *row)
{
	struct str        numbers = pg_result_str(row, 0, COLUMN_KEY);
	struct feed_state state = {
		.exists = true,
		.head = (uint64_t)pg_result_int(row, 0, COLUMN_SEQ),
		.purged_through = (uint64_t)pg_result_int(row, 0, COLUMN_MADE),
		.purged_through_ms = pg_result_int(row, 0, COLUMN_CHANGED),
		.epoch = (uint32_t)packed(numbers, 0),
		.base = packed(numbers, 1), /* -1: none */
		.live = packed(numbers, 2),
		.tombstones = packed(numbers, 3),
	};

	state.generation = pg_result_guid(row, 0, COLUMN_ID);
	return state;
}

static struct item
item_of(const struct pg_result *row)
{
	return (struct item){
		.id = pg_result_str(row, 0, COLUMN_ID),
		.key = pg_result_str(row, 0, COLUMN_KEY),
		.body = pg_result_str(row, 0, COLUMN_BODY),
		.seq = (uint64_t)pg_result_int(row, 0, COLUMN_SEQ),
		.made = (uint64_t)pg_result_int(row, 0, COLUMN_MADE),
		.changed_ms = pg_result_int(row, 0, COLUMN_CHANGED),
		.life = pg_result_int(row, 0, COLUMN_KIND) == ROW_TOMB ? ITEM_REMOVED : ITEM_LIVE,
	};
}

enum err
pg_item_copy(const struct pg_result *rows, struct arena *arena, struct item *out)
{
	if (pg_result_rows(rows) == 0)
		return ERR_NOT_FOUND;
	*out = item_of(rows);
	out->id = arena_copy(arena, out->id);
	out->key = arena_copy(arena, out->key);
	out->body = arena_copy(arena, out->body);
	return OK;
}

enum err
pg_kv_copy(struct pg_engine *engine, const struct pg_result *rows, int column, struct arena *arena, struct str *out)
{
	struct str bytes;

	if (pg_result_rows(rows) == 0)
		return ERR_NOT_FOUND;
	bytes = pg_result_str(rows, 0, column);
	if (bytes.len > STORE_KV_MAX)
		return pg_engine_fail(engine, ERR_CORRUPT, "a kv entry is longer than one can be");
	*out = arena_copy(arena, bytes);
	return OK;
}

/* ---- scans --------------------------------------------------------------------------------------- */

static int64_t
number_of(uint64_t seq)
{
	return seq < INT64_MAX ? (int64_t)seq : INT64_MAX;
}

static enum err
send_page(struct pg_session *session, const struct store_feed *feed, const struct store_range *range)
{
	struct guid key = pg_feed_key(feed);
	int64_t     after = number_of(range->after), until = number_of(range->until);
	int64_t     limit = range->by_id ? 0 : range->limit; /* only followed feeds have that order */

	if (range->by_made)
		return pg_session_send(session, PG_MADE,
		                       PG_VALUES(P_FEED(&key, feed), P_INT(range->epoch), P_INT(after), P_INT(limit)));
	if (range->key.len > 0)
		return pg_session_send(session, PG_OF_KEY,
		                       PG_VALUES(P_FEED(&key, feed), P_INT(range->epoch), P_INT(after), P_INT(until),
		                                 P_INT(limit), P_BYTES(range->key)));
	return pg_session_send(
		session, range->live_only ? PG_LIVE : PG_CHANGES,
		PG_VALUES(P_FEED(&key, feed), P_INT(range->epoch), P_INT(after), P_INT(until), P_INT(limit)));
}

static enum err
begin_scan(struct scan *scan, struct pg_engine *engine, const struct store_feed *feed, const struct store_range *range,
           struct feed_state *state_out)
{
	enum err err;

	TRY(pg_session_borrow(engine, &scan->session));
	err = send_page(scan->session, feed, range);
	if (err == OK)
		err = pg_session_next(scan->session, &scan->row);
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	scan->is_ended = err == ERR_NOT_FOUND;
	*state_out = (struct feed_state){ 0 };
	/* Rows without a state are those of another feed whose key is the same. */
	if (scan->is_ended || pg_result_int(scan->row, 0, COLUMN_KIND) != ROW_STATE) {
		scan->left = 0;
		return OK;
	}
	*state_out = state_of(scan->row);
	if (!range->by_made && !range->by_id)
		state_out->live = state_out->tombstones = 0;
	scan->left = range->limit;
	return OK;
}

static void
scan_close(void *inner)
{
	struct scan *scan = inner;

	pg_result_drop(&scan->row);
	if (scan->session && !scan->is_ended)
		pg_session_skip(scan->session);
	pg_session_return(&scan->session);
	free(scan);
}

static enum err
scan_open(void *engine, const struct store_feed *feed, const struct store_range *range, struct arena *arena,
          void **scan_out, struct feed_state *state_out)
{
	enum err err = ERR_BUSY;

	(void)arena; /* views point into libpq's memory, until the next row */
	for (int i = 0; i < 2; i++) {
		struct scan *scan = handle_new(sizeof(*scan));
		bool         is_lost;

		err = begin_scan(scan, engine, feed, range, state_out);
		if (err == OK) {
			*scan_out = scan;
			return OK;
		}
		is_lost = scan->session && pg_session_is_lost(scan->session);
		scan->is_ended = true;
		scan_close(scan);
		if (!is_lost)
			break;
	}
	return err;
}

static enum err
scan_next(void *inner, struct item *item_out)
{
	struct scan *scan = inner;
	enum err     err;

	pg_result_drop(&scan->row);
	if (scan->is_ended || scan->left == 0)
		return ERR_NOT_FOUND;
	err = pg_session_next(scan->session, &scan->row);
	scan->is_ended = err != OK;
	TRY(err);
	scan->left--;
	*item_out = item_of(scan->row);
	return OK;
}

/* ---- point reads --------------------------------------------------------------------------------- */

static enum err
get(void *engine, const struct store_feed *feed, struct str id, struct arena *arena, struct item *out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct guid                            key = pg_feed_key(feed);

	TRY(pg_read(engine, PG_GET, PG_VALUES(P_FEED(&key, feed), P_BYTES(id)), &rows));
	return pg_item_copy(rows, arena, out);
}

static enum err
get_default(void *engine, const struct store_feed *feed, struct arena *arena, struct item *out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct guid                            key = pg_feed_key(feed);

	TRY(pg_read(engine, PG_GET_DEFAULT, PG_VALUES(P_FEED(&key, feed)), &rows));
	return pg_item_copy(rows, arena, out);
}

static enum err
seq_at(void *engine, const struct store_feed *feed, int64_t moment_ms, struct feed_state *state_out, uint64_t *seq_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct guid                            key = pg_feed_key(feed);
	struct feed_state                      state = { 0 };
	uint64_t                               seq = 0, tomb = 0;

	TRY(pg_read(engine, PG_SEQ_AT, PG_VALUES(P_FEED(&key, feed), P_INT(moment_ms)), &rows));
	if (pg_result_rows(rows) > 0) {
		state = state_of(rows);
		state.live = state.tombstones = 0;
		seq = (uint64_t)pg_result_int(rows, 0, COLUMN_BODY + 1);
		tomb = (uint64_t)pg_result_int(rows, 0, COLUMN_BODY + 2);
		if (state.purged_through_ms <= moment_ms && state.purged_through > tomb)
			tomb = state.purged_through;
	}
	*state_out = state;
	*seq_out = seq > tomb ? seq : tomb;
	return OK;
}

static enum err
get_kv(void *engine, const char *ns, struct str name, struct arena *arena, struct str *out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;

	TRY(pg_read(engine, PG_GET_KV, PG_VALUES(P_TEXT(str_from_c(ns)), P_BYTES(name)), &rows));
	return pg_kv_copy(engine, rows, 0, arena, out);
}

static enum err
next_kv(void *engine, const char *ns, struct str after, struct arena *arena, struct str *name_out,
        struct str *value_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;

	TRY(pg_read(engine, PG_NEXT_KV, PG_VALUES(P_TEXT(str_from_c(ns)), P_BYTES(after)), &rows));
	TRY(pg_kv_copy(engine, rows, 0, arena, name_out));
	return pg_kv_copy(engine, rows, 1, arena, value_out);
}

static enum err
next_feed(void *engine, const struct store_feed *after, struct store_feed *feed_out, struct feed_state *state_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;

	TRY(pg_read(engine, PG_NEXT_FEED,
	            PG_VALUES(P_GUID(&after->tenant), P_GUID(&after->owner), P_INT(after->collection)), &rows));
	if (pg_result_rows(rows) == 0)
		return ERR_NOT_FOUND;
	*feed_out = (struct store_feed){
		.tenant = pg_result_guid(rows, 0, COLUMN_BODY + 1),
		.owner = pg_result_guid(rows, 0, COLUMN_BODY + 2),
		.collection = (uint8_t)pg_result_int(rows, 0, COLUMN_BODY + 3),
	};
	*state_out = state_of(rows);
	return OK;
}

const struct store_reads pg_reads = {
	.scan_open = scan_open,
	.scan_next = scan_next,
	.scan_close = scan_close,
	.get = get,
	.get_default = get_default,
	.seq_at = seq_at,
	.get_kv = get_kv,
	.next_kv = next_kv,
	.next_feed = next_feed,
};
