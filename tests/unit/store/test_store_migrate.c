/* SPDX-License-Identifier: Apache-2.0 */
/* A store of schema 8 that is opened for writing and killed at any of the writes: the next opening brings it up. */
#include <sys/wait.h>

#include "support/last_write.h"
#include "unit/store/store_files.h"

#define HERE "unit/store/test_store_migrate.c"
/* clang-format off */
#define SEEN                                                                                                          \
	"SELECT (SELECT group_concat(scope || id || value) FROM (SELECT * FROM items ORDER BY scope, id))"            \
	" || (SELECT group_concat(n || change || scope || id || coalesce(value, '')) FROM"                            \
	" (SELECT * FROM changes ORDER BY n))"                                                                        \
	" || (SELECT group_concat(name || phase || delta_link || ord || top || items || round_ord) FROM follow_scope)"\
	" || (SELECT group_concat(quote(owner) || head || live || gen) FROM feed)"
/* clang-format on */

static void
load_dump(struct kit *kit)
{
	struct str  here = str_from_c(__FILE__);
	const char *path;
	char       *text;
	FILE       *file;
	long        len;

	here.len -= strlen(HERE);
	path = arena_c(kit->arena, arena_printf(kit->arena, "%.*scorpus/stores/v8.sql", STR_ARG(here)));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	len = ftell(file);
	assert_true(len > 0);
	rewind(file);
	text = calloc(1, (size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)len, file), len);
	assert_int_equal(fclose(file), 0);
	run_sql(beside(kit, ".old"), text);
	free(text);
}

static void
copy_old(struct kit *kit)
{
	static const char *const suffixes[] = { "-wal", "-shm", ".witness" };

	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		(void)unlink(beside(kit, suffixes[i]));
	copy_file(beside(kit, ".old"), kit->path);
}

/* False when the store was open before the nth write. */
static bool
die_at_write(struct kit *kit, unsigned long nth)
{
	int   status = 0;
	pid_t child = fork();

	if (child == 0) {
		writes_left = nth;
		kit_open(kit);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	return WEXITSTATUS(status) == 9;
}

static const char *
read_seen(struct kit *kit)
{
	sqlite3      *db;
	sqlite3_stmt *stmt;
	struct str    seen;

	assert_int_equal(sqlite3_open_v2(kit->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, SEEN, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	seen = arena_printf(kit->arena, "%s", (const char *)sqlite3_column_text(stmt, 0));
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_true(seen.len > 1000);
	return arena_c(kit->arena, seen);
}

static void
test_store_migrate__killed_at_any_write_the_next_opening_brings_the_store_up(void **state)
{
	struct kit   *kit = *state;
	const char   *seen = NULL;
	unsigned long nth = 0;
	bool          died = true;

	kit_open(kit); /* makes the folders */
	store_close(&kit->store);
	load_dump(kit);
	while (died) {
		copy_old(kit);
		died = nth == 0 || die_at_write(kit, nth);
		kit_open(kit);
		assert_int_equal(kit_faults(kit->store), 0);
		if (!seen)
			seen = read_seen(kit);
		assert_string_equal(read_seen(kit), seen);
		store_close(&kit->store);
		nth++;
	}
	print_message("killed at %lu writes of a migration\n", nth);
	assert_true(nth > 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_store_migrate__killed_at_any_write_the_next_opening_brings_the_store_up, kit_begin,
			kit_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
