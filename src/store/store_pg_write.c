/* SPDX-License-Identifier: Apache-2.0 */
/* What a transaction reads and writes, while it has the locks of what it touches (store_pg_txn.c). */
#include "store/store_pg.h"

/* ---- reading inside ------------------------------------------------------------------------------ */

static enum err
txn_state(void *inner, const struct store_feed *feed, struct feed_state *state_out)
{
	struct pg_txn *txn = inner;

	TRY(pg_feed_load(txn, feed));
	*state_out = pg_feed_state(&txn->feed);
	return OK;
}

/* The first item of a statement whose first parameter is the feed's key. */
static enum err
first_item(struct pg_txn *txn, const struct store_feed *feed, enum pg_sql sql, struct pg_value value,
           struct arena *arena, struct item *out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;

	TRY(pg_feed_load(txn, feed));
	if (!txn->feed.exists)
		return ERR_NOT_FOUND;
	TRY(pg_txn_run(txn, sql, PG_VALUES(P_GUID(&txn->feed.key), value), &rows));
	return pg_item_copy(rows, arena, out);
}

static enum err
txn_get(void *inner, const struct store_feed *feed, struct str id, struct item *out)
{
	struct pg_txn *txn = inner;

	return first_item(txn, feed, PG_GET_IN, (struct pg_value)P_BYTES(id), txn->arena, out);
}

static enum err
txn_get_default(void *inner, const struct store_feed *feed, struct item *out)
{
	struct pg_txn *txn = inner;

	TRY(pg_feed_load(txn, feed));
	return first_item(txn, feed, PG_GET_IN,
	                  (struct pg_value)P_BYTES(str_of(txn->feed.default_id, txn->feed.default_len)), txn->arena,
	                  out);
}

static enum err
txn_find(void *inner, const struct store_feed *feed, struct str key, struct item *out)
{
	struct pg_txn *txn = inner;

	return first_item(txn, feed, PG_FIND_IN, (struct pg_value)P_BYTES(key), txn->arena, out);
}

static enum err
txn_next(void *inner, const struct store_feed *feed, uint64_t after_seq, struct arena *into, struct item *out)
{
	return first_item(inner, feed, PG_NEXT_IN, (struct pg_value)P_INT(after_seq), into, out);
}

static enum err
txn_get_kv(void *inner, const char *ns, struct str name, struct str *out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct pg_txn                         *txn = inner;

	TRY(pg_txn_lock_kv(txn));
	TRY(pg_txn_run(txn, PG_GET_KV, PG_VALUES(P_TEXT(str_from_c(ns)), P_BYTES(name)), &rows));
	return pg_kv_copy(txn->work->engine, rows, 0, txn->arena, out);
}

static enum err
txn_next_kv(void *inner, const char *ns, struct str after, struct arena *into, struct str *name_out,
            struct str *value_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct pg_txn                         *txn = inner;

	TRY(pg_txn_lock_kv(txn));
	TRY(pg_txn_run(txn, PG_NEXT_KV, PG_VALUES(P_TEXT(str_from_c(ns)), P_BYTES(after)), &rows));
	TRY(pg_kv_copy(txn->work->engine, rows, 0, into, name_out));
	return pg_kv_copy(txn->work->engine, rows, 1, into, value_out);
}

/* ---- items --------------------------------------------------------------------------------------- */

static enum err
put(void *inner, const struct store_feed *name, const struct item *item)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct pg_txn                         *txn = inner;
	struct pg_feed                        *feed = &txn->feed;

	TRY(pg_feed_load(txn, name));
	TRY(pg_feed_next_seq(txn));
	feed->exists = txn->work->wrote = true;
	TRY(pg_txn_run(txn, PG_PUT,
	               PG_VALUES(P_GUID(&feed->key), P_BYTES(item->id), P_INT(feed->head), P_INT(feed->last_ms),
	                         P_BYTES_OR_NULL(item->key), P_BYTES(item->body)),
	               &rows));
	MUST(pg_result_rows(rows) == 1);
	if ((uint64_t)pg_result_int(rows, 0, 0) == feed->head)
		feed->live++;
	feed->tombs -= (uint64_t)pg_result_int(rows, 0, 1);
	return OK;
}

static enum err
rewrite(void *inner, const struct store_feed *name, const struct item *item)
{
	struct pg_txn *txn = inner;
	uint64_t       changed = 0;

	TRY(pg_feed_load(txn, name));
	TRY(pg_txn_write(
		txn, PG_REWRITE,
		PG_VALUES(P_GUID(&txn->feed.key), P_BYTES(item->id), P_BYTES_OR_NULL(item->key), P_BYTES(item->body)),
		&changed));
	return changed > 0 ? OK : ERR_NOT_FOUND;
}

static enum err
remove_item(void *inner, const struct store_feed *name, struct str id)
{
	struct pg_txn  *txn = inner;
	struct pg_feed *feed = &txn->feed;
	int64_t         now_ms = clock_wall_ms(txn->work->engine->clock);
	uint64_t        changed = 0;

	TRY(pg_feed_load(txn, name));
	if (feed->live == 0)
		return ERR_NOT_FOUND;
	TRY(pg_txn_write(txn, PG_REMOVE,
	                 PG_VALUES(P_GUID(&feed->key), P_BYTES(id), P_INT(feed->head + 1),
	                           P_INT(now_ms > feed->last_ms ? now_ms : feed->last_ms)),
	                 &changed));
	if (changed == 0)
		return ERR_NOT_FOUND;
	TRY(pg_feed_next_seq(txn));
	feed->live--;
	feed->tombs++;
	if (str_eq(str_of(feed->default_id, feed->default_len), id))
		feed->default_len = 0;
	return OK;
}

static enum err
set_default(void *inner, const struct store_feed *name, struct str id)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct pg_txn                         *txn = inner;
	struct pg_feed                        *feed = &txn->feed;

	TRY(pg_feed_load(txn, name));
	if (!feed->exists)
		return id.len ? ERR_NOT_FOUND : OK;
	if (id.len) {
		TRY(pg_txn_run(txn, PG_GET_IN, PG_VALUES(P_GUID(&feed->key), P_BYTES(id)), &rows));
		if (pg_result_rows(rows) == 0)
			return ERR_NOT_FOUND;
	}
	memcpy(feed->default_id, id.at, id.len);
	feed->default_len = id.len;
	feed->is_dirty = true;
	return OK;
}

/* ---- feeds --------------------------------------------------------------------------------------- */

static enum err
purge(void *inner, const struct store_feed *name, int64_t until_ms, uint32_t max, uint32_t *purged_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct pg_txn                         *txn = inner;
	struct pg_feed                        *feed = &txn->feed;
	uint64_t                               count, until;

	*purged_out = 0;
	if (name->collection == STORE_FOLLOWED) /* this engine has none */
		return OK;
	TRY(pg_feed_load(txn, name));
	if (feed->tombs == 0)
		return OK;
	TRY(pg_txn_run(txn, PG_PURGEABLE,
	               PG_VALUES(P_GUID(&feed->key), P_INT(feed->purged_through), P_INT(until_ms), P_INT(max)), &rows));
	count = (uint64_t)pg_result_int(rows, 0, 0);
	until = (uint64_t)pg_result_int(rows, 0, 1);
	if (count == 0)
		return OK;
	TRY(pg_txn_write(txn, PG_CUT_TOMBS, PG_VALUES(P_GUID(&feed->key), P_INT(until)), NULL));
	feed->tombs -= count;
	feed->purged_through = until;
	feed->purged_ms = pg_result_int(rows, 0, 2);
	feed->is_dirty = true;
	*purged_out = (uint32_t)count;
	return OK;
}

/* The lock stays until the end, also of a row that is gone. */
static enum err
drop_feed(void *inner, const struct store_feed *name)
{
	struct pg_txn  *txn = inner;
	struct pg_feed *feed = &txn->feed;

	TRY(pg_feed_load(txn, name));
	if (!feed->exists)
		return OK;
	TRY(pg_txn_write(txn, PG_DROP_FEED, PG_VALUES(P_GUID(&feed->key)), NULL));
	pg_txn_changed(txn, name);
	*feed = (struct pg_feed){ .is_known = false };
	return OK;
}

/* ---- kv entries and ops -------------------------------------------------------------------------- */

static enum err
put_kv(void *inner, const char *ns, struct str name, struct str value)
{
	struct pg_txn *txn = inner;

	TRY(pg_txn_lock_kv(txn));
	txn->kv_changed = true;
	return pg_txn_write(txn, PG_PUT_KV, PG_VALUES(P_TEXT(str_from_c(ns)), P_BYTES(name), P_BYTES(value)), NULL);
}

static enum err
remove_kv(void *inner, const char *ns, struct str name)
{
	struct pg_txn *txn = inner;

	TRY(pg_txn_lock_kv(txn));
	txn->kv_changed = true;
	return pg_txn_write(txn, PG_CUT_KV, PG_VALUES(P_TEXT(str_from_c(ns)), P_BYTES(name)), NULL);
}

static enum err
forget_ops(void *inner, int64_t before_ms)
{
	return pg_txn_write(inner, PG_FORGET_OPS, PG_VALUES(P_INT(before_ms)), NULL);
}

static enum err
finish(void *inner, bool commit)
{
	struct pg_txn *txn = inner;
	enum err       err = commit ? pg_feed_flush(txn) : OK;
	enum err       ended = pg_txn_end(txn, commit && err == OK);

	return err != OK ? err : ended;
}

const struct store_writes pg_writes = {
	.begin = pg_txn_begin,
	.state = txn_state,
	.get = txn_get,
	.get_default = txn_get_default,
	.find = txn_find,
	.next = txn_next,
	.get_kv = txn_get_kv,
	.next_kv = txn_next_kv,
	.put = put,
	.rewrite = rewrite,
	.remove = remove_item,
	.set_default = set_default,
	.purge = purge,
	.drop_feed = drop_feed,
	.put_kv = put_kv,
	.remove_kv = remove_kv,
	.forget_ops = forget_ops,
	.finish = finish,
	.group_open = pg_group_open,
	.group_begin = pg_group_begin,
	.group_commit = pg_group_commit,
	.group_close = pg_group_close,
};
