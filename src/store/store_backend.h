/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_backend — what an engine must do.  Private to the store module.
 *
 * store.c and store_txn.c check the arguments (sizes, a live item, a live transaction) and remember the first
 * failure of a transaction: after it they call the engine only to end the transaction.  So an engine checks
 * neither.  ERR_NOT_FOUND is an ordinary result; any other error fails the transaction.
 */
#pragma once

#include <stdatomic.h>

#include "base/scratch_dir.h"
#include "store/store.h"

#define STORE_NS_MAX      64
#define STORE_KV_NAME_MAX 1024

struct store_followed; /* store_followed.h */
struct store_member;
struct replica_backend; /* replica_backend.h */

struct store_reads {
	enum err (*scan_open)(void *engine, const struct store_feed *feed, const struct store_range *range,
	                      struct arena *arena, void **scan_out, struct feed_state *state_out);
	enum err (*scan_next)(void *scan, struct item *item_out); /* ERR_NOT_FOUND at the end */
	void (*scan_close)(void *scan);
	enum err (*get)(void *engine, const struct store_feed *feed, struct str id, struct arena *arena,
	                struct item *out);
	enum err (*get_default)(void *engine, const struct store_feed *feed, struct arena *arena, struct item *out);
	enum err (*seq_at)(void *engine, const struct store_feed *feed, int64_t moment_ms, struct feed_state *state_out,
	                   uint64_t *seq_out);
	enum err (*get_kv)(void *engine, const char *ns, struct str name, struct arena *arena, struct str *out);
	enum err (*next_kv)(void *engine, const char *ns, struct str after, struct arena *arena, struct str *name_out,
	                    struct str *value_out);
	enum err (*next_feed)(void *engine, const struct store_feed *after, struct store_feed *feed_out,
	                      struct feed_state *state_out);

	/* Followed feeds: NULL if the engine has none. */
	enum err (*next_followed)(void *engine, const struct store_feed *after, struct store_feed *feed_out,
	                          struct feed_state *state_out);
	enum err (*get_followed)(void *engine, struct str name, struct arena *arena, struct store_followed *out);
	enum err (*next_member)(void *engine, const struct store_feed *feed, struct str id,
	                        const struct store_member *after, struct arena *arena, struct store_member *out);
	enum err (*get_content_file)(void *engine, const struct store_feed *feed, struct str id, struct arena *arena,
	                             struct str *file_out);
};

struct store_writes {
	enum err (*begin)(void *engine, const struct store_op *op, struct arena *arena, void **txn_out,
	                  bool *was_done_out);
	enum err (*state)(void *txn, const struct store_feed *feed, struct feed_state *state_out);
	enum err (*get)(void *txn, const struct store_feed *feed, struct str id, struct item *out);
	enum err (*get_default)(void *txn, const struct store_feed *feed, struct item *out);
	enum err (*find)(void *txn, const struct store_feed *feed, struct str key, struct item *out);
	enum err (*next)(void *txn, const struct store_feed *feed, uint64_t after_seq, struct arena *into,
	                 struct item *out);
	enum err (*get_kv)(void *txn, const char *ns, struct str name, struct str *out);
	enum err (*next_kv)(void *txn, const char *ns, struct str after, struct arena *into, struct str *name_out,
	                    struct str *value_out);
	enum err (*put)(void *txn, const struct store_feed *feed, const struct item *item);
	enum err (*rewrite)(void *txn, const struct store_feed *feed, const struct item *item);
	enum err (*remove)(void *txn, const struct store_feed *feed, struct str id);
	enum err (*set_default)(void *txn, const struct store_feed *feed, struct str id);
	enum err (*purge)(void *txn, const struct store_feed *feed, int64_t until_ms, uint32_t max,
	                  uint32_t *purged_out);
	enum err (*drop_feed)(void *txn, const struct store_feed *feed);
	enum err (*put_kv)(void *txn, const char *ns, struct str name, struct str value);
	enum err (*remove_kv)(void *txn, const char *ns, struct str name);
	enum err (*forget_ops)(void *txn, int64_t before_ms);
	enum err (*finish)(void *txn, bool commit); /* frees txn in every case */
	void *(*group_open)(void *engine);
	enum err (*group_begin)(void *group, const struct store_op *op, struct arena *arena, void **txn_out,
	                        bool *was_done_out);
	enum err (*group_commit)(void *group);
	void (*group_close)(void *group);
};

struct store_backend {
	const char *scheme; /* of its URLs, and its name */
	enum err (*open)(const struct store_conf *conf, struct str path, void **engine_out, char why_out[512]);
	void (*close)(void *engine);
	struct guid (*id)(const void *engine);
	uint32_t (*epoch)(const void *engine);
	uint64_t (*kv_generation)(const void *engine);
	void (*watch)(void *engine, store_changed_fn *changed, void *ctx); /* may be NULL */
	const struct store_reads     *reads;
	const struct store_writes    *writes;
	const struct replica_backend *replica; /* NULL: nothing is followed in it */
	enum err (*info)(void *engine, struct store_info *info_out);
	enum err (*check)(void *engine, store_fault_fn *found, void *ctx);
	enum err (*backup)(void *engine, const char *path, char why_out[512]);
	enum err (*restore)(const struct store_conf *conf, struct str path, const char *copy_path, char why_out[512]);
	struct str (*why)(void *engine, struct arena *arena);
	bool (*is_moved)(const void *engine); /* NULL: there is no file */
};

/* What store.c and store_txn.c share. */
struct store {
	const struct store_backend *backend;
	void                       *engine;
	struct scratch_dir          dir; /* of a memory: store: what holds its file */
	enum store_access           access;
	atomic_size_t               in_use; /* open scans and transactions */
};

static inline bool
store_names_item(struct str id)
{
	return id.len >= 1 && id.len <= STORE_ID_MAX;
}

static inline bool
store_names_kv(const char *ns, struct str name)
{
	MUST(ns && ns[0] && strlen(ns) <= STORE_NS_MAX);
	return name.len >= 1 && name.len <= STORE_KV_NAME_MAX;
}

static inline bool
store_is_in_memory(struct str url)
{
	return str_eq(url, STR("memory:"));
}

extern const struct store_backend   store_sqlite, store_pg;
extern const struct replica_backend sqlite_replica;

/* The engine of a store URL, and what comes after the scheme. ERR_BAD_REQUEST. */
enum err store_parse_url(struct str url, const struct store_backend **backend_out, struct str *path_out,
                         char why_out[512]) MUST_CHECK;

/* As store_open(), with a given engine: the tests have one of their own. It gets conf and the path. */
enum err store_open_on(const struct store_backend *backend, const struct store_conf *conf, struct str path,
                       struct store **store_out, char why_out[512]) MUST_CHECK;
