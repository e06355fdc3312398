/* SPDX-License-Identifier: Apache-2.0 */
/* What a transaction does on the writing connection, while it holds the write lock. */
#include "store/store_sqlite.h"

#include <sqlite3.h>
#include <stdlib.h>

static int64_t
changes(const struct txn *txn)
{
	return sqlite3_changes64(txn->engine->writer->db);
}

/* ---- one row ---------------------------------------------------------------------------------- */

/* Runs one of the statements whose first two parameters are the feed's number and an id. */
static enum err
run_on_id(struct txn *txn, enum sql sql, struct str id)
{
	return sql_conn_do_with(txn->engine->writer, sql, VALUES(INT(txn->feed.fid), BLOB(id)));
}

static enum err
run_on_item(struct txn *txn, enum sql sql, const struct item *item)
{
	return sql_conn_do_with(txn->engine->writer, sql,
	                        VALUES(INT(txn->feed.fid), BLOB(item->id), INT(sql_row_key(&txn->feed, txn->feed.head)),
	                               INT(txn->feed.last_ms), BLOB_OR_NULL(item->key), BLOB(item->body)));
}

static enum err
run_on_range(struct txn *txn, enum sql sql, uint64_t after, uint64_t until)
{
	return sql_conn_do_with(txn->engine->writer, sql,
	                        VALUES(INT(sql_row_key(&txn->feed, after)), INT(sql_row_key(&txn->feed, until))));
}

static enum err
put(struct txn *txn, const struct item *item)
{
	struct feed_row *feed = &txn->feed;

	if (!feed->exists)
		TRY(sql_feed_make(txn));
	TRY(sql_feed_next_seq(txn));
	txn->engine->queue.bytes += item->body.len;
	if (feed->live > 0) {
		TRY(run_on_item(txn, SQL_MOVE_ITEM, item));
		if (changes(txn) > 0)
			return OK;
	}
	if (feed->tombs > 0) {
		TRY(run_on_id(txn, SQL_CUT_TOMB, item->id));
		feed->tombs -= (uint64_t)changes(txn);
	}
	feed->live++;
	return run_on_item(txn, SQL_ADD_ITEM, item);
}

/* ---- the put that is held back ---------------------------------------------------------------- */

/*
 * In a group the last put of a transaction is written only when nothing can refuse the transaction any more. Then it
 * needs no savepoint, which costs as much as the write itself. It is for the feed touched last.
 */
static void
hold(struct txn *txn, const struct item *item)
{
	txn->held = sql_item_copy(*item, txn->group->arena);
	txn->is_held = true;
}

static enum err
put_last(struct txn *txn)
{
	if (txn->is_held)
		txn->torn = put(txn, &txn->held);
	txn->is_held = false;
	return txn->torn;
}

/* Before a read or a write: writes the put that is held back. */
static enum err
ready(struct txn *txn)
{
	if (!txn->is_held)
		return OK;
	txn->is_held = false;
	TRY(sql_group_savepoint(txn));
	return put(txn, &txn->held);
}

static enum err
ready_to_write(struct txn *txn)
{
	TRY(ready(txn));
	return sql_group_savepoint(txn);
}

/* ---- beginning and ending ------------------------------------------------------------------- */

static enum err
add_op(struct txn *txn, const struct store_op *op, bool *was_done_out)
{
	struct conn *conn = txn->engine->writer;

	TRY(sql_group_savepoint(txn));
	TRY(sql_conn_do_with(conn, SQL_ADD_OP, VALUES(GUID(&op->id), INT(clock_wall_ms(txn->engine->clock)))));
	*was_done_out = changes(txn) == 0;
	return OK;
}

static void
txn_free(struct txn *txn)
{
	(void)pthread_cond_destroy(&txn->woken);
	free(txn);
}

static struct txn *
txn_make(struct engine *engine, struct group *group, struct arena *arena)
{
	struct txn *txn = handle_new(sizeof(*txn));

	MUST(pthread_cond_init(&txn->woken, NULL) == 0);
	txn->engine = engine;
	txn->group = group;
	txn->arena = arena;
	return txn;
}

static enum err
finish(void *inner, bool commit)
{
	struct txn *txn = inner;
	enum err    err = OK, left;

	if (commit)
		err = txn->group ? put_last(txn) : sql_feed_flush(txn);
	left = sql_group_leave(txn, commit && err == OK);

	/* What an undone transaction knows of its feed is not true. */
	if (txn->group && commit && left == OK)
		txn->group->member->feed = txn->feed;
	txn_free(txn);
	return err != OK ? err : left;
}

static enum err
begin(struct txn *txn, const struct store_op *op, void **txn_out, bool *was_done_out)
{
	bool     was_done = false;
	enum err err = sql_group_enter(txn);

	if (err != OK) {
		txn_free(txn);
		return err;
	}
	if (op)
		err = add_op(txn, op, &was_done);
	if (err != OK) {
		enum err left = finish(txn, false);

		(void)left;
		return err;
	}
	*was_done_out = was_done;
	*txn_out = txn;
	return OK;
}

static enum err
begin_alone(void *engine, const struct store_op *op, struct arena *arena, void **txn_out, bool *was_done_out)
{
	return begin(txn_make(engine, NULL, arena), op, txn_out, was_done_out);
}

/* ---- groups --------------------------------------------------------------------------------- */

static void *
group_open(void *engine)
{
	struct group *group = handle_new(sizeof(*group));

	group->engine = engine;
	group->member = txn_make(engine, group, NULL);
	group->arena = arena_open(STORE_BODY_MAX + STORE_ID_MAX + STORE_KEY_MAX + 4096);
	return group;
}

static enum err
group_begin(void *inner, const struct store_op *op, struct arena *arena, void **txn_out, bool *was_done_out)
{
	struct group *group = inner;
	struct txn   *txn;

	MUST(!group->is_committed);
	sql_group_hold(group);
	if (group->lost != OK)
		return group->lost;
	arena_reset(group->arena);
	txn = txn_make(group->engine, group, arena);
	txn->feed = group->member->feed;
	return begin(txn, op, txn_out, was_done_out);
}

static enum err
group_commit(void *inner)
{
	struct group *group = inner;

	if (group->lost == OK)
		group->lost = sql_feed_flush(group->member);
	return sql_group_commit(group);
}

static void
group_close(void *inner)
{
	struct group *group = inner;

	sql_group_release(group);
	txn_free(group->member);
	arena_close(&group->arena);
	free(group);
}

/* ---- reading inside ------------------------------------------------------------------------- */

static enum err
txn_state(void *inner, const struct store_feed *feed, struct feed_state *state_out)
{
	struct txn *txn = inner;

	TRY(ready(txn));
	TRY(sql_feed_load(txn, feed));
	*state_out = sql_feed_row_state(&txn->feed);
	return OK;
}

/* By an id or by a second key, in the feed touched last. */
static enum err
find_in(struct txn *txn, enum sql sql, struct str name, struct item *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct item                               item;

	TRY(sql_conn_row(txn->engine->writer, sql, VALUES(INT(txn->feed.fid), BLOB(name)), &stmt));
	sql_item_from_row(stmt, &item);
	*out = sql_item_copy(item, txn->arena);
	return OK;
}

static enum err
txn_get(void *inner, const struct store_feed *feed, struct str id, struct item *out)
{
	struct txn *txn = inner;

	TRY(ready(txn));
	TRY(sql_feed_load(txn, feed));
	return txn->feed.exists ? find_in(txn, SQL_GET_IN, id, out) : ERR_NOT_FOUND;
}

static enum err
txn_get_default(void *inner, const struct store_feed *feed, struct item *out)
{
	struct txn *txn = inner;

	TRY(ready(txn));
	TRY(sql_feed_flush(txn));
	return sql_conn_get_default(txn->engine->writer, feed, txn->arena, out);
}

static enum err
txn_find(void *inner, const struct store_feed *feed, struct str key, struct item *out)
{
	struct txn *txn = inner;

	TRY(ready(txn));
	TRY(sql_feed_load(txn, feed));
	return txn->feed.exists ? find_in(txn, SQL_FIND_IN, key, out) : ERR_NOT_FOUND;
}

static enum err
txn_next(void *inner, const struct store_feed *feed, uint64_t after_seq, struct arena *into, struct item *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct txn                               *txn = inner;
	struct item                               item;

	TRY(ready(txn));
	TRY(sql_feed_load(txn, feed));
	if (!txn->feed.exists)
		return ERR_NOT_FOUND;
	TRY(sql_conn_row(txn->engine->writer, SQL_NEXT_IN, VALUES(INT(txn->feed.fid), INT(after_seq)), &stmt));
	sql_item_from_row(stmt, &item);
	*out = sql_item_copy(item, into);
	return OK;
}

static enum err
txn_get_kv(void *inner, const char *ns, struct str name, struct str *out)
{
	struct txn *txn = inner;

	TRY(ready(txn));
	return sql_conn_get_kv(txn->engine->writer, ns, name, txn->arena, out);
}

static enum err
txn_next_kv(void *inner, const char *ns, struct str after, struct arena *into, struct str *name_out,
            struct str *value_out)
{
	struct txn *txn = inner;

	TRY(ready(txn));
	return sql_conn_next_kv(txn->engine->writer, ns, after, into, name_out, value_out);
}

/* ---- items ---------------------------------------------------------------------------------- */

static enum err
put_item(void *inner, const struct store_feed *name, const struct item *item)
{
	struct txn *txn = inner;

	TRY(ready(txn));
	TRY(sql_feed_load(txn, name));
	if (txn->group && !txn->began && !txn->in_savepoint && txn->feed.exists) {
		hold(txn, item);
		return OK;
	}
	TRY(sql_group_savepoint(txn));
	return put(txn, item);
}

static enum err
rewrite(void *inner, const struct store_feed *name, const struct item *item)
{
	struct txn *txn = inner;

	TRY(ready_to_write(txn));
	TRY(sql_feed_load(txn, name));
	if (!txn->feed.exists)
		return ERR_NOT_FOUND;
	TRY(sql_conn_do_with(txn->engine->writer, SQL_REWRITE_ITEM,
	                     VALUES(INT(txn->feed.fid), BLOB(item->id), BLOB_OR_NULL(item->key), BLOB(item->body))));
	txn->engine->queue.bytes += item->body.len;
	txn->writes++;
	return changes(txn) > 0 ? OK : ERR_NOT_FOUND;
}

static enum err
remove_item(void *inner, const struct store_feed *name, struct str id)
{
	struct txn      *txn = inner;
	struct feed_row *feed = &txn->feed;

	TRY(ready_to_write(txn));
	TRY(sql_feed_load(txn, name));
	if (!feed->exists || feed->live == 0)
		return ERR_NOT_FOUND;
	TRY(run_on_id(txn, SQL_CUT_ITEM, id));
	if (changes(txn) == 0)
		return ERR_NOT_FOUND;
	TRY(sql_feed_next_seq(txn));
	TRY(sql_conn_do_with(txn->engine->writer, SQL_ADD_TOMB,
	                     VALUES(INT(feed->fid), BLOB(id), INT(sql_row_key(feed, feed->head)), INT(feed->last_ms))));
	feed->live--;
	feed->tombs++;
	if (str_eq(str_of(feed->default_id, feed->default_len), id))
		feed->default_len = 0;
	return OK;
}

static enum err
is_live(struct txn *txn, struct str id)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	return sql_conn_row(txn->engine->writer, SQL_HAS_ITEM, VALUES(INT(txn->feed.fid), BLOB(id)), &stmt);
}

static enum err
set_default(void *inner, const struct store_feed *name, struct str id)
{
	struct txn      *txn = inner;
	struct feed_row *feed = &txn->feed;

	TRY(ready_to_write(txn));
	TRY(sql_feed_load(txn, name));
	if (!feed->exists)
		return id.len ? ERR_NOT_FOUND : OK;
	if (id.len)
		TRY(is_live(txn, id));
	memcpy(feed->default_id, id.at, id.len);
	feed->default_len = id.len;
	feed->is_dirty = true;
	txn->writes++;
	return OK;
}

/* ---- feeds ---------------------------------------------------------------------------------- */

/* The oldest tombstones that may be purged: how many, and the seq and change time of the last. ERR_NOT_FOUND: none. */
static enum err
find_purgeable(struct txn *txn, int64_t until_ms, uint32_t max, struct feed_state *last_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct conn                              *conn = txn->engine->writer;
	struct feed_state                         last = { 0 };
	enum err                                  err = OK;

	if (txn->feed.gen)
		TRY(sql_followed_may_purge(conn, &txn->feed));
	TRY(sql_conn_bind(conn,
	                  txn->feed.relates ? SQL_RELATED_TOMBS
	                  : txn->feed.gen   ? SQL_FOLLOWED_TOMBS
	                                    : SQL_TOMBS,
	                  VALUES(INT(sql_row_key(&txn->feed, txn->feed.purged_through)),
	                         INT(sql_row_key(&txn->feed, txn->feed.head))),
	                  &stmt));
	while (last.tombstones < max) {
		err = sql_conn_step(conn, stmt);
		if (err != OK || sqlite3_column_int64(stmt, 3) > until_ms)
			break;
		last.tombstones++;
		last.purged_through = (uint64_t)(sqlite3_column_int64(stmt, 0) - sql_row_key(&txn->feed, 0));
		last.purged_through_ms = sqlite3_column_int64(stmt, 3);
	}
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	*last_out = last;
	return OK;
}

/* Those after purged_through. */
static enum err
cut_tombs(struct txn *txn, uint64_t until)
{
	const struct feed_row *feed = &txn->feed;

	if (!feed->gen)
		return run_on_range(txn, SQL_CUT_TOMBS, feed->purged_through, until);
	if (feed->relates) {
		TRY(run_on_range(txn, SQL_FOLLOWED_CUT_HIDDEN, feed->purged_through, until));
		TRY(run_on_range(txn, SQL_FOLLOWED_CUT_ENDED, feed->purged_through, until));
	}
	return run_on_range(txn, SQL_FOLLOWED_CUT_TOMBS, feed->purged_through, until);
}

static enum err
purge(void *inner, const struct store_feed *name, int64_t until_ms, uint32_t max, uint32_t *purged_out)
{
	struct txn       *txn = inner;
	struct feed_row  *feed = &txn->feed;
	struct feed_state last = { 0 };
	enum err          err = ERR_NOT_FOUND;

	TRY(ready_to_write(txn));
	TRY(sql_feed_load(txn, name));
	if (feed->exists && feed->tombs > 0)
		err = find_purgeable(txn, until_ms, max, &last);
	*purged_out = (uint32_t)last.tombstones;
	if (last.tombstones == 0)
		return err == ERR_NOT_FOUND ? OK : err;
	TRY(cut_tombs(txn, last.purged_through));
	feed->tombs -= last.tombstones;
	feed->purged_through = last.purged_through;
	feed->purged_through_ms = last.purged_through_ms;
	feed->is_dirty = true;
	txn->writes += last.tombstones;
	return OK;
}

static enum err
run_on_feed(struct txn *txn, enum sql sql)
{
	return sql_conn_do_with(txn->engine->writer, sql, VALUES(INT(txn->feed.fid)));
}

static enum err
drop_feed(void *inner, const struct store_feed *name)
{
	struct txn      *txn = inner;
	struct feed_row *feed = &txn->feed;

	TRY(ready_to_write(txn));
	TRY(sql_feed_load(txn, name));
	if (!feed->exists)
		return OK;
	head_cache_touch(txn->engine->head_cache, name);
	TRY(run_on_range(txn, SQL_CUT_ITEMS, 0, SEQ_MAX));
	TRY(run_on_range(txn, SQL_CUT_TOMBS, 0, SEQ_MAX));
	TRY(run_on_feed(txn, SQL_DROP_BASES));
	TRY(run_on_feed(txn, SQL_DROP_FEED));
	feed->exists = feed->is_dirty = false;
	txn->writes++;
	return OK;
}

/* ---- kv entries and ops ----------------------------------------------------------------------- */

static enum err
put_kv(void *inner, const char *ns, struct str name, struct str value)
{
	struct txn *txn = inner;

	TRY(ready_to_write(txn));
	txn->kv_changed++;
	txn->writes++;
	return sql_conn_do_with(txn->engine->writer, SQL_PUT_KV, VALUES(TEXT(str_from_c(ns)), BLOB(name), BLOB(value)));
}

static enum err
remove_kv(void *inner, const char *ns, struct str name)
{
	struct txn *txn = inner;

	TRY(ready_to_write(txn));
	txn->kv_changed++;
	txn->writes++;
	return sql_conn_do_with(txn->engine->writer, SQL_CUT_KV, VALUES(TEXT(str_from_c(ns)), BLOB(name)));
}

static enum err
forget_ops(void *inner, int64_t before_ms)
{
	struct txn *txn = inner;

	TRY(ready_to_write(txn));
	return sql_conn_do_with(txn->engine->writer, SQL_FORGET_OPS, VALUES(INT(before_ms)));
}

const struct store_writes sqlite_writes = {
	.begin = begin_alone,
	.state = txn_state,
	.get = txn_get,
	.get_default = txn_get_default,
	.find = txn_find,
	.next = txn_next,
	.get_kv = txn_get_kv,
	.next_kv = txn_next_kv,
	.put = put_item,
	.rewrite = rewrite,
	.remove = remove_item,
	.set_default = set_default,
	.purge = purge,
	.drop_feed = drop_feed,
	.put_kv = put_kv,
	.remove_kv = remove_kv,
	.forget_ops = forget_ops,
	.finish = finish,
	.group_open = group_open,
	.group_begin = group_begin,
	.group_commit = group_commit,
	.group_close = group_close,
};
