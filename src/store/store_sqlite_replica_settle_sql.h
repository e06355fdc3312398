/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a round becomes visible.  Private to the store module; part of the list in store_sqlite_replica_sql.h.
 *
 * The tables are temporary: they lie in a file of SQLite and not in the log.
 *
 *   follow_round  the round's items in order of id, with the row that counts; place is NULL when the row was dropped
 *   follow_twin   the rows of items that have more than one, in order of id and row key
 *   follow_pair   each row of the round that counts, and the row or tombstone that it replaces (NULL: a new id)
 *   follow_part   versions of members that are to be made, and those that they replace
 *   follow_ended  the row keys of versions of members that go; ends_tomb: of a tombstone
 *   follow_replaced  those of all rows that go, in order
 */
#pragma once
/* clang-format off */

#define SETTLE_MAKE                                                                                                   \
	"CREATE TEMP TABLE IF NOT EXISTS follow_round(at INTEGER PRIMARY KEY, id TEXT NOT NULL, place INTEGER,"       \
	"  life INTEGER NOT NULL, twins INTEGER NOT NULL);"                                                           \
	"CREATE TEMP TABLE IF NOT EXISTS follow_twin(at INTEGER PRIMARY KEY, id TEXT NOT NULL,"                       \
	"  place INTEGER NOT NULL, life INTEGER NOT NULL);"                                                           \
	"CREATE TEMP TABLE IF NOT EXISTS follow_pair(new INTEGER PRIMARY KEY, old INTEGER, at INTEGER NOT NULL);"     \
	"CREATE TEMP TABLE IF NOT EXISTS follow_part(old_place INTEGER, old_life INTEGER, relation TEXT, member TEXT," \
	"  slot INTEGER, life INTEGER, type TEXT, value TEXT, place INTEGER);"                                        \
	"CREATE TEMP TABLE IF NOT EXISTS follow_ended(place INTEGER NOT NULL, ends_tomb INTEGER NOT NULL);"           \
	"CREATE TEMP TABLE IF NOT EXISTS follow_replaced(place INTEGER PRIMARY KEY)"

/* The feed of the scope whose number is the first parameter. */
#define SETTLE_FEED "tenant = zeroblob(16) AND owner = " FOLLOWED_OWNER("?1") " AND collection = 255"
#define SETTLE_MOVED                                                                                                  \
	"gen = ?1 AND id IN (SELECT id FROM follow_item WHERE place >= ?3 AND place <= ?4"                            \
	" UNION ALL SELECT id FROM follow_tomb WHERE place >= ?3 AND place <= ?4) AND place > ?2"
#define SETTLE_ROUND(table) "FROM " table " WHERE place > ?1 AND place <= ?2"

#define SETTLE_TABLE(X)                                                                                               \
	X(S_EMPTY_ROUND, "DELETE FROM temp.follow_round")                                                             \
	X(S_EMPTY_TWINS, "DELETE FROM temp.follow_twin")                                                              \
	X(S_EMPTY_PAIRS, "DELETE FROM temp.follow_pair")                                                              \
	X(S_EMPTY_ENDED, "DELETE FROM temp.follow_ended")                                                             \
	X(S_EMPTY_OLD, "DELETE FROM temp.follow_replaced")                                                            \
	/* max(): the other columns are those of the last row. */                                                     \
	X(S_FILL, "INSERT INTO temp.follow_round(id, place, life, twins) SELECT id, max(place), life, count(*)"       \
	          " FROM (SELECT id, place, life " SETTLE_ROUND("follow_item")                                        \
	          " UNION ALL SELECT id, place, 1 " SETTLE_ROUND("follow_tomb") ") GROUP BY id ORDER BY id")          \
	X(S_COUNT_TWINS, "SELECT coalesce(sum(twins - 1), 0) FROM temp.follow_round")                                 \
	X(S_FILL_TWINS, "INSERT INTO temp.follow_twin(id, place, life) SELECT id, place, life "                       \
	                SETTLE_ROUND("follow_item") " AND id IN (SELECT id FROM temp.follow_round WHERE twins > 1)"   \
	                " ORDER BY id, place")                                                                        \
	X(S_TWINS, "SELECT at, id, place, life FROM temp.follow_twin WHERE at > ?1 ORDER BY at LIMIT ?2")             \
	X(S_BODY, "SELECT body FROM follow_item WHERE place = ?1")                                                    \
	X(S_LAST, "SELECT coalesce(max(at), 0) FROM temp.follow_round")                                               \
	/* A first round. */                                                                                          \
	X(S_TAKE_ALL, "INSERT INTO follow_entry(gen, id, place) SELECT ?1, id, CASE life WHEN 0 THEN place END"       \
	              " FROM follow_item WHERE place > ?2 AND place <= ?3 ORDER BY id")                               \
	X(S_TAKE, "INSERT INTO follow_entry(gen, id, place) SELECT ?1, id, place FROM temp.follow_round"              \
	          " WHERE at > ?2 AND at <= ?3 AND life = 0 ORDER BY at")                                             \
	X(S_CUT_REMOVED, "DELETE FROM follow_item WHERE place IN (SELECT place FROM temp.follow_round"                \
	                 " WHERE at > ?1 AND at <= ?2 AND life <> 0)")                                                \
	/* A later round. */                                                                                          \
	X(S_END_LETTERS, "UPDATE follow_letter SET ends = ?2 WHERE sid = ?1 AND round_gen = 0 AND id <> ''"           \
	                 " AND (?5 OR id IN (SELECT b.id FROM follow_letter b WHERE b.sid = ?1 AND b.round_gen = ?2)" \
	                 " OR id IN (SELECT id FROM follow_item WHERE place > ?3 AND place <= ?4))")                  \
	X(S_CUT_LETTERS, "DELETE FROM follow_letter WHERE sid = ?1 AND ends = ?2")                                    \
	X(S_ENTRIES, "SELECT e.id FROM follow_entry e WHERE e.gen = ?1 AND e.id > ?2 ORDER BY e.id LIMIT ?3")         \
	X(S_IDS, "SELECT at, id FROM temp.follow_round WHERE at > ?1 AND at <= ?2 ORDER BY at")                       \
	X(S_IS_SEEN, "SELECT 1 FROM follow_scope s CROSS JOIN follow_entry e ON e.gen = s.gen AND e.id = ?2"          \
	             " CROSS JOIN follow_item i ON i.place = " SEEN_PLACE("s", "e") " WHERE s.sid = ?1")              \
	X(S_ADD_ID, "INSERT INTO temp.follow_round(id, place, life, twins) VALUES(?1, ?2, ?3, 1)")                    \
	X(S_SET_ROUND_ORD, "UPDATE follow_scope SET round_ord = ?2, top = ?2 WHERE sid = ?1")                         \
	X(S_PAIR, "INSERT INTO temp.follow_pair(new, old, at) SELECT r.place,"                                        \
	          " CASE WHEN e.place > ?2 THEN e.was ELSE e.place END, r.at"                                         \
	          " FROM temp.follow_round r LEFT JOIN follow_entry e ON e.gen = ?1 AND e.id = r.id ORDER BY r.place") \
	X(S_PAIRS, "SELECT p.new, p.old, p.at, i.id, i.life, i.body, o.body FROM temp.follow_pair p"                  \
	           " CROSS JOIN follow_item i ON i.place = p.new LEFT JOIN follow_item o ON o.place = p.old"          \
	           " WHERE p.new > ?1 ORDER BY p.new LIMIT ?2")                                                       \
	X(S_CUT_PAIR, "DELETE FROM temp.follow_pair WHERE new = ?1")                                                  \
	X(S_DROP_ID, "UPDATE temp.follow_round SET place = NULL WHERE at = ?1")                                       \
	X(S_SET_LIFE, "UPDATE follow_item SET life = ?2 WHERE place = ?1")                                            \
	X(S_ADD_TOMB, "INSERT OR REPLACE INTO follow_tomb(place, id, life, at_ms) VALUES(?1, ?2, ?3, ?4)")            \
	X(S_ADD_DETAIL, "INSERT OR REPLACE INTO follow_detail(place, kind, life, fields, id) VALUES(?1, ?2, ?3,"      \
	  " ?4, ?5)")                                                                                                 \
	X(S_COUNT_PAIRS, "SELECT count(*) FROM temp.follow_pair")                                                     \
	X(S_COUNT_KINDS, "SELECT sum(kind = 1), sum(kind = 2), sum(kind = 3) " SETTLE_ROUND("follow_detail"))         \
	X(S_COUNT_UNNAMED, "SELECT count(*) " SETTLE_ROUND("follow_tomb") " AND life = 0")                            \
	X(S_COUNT_UNKNOWN, "SELECT count(*) FROM temp.follow_pair p CROSS JOIN follow_tomb t ON t.place = p.new"      \
	                   " WHERE p.old IS NULL")                                                                    \
	X(S_COUNT_BACK, "SELECT count(*) FROM temp.follow_pair p CROSS JOIN follow_tomb t ON t.place = p.old")        \
	X(S_SET_MOVING, "UPDATE follow_scope SET moving = ?2 WHERE sid = ?1")                                         \
	/* Twins: which of them is an item anew was found after the table was filled. */                              \
	X(S_END_ANEW, "UPDATE follow_item SET life = 0 WHERE life = 4 AND place IN (SELECT place"                     \
	              " FROM temp.follow_round WHERE at > ?1 AND at <= ?2 AND (twins > 1 OR life = 4))")              \
	X(S_MOVE, "INSERT INTO follow_entry(gen, id, place) SELECT ?1, id, place FROM temp.follow_round"              \
	          " WHERE at > ?3 AND at <= ?4 AND place IS NOT NULL ORDER BY at ON CONFLICT(gen, id) DO UPDATE"      \
	          " SET was = CASE WHEN place > ?2 THEN was ELSE place END, place = excluded.place")                  \
	/* ?1 the gen, ?2 the row key of the head; the entries that moved to the rows from ?3 to ?4. */               \
	X(S_UNDO_NEW, "DELETE FROM follow_entry WHERE " SETTLE_MOVED " AND was IS NULL")                              \
	X(S_UNDO_MOVED, "UPDATE follow_entry SET place = was WHERE " SETTLE_MOVED)                                    \
	/* The row key of an item's tombstone is that of its hidden members, too. */                                  \
	X(S_FILL_OLD, "INSERT OR IGNORE INTO temp.follow_replaced(place) SELECT old FROM temp.follow_pair"            \
	              " WHERE old > 0 UNION ALL SELECT place FROM temp.follow_ended ORDER BY 1")                      \
	X(S_OLD_ROWS, "SELECT place FROM temp.follow_replaced WHERE place > ?1 ORDER BY place LIMIT ?2")              \
	X(S_HAS_ROW, "SELECT EXISTS(SELECT 1 FROM follow_item WHERE place > ?1 AND place < ?2)"                       \
	             " OR EXISTS(SELECT 1 FROM follow_tomb WHERE place > ?1 AND place < ?2) OR ?3 AND"                \
	             " EXISTS(SELECT 1 FROM follow_member WHERE life IN (0, 1) AND place > ?1 AND place < ?2)")       \
	X(S_ADD_RUN, "INSERT OR REPLACE INTO follow_dead(first, last) VALUES(?1, ?2)")                                \
	/* The switch. */                                                                                             \
	X(S_END_ROUND, "UPDATE follow_scope SET phase = 0, delta_link = round_link, round_link = '', gen = ?2,"       \
	               " ord = ?3, top = max(top, ?3), moving = ?6, items = ?4, rounds = rounds + 1,"                 \
	               " round_ended_ms = ?5, round_gen = 0, rule = CASE WHEN kind IN (0, 2) THEN round_rule"         \
	               " ELSE rule END, gap_ms = CASE WHEN kind = 3 THEN ?5 ELSE gap_ms END, round_ord = 0,"          \
	               " round_first = 0, round_pages = 0, round_items = 0 WHERE sid = ?1")                           \
	X(S_ADD_RANGE, "INSERT INTO follow_range(n, last, sid, gen, at_ms, first, is_listing)"                        \
	               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                                         \
	X(S_ADD_BASE, "INSERT OR REPLACE INTO feed_epoch(fid, epoch, base) SELECT fid, ?2, head FROM feed"            \
	              " WHERE " SETTLE_FEED " AND epoch < ?2")                                                        \
	X(S_ADD_FEED, "INSERT OR IGNORE INTO feed(tenant, owner, collection, incarnation, epoch, head, horizon,"      \
	              " horizon_ms, last_ms, pinned, live, tombs, gen) VALUES(zeroblob(16), " FOLLOWED_OWNER("?1")    \
	              ", 255, ?2, ?3, 0, 0, 0, 0, NULL, 0, 0, ?4)")                                                   \
	X(S_SAVE_FEED, "UPDATE feed SET epoch = ?2, head = ?3, last_ms = max(last_ms, ?4), live = ?5,"                \
	               " tombs = tombs + ?6, moving = ?7, relates = ?8 WHERE " SETTLE_FEED)                           \
	X(S_CUT_BASES, "DELETE FROM feed_epoch WHERE fid = (SELECT fid FROM feed WHERE " SETTLE_FEED ")")             \
	X(S_CUT_FEED, "DELETE FROM feed WHERE " SETTLE_FEED)                                                          \
	/* Dead rows. */                                                                                              \
	X(S_NEXT_DEAD, "SELECT d.first, d.last, s.sid, s.gen, s.moving, s.tail_ord, s.ord FROM follow_dead d"         \
	               " LEFT JOIN follow_scope s ON s.gen = d.first >> 36 WHERE d.first >= ?1 ORDER BY d.first"      \
	  " LIMIT 1")                                                                                                 \
	X(S_SPLIT_DEAD, "INSERT INTO follow_dead(first, last) SELECT ?2 + 1, last FROM follow_dead"                   \
	                " WHERE first >= ?1 AND first <= ?2 AND last > ?2")                                           \
	X(S_SHORTEN_DEAD, "UPDATE follow_dead SET last = ?2 WHERE first >= ?1 AND first <= ?2 AND last > ?2")         \
	/* +: the row is found by the range alone, and not by the tail. */                                            \
	X(S_KEEP_IDS, "INSERT INTO follow_detail(place, kind, life, fields, id) SELECT i.place, 0, 0, '', i.id"       \
	              " FROM follow_dead d CROSS JOIN follow_item i ON i.place >= d.first AND i.place <= d.last"      \
	              " WHERE d.first >= ?1 AND d.first <= ?2 AND +i.place > ?3 AND +i.place <= ?4"                   \
	              " ON CONFLICT(place) DO NOTHING")                                                               \
	X(S_CUT_DEAD_RUN, "DELETE FROM follow_item WHERE place >= ?1 AND place <= ?2")                                \
	X(S_CUT_DEAD_ITEMS, "DELETE FROM follow_item WHERE place IN (SELECT i.place FROM follow_dead d CROSS JOIN"    \
	                    " follow_item i ON i.place >= d.first AND i.place <= d.last WHERE d.first >= ?1 AND"      \
	  " d.first <= ?2)")                                                                                          \
	X(S_CUT_DEAD_TOMBS, "DELETE FROM follow_tomb WHERE place IN (SELECT t.place FROM follow_dead d CROSS JOIN"    \
	                    " follow_tomb t ON t.place >= d.first AND t.place <= d.last WHERE d.first >= ?1 AND"      \
	  " d.first <= ?2)")                                                                                          \
	X(S_CUT_DEAD_DETAILS, "DELETE FROM follow_detail WHERE place >= ?1 AND place <= ?2 AND place > ?3")           \
	X(S_CUT_RUNS, "DELETE FROM follow_dead WHERE first >= ?1 AND first <= ?2")                                    \
	X(S_CUT_SOME_RUNS, "DELETE FROM follow_dead WHERE first IN (SELECT first FROM follow_dead WHERE first > ?1"   \
	                   " AND first <= ?2 ORDER BY first LIMIT ?3)")                                               \
	X(S_END_MOVING, "UPDATE follow_scope SET moving = 0 WHERE sid = ?1")                                          \
	X(S_END_FEED_MOVING, "UPDATE feed SET moving = 0 WHERE " SETTLE_FEED)                                         \
	X(S_NEXT_MOVED, "SELECT sid, gen FROM follow_scope WHERE moving IN (2, 4) AND gen >= ?1 AND gen <= ?2"        \
	                 " LIMIT 1")
