/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare_sqlite — what SQLite alone does with the writes of a PATCH: the yardstick of the row "writes".
 *
 *   bare_sqlite PATH SECONDS GROUP
 *
 * PATH is a copy of a store the program made, so tables, indexes and page size are the same.  Each transaction
 * moves GROUP items to the end of the feed and writes the feed's row once, as the program does; it is
 * committed with one sync (WAL, synchronous=FULL), and every 2,000 pages there is a checkpoint.  Prints writes a second.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ITEMS 1000

static sqlite3 *db;
static int      wal_pages;

static void
must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bare_sqlite: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
	exit(1);
}

static sqlite3_stmt *
prepare(const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	must(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) == SQLITE_OK, sql);
	return stmt;
}

static void
run(sqlite3_stmt *stmt)
{
	must(sqlite3_step(stmt) == SQLITE_DONE, sqlite3_sql(stmt));
	(void)sqlite3_reset(stmt);
}

static int
note_pages(void *ctx, sqlite3 *of, const char *name, int pages)
{
	(void)ctx;
	(void)of;
	(void)name;
	wal_pages = pages;
	return SQLITE_OK;
}

static double
now(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* The ids and bodies the copy holds, so what is written is what was there. */
static char   *ids[ITEMS], *bodies[ITEMS];
static int     id_len[ITEMS], body_len[ITEMS];
static int     count;
static int64_t fid, head;

static void
read_items(void)
{
	sqlite3_stmt *stmt = prepare(
		"SELECT i.id, i.body, f.fid, f.head FROM feed f JOIN item i USING(fid) ORDER BY place");

	while (count < ITEMS && sqlite3_step(stmt) == SQLITE_ROW) {
		id_len[count] = sqlite3_column_bytes(stmt, 0);
		body_len[count] = sqlite3_column_bytes(stmt, 1);
		ids[count] = malloc((size_t)id_len[count] + 1);
		bodies[count] = malloc((size_t)body_len[count] + 1);
		must(ids[count] && bodies[count], "memory");
		memcpy(ids[count], sqlite3_column_blob(stmt, 0), (size_t)id_len[count]);
		memcpy(bodies[count], sqlite3_column_blob(stmt, 1), (size_t)body_len[count]);
		fid = sqlite3_column_int64(stmt, 2);
		head = sqlite3_column_int64(stmt, 3);
		count++;
	}
	(void)sqlite3_finalize(stmt);
	must(count == ITEMS, "the store holds fewer than 1,000 items");
}

static void
write_item(sqlite3_stmt *move, int at)
{
	head++;
	(void)sqlite3_bind_int64(move, 1, fid);
	(void)sqlite3_bind_blob(move, 2, ids[at], id_len[at], SQLITE_STATIC);
	(void)sqlite3_bind_int64(move, 3, (int64_t)((uint64_t)fid << 40 | (uint64_t)head));
	(void)sqlite3_bind_int64(move, 4, (int64_t)time(NULL) * 1000);
	(void)sqlite3_bind_blob(move, 5, ids[at], id_len[at], SQLITE_STATIC);
	(void)sqlite3_bind_blob(move, 6, bodies[at], body_len[at], SQLITE_STATIC);
	run(move);
}

static void
save_feed(sqlite3_stmt *save)
{
	(void)sqlite3_bind_int64(save, 1, fid);
	(void)sqlite3_bind_int64(save, 2, head);
	run(save);
}

int
main(int argc, char **argv)
{
	sqlite3_stmt *begin, *move, *save, *end;
	double        from, until;
	long          writes = 0, group;

	if (argc != 4)
		return 2;
	must(sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK, argv[1]);
	must(sqlite3_exec(db,
	                  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
	                  "PRAGMA cache_size=-16384",
	                  NULL, NULL, NULL) == SQLITE_OK,
	     "pragma");
	(void)sqlite3_wal_hook(db, note_pages, NULL);
	read_items();
	group = strtol(argv[3], NULL, 10);
	begin = prepare("BEGIN IMMEDIATE");
	move = prepare("UPDATE item SET place = ?3, changed_ms = ?4, key = ?5, body = ?6 WHERE fid = ?1 AND id = ?2");
	save = prepare("UPDATE feed SET head = ?2 WHERE fid = ?1");
	end = prepare("COMMIT");
	from = now();
	until = from + strtod(argv[2], NULL);
	while (now() < until) {
		run(begin);
		for (long i = 0; i < group; i++)
			write_item(move, (int)(writes++ % ITEMS));
		save_feed(save);
		run(end);
		if (wal_pages >= 2000)
			(void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	}
	printf("%.0f\n", (double)writes / (now() - from));
	(void)sqlite3_close_v2(db);
	return 0;
}
