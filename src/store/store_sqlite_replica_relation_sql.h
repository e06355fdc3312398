/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables and statements of relations.  Private to the store module; part of store_sqlite_replica_sql.h.
 *
 * follow_member has a row for each member that a view holds or held (its gen is that of the view), and for each
 * member of which a round has spoken (its gen is that of the round).
 *
 *   in a view   life 0: a member; 1: a tombstone.  Each is an entry of the feed: place is its row key there.  life 2:
 *               hidden, no entry, of an item that is removed: place is that of the item's tombstone, which says it all.
 *               A hidden row becomes a tombstone when the item is back without the member, and goes with the item's
 *               tombstone.  at_ms: when a tombstone got its place.
 *   in a round  A first round holds its relations as they become.  A later round holds the last word about each
 *               member: life 0 if it was added, 1 if it was removed; a row without a relation says that the item was
 *               removed in the round, and with it all that the view holds.  staged: the row key that it gets in the
 *               view.
 *
 * A later round is settled into new versions of the rows of the view: their places are above the head, so nobody sees
 * them, and their slot is the one that the version before does not have.  The switch makes both visible, and the
 * later one counts, until the earlier one is deleted with the dead rows.  So a row is seen when its place is not above
 * the head and no such version has a greater one.
 *
 * follow_detail_member says what the update at that row key did to the item's relations; life is that of the round's
 * rows.  follow_moved says the same by the numbers of the changes in follow_change.
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

#define SCHEMA_MEMBER                                                                                                 \
	"CREATE TABLE follow_member(gen INTEGER NOT NULL, id TEXT NOT NULL, relation TEXT NOT NULL,"                  \
	"  member TEXT NOT NULL, slot INTEGER NOT NULL DEFAULT 0, life INTEGER NOT NULL, type TEXT NOT NULL,"         \
	"  value TEXT NOT NULL, place INTEGER, staged INTEGER, at_ms INTEGER NOT NULL DEFAULT 0,"                     \
	"  UNIQUE(gen, id, relation, member, slot)) STRICT;"                                                          \
	"CREATE INDEX follow_member_at ON follow_member(life, place) WHERE place IS NOT NULL;"                        \
	"CREATE TABLE follow_detail_member(place INTEGER NOT NULL, relation TEXT NOT NULL, life INTEGER NOT NULL,"    \
	"  member TEXT NOT NULL, PRIMARY KEY(place, relation, life, member)) STRICT, WITHOUT ROWID;"

/*
 * Takes so many of the members that an earlier version holds, behind the rows of their view, or of the first round
 * that is under way.  Each part is a commit; it is done again until follow_relation is empty.
 */
#define MEMBERS_PART  "ORDER BY id, relation, member LIMIT 20000"
#define MEMBERS_GEN   "(SELECT min(gen) FROM follow_relation)"
#define MEMBERS_COUNT "(SELECT count(*) FROM (SELECT 1 FROM follow_relation WHERE gen = " MEMBERS_GEN " LIMIT 20000))"
#define SCHEMA_TAKE_MEMBERS                                                                                           \
	"INSERT INTO follow_member(gen, id, relation, member, life, type, value, place)"                              \
	"  SELECT r.gen, id, relation, member, life, type, value, (r.gen << 36) + CASE s.gen WHEN 0 THEN s.round_ord" \
	"  ELSE s.ord END + row_number() OVER (ORDER BY id, relation, member) FROM follow_scope s CROSS JOIN"         \
	"  (SELECT * FROM follow_relation WHERE gen = " MEMBERS_GEN " " MEMBERS_PART ") r"                            \
	"  WHERE r.gen = CASE s.gen WHEN 0 THEN s.round_gen ELSE s.gen END;"                                          \
	"UPDATE feed SET head = head + " MEMBERS_COUNT ", relates = 1 WHERE gen = " MEMBERS_GEN ";"                   \
	"UPDATE follow_scope SET round_ord = round_ord + " MEMBERS_COUNT                                              \
	"  WHERE gen = 0 AND round_gen = " MEMBERS_GEN ";"                                                            \
	"UPDATE follow_scope SET ord = ord + " MEMBERS_COUNT ", top = top + " MEMBERS_COUNT                           \
	"  WHERE gen = " MEMBERS_GEN ";"                                                                              \
	"DELETE FROM follow_relation WHERE gen = " MEMBERS_GEN " AND (id, relation, member) IN"                       \
	"  (SELECT id, relation, member FROM follow_relation WHERE gen = " MEMBERS_GEN " " MEMBERS_PART ");"
#define SCHEMA_END_MEMBERS "DROP TABLE follow_relation;"

/*
 * Settling the members of an item: ?1 the view's gen, ?2 the id, ?3 the round's gen, ?4 the row key of the head, ?5
 * and ?6 the relation and the member behind which a part begins, ?7 how many there are in a part at most, ?8 the row
 * key of the item's row, ?9 the moment, ?10 the row key above which there is space.  o is a row of the round, v one of
 * the view.
 */
#define MEMBERS_BEHIND "AND id = ?2 AND (relation, member) > (?5, ?6)"
#define MEMBERS_TOLD   "FROM follow_member WHERE gen = ?3 " MEMBERS_BEHIND
#define MEMBERS_HELD   "FROM follow_member WHERE gen = ?1 " MEMBERS_BEHIND " AND place <= ?4"
#define MEMBERS_NEXT   " ORDER BY relation, member LIMIT ?7"
#define TOLD_AND_HELD                                                                                                 \
	" FROM (SELECT * " MEMBERS_TOLD MEMBERS_NEXT ") o LEFT JOIN follow_member v ON v.gen = ?1 AND v.id = ?2"      \
	" AND v.relation = o.relation AND v.member = o.member AND v.place <= ?4"
#define HELD           " FROM (SELECT * " MEMBERS_HELD MEMBERS_NEXT ") v"
#define MEMBER_SAME    "id = ?2 AND relation = v.relation AND member = v.member"
#define IS_UNTOLD      " AND NOT EXISTS(SELECT 1 FROM follow_member WHERE gen = ?3 AND " MEMBER_SAME ")"
#define PUT_PART                                                                                                      \
	"INSERT INTO temp.follow_part(old_place, old_life, relation, member, slot, life, type, value, place)"         \
	" SELECT v.place, v.life, "

#define RELATION_TABLE(X)                                                                                             \
	X(R_RELATES, "SELECT EXISTS(SELECT 1 FROM follow_member WHERE gen = ?1)"                                      \
	             " OR EXISTS(SELECT 1 FROM follow_member WHERE gen = ?2)")                                        \
	X(R_PUT, "INSERT OR REPLACE INTO follow_member(gen, id, relation, member, life, type, value, place, staged)"  \
	         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE WHEN ?9 THEN ?8 END, CASE WHEN NOT ?9 THEN ?8 END)")       \
	X(R_CUT, "DELETE FROM follow_member WHERE gen = ?1 AND id = ?2 AND relation = ?3 AND member = ?4")            \
	X(R_CUT_ID, "DELETE FROM follow_member WHERE gen = ?1 AND id = ?2")                                           \
	X(R_CUT_GEN, "DELETE FROM follow_member WHERE rowid IN (SELECT rowid FROM follow_member WHERE gen = ?1"       \
	             " LIMIT ?2)")                                                                                    \
	X(R_IS_CLEARED, "SELECT 1 FROM follow_member WHERE gen = ?1 AND id = ?2 AND relation = '' AND member = ''")   \
	X(R_COUNT_TOLD, "SELECT count(*) FROM (SELECT 1 " MEMBERS_TOLD " LIMIT ?7)")                                  \
	X(R_LAST_TOLD, "SELECT relation, member " MEMBERS_TOLD " ORDER BY relation, member LIMIT 1 OFFSET ?7 - 1")    \
	X(R_COUNT_HELD, "SELECT count(*) FROM (SELECT 1 " MEMBERS_HELD " LIMIT ?7)")                                  \
	X(R_LAST_HELD, "SELECT relation, member " MEMBERS_HELD " ORDER BY relation, member LIMIT 1 OFFSET ?7 - 1")    \
	X(R_FIND_TOLD, PUT_PART "o.relation, o.member, coalesce(1 - v.slot, 0), o.life, CASE o.life WHEN 0 THEN"      \
	               " o.type ELSE v.type END, CASE o.life WHEN 0 THEN o.value ELSE '' END, o.staged" TOLD_AND_HELD \
	               " WHERE CASE o.life WHEN 0 THEN v.life IS NOT 0 OR v.type <> o.type OR v.value <> o.value"     \
	               " ELSE v.life <> 1 END")                                                                       \
	X(R_FIND_UNTOLD, PUT_PART "v.relation, v.member, 1 - v.slot, 1, v.type, '', ?10 + row_number()"               \
	                 " OVER (ORDER BY v.relation, v.member)" HELD " WHERE v.life <> 1" IS_UNTOLD)                 \
	X(R_FIND_HELD, PUT_PART "v.relation, v.member, 1 - v.slot, 2, v.type, '', ?8" HELD)                           \
	X(R_EMPTY_PART, "DELETE FROM temp.follow_part")                                                               \
	X(R_TAKE_PART, "INSERT OR REPLACE INTO follow_member(gen, id, relation, member, slot, life, type, value,"     \
	               " place, at_ms) SELECT ?1, ?2, relation, member, slot, life, type, value, place, ?9"           \
	               " FROM temp.follow_part")                                                                      \
	X(R_END_PART, "INSERT INTO temp.follow_ended(place, ends_tomb) SELECT old_place, old_life = 1"                \
	              " FROM temp.follow_part WHERE old_place > 0")                                                   \
	X(R_MOVE_PART, "INSERT OR IGNORE INTO follow_detail_member(place, relation, life, member) SELECT ?8,"         \
	               " relation, life, member FROM temp.follow_part WHERE (old_life IS 0) <> (life = 0)")           \
	X(R_HAS_MOVED, "SELECT EXISTS(SELECT 1 FROM follow_detail_member WHERE place = ?1)")                          \
	/* Above ?1, until ?2. */                                                                                     \
	X(R_HAS_NEW, "SELECT EXISTS(SELECT 1 FROM follow_member WHERE life IN (0, 1) AND place > ?1 AND place <= ?2)") \
	X(R_COUNT_ENDED, "SELECT (SELECT count(*) FROM follow_member WHERE life = 1 AND place > ?1 AND place <= ?2)"  \
	                 " - (SELECT count(*) FROM temp.follow_ended WHERE ends_tomb)")                               \
	/* What all versions replace that the round has made. */                                                      \
	X(R_END_ALL, "INSERT INTO temp.follow_ended(place, ends_tomb) SELECT v.place, v.life = 1 FROM follow_member n" \
	             " CROSS JOIN follow_member v ON v.gen = n.gen AND v.id = n.id"                                   \
	             " AND v.relation = n.relation AND v.member = n.member AND v.slot = 1 - n.slot"                   \
	             " WHERE n.life IN (0, 1, 2) AND n.place > ?1 AND n.place <= ?2")                                 \
	X(R_CUT_DEAD, "DELETE FROM follow_member WHERE rowid IN (SELECT m.rowid FROM follow_dead d CROSS JOIN"        \
	              " follow_member m ON m.life IN (0, 1, 2) AND m.place >= d.first AND m.place <= d.last"          \
	              " WHERE d.first >= ?1 AND d.first <= ?2 LIMIT ?3)")                                             \
	/* SQLite finds rows by all columns of such a list only when the first one is text. */                        \
	X(R_CUT_MOVED, "DELETE FROM follow_detail_member WHERE (relation, place, life, member) IN (SELECT relation,"  \
	               " place, life, member FROM follow_detail_member WHERE place > ?1 AND place <= ?2 LIMIT ?3)")   \
	X(R_NEXT, "SELECT r.id, r.relation, r.member, r.type, r.value FROM follow_scope s CROSS JOIN"                 \
	          " follow_member r ON r.gen = s.gen AND (r.id, r.relation, r.member) > (?2, ?3, ?4)"                 \
	          " AND r.life = 0 AND r.place <= (s.gen << 36) + s.ord AND (s.moving <> 2 OR NOT "                   \
	          MEMBER_IS_DEAD("r", "(s.gen << 36) + s.ord") ")"                                                    \
	          " WHERE s.sid = ?1 ORDER BY r.id, r.relation, r.member LIMIT 1")                                    \
	X(R_NEXT_MOVED, "SELECT relation, life, member FROM follow_moved WHERE n = ?1"                                \
	                " AND (relation, life, member) > (?2, ?3, ?4) UNION ALL SELECT relation, life, member"        \
	                " FROM follow_detail_member WHERE place = (SELECT (gen << 36) + first + ?1 - n"               \
	                " FROM follow_range WHERE n <= ?1 AND last >= ?1 ORDER BY n DESC LIMIT 1)"                    \
	                " AND (relation, life, member) > (?2, ?3, ?4) ORDER BY relation, life, member LIMIT 1")       \
	X(R_SHOW, "UPDATE follow_item SET shown = ?2 WHERE place = ?1")                                               \
	X(R_CUT_ROUND_LETTER, "DELETE FROM follow_letter WHERE sid = ?1 AND id = ?2 AND round_gen = ?3")              \
	X(R_FIND_LETTER, "SELECT 1 FROM follow_letter WHERE sid = ?1 AND id = ?2 AND round_gen = ?3")                 \
	X(R_SET_UPDATES, "UPDATE follow_scope SET updates = ?3 WHERE sid = ?1")                                       \
	X(R_SET_RULE, "UPDATE follow_scope SET round_rule = ?2, resource = ?4 WHERE sid = ?1")
