/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the SQLite engine share.  Private to them.
 *
 * One connection writes and checkpoints; it belongs to the holder of the write lock (store_sqlite_group.c).
 * Readers are connections that can neither write nor checkpoint.  A call or a scan borrows one.
 * With a single writing connection the bugs that need two cannot happen, and readers never wait.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "store/store_backend.h"
#include "store/store_followed.h"
#include "store/store_file.h"
#include "store/store_sqlite_group.h"
#include "store/store_sqlite_head_cache.h"
#include "store/store_sqlite_scope_cache.h"
#include "store/store_sqlite_sql.h"

struct sqlite3;
struct sqlite3_stmt;

#define SEQ_BITS       40
#define SEQ_MAX        (((uint64_t)1 << SEQ_BITS) - 1)
#define FID_MAX        (((int64_t)1 << 23) - 1)
#define SCHEMA_VERSION 10

struct engine;
struct txn;

struct stream {                                     /* one of the two row streams that a scan merges */
	struct sqlite3_stmt *stmt;                  /* NULL: no rows */
	bool                 is_held, is_ended;     /* its row is not returned yet; there are no more rows */
	struct sqlite3_stmt *dead;                  /* the ranges of dead rows, which are left out; NULL: none are */
	int64_t              dead_first, dead_last; /* the range that `dead` is on */
};

struct conn {
	struct engine       *engine;
	struct sqlite3      *db;
	struct sqlite3_stmt *stmts[SQL_COUNT]; /* prepared at first use */
	struct conn         *next;             /* while idle */
	enum err             last_err;
	bool                 last_was_sync; /* the last failure was a sync's */
	struct sqlite3_stmt *snapshot;      /* of the scan: it stays on the feed's row and so holds the snapshot */
	struct stream        items, tombs;
	bool                 bodies_only; /* the item rows have only seq and body */
	bool                 is_followed; /* the scan is of a followed feed */
	bool                 relates;     /* the rows are those of a feed with members of relations */
	struct store_member  member;      /* of the row that was returned last */
	uint64_t             left;
};

struct engine {
	const struct clock      *clock;
	const struct entropy    *entropy;
	enum store_access        access;
	bool                     scratch;
	const struct store_view *views;
	uint32_t                 page_bytes;
	bool                     immutable; /* reading a file whose directory cannot be written */
	struct arena            *arena;     /* the paths */
	const char              *path, *lock_path, *guard_path;
	struct file_lock         lock;
	int                      file_fd; /* holds the lock of the store's file; -1: reading */
	struct guid              id;
	uint32_t                 epoch;
	atomic_uint_least64_t    kv_generation, commits, syncs;

	pthread_mutex_t idle_lock;
	struct conn    *idle; /* readers; the last one back is the first one lent */
	size_t          idle_count;

	pthread_mutex_t why_lock;
	char            why[512];

	pthread_mutex_t guard_lock;
	uint64_t        guarded; /* marker in the rollback guard as last written */

	struct conn        *writer;     /* NULL when the store is opened for reading */
	struct head_cache  *head_cache; /* NULL when another process may write; so is the next */
	struct scope_cache *scope_cache;
	struct writer_queue queue;
};

struct feed_row { /* a feed's row, as the transaction has it */
	struct store_feed name;
	bool              is_known, exists, is_dirty;
	int64_t           fid;
	int64_t           gen;             /* of a followed feed; 0: the feed is written here */
	bool              moving, relates; /* rows of it are dead; it may have members of relations */
	struct guid       generation;
	uint32_t          epoch, store_epoch;
	uint64_t          head, purged_through, live, tombs;
	int64_t           purged_through_ms, last_ms;
	uint64_t          base; /* as feed_state.base */
	size_t            default_len;
	char              default_id[STORE_ID_MAX];
};

struct txn {
	struct engine  *engine;
	struct group   *group; /* NULL: it waits for its commit itself */
	struct arena   *arena;
	struct txn     *next; /* in the queue, or in the list of members */
	pthread_cond_t  woken;
	enum err        result;
	bool            has_result;
	bool            began; /* it began the outer transaction, and nothing else is in it yet */
	bool            in_savepoint;
	bool            is_held; /* the put below is still to be written (store_sqlite_write.c) */
	enum err        torn;    /* why it failed half written, without a savepoint to go back to */
	struct item     held;
	uint64_t        kv_changed, writes;
	struct feed_row feed; /* the feed it touched last */
};

/* ---- connections (store_sqlite_conn.c) -------------------------------------------------------- */

enum conn_kind { CONN_WRITER, CONN_READER };

enum err sql_conn_open(struct engine *engine, enum conn_kind kind, struct conn **conn_out) MUST_CHECK;
void     sql_conn_close(struct conn **conn);
enum err sql_conn_borrow(struct engine *engine, struct conn **conn_out) MUST_CHECK; /* a reader */
void     sql_conn_return(struct conn **conn);                                       /* for AUTO(); NULL is fine */

/* A statement, ready to bind. Reset it with sql_stmt_reset(). */
enum err sql_conn_stmt(struct conn *conn, enum sql sql, struct sqlite3_stmt **stmt_out) MUST_CHECK;
void     sql_stmt_reset(struct sqlite3_stmt **stmt);                             /* for AUTO(); NULL is fine */
enum err sql_conn_step(struct conn *conn, struct sqlite3_stmt *stmt) MUST_CHECK; /* OK: a row. ERR_NOT_FOUND: the end */
enum err sql_conn_run(struct conn *conn, struct sqlite3_stmt *stmt) MUST_CHECK;  /* a statement without rows */
enum err sql_conn_do(struct conn *conn, enum sql sql) MUST_CHECK; /* a statement without rows and parameters */
enum err sql_conn_exec(struct conn *conn, const char *sql) MUST_CHECK;
/* The first column of the first row. */
enum err sql_conn_read_int(struct conn *conn, const char *sql, int64_t *number_out) MUST_CHECK;
bool     sql_conn_in_txn(const struct conn *conn);
/* The store's path leads to another file now, or to none. */
bool sql_conn_is_moved(const struct engine *engine);
/* Translates SQLite's code and keeps the sentence in the engine. */
enum err sql_conn_fail(struct conn *conn, int code);
enum err sql_engine_fail(struct engine *engine, enum err err, const char *sentence);

/* What a statement's parameters get, in their order: VALUES(INT(sid), TEXT(id)).  Bytes are not copied. */
struct sql_value {
	enum { VALUE_END, VALUE_INT, VALUE_TEXT, VALUE_BLOB, VALUE_BLOB_OR_NULL } kind;
	int64_t    number;
	struct str bytes;
};
/* clang-format off */
#define VALUES(...)         (const struct sql_value[]){ __VA_ARGS__, { .kind = VALUE_END } }
#define INT(value)          { .kind = VALUE_INT, .number = (int64_t)(value) }
#define TEXT(value)         { .kind = VALUE_TEXT, .bytes = (value) }
#define BLOB(value)         { .kind = VALUE_BLOB, .bytes = (value) }
#define BLOB_OR_NULL(value) { .kind = VALUE_BLOB_OR_NULL, .bytes = (value) } /* NULL when empty */
#define GUID(guid)          BLOB(str_of((guid)->b, sizeof((guid)->b)))
#define FEED(feed)          GUID(&(feed)->tenant), GUID(&(feed)->owner), INT((feed)->collection)
/* clang-format on */

void sql_bind(struct sqlite3_stmt *stmt, const struct sql_value *values);
void sql_bind_int(struct sqlite3_stmt *stmt, int at, int64_t value);
/* sql_conn_stmt(), sql_conn_do() and sql_conn_step() with the values bound before. *stmt_out is set before the step. */
enum err sql_conn_bind(struct conn *conn, enum sql sql, const struct sql_value *values, struct sqlite3_stmt **stmt_out)
	MUST_CHECK;
enum err sql_conn_do_with(struct conn *conn, enum sql sql, const struct sql_value *values) MUST_CHECK;
enum err sql_conn_row(struct conn *conn, enum sql sql, const struct sql_value *values, struct sqlite3_stmt **stmt_out)
	MUST_CHECK;

struct str sql_column_str(struct sqlite3_stmt *stmt, int at);
struct str sql_column_text(struct sqlite3_stmt *stmt, int at, size_t max, struct arena *arena, bool *fits); /* copies */
enum err   sql_column_guid(struct conn *conn, struct sqlite3_stmt *stmt, int at, struct guid *guid_out) MUST_CHECK;

/* ---- the engine itself (store_sqlite_engine.c) ------------------------------------------------ */

struct meta {
	struct guid id;
	uint32_t    epoch;
	uint64_t    marker;
	int         version; /* 0: an empty file */
};

enum err sql_engine_make(const struct store_conf *conf, struct str path, bool make_dir, struct engine **engine_out,
                         char why_out[512]) MUST_CHECK;
void     sql_engine_free(struct engine **engine);
enum err sql_engine_lock(struct engine *engine, char why_out[512]) MUST_CHECK;
/* Releases the lock and removes its file if it is new: for a store that could not be opened after all. */
void sql_engine_undo_lock(struct engine *engine);
/* Reads whose file it is. ERR_FOREIGN, ERR_CORRUPT. For an empty database only version 0 is set. */
enum err sql_meta_read(struct conn *conn, struct meta *meta_out) MUST_CHECK;
uint32_t sql_next_epoch(const struct clock *clock, uint32_t known);
enum err sql_meta_write_epoch(struct conn *conn, uint32_t epoch, uint64_t marker) MUST_CHECK;
void     sql_engine_report(struct engine *engine, char why_out[512]);

/* ---- rows (store_sqlite_rows.c) --------------------------------------------------------------- */

/* The row key of a seq of that feed. */
int64_t           sql_row_key(const struct feed_row *row, uint64_t seq);
enum err          sql_feed_row_read(struct conn *conn, struct sqlite3_stmt *stmt, struct feed_row *row_out) MUST_CHECK;
struct feed_state sql_feed_row_state(const struct feed_row *row);
void              sql_item_from_row(struct sqlite3_stmt *stmt, struct item *item_out);
struct item       sql_item_copy(struct item item, struct arena *arena);

/* ---- reading (store_sqlite_read.c) ------------------------------------------------------------ */

extern const struct store_reads sqlite_reads;

/* Reads on any connection, a borrowed reader or the writer. */
enum err sql_conn_get_default(struct conn *, const struct store_feed *, struct arena *, struct item *out) MUST_CHECK;
enum err sql_conn_get_kv(struct conn *, const char *ns, struct str name, struct arena *, struct str *out) MUST_CHECK;
enum err sql_conn_next_kv(struct conn *, const char *ns, struct str after, struct arena *, struct str *name_out,
                          struct str *value_out) MUST_CHECK;

/* ---- followed feeds (store_sqlite_followed.c) --------------------------------------------------- */

struct store_feed sql_followed_name(int64_t sid);
/* The streams of a scan; none if no row can be in the range.  sql_followed_step() steps a stream that has `dead`. */
enum err sql_followed_open(struct conn *conn, const struct feed_row *row, const struct store_range *range) MUST_CHECK;
enum err sql_followed_step(struct conn *conn, struct stream *stream) MUST_CHECK;
/* What is different in a row of the scan, which was read as that of a native feed. */
void     sql_followed_item(struct conn *conn, struct item *item);
enum err sql_followed_get(struct conn *, const struct store_feed *, struct str id, struct arena *, struct item *out)
	MUST_CHECK;
enum err sql_followed_seq_at(struct conn *, const struct feed_row *, int64_t moment_ms, uint64_t *seq_out) MUST_CHECK;
/* ERR_NOT_FOUND: its tombstones may not be purged now. */
enum err sql_followed_may_purge(struct conn *conn, const struct feed_row *row) MUST_CHECK;
enum err sqlite_get_followed(void *engine, struct str name, struct arena *arena, struct store_followed *out) MUST_CHECK;
enum err sqlite_next_member(void *engine, const struct store_feed *feed, struct str id,
                            const struct store_member *after, struct arena *arena, struct store_member *out) MUST_CHECK;
enum err sqlite_content_file(void *, const struct store_feed *, struct str id, struct arena *, struct str *) MUST_CHECK;

/* ---- the feed a transaction touched last (store_sqlite_feed.c) --------------------------------- */

enum err sql_feed_load(struct txn *txn, const struct store_feed *name) MUST_CHECK;
enum err sql_feed_flush(struct txn *txn) MUST_CHECK;
enum err sql_feed_make(struct txn *txn) MUST_CHECK;
/* Takes the next seq of the feed and the time of its change, which never goes back. */
enum err sql_feed_next_seq(struct txn *txn) MUST_CHECK;

/* ---- writing (store_sqlite_write.c) ----------------------------------------------------------- */

extern const struct store_writes sqlite_writes;

/* ---- the whole (store_sqlite_whole.c, store_sqlite_check.c) ------------------------------------ */

enum err                 sqlite_info(void *engine, struct store_info *info_out) MUST_CHECK;
enum err                 sqlite_check(void *engine, store_fault_fn *found, void *ctx) MUST_CHECK;
extern const char *const sql_followed_rules[]; /* for store_sqlite_check.c; ended by NULL */
enum err                 sqlite_backup(void *engine, const char *path, char why_out[512]) MUST_CHECK;
enum err sqlite_restore(const struct store_conf *conf, struct str rest, const char *path, char why_out[512]) MUST_CHECK;
