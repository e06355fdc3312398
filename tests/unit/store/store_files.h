/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of a store's files share: copying, scribbling over, opening again. */
#pragma once

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "unit/store/store_kit.h"

static inline void
run_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline void
fill(struct kit *kit, int count)
{
	struct store_txn *txn = store_begin(kit->store, NULL, kit->arena);
	char              body[600];

	memset(body, 'b', sizeof(body));
	for (int i = 0; i < count; i++) {
		struct item item = { .id = arena_printf(kit->arena, "item-%d", i), .body = str_of(body, sizeof(body)) };

		store_put(txn, &kit_feed, &item);
	}
	assert_int_equal(store_commit(&txn), OK);
}

static inline void
copy_file(const char *from, const char *to)
{
	char command[400];

	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", from, to);
	assert_int_equal(system(command), 0);
}

static inline const char *
beside(struct kit *kit, const char *suffix)
{
	return arena_c(kit->arena, arena_printf(kit->arena, "%s%s", kit->path, suffix));
}

static inline void
reopen(struct kit *kit)
{
	store_close(&kit->store);
	kit_open(kit);
}

static inline struct feed_state
state_for_epoch(struct kit *kit, uint32_t epoch)
{
	struct store_range range = { .epoch = epoch };
	struct store_scan *scan = store_scan_open(kit->store, &kit_feed, &range, kit->arena);
	struct feed_state  now_state = *store_scan_state(scan);

	assert_int_equal(store_scan_close(&scan), OK);
	return now_state;
}

static inline void
scribble(const char *path, off_t at, size_t len)
{
	char garbage[4096];
	int  fd = open(path, O_RDWR | O_CLOEXEC);

	memset(garbage, 0xa5, sizeof(garbage));
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, garbage, len, at), len);
	assert_int_equal(close(fd), 0);
}
