/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQLite replica share.  Private to the store module. */
#pragma once

#include "store/replica_backend.h"
#include "store/store_sqlite.h"
#include "store/store_sqlite_replica_sql.h"

struct replica_state { /* of a scope, besides what callers see */
	struct replica_scope seen;
	int64_t              gen, ord, top; /* of the feed: its row keys, its head, the highest seq ever used */
	int64_t              moving;        /* store_sqlite_replica_feed_sql.h */
	int64_t round_gen; /* of the round's relations and dead letters; of a first round also of its rows */
	int64_t round_first, round_ord; /* the seqs of its rows: above the one, until the other */
};

struct replica_staging { /* the page being written */
	bool     drops_items;
	int64_t  sid, gen, ord; /* gen: of relations and dead letters */
	int64_t  rows;          /* the gen of the rows */
	uint64_t items;

	enum replica_kind kind;
	bool              relates;     /* the view or the round has relations */
	bool              has_letters; /* the round has dead letters */
};

struct replica_settling { /* a round being settled, between two commits */
	int64_t    gen;   /* the round's; 0: none */
	size_t     step;
	int64_t    at, last; /* of the step: how far it is */
	struct buf after; /* the same of a step that goes by ids, and of the members of an item: relation and member */
	size_t     relation_len;
	size_t     pass; /* over the members of an item */
	int64_t    twin, twin_life;
	bool       is_entered; /* a first round that needed no sorting */
	bool       is_again;   /* an earlier try may have made versions of members */
	bool       has_tables;
	bool       is_large;  /* it has more to do than one commit may have */
	int64_t    whole_max; /* rows of a round that is settled in one commit */
	int64_t    rows_max;  /* of each commit of others */
};

struct replica {
	struct replica_common   common;
	struct engine          *engine;
	struct group           *group; /* of a joined replica: how it waits for the write lock; else NULL */
	struct conn            *reader;
	struct conn            *conn;  /* the writer; or `reader`, which is kept until the replica is closed */
	bool                    syncs; /* the next commit will */
	int64_t                 page_bytes;
	const char             *log_path;          /* the write-ahead log: SQLite holds no lock on this file */
	int                     log_fd;            /* -1: not opened yet */
	struct sqlite3_stmt    *stmts[2][F_COUNT]; /* on the writer, on the reader */
	struct sqlite3_stmt    *row;               /* the row whose views the caller has */
	struct sqlite3_stmt    *member_row;        /* the same of the members of relations */
	struct arena           *arena;             /* for one call */
	struct replica_staging  staging;
	struct replica_settling settling;
	struct buf              held, received, merged, fields, shown;
};

/* ERR_CORRUPT, with its sentence: a row is not as this program writes it. */
enum err rep_damaged(struct replica *replica);
enum err rep_stmt(struct replica *replica, enum follow_sql sql, struct sqlite3_stmt **stmt_out) MUST_CHECK;
/* The same with its values bound; rep_row() also steps to the first row, and *stmt_out is set before. */
enum err rep_bind(struct replica *replica, enum follow_sql sql, const struct sql_value *values,
                  struct sqlite3_stmt **stmt_out) MUST_CHECK;
enum err rep_row(struct replica *replica, enum follow_sql sql, const struct sql_value *values,
                 struct sqlite3_stmt **stmt_out) MUST_CHECK;
enum err rep_step(struct replica *replica, struct sqlite3_stmt *stmt) MUST_CHECK; /* as sql_conn_step() */
enum err rep_run(struct replica *replica, struct sqlite3_stmt *stmt) MUST_CHECK;
enum err rep_do(struct replica *replica, enum follow_sql sql) MUST_CHECK;
/* A statement without rows. */
enum err rep_do_with(struct replica *replica, enum follow_sql sql, const struct sql_value *values) MUST_CHECK;
/* The first column of its first row; ERR_NOT_FOUND.  `values` may be NULL. */
enum err rep_read_int(struct replica *replica, enum follow_sql sql, const struct sql_value *values, int64_t *out)
	MUST_CHECK;

/*
 * durable: the commit is synced.  rep_end() rolls back on a failure and gives `err` back.  Between the two a joined
 * replica holds the write lock, and its statements are on the writer: bind them inside.
 */
enum err rep_begin(struct replica *replica, bool durable) MUST_CHECK;
enum err rep_end(struct replica *replica, enum err err) MUST_CHECK;
/* The same of a commit that changes kv entries: what others keep of them is read again. */
enum err rep_end_with_kv(struct replica *replica, enum err err) MUST_CHECK;
void     rep_undo(struct replica *replica);

enum err rep_state(struct replica *replica, int64_t sid, struct replica_state *out)
	MUST_CHECK; /* texts in replica->arena */
/* Inside a transaction: drops the round. rep_sweep() deletes its rows. */
enum err rep_forget_round(struct replica *replica, const struct replica_state *state) MUST_CHECK;

/* The item of the open page is removed, and with it its members. */
enum err rep_stage_cleared(struct replica *replica, struct str id) MUST_CHECK;
/* ERR_NOT_FOUND: no dead letter of the current round names the item. */
enum err rep_find_letter(struct replica *replica, const struct replica_state *state, struct str id) MUST_CHECK;
/* Are no dead rows left in these row keys, and does no scope wait for their deletion? */
enum err rep_is_tidy(struct replica *replica, int64_t from, int64_t until, bool *tidy_out) MUST_CHECK;
/* Can the settling of the round have to do with relations? */
enum err rep_relates(struct replica *replica, const struct replica_state *state, bool *relates_out) MUST_CHECK;

/* What struct replica_backend asks for, where another file has the table. */
enum err rep_find_scope(struct replica *replica, const struct replica_which *which, struct arena *arena,
                        struct replica_scope *out) MUST_CHECK;
enum err rep_set(struct replica *replica, const struct replica_value *value) MUST_CHECK;
enum err rep_stage_relation(struct replica *replica, struct str id, const struct replica_relation *relation) MUST_CHECK;
__typeof__(replica_add_scope)     rep_add_scope;
__typeof__(replica_get_asking)    rep_get_asking;
__typeof__(replica_next_member)   rep_next_member;
__typeof__(replica_next_moved)    rep_next_moved;
__typeof__(replica_find_lost)     rep_find_lost;
__typeof__(replica_limit_commits) rep_limit_commits;
__typeof__(replica_settle)        rep_settle;
__typeof__(replica_sweep)         rep_sweep;
__typeof__(replica_trim)          rep_trim;

extern const struct replica_scopes sqlite_replica_scopes;
extern const struct replica_rounds sqlite_replica_rounds;
extern const struct replica_reads  sqlite_replica_reads;
