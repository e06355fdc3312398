/* SPDX-License-Identifier: Apache-2.0 */
/* store check: SQLite's own check of every page, then the rules. Each rule is a query that returns what breaks it. */
#include "store/store_sqlite.h"

#include <sqlite3.h>
#include <stdio.h>

#define FAULTS_MAX 100 /* reported for each rule */

/* Each query returns the feed's number and the sentence. */
static const char *const rules[] = {
	"SELECT fid, 'the line at seq ' || (place & 0xffffffffff) || ' is beyond the head or of another feed'"
	"  FROM item i LEFT JOIN feed f USING(fid)"
	"  WHERE f.fid IS NULL OR place >> 40 <> i.fid OR (place & 0xffffffffff) NOT BETWEEN 1 AND f.head",
	"SELECT fid, 'the tombstone at seq ' || (place & 0xffffffffff) || ' is beyond the head or of another feed'"
	"  FROM tomb t LEFT JOIN feed f USING(fid)"
	"  WHERE f.fid IS NULL OR place >> 40 <> t.fid OR (place & 0xffffffffff) NOT BETWEEN 1 AND f.head",
	"SELECT fid, 'seq ' || (place & 0xffffffffff) || ' is both an item and a tombstone'"
	"  FROM tomb t WHERE EXISTS(SELECT 1 FROM item i WHERE i.place = t.place)",
	"SELECT fid, 'the item at seq ' || (i.place & 0xffffffffff) || ' also has a tombstone'"
	"  FROM tomb t CROSS JOIN item i USING(fid, id)",
	"SELECT fid, 'the item at seq ' || (place & 0xffffffffff) || ' has the number of creation ' || made"
	"  FROM item WHERE made NOT BETWEEN 1 AND (place & 0xffffffffff)",
	"SELECT fid, 'the horizon ' || horizon || ' is beyond the head ' || head FROM feed WHERE horizon > head",
	"SELECT t.fid, 'the tombstone at seq ' || (place & 0xffffffffff) || ' should have been purged: the horizon is '"
	"  || horizon FROM tomb t JOIN feed f USING(fid) WHERE (place & 0xffffffffff) <= horizon",
	"SELECT f.fid, 'the pinned item is not there' FROM feed f"
	"  WHERE pinned IS NOT NULL AND NOT EXISTS(SELECT 1 FROM item i WHERE i.fid = f.fid AND i.id = f.pinned)",
	"SELECT fid, 'it counts ' || live || ' items, and there are ' || n FROM"
	"  (SELECT fid, live, (SELECT count(*) FROM item i WHERE i.fid = f.fid) AS n FROM feed f WHERE gen = 0)"
	"  WHERE live <> n",
	"SELECT fid, 'it counts ' || tombs || ' tombstones, and there are ' || n FROM"
	"  (SELECT fid, tombs, (SELECT count(*) FROM tomb t WHERE t.fid = f.fid) AS n FROM feed f WHERE gen = 0)"
	"  WHERE tombs <> n",
	"SELECT fid, 'the newest line of the feed is missing: the head is ' || head FROM feed f"
	"  WHERE gen = 0 AND head > horizon AND NOT EXISTS(SELECT 1 FROM item WHERE place = (f.fid << 40) + head)"
	"  AND NOT EXISTS(SELECT 1 FROM tomb WHERE place = (f.fid << 40) + head)",
	"SELECT fid, 'an epoch of the feed begins beyond its head' FROM feed_epoch e JOIN feed f USING(fid)"
	"  WHERE base > head",
	"SELECT fid, 'it was written in epoch ' || f.epoch || ', but the store is in epoch ' || m.epoch"
	"  FROM feed f CROSS JOIN meta m WHERE f.epoch > m.epoch",
};

/* Both tables of a feed in order of seq, to check that change times never go back. */
static const char walk[] =
	"SELECT fid, place, changed_ms FROM item UNION ALL SELECT fid, place, changed_ms FROM tomb ORDER BY place";

struct check {
	struct conn    *conn;
	store_fault_fn *found;
	void           *ctx;
};

static void
finalize(struct sqlite3_stmt **stmt)
{
	(void)sqlite3_finalize(*stmt);
}

static void
guid_text(struct sqlite3_stmt *stmt, int at, char text_out[GUID_TEXT_LEN + 1])
{
	struct str  bytes = sql_column_str(stmt, at);
	struct guid guid = { { 0 } };

	memcpy(guid.b, bytes.at, bytes.len < sizeof(guid.b) ? bytes.len : sizeof(guid.b));
	guid_format(&guid, text_out);
	text_out[GUID_TEXT_LEN] = '\0';
}

static void
report(const struct check *check, int64_t fid, struct str fault)
{
	AUTO(finalize) struct sqlite3_stmt *stmt = NULL;
	char tenant[GUID_TEXT_LEN + 1] = "?", owner[GUID_TEXT_LEN + 1] = "?", sentence[512];
	int  collection = 0, len;

	if (sqlite3_prepare_v2(check->conn->db, "SELECT tenant, owner, collection FROM feed WHERE fid = ?1", -1, &stmt,
	                       NULL) == SQLITE_OK) {
		sql_bind_int(stmt, 1, fid);
		if (sqlite3_step(stmt) == SQLITE_ROW) {
			guid_text(stmt, 0, tenant);
			guid_text(stmt, 1, owner);
			collection = sqlite3_column_int(stmt, 2);
		}
	}
	len = snprintf(sentence, sizeof(sentence), "feed %lld (tenant %s, owner %s, collection %d): %.*s",
	               (long long)fid, tenant, owner, collection, STR_ARG(str_cut(fault, 250)));
	check->found(check->ctx, str_of(sentence, (size_t)len));
}

static enum err
check_rule(const struct check *check, const char *law)
{
	AUTO(finalize) struct sqlite3_stmt *stmt = NULL;
	int                                 code = sqlite3_prepare_v2(check->conn->db, law, -1, &stmt, NULL);
	enum err                            err = OK;

	if (code != SQLITE_OK)
		return sql_conn_fail(check->conn, code);
	for (int i = 0; i < FAULTS_MAX; i++) {
		err = sql_conn_step(check->conn, stmt);
		if (err != OK)
			break;
		report(check, sqlite3_column_int64(stmt, 0), sql_column_str(stmt, 1));
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
check_moments(const struct check *check)
{
	AUTO(finalize) struct sqlite3_stmt *stmt = NULL;
	int                                 code = sqlite3_prepare_v2(check->conn->db, walk, -1, &stmt, NULL);
	int                                 faults = 0;
	int64_t                             fid = -1, last_ms = 0;
	enum err                            err;

	if (code != SQLITE_OK)
		return sql_conn_fail(check->conn, code);
	while ((err = sql_conn_step(check->conn, stmt)) == OK && faults < FAULTS_MAX) {
		int64_t changed_ms = sqlite3_column_int64(stmt, 2);

		if (fid == sqlite3_column_int64(stmt, 0) && changed_ms < last_ms) {
			report(check, fid, STR("a later change has an earlier moment"));
			faults++;
		}
		fid = sqlite3_column_int64(stmt, 0);
		last_ms = changed_ms;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

/* *is_sound_out false: the file itself is damaged, and the rules cannot be checked. */
static enum err
check_pages(const struct check *check, bool *is_sound_out)
{
	AUTO(finalize) struct sqlite3_stmt *stmt = NULL;
	int      code = sqlite3_prepare_v2(check->conn->db, "PRAGMA integrity_check(100)", -1, &stmt, NULL);
	bool     is_sound = true;
	enum err err;

	if (code != SQLITE_OK)
		return sql_conn_fail(check->conn, code);
	while ((err = sql_conn_step(check->conn, stmt)) == OK) {
		struct str line = sql_column_str(stmt, 0);

		if (str_eq(line, STR("ok")))
			continue;
		is_sound = false;
		check->found(check->ctx, line);
	}
	*is_sound_out = is_sound;
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
check_all(const struct check *check)
{
	bool is_sound = false;

	TRY(sql_conn_exec(check->conn, "PRAGMA cell_size_check = ON"));
	TRY(sql_conn_exec(check->conn, "BEGIN"));
	TRY(check_pages(check, &is_sound));
	for (size_t i = 0; is_sound && i < COUNT_OF(rules); i++)
		TRY(check_rule(check, rules[i]));
	for (size_t i = 0; is_sound && sql_followed_rules[i]; i++)
		TRY(check_rule(check, sql_followed_rules[i]));
	return is_sound ? check_moments(check) : OK;
}

/* Uses a connection of its own, so that pages of a damaged file do not stay in the cache of a shared one. */
enum err
sqlite_check(void *inner, store_fault_fn *found, void *ctx)
{
	AUTO(sql_conn_close) struct conn *conn = NULL;
	struct check                      check = { .found = found, .ctx = ctx };
	struct engine                    *engine = inner;
	char                              why[512];
	enum err                          err;

	TRY(sql_conn_open(engine, CONN_READER, &conn));
	check.conn = conn;
	err = check_all(&check);
	if (err == ERR_CORRUPT) {
		sql_engine_report(engine, why);
		found(ctx, str_from_c(why));
		return OK;
	}
	return err;
}
