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

static enum err
set_up(struct replica *replica)
{
	/* Sorting a round must not need memory for the whole of it. */
	TRY(sql_conn_exec(replica->conn, "PRAGMA temp_store = FILE"));
	TRY(sql_conn_exec(replica->conn,
	                  "PRAGMA threads = 1")); /* SQLite sorts in a thread of its own while rows are read */
	TRY(sql_conn_read_int(replica->conn, "PRAGMA page_size", &replica->page_bytes));
	return replica->is_writer && !replica->group ? sql_conn_exec(replica->conn, "PRAGMA cache_size = -8192") : OK;
}

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
	buf_open(&replica->settling.after, STORE_ID_MAX);
	buf_open(&replica->merged, STORE_BODY_MAX);
	buf_open(&replica->fields, STORE_KV_MAX);
	buf_open(&replica->shown, STORE_BODY_MAX);
	return replica;
}

static enum err
open_on(struct replica *replica, enum err err, struct replica **replica_out, char why_out[512])
{
	if (err == OK) {
		*replica_out = replica;
		return OK;
	}
	sql_engine_report(replica->engine, why_out);
	replica_close(&replica);
	return err;
}

enum err
replica_join(struct store *store, struct replica **replica_out, char why_out[512])
{
	struct replica *replica;
	enum err        err;

	MUST(store->backend == &store_sqlite && store->access == STORE_SERVE);
	replica = make(store->engine);
	replica->is_writer = replica->syncs = true;
	replica->group = sqlite_writes.group_open(store->engine);
	err = sql_conn_borrow(replica->engine, &replica->reader);
	replica->conn = replica->reader;
	if (err == OK)
		err = sql_group_borrow(replica->group);
	if (err == OK) {
		replica->conn = replica->engine->writer;
		err = set_up(replica);
		replica->conn = replica->reader;
		sql_group_release(replica->group);
	}
	return open_on(replica, err, replica_out, why_out);
}

enum err
replica_open(const struct store_conf *conf, struct replica **replica_out, char why_out[512])
{
	struct replica *replica;
	void           *engine = NULL;
	enum err        err;

	why_out[0] = '\0';
	if (!str_starts(conf->url, STR("sqlite:"))) {
		str_printf(why_out, 512,
		           "what is followed is kept in a file: the store must be sqlite:PATH, not '%.*s'",
		           STR_ARG(str_cut(conf->url, 200)));
		return ERR_BAD_REQUEST;
	}
	TRY(store_sqlite.open(conf, str_skip(conf->url, 7), &engine, why_out));
	replica = make(engine);
	replica->is_writer = replica->syncs = conf->access == STORE_SERVE;
	err = replica->is_writer ? OK : sql_conn_borrow(replica->engine, &replica->reader);
	replica->conn = replica->is_writer ? replica->engine->writer : replica->reader;
	return open_on(replica, err == OK ? set_up(replica) : err, replica_out, why_out);
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

void
replica_close(struct replica **replica)
{
	struct replica *closing = *replica;

	if (!closing)
		return;
	if (closing->staging.is_open)
		replica_give_up_page(closing);
	replica_end_read(closing);
	finalize(closing);
	if (closing->group)
		sqlite_writes.group_close(closing->group);
	else
		store_sqlite.close(closing->engine);
	file_close(&closing->log_fd);
	buf_close(&closing->held);
	buf_close(&closing->received);
	buf_close(&closing->settling.after);
	buf_close(&closing->merged);
	buf_close(&closing->fields);
	buf_close(&closing->shown);
	arena_close(&closing->arena);
	free(closing);
	*replica = NULL;
}

struct str
replica_why(struct replica *replica, struct arena *arena)
{
	return store_sqlite.why(replica->engine, arena);
}
