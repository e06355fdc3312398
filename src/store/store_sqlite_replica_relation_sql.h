/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables and statements of relations.  Private to the store module; part of store_sqlite_replica_sql.h.
 *
 * follow_relation has a row for each member that a view holds or held (its gen is that of the view), and for each
 * member of which a round has spoken (its gen is that of the round).
 *
 *   in a view   life 0: a member; 1: a tombstone.  Each is an entry of the feed: place is its row key there.  A
 *               tombstone without a place is of a removed item, whose own tombstone says it all: it gets a place when
 *               the item is back without the member, and goes when the item's tombstone is purged.  at_ms: when a
 *               tombstone got its place.
 *   in a round  A first round holds its relations as they become.  A later round holds the last word about each
 *               member: life 0 if it was added, 1 if it was removed; a row without a relation says that the item was
 *               removed in the round, and with it all that the view holds.  staged: the row key that it gets in the
 *               view.
 *
 * follow_moved says what change n of an item did to its relations.
 */
#pragma once
/* clang-format off */

#define SCHEMA_6                                                                                                      \
	"CREATE TABLE follow_relation(gen INTEGER NOT NULL, id TEXT NOT NULL, relation TEXT NOT NULL,"                \
	"  member TEXT NOT NULL, life INTEGER NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL,"                     \
	"  PRIMARY KEY(gen, id, relation, member)) STRICT, WITHOUT ROWID;"                                            \
	"CREATE TABLE follow_moved(n INTEGER NOT NULL, relation TEXT NOT NULL, life INTEGER NOT NULL,"                \
	"  member TEXT NOT NULL, PRIMARY KEY(n, relation, life, member)) STRICT, WITHOUT ROWID;"                      \
	"CREATE TRIGGER follow_change_cut AFTER DELETE ON follow_change BEGIN"                                        \
	"  DELETE FROM follow_moved WHERE n = old.n; END;"                                                            \
	"ALTER TABLE follow_scope ADD COLUMN updates INTEGER NOT NULL DEFAULT 0;"                                     \
	"ALTER TABLE follow_scope ADD COLUMN rule TEXT NOT NULL DEFAULT '';"                                          \
	"ALTER TABLE follow_scope ADD COLUMN round_rule TEXT NOT NULL DEFAULT '';"                                    \
	"ALTER TABLE follow_scope ADD COLUMN gap_ms INTEGER NOT NULL DEFAULT 0;"                                      \
	"ALTER TABLE follow_item ADD COLUMN shown TEXT;"                                                              \
	"ALTER TABLE follow_letter ADD COLUMN id TEXT NOT NULL DEFAULT '';"                                           \
	"CREATE INDEX follow_letter_of ON follow_letter(sid, id);"

/*
 * ?1 the view's gen, ?2 the id, ?3 the round's gen, ?4 does a member go of which the round does not speak?  v is a row
 * of the view, o one of the round.
 */
#define RELATION_VIEW "v.gen = ?1 AND v.id = ?2"
#define RELATION_SAME "o.relation = v.relation AND o.member = v.member"
#define RELATION_IS_ADDED "o.gen = ?3 AND o.id = ?2 AND o.life = 0 AND o.relation <> ''"
#define RELATION_IS_GONE                                                                                              \
	RELATION_VIEW " AND v.life = 0 AND coalesce((SELECT o.life FROM follow_relation o WHERE o.gen = ?3"           \
	" AND o.id = ?2 AND " RELATION_SAME "), ?4) <> 0"
#define RELATION_IN_VIEW "FROM follow_relation v WHERE " RELATION_VIEW " AND " RELATION_SAME

#define RELATION_TABLE(X)                                                                                             \
	X(R_RELATES, "SELECT EXISTS(SELECT 1 FROM follow_relation WHERE gen = ?1)"                                    \
	             " OR EXISTS(SELECT 1 FROM follow_relation WHERE gen = ?2)")                                      \
	X(R_PUT, "INSERT OR REPLACE INTO follow_relation(gen, id, relation, member, life, type, value, place,"        \
	         " staged) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE WHEN ?9 THEN ?8 END, CASE WHEN NOT ?9 THEN ?8 END)")\
	X(R_CUT, "DELETE FROM follow_relation WHERE gen = ?1 AND id = ?2 AND relation = ?3 AND member = ?4")          \
	X(R_CUT_ID, "DELETE FROM follow_relation WHERE gen = ?1 AND id = ?2")                                         \
	X(R_CUT_GEN, "DELETE FROM follow_relation WHERE gen = ?1 AND (id, relation, member) IN (SELECT id, relation," \
	             " member FROM follow_relation WHERE gen = ?1 ORDER BY id, relation, member LIMIT ?2)")           \
	X(R_IS_CLEARED, "SELECT 1 FROM follow_relation WHERE gen = ?1 AND id = ?2 AND relation = '' AND member = ''") \
	X(R_LOG_ADDED, "INSERT INTO follow_moved(n, relation, life, member) SELECT ?5, o.relation, 0, o.member"       \
	               " FROM follow_relation o WHERE " RELATION_IS_ADDED                                             \
	               " AND NOT EXISTS(SELECT 1 " RELATION_IN_VIEW " AND v.life = 0)")                               \
	X(R_LOG_GONE, "INSERT INTO follow_moved(n, relation, life, member) SELECT ?5, v.relation, 1, v.member"        \
	              " FROM follow_relation v WHERE " RELATION_IS_GONE)                                              \
	/* A removal that the round has staged has its place there, but among others that it does not name. */       \
	X(R_END_GONE, "UPDATE follow_relation AS v SET life = 1, value = '', at_ms = ?5, place = CASE WHEN ?4 = 0"    \
	              " THEN (SELECT o.staged FROM follow_relation o WHERE o.gen = ?3 AND o.id = ?2 AND "              \
	              RELATION_SAME ") END WHERE " RELATION_IS_GONE)                                                  \
	X(R_COUNT_BACK, "SELECT CASE WHEN EXISTS(SELECT 1 FROM follow_relation WHERE life = 1 AND place > ?1 << 36"   \
	                " AND place < (?1 + 1) << 36) THEN"                                                           \
	                " (SELECT count(*) FROM follow_relation o WHERE " RELATION_IS_ADDED " AND EXISTS(SELECT 1 "   \
	                RELATION_IN_VIEW " AND v.life = 1 AND v.place IS NOT NULL)) ELSE 0 END")                      \
	X(R_TAKE_ADDED, "INSERT OR REPLACE INTO follow_relation(gen, id, relation, member, life, type, value, place)" \
	                " SELECT ?1, o.id, o.relation, o.member, 0, o.type, o.value, o.staged FROM follow_relation o" \
	                " WHERE " RELATION_IS_ADDED " AND NOT EXISTS(SELECT 1 " RELATION_IN_VIEW                      \
	                " AND v.life = 0 AND v.type = o.type AND v.value = o.value)")                                 \
	/* Above the row key ?3. */                                                                                   \
	X(R_PLACE_ENDED, "UPDATE follow_relation AS v SET at_ms = ?4, place = ?3 + n.k FROM (SELECT h.relation,"      \
	                 " h.member, row_number() OVER (ORDER BY h.relation, h.member) AS k FROM follow_relation h"   \
	                 " WHERE h.gen = ?1 AND h.id = ?2 AND h.life = 1 AND h.place IS NULL) n"                      \
	                 " WHERE v.gen = ?1 AND v.id = ?2 AND v.relation = n.relation AND v.member = n.member")       \
	X(R_HIDE_ENDED, "UPDATE follow_relation SET place = NULL WHERE gen = ?1 AND id = ?2 AND life = 1"             \
	                " AND place IS NOT NULL")                                                                     \
	X(R_HIDE, "UPDATE follow_relation SET life = 1, value = '', place = NULL WHERE gen = ?1 AND id = ?2"          \
	          " AND life = 0")                                                                                    \
	X(R_NEXT, "SELECT r.id, r.relation, r.member, r.type, r.value FROM follow_scope s CROSS JOIN"                 \
	          " follow_relation r ON r.gen = s.gen AND (r.id, r.relation, r.member) > (?2, ?3, ?4)"               \
	          " AND r.life = 0"                                                                                   \
	          " WHERE s.sid = ?1 ORDER BY r.id, r.relation, r.member LIMIT 1")                                    \
	X(R_NEXT_MOVED, "SELECT relation, life, member FROM follow_moved WHERE n = ?1"                                \
	                " AND (relation, life, member) > (?2, ?3, ?4) ORDER BY relation, life, member LIMIT 1")       \
	X(R_SHOW, "UPDATE follow_item SET shown = ?2 WHERE place = ?1")                                               \
	X(R_CUT_ROUND_LETTER, "DELETE FROM follow_letter WHERE sid = ?1 AND id = ?2 AND round_gen = ?3")              \
	X(R_FIND_LETTER, "SELECT 1 FROM follow_letter WHERE sid = ?1 AND id = ?2 AND round_gen = ?3")                  \
	X(R_SET_UPDATES, "UPDATE follow_scope SET updates = ?3 WHERE sid = ?1")                                       \
	X(R_SET_RULE, "UPDATE follow_scope SET round_rule = ?2, resource = ?4 WHERE sid = ?1")
