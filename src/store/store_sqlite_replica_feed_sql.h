/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scope's view as a feed: its tables.  Private to the store module; part of the list in store_sqlite_replica_sql.h.
 *
 * The rows of a feed have the row keys gen<<36 | seq, in the order of change.  scope.ord is the head: what is above it
 * is not visible yet.  A later round is staged above scope.top, the highest seq that was ever used, and its rows stay
 * where they are.  One commit raises the head: the round is visible.
 *
 *   follow_entry   id → row key of the item's row or tombstone; 0: the tombstone is purged.  Above the head it belongs
 *                  to a round that is not visible: then `was` is where the item is until the switch.  An id that was
 *                  ever in the view keeps its entry.
 *   follow_tomb    removed items; life says why
 *   follow_dead    ranges of row keys, both ends included, whose rows go: a newer version has replaced them, or their
 *                  round was dropped.  No two ranges overlap.
 *   follow_range   the numbers n…last of the changes of a round: number n is the row key gen<<36 + first, and so on;
 *                  is_listing: of a first round, where an item that is gone leaves no creation
 *   follow_detail  a change by its row key, if it is not a plain creation, or if the row of the creation is gone
 *   follow_member  the members of relations, each with a row key of its own (store_sqlite_replica_relation_sql.h);
 *                  feed.relates: there may be some, so scans merge them
 *
 * scope.moving: 0; or 3 when a listing has removals of what it does not name, the rows of what it does name may go, and
 * members may have later versions; or 1 while entries move to a round that is not visible yet, when follow_dead has
 * rows that are still seen; or 2 while dead rows wait for their deletion; or 4 when a round was dropped while entries
 * moved: the ranges below the head go without their rows, and each entry goes back when the row to which it had moved
 * goes.  feed.moving is 1 when it is 2: scans leave out what follow_dead names.
 */
#pragma once
/* clang-format off */

/* The owner that names the feed of a scope in the table `feed`: sixteen digits. Its tenant is zero. */
#define FOLLOWED_OWNER(sid) "CAST(printf('%016d', " sid ") AS BLOB)"
/* Where the item of an entry is seen, e being the entry: for a head with that row key; for the scope s. */
#define FOLLOWED_PLACE(e, head) "CASE WHEN " e ".place > " head " THEN " e ".was ELSE " e ".place END"
#define SEEN_PLACE(s, e)        FOLLOWED_PLACE(e, "(" s ".gen << 36) + " s ".ord")
/* Of a row r that is not above the head, while dead rows wait for their deletion: has it a later version? */
#define MEMBER_IS_DEAD(r, head)                                                                                       \
	"EXISTS(SELECT 1 FROM follow_member n WHERE n.gen = " r ".gen AND n.id = " r ".id AND n.relation = " r        \
	".relation AND n.member = " r ".member AND n.slot = 1 - " r ".slot AND n.place > " r ".place"                 \
	" AND n.place <= " head ")"

/*
 * A later round that was staged in the way of earlier versions is dropped: it is fetched again.  The rows of its gen
 * are deleted by replica_sweep().
 */
#define SCHEMA_FEED                                                                                                   \
	"ALTER TABLE feed ADD COLUMN gen INTEGER NOT NULL DEFAULT 0;"                                                 \
	"ALTER TABLE feed ADD COLUMN moving INTEGER NOT NULL DEFAULT 0;"                                              \
	"ALTER TABLE feed ADD COLUMN relates INTEGER NOT NULL DEFAULT 0;"                                             \
	"ALTER TABLE follow_scope ADD COLUMN top INTEGER NOT NULL DEFAULT 0;"                                         \
	"ALTER TABLE follow_scope ADD COLUMN round_first INTEGER NOT NULL DEFAULT 0;"                                 \
	"ALTER TABLE follow_scope ADD COLUMN moving INTEGER NOT NULL DEFAULT 0;"                                      \
	"ALTER TABLE follow_scope ADD COLUMN tail_ord INTEGER NOT NULL DEFAULT 0;"                                    \
	"ALTER TABLE follow_entry ADD COLUMN was INTEGER;"                                                            \
	"ALTER TABLE follow_range ADD COLUMN first INTEGER NOT NULL DEFAULT 1;"                                       \
	"ALTER TABLE follow_range ADD COLUMN is_listing INTEGER NOT NULL DEFAULT 1;"                                  \
	"ALTER TABLE follow_letter ADD COLUMN ends INTEGER NOT NULL DEFAULT 0;"                                       \
	"CREATE TABLE follow_tomb(place INTEGER PRIMARY KEY, id TEXT NOT NULL, life INTEGER NOT NULL,"                \
	"  at_ms INTEGER NOT NULL) STRICT;"                                                                           \
	"CREATE INDEX follow_scope_of_gen ON follow_scope(gen);"                                                      \
	"CREATE INDEX follow_scope_moving ON follow_scope(gen) WHERE moving IN (2, 4);"                               \
	"CREATE INDEX follow_range_of ON follow_range(sid);"                                                          \
	"CREATE TABLE follow_dead(first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;"                          \
	"CREATE TABLE follow_detail(place INTEGER PRIMARY KEY, kind INTEGER NOT NULL, life INTEGER NOT NULL,"         \
	"  fields TEXT NOT NULL, id TEXT NOT NULL) STRICT;"                                                           \
	"DELETE FROM follow_letter WHERE round_gen <> 0 AND sid IN"                                                   \
	"  (SELECT sid FROM follow_scope WHERE gen <> 0 AND phase <> 0);"                                             \
	"INSERT OR IGNORE INTO follow_old(gen) SELECT round_gen FROM follow_scope WHERE gen <> 0 AND phase <> 0;"     \
	"UPDATE follow_scope SET phase = 0, round_link = '', round_gen = 0, round_ord = 0, round_pages = 0,"          \
	"  round_items = 0 WHERE gen <> 0 AND phase <> 0;"                                                            \
	"UPDATE follow_scope SET top = ord;"                                                                          \
	"INSERT OR IGNORE INTO follow_entry(gen, id, place) SELECT s.gen, g.id, 0 FROM follow_scope s"                \
	"  CROSS JOIN follow_gone g ON g.sid = s.sid WHERE s.gen <> 0 ORDER BY s.gen, g.id;"                          \
	"DROP TABLE follow_gone;"                                                                                     \
	"INSERT INTO feed(tenant, owner, collection, incarnation, epoch, head, horizon, horizon_ms, last_ms, pinned," \
	"  live, tombs, gen) SELECT zeroblob(16), " FOLLOWED_OWNER("sid") ", 255, randomblob(16),"                    \
	"  m.epoch, ord, 0, 0, round_ended_ms, NULL, items, 0, gen"                                                   \
	"  FROM follow_scope s CROSS JOIN meta m ON m.one = 1 WHERE gen <> 0 ORDER BY sid;"                           \
	SCHEMA_MEMBER
