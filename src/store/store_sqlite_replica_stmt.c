/* SPDX-License-Identifier: Apache-2.0 */
/* The replica's statements and commits. */
#include "store/store_sqlite_replica.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#define CHECKPOINT_AT ((int64_t)8 << 20)  /* bytes in the log: the checkpoint runs while the next pages are fetched */
#define SEND_AT       ((int64_t)1 << 20)  /* a longer log is sent to the disk before it must be there */
#define PRESSING_AT   ((int64_t)96 << 20) /* now wait for readers a moment */
#define PRESSING_MS   2000
#define ORDINARY_MS   5000

static const char *const texts[F_COUNT] = {
#define X(name, text) [name] = text,
	FOLLOW_TABLE(X) SCOPE_TABLE(X) RELATION_TABLE(X) ASKING_TABLE(X) OWNER_TABLE(X) SETTLE_TABLE(X)
#undef X
};

enum err
rep_damaged(struct replica *replica)
{
	return sql_engine_fail(replica->engine, ERR_CORRUPT, "what is followed is not as this program writes it");
}

enum err
rep_stmt(struct replica *replica, enum follow_sql sql, struct sqlite3_stmt **stmt_out)
{
	struct sqlite3_stmt **stmt = &replica->stmts[replica->conn == replica->reader][sql];
	int                   code = SQLITE_OK;

	if (!*stmt)
		code = sqlite3_prepare_v3(replica->conn->db, texts[sql], -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
	if (code != SQLITE_OK)
		return sql_conn_fail(replica->conn, code);
	*stmt_out = *stmt;
	return OK;
}

enum err
rep_step(struct replica *replica, struct sqlite3_stmt *stmt)
{
	return sql_conn_step(replica->conn, stmt);
}

enum err
rep_run(struct replica *replica, struct sqlite3_stmt *stmt)
{
	return sql_conn_run(replica->conn, stmt);
}

enum err
rep_do(struct replica *replica, enum follow_sql sql)
{
	struct sqlite3_stmt *stmt;
	enum err             err;

	TRY(rep_stmt(replica, sql, &stmt));
	err = rep_step(replica, stmt);
	sql_stmt_reset(&stmt);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err
rep_bind(struct replica *replica, enum follow_sql sql, const struct sql_value *values, struct sqlite3_stmt **stmt_out)
{
	TRY(rep_stmt(replica, sql, stmt_out));
	sql_bind(*stmt_out, values);
	return OK;
}

enum err
rep_row(struct replica *replica, enum follow_sql sql, const struct sql_value *values, struct sqlite3_stmt **stmt_out)
{
	TRY(rep_bind(replica, sql, values, stmt_out));
	return rep_step(replica, *stmt_out);
}

enum err
rep_do_with(struct replica *replica, enum follow_sql sql, const struct sql_value *values)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_bind(replica, sql, values, &stmt));
	return rep_run(replica, stmt);
}

enum err
rep_read_int(struct replica *replica, enum follow_sql sql, const struct sql_value *values, int64_t *out)
{
	static const struct sql_value             none = { .kind = VALUE_END };
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_row(replica, sql, values ? values : &none, &stmt));
	*out = sqlite3_column_int64(stmt, 0);
	/* A statement that writes and returns rows has finished only when it is at its end. */
	return rep_step(replica, stmt) == ERR_NOT_FOUND ? OK : replica->conn->last_err;
}

/* This pragma takes effect when it is compiled, so it cannot be a prepared statement. */
static enum err
set_sync(struct replica *replica, bool durable)
{
	if (replica->engine->scratch || durable == replica->syncs)
		return OK;
	TRY(sql_conn_exec(replica->conn, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"));
	replica->syncs = durable;
	return OK;
}

/* The store's own commits are synced, so nobody else commits if that cannot be set. */
static void
pass_on(struct replica *replica)
{
	if (!replica->group || replica->conn == replica->reader)
		return;
	if (set_sync(replica, true) != OK)
		replica->engine->queue.is_broken = true;
	replica->conn = replica->reader;
	sql_group_release(replica->group);
}

enum err
rep_begin(struct replica *replica, bool durable)
{
	enum err err;

	if (replica->group) {
		TRY(sql_group_borrow(replica->group));
		replica->conn = replica->engine->writer;
	}
	err = set_sync(replica, durable);
	if (durable)
		replica->engine->queue.writes++;
	if (err == OK)
		err = rep_do(replica, F_BEGIN);
	if (err != OK)
		pass_on(replica);
	return err;
}

/* Only starts the writing, and waits for nothing: at a checkpoint most of the log is on the disk already. */
static void
send_log(struct replica *replica)
{
	if (replica->log_fd < 0)
		replica->log_fd = open(replica->log_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (replica->log_fd >= 0)
		(void)sync_file_range(replica->log_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* A checkpoint between pages keeps the log as small as a few pages. */
static void
checkpoint(struct replica *replica)
{
	sqlite3 *db = replica->conn->db;
	int64_t  log_bytes = replica->engine->queue.wal_pages * replica->page_bytes;
	bool     is_pressing = log_bytes >= PRESSING_AT;

	if (log_bytes >= SEND_AT && !replica->engine->scratch)
		send_log(replica);
	if (log_bytes < CHECKPOINT_AT)
		return;
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, PRESSING_MS);
	/* A failure loses nothing: the log still holds the data, and the next commit returns the error. */
	(void)sqlite3_wal_checkpoint_v2(db, NULL, is_pressing ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
	                                NULL, NULL);
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, ORDINARY_MS);
}

void
rep_undo(struct replica *replica)
{
	if (sql_conn_in_txn(replica->conn) && rep_do(replica, F_ROLLBACK) != OK)
		replica->engine->queue.is_broken = true;
	pass_on(replica);
}

enum err
rep_end(struct replica *replica, enum err err)
{
	struct head_cache  *cache = replica->engine->head_cache;
	struct scope_cache *scopes = replica->engine->scope_cache;

	if (err == OK) {
		head_cache_commit_begins(cache);
		scope_cache_commit_begins(scopes);
		err = rep_do(replica, F_COMMIT);
		scope_cache_commit_ended(scopes);
		head_cache_commit_ended(cache);
	}
	head_cache_report(cache);
	if (err == OK && !replica->group)
		checkpoint(replica);
	if (err == OK)
		pass_on(replica);
	else
		rep_undo(replica);
	return err;
}

enum err
rep_end_with_kv(struct replica *replica, enum err err)
{
	TRY(rep_end(replica, err));
	atomic_fetch_add(&replica->engine->kv_generation, 1);
	return OK;
}
