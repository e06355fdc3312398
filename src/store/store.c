/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/scratch_dir.h"
#include "store/store_backend.h"

#define NS_MAX      64
#define KV_NAME_MAX 1024

struct store {
	const struct store_backend *backend;
	const struct store_reads   *reads; /* the backend's */
	const struct store_writes  *writes;
	void                       *engine;
	struct scratch_dir          dir; /* of a memory: store: what holds its file */
	enum store_access           access;
	atomic_size_t               in_use; /* open scans and transactions */
};

struct store_txn {
	struct store *store;
	void         *inner; /* NULL if beginning failed */
	enum err      err;
	bool          was_done;
};

struct store_group {
	struct store *store;
	void         *inner; /* NULL: the store is only looked at */
};

struct store_scan {
	struct store     *store;
	void             *inner;
	enum err          err;
	bool              ended;
	struct feed_state state;
};

/* ---- opening -------------------------------------------------------------------------------- */

static bool
is_in_memory(struct str url)
{
	return str_eq(url, STR("memory:"));
}

static enum err
parse_url(struct str url, struct str *path_out, char why_out[512])
{
	if (!is_in_memory(url) && !str_starts(url, STR("sqlite:"))) {
		str_printf(why_out, 512, "the store URL '%.*s' is not understood; known are sqlite:PATH and memory:",
		           STR_ARG(str_cut(url, 200)));
		return ERR_BAD_REQUEST;
	}
	*path_out = str_skip(url, str_find(url, ':') + 1);
	return OK;
}

enum err
store_open_on(const struct store_backend *backend, const struct store_conf *conf, struct str path,
              struct store **store_out, char why_out[512])
{
	struct store *store = calloc(1, sizeof(*store));
	enum err      err;

	MUST(store != NULL && conf->clock && conf->entropy);
	why_out[0] = '\0';
	store->backend = backend;
	store->reads = backend->reads;
	store->writes = backend->writes;
	store->access = conf->access;
	err = backend->open(conf, path, &store->engine, why_out);
	if (err != OK) {
		free(store);
		return err;
	}
	*store_out = store;
	return OK;
}

/* A throw-away file in a folder of its own.  It begins empty, so whoever may only look finds an empty store. */
static enum err
open_in_memory(const struct store_conf *conf, struct store **store_out, char why_out[512])
{
	struct store_conf  scratch = *conf;
	struct scratch_dir dir;
	char               path[sizeof(dir.path) + 16];
	int                len;
	enum err           err;

	TRY(scratch_dir_open(SCRATCH_IN_MEMORY, &dir, why_out));
	len = snprintf(path, sizeof(path), "%s/store.db", dir.path);
	scratch.access = STORE_SERVE;
	scratch.create = scratch.scratch = true;
	err = store_open_on(&store_sqlite, &scratch, str_of(path, (size_t)len), store_out, why_out);
	if (err != OK) {
		scratch_dir_close(&dir);
		return err;
	}
	(*store_out)->access = conf->access;
	(*store_out)->dir = dir;
	return OK;
}

enum err
store_open(const struct store_conf *conf, struct store **store_out, char why_out[512])
{
	struct str path;

	TRY(parse_url(conf->url, &path, why_out));
	if (is_in_memory(conf->url))
		return open_in_memory(conf, store_out, why_out);
	return store_open_on(&store_sqlite, conf, path, store_out, why_out);
}

void
store_close(struct store **store)
{
	if (!*store)
		return;
	MUST(atomic_load(&(*store)->in_use) == 0);
	(*store)->backend->close((*store)->engine);
	scratch_dir_close(&(*store)->dir);
	free(*store);
	*store = NULL;
}

enum err
store_url_path(struct str url, struct arena *arena, const char **path_out)
{
	struct str path;
	char       why[512];

	TRY(parse_url(url, &path, why));
	if (!is_in_memory(url) && (path.len == 0 || memchr(path.at, '\0', path.len)))
		return ERR_BAD_REQUEST;
	*path_out = arena_c(arena, path);
	return OK;
}

struct guid
store_id(const struct store *store)
{
	return store->backend->id(store->engine);
}

uint32_t
store_epoch(const struct store *store)
{
	return store->backend->epoch(store->engine);
}

uint64_t
store_kv_generation(const struct store *store)
{
	return store->backend->kv_generation(store->engine);
}

/* ---- arguments ------------------------------------------------------------------------------ */

static bool
names_an_item(struct str id)
{
	return id.len >= 1 && id.len <= STORE_ID_MAX;
}

static bool
names_a_kv(const char *ns, struct str name)
{
	MUST(ns && ns[0] && strlen(ns) <= NS_MAX);
	return name.len >= 1 && name.len <= KV_NAME_MAX;
}

static enum err
check_item(const struct store_feed *feed, const struct item *item)
{
	MUST(item->life == ITEM_LIVE);
	if (feed->collection == 0 || item->id.len == 0)
		return ERR_BAD_REQUEST;
	if (item->id.len > STORE_ID_MAX || item->key.len > STORE_KEY_MAX || item->body.len > STORE_BODY_MAX)
		return ERR_TOO_LARGE;
	return OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct store_scan *
store_scan_open(struct store *store, const struct store_feed *feed, const struct store_range *range,
                struct arena *arena)
{
	struct store_scan *scan = calloc(1, sizeof(*scan));

	MUST(scan != NULL);
	scan->store = store;
	atomic_fetch_add(&store->in_use, 1);
	scan->err = store->reads->scan_open(store->engine, feed, range, arena, &scan->inner, &scan->state);
	return scan;
}

const struct feed_state *
store_scan_state(const struct store_scan *scan)
{
	return &scan->state;
}

bool
store_scan_failed(const struct store_scan *scan)
{
	return scan->err != OK;
}

bool
store_scan_next(struct store_scan *scan, struct item *item_out)
{
	enum err err;

	if (scan->err != OK || scan->ended)
		return false;
	err = scan->store->reads->scan_next(scan->inner, item_out);
	if (err == OK)
		return true;
	scan->ended = true;
	if (err != ERR_NOT_FOUND)
		scan->err = err;
	return false;
}

enum err
store_scan_close(struct store_scan **scan)
{
	struct store_scan *closing = *scan;
	enum err           err;

	if (!closing)
		return OK;
	*scan = NULL;
	err = closing->err;
	if (closing->inner)
		closing->store->reads->scan_close(closing->inner);
	atomic_fetch_sub(&closing->store->in_use, 1);
	free(closing);
	return err;
}

void
store_scan_abort(struct store_scan **scan)
{
	enum err ignored = store_scan_close(scan);

	(void)ignored;
}

enum err
store_get(struct store *store, const struct store_feed *feed, struct str id, struct arena *arena, struct item *item_out)
{
	if (!names_an_item(id))
		return ERR_NOT_FOUND;
	return store->reads->get(store->engine, feed, id, arena, item_out);
}

enum err
store_get_pinned(struct store *store, const struct store_feed *feed, struct arena *arena, struct item *item_out)
{
	return store->reads->get_pinned(store->engine, feed, arena, item_out);
}

enum err
store_find(struct store *store, const struct store_feed *feed, struct str key, uint64_t after_seq, size_t max,
           struct arena *arena, struct item *items_out, size_t *count_out)
{
	if (key.len == 0 || key.len > STORE_KEY_MAX || max == 0) {
		*count_out = 0;
		return OK;
	}
	return store->reads->find(store->engine, feed, key, after_seq, max, arena, items_out, count_out);
}

enum err
store_seq_at(struct store *store, const struct store_feed *feed, int64_t moment_ms, struct feed_state *state_out,
             uint64_t *seq_out)
{
	return store->reads->seq_at(store->engine, feed, moment_ms, state_out, seq_out);
}

enum err
store_get_kv(struct store *store, const char *ns, struct str name, struct arena *arena, struct str *value_out)
{
	if (!names_a_kv(ns, name))
		return ERR_NOT_FOUND;
	return store->reads->get_kv(store->engine, ns, name, arena, value_out);
}

enum err
store_next_kv(struct store *store, const char *ns, struct str after, struct arena *arena, struct str *name_out,
              struct str *value_out)
{
	MUST(ns && ns[0]);
	return store->reads->next_kv(store->engine, ns, after, arena, name_out, value_out);
}

enum err
store_next_feed(struct store *store, const struct store_feed *after, struct store_feed *feed_out,
                struct feed_state *state_out)
{
	return store->reads->next_feed(store->engine, after, feed_out, state_out);
}

/* ---- writing -------------------------------------------------------------------------------- */

static struct store_txn *
begin(struct store *store, void *group, const struct store_op *op, struct arena *arena)
{
	struct store_txn *txn = calloc(1, sizeof(*txn));

	MUST(txn != NULL);
	txn->store = store;
	atomic_fetch_add(&store->in_use, 1);
	if (store->access == STORE_LOOK)
		txn->err = ERR_NOT_ALLOWED;
	else if (group)
		txn->err = store->writes->group_begin(group, op, arena, &txn->inner, &txn->was_done);
	else
		txn->err = store->writes->begin(store->engine, op, arena, &txn->inner, &txn->was_done);
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

/* Keeps the first failure.  ERR_NOT_FOUND is an answer, not a failure, to those who ask. */
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

static bool
is_dead(const struct store_txn *txn)
{
	return txn->err != OK;
}

/* A repeated op changes nothing, so its writes are passed over. */
static bool
is_mute(const struct store_txn *txn)
{
	return txn->err != OK || txn->was_done;
}

bool
store_txn_state(struct store_txn *txn, const struct store_feed *feed, struct feed_state *state_out)
{
	if (is_dead(txn))
		return false;
	return answered(txn, txn->store->writes->state(txn->inner, feed, state_out));
}

bool
store_txn_get(struct store_txn *txn, const struct store_feed *feed, struct str id, struct item *item_out)
{
	if (is_dead(txn) || !names_an_item(id))
		return false;
	return answered(txn, txn->store->writes->get(txn->inner, feed, id, item_out));
}

bool
store_txn_get_pinned(struct store_txn *txn, const struct store_feed *feed, struct item *item_out)
{
	if (is_dead(txn))
		return false;
	return answered(txn, txn->store->writes->get_pinned(txn->inner, feed, item_out));
}

bool
store_txn_find(struct store_txn *txn, const struct store_feed *feed, struct str key, struct item *item_out)
{
	if (is_dead(txn) || key.len == 0 || key.len > STORE_KEY_MAX)
		return false;
	return answered(txn, txn->store->writes->find(txn->inner, feed, key, item_out));
}

bool
store_txn_get_kv(struct store_txn *txn, const char *ns, struct str name, struct str *value_out)
{
	if (is_dead(txn) || !names_a_kv(ns, name))
		return false;
	return answered(txn, txn->store->writes->get_kv(txn->inner, ns, name, value_out));
}

void
store_put(struct store_txn *txn, const struct store_feed *feed, const struct item *item)
{
	if (is_mute(txn))
		return;
	keep_error(txn, check_item(feed, item));
	if (!is_dead(txn))
		keep_error(txn, txn->store->writes->put(txn->inner, feed, item));
}

void
store_rewrite(struct store_txn *txn, const struct store_feed *feed, const struct item *item)
{
	if (is_mute(txn))
		return;
	keep_error(txn, check_item(feed, item));
	if (!is_dead(txn))
		keep_error(txn, txn->store->writes->rewrite(txn->inner, feed, item));
}

bool
store_remove(struct store_txn *txn, const struct store_feed *feed, struct str id)
{
	if (is_mute(txn) || !names_an_item(id))
		return false;
	return answered(txn, txn->store->writes->remove(txn->inner, feed, id));
}

void
store_set_default(struct store_txn *txn, const struct store_feed *feed, struct str id)
{
	if (is_mute(txn))
		return;
	if (id.len > STORE_ID_MAX)
		keep_error(txn, ERR_NOT_FOUND);
	else
		keep_error(txn, txn->store->writes->set_default(txn->inner, feed, id));
}

void
store_purge(struct store_txn *txn, const struct store_feed *feed, int64_t until_ms, uint32_t max, uint32_t *purged_out)
{
	uint32_t purged = 0;

	if (!is_mute(txn))
		keep_error(txn, txn->store->writes->purge(txn->inner, feed, until_ms, max, &purged));
	*purged_out = is_dead(txn) ? 0 : purged;
}

void
store_drop_feed(struct store_txn *txn, const struct store_feed *feed)
{
	if (!is_mute(txn))
		keep_error(txn, txn->store->writes->drop_feed(txn->inner, feed));
}

void
store_put_kv(struct store_txn *txn, const char *ns, struct str name, struct str value)
{
	if (is_mute(txn))
		return;
	if (!names_a_kv(ns, name))
		keep_error(txn, name.len == 0 ? ERR_BAD_REQUEST : ERR_TOO_LARGE);
	else if (value.len > STORE_KV_MAX)
		keep_error(txn, ERR_TOO_LARGE);
	else
		keep_error(txn, txn->store->writes->put_kv(txn->inner, ns, name, value));
}

void
store_remove_kv(struct store_txn *txn, const char *ns, struct str name)
{
	if (!is_mute(txn) && names_a_kv(ns, name))
		keep_error(txn, txn->store->writes->remove_kv(txn->inner, ns, name));
}

void
store_forget_ops(struct store_txn *txn, int64_t before_ms)
{
	if (!is_mute(txn))
		keep_error(txn, txn->store->writes->forget_ops(txn->inner, before_ms));
}

static enum err
finish(struct store_txn **txn, bool commit)
{
	struct store_txn *ending = *txn;
	enum err          err = ending->err;

	*txn = NULL;
	if (ending->inner) {
		enum err ended = ending->store->writes->finish(ending->inner, commit && err == OK);

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
	struct store_group *group = calloc(1, sizeof(*group));

	MUST(group != NULL);
	group->store = store;
	atomic_fetch_add(&store->in_use, 1);
	if (store->access != STORE_LOOK)
		group->inner = store->writes->group_open(store->engine);
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
	return group->inner ? group->store->writes->group_commit(group->inner) : OK;
}

void
store_group_close(struct store_group **group)
{
	struct store_group *old = *group;

	if (!old)
		return;
	if (old->inner)
		old->store->writes->group_close(old->inner);
	atomic_fetch_sub(&old->store->in_use, 1);
	free(old);
	*group = NULL;
}

/* ---- the store as a whole ------------------------------------------------------------------- */

enum err
store_get_info(struct store *store, struct store_info *info_out)
{
	TRY(store->backend->info(store->engine, info_out));
	info_out->engine = store->dir.path[0] ? STR("memory") : STR("sqlite");
	return OK;
}

enum err
store_check(struct store *store, store_fault_fn *found, void *ctx)
{
	return store->backend->check(store->engine, found, ctx);
}

enum err
store_backup(struct store *store, const char *path, char why_out[512])
{
	why_out[0] = '\0';
	if (store->dir.path[0]) {
		str_printf(why_out, 512, "a memory: store cannot be backed up; it has no file");
		return ERR_FOREIGN;
	}
	return store->backend->backup(store->engine, path, why_out);
}

enum err
store_restore(const struct store_conf *conf, const char *path, char why_out[512])
{
	struct str store_path;

	why_out[0] = '\0';
	TRY(parse_url(conf->url, &store_path, why_out));
	if (is_in_memory(conf->url)) {
		str_printf(why_out, 512, "a memory: store cannot be restored; it has no file");
		return ERR_FOREIGN;
	}
	return store_sqlite.restore(conf, store_path, path, why_out);
}

struct str
store_why(struct store *store, struct arena *arena)
{
	return store->backend->why(store->engine, arena);
}
