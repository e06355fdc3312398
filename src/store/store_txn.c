/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions and groups.  A transaction remembers its first failure and does nothing more after it. */
#include <stdlib.h>

#include "store/store_backend.h"
#include "store/store_group.h"

struct store_txn {
	struct store *store;
	void         *inner; /* NULL if beginning failed */
	enum err      err;
	bool          was_done;
};

struct store_group {
	struct store *store;
	void         *inner; /* NULL: the store is opened for reading */
};

/* ---- beginning ------------------------------------------------------------------------------ */

static struct store_txn *
begin(struct store *store, void *group, const struct store_op *op, struct arena *arena)
{
	struct store_txn *txn = handle_new(sizeof(*txn));

	txn->store = store;
	atomic_fetch_add(&store->in_use, 1);
	if (store->access == STORE_LOOK)
		txn->err = ERR_NOT_ALLOWED;
	else if (group)
		txn->err = store->backend->writes->group_begin(group, op, arena, &txn->inner, &txn->was_done);
	else
		txn->err = store->backend->writes->begin(store->engine, op, arena, &txn->inner, &txn->was_done);
	return txn;
}

struct store_txn *
store_begin(struct store *store, const struct store_op *op, struct arena *arena)
{
	return begin(store, NULL, op, arena);
}

bool
store_was_done(const struct store_txn *txn)
{
	return txn->err == OK && txn->was_done;
}

/* Keeps the first failure. ERR_NOT_FOUND is no failure of a read. */
static bool
answered(struct store_txn *txn, enum err err)
{
	if (err != OK && err != ERR_NOT_FOUND)
		txn->err = err;
	return err == OK;
}

static void
keep_error(struct store_txn *txn, enum err err)
{
	if (err != OK)
		txn->err = err;
}

/* The follower alone writes a followed feed, and its statements are others. */
static bool
is_native(struct store_txn *txn, const struct store_feed *feed)
{
	if (feed->collection == STORE_FOLLOWED)
		keep_error(txn, ERR_NOT_ALLOWED);
	return feed->collection != STORE_FOLLOWED;
}

/* A repeated op changes nothing, so its writes are skipped. */
static bool
is_mute(const struct store_txn *txn)
{
	return txn->err != OK || txn->was_done;
}

bool
store_txn_state(struct store_txn *txn, const struct store_feed *feed, struct feed_state *state_out)
{
	if (txn->err != OK)
		return false;
	return answered(txn, txn->store->backend->writes->state(txn->inner, feed, state_out));
}

bool
store_txn_get(struct store_txn *txn, const struct store_feed *feed, struct str id, struct item *item_out)
{
	if (txn->err != OK || !store_names_item(id) || !is_native(txn, feed))
		return false;
	return answered(txn, txn->store->backend->writes->get(txn->inner, feed, id, item_out));
}

bool
store_txn_get_default(struct store_txn *txn, const struct store_feed *feed, struct item *item_out)
{
	if (txn->err != OK || !is_native(txn, feed))
		return false;
	return answered(txn, txn->store->backend->writes->get_default(txn->inner, feed, item_out));
}

bool
store_txn_find(struct store_txn *txn, const struct store_feed *feed, struct str key, struct item *item_out)
{
	if (txn->err != OK || key.len == 0 || key.len > STORE_KEY_MAX || !is_native(txn, feed))
		return false;
	return answered(txn, txn->store->backend->writes->find(txn->inner, feed, key, item_out));
}

bool
store_txn_next(struct store_txn *txn, const struct store_feed *feed, uint64_t after_seq, struct arena *into,
               struct item *item_out)
{
	if (txn->err != OK || !is_native(txn, feed))
		return false;
	return answered(txn, txn->store->backend->writes->next(txn->inner, feed, after_seq, into, item_out));
}

bool
store_txn_get_kv(struct store_txn *txn, const char *ns, struct str name, struct str *value_out)
{
	if (txn->err != OK || !store_names_kv(ns, name))
		return false;
	return answered(txn, txn->store->backend->writes->get_kv(txn->inner, ns, name, value_out));
}

bool
store_txn_next_kv(struct store_txn *txn, const char *ns, struct str after, struct arena *into, struct str *name_out,
                  struct str *value_out)
{
	if (txn->err != OK)
		return false;
	return answered(txn, txn->store->backend->writes->next_kv(txn->inner, ns, after, into, name_out, value_out));
}

static enum err
check_item(const struct store_feed *feed, const struct item *item)
{
	MUST(item->life == ITEM_LIVE);
	if (feed->collection == STORE_FOLLOWED)
		return ERR_NOT_ALLOWED;
	if (feed->collection == 0 || item->id.len == 0)
		return ERR_BAD_REQUEST;
	if (item->id.len > STORE_ID_MAX || item->key.len > STORE_KEY_MAX || item->body.len > STORE_BODY_MAX)
		return ERR_TOO_LARGE;
	return OK;
}

void
store_put(struct store_txn *txn, const struct store_feed *feed, const struct item *item)
{
	if (is_mute(txn))
		return;
	keep_error(txn, check_item(feed, item));
	if (txn->err == OK)
		keep_error(txn, txn->store->backend->writes->put(txn->inner, feed, item));
}

void
store_rewrite(struct store_txn *txn, const struct store_feed *feed, const struct item *item)
{
	if (is_mute(txn))
		return;
	keep_error(txn, check_item(feed, item));
	if (txn->err == OK)
		keep_error(txn, txn->store->backend->writes->rewrite(txn->inner, feed, item));
}

bool
store_remove(struct store_txn *txn, const struct store_feed *feed, struct str id)
{
	if (is_mute(txn) || !store_names_item(id) || !is_native(txn, feed))
		return false;
	return answered(txn, txn->store->backend->writes->remove(txn->inner, feed, id));
}

void
store_set_default(struct store_txn *txn, const struct store_feed *feed, struct str id)
{
	if (is_mute(txn) || !is_native(txn, feed))
		return;
	if (id.len > STORE_ID_MAX)
		keep_error(txn, ERR_NOT_FOUND);
	else
		keep_error(txn, txn->store->backend->writes->set_default(txn->inner, feed, id));
}

void
store_purge(struct store_txn *txn, const struct store_feed *feed, int64_t until_ms, uint32_t max, uint32_t *purged_out)
{
	uint32_t purged = 0;

	if (!is_mute(txn))
		keep_error(txn, txn->store->backend->writes->purge(txn->inner, feed, until_ms, max, &purged));
	*purged_out = txn->err != OK ? 0 : purged;
}

void
store_drop_feed(struct store_txn *txn, const struct store_feed *feed)
{
	if (!is_mute(txn) && is_native(txn, feed))
		keep_error(txn, txn->store->backend->writes->drop_feed(txn->inner, feed));
}

void
store_put_kv(struct store_txn *txn, const char *ns, struct str name, struct str value)
{
	if (is_mute(txn))
		return;
	if (!store_names_kv(ns, name))
		keep_error(txn, name.len == 0 ? ERR_BAD_REQUEST : ERR_TOO_LARGE);
	else if (value.len > STORE_KV_MAX)
		keep_error(txn, ERR_TOO_LARGE);
	else
		keep_error(txn, txn->store->backend->writes->put_kv(txn->inner, ns, name, value));
}

void
store_remove_kv(struct store_txn *txn, const char *ns, struct str name)
{
	if (!is_mute(txn) && store_names_kv(ns, name))
		keep_error(txn, txn->store->backend->writes->remove_kv(txn->inner, ns, name));
}

void
store_forget_ops(struct store_txn *txn, int64_t before_ms)
{
	if (!is_mute(txn))
		keep_error(txn, txn->store->backend->writes->forget_ops(txn->inner, before_ms));
}

static enum err
finish(struct store_txn **txn, bool commit)
{
	struct store_txn *ending = *txn;
	enum err          err = ending->err;

	*txn = NULL;
	if (ending->inner) {
		enum err ended = ending->store->backend->writes->finish(ending->inner, commit && err == OK);

		if (err == OK)
			err = ended;
	}
	atomic_fetch_sub(&ending->store->in_use, 1);
	free(ending);
	return err;
}

enum err
store_commit(struct store_txn **txn)
{
	MUST(*txn != NULL);
	return finish(txn, true);
}

void
store_abort(struct store_txn **txn)
{
	enum err ignored;

	if (!*txn)
		return;
	ignored = finish(txn, false);
	(void)ignored;
}

void
store_fail(struct store_txn *txn, enum err err)
{
	MUST(err != OK);
	if (txn->err == OK)
		txn->err = err;
}

enum err
store_txn_err(const struct store_txn *txn)
{
	return txn->err;
}

/* ---- groups --------------------------------------------------------------------------------- */

struct store_group *
store_group_open(struct store *store)
{
	struct store_group *group = handle_new(sizeof(*group));

	group->store = store;
	atomic_fetch_add(&store->in_use, 1);
	if (store->access != STORE_LOOK)
		group->inner = store->backend->writes->group_open(store->engine);
	return group;
}

struct store_txn *
store_group_begin(struct store_group *group, const struct store_op *op, struct arena *arena)
{
	return begin(group->store, group->inner, op, arena);
}

enum err
store_group_commit(struct store_group *group)
{
	return group->inner ? group->store->backend->writes->group_commit(group->inner) : OK;
}

void
store_group_close(struct store_group **group)
{
	struct store_group *old = *group;

	if (!old)
		return;
	if (old->inner)
		old->store->backend->writes->group_close(old->inner);
	atomic_fetch_sub(&old->store->in_use, 1);
	free(old);
	*group = NULL;
}
