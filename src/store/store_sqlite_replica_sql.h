/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replica's tables, views and statements.  Private to the store module.
 *
 * The rows of a round lie together: a row key is gen<<36 | ord, where every round has a gen of its own.
 * follow_entry says which row is an item of a view; a scope's view is the entries of scope.gen.  So a
 * first round becomes the view when scope.gen is set to its gen.  Entries of a gen that no scope names
 * belong to no view.  The rows of a later round are only read, to change the rows of the view.
 *
 * follow_change has a row for each change, except the changes of first rounds.  Such a round has one row in
 * follow_range: its rows are numbered n, n + 1, … in order of their row keys.  A row keeps its row key while
 * its item lives.
 */
#pragma once
/* clang-format off */

#include "store/store_sqlite_replica_asking_sql.h"
#include "store/store_sqlite_replica_scope_sql.h"
#include "store/store_sqlite_replica_relation_sql.h"

#define ORD_BITS 36
#define ORD_MAX  (((int64_t)1 << ORD_BITS) - 1)

#define FOLLOW_KINDS "CASE c.kind WHEN 0 THEN 'created' WHEN 1 THEN 'updated' WHEN 2 THEN 'removed' ELSE 'returned' END"
/* A body as columns show it. */
#define FOLLOW_SHOWN "coalesce(i.shown, i.body)"
#define FOLLOW_TIME(ms) "CASE WHEN " ms " > 0 THEN strftime('%Y-%m-%dT%H:%M:%SZ', " ms " / 1000, 'unixepoch') END"
#define FOLLOW_JOIN  " FROM follow_scope s CROSS JOIN follow_entry e ON e.gen = s.gen CROSS JOIN follow_item i " \
                     "ON i.place = e.place"

#define SCHEMA_2                                                                                                      \
	"CREATE TABLE follow_meta(one INTEGER PRIMARY KEY CHECK(one = 1), last_n INTEGER NOT NULL,"                   \
	"  last_gen INTEGER NOT NULL) STRICT;"                                                                        \
	"INSERT INTO follow_meta(one, last_n, last_gen) VALUES(1, 0, 0);"                                             \
	"CREATE TABLE follow_scope(sid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL UNIQUE,"     \
	"  resource TEXT NOT NULL, from_now INTEGER NOT NULL, gen INTEGER NOT NULL DEFAULT 0,"                        \
	"  ord INTEGER NOT NULL DEFAULT 0, items INTEGER NOT NULL DEFAULT 0, delta_link TEXT NOT NULL DEFAULT '',"    \
	"  phase INTEGER NOT NULL DEFAULT 0, kind INTEGER NOT NULL DEFAULT 0, round_gen INTEGER NOT NULL DEFAULT 0,"  \
	"  round_ord INTEGER NOT NULL DEFAULT 0, round_link TEXT NOT NULL DEFAULT '',"                                \
	"  round_pages INTEGER NOT NULL DEFAULT 0, round_items INTEGER NOT NULL DEFAULT 0,"                           \
	"  round_started_ms INTEGER NOT NULL DEFAULT 0, rounds INTEGER NOT NULL DEFAULT 0,"                           \
	"  round_ended_ms INTEGER NOT NULL DEFAULT 0, throttled_ms INTEGER NOT NULL DEFAULT 0,"                       \
	"  fault TEXT NOT NULL DEFAULT '', fault_ms INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0,"    \
	"  told INTEGER NOT NULL DEFAULT 0) STRICT;"                                                                  \
	"CREATE TABLE follow_item(place INTEGER PRIMARY KEY, id TEXT NOT NULL, life INTEGER NOT NULL,"                \
	"  body TEXT NOT NULL) STRICT;"                                                                               \
	"CREATE TABLE follow_entry(gen INTEGER NOT NULL, id TEXT NOT NULL, place INTEGER NOT NULL,"                   \
	"  PRIMARY KEY(gen, id)) STRICT, WITHOUT ROWID;"                                                              \
	"CREATE TABLE follow_gone(sid INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY(sid, id)) STRICT, WITHOUT " \
	"ROWID;" \
	"CREATE TABLE follow_change(n INTEGER PRIMARY KEY, sid INTEGER NOT NULL, kind INTEGER NOT NULL,"              \
	"  life INTEGER NOT NULL, at_ms INTEGER NOT NULL, id TEXT NOT NULL, fields TEXT NOT NULL) STRICT;"            \
	"CREATE TABLE follow_range(n INTEGER PRIMARY KEY, last INTEGER NOT NULL, sid INTEGER NOT NULL,"                \
	"  gen INTEGER NOT NULL, at_ms INTEGER NOT NULL) STRICT;"                               \
	"CREATE TABLE follow_content(sid INTEGER NOT NULL, id TEXT NOT NULL, state INTEGER NOT NULL,"                 \
	"  etag TEXT NOT NULL, PRIMARY KEY(sid, id)) STRICT, WITHOUT ROWID;"                                          \
	"CREATE TABLE follow_old(gen INTEGER PRIMARY KEY) STRICT;"                                                    \
	"CREATE TABLE follow_letter(lid INTEGER PRIMARY KEY, sid INTEGER NOT NULL, round_gen INTEGER NOT NULL,"       \
	"  digest INTEGER NOT NULL, at_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL,"         \
	"  raw TEXT NOT NULL, UNIQUE(sid, digest)) STRICT;"

/*
 * The views for SQL users: an outside contract, described in docs/sql.md. Views of resources: store_sqlite_views.c.
 */
#define SCHEMA_3                                                                                                      \
	"CREATE VIEW items AS SELECT s.name AS scope, s.resource AS resource, e.id AS id,"                            \
	"  coalesce(json_extract(i.body, '$.displayName'), json_extract(i.body, '$.name'),"                           \
	"    json_extract(i.body, '$.subject')) AS name, i.body AS value" FOLLOW_JOIN ";"                             \
	"CREATE VIEW scopes AS SELECT s.name AS scope, s.url AS url, s.resource AS resource, s.items AS items,"       \
	"  s.rounds AS rounds, " FOLLOW_TIME("s.round_ended_ms") " AS lastRound,"                                     \
	"  CASE s.phase WHEN 0 THEN 'idle' WHEN 1 THEN 'round' ELSE 'settling' END AS phase,"                         \
	"  s.round_pages AS roundPages, s.round_items AS roundItems, s.throttled_ms / 1000.0 AS throttledSeconds,"    \
	"  (SELECT count(*) FROM follow_letter l WHERE l.sid = s.sid AND l.round_gen = 0) AS deadLetters,"            \
	"  s.fault AS fault, " FOLLOW_TIME("s.fault_ms") " AS faultAt, s.acked AS acked FROM follow_scope s;"         \
	"CREATE VIEW changes AS"                                                                                      \
	"  SELECT c.n AS n, " FOLLOW_KINDS " AS change, s.name AS scope, c.id AS id, nullif(c.fields, '') AS fields," \
	"    i.body AS value, " FOLLOW_TIME("c.at_ms") " AS at"                                                       \
	"  FROM follow_change c JOIN follow_scope s ON s.sid = c.sid"                                                 \
	"  LEFT JOIN follow_entry e ON c.kind <> 2 AND e.gen = s.gen AND e.id = c.id"                                 \
	"  LEFT JOIN follow_item i ON i.place = e.place"                                                              \
	"  UNION ALL"                                                                                                 \
	"  SELECT r.n + i.place - (r.gen << 36) - 1, 'created', s.name, i.id, NULL, i.body, " FOLLOW_TIME("r.at_ms") \
	"  FROM follow_range r JOIN follow_scope s ON s.sid = r.sid"                                                  \
	"  JOIN follow_item i ON i.place BETWEEN (r.gen << 36) + 1 AND (r.gen << 36) + 1 + r.last - r.n;"

/*
 * What was deleted from the log of changes: up to follow_scope.tail, changes of the scope may be missing. The rows of
 * a scope's changes are found by an index that holds their numbers in order.
 */
#define SCHEMA_4                                                                                                      \
	"ALTER TABLE follow_scope ADD COLUMN tail INTEGER NOT NULL DEFAULT 0;"                                        \
	"CREATE INDEX follow_change_of ON follow_change(sid);"                                                        \
	"DROP VIEW scopes; DROP VIEW changes;"                                                                        \
	"CREATE VIEW scopes AS SELECT s.name AS scope, s.url AS url, s.resource AS resource, s.items AS items,"       \
	"  s.rounds AS rounds, " FOLLOW_TIME("s.round_ended_ms") " AS lastRound,"                                     \
	"  CASE s.phase WHEN 0 THEN 'idle' WHEN 1 THEN 'round' ELSE 'settling' END AS phase,"                         \
	"  s.round_pages AS roundPages, s.round_items AS roundItems, s.throttled_ms / 1000.0 AS throttledSeconds,"    \
	"  (SELECT count(*) FROM follow_letter l WHERE l.sid = s.sid AND l.round_gen = 0) AS deadLetters,"            \
	"  s.fault AS fault, " FOLLOW_TIME("s.fault_ms") " AS faultAt, s.acked AS acked,"                             \
	"  s.tail AS changesLost FROM follow_scope s;"         \
	"CREATE VIEW changes AS"                                                                                      \
	"  SELECT c.n AS n, " FOLLOW_KINDS " AS change, s.name AS scope, c.id AS id, nullif(c.fields, '') AS fields," \
	"    i.body AS value, " FOLLOW_TIME("c.at_ms") " AS at"                                                       \
	"  FROM follow_change c JOIN follow_scope s ON s.sid = c.sid"                                                 \
	"  LEFT JOIN follow_entry e ON c.kind <> 2 AND e.gen = s.gen AND e.id = c.id"                                 \
	"  LEFT JOIN follow_item i ON i.place = e.place"                                                              \
	"  UNION ALL"                                                                                                 \
	"  SELECT r.n + i.place - (r.gen << 36) - 1, 'created', s.name, i.id, NULL, i.body, " FOLLOW_TIME("r.at_ms") \
	"  FROM follow_range r JOIN follow_scope s ON s.sid = r.sid"                                                  \
	"  JOIN follow_item i ON i.place BETWEEN (r.gen << 36) + 1 + max(s.tail + 1 - r.n, 0)"                   \
	"    AND (r.gen << 36) + 1 + r.last - r.n;"

#define SCOPE_FIELDS                                                                                                  \
	"sid, name, url, resource, from_now, delta_link, items, phase, kind, round_link, round_pages, round_items,"   \
	" round_started_ms, rounds, round_ended_ms, throttled_ms, fault, fault_ms, acked, told,"                      \
	" (SELECT count(*) FROM follow_letter l WHERE l.sid = s.sid AND l.round_gen = 0), gen, ord, round_gen, " \
	"round_ord, tail, updates, rule, round_rule, gap_ms"

#define CHANGE_FIELDS "c.n, c.kind, c.life, s.name, c.id, c.fields, i.body, c.sid, c.at_ms"
#define CHANGE_JOIN                                                                                                   \
	" FROM follow_change c CROSS JOIN follow_scope s ON s.sid = c.sid"                                            \
	" LEFT JOIN follow_entry e ON c.kind <> 2 AND e.gen = s.gen AND e.id = c.id"                                  \
	" LEFT JOIN follow_item i ON i.place = e.place WHERE c.n > ?1"

/* May this change be deleted? When one must stay, all later ones stay, even if the clock was set back. */
#define FOLLOW_IS_OLD "CASE WHEN ?2 > 0 THEN n <= ?2 AND at_ms < ?3 ELSE at_ms < ?4 END"

#define FOLLOW_TABLE(X)                                                                                               \
	X(F_BEGIN, "BEGIN IMMEDIATE")                                                                                 \
	X(F_BEGIN_READ, "BEGIN")                                                                                      \
	X(F_COMMIT, "COMMIT")                                                                                         \
	X(F_ROLLBACK, "ROLLBACK")                                                                                     \
	X(F_SCOPE, "SELECT " SCOPE_FIELDS " FROM follow_scope s WHERE sid = ?1")                                      \
	X(F_SCOPE_NAMED, "SELECT " SCOPE_FIELDS " FROM follow_scope s WHERE name = ?1")                               \
	X(F_SCOPE_OF_URL, "SELECT " SCOPE_FIELDS " FROM follow_scope s WHERE url = ?1")                               \
	X(F_SCOPE_NEXT, "SELECT " SCOPE_FIELDS " FROM follow_scope s WHERE sid > ?1 ORDER BY sid LIMIT 1")            \
	X(F_ADD_SCOPE, "INSERT INTO follow_scope(name, url, resource, from_now, updates, round_rule)"                 \
	               " VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                                                             \
	X(F_SET_FAULT, "UPDATE follow_scope SET fault = ?2, fault_ms = ?3 WHERE sid = ?1")                            \
	X(F_ADD_PAUSE, "UPDATE follow_scope SET throttled_ms = throttled_ms + ?2 WHERE sid = ?1")                     \
	X(F_SET_ACKED, "UPDATE follow_scope SET acked = max(acked, ?2) WHERE sid = ?1")                               \
	X(F_SET_PRINTED, "UPDATE follow_scope SET told = max(told, ?2) WHERE sid = ?1") \
	X(F_TAKE_GEN, "UPDATE follow_meta SET last_gen = last_gen + 1 WHERE one = 1 RETURNING last_gen")              \
	X(F_TAKE_N, "UPDATE follow_meta SET last_n = last_n + ?1 WHERE one = 1 RETURNING last_n")                     \
	X(F_HEAD, "SELECT last_n FROM follow_meta WHERE one = 1")                                                     \
	X(F_START_ROUND, "UPDATE follow_scope SET phase = 1, kind = ?2, round_link = ?3, round_started_ms = ?4,"      \
	                 " round_gen = ?5, round_ord = 0, round_pages = 0, round_items = 0 WHERE sid = ?1")           \
	X(F_STOP_ROUND, "UPDATE follow_scope SET phase = 0, round_link = '', round_gen = 0, round_ord = 0,"           \
	                " round_pages = 0, round_items = 0 WHERE sid = ?1")                                           \
	X(F_SAVE_PAGE, "UPDATE follow_scope SET phase = ?2, round_link = ?3, round_ord = ?4,"                         \
	               " round_items = round_items + ?5, round_pages = round_pages + 1 WHERE sid = ?1")               \
	X(F_END_ROUND, "UPDATE follow_scope SET phase = 0, delta_link = round_link, round_link = '', gen = ?2,"       \
	               " ord = ?3, items = ?4, rounds = rounds + 1, round_ended_ms = ?5, round_gen = 0," \
	               " rule = CASE WHEN kind IN (0, 2) THEN round_rule ELSE rule END, gap_ms = CASE WHEN kind = 3 " \
	               "THEN ?5 ELSE gap_ms END, " \
	               "round_ord = 0," \
	               " round_pages = 0, round_items = 0 WHERE sid = ?1")                                            \
	X(F_ADD_OLD, "INSERT OR IGNORE INTO follow_old(gen) VALUES(?1)")                                              \
	X(F_NEXT_OLD, "SELECT gen FROM follow_old ORDER BY gen LIMIT 1")                                              \
	X(F_CUT_OLD, "DELETE FROM follow_old WHERE gen = ?1")                                                         \
	X(F_CUT_ENTRIES, "DELETE FROM follow_entry WHERE gen = ?1 AND id IN"                                          \
	                 " (SELECT id FROM follow_entry WHERE gen = ?1 ORDER BY id LIMIT ?2)")                        \
	X(F_CUT_ITEMS, "DELETE FROM follow_item WHERE place IN (SELECT place FROM follow_item"                        \
	               " WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3)")                                  \
	X(F_ADD_ITEM, "INSERT INTO follow_item(place, id, life, body) VALUES(?1, ?2, ?3, ?4)")                        \
	X(F_SET_BODY, "UPDATE follow_item SET body = ?2, shown = NULL WHERE place = ?1") \
	X(F_CUT_ITEM, "DELETE FROM follow_item WHERE place = ?1")                                                     \
	X(F_GET_ITEM, "SELECT life, body FROM follow_item WHERE place = ?1")                                          \
	X(F_GET_ENTRY, "SELECT place FROM follow_entry WHERE gen = ?1 AND id = ?2")                                   \
	X(F_ADD_ENTRY, "INSERT OR REPLACE INTO follow_entry(gen, id, place) VALUES(?1, ?2, ?3)")                      \
	X(F_CUT_ENTRY, "DELETE FROM follow_entry WHERE gen = ?1 AND id = ?2")                                         \
	X(F_COUNT_ENTRIES, "SELECT count(*) FROM follow_entry WHERE gen = ?1")                                        \
	X(F_ROUND_ROWS, "SELECT id, place, life FROM follow_item WHERE place > ?1 AND place <= ?2 ORDER BY id, place") \
	X(F_IS_GONE, "SELECT 1 FROM follow_gone WHERE sid = ?1 AND id = ?2")                                          \
	X(F_ADD_GONE, "INSERT OR IGNORE INTO follow_gone(sid, id) VALUES(?1, ?2)")                                    \
	X(F_CUT_GONE, "DELETE FROM follow_gone WHERE sid = ?1 AND id = ?2")                                           \
	X(F_ADD_CHANGE, "INSERT INTO follow_change(n, sid, kind, life, at_ms, id, fields) VALUES(?1, ?2, ?3, ?4, " \
	  "?5, ?6, ?7)") \
	X(F_ADD_RANGE, "INSERT INTO follow_range(n, last, sid, gen, at_ms) VALUES(?1, ?2, ?3, ?4, ?5)")               \
	X(F_NEXT_ENTRY, "SELECT id FROM follow_entry WHERE gen = ?1 AND id > ?2 ORDER BY id LIMIT 1")                 \
	X(F_CHANGE, "SELECT " CHANGE_FIELDS CHANGE_JOIN " ORDER BY c.n LIMIT 1")                                      \
	X(F_CHANGE_OF, "SELECT " CHANGE_FIELDS CHANGE_JOIN " AND c.sid = ?2 ORDER BY c.n LIMIT 1")                    \
	X(F_RANGE, "SELECT n, last, gen, sid, at_ms FROM follow_range WHERE last > ?1 AND (?2 = 0 OR sid = ?2)" \
	           " ORDER BY n LIMIT 1")                                                                             \
	X(F_RANGE_ROW, "SELECT i.place, i.id, i.body, s.name FROM follow_item i CROSS JOIN follow_scope s ON " \
	  "s.sid = ?3" \
	               " WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT 1")                                    \
	X(F_NEXT_ITEM, "SELECT e.id, i.body FROM follow_scope s CROSS JOIN follow_entry e ON e.gen = s.gen AND " \
	  "e.id > ?2" \
	               " CROSS JOIN follow_item i ON i.place = e.place WHERE s.sid = ?1 ORDER BY e.id LIMIT 1")       \
	X(F_ADD_LETTER, "INSERT INTO follow_letter(sid, round_gen, digest, at_ms, attempts, reason, raw, id)"         \
	                " VALUES(?1, ?2, ?3, ?4, 0, ?5, ?6, ?7) ON CONFLICT(sid, digest) DO NOTHING") \
	X(F_COUNT_LETTERS, "SELECT count(*) FROM follow_letter WHERE sid = ?1")                                       \
	X(F_COUNT_ROUND_LETTERS, "SELECT count(*) FROM follow_letter WHERE sid = ?1 AND round_gen = ?2")              \
	X(F_KEEP_LETTERS, "UPDATE follow_letter SET round_gen = 0 WHERE sid = ?1 AND round_gen = ?2")                 \
	X(F_CUT_LETTERS, "DELETE FROM follow_letter WHERE sid = ?1 AND round_gen <> 0")                               \
	X(F_NEXT_LETTER, "SELECT l.lid, l.at_ms, l.attempts, s.name, l.reason, l.raw, l.id FROM follow_letter l" \
	                 " JOIN follow_scope s ON s.sid = l.sid WHERE l.lid > ?1 AND l.round_gen = 0"                 \
	                 " AND (?2 = 0 OR l.sid = ?2) ORDER BY l.lid LIMIT 1")                                        \
	X(F_GET_CONTENT, "SELECT state, etag FROM follow_content WHERE sid = ?1 AND id = ?2")                         \
	X(F_PUT_CONTENT, "INSERT OR REPLACE INTO follow_content(sid, id, state, etag) VALUES(?1, ?2, ?3, ?4)")        \
	X(F_RETRIED, "UPDATE follow_letter SET attempts = attempts + 1, reason = ?2 WHERE lid = ?1")                  \
	X(F_CUT_LETTER, "DELETE FROM follow_letter WHERE lid = ?1")                                                   \
	X(F_TRIM_SCOPE, "SELECT sid, acked, tail FROM follow_scope WHERE sid > ?1 ORDER BY sid LIMIT 1")              \
	X(F_TRIM_ROWS, "WITH row AS (SELECT n, " FOLLOW_IS_OLD " AS is_old FROM follow_change WHERE sid = ?1 " \
	  "ORDER BY n LIMIT ?5)" \
	               " SELECT coalesce(max(n), 0) FROM row"                                                         \
	               " WHERE n < (SELECT coalesce(min(n), 1 << 62) FROM row WHERE NOT is_old)")                     \
	X(F_TRIM_RANGES, "WITH range AS (SELECT n, last, " FOLLOW_IS_OLD " AS is_old FROM follow_range WHERE sid " \
	  "= ?1)" \
	                 " SELECT coalesce(max(CASE WHEN ?2 > 0 THEN min(last, ?2) ELSE last END), 0) FROM range"     \
	                 " WHERE n < (SELECT coalesce(min(n), 1 << 62) FROM range WHERE NOT is_old)")                 \
	X(F_CUT_CHANGES, "DELETE FROM follow_change WHERE sid = ?1 AND n <= ?2")                                      \
	X(F_CUT_RANGES, "DELETE FROM follow_range WHERE sid = ?1 AND last <= ?2")                                     \
	X(F_SET_TAIL, "UPDATE follow_scope SET tail = max(tail, ?2) WHERE sid = ?1")                                  \
	X(F_LOST, "SELECT name, tail FROM follow_scope WHERE (?1 = 0 OR sid = ?1) AND tail > max(?2,"                 \
	          " CASE WHEN ?3 > 0 THEN acked ELSE 0 END, CASE WHEN ?3 > 1 THEN told ELSE 0 END) ORDER BY tail " \
	          "DESC LIMIT 1")

/* Only while a first round is settled: its rows in order of id, in a temporary file of SQLite and not in the log. */
#define SORT_MAKE                                                                                                     \
	"CREATE TEMP TABLE follow_sorted(at INTEGER PRIMARY KEY, id TEXT NOT NULL, place INTEGER NOT NULL,"           \
	"  life INTEGER NOT NULL)"
#define SORT_TABLE(X)                                                                                                 \
	X(S_FILL, "INSERT INTO temp.follow_sorted(id, place, life) SELECT id, place, life FROM follow_item"           \
	          " WHERE place > ?1 AND place <= ?2 ORDER BY id, place")                                             \
	X(S_TAKE_ALL, "INSERT INTO follow_entry(gen, id, place) SELECT ?1, id, CASE life WHEN 0 THEN place END"       \
	              " FROM follow_item WHERE place > ?2 AND place <= ?3 ORDER BY id")                               \
	X(S_TAKE, "INSERT INTO follow_entry(gen, id, place) SELECT ?1, id, CASE life WHEN 0 THEN place END"           \
	          " FROM temp.follow_sorted WHERE at > ?2 AND at <= ?3 ORDER BY at")                                  \
	X(S_ROWS, "SELECT id, place, life FROM temp.follow_sorted WHERE at > ?1 AND at <= ?2 ORDER BY at")            \
	X(S_LAST, "SELECT coalesce(max(at), 0) FROM temp.follow_sorted")

enum follow_sql {
#define X(name, text) name,
	FOLLOW_TABLE(X) SCOPE_TABLE(X) RELATION_TABLE(X) ASKING_TABLE(X) SORT_TABLE(X)
#undef X
	F_COUNT
};
