/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of feeds and items hold. */
#include "store/store_sqlite.h"

#include <sqlite3.h>

#include "store/store_sqlite_replica_sql.h"

int64_t
sql_row_key(const struct feed_row *row, uint64_t seq)
{
	if (row->gen)
		return row->gen << ORD_BITS | (int64_t)(seq < ORD_MAX ? seq : ORD_MAX);
	return (int64_t)((uint64_t)row->fid << SEQ_BITS | (seq < SEQ_MAX ? seq : SEQ_MAX));
}

/*
 * The least head at any epoch change after the reader's epoch. A feed stores its head at its first change in an
 * epoch. Before that change, its present head is the head it had when the epoch began.
 */
static uint64_t
base_of(struct sqlite3_stmt *stmt, const struct feed_row *row)
{
	uint64_t base = UINT64_MAX;

	if (sqlite3_column_type(stmt, 14) != SQLITE_NULL)
		base = (uint64_t)sqlite3_column_int64(stmt, 14);
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
	row_out->gen = sqlite3_column_int64(stmt, 11);
	row_out->moving = sqlite3_column_int64(stmt, 12) != 0;
	row_out->relates = sqlite3_column_int64(stmt, 13) != 0;
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
	item_out->removal = ITEM_UNNAMED;
	item_out->member = NULL;
}

struct item
sql_item_copy(struct item item, struct arena *arena)
{
	item.id = arena_copy(arena, item.id);
	item.key = arena_copy(arena, item.key);
	item.body = arena_copy(arena, item.body);
	return item;
}
