/* SPDX-License-Identifier: Apache-2.0 */
/* The store as a whole: its figures, backup, restore. */
#include "store/store_sqlite.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

#define PATHS_MAX ((size_t)64 << 10) /* a path and its real one */

/* ---- figures -------------------------------------------------------------------------------- */

static enum err
count_all(struct conn *conn, struct store_info *info)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *feeds = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *kv = NULL;

	TRY(sql_conn_stmt(conn, SQL_COUNT_FEEDS, &feeds));
	TRY(sql_conn_step(conn, feeds));
	info->feeds = (uint64_t)sqlite3_column_int64(feeds, 0);
	info->items = (uint64_t)sqlite3_column_int64(feeds, 1);
	info->tombstones = (uint64_t)sqlite3_column_int64(feeds, 2);
	TRY(sql_conn_stmt(conn, SQL_COUNT_KV, &kv));
	TRY(sql_conn_step(conn, kv));
	info->kv = (uint64_t)sqlite3_column_int64(kv, 0);
	return OK;
}

enum err
sqlite_info(void *inner, struct store_info *info_out)
{
	AUTO(arena_close) struct arena    *scratch = arena_open((size_t)16 << 10);
	AUTO(sql_conn_return) struct conn *conn = NULL;
	struct engine                     *engine = inner;
	struct store_info                  info = { .schema = SCHEMA_VERSION };
	char                               why[512];

	TRY(sql_conn_borrow(engine, &conn));
	TRY(count_all(conn, &info));
	TRY(store_file_look(engine->path, &info.file_bytes, why));
	if (store_file_look(arena_c(scratch, arena_printf(scratch, "%s-wal", engine->path)), &info.wal_bytes, why) !=
	    OK)
		info.wal_bytes = 0;
	info.id = engine->id;
	info.epoch = engine->epoch;
	info.commits = atomic_load(&engine->commits);
	info.syncs = atomic_load(&engine->syncs);
	*info_out = info;
	return OK;
}

/* ---- copying -------------------------------------------------------------------------------- */

static enum err
copy_failed(struct sqlite3 *to, const char *path, char why_out[512])
{
	int code = sqlite3_extended_errcode(to), system_errno = sqlite3_system_errno(to);

	str_printf(why_out, 512, "copying to %.*s failed: %s (code %d)", STR_CUT_ARG(path, 200), sqlite3_errmsg(to),
	           code);
	if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
		return ERR_CORRUPT;
	if ((code & 0xff) == SQLITE_FULL || file_fault_is_full(system_errno))
		return ERR_FULL;
	return ERR_IO;
}

static void
close_db(struct sqlite3 **db)
{
	(void)sqlite3_close(*db);
}

/*
 * One step copies all pages of one snapshot, and writers go on. The copy gets no log, so it is one file. It is synced
 * once, when it is whole.
 */
static enum err
copy_pages(struct conn *from, const char *path, char why_out[512])
{
	AUTO(close_db) struct sqlite3 *to = NULL;
	struct sqlite3_backup         *backup;
	int                            code;

	code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
	if (code != SQLITE_OK ||
	    sqlite3_exec(to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL, NULL, NULL) != SQLITE_OK)
		return copy_failed(to, path, why_out);
	backup = sqlite3_backup_init(to, "main", from->db, "main");
	if (!backup)
		return copy_failed(to, path, why_out);
	code = sqlite3_backup_step(backup, -1);
	if (sqlite3_backup_finish(backup) != SQLITE_OK || code != SQLITE_DONE)
		return copy_failed(to, path, why_out);
	if (sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
		return copy_failed(to, path, why_out);
	return OK;
}

struct unfinished { /* a file that is removed unless it is published */
	char path[512];
};

static void
unlink_unfinished(struct unfinished *file)
{
	if (file->path[0])
		(void)unlink(file->path);
}

/* Makes PATH+suffix anew, and removes one that a killed process left. */
static enum err
start_file(struct unfinished *file, const char *path, const char *suffix, char why_out[512])
{
	int len = snprintf(file->path, sizeof(file->path), "%s%s", path, suffix);

	if (len < 0 || (size_t)len >= sizeof(file->path)) {
		file->path[0] = '\0';
		str_printf(why_out, 512, "the path %.*s is too long", STR_CUT_ARG(path, 300));
		return ERR_BAD_REQUEST;
	}
	if (unlink(file->path) != 0 && errno != ENOENT)
		return store_file_fail("cannot replace", file->path, why_out);
	return store_file_make(file->path, why_out);
}

enum err
sqlite_backup(void *engine, const char *path, char why_out[512])
{
	AUTO(sql_conn_return) struct conn        *conn = NULL;
	AUTO(unlink_unfinished) struct unfinished file = { { 0 } };
	AUTO(arena_close) struct arena           *arena = arena_open(PATHS_MAX);
	uint64_t                                  bytes;
	enum err                                  err;

	TRY(store_file_resolve(str_from_c(path), false, arena, &path, why_out));
	err = store_file_look(path, &bytes, why_out);
	if (err == OK || err == ERR_FOREIGN) {
		str_printf(why_out, 512, "%.*s is already there; a backup replaces nothing", STR_CUT_ARG(path, 300));
		return ERR_CONFLICT;
	}
	if (err != ERR_NOT_FOUND)
		return err;
	TRY(start_file(&file, path, ".tmp", why_out));
	err = sql_conn_borrow(engine, &conn);
	if (err != OK) {
		sql_engine_report(engine, why_out);
		return err;
	}
	TRY(copy_pages(conn, file.path, why_out));
	TRY(store_file_sync(file.path, why_out));
	TRY(store_file_publish(file.path, path, why_out));
	file.path[0] = '\0';
	why_out[0] = '\0';
	return OK;
}

/* ---- putting back --------------------------------------------------------------------------- */

static enum err
validate_copy(struct engine *copy, struct conn *conn, struct meta *meta_out)
{
	int64_t is_sound;

	TRY(sql_meta_read(conn, meta_out));
	if (meta_out->version == 0)
		return sql_engine_fail(copy, ERR_FOREIGN, "there is no store in that file; it is empty");
	TRY(sql_conn_read_int(conn, "SELECT quick_check = 'ok' FROM pragma_quick_check(1)", &is_sound));
	if (!is_sound)
		return sql_engine_fail(copy, ERR_CORRUPT, "the copy is damaged; the store is left as it is");
	return OK;
}

/* Reads the copy, whatever it is, into `file` beside the store. */
static enum err
fetch_copy(const struct store_conf *conf, const char *path, const char *to, struct meta *meta_out, char why_out[512])
{
	AUTO(sql_engine_free) struct engine *copy = NULL;
	AUTO(sql_conn_return) struct conn   *conn = NULL;
	struct store_conf look = { .access = STORE_LOOK, .clock = conf->clock, .entropy = conf->entropy };
	uint64_t          bytes;
	enum err          err;

	TRY(sql_engine_make(&look, str_from_c(path), false, &copy, why_out));
	TRY(store_file_look(copy->path, &bytes, why_out));
	err = sql_conn_borrow(copy, &conn);
	if (err == OK)
		err = validate_copy(copy, conn, meta_out);
	if (err != OK) {
		sql_engine_report(copy, why_out);
		return err;
	}
	return copy_pages(conn, to, why_out);
}

/*
 * Reads what the old store knows, and checkpoints its log, so that its file is whole without the log until the
 * rename. Restoring is meant for stores that cannot be opened: such a one counts as nothing.
 */
static enum err
retire(struct engine *engine, const struct guid *copy_id, uint32_t *epoch_out, char why_out[512])
{
	struct rollback_guard guard = { 0 };
	struct meta           meta = { 0 };
	enum err              err = store_file_hold(engine->path, &engine->file_fd, why_out);

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	if (err == OK && sql_conn_open(engine, CONN_WRITER, &engine->writer) == OK) {
		err = sql_meta_read(engine->writer, &meta);
		if (err == ERR_FOREIGN) {
			sql_engine_report(engine, why_out);
			return err;
		}
		if (err == OK && !guid_eq(&meta.id, copy_id)) {
			str_printf(why_out, 512,
			           "%.*s is another store than the one the copy is of; move it away first",
			           STR_CUT_ARG(engine->path, 300));
			return ERR_FOREIGN;
		}
		if (err == OK)
			(void)sqlite3_wal_checkpoint_v2(engine->writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
			                                NULL);
	}
	sql_conn_close(&engine->writer);
	if (store_guard_read(engine->guard_path, &guard) != OK)
		guard.epoch = 0;
	*epoch_out = meta.epoch > guard.epoch ? meta.epoch : guard.epoch;
	return OK;
}

/* The log of the old store must not lie beside the new one. */
static enum err
remove_log(struct engine *engine, char why_out[512])
{
	static const char *const suffixes[] = { "-wal", "-shm" };

	for (size_t i = 0; i < 2; i++) {
		const char *path = arena_c(engine->arena,
		                           arena_printf(engine->arena, "%s%s", engine->path, suffixes[i]));

		if (unlink(path) != 0 && errno != ENOENT)
			return store_file_fail("cannot remove", path, why_out);
	}
	return store_file_sync_dir_of(engine->path, why_out);
}

static enum err
raise_epoch(const struct store_conf *conf, const char *path, uint32_t epoch, uint64_t marker, char why_out[512])
{
	AUTO(sql_engine_free) struct engine *copy = NULL;
	enum err                             err;

	TRY(sql_engine_make(conf, str_from_c(path), false, &copy, why_out));
	err = sql_conn_open(copy, CONN_WRITER, &copy->writer);
	if (err == OK)
		err = sql_meta_write_epoch(copy->writer, epoch, marker);
	if (err != OK)
		sql_engine_report(copy, why_out);
	return err;
}

static enum err
restore_locked(const struct store_conf *conf, struct engine *engine, const char *path, char why_out[512])
{
	AUTO(unlink_unfinished) struct unfinished file = { { 0 } };
	struct meta                               meta = { 0 };
	struct rollback_guard                     guard;
	uint32_t                                  epoch = 0;

	TRY(start_file(&file, engine->path, ".restoring", why_out));
	TRY(fetch_copy(conf, path, file.path, &meta, why_out));
	TRY(retire(engine, &meta.id, &epoch, why_out));
	guard = (struct rollback_guard){
		.id = meta.id,
		.epoch = sql_next_epoch(conf->clock, epoch > meta.epoch ? epoch : meta.epoch),
		.marker = meta.marker + 1,
	};
	TRY(raise_epoch(conf, file.path, guard.epoch, guard.marker, why_out));
	TRY(store_file_sync(file.path, why_out));
	TRY(remove_log(engine, why_out));
	if (rename(file.path, engine->path) != 0)
		return store_file_fail("cannot replace", engine->path, why_out);
	file.path[0] = '\0';
	TRY(store_file_sync_dir_of(engine->path, why_out));
	if (store_guard_write(engine->guard_path, &guard) != OK) {
		str_printf(why_out, 512, "the store is restored, but %.*s cannot be written",
		           STR_CUT_ARG(engine->guard_path, 300));
		return ERR_IO;
	}
	why_out[0] = '\0';
	return OK;
}

enum err
sqlite_restore(const struct store_conf *conf, struct str rest, const char *path, char why_out[512])
{
	AUTO(sql_engine_free) struct engine *engine = NULL;
	enum err                             err;

	TRY(sql_engine_make(conf, rest, true, &engine, why_out));
	TRY(sql_engine_lock(engine, why_out));
	err = restore_locked(conf, engine, path, why_out);
	if (err != OK)
		sql_engine_undo_lock(engine);
	return err;
}
