/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite engine itself: its memory, its lock, and whose file it is. */
#include "store/store_sqlite.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/file.h"

enum err
sql_engine_make(const struct store_conf *conf, struct str path, bool make_dir, struct engine **engine_out,
                char why_out[512])
{
	AUTO(sql_engine_free) struct engine *engine = handle_new(sizeof(*engine));

	engine->clock = conf->clock;
	engine->entropy = conf->entropy;
	engine->access = conf->access;
	engine->scratch = conf->scratch;
	engine->views = conf->views;
	engine->page_bytes = conf->page_bytes ? conf->page_bytes : 4096;
	engine->lock.fd = engine->file_fd = -1;
	engine->arena = arena_open((size_t)64 << 10);
	MUST(pthread_mutex_init(&engine->idle_lock, NULL) == 0);
	MUST(pthread_mutex_init(&engine->why_lock, NULL) == 0);
	MUST(pthread_mutex_init(&engine->guard_lock, NULL) == 0);
	MUST(pthread_mutex_init(&engine->queue.lock, NULL) == 0);
	TRY(store_file_resolve(path, make_dir, engine->arena, &engine->path, why_out));
	engine->lock_path = arena_c(engine->arena, arena_printf(engine->arena, "%s.lock", engine->path));
	engine->guard_path = arena_c(engine->arena, arena_printf(engine->arena, "%s.witness", engine->path));
	*engine_out = engine;
	engine = NULL;
	return OK;
}

static void
close_idle(struct engine *engine)
{
	while (engine->idle) {
		struct conn *conn = engine->idle;

		engine->idle = conn->next;
		sql_conn_close(&conn);
	}
}

void
sql_engine_free(struct engine **engine)
{
	struct engine *freeing = *engine;

	if (!freeing)
		return;
	close_idle(freeing);
	/* SQLite does this itself, but not if the file was renamed; then its log would stay behind. */
	if (freeing->writer && sql_conn_is_moved(freeing))
		(void)sqlite3_wal_checkpoint_v2(freeing->writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sql_conn_close(&freeing->writer); /* last, so it can put the log back into the file */
	file_close(&freeing->file_fd);
	head_cache_close(&freeing->head_cache);
	scope_cache_close(&freeing->scope_cache);
	store_file_unlock(&freeing->lock);
	arena_close(&freeing->arena);
	(void)pthread_mutex_destroy(&freeing->idle_lock);
	(void)pthread_mutex_destroy(&freeing->why_lock);
	(void)pthread_mutex_destroy(&freeing->guard_lock);
	(void)pthread_mutex_destroy(&freeing->queue.lock);
	free(freeing);
	*engine = NULL;
}

void
sql_engine_report(struct engine *engine, char why_out[512])
{
	MUST(pthread_mutex_lock(&engine->why_lock) == 0);
	memcpy(why_out, engine->why, sizeof(engine->why));
	MUST(pthread_mutex_unlock(&engine->why_lock) == 0);
}

enum err
sql_engine_lock(struct engine *engine, char why_out[512])
{
	return store_file_lock(engine->lock_path, engine->clock, &engine->lock, why_out);
}

void
sql_engine_undo_lock(struct engine *engine)
{
	sql_conn_close(&engine->writer);
	if (engine->lock.is_new)
		store_file_unlock_and_remove(&engine->lock, engine->lock_path);
}

static enum err
read_meta_row(struct conn *conn, struct meta *meta_out)
{
	static const char    text[] = "SELECT store_id, epoch, marker FROM meta WHERE one = 1";
	struct sqlite3_stmt *stmt = NULL;
	int                  code = sqlite3_prepare_v2(conn->db, text, -1, &stmt, NULL);
	enum err             err = code == SQLITE_OK ? sql_conn_step(conn, stmt) : sql_conn_fail(conn, code);

	if (err == OK)
		err = sql_column_guid(conn, stmt, 0, &meta_out->id);
	else if (err == ERR_NOT_FOUND)
		err = sql_engine_fail(conn->engine, ERR_CORRUPT, "the store has lost the row that names it");
	if (err == OK) {
		meta_out->epoch = (uint32_t)sqlite3_column_int64(stmt, 1);
		meta_out->marker = (uint64_t)sqlite3_column_int64(stmt, 2);
		if (sqlite3_column_int64(stmt, 1) < 0 || sqlite3_column_int64(stmt, 1) >= UINT32_MAX)
			err = sql_engine_fail(conn->engine, ERR_CORRUPT, "the store has an epoch that none can have");
	}
	(void)sqlite3_finalize(stmt);
	return err;
}

enum err
sql_meta_read(struct conn *conn, struct meta *meta_out)
{
	int64_t     application, version, objects;
	struct meta meta = { 0 };
	char        sentence[512];

	TRY(sql_conn_read_int(conn, "PRAGMA application_id", &application));
	TRY(sql_conn_read_int(conn, "PRAGMA user_version", &version));
	TRY(sql_conn_read_int(conn, "SELECT count(*) FROM sqlite_schema", &objects));
	if (application == 0 && version == 0 && objects == 0) {
		*meta_out = meta;
		return OK;
	}
	if (application != SQLITE_APPLICATION_ID) {
		str_printf(sentence, sizeof(sentence), "%.*s is a database of another program",
		           STR_CUT_ARG(conn->engine->path, 300));
		return sql_engine_fail(conn->engine, ERR_FOREIGN, sentence);
	}
	if (version > SCHEMA_VERSION || version < 1) {
		str_printf(sentence, sizeof(sentence),
		           "%.*s has schema version %lld; this program knows versions up to %d: use a newer one",
		           STR_CUT_ARG(conn->engine->path, 300), (long long)version, SCHEMA_VERSION);
		return sql_engine_fail(conn->engine, ERR_FOREIGN, sentence);
	}
	TRY(read_meta_row(conn, &meta));
	meta.version = (int)version;
	*meta_out = meta;
	return OK;
}

enum err
sql_meta_write_epoch(struct conn *conn, uint32_t epoch, uint64_t marker)
{
	char text[128];

	str_printf(text, sizeof(text), "UPDATE meta SET epoch = %lu, marker = %llu WHERE one = 1", (unsigned long)epoch,
	           (unsigned long long)marker);
	return sql_conn_exec(conn, text);
}

/*
 * An epoch that was never used: above every known one, and at least the present second. The same backup may have been
 * restored elsewhere before, by a store whose rollback guard is not here.
 */
uint32_t
sql_next_epoch(const struct clock *clock, uint32_t known)
{
	int64_t now_s = clock_wall_s(clock);

	MUST(known < UINT32_MAX);
	return now_s > known && now_s < UINT32_MAX ? (uint32_t)now_s : known + 1;
}
