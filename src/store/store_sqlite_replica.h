/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQLite replica share.  Private to the store module. */
#pragma once

#include "store/replica_relation.h"
#include "store/store_sqlite.h"
#include "store/store_sqlite_replica_sql.h"

struct replica_state { /* of a scope, besides what callers see */
	struct replica_scope seen;
	int64_t              gen, ord; /* of the view; the ord last used in it */
	int64_t              round_gen, round_ord;
};

struct replica_staging { /* the page being written */
	bool     is_open, drops_items;
	enum err err;
	int64_t  sid, gen, ord;
	uint64_t items;

	enum replica_kind kind;
	bool              relates;     /* the view or the round has relations */
	bool              has_letters; /* the round has dead letters */
};

struct replica_sorting {  /* a full round being settled */
	int64_t gen;      /* 0: none */
	bool    is_clear; /* no entries of an earlier try are left */
	int64_t at, last;
};

struct replica {
	struct engine         *engine;
	struct conn           *conn; /* the writer, or a reader kept until the replica is closed */
	bool                   is_writer, is_reading, syncs; /* syncs: the next commit will */
	int64_t                page_bytes;
	const char            *log_path; /* the write-ahead log: SQLite holds no lock on this file */
	int                    log_fd;   /* -1: not opened yet */
	struct sqlite3_stmt   *stmts[F_COUNT];
	struct sqlite3_stmt   *row;        /* the row whose views the caller has */
	struct sqlite3_stmt   *member_row; /* the same of the members of relations */
	struct arena          *arena;      /* for one call */
	struct replica_staging staging;
	struct replica_sorting sorting;
	struct buf             held, merged, fields, shown;
};

/* ERR_CORRUPT, with its sentence: a row is not as this program writes it. */
enum err rep_damaged(struct replica *replica);
enum err rep_stmt(struct replica *replica, enum follow_sql sql, struct sqlite3_stmt **stmt_out) MUST_CHECK;
/* The same, with its parameters bound to numbers. */
enum err rep_stmt_ints(struct replica *replica, enum follow_sql sql, const int64_t *numbers, int count,
                       struct sqlite3_stmt **stmt_out) MUST_CHECK;
enum err rep_step(struct replica *replica, struct sqlite3_stmt *stmt) MUST_CHECK; /* as sql_conn_step() */
enum err rep_run(struct replica *replica, struct sqlite3_stmt *stmt) MUST_CHECK;
enum err rep_do(struct replica *replica, enum follow_sql sql) MUST_CHECK;
/* A statement with number parameters and no rows. */
enum err rep_do_ints(struct replica *replica, enum follow_sql sql, const int64_t *numbers, int count) MUST_CHECK;
/* The first column of its first row; ERR_NOT_FOUND. */
enum err rep_read_int(struct replica *replica, enum follow_sql sql, const int64_t *numbers, int count, int64_t *out)
	MUST_CHECK;
void rep_bind_str(struct sqlite3_stmt *stmt, int at, struct str text);

/* durable: the commit is synced.  rep_end() rolls back on a failure and gives `err` back. */
enum err rep_begin(struct replica *replica, bool durable) MUST_CHECK;
enum err rep_end(struct replica *replica, enum err err) MUST_CHECK;
void     rep_undo(struct replica *replica);

enum err rep_state(struct replica *replica, int64_t sid, struct replica_state *out)
	MUST_CHECK; /* texts in replica->arena */
/* Inside a transaction: drops the round. replica_sweep() deletes its rows. */
enum err rep_forget_round(struct replica *replica, const struct replica_state *state) MUST_CHECK;

/* The body stays valid until the statement is reset. */
enum err rep_get_body(struct replica *replica, int64_t row_key, struct sqlite3_stmt **stmt_out, struct str *body_out)
	MUST_CHECK;
enum err rep_set_body(struct replica *replica, const struct replica_merger *merger, int64_t row_key, struct str body)
	MUST_CHECK;
/* Also the body's text for views, if it has one of its own. */
enum err rep_show_body(struct replica *replica, const struct replica_merger *merger, int64_t row_key, struct str body)
	MUST_CHECK;
enum err rep_find_entry(struct replica *replica, int64_t gen, struct str id, int64_t *row_key_out) MUST_CHECK;
enum err rep_put_entry(struct replica *replica, int64_t gen, struct str id, int64_t row_key) MUST_CHECK;
enum err rep_cut_entry(struct replica *replica, int64_t gen, struct str id) MUST_CHECK;

/* The item of the open page is removed, and with it its members. */
enum err rep_stage_cleared(struct replica *replica, struct str id) MUST_CHECK;
/* Can the settling of the round have to do with relations? */
enum err rep_relates(struct replica *replica, const struct replica_state *state, bool *relates_out) MUST_CHECK;
enum err rep_cut_relations(struct replica *replica, int64_t gen, struct str id) MUST_CHECK;
/* Of one live item. With moved_out the change that gets the next number says what moved, and *moved_out if any did. */
enum err rep_settle_relations(struct replica *replica, const struct replica_state *state, struct str id,
                              bool *moved_out) MUST_CHECK;

#define INTS(...) (const int64_t[]){ __VA_ARGS__ }, (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
