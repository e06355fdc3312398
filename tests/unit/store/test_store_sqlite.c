/* SPDX-License-Identifier: Apache-2.0 */
/* What only a store with a file has to promise: locks, foreign and damaged files, copies, time travel, full disks. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "store/store_sqlite_sql.h"
#include "unit/store/store_files.h"

int fdatasync(int fd);
int fsync(int fd);

/* This program's own fdatasync and fsync: SQLite's calls come here, so a sync can be made to fail. */
static atomic_bool syncs_fail;

static int
sync_or_fail(long call, int fd)
{
	if (!atomic_load(&syncs_fail))
		return (int)syscall(call, fd);
	errno = EIO;
	return -1;
}

int
fdatasync(int fd)
{
	return sync_or_fail(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return sync_or_fail(SYS_fsync, fd);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void
test_store_sqlite__a_missing_store_is_made_only_when_asked(void **state)
{
	struct kit       *kit = *state;
	struct store_conf conf = kit_conf(kit, STORE_SERVE);
	struct store     *store = NULL;
	struct stat       st;

	conf.create = false;
	assert_int_equal(store_open(&conf, &store, kit->why), ERR_NOT_FOUND);
	assert_int_equal(kit_try_open(kit, STORE_LOOK, &store), ERR_NOT_FOUND);
	assert_null(store);
	assert_int_not_equal(access(arena_c(kit->arena, arena_printf(kit->arena, "%s/deep", kit->dir)), F_OK), 0);
	kit_open(kit);
	assert_int_equal(stat(kit->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(beside(kit, "-wal"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(arena_c(kit->arena, arena_printf(kit->arena, "%s/deep", kit->dir)), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void
test_store_sqlite__a_link_in_the_place_of_the_store_is_refused(void **state)
{
	struct kit   *kit = *state;
	struct store *store;

	kit_open(kit);
	store_close(&kit->store);
	assert_int_equal(rename(kit->path, beside(kit, ".real")), 0);
	assert_int_equal(symlink(beside(kit, ".real"), kit->path), 0);
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_FOREIGN);
	assert_int_equal(kit_try_open(kit, STORE_LOOK, &store), ERR_FOREIGN);
}

/* The log lies beside one name: a writer under the other name would not see it. */
static void
test_store_sqlite__a_store_with_two_names_is_only_read(void **state)
{
	struct kit   *kit = *state;
	struct store *store;

	kit_open(kit);
	store_close(&kit->store);
	assert_int_equal(link(kit->path, beside(kit, ".other")), 0);
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_FOREIGN);
	assert_non_null(strstr(kit->why, "has another name (a hard link)"));
	assert_int_equal(kit_try_open(kit, STORE_LOOK, &store), OK);
	store_close(&store);
	assert_int_equal(unlink(beside(kit, ".other")), 0);
	reopen(kit);
}

/* Its readers open the file by its name: they must not read another one with the log of this one. */
static void
test_store_sqlite__a_store_whose_file_is_replaced_is_not_read(void **state)
{
	struct kit       *kit = *state;
	struct store_info info;
	struct store     *store;

	kit_open(kit);
	assert_int_equal(store_backup(kit->store, beside(kit, ".copy"), kit->why), OK);
	reopen(kit);
	assert_int_equal(rename(kit->path, beside(kit, ".old")), 0);
	assert_int_equal(rename(beside(kit, ".copy"), kit->path), 0);
	assert_int_equal(store_get_info(kit->store, &info), ERR_IO);
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_LOCKED);
	assert_int_equal(rename(beside(kit, ".old"), kit->path), 0);
	assert_int_equal(store_get_info(kit->store, &info), OK);
}

static void
test_store_sqlite__the_second_writer_is_told_who_the_first_is(void **state)
{
	struct kit   *kit = *state;
	struct store *store = NULL;
	char          pid[32];
	int           status;
	pid_t         child;

	kit_open(kit);
	(void)snprintf(pid, sizeof(pid), "pid %ld,", (long)getpid());
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_LOCKED);
	assert_non_null(strstr(kit->why, pid));
	assert_non_null(strstr(kit->why, program_invocation_short_name));
	child = fork();
	if (child == 0)
		_exit(kit_try_open(kit, STORE_SERVE, &store) == ERR_LOCKED ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	reopen(kit);
}

static void
test_store_sqlite__a_foreign_database_is_left_alone(void **state)
{
	struct kit   *kit = *state;
	struct store *store;
	struct stat   before, after;

	kit_open(kit);
	store_close(&kit->store);
	assert_int_equal(unlink(kit->path), 0);
	run_sql(kit->path, "CREATE TABLE other(x)");
	assert_int_equal(stat(kit->path, &before), 0);
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_FOREIGN);
	assert_non_null(strstr(kit->why, "another program"));
	assert_int_equal(kit_try_open(kit, STORE_LOOK, &store), ERR_FOREIGN);
	assert_int_equal(stat(kit->path, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_size, after.st_size);
}

static void
test_store_sqlite__a_newer_store_is_left_alone(void **state)
{
	struct kit   *kit = *state;
	struct store *store;

	kit_open(kit);
	store_close(&kit->store);
	run_sql(kit->path, "PRAGMA user_version = 99");
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_FOREIGN);
	assert_non_null(strstr(kit->why, "version 99"));
	assert_int_equal(kit_try_open(kit, STORE_LOOK, &store), ERR_FOREIGN);
}

static void
test_store_sqlite__a_start_that_was_cut_off_is_taken_up(void **state)
{
	struct kit *kit = *state;

	kit_open(kit);
	store_close(&kit->store);
	assert_int_equal(truncate(kit->path, 0), 0);
	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
}

static void
test_store_sqlite__damage_is_named(void **state)
{
	struct kit   *kit = *state;
	struct store *store;
	struct stat   st;

	kit_open(kit);
	fill(kit, 500);
	assert_int_equal(kit_faults(kit->store), 0);
	store_close(&kit->store);
	assert_int_equal(stat(kit->path, &st), 0);
	copy_file(kit->path, beside(kit, ".good"));

	scribble(kit->path, 0, 64);
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_CORRUPT);
	assert_int_equal(kit_try_open(kit, STORE_LOOK, &store), ERR_CORRUPT);
	assert_true(kit->why[0] != '\0');

	for (off_t page = st.st_size / 4096 - 1; page > 0; page -= st.st_size / 4096 / 6) {
		copy_file(beside(kit, ".good"), kit->path);
		scribble(kit->path, page * 4096, 4096);
		if (kit_try_open(kit, STORE_LOOK, &store) != OK)
			continue;
		assert_true(kit_faults(store) > 0);
		store_close(&store);
	}
}

static void
test_store_sqlite__check_finds_every_broken_law(void **state)
{
	static const char *const harms[] = {
		"UPDATE feed SET head = 3",
		"UPDATE feed SET live = live + 1",
		"UPDATE feed SET tombs = tombs + 1",
		"UPDATE feed SET horizon = 6",
		"UPDATE feed SET horizon = 9",
		"UPDATE feed SET pinned = x'7a'",
		"UPDATE feed SET epoch = 2",
		"UPDATE item SET changed_ms = 1 WHERE place & 0xff = 4",
		"UPDATE item SET fid = 2 WHERE place & 0xff = 4",
		"INSERT INTO tomb(place, fid, changed_ms, id) VALUES((1 << 40) + 4, 1, 1000000, x'71')",
		"INSERT INTO tomb(place, fid, changed_ms, id) SELECT (1 << 40) + 1, 1, 999, id FROM item LIMIT 1",
		"UPDATE item SET made = 99 WHERE place & 0xff = 4",
		"UPDATE item SET made = 0 WHERE place & 0xff = 4",
		"DELETE FROM tomb",
		"DELETE FROM feed",
		"INSERT INTO feed_epoch(fid, epoch, base) VALUES(1, 1, 99)",
	};
	struct kit *kit = *state;

	kit_open(kit);
	fill(kit, 5);
	assert_int_equal(kit_remove(kit->store, kit->arena, "item-0"), OK);
	assert_int_equal(kit_faults(kit->store), 0);
	store_close(&kit->store);
	copy_file(kit->path, beside(kit, ".good"));
	for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
		struct store *store;
		int           faults;

		copy_file(beside(kit, ".good"), kit->path);
		run_sql(kit->path, harms[i]);
		assert_int_equal(kit_try_open(kit, STORE_LOOK, &store), OK);
		faults = kit_faults(store);
		store_close(&store);
		if (faults == 0)
			fail_msg("nobody noticed: %s", harms[i]);
	}
}

/* ---- looking -------------------------------------------------------------------------------- */

static void
test_store_sqlite__looking_goes_on_beside_a_writer_and_never_writes(void **state)
{
	struct kit       *kit = *state;
	struct store     *looking;
	struct store_txn *txn;
	struct item       item = { .id = STR("b"), .body = STR("1") };

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(kit_try_open(kit, STORE_LOOK, &looking), OK);
	assert_string_equal(kit_changes(looking, kit->arena, 0, false, NULL), "a1");
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	assert_string_equal(kit_changes(looking, kit->arena, 0, false, NULL), "a1 b2");
	txn = store_begin(looking, NULL, kit->arena);
	store_put(txn, &kit_feed, &item);
	assert_int_equal(store_commit(&txn), ERR_NOT_ALLOWED);
	store_close(&looking);
	assert_int_equal(kit_put(kit->store, kit->arena, "c", "1"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 b2 c3");
}

/* Runs as nobody, who may read the store but write nothing beside it. */
static int
look_as_nobody(struct kit *kit)
{
	struct store *looking;

	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 2;
	if (kit_try_open(kit, STORE_LOOK, &looking) != OK)
		return 3;
	return strcmp(kit_changes(looking, kit->arena, 0, false, NULL), "a1") == 0 ? 0 : 4;
}

static void
test_store_sqlite__a_closed_store_can_be_looked_at_where_nothing_can_be_written(void **state)
{
	struct kit *kit = *state;
	char        command[400];
	int         status;
	pid_t       child;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	store_close(&kit->store);
	if (geteuid() != 0)
		skip();
	(void)snprintf(command, sizeof(command), "chmod 755 %s %s/deep %s/deep/down; chmod 644 %s", kit->dir, kit->dir,
	               kit->dir, kit->path);
	assert_int_equal(system(command), 0);
	child = fork();
	if (child == 0)
		_exit(look_as_nobody(kit));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_store_sqlite__a_throw_away_store_leaves_nothing_behind(void **state)
{
	struct kit       *kit = *state;
	struct store_conf conf = kit_conf(kit, STORE_SERVE);
	char              command[128];

	conf.scratch = true;
	assert_int_equal(store_open(&conf, &kit->store, kit->why), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1");
	store_close(&kit->store);
	(void)snprintf(command, sizeof(command), "test -z \"$(ls -A %s/deep/down)\"", kit->dir);
	assert_int_equal(system(command), 0);
	kit_open(kit);
	assert_int_equal(store_open(&conf, &kit->store, kit->why), ERR_CONFLICT);
}

/* ---- copies and time travel ----------------------------------------------------------------- */

/* ---- full disks and failing syncs ----------------------------------------------------------- */

static void
assert_recovers(struct kit *kit, enum err failed)
{
	struct str why = store_why(kit->store, kit->arena);

	if (failed != ERR_FULL)
		print_error("%.*s\n", STR_ARG(why));
	assert_int_equal(failed, ERR_FULL);
	assert_true(why.len > 0);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1");
}

static enum err
put_big(struct kit *kit)
{
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	struct item       item = { .id = STR("big") };

	item.body = str_of(arena_take(kit->arena, STORE_BODY_MAX), STORE_BODY_MAX);
	store_put(txn, &kit_feed, &item);
	return store_commit(&txn);
}

static void
test_store_sqlite__a_file_that_may_not_grow_is_a_full_disk_and_passes(void **state)
{
	struct kit   *kit = *state;
	struct rlimit limit, small;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 3; i++)
		assert_recovers(kit, put_big(kit));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	assert_int_equal(kit_faults(kit->store), 0);
	reopen(kit);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 b2");
}

static void
test_store_sqlite__a_full_disk_stops_writes_only_until_there_is_room(void **state)
{
	struct kit *kit = *state;
	char        mounted[96], command[192];

	(void)snprintf(mounted, sizeof(mounted), "%s/deep", kit->dir);
	assert_int_equal(mkdir(mounted, 0700), 0);
	if (mount("none", mounted, "tmpfs", 0, "size=3m") != 0)
		skip();
	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	(void)snprintf(command, sizeof(command), "cat /dev/zero > %s/ballast 2>/dev/null; true", mounted);
	assert_int_equal(system(command), 0);
	assert_recovers(kit, put_big(kit));
	assert_int_equal(unlink(arena_c(kit->arena, arena_printf(kit->arena, "%s/ballast", mounted))), 0);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 b2");
	assert_int_equal(kit_faults(kit->store), 0);
	store_close(&kit->store);
	assert_int_equal(umount(mounted), 0);
}

static void
test_store_sqlite__after_a_failed_sync_nothing_is_written_any_more(void **state)
{
	struct kit *kit = *state;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	atomic_store(&syncs_fail, true);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), ERR_UNSURE);
	atomic_store(&syncs_fail, false);
	assert_int_equal(kit_put(kit->store, kit->arena, "c", "1"), ERR_IO);
	assert_non_null(strstr(arena_c(kit->arena, store_why(kit->store, kit->arena)), "sync"));
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1");
	reopen(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "d", "1"), OK);
	assert_int_equal(kit_faults(kit->store), 0);
}

/* ---- plans ---------------------------------------------------------------------------------- */

static void
test_store_sqlite__every_statement_uses_an_index_and_sorts_nothing(void **state)
{
	static const char *const texts[] = {
#define X(name, text) text,
		SQL_TABLE(X) FOLLOWED_TABLE(X)
#undef X
	};
	struct kit   *kit = *state;
	sqlite3      *db;
	sqlite3_stmt *stmt;

	kit_open(kit);
	assert_int_equal(sqlite3_open_v2(kit->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		bool  may_scan = strstr(texts[i], "count(*)") != NULL;
		char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", texts[i]);

		assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *plan = (const char *)sqlite3_column_text(stmt, 3);

			if (strstr(plan, "TEMP B-TREE") || (!may_scan && strstr(plan, "SCAN ")))
				fail_msg("%s: %s", texts[i], plan);
			if (i == SQL_ITEMS)
				assert_null(strstr(plan, "tomb"));
		}
		(void)sqlite3_finalize(stmt);
		sqlite3_free(explain);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, kit_begin, kit_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_store_sqlite__a_missing_store_is_made_only_when_asked),
		ALONE(test_store_sqlite__a_link_in_the_place_of_the_store_is_refused),
		ALONE(test_store_sqlite__a_store_with_two_names_is_only_read),
		ALONE(test_store_sqlite__a_store_whose_file_is_replaced_is_not_read),
		ALONE(test_store_sqlite__the_second_writer_is_told_who_the_first_is),
		ALONE(test_store_sqlite__a_foreign_database_is_left_alone),
		ALONE(test_store_sqlite__a_newer_store_is_left_alone),
		ALONE(test_store_sqlite__a_start_that_was_cut_off_is_taken_up),
		ALONE(test_store_sqlite__damage_is_named),
		ALONE(test_store_sqlite__check_finds_every_broken_law),
		ALONE(test_store_sqlite__looking_goes_on_beside_a_writer_and_never_writes),
		ALONE(test_store_sqlite__a_closed_store_can_be_looked_at_where_nothing_can_be_written),
		ALONE(test_store_sqlite__a_throw_away_store_leaves_nothing_behind),
		ALONE(test_store_sqlite__a_file_that_may_not_grow_is_a_full_disk_and_passes),
		ALONE(test_store_sqlite__a_full_disk_stops_writes_only_until_there_is_room),
		ALONE(test_store_sqlite__after_a_failed_sync_nothing_is_written_any_more),
		ALONE(test_store_sqlite__every_statement_uses_an_index_and_sorts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
