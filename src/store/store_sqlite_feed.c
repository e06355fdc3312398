/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of the feed that a transaction touched last.  The transaction keeps it in memory and writes it back
 * when it touches another feed, when SQL reads the row, and at the end.
 */
#include "store/store_sqlite.h"

#include <sqlite3.h>

enum err
sql_feed_flush(struct txn *txn)
{
	struct feed_row *feed = &txn->feed;

	if (!feed->is_dirty)
		return OK;
	head_cache_touch(txn->engine->head_cache, &feed->name);
	TRY(sql_conn_do_with(txn->engine->writer, SQL_SAVE_FEED,
	                     VALUES(INT(feed->fid), INT(feed->epoch), INT(feed->head), INT(feed->purged_through),
	                            INT(feed->purged_through_ms), INT(feed->last_ms), INT(feed->live), INT(feed->tombs),
	                            BLOB_OR_NULL(str_of(feed->default_id, feed->default_len)))));
	feed->is_dirty = false;
	return OK;
}

static bool
is_same_feed(const struct store_feed *a, const struct store_feed *b)
{
	return a->collection == b->collection && guid_eq(&a->owner, &b->owner) && guid_eq(&a->tenant, &b->tenant);
}

enum err
sql_feed_load(struct txn *txn, const struct store_feed *name)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct conn                              *conn = txn->engine->writer;
	struct feed_row                          *feed = &txn->feed;
	enum err                                  err;

	if (feed->is_known && is_same_feed(&feed->name, name))
		return OK;
	TRY(sql_feed_flush(txn));
	feed->is_known = feed->exists = false;
	err = sql_conn_row(conn, SQL_FEED, VALUES(FEED(name), INT(INT64_MAX)), &stmt);
	if (err == OK)
		err = sql_feed_row_read(conn, stmt, feed);
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	feed->name = *name;
	feed->is_known = true;
	return OK;
}

static enum err
add_base(struct txn *txn)
{
	struct conn *conn = txn->engine->writer;

	return sql_conn_do_with(conn, SQL_ADD_BASE,
	                        VALUES(INT(txn->feed.fid), INT(txn->engine->epoch), INT(txn->feed.head)));
}

enum err
sql_feed_make(struct txn *txn)
{
	struct engine    *engine = txn->engine;
	struct store_feed name = txn->feed.name;
	struct guid       generation = guid_random(engine->entropy);

	head_cache_touch(engine->head_cache, &name);
	TRY(sql_conn_do_with(engine->writer, SQL_MAKE_FEED,
	                     VALUES(FEED(&name), GUID(&generation), INT(engine->epoch))));
	txn->feed = (struct feed_row){
		.name = name,
		.is_known = true,
		.exists = true,
		.fid = sqlite3_last_insert_rowid(engine->writer->db),
		.generation = generation,
		.epoch = engine->epoch,
		.store_epoch = engine->epoch,
	};
	if (txn->feed.fid > FID_MAX)
		return sql_engine_fail(engine, ERR_TOO_LARGE,
		                       "the store holds as many feeds as it can number (8,388,607)");
	/* Readers of an earlier epoch knew this feed as empty. */
	return engine->epoch > 1 ? add_base(txn) : OK;
}

enum err
sql_feed_next_seq(struct txn *txn)
{
	struct feed_row *feed = &txn->feed;
	int64_t          now_ms = clock_wall_ms(txn->engine->clock);

	if (feed->head >= SEQ_MAX)
		return sql_engine_fail(txn->engine, ERR_TOO_LARGE, "a feed has used up its 2^40 change numbers");
	if (feed->epoch < txn->engine->epoch) {
		TRY(add_base(txn));
		feed->epoch = txn->engine->epoch;
	}
	if (feed->head == 0 || now_ms > feed->last_ms)
		feed->last_ms = now_ms;
	feed->head++;
	feed->is_dirty = true;
	txn->writes++;
	return OK;
}
