/* SPDX-License-Identifier: Apache-2.0 */
/* The replica in SQLite: opening, statements, commits, scopes. */
#include "store/store_sqlite_replica.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

#define CALL_ARENA_MAX ((size_t)1 << 20)
#define CHECKPOINT_AT  ((int64_t)8 << 20)  /* bytes in the log: while it is put back the next pages are fetched */
#define SEND_AT        ((int64_t)1 << 20)  /* what is longer is on its way to the disk before it must be there */
#define PRESSING_AT    ((int64_t)96 << 20) /* now wait for readers a moment */
#define PRESSING_MS    2000
#define ORDINARY_MS    5000
#define FAULT_MAX      ((size_t)4 << 10)

static const char *const texts[F_COUNT] = {
#define X(name, text) [name] = text,
	FOLLOW_TABLE(X) SCOPE_TABLE(X) SORT_TABLE(X)
#undef X
};

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

static enum err
bind_ints(struct replica *replica, enum follow_sql sql, const int64_t *numbers, int count,
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

	TRY(bind_ints(replica, sql, numbers, count, &stmt));
	return rep_run(replica, stmt);
}

enum err
rep_request(struct replica *replica, enum follow_sql sql, const int64_t *numbers, int count, int64_t *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(bind_ints(replica, sql, numbers, count, &stmt));
	TRY(rep_step(replica, stmt));
	*out = sqlite3_column_int64(stmt, 0);
	/* A statement that writes and gives rows has done its work only when it is at its end. */
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
	/* Takes effect when it is compiled, so it cannot be kept as a statement. */
	if (!replica->engine->scratch && durable != replica->syncs) {
		TRY(sql_conn_exec(replica->conn,
		                  durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"));
		replica->syncs = durable;
	}
	if (durable)
		replica->engine->write_lock.writes++;
	return rep_do(replica, F_BEGIN);
}

/* Only begins to: when a checkpoint wants the log on the disk, most of it is, and nobody has waited. */
static void
send_log(struct replica *replica)
{
	if (replica->log_fd < 0)
		replica->log_fd = open(replica->log_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (replica->log_fd >= 0)
		(void)sync_file_range(replica->log_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Between pages the log goes back into the file, so it stays as large as a few pages. */
static void
checkpoint(struct replica *replica)
{
	sqlite3 *db = replica->conn->db;
	int64_t  log_bytes = replica->engine->write_lock.wal_pages * replica->page_bytes;
	bool     is_pressing = log_bytes >= PRESSING_AT;

	if (log_bytes >= SEND_AT && !replica->engine->scratch)
		send_log(replica);
	if (log_bytes < CHECKPOINT_AT)
		return;
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, PRESSING_MS);
	/* A failure loses nothing: the log still holds it, and the next commit says what is wrong. */
	(void)sqlite3_wal_checkpoint_v2(db, NULL, is_pressing ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
	                                NULL, NULL);
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, ORDINARY_MS);
}

void
rep_undo(struct replica *replica)
{
	if (sql_conn_in_txn(replica->conn) && rep_do(replica, F_ROLLBACK) != OK)
		replica->engine->write_lock.is_broken = true;
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

/* ---- scopes --------------------------------------------------------------------------------- */

enum err
rep_damaged(struct replica *replica)
{
	return sql_engine_fail(replica->engine, ERR_CORRUPT, "what is followed is not as this program writes it");
}

static struct str
text_at(struct sqlite3_stmt *stmt, int at, size_t max, struct arena *arena, bool *fits)
{
	struct str text = sql_column_str(stmt, at);

	*fits = *fits && text.len <= max;
	return *fits ? arena_copy(arena, text) : STR_EMPTY;
}

/* What the steps rely on.  Links are judged where they are followed. */
static bool
is_sound(const struct replica_scope *scope, int64_t gen)
{
	bool in_round = scope->phase != REPLICA_IDLE;

	return scope->name.len > 0 && (unsigned)scope->phase <= REPLICA_SETTLING &&
	       (unsigned)scope->kind <= REPLICA_RESYNC &&
	       (scope->rounds == 0 ? gen == 0
	                           : scope->delta_link.len > 0 && !(in_round && scope->kind == REPLICA_FIRST)) &&
	       (!in_round || scope->round_link.len > 0);
}

static enum err
read_scope(struct replica *replica, struct sqlite3_stmt *stmt, struct arena *arena, struct replica_scope *out)
{
	bool fits = true;

	*out = (struct replica_scope){
		.sid = sqlite3_column_int64(stmt, 0),
		.name = text_at(stmt, 1, REPLICA_NAME_MAX, arena, &fits),
		.url = text_at(stmt, 2, REPLICA_LINK_MAX, arena, &fits),
		.resource = text_at(stmt, 3, REPLICA_NAME_MAX, arena, &fits),
		.from_now = sqlite3_column_int64(stmt, 4) != 0,
		.delta_link = text_at(stmt, 5, REPLICA_LINK_MAX, arena, &fits),
		.items = (uint64_t)sqlite3_column_int64(stmt, 6),
		.phase = (enum replica_phase)sqlite3_column_int64(stmt, 7),
		.kind = (enum replica_kind)sqlite3_column_int64(stmt, 8),
		.round_link = text_at(stmt, 9, REPLICA_LINK_MAX, arena, &fits),
		.round_pages = (uint64_t)sqlite3_column_int64(stmt, 10),
		.round_items = (uint64_t)sqlite3_column_int64(stmt, 11),
		.round_started_ms = sqlite3_column_int64(stmt, 12),
		.rounds = (uint64_t)sqlite3_column_int64(stmt, 13),
		.round_ended_ms = sqlite3_column_int64(stmt, 14),
		.throttled_ms = sqlite3_column_int64(stmt, 15),
		.fault = text_at(stmt, 16, FAULT_MAX, arena, &fits),
		.fault_ms = sqlite3_column_int64(stmt, 17),
		.acked = (uint64_t)sqlite3_column_int64(stmt, 18),
		.printed = (uint64_t)sqlite3_column_int64(stmt, 19),
		.letters = (uint64_t)sqlite3_column_int64(stmt, 20),
		.lost = (uint64_t)sqlite3_column_int64(stmt, 25),
	};
	return fits && is_sound(out, sqlite3_column_int64(stmt, 21)) ? OK : rep_damaged(replica);
}

static enum err
take_scope(struct replica *replica, struct sqlite3_stmt *bound, struct arena *arena, struct replica_scope *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = bound;

	TRY(rep_step(replica, stmt));
	return read_scope(replica, stmt, arena, out);
}

enum err
rep_state(struct replica *replica, int64_t sid, struct replica_state *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	arena_reset(replica->arena);
	TRY(bind_ints(replica, F_SCOPE, INTS(sid), &stmt));
	TRY(rep_step(replica, stmt));
	TRY(read_scope(replica, stmt, replica->arena, &out->seen));
	out->gen = sqlite3_column_int64(stmt, 21);
	out->ord = sqlite3_column_int64(stmt, 22);
	out->round_gen = sqlite3_column_int64(stmt, 23);
	out->round_ord = sqlite3_column_int64(stmt, 24);
	return OK;
}

enum err
replica_get_scope(struct replica *replica, int64_t sid, struct arena *arena, struct replica_scope *out)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(bind_ints(replica, F_SCOPE, INTS(sid), &stmt));
	return take_scope(replica, stmt, arena, out);
}

enum err
replica_next_scope(struct replica *replica, int64_t after_sid, struct arena *arena, struct replica_scope *out)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(bind_ints(replica, F_SCOPE_NEXT, INTS(after_sid), &stmt));
	return take_scope(replica, stmt, arena, out);
}

enum err
replica_find_scope(struct replica *replica, struct str name, struct arena *arena, struct replica_scope *out)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(rep_stmt(replica, F_SCOPE_NAMED, &stmt));
	rep_bind_str(stmt, 1, name);
	return take_scope(replica, stmt, arena, out);
}

enum err
replica_find_url(struct replica *replica, struct str url, struct arena *arena, struct replica_scope *out)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(rep_stmt(replica, F_SCOPE_OF_URL, &stmt));
	rep_bind_str(stmt, 1, url);
	return take_scope(replica, stmt, arena, out);
}

enum err
replica_add_scope(struct replica *replica, const struct replica_scope *scope, int64_t *sid_out)
{
	struct replica_scope other;
	struct sqlite3_stmt *stmt;
	enum err             err;

	MUST(scope->name.len > 0 && scope->name.len <= REPLICA_NAME_MAX && scope->url.len <= REPLICA_LINK_MAX);
	arena_reset(replica->arena);
	if (replica_find_scope(replica, scope->name, replica->arena, &other) == OK)
		return ERR_CONFLICT;
	TRY(rep_stmt(replica, F_ADD_SCOPE, &stmt));
	rep_bind_str(stmt, 1, scope->name);
	rep_bind_str(stmt, 2, scope->url);
	rep_bind_str(stmt, 3, scope->resource);
	sql_bind_int(stmt, 4, scope->from_now);
	TRY(rep_begin(replica, true));
	err = rep_run(replica, stmt);
	*sid_out = sqlite3_last_insert_rowid(replica->conn->db);
	return rep_end(replica, err);
}

enum err
replica_note_fault(struct replica *replica, int64_t sid, struct str fault, int64_t at_ms)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, F_SET_FAULT, &stmt));
	sql_bind_int(stmt, 1, sid);
	rep_bind_str(stmt, 2, str_cut(fault, FAULT_MAX));
	sql_bind_int(stmt, 3, at_ms);
	TRY(rep_begin(replica, false));
	return rep_end(replica, rep_run(replica, stmt));
}

enum err
replica_note_pause(struct replica *replica, int64_t sid, int64_t ms)
{
	TRY(rep_begin(replica, false));
	return rep_end(replica, rep_do_ints(replica, F_ADD_PAUSE, INTS(sid, ms)));
}

enum err
replica_ack(struct replica *replica, int64_t sid, uint64_t n)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_ints(replica, F_SET_ACKED, INTS(sid, (int64_t)n)));
}

enum err
replica_mark_printed(struct replica *replica, int64_t sid, uint64_t n)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_ints(replica, F_SET_PRINTED, INTS(sid, (int64_t)n)));
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum err
set_up(struct replica *replica)
{
	/* Sorting a round must not need memory for the whole of it. */
	TRY(sql_conn_exec(replica->conn, "PRAGMA temp_store = FILE"));
	TRY(sql_conn_exec(replica->conn, "PRAGMA threads = 1")); /* it is sorted beside being read */
	TRY(sql_conn_ask(replica->conn, "PRAGMA page_size", &replica->page_bytes));
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
	arena_close(&closing->arena);
	free(closing);
	*replica = NULL;
}

struct str
replica_why(struct replica *replica, struct arena *arena)
{
	return store_sqlite.why(replica->engine, arena);
}
