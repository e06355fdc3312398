/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every statement that the SQLite engine runs on an open store, and the tables they run on.
 *
 * A row key is fid<<40 | seq, the tables' own key, so the rows of a feed lie together in the
 * order of change, and a scan reads neighbouring pages.  Live items and tombstones are two
 * tables: an initial scan never reads a tombstone, a later one merges the two.
 * tests/unit/store/test_store_sqlite.c checks that each statement uses an index and sorts nothing.
 */
#pragma once
/* clang-format off */

#include "store/store_sqlite_followed_sql.h"

#define SQLITE_APPLICATION_ID 0x54646d6b         /* "Tdmk" */

#define SCHEMA_1                                                                                                      \
	"CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), store_id BLOB NOT NULL,"                           \
	"  epoch INTEGER NOT NULL, marker INTEGER NOT NULL) STRICT;"                                                  \
	"CREATE TABLE feed(fid INTEGER PRIMARY KEY, tenant BLOB NOT NULL, owner BLOB NOT NULL,"                       \
	"  collection INTEGER NOT NULL, incarnation BLOB NOT NULL, epoch INTEGER NOT NULL, head INTEGER NOT NULL,"    \
	"  horizon INTEGER NOT NULL, horizon_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, pinned BLOB,"             \
	"  live INTEGER NOT NULL, tombs INTEGER NOT NULL, UNIQUE(tenant, owner, collection)) STRICT;"                 \
	"CREATE TABLE feed_epoch(fid INTEGER NOT NULL, epoch INTEGER NOT NULL, base INTEGER NOT NULL,"                \
	"  PRIMARY KEY(fid, epoch)) STRICT, WITHOUT ROWID;"                                                           \
	"CREATE TABLE item(place INTEGER PRIMARY KEY, fid INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"             \
	"  id BLOB NOT NULL, key BLOB, body BLOB NOT NULL) STRICT;"                                                   \
	"CREATE UNIQUE INDEX item_id ON item(fid, id);"                                                               \
	"CREATE INDEX item_key ON item(fid, key) WHERE key IS NOT NULL;"                                              \
	"CREATE TABLE tomb(place INTEGER PRIMARY KEY, fid INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"             \
	"  id BLOB NOT NULL) STRICT;"                                                                                 \
	"CREATE UNIQUE INDEX tomb_id ON tomb(fid, id);"                                                               \
	"CREATE TABLE note(space TEXT NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL,"                             \
	"  PRIMARY KEY(space, name)) STRICT, WITHOUT ROWID;"                                                          \
	"CREATE TABLE op(id BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"                         \
	"CREATE INDEX op_at ON op(at_ms);"

/* The number `made` (store.h): of the items of earlier versions it is the seq that they have now. */
#define SCHEMA_5                                                                                                      \
	"ALTER TABLE item ADD COLUMN made INTEGER NOT NULL DEFAULT 0;"                                                \
	"UPDATE item SET made = place & 0xffffffffff;"                                                                \
	"CREATE UNIQUE INDEX item_made ON item(fid, made);"

#define THIS_FEED   "tenant = ?1 AND owner = ?2 AND collection = ?3"
#define FEED_STATE  "f.fid, incarnation, f.epoch, head, horizon, horizon_ms, last_ms, live, tombs, pinned, m.epoch," \
                    " gen, moving, relates"
#define ITEM_FIELDS "i.place, i.id, i.key, i.changed_ms, i.body, i.made"

#define SQL_TABLE(X)                                                                                                  \
	X(SQL_BEGIN, "BEGIN IMMEDIATE")                                                                               \
	X(SQL_COMMIT, "COMMIT")                                                                                       \
	X(SQL_ROLLBACK, "ROLLBACK")                                                                                   \
	X(SQL_SAVEPOINT, "SAVEPOINT txn")                                                                             \
	X(SQL_RELEASE, "RELEASE txn")                                                                                 \
	X(SQL_ROLLBACK_TO, "ROLLBACK TO txn")                                                                         \
	X(SQL_SET_MARKER, "UPDATE meta SET marker = ?1 WHERE one = 1")                                                \
	X(SQL_FEED, "SELECT " FEED_STATE ", (SELECT min(base) FROM feed_epoch e WHERE e.fid = f.fid AND e.epoch > ?4)" \
	            " FROM feed f CROSS JOIN meta m ON m.one = 1 WHERE " THIS_FEED)                                   \
	X(SQL_NEXT_FEED, "SELECT " FEED_STATE ", NULL, tenant, owner, collection"                                     \
	                 " FROM feed f CROSS JOIN meta m ON m.one = 1"                                                \
	                 " WHERE (tenant, owner, collection) > (?1, ?2, ?3) AND f.gen = 0"                            \
	                 " ORDER BY tenant, owner, collection LIMIT 1")                                               \
	X(SQL_ITEMS, "SELECT " ITEM_FIELDS " FROM item i WHERE place > ?1 AND place <= ?2 ORDER BY place")            \
	X(SQL_MADE, "SELECT " ITEM_FIELDS " FROM item i WHERE fid = ?1 AND made > ?2 ORDER BY made")                   \
	X(SQL_OF_KEY, "SELECT " ITEM_FIELDS " FROM item i INDEXED BY item_key"                                        \
	              " WHERE fid = ?3 AND key = ?4 AND place > ?1 AND place <= ?2 ORDER BY place")                    \
	X(SQL_BODIES, "SELECT place, body FROM item WHERE place > ?1 AND place <= ?2 ORDER BY place")                 \
	X(SQL_TOMBS, "SELECT place, id, NULL, changed_ms, NULL, 0 FROM tomb WHERE place > ?1 AND place <= ?2 ORDER " \
	  "BY place") \
	X(SQL_GET, "SELECT " ITEM_FIELDS " FROM feed f CROSS JOIN item i ON i.fid = f.fid AND i.id = ?4 " \
	  "WHERE " THIS_FEED) \
	X(SQL_GET_DEFAULT, "SELECT " ITEM_FIELDS " FROM feed f CROSS JOIN item i ON i.fid = f.fid AND i.id = f.pinned" \
	                  " WHERE " THIS_FEED)                                                                        \
	/* By the feed's number, for a transaction that knows it. */                                     \
	X(SQL_GET_IN, "SELECT " ITEM_FIELDS " FROM item i WHERE fid = ?1 AND id = ?2")                                \
	X(SQL_FIND_IN, "SELECT " ITEM_FIELDS " FROM item i WHERE fid = ?1 AND key = ?2 ORDER BY place LIMIT 1")       \
	X(SQL_NEXT_IN, "SELECT " ITEM_FIELDS " FROM item i WHERE place > (?1 << 40) + ?2" \
	  " AND place < (?1 + 1) << 40 ORDER BY place LIMIT 1") \
	X(SQL_ITEM_BELOW, "SELECT place, changed_ms FROM item WHERE place > ?1 AND place <= ?2 ORDER BY place " \
	  "DESC LIMIT 1") \
	X(SQL_TOMB_BELOW, "SELECT place, changed_ms FROM tomb WHERE place > ?1 AND place <= ?2 ORDER BY place " \
	  "DESC LIMIT 1") \
	X(SQL_GET_KV, "SELECT value FROM note WHERE space = ?1 AND name = ?2")                                      \
	X(SQL_NEXT_KV, "SELECT name, value FROM note WHERE space = ?1 AND name > ?2 ORDER BY name LIMIT 1")         \
	X(SQL_ADD_OP, "INSERT OR IGNORE INTO op(id, at_ms) VALUES(?1, ?2)")                                           \
	X(SQL_FORGET_OPS, "DELETE FROM op WHERE at_ms < ?1")                                                          \
	X(SQL_MAKE_FEED, "INSERT INTO feed(tenant, owner, collection, incarnation, epoch, head, horizon, horizon_ms," \
	                 " last_ms, pinned, live, tombs) VALUES(?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, NULL, 0, 0)")         \
	X(SQL_SAVE_FEED, "UPDATE feed SET epoch = ?2, head = ?3, horizon = ?4, horizon_ms = ?5, last_ms = ?6,"        \
	                 " live = ?7, tombs = ?8, pinned = ?9 WHERE fid = ?1")                                        \
	X(SQL_DROP_FEED, "DELETE FROM feed WHERE fid = ?1")                                                           \
	X(SQL_ADD_BASE, "INSERT OR REPLACE INTO feed_epoch(fid, epoch, base) VALUES(?1, ?2, ?3)")                     \
	X(SQL_DROP_BASES, "DELETE FROM feed_epoch WHERE fid = ?1")                                                    \
	X(SQL_MOVE_ITEM, "UPDATE item SET place = ?3, changed_ms = ?4, key = ?5, body = ?6 WHERE fid = ?1 AND id " \
	  "= ?2") \
	X(SQL_ADD_ITEM, "INSERT INTO item(fid, id, place, changed_ms, key, body, made)"                              \
	                " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?3 & 0xffffffffff)")                                         \
	X(SQL_REWRITE_ITEM, "UPDATE item SET key = ?3, body = ?4 WHERE fid = ?1 AND id = ?2")                         \
	X(SQL_HAS_ITEM, "SELECT place FROM item WHERE fid = ?1 AND id = ?2")                                          \
	X(SQL_CUT_ITEM, "DELETE FROM item WHERE fid = ?1 AND id = ?2")                                                \
	X(SQL_CUT_ITEMS, "DELETE FROM item WHERE place > ?1 AND place <= ?2")                                         \
	X(SQL_ADD_TOMB, "INSERT INTO tomb(fid, id, place, changed_ms) VALUES(?1, ?2, ?3, ?4)")                        \
	X(SQL_CUT_TOMB, "DELETE FROM tomb WHERE fid = ?1 AND id = ?2")                                                \
	X(SQL_CUT_TOMBS, "DELETE FROM tomb WHERE place > ?1 AND place <= ?2")                                         \
	X(SQL_PUT_KV, "INSERT OR REPLACE INTO note(space, name, value) VALUES(?1, ?2, ?3)")                         \
	X(SQL_CUT_KV, "DELETE FROM note WHERE space = ?1 AND name = ?2")                                            \
	X(SQL_COUNT_FEEDS, "SELECT count(*), coalesce(sum(live), 0), coalesce(sum(tombs), 0) FROM feed" \
	                   " WHERE gen = 0")                                                                          \
	X(SQL_COUNT_KV, "SELECT count(*) FROM note")

enum sql {
#define X(name, text) name,
	SQL_TABLE(X) FOLLOWED_TABLE(X)
#undef X
	SQL_COUNT
};
