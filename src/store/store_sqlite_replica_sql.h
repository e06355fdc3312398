/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replica's tables and statements.  Private to the store module.
 *
 * The rows of a feed lie together: a row key is gen<<36 | seq (store_sqlite_replica_feed_sql.h says more).  A first
 * round has a gen of its own, which becomes the gen of the scope; the rows of a later round are staged behind the rows
 * of the view.  Relations and dead letters are staged under round_gen, which every round has for itself.
 *
 * follow_change has the changes of later rounds that were settled by earlier versions: a row for each.
 */
#pragma once
/* clang-format off */

#include "store/store_sqlite_replica_asking_sql.h"
#include "store/store_sqlite_replica_feed_sql.h"
#include "store/store_sqlite_replica_owner_sql.h"
#include "store/store_sqlite_replica_scope_sql.h"
#include "store/store_sqlite_replica_relation_sql.h"
#include "store/store_sqlite_replica_settle_sql.h"

#define ORD_BITS 36
#define ORD_MAX  (((int64_t)1 << ORD_BITS) - 1)

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

/* It made views, which are no part of the steps now: store_sqlite_views.c. */
#define SCHEMA_3 ""

/*
 * What was deleted from the log of changes: up to follow_scope.tail, changes of the scope may be missing. The rows of
 * a scope's changes are found by an index that holds their numbers in order.
 */
#define SCHEMA_4                                                                                                      \
	"ALTER TABLE follow_scope ADD COLUMN tail INTEGER NOT NULL DEFAULT 0;"                                        \
	"CREATE INDEX follow_change_of ON follow_change(sid);"

#define SCOPE_FIELDS                                                                                                  \
	"sid, name, url, resource, from_now, delta_link, items, phase, kind, round_link, round_pages, round_items,"   \
	" round_started_ms, rounds, round_ended_ms, throttled_ms, fault, fault_ms, acked, told,"                      \
	" (SELECT count(*) FROM follow_letter l WHERE l.sid = s.sid AND l.round_gen = 0), gen, ord, round_gen, " \
	"round_ord, tail, updates, rule, round_rule, gap_ms, owner, top, round_first, moving, tail_ord"

#define CHANGE_FIELDS "c.n, c.kind, c.life, s.name, c.id, c.fields, i.body, c.sid, c.at_ms"
#define CHANGE_JOIN                                                                                                   \
	" FROM follow_change c CROSS JOIN follow_scope s ON s.sid = c.sid"                                            \
	" LEFT JOIN follow_entry e ON c.kind <> 2 AND e.gen = s.gen AND e.id = c.id"                                  \
	" LEFT JOIN follow_item i ON i.place = " SEEN_PLACE("s", "e") " WHERE c.n > ?1"

/* May this change be deleted? When one must stay, all later ones stay, even if the clock was set back. */
#define FOLLOW_IS_OLD "CASE WHEN ?2 > 0 THEN n <= ?2 AND at_ms < ?3 ELSE at_ms < ?4 END"

#define FOLLOW_TABLE(X)                                                                                               \
	X(F_BEGIN, "BEGIN IMMEDIATE")                                                                                 \
	X(F_BEGIN_READ, "BEGIN")                                                                                      \
	X(F_COMMIT, "COMMIT")                                                                                         \
	X(F_ROLLBACK, "ROLLBACK")                                                                                     \
	X(F_SCOPE, "SELECT " SCOPE_FIELDS " FROM follow_scope s WHERE sid = ?1")                                      \
	X(F_SCOPE_NAMED, "SELECT " SCOPE_FIELDS " FROM follow_scope s WHERE name = ?2")                               \
	X(F_SCOPE_OF_URL, "SELECT " SCOPE_FIELDS " FROM follow_scope s WHERE url = ?2 ORDER BY owner LIMIT 1"         \
	                  " OFFSET ?1")                                                                               \
	X(F_SCOPE_NEXT, "SELECT " SCOPE_FIELDS " FROM follow_scope s WHERE sid > ?1 ORDER BY sid LIMIT 1")            \
	X(F_ADD_SCOPE, "INSERT OR IGNORE INTO follow_scope(name, url, resource, from_now, updates, round_rule)"       \
	               " VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                                                             \
	X(F_SET_FAULT, "UPDATE follow_scope SET fault = ?2, fault_ms = ?3 WHERE sid = ?1")                            \
	X(F_ADD_PAUSE, "UPDATE follow_scope SET throttled_ms = throttled_ms + ?3 WHERE sid = ?1")                     \
	X(F_SET_ACKED, "UPDATE follow_scope SET acked = max(acked, ?3) WHERE sid = ?1")                               \
	X(F_SET_PRINTED, "UPDATE follow_scope SET told = max(told, ?3) WHERE sid = ?1") \
	X(F_TAKE_GEN, "UPDATE follow_meta SET last_gen = last_gen + 1 WHERE one = 1 RETURNING last_gen")              \
	X(F_TAKE_N, "UPDATE follow_meta SET last_n = last_n + ?1 WHERE one = 1 RETURNING last_n")                     \
	X(F_HEAD, "SELECT last_n FROM follow_meta WHERE one = 1")                                                     \
	X(F_START_ROUND, "UPDATE follow_scope SET phase = 1, kind = ?2, round_link = ?3, round_started_ms = ?4,"      \
	                 " round_gen = ?5, round_first = top, round_ord = top, round_pages = 0, round_items = 0"      \
	                 " WHERE sid = ?1")                                                                           \
	X(F_STOP_ROUND, "UPDATE follow_scope SET phase = 0, round_link = '', round_gen = 0, round_ord = 0,"           \
	                " round_first = 0, moving = CASE moving WHEN 3 THEN 0 ELSE moving END,"                       \
	                " round_pages = 0, round_items = 0 WHERE sid = ?1")                                           \
	X(F_SAVE_PAGE, "UPDATE follow_scope SET phase = ?2, round_link = ?3, round_ord = ?4,"                         \
	               " top = CASE WHEN gen <> 0 THEN ?4 ELSE top END,"                                              \
	               " round_items = round_items + ?5, round_pages = round_pages + 1 WHERE sid = ?1")               \
	X(F_ADD_OLD, "INSERT OR IGNORE INTO follow_old(gen) VALUES(?1)")                                              \
	X(F_NEXT_OLD, "SELECT gen FROM follow_old ORDER BY gen LIMIT 1")                                              \
	X(F_CUT_OLD, "DELETE FROM follow_old WHERE gen = ?1")                                                         \
	X(F_CUT_ENTRIES, "DELETE FROM follow_entry WHERE gen = ?1 AND id IN"                                          \
	                 " (SELECT id FROM follow_entry WHERE gen = ?1 ORDER BY id LIMIT ?2)")                        \
	X(F_CUT_ITEMS, "DELETE FROM follow_item WHERE place IN (SELECT place FROM follow_item"                        \
	               " WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3)")                                  \
	X(F_CUT_TOMBS, "DELETE FROM follow_tomb WHERE place IN (SELECT place FROM follow_tomb"                        \
	               " WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3)")                                  \
	X(F_ADD_ITEM, "INSERT INTO follow_item(place, id, life, body) VALUES(?1, ?2, ?3, ?4)")                        \
	X(F_SET_BODY, "UPDATE follow_item SET body = ?2, shown = NULL WHERE place = ?1") \
	X(F_CUT_ITEM, "DELETE FROM follow_item WHERE place = ?1")                                                     \
	X(F_COUNT_ENTRIES, "SELECT count(*) FROM follow_entry WHERE gen = ?1")                                        \
	X(F_CHANGE, "SELECT " CHANGE_FIELDS CHANGE_JOIN " ORDER BY c.n LIMIT 1")                                      \
	X(F_CHANGE_OF, "SELECT " CHANGE_FIELDS CHANGE_JOIN " AND c.sid = ?2 ORDER BY c.n LIMIT 1")                    \
	X(F_RANGE, "SELECT r.n, r.last, r.gen, r.sid, r.at_ms, r.first, s.tail, r.is_listing FROM follow_range r"     \
	           " CROSS JOIN follow_scope s ON s.sid = r.sid WHERE r.last > ?1 AND (?2 = 0 OR r.sid = ?2)"         \
	           " AND r.last > s.tail ORDER BY r.n LIMIT 1")                                                       \
	/* The first change in a range of row keys: of an item that is there, or of one that follow_detail names. */  \
	X(F_RANGE_ROW, "WITH next(place) AS (SELECT min(coalesce(min(a, b), a, b)) FROM (SELECT"                      \
	               " (SELECT min(place) FROM follow_item WHERE place > ?1 AND place <= ?2) AS a,"                 \
	               " (SELECT min(place) FROM follow_detail WHERE place > ?1 AND place <= ?2) AS b))"              \
	               " SELECT n.place, coalesce(d.id, i.id), b.body, s.name, coalesce(d.kind, 0),"                  \
	               " coalesce(d.life, 0), coalesce(d.fields, '') FROM next n CROSS JOIN follow_scope s ON"        \
	  " s.sid = ?3"                                                                                               \
	               " LEFT JOIN follow_item i ON i.place = n.place LEFT JOIN follow_detail d ON d.place = n.place" \
	               " LEFT JOIN follow_entry e ON d.kind IS NOT 2 AND e.gen = s.gen AND e.id = coalesce(d.id,"     \
	  " i.id)"                                                                                                    \
	               " LEFT JOIN follow_item b ON b.place = " SEEN_PLACE("s", "e") " WHERE n.place IS NOT NULL")    \
	X(F_NEXT_ITEM, "SELECT e.id, i.body FROM follow_scope s CROSS JOIN follow_entry e ON e.gen = s.gen AND " \
	  "e.id > ?2" \
	               " CROSS JOIN follow_item i ON i.place = " SEEN_PLACE("s", "e")                                 \
	               " WHERE s.sid = ?1 ORDER BY e.id LIMIT 1")                                                     \
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
	X(F_TRIM_SCOPE, "SELECT sid, acked, tail, gen, tail_ord FROM follow_scope WHERE sid > ?1 ORDER BY sid"        \
	  " LIMIT 1")                                                                                                 \
	X(F_TRIM_ROWS, "WITH row AS (SELECT n, " FOLLOW_IS_OLD " AS is_old FROM follow_change WHERE sid = ?1 " \
	  "ORDER BY n LIMIT ?5)" \
	               " SELECT coalesce(max(n), 0) FROM row"                                                         \
	               " WHERE n < (SELECT coalesce(min(n), 1 << 62) FROM row WHERE NOT is_old)")                     \
	/* Ranges end in order, so those that may go are the first ones. */                                           \
	X(F_TRIM_RANGE, "SELECT n, last, first, CASE WHEN ?2 > 0 THEN min(last, ?2) ELSE last END,"                   \
	                " CASE WHEN ?2 > 0 THEN n <= ?2 AND at_ms < ?3 ELSE at_ms < ?4 END"                           \
	                " FROM follow_range WHERE sid = ?1 AND last > ?5 ORDER BY n LIMIT 1")                         \
	X(F_CUT_DETAILS, "DELETE FROM follow_detail WHERE place IN (SELECT place FROM follow_detail"                  \
	                 " WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3)")                                \
	X(F_FIRST_DETAIL, "SELECT place FROM follow_detail WHERE place > ?1 AND place <= ?2 UNION ALL SELECT place"   \
	                  " FROM follow_detail_member WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT 1")       \
	X(F_CUT_CHANGES, "DELETE FROM follow_change WHERE sid = ?1 AND n <= ?2")                                      \
	X(F_CUT_RANGES, "DELETE FROM follow_range WHERE sid = ?1 AND last <= ?2")                                     \
	X(F_SET_TAIL, "UPDATE follow_scope SET tail = max(tail, ?2), tail_ord = max(tail_ord, ?3) WHERE sid = ?1")    \
	X(F_LOST, "SELECT name, tail FROM follow_scope WHERE (?1 = 0 OR sid = ?1) AND tail > max(?2,"                 \
	          " CASE WHEN ?3 > 0 THEN acked ELSE 0 END, CASE WHEN ?3 > 1 THEN told ELSE 0 END) ORDER BY tail " \
	          "DESC LIMIT 1")

enum follow_sql {
#define X(name, text) name,
	FOLLOW_TABLE(X) SCOPE_TABLE(X) RELATION_TABLE(X) ASKING_TABLE(X) OWNER_TABLE(X) SETTLE_TABLE(X)
#undef X
	F_COUNT
};
