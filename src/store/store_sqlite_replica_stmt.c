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
	FOLLOW_TABLE(X) SCOPE_TABLE(X) RELATION_TABLE(X) ASKING_TABLE(X) SORT_TABLE(X)
#undef X
};

enum err
rep_damaged(struct replica *replica)
{
	return sql_engine_fail(replica->engine, ERR_CORRUPT, "what is followed is not as this program writes it");
}

/* ---- statements ----------------------------------------------------------------------------- */

enum err
rep_stmt(struct replica *replica, enum follow_sql sql, struct sqlite3_stmt **stmt_out)
{
	struct sqlite3_stmt **stmt = &replica->stmts[sql];
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
rep_stmt_ints(struct replica *replica, enum follow_sql sql, const int64_t *numbers, int count,
              struct sqlite3_stmt **stmt_out)
{
	TRY(rep_stmt(replica, sql, stmt_out));
	for (int i = 0; i < count; i++)
		sql_bind_int(*stmt_out, i + 1, numbers[i]);
	return OK;
}

enum err
rep_do_ints(struct replica *replica, enum follow_sql sql, const int64_t *numbers, int count)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt_ints(replica, sql, numbers, count, &stmt));
	return rep_run(replica, stmt);
}

enum err
rep_read_int(struct replica *replica, enum follow_sql sql, const int64_t *numbers, int count, int64_t *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_stmt_ints(replica, sql, numbers, count, &stmt));
	TRY(rep_step(replica, stmt));
	*out = sqlite3_column_int64(stmt, 0);
	/* A statement that writes and returns rows has finished only when it is at its end. */
	return rep_step(replica, stmt) == ERR_NOT_FOUND ? OK : replica->conn->last_err;
}

void
rep_bind_str(struct sqlite3_stmt *stmt, int at, struct str text)
{
	MUST(sqlite3_bind_text64(stmt, at, text.len ? text.at : "", text.len, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
}

/* ---- commits -------------------------------------------------------------------------------- */

enum err
rep_begin(struct replica *replica, bool durable)
{
	MUST(replica->is_writer && !replica->is_reading);
	/* This pragma takes effect when it is compiled, so it cannot be a prepared statement. */
	if (!replica->engine->scratch && durable != replica->syncs) {
		TRY(sql_conn_exec(replica->conn,
		                  durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"));
		replica->syncs = durable;
	}
	if (durable)
		replica->engine->queue.writes++;
	return rep_do(replica, F_BEGIN);
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
}

enum err
rep_end(struct replica *replica, enum err err)
{
	if (err == OK)
		err = rep_do(replica, F_COMMIT);
	if (err != OK)
		rep_undo(replica);
	if (err == OK)
		checkpoint(replica);
	return err;
}
