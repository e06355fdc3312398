/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another program reads in the store's file, at any moment: the SQL views are what the replica says, and `store
 * check` finds nothing.
 */
#pragma once

#include <sqlite3.h>

#include "follow_test.h"

struct views {
	struct kit *kit;
	sqlite3    *db;
};

static inline void
views_open(struct views *views, struct kit *kit)
{
	*views = (struct views){ .kit = kit };
	assert_int_equal(sqlite3_open_v2(kit->url + strlen("sqlite:"), &views->db, SQLITE_OPEN_READONLY, NULL),
	                 SQLITE_OK);
}

static inline void
views_close(struct views *views)
{
	assert_int_equal(sqlite3_close(views->db), SQLITE_OK);
}

static inline sqlite3_stmt *
views_stmt(const struct views *views, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(views->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(views->db));
	assert_int_equal(sqlite3_bind_text(stmt, 1, views->kit->conf.url.at, (int)views->kit->conf.url.len, NULL),
	                 SQLITE_OK);
	return stmt;
}

/* The first column of the first row; ?1 is the URL of the scope. */
static inline int64_t
views_number(const struct views *views, const char *sql)
{
	sqlite3_stmt *stmt = views_stmt(views, sql);
	int64_t       value;

	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	return value;
}

static inline struct str
views_text(sqlite3_stmt *stmt, int column)
{
	return str_of((const char *)sqlite3_column_text(stmt, column), (size_t)sqlite3_column_bytes(stmt, column));
}

static inline void
views_expect_items(const struct views *views, int64_t sid)
{
	sqlite3_stmt *stmt = views_stmt(views, "SELECT i.id, i.value FROM items i JOIN scopes s ON s.scope = i.scope"
	                                       " WHERE s.url = ?1 ORDER BY i.id");
	struct str    id = STR_EMPTY, body;

	while (replica_next_item(views->kit->replica, sid, id, &id, &body) == OK) {
		assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
		if (!str_eq(views_text(stmt, 0), id) || !str_eq(views_text(stmt, 1), body))
			fail_msg("SQL: %.*s %.*s, the replica: %.*s %.*s", STR_ARG(views_text(stmt, 0)),
			         STR_ARG(views_text(stmt, 1)), STR_ARG(id), STR_ARG(body));
	}
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

static inline void
views_expect_changes(const struct views *views, int64_t sid)
{
	static const char *const kinds[] = { "created", "updated", "removed", "returned" };
	sqlite3_stmt *stmt = views_stmt(views, "SELECT c.n, c.change, c.id, c.fields, c.value FROM changes c JOIN"
	                                       " scopes s ON s.scope = c.scope WHERE s.url = ?1 ORDER BY c.n");
	struct replica_change change = { 0 };

	while (replica_next_change(views->kit->replica, sid, change.n, &change) == OK) {
		assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
		if ((uint64_t)sqlite3_column_int64(stmt, 0) != change.n ||
		    !str_eq(views_text(stmt, 1), str_from_c(kinds[change.kind])) ||
		    !str_eq(views_text(stmt, 2), change.id) || !str_eq(views_text(stmt, 3), change.fields) ||
		    !str_eq(views_text(stmt, 4), change.body))
			fail_msg("change %lld %.*s of %.*s in SQL is not change %llu of %.*s",
			         (long long)sqlite3_column_int64(stmt, 0), STR_ARG(views_text(stmt, 1)),
			         STR_ARG(views_text(stmt, 2)), (unsigned long long)change.n, STR_ARG(change.id));
	}
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

/* Nobody else has a transaction open. */
static inline void
views_expect_same(const struct views *views)
{
	int64_t sid = kit_sid(views->kit);

	views_expect_items(views, sid);
	views_expect_changes(views, sid);
	replica_end_read(views->kit->replica);
}

static inline void
views_fail_fault(void *ctx, struct str sentence)
{
	(void)ctx;
	fail_msg("store check: %.*s", STR_ARG(sentence));
}

static inline void
views_expect_sound(const struct kit *kit)
{
	struct store_conf conf = {
		.url = str_from_c(kit->url), .access = STORE_LOOK, .clock = &kit->clock, .entropy = &kit->entropy
	};
	struct store *store;
	char          why[512];

	if (store_open(&conf, &store, why) != OK)
		fail_msg("%s", why);
	assert_int_equal(store_check(store, views_fail_fault, NULL), OK);
	store_close(&store);
}

/* No change is kept that readers no longer get: its row in follow_detail would stay for ever. */
static inline void
views_expect_trimmed(const struct views *views)
{
	assert_int_equal(
		views_number(views, "SELECT count(*) FROM follow_scope s JOIN follow_detail d ON d.place >> 36 = s.gen"
	                            " WHERE s.url = ?1 AND d.place < (SELECT min((r.gen << 36) + r.first +"
	                            " max(0, s.tail + 1 - r.n)) FROM follow_range r WHERE r.sid = s.sid)"),
		0);
}
