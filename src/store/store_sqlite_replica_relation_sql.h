/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables and statements of relations.  Private to the store module; part of store_sqlite_replica_sql.h.
 *
 * follow_relation has a row for each member that a view holds (its gen is that of the view), and for each member of
 * which a round has spoken (its gen is that of the round).  A round that lists everything holds its relations as they
 * become.  A later round holds the last word about each member: life 0 if it was added, 1 if it was removed; a row
 * without a relation says that the item was removed in the round, and with it all that the view holds.
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
	"CREATE INDEX follow_letter_of ON follow_letter(sid, id);"                                                    \
	"CREATE VIEW relations AS SELECT s.name AS scope, r.id AS id, r.relation AS relation, r.member AS member,"    \
	"  nullif(r.type, '') AS type, r.value AS value FROM follow_scope s CROSS JOIN follow_relation r"             \
	"  ON r.gen = s.gen;"                                                                                         \
	"DROP VIEW items; DROP VIEW scopes;"                                                                          \
	"CREATE VIEW items AS SELECT s.name AS scope, s.resource AS resource, e.id AS id,"                            \
	"  coalesce(json_extract(" FOLLOW_SHOWN ", '$.displayName'), json_extract(" FOLLOW_SHOWN ", '$.name'),"       \
	"    json_extract(" FOLLOW_SHOWN ", '$.subject')) AS name, i.body AS value" FOLLOW_JOIN ";"                   \
	"CREATE VIEW scopes AS SELECT s.name AS scope, s.url AS url, s.resource AS resource, s.items AS items,"       \
	"  s.rounds AS rounds, " FOLLOW_TIME("s.round_ended_ms") " AS lastRound,"                                     \
	"  CASE s.phase WHEN 0 THEN 'idle' WHEN 1 THEN 'round' ELSE 'settling' END AS phase,"                         \
	"  s.round_pages AS roundPages, s.round_items AS roundItems, s.throttled_ms / 1000.0 AS throttledSeconds,"    \
	"  (SELECT count(*) FROM follow_letter l WHERE l.sid = s.sid AND l.round_gen = 0) AS deadLetters,"            \
	"  s.fault AS fault, " FOLLOW_TIME("s.fault_ms") " AS faultAt, s.acked AS acked, s.tail AS changesLost,"      \
	"  " FOLLOW_TIME("s.gap_ms") " AS gapAt FROM follow_scope s;"

/* ?1 the view's gen, ?2 the id, ?3 the round's gen, ?4 does a member go of which the round does not speak? */
#define RELATION_VIEW(v) v ".gen = ?1 AND " v ".id = ?2"
#define RELATION_IS_ADDED(o) o ".gen = ?3 AND " o ".id = ?2 AND " o ".life = 0 AND " o ".relation <> ''"
#define RELATION_IS_GONE(v)                                                                                           \
	RELATION_VIEW(v) " AND coalesce((SELECT o.life FROM follow_relation o WHERE o.gen = ?3 AND o.id = ?2"         \
	" AND o.relation = " v ".relation AND o.member = " v ".member), ?4) <> 0"
#define RELATION_IN_VIEW                                                                                              \
	"FROM follow_relation v WHERE " RELATION_VIEW("v") " AND v.relation = o.relation AND v.member = o.member"

#define RELATION_TABLE(X)                                                                                             \
	X(R_RELATES, "SELECT EXISTS(SELECT 1 FROM follow_relation WHERE gen = ?1)"                                    \
	             " OR EXISTS(SELECT 1 FROM follow_relation WHERE gen = ?2)")                                      \
	X(R_PUT, "INSERT OR REPLACE INTO follow_relation(gen, id, relation, member, life, type, value)"               \
	         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                                               \
	X(R_CUT, "DELETE FROM follow_relation WHERE gen = ?1 AND id = ?2 AND relation = ?3 AND member = ?4")          \
	X(R_CUT_ID, "DELETE FROM follow_relation WHERE gen = ?1 AND id = ?2")                                         \
	X(R_CUT_GEN, "DELETE FROM follow_relation WHERE gen = ?1 AND (id, relation, member) IN (SELECT id, relation," \
	             " member FROM follow_relation WHERE gen = ?1 ORDER BY id, relation, member LIMIT ?2)")           \
	X(R_IS_CLEARED, "SELECT 1 FROM follow_relation WHERE gen = ?1 AND id = ?2 AND relation = '' AND member = ''") \
	X(R_LOG_ADDED, "INSERT INTO follow_moved(n, relation, life, member) SELECT ?5, o.relation, 0, o.member"       \
	               " FROM follow_relation o WHERE " RELATION_IS_ADDED("o")                                        \
	               " AND NOT EXISTS(SELECT 1 " RELATION_IN_VIEW ")")                                              \
	X(R_LOG_GONE, "INSERT INTO follow_moved(n, relation, life, member) SELECT ?5, v.relation, 1, v.member"        \
	              " FROM follow_relation v WHERE " RELATION_IS_GONE("v"))                                         \
	X(R_CUT_GONE, "DELETE FROM follow_relation AS v WHERE " RELATION_IS_GONE("v"))                                \
	X(R_TAKE_ADDED, "INSERT OR REPLACE INTO follow_relation(gen, id, relation, member, life, type, value)"        \
	                " SELECT ?1, o.id, o.relation, o.member, 0, o.type, o.value FROM follow_relation o WHERE "    \
	                RELATION_IS_ADDED("o") " AND NOT EXISTS(SELECT 1 " RELATION_IN_VIEW                           \
	                " AND v.type = o.type AND v.value = o.value)")                                                \
	X(R_NEXT, "SELECT r.id, r.relation, r.member, r.type, r.value FROM follow_scope s CROSS JOIN"                 \
	          " follow_relation r ON r.gen = s.gen AND (r.id, r.relation, r.member) > (?2, ?3, ?4)"               \
	          " WHERE s.sid = ?1 ORDER BY r.id, r.relation, r.member LIMIT 1")                                    \
	X(R_NEXT_MOVED, "SELECT relation, life, member FROM follow_moved WHERE n = ?1"                                \
	                " AND (relation, life, member) > (?2, ?3, ?4) ORDER BY relation, life, member LIMIT 1")       \
	X(R_SHOW, "UPDATE follow_item SET shown = ?2 WHERE place = ?1")                                               \
	X(R_CUT_ROUND_LETTER, "DELETE FROM follow_letter WHERE sid = ?1 AND id = ?2 AND round_gen = ?3")              \
	X(R_CUT_OLD_LETTERS, "DELETE FROM follow_letter WHERE sid = ?1 AND round_gen = 0 AND id <> '' AND (id IN"     \
	                     " (SELECT b.id FROM follow_letter b WHERE b.sid = ?1 AND b.round_gen = ?2) OR id IN"     \
	                     " (SELECT id FROM follow_item WHERE place > ?3 AND place <= ?4))")                       \
	X(R_SET_UPDATES, "UPDATE follow_scope SET updates = ?2 WHERE sid = ?1")                                       \
	X(R_SET_RULE, "UPDATE follow_scope SET round_rule = ?2, resource = ?3 WHERE sid = ?1")
