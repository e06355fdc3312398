/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the PostgreSQL engine share.  Private to them.
 *
 * Many servers have the store open at once.  So no answer comes from the memory of this process, and nothing is ordered
 * by a lock in it: a feed is changed only by who has locked its row, and the key-value space only by who has locked the
 * row of the store.  A call, a scan or a transaction borrows a session; a session belongs to one thread at a time.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "store/store_backend.h"
#include "store/store_pg_sql.h"

struct pg_conn; /* libpq's PGconn and PGresult */
struct pg_result;

struct pg_engine {
	const struct clock   *clock;
	const struct entropy *entropy;
	struct arena         *arena; /* of the URL */
	const char           *url;   /* may hold a password: never in a message */
	struct guid           id;
	atomic_uint_least64_t commits, unknown; /* unknown: how often the version of the kv entries was not known */

	atomic_int_least64_t retry_ms; /* monotonic; before it no connection is tried.  0: the last one was good */

	pthread_mutex_t    idle_lock;
	struct pg_session *idle; /* the last one back is the first one lent */
	size_t             idle_count;

	pthread_mutex_t why_lock;
	char            why[512];

	pthread_mutex_t   watch_lock;
	store_changed_fn *changed;
	void             *changed_ctx;
};

struct pg_session {
	struct pg_engine  *engine;
	struct pg_conn    *conn;
	struct pg_session *next;     /* while idle */
	uint64_t           prepared; /* a bit for each statement */
	int                patience_ms;
	int64_t            home;
	bool               warned; /* by the server, since it was last set to false */
};

/* ---- sessions (store_pg_session.c) -------------------------------------------------------------- */

/* ERR_BUSY: the database cannot be reached.  ERR_NOT_FOUND: it holds no store.  ERR_FOREIGN: not the engine's. */
enum err pg_session_open(struct pg_engine *engine, struct pg_session **session_out) MUST_CHECK;
void     pg_session_close(struct pg_session **session); /* for AUTO(); NULL is fine */
enum err pg_session_borrow(struct pg_engine *engine, struct pg_session **session_out) MUST_CHECK;
void     pg_session_return(struct pg_session **session); /* for AUTO(); NULL is fine; a broken one is closed */
bool     pg_session_is_lost(const struct pg_session *session);

/* What a statement's parameters get, in their order.  Bytes are not copied. */
struct pg_value {
	enum { PG_END, PG_INT, PG_TEXT, PG_BYTES, PG_UUID } kind;
	int64_t    number;
	struct str bytes; /* at NULL: the value is NULL */
};
#define PG_VALUES_MAX 12
/* clang-format off */
#define PG_VALUES(...)      (const struct pg_value[]){ __VA_ARGS__, { .kind = PG_END } }
#define P_INT(value)        { .kind = PG_INT, .number = (int64_t)(value) }
#define P_TEXT(value)       { .kind = PG_TEXT, .bytes = (value) }
#define P_BYTES(value)      { .kind = PG_BYTES, .bytes = (value).len ? (value) : STR_EMPTY }
#define P_BYTES_OR_NULL(value) { .kind = PG_BYTES, .bytes = (value).len ? (value) : (struct str){ 0 } }
#define P_GUID(guid)        { .kind = PG_UUID, .bytes = guid_bytes(guid) }
#define P_FEED(key, feed)   P_GUID(key), P_GUID(&(feed)->tenant), P_GUID(&(feed)->owner), P_INT((feed)->collection)
/* clang-format on */

/* Begins a statement, of which pg_session_next() gives one row after the other. */
enum err pg_session_send(struct pg_session *session, enum pg_sql sql, const struct pg_value *values) MUST_CHECK;
/* OK: a row.  ERR_NOT_FOUND: the end; the session is free again.  After any other error it is as good as closed. */
enum err pg_session_next(struct pg_session *session, struct pg_result **row_out) MUST_CHECK;
/* Ends a statement whose rows are not all wanted. */
void pg_session_skip(struct pg_session *session);
/* A whole statement.  rows_out may be NULL. */
enum err pg_session_run(struct pg_session *session, enum pg_sql sql, const struct pg_value *values,
                        struct pg_result **rows_out) MUST_CHECK;
enum err pg_session_do(struct pg_session *session, const char *text) MUST_CHECK;
/* "COMMIT": ERR_UNSURE if its answer does not tell whether it took effect. */
enum err pg_session_commit(struct pg_session *session) MUST_CHECK;
/* A statement on a borrowed session, once more on another if the first one was lost. */
enum err pg_read(struct pg_engine *engine, enum pg_sql sql, const struct pg_value *values, struct pg_result **rows_out)
	MUST_CHECK;
enum err pg_engine_fail(struct pg_engine *engine, enum err err, const char *sentence);

void        pg_result_drop(struct pg_result **result); /* for AUTO(); NULL is fine */
int         pg_result_rows(const struct pg_result *result);
uint64_t    pg_result_changed(struct pg_result *result); /* rows that a statement wrote */
int64_t     pg_result_int(const struct pg_result *result, int row, int column);
struct str  pg_result_str(const struct pg_result *result, int row, int column); /* a view */
struct guid pg_result_guid(const struct pg_result *result, int row, int column);

/* ---- rows (store_pg_read.c) --------------------------------------------------------------------- */

extern const struct store_reads pg_reads;

struct guid pg_feed_key(const struct store_feed *feed);
/* The first row as an item whose views are in the arena; ERR_NOT_FOUND. */
enum err pg_item_copy(const struct pg_result *rows, struct arena *arena, struct item *out) MUST_CHECK;
enum err pg_kv_copy(struct pg_engine *engine, const struct pg_result *rows, int column, struct arena *arena,
                    struct str *out) MUST_CHECK;

/* ---- transactions (store_pg_txn.c) -------------------------------------------------------------- */

/*
 * A transaction of the database: of one transaction of the store, or of a group of them.  Nothing begins before the
 * first statement that needs it.
 */
struct pg_work {
	struct pg_engine  *engine;
	struct pg_session *session; /* NULL: not begun */
	enum err           lost;    /* why the whole of it can only be rolled back */
	struct guid        op_key, op;
	bool               has_op; /* the row `op` says whether it was committed */
	bool               wrote, has_kv, kv_changed;
	bool               is_hurried;                /* locks are waited for only a moment */
	struct guid        highest;                   /* of the keys that are locked */
	uint64_t           count;                     /* transactions that stand */
	uint64_t           topics[STORE_TOPICS / 64]; /* a bit for each, of feeds that it changes */
};

struct pg_feed { /* a feed's row, as the transaction has it: the one it touched last */
	struct store_feed name;
	struct guid       key;
	bool              is_known, exists, is_dirty;
	bool              is_made; /* the row is new, and goes again unless something is put */
	struct guid       generation;
	uint64_t          epoch, head, purged_through, live, tombs;
	int64_t           timeline, home; /* which history wrote the row; the present one is below */
	int64_t           timeline_now;
	int64_t           purged_ms, last_ms;
	size_t            default_len;
	char              default_id[STORE_ID_MAX];
};

struct pg_txn {
	struct pg_work *work;
	struct pg_work  own; /* unless it is in a group */
	bool            in_group, in_savepoint;
	bool            took_kv, kv_changed;
	struct arena   *arena;
	struct pg_feed  feed;
};

enum err pg_txn_run(struct pg_txn *txn, enum pg_sql sql, const struct pg_value *values, struct pg_result **rows_out)
	MUST_CHECK;
/* A statement that writes; *changed_out, which may be NULL, is the number of rows. */
enum err pg_txn_write(struct pg_txn *txn, enum pg_sql sql, const struct pg_value *values, uint64_t *changed_out)
	MUST_CHECK;
/* Before a lock.  One that is not taken in the order of the keys waits only a moment, so that no two wait for long. */
enum err pg_txn_lock(struct pg_txn *txn, const struct guid *key) MUST_CHECK;
/* Before the first look at a kv entry: until the end no other server looks at them in a transaction. */
enum err pg_txn_lock_kv(struct pg_txn *txn) MUST_CHECK;
void     pg_txn_changed(struct pg_txn *txn, const struct store_feed *feed); /* for those who watch */

enum err pg_txn_begin(void *engine, const struct store_op *op, struct arena *arena, void **txn_out, bool *was_done_out)
	MUST_CHECK;
enum err pg_txn_end(struct pg_txn *txn, bool commit) MUST_CHECK; /* frees it */
void    *pg_group_open(void *engine);
enum err pg_group_begin(void *group, const struct store_op *op, struct arena *arena, void **txn_out, bool *was_done_out)
	MUST_CHECK;
enum err pg_group_commit(void *group) MUST_CHECK;
void     pg_group_close(void *group);

/* ---- the feed a transaction touched last (store_pg_feed.c) --------------------------------------- */

enum err pg_feed_load(struct pg_txn *txn, const struct store_feed *name) MUST_CHECK; /* locks it */
enum err pg_feed_flush(struct pg_txn *txn) MUST_CHECK;
/* Takes the next seq of the feed and the time of its change, which never goes back. */
enum err          pg_feed_next_seq(struct pg_txn *txn) MUST_CHECK;
struct feed_state pg_feed_state(const struct pg_feed *feed);

/* ---- writing (store_pg_write.c) -------------------------------------------------------------------- */

extern const struct store_writes pg_writes;

/* ---- the whole (store_pg_check.c) ----------------------------------------------------------------- */

enum err pg_check(void *engine, store_fault_fn *found, void *ctx) MUST_CHECK;
