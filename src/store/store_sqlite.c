/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite engine: opening, closing, and the steps from one version of the schema to the next. */
#include "store/store_sqlite.h"

#include <sqlite3.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/store_sqlite_replica_sql.h"
#include "store/store_sqlite_views.h"

/* Step n takes a store from version n to n + 1.  Steps are added at the end and never changed. */
static const char *const steps[] = { SCHEMA_1, SCHEMA_2,      SCHEMA_3,     SCHEMA_4,    SCHEMA_5,
	                             SCHEMA_6, SCHEMA_ASKING, SCHEMA_OWNER, SCHEMA_FEED, SCHEMA_END_MEMBERS };

_Static_assert(COUNT_OF(steps) == SCHEMA_VERSION, "a version for every step");

/* ---- the schema ----------------------------------------------------------------------------- */

static enum err
name_store(struct conn *conn)
{
	struct guid id = guid_random(conn->engine->entropy);
	char        text[256], hex[32];

	hex_write(id.b, sizeof(id.b), hex);
	str_printf(text, sizeof(text),
	           "INSERT INTO meta(one, store_id, epoch, marker) VALUES(1, x'%.32s', 1, 0);"
	           "PRAGMA application_id = %d",
	           hex, SQLITE_APPLICATION_ID);
	return sql_conn_exec(conn, text);
}

/* One commit. */
static enum err
take_steps_to(struct conn *conn, int version, int until)
{
	char text[64];

	TRY(sql_conn_exec(conn, "BEGIN IMMEDIATE"));
	for (int step = version; step < until; step++)
		TRY(sql_conn_exec(conn, steps[step]));
	if (version == 0)
		TRY(name_store(conn));
	str_printf(text, sizeof(text), "PRAGMA user_version = %d", until);
	TRY(sql_conn_exec(conn, text));
	return sql_conn_exec(conn, "COMMIT");
}

/* In parts, before the last step: the log stays small, and what is killed goes on from its last part. */
static enum err
take_members(struct conn *conn)
{
	int64_t left = 1;

	while (left > 0) {
		TRY(sql_conn_exec(conn, "BEGIN IMMEDIATE; " SCHEMA_TAKE_MEMBERS " COMMIT"));
		TRY(sql_conn_exec(conn, "PRAGMA wal_checkpoint(PASSIVE)"));
		TRY(sql_conn_read_int(conn, "SELECT EXISTS(SELECT 1 FROM follow_relation)", &left));
	}
	return OK;
}

static enum err
take_steps(struct conn *conn, int version)
{
	/* A new store is there whole or not at all. */
	if (version == 0)
		return take_steps_to(conn, 0, SCHEMA_VERSION);
	/* A step may sort all that a large store has. */
	TRY(sql_conn_exec(conn, "PRAGMA temp_store = FILE"));
	if (version < SCHEMA_VERSION - 1)
		TRY(take_steps_to(conn, version, SCHEMA_VERSION - 1));
	TRY(take_members(conn));
	TRY(take_steps_to(conn, SCHEMA_VERSION - 1, SCHEMA_VERSION));
	return sql_conn_exec(conn, "PRAGMA temp_store = MEMORY");
}

static enum err
use_wal(struct conn *conn)
{
	sqlite3_stmt *stmt = NULL;
	int           code = sqlite3_prepare_v2(conn->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
	enum err      err = code == SQLITE_OK ? sql_conn_step(conn, stmt) : sql_conn_fail(conn, code);

	if (err == OK && !str_eq(sql_column_str(stmt, 0), STR("wal")))
		err = sql_engine_fail(conn->engine, ERR_IO,
		                      "the file system of the store cannot keep a write-ahead log");
	(void)sqlite3_finalize(stmt);
	return err;
}

/* Writes nothing before it knows that the file is ours or empty. */
static enum err
open_writer(struct engine *engine, struct meta *meta_out)
{
	struct conn *conn;
	char         page_size[40];

	TRY(sql_conn_open(engine, CONN_WRITER, &engine->writer));
	conn = engine->writer;
	TRY(sql_meta_read(conn, meta_out));
	str_printf(page_size, sizeof(page_size), "PRAGMA page_size = %lu", (unsigned long)engine->page_bytes);
	TRY(sql_conn_exec(conn, page_size));
	TRY(use_wal(conn));
	TRY(sql_conn_exec(conn, engine->scratch ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL"));
	TRY(sql_conn_exec(conn, "PRAGMA journal_size_limit = 67108864"));
	if (meta_out->version < SCHEMA_VERSION) {
		TRY(take_steps(conn, meta_out->version));
		TRY(sql_meta_read(conn, meta_out));
	}
	return sql_views_refresh(conn, engine->views);
}

/* ---- an older copy ---------------------------------------------------------------------------- */

/*
 * A store behind its rollback guard is an older copy: history has been cut, so the epoch rises. It rises too when the
 * guard cannot be read: a rise without need does no harm.
 */
static enum err
heed_guard(struct engine *engine, struct meta *meta)
{
	struct rollback_guard guard = { 0 };
	enum err              err = store_guard_read(engine->guard_path, &guard);
	bool                  is_known = err == OK && guid_eq(&guard.id, &meta->id);
	bool                  is_behind = is_known && (meta->marker < guard.marker || meta->epoch < guard.epoch);

	if (!is_known)
		guard = (struct rollback_guard){ 0 };
	/* A store that was ever written has a rollback guard. Without one it may be any copy, so the epoch rises. */
	if (is_behind || (!is_known && meta->marker > 0)) {
		meta->epoch = sql_next_epoch(engine->clock, meta->epoch > guard.epoch ? meta->epoch : guard.epoch);
		meta->marker = (meta->marker > guard.marker ? meta->marker : guard.marker) + 1;
		TRY(sql_meta_write_epoch(engine->writer, meta->epoch, meta->marker));
	}
	guard = (struct rollback_guard){ .id = meta->id, .epoch = meta->epoch, .marker = meta->marker };
	if (store_guard_write(engine->guard_path, &guard) != OK)
		return sql_engine_fail(engine, ERR_IO, "the witness file beside the store cannot be written");
	return OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum err
find_file(struct engine *engine, const struct store_conf *conf, char why_out[512])
{
	uint64_t bytes;
	enum err err = store_file_look(engine->path, &bytes, why_out);

	if (err == OK && conf->scratch) {
		str_printf(why_out, 512, "%.*s is already there; a throw-away store must have a name of its own",
		           STR_CUT_ARG(engine->path, 300));
		return ERR_CONFLICT;
	}
	return err == ERR_NOT_FOUND && conf->create ? OK : err;
}

/*
 * Makes no file beside one that is not ours, so it reads the file before it takes the lock. A file with a lock beside
 * it is or was a store, and may just be written; that one is read under the lock.
 */
static enum err
refuse_foreign(struct engine *engine, char why_out[512])
{
	struct conn *conn = NULL;
	struct meta  meta;
	uint64_t     bytes;
	enum err     err;

	if (access(engine->lock_path, F_OK) == 0 || store_file_look(engine->path, &bytes, why_out) != OK)
		return OK;
	engine->immutable = true; /* this reader makes and changes nothing */
	err = sql_conn_open(engine, CONN_READER, &conn);
	if (err == OK)
		err = sql_meta_read(conn, &meta);
	sql_conn_close(&conn);
	engine->immutable = false;
	return err == ERR_FOREIGN ? err : sql_engine_fail(engine, OK, "");
}

static enum err
serve(struct engine *engine, const struct store_conf *conf, struct meta *meta_out, char why_out[512])
{
	uint64_t bytes;

	if (!conf->scratch) {
		TRY(refuse_foreign(engine, why_out));
		TRY(sql_engine_lock(engine, why_out));
	}
	if (store_file_look(engine->path, &bytes, why_out) == ERR_NOT_FOUND)
		TRY(store_file_make(engine->path, why_out));
	TRY(store_file_hold(engine->path, &engine->file_fd, why_out));
	TRY(open_writer(engine, meta_out));
	if (!conf->scratch) {
		TRY(store_file_sync_dir_of(engine->path, why_out));
		TRY(heed_guard(engine, meta_out));
	}
	engine->queue.marker = engine->guarded = meta_out->marker;
	sql_group_watch_wal(engine);
	engine->head_cache = head_cache_open();
	engine->scope_cache = scope_cache_open();
	return OK;
}

/*
 * A reader of the write-ahead log needs its index, and makes one if it is missing. Where the directory cannot be
 * written that fails. If there is no log either, the file is whole and nobody can change it.
 */
static enum err
look(struct engine *engine, struct meta *meta_out, char why_out[512])
{
	AUTO(sql_conn_return) struct conn *conn = NULL;
	const char *log_path = arena_c(engine->arena, arena_printf(engine->arena, "%s-wal", engine->path));
	uint64_t    log_bytes = 0;
	enum err    err = sql_conn_borrow(engine, &conn);

	if (err == OK)
		err = sql_meta_read(conn, meta_out);
	if (err != ERR_IO)
		return err;
	err = store_file_look(log_path, &log_bytes, why_out);
	if ((err != OK && err != ERR_NOT_FOUND) || log_bytes > 0)
		return ERR_IO;
	sql_conn_close(&conn);
	engine->immutable = true;
	TRY(sql_conn_borrow(engine, &conn));
	return sql_meta_read(conn, meta_out);
}

static enum err
check_version(struct engine *engine, const struct meta *meta)
{
	if (meta->version == 0)
		return sql_engine_fail(engine, ERR_FOREIGN, "there is no store in that file; it is empty");
	if (meta->version < SCHEMA_VERSION)
		return sql_engine_fail(engine, ERR_FOREIGN,
		                       "the store is of an older version; open it for writing once to bring it up");
	return OK;
}

static enum err
sqlite_open(const struct store_conf *conf, struct str rest, void **engine_out, char why_out[512])
{
	AUTO(sql_engine_free) struct engine *engine = NULL;
	bool                                 may_make = conf->create && conf->access == STORE_SERVE;
	struct meta                          meta = { 0 };
	enum err                             err;

	MUST(conf->access == STORE_SERVE || (!conf->create && !conf->scratch));
	/*
	 * Memory statistics are not used, and they cost a lock at each allocation. The first call in a process
	 * decides.
	 */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	TRY(sql_engine_make(conf, rest, may_make, &engine, why_out));
	TRY(find_file(engine, conf, why_out));
	err = conf->access == STORE_SERVE ? serve(engine, conf, &meta, why_out) : look(engine, &meta, why_out);
	if (err == OK)
		err = check_version(engine, &meta);
	if (err != OK) {
		if (engine->why[0])
			sql_engine_report(engine, why_out);
		sql_engine_undo_lock(engine);
		return err;
	}
	engine->id = meta.id;
	engine->epoch = meta.epoch;
	*engine_out = engine;
	engine = NULL;
	return OK;
}

static void
remove_beside(struct engine *engine, const char *suffix)
{
	(void)unlink(arena_c(engine->arena, arena_printf(engine->arena, "%s%s", engine->path, suffix)));
}

static void
sqlite_close(void *inner)
{
	struct engine *engine = inner;

	if (engine->writer)
		sql_group_close(engine);
	if (engine->scratch) {
		remove_beside(engine, "");
		remove_beside(engine, "-wal");
		remove_beside(engine, "-shm");
	}
	sql_engine_free(&engine);
}

static struct guid
sqlite_id(const void *engine)
{
	return ((const struct engine *)engine)->id;
}

static uint32_t
sqlite_epoch(const void *engine)
{
	return ((const struct engine *)engine)->epoch;
}

static uint64_t
sqlite_kv_generation(const void *engine)
{
	return atomic_load(&((const struct engine *)engine)->kv_generation);
}

static void
sqlite_watch(void *engine, store_changed_fn *changed, void *ctx)
{
	struct head_cache *cache = ((struct engine *)engine)->head_cache;

	if (cache)
		head_cache_watch(cache, changed, ctx);
}

static struct str
sqlite_why(void *engine, struct arena *arena)
{
	char why[512];

	sql_engine_report(engine, why);
	return arena_copy(arena, str_from_c(why));
}

static bool
sqlite_is_moved(const void *engine)
{
	return sql_conn_is_moved(engine);
}

const struct store_backend store_sqlite = {
	.scheme = "sqlite",
	.open = sqlite_open,
	.close = sqlite_close,
	.id = sqlite_id,
	.epoch = sqlite_epoch,
	.kv_generation = sqlite_kv_generation,
	.watch = sqlite_watch,
	.reads = &sqlite_reads,
	.writes = &sqlite_writes,
	.replica = &sqlite_replica,
	.info = sqlite_info,
	.check = sqlite_check,
	.backup = sqlite_backup,
	.restore = sqlite_restore,
	.why = sqlite_why,
	.is_moved = sqlite_is_moved,
};
