/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of the feed that a transaction touched last.  Its lock comes before any look at the feed, so nothing that
 * the transaction reads can be changed by another server before it ends.  A feed that does not exist is locked by a row
 * that is made, and taken out again unless something is put.
 */
#include "store/store_pg.h"

#define LOCK_TRIES 5

static bool
is_same_feed(const struct store_feed *a, const struct store_feed *b)
{
	return a->collection == b->collection && guid_eq(&a->owner, &b->owner) && guid_eq(&a->tenant, &b->tenant);
}

enum err
pg_feed_flush(struct pg_txn *txn)
{
	struct pg_feed *feed = &txn->feed;

	if (feed->is_made && !feed->exists) {
		feed->is_known = feed->is_made = feed->is_dirty = false;
		return pg_txn_run(txn, PG_UNMAKE_FEED, PG_VALUES(P_GUID(&feed->key)), NULL);
	}
	feed->is_made = false;
	if (!feed->is_dirty)
		return OK;
	feed->is_dirty = false;
	pg_txn_changed(txn, &feed->name);
	return pg_txn_write(txn, PG_SAVE_FEED,
	                    PG_VALUES(P_GUID(&feed->key), P_INT(feed->epoch), P_INT(feed->timeline), P_INT(feed->home),
	                              P_INT(feed->head), P_INT(feed->purged_through), P_INT(feed->purged_ms),
	                              P_INT(feed->last_ms), P_INT(feed->live), P_INT(feed->tombs),
	                              P_BYTES_OR_NULL(str_of(feed->default_id, feed->default_len))),
	                    NULL);
}

static enum err
take_row(struct pg_txn *txn, const struct pg_result *row)
{
	struct pg_feed *feed = &txn->feed;
	struct str      default_id = pg_result_str(row, 0, 8);

	if (default_id.len > sizeof(feed->default_id))
		return pg_engine_fail(txn->work->engine, ERR_CORRUPT,
		                      "the default item's id is longer than an id can be");
	feed->generation = pg_result_guid(row, 0, 0);
	feed->epoch = (uint64_t)pg_result_int(row, 0, 1);
	feed->timeline = pg_result_int(row, 0, 2);
	feed->home = pg_result_int(row, 0, 3);
	feed->head = (uint64_t)pg_result_int(row, 0, 4);
	feed->purged_through = (uint64_t)pg_result_int(row, 0, 5);
	feed->purged_ms = pg_result_int(row, 0, 6);
	feed->last_ms = pg_result_int(row, 0, 7);
	feed->live = (uint64_t)pg_result_int(row, 0, 9);
	feed->tombs = (uint64_t)pg_result_int(row, 0, 10);
	feed->timeline_now = pg_result_int(row, 0, 11);
	feed->default_len = default_id.len;
	memcpy(feed->default_id, default_id.at, default_id.len);
	feed->exists = true;
	return OK;
}

/* False inside: there is no such feed. */
static enum err
lock_row(struct pg_txn *txn, bool *has_row_out)
{
	AUTO(pg_result_drop) struct pg_result *row = NULL;
	struct pg_feed                        *feed = &txn->feed;

	TRY(pg_txn_run(txn, PG_LOCK_FEED, PG_VALUES(P_FEED(&feed->key, &feed->name)), &row));
	*has_row_out = pg_result_rows(row) > 0;
	return *has_row_out ? take_row(txn, row) : OK;
}

/* False inside: another server has made it meanwhile. */
static enum err
make_row(struct pg_txn *txn, bool *has_row_out)
{
	AUTO(pg_result_drop) struct pg_result *row = NULL;
	struct pg_feed                        *feed = &txn->feed;
	struct guid                            generation = guid_random(txn->work->engine->entropy);
	int64_t                                home;

	home = txn->work->session->home;
	TRY(pg_txn_run(txn, PG_MAKE_FEED, PG_VALUES(P_FEED(&feed->key, &feed->name), P_GUID(&generation), P_INT(home)),
	               &row));
	*has_row_out = pg_result_rows(row) > 0;
	if (!*has_row_out)
		return OK;
	feed->generation = generation;
	feed->epoch = 1;
	feed->home = home;
	feed->timeline = feed->timeline_now = pg_result_int(row, 0, 0);
	feed->is_made = true;
	return OK;
}

enum err
pg_feed_load(struct pg_txn *txn, const struct store_feed *name)
{
	struct pg_feed *feed = &txn->feed;

	if (feed->is_known && is_same_feed(&feed->name, name))
		return OK;
	TRY(pg_feed_flush(txn));
	*feed = (struct pg_feed){ .name = *name, .key = pg_feed_key(name) };
	TRY(pg_txn_lock(txn, &feed->key));
	for (int i = 0; i < LOCK_TRIES && !feed->is_known; i++) {
		TRY(lock_row(txn, &feed->is_known));
		if (!feed->is_known)
			TRY(make_row(txn, &feed->is_known));
	}
	return feed->is_known ? OK
	                      : pg_engine_fail(txn->work->engine, ERR_BUSY, "a feed is made and dropped all the time");
}

/*
 * Another history than the one that wrote the row: a standby took over, or a backup was put back.  What came after
 * this head in the old one may be lost, and readers may have seen it.  The number must not be one that the lost part
 * gave out, so it is at least the present second.
 */
static enum err
raise_epoch(struct pg_txn *txn)
{
	struct pg_feed *feed = &txn->feed;
	int64_t         now_s = clock_wall_s(txn->work->engine->clock);

	feed->epoch = now_s > (int64_t)feed->epoch && now_s < UINT32_MAX ? (uint64_t)now_s : feed->epoch + 1;
	feed->timeline = feed->timeline_now;
	feed->home = txn->work->session->home;
	return pg_txn_write(txn, PG_ADD_BASE, PG_VALUES(P_GUID(&feed->key), P_INT(feed->epoch), P_INT(feed->head)),
	                    NULL);
}

enum err
pg_feed_next_seq(struct pg_txn *txn)
{
	struct pg_feed *feed = &txn->feed;
	int64_t         now_ms = clock_wall_ms(txn->work->engine->clock);

	if (feed->timeline != feed->timeline_now || feed->home != txn->work->session->home)
		TRY(raise_epoch(txn));
	if (feed->head == 0 || now_ms > feed->last_ms)
		feed->last_ms = now_ms;
	feed->head++;
	feed->is_dirty = true;
	return OK;
}

struct feed_state
pg_feed_state(const struct pg_feed *feed)
{
	if (!feed->exists)
		return (struct feed_state){ 0 };
	return (struct feed_state){
		.exists = true,
		.generation = feed->generation,
		.epoch = (uint32_t)feed->epoch,
		.head = feed->head,
		.purged_through = feed->purged_through,
		.purged_through_ms = feed->purged_ms,
		.base = UINT64_MAX,
	};
}
