/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, their statements, and what SQLite's codes mean here. */
#include "store/store_sqlite.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"

#define BUSY_MS      5000 /* only a lock of another program is waited for */
#define IDLE_MAX     64
#define ROW_MAX      ((int)(STORE_BODY_MAX + STORE_ID_MAX + STORE_KEY_MAX + 4096))
#define READER_CACHE "PRAGMA cache_size = -1024"
#define WRITER_CACHE "PRAGMA cache_size = -16384"

static const char *const sql_texts[SQL_COUNT] = {
#define X(name, text) [name] = text,
	SQL_TABLE(X) FOLLOWED_TABLE(X)
#undef X
};

/* ---- failures ------------------------------------------------------------------------------- */

enum err
sql_engine_fail(struct engine *engine, enum err err, const char *sentence)
{
	MUST(pthread_mutex_lock(&engine->why_lock) == 0);
	str_printf(engine->why, sizeof(engine->why), "%s", sentence);
	MUST(pthread_mutex_unlock(&engine->why_lock) == 0);
	return err;
}

static enum err
err_from_code(int code, int system_errno)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT: /* our own statements break no constraint of a sound store */
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG: /* a row larger than any that this program writes */
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	default:
		return (code & 0xff) == SQLITE_IOERR && file_fault_is_full(system_errno) ? ERR_FULL : ERR_IO;
	}
}

/* PATH-shm, the index of the log: the first to open the store makes it. */
static bool
is_of_index(int code)
{
	return code == SQLITE_IOERR_SHMOPEN || code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMMAP;
}

/* Did a system call fail? With other codes errno is left over from another call, such as the look for a log. */
static bool
is_of_system(int code)
{
	int primary = code & 0xff;

	return primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL ||
	       primary == SQLITE_READONLY;
}

enum err
sql_conn_fail(struct conn *conn, int code)
{
	int  seen_errno = errno, system_errno = conn->db ? sqlite3_system_errno(conn->db) : 0;
	char sentence[512];
	int  len;

	/* SQLite keeps no system error for a COMMIT that failed. The callers here cleared errno before. */
	if (system_errno == 0)
		system_errno = seen_errno;
	if (!is_of_system(code))
		system_errno = 0;

	MUST((code & 0xff) != SQLITE_MISUSE && (code & 0xff) != SQLITE_RANGE);
	len = snprintf(sentence, sizeof(sentence), "SQLite says '%.*s' (code %d) of %.*s",
	               STR_CUT_ARG(conn->db ? sqlite3_errmsg(conn->db) : sqlite3_errstr(code), 200), code,
	               STR_CUT_ARG(conn->engine->path, 200));
	if (system_errno != 0 && len > 0 && (size_t)len < sizeof(sentence))
		len += snprintf(sentence + len, sizeof(sentence) - (size_t)len, ": %s", strerrordesc_np(system_errno));
	conn->last_err = err_from_code(code, system_errno);
	if (conn->last_err == ERR_FULL && is_of_index(code) && len > 0 && (size_t)len < sizeof(sentence))
		str_printf(
			sentence + len, sizeof(sentence) - (size_t)len,
			". The first to open a store needs 32 KiB beside it, also to read: make room, and try again");
	/* A file that is no database is a damaged store only if its rollback guard is beside it. */
	if (code == SQLITE_NOTADB && access(conn->engine->guard_path, F_OK) != 0)
		conn->last_err = ERR_FOREIGN;
	conn->last_was_sync = code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
	return sql_engine_fail(conn->engine, conn->last_err, sentence);
}

/* ---- statements ----------------------------------------------------------------------------- */

enum err
sql_conn_stmt(struct conn *conn, enum sql sql, struct sqlite3_stmt **stmt_out)
{
	int code;

	if (!conn->stmts[sql]) {
		errno = 0;
		code = sqlite3_prepare_v3(conn->db, sql_texts[sql], -1, SQLITE_PREPARE_PERSISTENT, &conn->stmts[sql],
		                          NULL);
		if (code != SQLITE_OK)
			return sql_conn_fail(conn, code);
	}
	*stmt_out = conn->stmts[sql];
	return OK;
}

void
sql_stmt_reset(struct sqlite3_stmt **stmt)
{
	if (*stmt)
		(void)sqlite3_reset(*stmt); /* repeats the code of the step, which was returned already */
	*stmt = NULL;
}

enum err
sql_conn_step(struct conn *conn, struct sqlite3_stmt *stmt)
{
	int code;

	errno = 0;
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		return OK;
	return code == SQLITE_DONE ? ERR_NOT_FOUND : sql_conn_fail(conn, code);
}

enum err
sql_conn_run(struct conn *conn, struct sqlite3_stmt *stmt)
{
	enum err err = sql_conn_step(conn, stmt);

	sql_stmt_reset(&stmt);
	MUST(err != OK);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err
sql_conn_do(struct conn *conn, enum sql sql)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_stmt(conn, sql, &stmt));
	return sql_conn_run(conn, stmt);
}

enum err
sql_conn_exec(struct conn *conn, const char *sql)
{
	int code;

	errno = 0;
	code = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? OK : sql_conn_fail(conn, code);
}

static void
finalize(struct sqlite3_stmt **stmt)
{
	(void)sqlite3_finalize(*stmt);
}

enum err
sql_conn_read_int(struct conn *conn, const char *sql, int64_t *number_out)
{
	AUTO(finalize) struct sqlite3_stmt *stmt = NULL;
	int                                 code = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);

	if (code != SQLITE_OK)
		return sql_conn_fail(conn, code);
	TRY(sql_conn_step(conn, stmt));
	*number_out = sqlite3_column_int64(stmt, 0);
	return OK;
}

bool
sql_conn_in_txn(const struct conn *conn)
{
	return !sqlite3_get_autocommit(conn->db);
}

/* Binding fails only without memory or with a wrong number. */
void
sql_bind_int(struct sqlite3_stmt *stmt, int at, int64_t value)
{
	MUST(sqlite3_bind_int64(stmt, at, value) == SQLITE_OK);
}

static int
bind(struct sqlite3_stmt *stmt, int at, const struct sql_value *value)
{
	const char *bytes = value->bytes.len ? value->bytes.at : "";

	if (value->kind == VALUE_INT)
		return sqlite3_bind_int64(stmt, at, value->number);
	if (value->kind == VALUE_TEXT)
		return sqlite3_bind_text64(stmt, at, bytes, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
	return value->kind == VALUE_BLOB_OR_NULL && value->bytes.len == 0
	               ? sqlite3_bind_null(stmt, at)
	               : sqlite3_bind_blob64(stmt, at, bytes, value->bytes.len, SQLITE_STATIC);
}

void
sql_bind(struct sqlite3_stmt *stmt, const struct sql_value *values)
{
	for (int i = 0; values[i].kind != VALUE_END; i++)
		MUST(bind(stmt, i + 1, &values[i]) == SQLITE_OK);
}

enum err
sql_conn_bind(struct conn *conn, enum sql sql, const struct sql_value *values, struct sqlite3_stmt **stmt_out)
{
	TRY(sql_conn_stmt(conn, sql, stmt_out));
	sql_bind(*stmt_out, values);
	return OK;
}

enum err
sql_conn_do_with(struct conn *conn, enum sql sql, const struct sql_value *values)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_bind(conn, sql, values, &stmt));
	return sql_conn_run(conn, stmt);
}

enum err
sql_conn_row(struct conn *conn, enum sql sql, const struct sql_value *values, struct sqlite3_stmt **stmt_out)
{
	TRY(sql_conn_bind(conn, sql, values, stmt_out));
	return sql_conn_step(conn, *stmt_out);
}

struct str
sql_column_str(struct sqlite3_stmt *stmt, int at)
{
	const void *bytes = sqlite3_column_blob(stmt, at);
	int         len = sqlite3_column_bytes(stmt, at);

	return bytes && len > 0 ? str_of(bytes, (size_t)len) : STR_EMPTY;
}

struct str
sql_column_text(struct sqlite3_stmt *stmt, int at, size_t max, struct arena *arena, bool *fits)
{
	struct str text = sql_column_str(stmt, at);

	*fits = *fits && text.len <= max;
	return *fits ? arena_copy(arena, text) : STR_EMPTY;
}

enum err
sql_column_guid(struct conn *conn, struct sqlite3_stmt *stmt, int at, struct guid *guid_out)
{
	struct str bytes = sql_column_str(stmt, at);

	if (bytes.len != sizeof(guid_out->b))
		return sql_engine_fail(conn->engine, ERR_CORRUPT, "a name in the store is not 16 bytes long");
	memcpy(guid_out->b, bytes.at, sizeof(guid_out->b));
	return OK;
}

/* ---- connections ---------------------------------------------------------------------------- */

/* The path as a URI that declares the file unchanging. */
static const char *
immutable_uri(const char *path, struct arena *arena)
{
	size_t len = strlen(path), at = 0;
	char  *uri = arena_take(arena, 5 + len * 3 + sizeof("?immutable=1"));

	memcpy(uri, "file:", 5);
	at = 5;
	for (size_t i = 0; i < len; i++) {
		if (!strchr("?#%", path[i])) {
			uri[at++] = path[i];
			continue;
		}
		uri[at++] = '%';
		hex_write(&path[i], 1, uri + at);
		at += 2;
	}
	memcpy(uri + at, "?immutable=1", sizeof("?immutable=1"));
	return uri;
}

bool
sql_conn_is_moved(const struct engine *engine)
{
	return engine->file_fd >= 0 && !store_file_is_at(engine->file_fd, engine->path);
}

static enum err
open_db(struct conn *conn, enum conn_kind kind)
{
	AUTO(arena_close) struct arena *scratch = arena_open((size_t)64 << 10);
	struct engine                  *engine = conn->engine;
	const char                     *name = engine->path;
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, code;

	/* Its pages would be mixed with those of the file that is open. */
	if (sql_conn_is_moved(engine))
		return sql_engine_fail(engine, ERR_IO, "the store's file was renamed or replaced; put it back");
	flags |= kind == CONN_WRITER ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	if (engine->immutable) {
		flags |= SQLITE_OPEN_URI;
		name = immutable_uri(engine->path, scratch);
	}
	errno = 0;
	code = sqlite3_open_v2(name, &conn->db, flags, NULL);
	return code == SQLITE_OK ? OK : sql_conn_fail(conn, code);
}

static enum err
set_up(struct conn *conn, enum conn_kind kind)
{
	sqlite3 *db = conn->db;

	MUST(sqlite3_busy_timeout(db, BUSY_MS) == SQLITE_OK);
	MUST(sqlite3_wal_autocheckpoint(db, 0) == SQLITE_OK);
	MUST(sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) == SQLITE_OK);
	MUST(sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) == SQLITE_OK);
	if (kind == CONN_READER)
		MUST(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK);
	TRY(sql_conn_exec(conn, "PRAGMA temp_store = MEMORY"));
	/* Readers have buffers for what this program writes, and another program may have changed the file. */
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, ROW_MAX);
	/* No memory map: its pages would count as the server's own memory. */
	TRY(sql_conn_exec(conn, "PRAGMA mmap_size = 0"));
	return sql_conn_exec(conn, kind == CONN_WRITER ? WRITER_CACHE : READER_CACHE);
}

enum err
sql_conn_open(struct engine *engine, enum conn_kind kind, struct conn **conn_out)
{
	struct conn *conn = handle_new(sizeof(*conn));
	enum err     err;

	conn->engine = engine;
	err = open_db(conn, kind);
	if (err == OK)
		err = set_up(conn, kind);
	if (err != OK) {
		sql_conn_close(&conn);
		return err;
	}
	*conn_out = conn;
	return OK;
}

void
sql_conn_close(struct conn **conn)
{
	if (!*conn)
		return;
	for (size_t i = 0; i < SQL_COUNT; i++)
		(void)sqlite3_finalize((*conn)->stmts[i]);
	MUST(sqlite3_close((*conn)->db) == SQLITE_OK);
	free(*conn);
	*conn = NULL;
}

enum err
sql_conn_borrow(struct engine *engine, struct conn **conn_out)
{
	struct conn *conn;

	MUST(pthread_mutex_lock(&engine->idle_lock) == 0);
	conn = engine->idle;
	if (conn) {
		engine->idle = conn->next;
		engine->idle_count--;
	}
	MUST(pthread_mutex_unlock(&engine->idle_lock) == 0);
	if (!conn)
		return sql_conn_open(engine, CONN_READER, conn_out);
	*conn_out = conn;
	return OK;
}

void
sql_conn_return(struct conn **conn)
{
	struct conn *back = *conn;
	bool         is_kept;

	*conn = NULL;
	if (!back)
		return;
	MUST(pthread_mutex_lock(&back->engine->idle_lock) == 0);
	is_kept = back->engine->idle_count < IDLE_MAX;
	if (is_kept) {
		back->next = back->engine->idle;
		back->engine->idle = back;
		back->engine->idle_count++;
	}
	MUST(pthread_mutex_unlock(&back->engine->idle_lock) == 0);
	if (!is_kept)
		sql_conn_close(&back);
}
