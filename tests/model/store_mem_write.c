/* SPDX-License-Identifier: Apache-2.0 */
/* The model's transactions. */
#include <stdlib.h>

#include "model/store_mem.h"

static void
take_write_lock(struct mem *mem)
{
	uint64_t mine;

	MUST(pthread_mutex_lock(&mem->write_mutex) == 0);
	mine = mem->writing_next++;
	while (mem->writing_now != mine)
		MUST(pthread_cond_wait(&mem->write_freed, &mem->write_mutex) == 0);
	MUST(pthread_mutex_unlock(&mem->write_mutex) == 0);
}

static void
pass_write_lock(struct mem *mem)
{
	MUST(pthread_mutex_lock(&mem->write_mutex) == 0);
	mem->writing_now++;
	MUST(pthread_cond_broadcast(&mem->write_freed) == 0);
	MUST(pthread_mutex_unlock(&mem->write_mutex) == 0);
}

static enum err
mem_begin(void *engine, const struct store_op *op, struct arena *arena, void **txn_out, bool *was_done_out)
{
	struct mem *mem = engine;
	struct txn *txn = mem_take(sizeof(*txn));
	bool        is_there = false;

	take_write_lock(mem); /* from here on nobody else changes mem->now, so no lock to read it */
	txn->mem = mem;
	txn->arena = arena;
	txn->now.feeds = mem_table_copy(&mem->now.feeds);
	txn->now.kvs = mem_table_copy(&mem->now.kvs);
	txn->now.ops = mem_table_copy(&mem->now.ops);
	if (op) {
		size_t row_key = mem_table_find(&txn->now.ops, mem_order_op, &op->id, &is_there);

		if (!is_there) {
			struct op_row *row = mem_take(sizeof(*row));

			row->id = op->id;
			row->at_ms = clock_wall_ms(mem->clock);
			mem_table_append(&txn->born, row);
			mem_table_insert(&txn->now.ops, row_key, row);
		}
	}
	*was_done_out = is_there;
	*txn_out = txn;
	return OK;
}

static enum err
mem_txn_state(void *inner, const struct store_feed *feed, struct feed_state *state_out)
{
	struct txn *txn = inner;

	*state_out = mem_state_of(mem_feed(&txn->now, feed));
	return OK;
}

static enum err
mem_txn_get(void *inner, const struct store_feed *feed, struct str id, struct item *out)
{
	struct txn *txn = inner;

	return mem_get_from(&txn->now, feed, id, txn->arena, out);
}

static enum err
mem_txn_get_default(void *inner, const struct store_feed *feed, struct item *out)
{
	struct txn *txn = inner;

	return mem_get_default_from(&txn->now, feed, txn->arena, out);
}

static enum err
mem_txn_find(void *inner, const struct store_feed *name, struct str key, struct item *out)
{
	struct txn        *txn = inner;
	const struct feed *feed = mem_feed(&txn->now, name);

	return feed && mem_find_in(feed, key, txn->arena, out) ? OK : ERR_NOT_FOUND;
}

static enum err
mem_txn_next(void *inner, const struct store_feed *name, uint64_t after_seq, struct arena *into, struct item *out)
{
	struct txn        *txn = inner;
	const struct feed *feed = mem_feed(&txn->now, name);

	for (size_t i = feed ? mem_row_key_after(feed, after_seq) : 0; feed && i < feed->by_seq.len; i++) {
		const struct row *row = feed->by_seq.rows[i];

		if (row->life != ITEM_LIVE)
			continue;
		*out = mem_copy_row(row, into);
		return OK;
	}
	return ERR_NOT_FOUND;
}

static enum err
mem_txn_get_kv(void *inner, const char *ns, struct str name, struct str *out)
{
	struct txn *txn = inner;

	return mem_get_kv_from(&txn->now, ns, name, txn->arena, out);
}

static enum err
mem_txn_next_kv(void *inner, const char *ns, struct str after, struct arena *into, struct str *name_out,
                struct str *value_out)
{
	struct txn *txn = inner;

	return mem_next_kv_from(&txn->now, ns, after, into, name_out, value_out);
}

/* The feed as this transaction may change it, or NULL if there is none. */
static struct feed *
feed_to_change(struct txn *txn, const struct store_feed *name)
{
	bool         is_there;
	size_t       row_key = mem_table_find(&txn->now.feeds, mem_order_feed, name, &is_there);
	struct feed *feed, *copy;

	if (!is_there)
		return NULL;
	feed = txn->now.feeds.rows[row_key];
	if (feed->is_copy)
		return feed;
	copy = mem_take(sizeof(*copy));
	*copy = *feed;
	copy->is_copy = true;
	copy->by_id = mem_table_copy(&feed->by_id);
	copy->by_seq = mem_table_copy(&feed->by_seq);
	mem_table_append(&txn->dead_feeds, feed);
	mem_table_append(&txn->born_feeds, copy);
	txn->now.feeds.rows[row_key] = copy;
	return copy;
}

static struct feed *
make_feed(struct txn *txn, const struct store_feed *name)
{
	struct feed *feed = mem_take(sizeof(*feed));
	bool         is_there;
	size_t       row_key = mem_table_find(&txn->now.feeds, mem_order_feed, name, &is_there);

	feed->name = *name;
	feed->is_copy = true;
	feed->state.generation = guid_random(txn->mem->entropy);
	feed->state.epoch = 1;
	mem_table_append(&txn->born_feeds, feed);
	mem_table_insert(&txn->now.feeds, row_key, feed);
	return feed;
}

static char *
lay(char *at, struct str from, struct str *view_out)
{
	if (from.len)
		memcpy(at, from.at, from.len);
	*view_out = str_of(at, from.len);
	return at + from.len;
}

static struct row *
make_row(struct txn *txn, const struct item *item)
{
	struct row *row = mem_take(sizeof(*row) + item->id.len + item->key.len + item->body.len);
	char       *at = row->bytes;

	at = lay(at, item->id, &row->id);
	at = lay(at, item->key, &row->key);
	(void)lay(at, item->body, &row->body);
	row->seq = item->seq;
	row->changed_ms = item->changed_ms;
	row->life = item->life;
	mem_table_append(&txn->born, row);
	return row;
}

static void
take_out(struct txn *txn, struct feed *feed, struct row *row)
{
	bool   is_there;
	size_t row_key = mem_table_find(&feed->by_id, mem_order_id, &row->id, &is_there);

	MUST(is_there);
	(void)mem_table_drop(&feed->by_id, row_key);
	row_key = mem_table_find(&feed->by_seq, mem_order_seq, &row->seq, &is_there);
	MUST(is_there);
	(void)mem_table_drop(&feed->by_seq, row_key);
	if (row->life == ITEM_LIVE)
		feed->state.live--;
	else
		feed->state.tombstones--;
	mem_table_append(&txn->dead, row);
}

static void
put_in(struct feed *feed, struct row *row)
{
	bool   is_there;
	size_t row_key = mem_table_find(&feed->by_id, mem_order_id, &row->id, &is_there);

	MUST(!is_there);
	mem_table_insert(&feed->by_id, row_key, row);
	row_key = mem_table_find(&feed->by_seq, mem_order_seq, &row->seq, &is_there);
	MUST(!is_there);
	mem_table_insert(&feed->by_seq, row_key, row);
	if (row->life == ITEM_LIVE)
		feed->state.live++;
	else
		feed->state.tombstones++;
}

/* Takes the item's line out, if it has one, and puts the new one at the end. */
static void
move_to_end(struct txn *txn, struct feed *feed, const struct item *item)
{
	struct row *old = (struct row *)(uintptr_t)mem_row(feed, item->id);
	int64_t     now_ms = clock_wall_ms(txn->mem->clock);
	struct row *row = make_row(txn, item);

	if (feed->state.head > 0 && now_ms < feed->last_ms)
		now_ms = feed->last_ms;
	feed->last_ms = now_ms;
	row->changed_ms = now_ms;
	row->seq = row->made = ++feed->state.head;
	if (old && old->life == ITEM_LIVE)
		row->made = old->made;
	if (old) {
		take_out(txn, feed, old);
		if (old == feed->default_row)
			feed->default_row = item->life == ITEM_LIVE ? row : NULL;
	}
	put_in(feed, row);
}

static enum err
mem_put(void *inner, const struct store_feed *name, const struct item *item)
{
	struct txn  *txn = inner;
	struct feed *feed = feed_to_change(txn, name);

	move_to_end(txn, feed ? feed : make_feed(txn, name), item);
	return OK;
}

static enum err
mem_rewrite(void *inner, const struct store_feed *name, const struct item *item)
{
	struct txn  *txn = inner;
	struct feed *feed = feed_to_change(txn, name);
	struct row  *old = feed ? (struct row *)(uintptr_t)mem_row(feed, item->id) : NULL;
	struct row  *row;

	if (!old || old->life != ITEM_LIVE)
		return ERR_NOT_FOUND;
	row = make_row(txn, item);
	row->seq = old->seq;
	row->made = old->made;
	row->changed_ms = old->changed_ms;
	take_out(txn, feed, old);
	put_in(feed, row);
	if (old == feed->default_row)
		feed->default_row = row;
	return OK;
}

static enum err
mem_remove(void *inner, const struct store_feed *name, struct str id)
{
	struct txn       *txn = inner;
	struct feed      *feed = feed_to_change(txn, name);
	const struct row *row = feed ? mem_row(feed, id) : NULL;

	if (!row || row->life != ITEM_LIVE)
		return ERR_NOT_FOUND;
	move_to_end(txn, feed, &(struct item){ .id = id, .life = ITEM_REMOVED });
	return OK;
}

static enum err
mem_set_default(void *inner, const struct store_feed *name, struct str id)
{
	struct feed      *feed = feed_to_change(inner, name);
	const struct row *row = NULL;

	if (id.len) {
		row = feed ? mem_row(feed, id) : NULL;
		if (!row || row->life != ITEM_LIVE)
			return ERR_NOT_FOUND;
	}
	if (feed)
		feed->default_row = row;
	return OK;
}

static enum err
mem_purge(void *inner, const struct store_feed *name, int64_t until_ms, uint32_t max, uint32_t *purged_out)
{
	struct txn  *txn = inner;
	struct feed *feed = feed_to_change(txn, name);
	uint32_t     purged = 0;
	size_t       i = 0;

	while (feed && i < feed->by_seq.len && purged < max) {
		struct row *row = feed->by_seq.rows[i];

		if (row->changed_ms > until_ms)
			break;
		if (row->life == ITEM_LIVE) {
			i++;
			continue;
		}
		feed->state.purged_through = row->seq;
		feed->state.purged_through_ms = row->changed_ms;
		take_out(txn, feed, row);
		purged++;
	}
	*purged_out = purged;
	return OK;
}

static enum err
mem_drop_feed(void *inner, const struct store_feed *name)
{
	struct txn  *txn = inner;
	struct feed *feed = feed_to_change(txn, name);
	bool         is_there;

	if (!feed)
		return OK;
	for (size_t i = 0; i < feed->by_id.len; i++)
		mem_table_append(&txn->dead, feed->by_id.rows[i]);
	mem_table_append(&txn->dead_feeds, feed);
	(void)mem_table_drop(&txn->now.feeds, mem_table_find(&txn->now.feeds, mem_order_feed, name, &is_there));
	return OK;
}

static enum err
mem_remove_kv(void *inner, const char *ns, struct str name)
{
	struct txn *txn = inner;
	struct kv   key = { .ns = ns, .name = name };
	bool        is_there;
	size_t      row_key = mem_table_find(&txn->now.kvs, mem_order_kv, &key, &is_there);

	if (is_there) {
		mem_table_append(&txn->dead, mem_table_drop(&txn->now.kvs, row_key));
		txn->kv_changed++;
	}
	return OK;
}

static enum err
mem_put_kv(void *inner, const char *ns, struct str name, struct str value)
{
	struct txn *txn = inner;
	struct kv  *kv = mem_take(sizeof(*kv) + strlen(ns) + 1 + name.len + value.len);
	struct str  laid;
	bool        is_there;
	size_t      row_key;
	char       *at;

	TRY(mem_remove_kv(inner, ns, name));
	at = lay(kv->bytes, str_of(ns, strlen(ns) + 1), &laid);
	kv->ns = laid.at;
	at = lay(at, name, &kv->name);
	(void)lay(at, value, &kv->value);
	row_key = mem_table_find(&txn->now.kvs, mem_order_kv, kv, &is_there);
	mem_table_append(&txn->born, kv);
	mem_table_insert(&txn->now.kvs, row_key, kv);
	txn->kv_changed++;
	return OK;
}

static enum err
mem_forget_ops(void *inner, int64_t before_ms)
{
	struct txn *txn = inner;
	size_t      i = 0;

	while (i < txn->now.ops.len) {
		if (((const struct op_row *)txn->now.ops.rows[i])->at_ms < before_ms)
			mem_table_append(&txn->dead, mem_table_drop(&txn->now.ops, i));
		else
			i++;
	}
	return OK;
}

static void
swap_in(struct txn *txn)
{
	struct mem   *mem = txn->mem;
	struct tables old;

	for (size_t i = 0; i < txn->born_feeds.len; i++)
		((struct feed *)txn->born_feeds.rows[i])->is_copy = false;
	MUST(pthread_rwlock_wrlock(&mem->lock) == 0);
	old = mem->now;
	mem->now = txn->now;
	txn->now = old;
	mem->generation += txn->kv_changed;
	mem->commits++;
	MUST(pthread_rwlock_unlock(&mem->lock) == 0);
}

static enum err
mem_finish(void *inner, bool commit)
{
	struct txn *txn = inner;

	if (commit)
		swap_in(txn);
	mem_free_rows(commit ? &txn->dead : &txn->born);
	free(commit ? txn->born.rows : txn->dead.rows);
	mem_free_feeds(commit ? &txn->dead_feeds : &txn->born_feeds);
	free(commit ? txn->born_feeds.rows : txn->dead_feeds.rows);
	free(txn->now.feeds.rows);
	free(txn->now.kvs.rows);
	free(txn->now.ops.rows);
	pass_write_lock(txn->mem);
	free(txn);
	return OK;
}

/* A transaction of a group commits by itself. */
static void *
mem_group_open(void *engine)
{
	return engine;
}

static enum err
mem_group_commit(void *group)
{
	(void)group;
	return OK;
}

static void
mem_group_close(void *group)
{
	(void)group;
}

const struct store_writes mem_writes = {
	.begin = mem_begin,
	.state = mem_txn_state,
	.get = mem_txn_get,
	.get_default = mem_txn_get_default,
	.find = mem_txn_find,
	.next = mem_txn_next,
	.get_kv = mem_txn_get_kv,
	.next_kv = mem_txn_next_kv,
	.put = mem_put,
	.rewrite = mem_rewrite,
	.remove = mem_remove,
	.set_default = mem_set_default,
	.purge = mem_purge,
	.drop_feed = mem_drop_feed,
	.put_kv = mem_put_kv,
	.remove_kv = mem_remove_kv,
	.forget_ops = mem_forget_ops,
	.finish = mem_finish,
	.group_open = mem_group_open,
	.group_begin = mem_begin,
	.group_commit = mem_group_commit,
	.group_close = mem_group_close,
};
