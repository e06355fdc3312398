/* SPDX-License-Identifier: Apache-2.0 */
/* The replica in SQLite: opening and closing. */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "base/file.h"

#define CALL_ARENA_MAX ((size_t)1 << 20)
/* Each of the first may change three pages far from the others, the others lie close together. */
#define WHOLE_MAX 1000
#define ROWS_MAX  20000

static struct replica *
make(struct engine *engine)
{
	struct replica *replica = handle_new(sizeof(*replica));

	replica->engine = engine;
	replica->log_fd = -1;
	replica->settling.whole_max = WHOLE_MAX;
	replica->settling.rows_max = ROWS_MAX;
	replica->arena = arena_open(CALL_ARENA_MAX);
	replica->log_path = arena_c(engine->arena, arena_printf(engine->arena, "%s-wal", engine->path));
	buf_open(&replica->held, STORE_BODY_MAX);
	buf_open(&replica->received, STORE_BODY_MAX);
	buf_open(&replica->settling.after, REPLICA_NAME_MAX + STORE_ID_MAX);
	buf_open(&replica->merged, STORE_BODY_MAX);
	buf_open(&replica->fields, STORE_KV_MAX);
	buf_open(&replica->shown, STORE_BODY_MAX);
	return replica;
}

static enum err
set_up(struct replica *replica, bool is_alone)
{
	/* Sorting a round must not need memory for the whole of it. */
	TRY(sql_conn_exec(replica->conn, "PRAGMA temp_store = FILE"));
	TRY(sql_conn_exec(replica->conn,
	                  "PRAGMA threads = 1")); /* SQLite sorts in a thread of its own while rows are read */
	TRY(sql_conn_read_int(replica->conn, "PRAGMA page_size", &replica->page_bytes));
	return is_alone ? sql_conn_exec(replica->conn, "PRAGMA cache_size = -8192") : OK;
}

/* The writer is lent for each commit, and now to set it up. */
static enum err
set_up_joined(struct replica *replica)
{
	enum err err;

	TRY(sql_conn_borrow(replica->engine, &replica->reader));
	replica->conn = replica->reader;
	TRY(sql_group_borrow(replica->group));
	replica->conn = replica->engine->writer;
	err = set_up(replica, false);
	replica->conn = replica->reader;
	sql_group_release(replica->group);
	return err;
}

static enum err
open_replica(void *engine, enum store_access access, bool is_joined, struct replica **replica_out)
{
	bool            is_writer = access == STORE_SERVE;
	struct replica *replica = *replica_out = make(engine);

	replica->syncs = is_writer;
	if (is_joined) {
		replica->group = sqlite_writes.group_open(engine);
		return set_up_joined(replica);
	}
	if (!is_writer)
		TRY(sql_conn_borrow(engine, &replica->reader));
	replica->conn = is_writer ? replica->engine->writer : replica->reader;
	return set_up(replica, is_writer);
}

/* Those on the writer are only touched by who holds the write lock. */
static void
finalize(struct replica *replica)
{
	bool is_lent = replica->group && sql_group_borrow(replica->group) == OK;

	for (size_t i = 0; i < F_COUNT; i++) {
		(void)sqlite3_finalize(replica->stmts[0][i]);
		(void)sqlite3_finalize(replica->stmts[1][i]);
	}
	if (is_lent)
		sql_group_release(replica->group);
	sql_conn_return(&replica->reader);
}

static void
close_replica(struct replica *replica)
{
	finalize(replica);
	if (replica->group)
		sqlite_writes.group_close(replica->group);
	file_close(&replica->log_fd);
	buf_close(&replica->held);
	buf_close(&replica->received);
	buf_close(&replica->settling.after);
	buf_close(&replica->merged);
	buf_close(&replica->fields);
	buf_close(&replica->shown);
	arena_close(&replica->arena);
	free(replica);
}

const struct replica_backend sqlite_replica = {
	.open = open_replica,
	.close = close_replica,
	.scopes = &sqlite_replica_scopes,
	.rounds = &sqlite_replica_rounds,
	.reads = &sqlite_replica_reads,
	.limit_commits = rep_limit_commits,
	.settle = rep_settle,
	.sweep = rep_sweep,
	.trim = rep_trim,
};
