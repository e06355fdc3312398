/* SPDX-License-Identifier: Apache-2.0 */
/* The replica in SQLite: opening and closing. */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "base/file.h"

#define CALL_ARENA_MAX ((size_t)1 << 20)

static enum err
set_up(struct replica *replica)
{
	/* Sorting a round must not need memory for the whole of it. */
	TRY(sql_conn_exec(replica->conn, "PRAGMA temp_store = FILE"));
	TRY(sql_conn_exec(replica->conn,
	                  "PRAGMA threads = 1")); /* SQLite sorts in a thread of its own while rows are read */
	TRY(sql_conn_read_int(replica->conn, "PRAGMA page_size", &replica->page_bytes));
	return replica->is_writer ? sql_conn_exec(replica->conn, "PRAGMA cache_size = -8192") : OK;
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
	replica = calloc(1, sizeof(*replica));
	MUST(replica != NULL);
	replica->engine = engine;
	replica->is_writer = replica->syncs = conf->access == STORE_SERVE;
	replica->log_path = arena_c(replica->engine->arena,
	                            arena_printf(replica->engine->arena, "%s-wal", replica->engine->path));
	replica->log_fd = -1;
	replica->arena = arena_open(CALL_ARENA_MAX);
	buf_open(&replica->held, STORE_BODY_MAX);
	buf_open(&replica->merged, STORE_BODY_MAX);
	buf_open(&replica->fields, STORE_KV_MAX);
	buf_open(&replica->shown, STORE_BODY_MAX);
	err = replica->is_writer ? OK : sql_conn_borrow(replica->engine, &replica->conn);
	if (replica->is_writer)
		replica->conn = replica->engine->writer;
	if (err == OK)
		err = set_up(replica);
	if (err != OK) {
		sql_engine_report(replica->engine, why_out);
		replica_close(&replica);
		return err;
	}
	*replica_out = replica;
	return OK;
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
	for (size_t i = 0; i < F_COUNT; i++)
		(void)sqlite3_finalize(closing->stmts[i]);
	if (!closing->is_writer)
		sql_conn_return(&closing->conn);
	store_sqlite.close(closing->engine);
	file_close(&closing->log_fd);
	buf_close(&closing->held);
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
