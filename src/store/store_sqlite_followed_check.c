/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of followed feeds for store check, as in store_sqlite_check.c.  Each walks tables in order of their keys
 * and looks up the other side by key.
 */
#include "store/store_sqlite.h"
#include "store/store_sqlite_replica_feed_sql.h"

/* clang-format off */

/* A scope and its feed. */
#define S_AND_F                                                                                                       \
	" FROM follow_scope s CROSS JOIN feed f ON f.tenant = zeroblob(16) AND f.owner = " FOLLOWED_OWNER("s.sid")    \
	" AND f.collection = 255 AND f.gen = s.gen"
#define BASE           "(f.gen << 36)"
#define VISIBLE(table) " CROSS JOIN " table " r ON r.place > " BASE " AND r.place <= " BASE " + f.head"
#define SEQ(key)       "(" key " & 0xfffffffff)"
#define IS_NAMED(key)                                                                                                 \
	"coalesce((SELECT d.last FROM follow_dead d WHERE d.first <= " key " ORDER BY d.first DESC LIMIT 1), 0) >= " key
/* Is that row key left out by readers? */
#define IS_DEAD(key)   "(f.moving = 1 AND " IS_NAMED(key) ")"
/* The version of a member r is above the head only while its round is settled, or until it goes with its round. */
#define HAS_NO_SEQ                                                                                                    \
	"(r.place IS NULL OR r.place >> 36 <> f.gen OR " SEQ("r.place") " = 0 OR " SEQ("r.place") " > f.head"         \
	" AND NOT (s.phase = 2 AND " SEQ("r.place") " <= s.round_ord) AND NOT " IS_NAMED("r.place") ")"
#define SEEN           FOLLOWED_PLACE("e", BASE " + f.head")
#define OF_SCOPE       "'scope ''' || s.name || ''': "
#define KNOWN_GENS                                                                                                    \
	"(SELECT gen FROM follow_scope UNION SELECT round_gen FROM follow_scope UNION SELECT gen FROM follow_old)"
/* The rows that a reader finds. */
#define COUNT_ROWS(table, live)                                                                                       \
	"(SELECT count(*) FROM " table " r WHERE r.place > " BASE " AND r.place <= " BASE " + f.head"                 \
	live " AND NOT " IS_DEAD("r.place") ")"

const char *const sql_followed_rules[] = {
	"SELECT coalesce(f.fid, 0), " OF_SCOPE "' || CASE WHEN f.fid IS NULL THEN 'it has no feed'"
	"  WHEN f.gen <> s.gen THEN 'its feed shows another view' WHEN f.head <> s.ord THEN 'the head ' || f.head"
	"  || ' of its feed is not ' || s.ord WHEN s.ord > s.top THEN 'the head ' || s.ord || ' is beyond the top '"
	"  || s.top ELSE 'its feed and it do not agree about rows that move' END"
	"  FROM follow_scope s LEFT JOIN feed f ON f.tenant = zeroblob(16) AND f.owner = " FOLLOWED_OWNER("s.sid")
	"  AND f.collection = 255 WHERE s.gen <> 0 AND (f.fid IS NULL OR f.gen <> s.gen OR f.head <> s.ord"
	"  OR s.ord > s.top OR f.moving <> (s.moving = 2) OR s.moving = 1 AND s.phase <> 2)",
	"SELECT fid, 'no scope has this feed' FROM feed f WHERE (collection = 255) <> (gen <> 0) OR gen <> 0"
	"  AND NOT EXISTS(SELECT 1 FROM follow_scope s WHERE s.sid = CAST(CAST(f.owner AS TEXT) AS INTEGER)"
	"  AND f.owner = " FOLLOWED_OWNER("s.sid") " AND s.gen <> 0)",
	"SELECT fid, " OF_SCOPE "it counts ' || live || ' items, and there are ' || n FROM (SELECT f.fid, f.live,"
	"  s.items, s.name, " COUNT_ROWS("follow_item", " AND r.life = 0") " AS n" S_AND_F ") s"
	"  WHERE live <> n OR items <> n",
	"SELECT fid, " OF_SCOPE "it counts ' || tombs || ' tombstones, and there are ' || n FROM (SELECT f.fid,"
	"  f.tombs, s.name, " COUNT_ROWS("follow_tomb", "") " + " COUNT_ROWS("follow_member", " AND r.life = 1")
	" AS n" S_AND_F ") s WHERE tombs <> n",
	"SELECT f.fid, " OF_SCOPE "the item at seq ' || " SEQ("r.place") " || ' is not what its entry names'" S_AND_F
	VISIBLE("follow_item") "  LEFT JOIN follow_entry e ON e.gen = f.gen AND e.id = r.id"
	"  WHERE r.life = 0 AND " SEEN " IS NOT r.place AND NOT " IS_DEAD("r.place"),
	"SELECT f.fid, " OF_SCOPE "the tombstone at seq ' || " SEQ("r.place") " || CASE WHEN r.life NOT BETWEEN 0 AND 2"
	"  THEN ' has the reason ' || r.life WHEN " SEQ("r.place") " <= f.horizon THEN ' should have been purged'"
	"  WHEN i.place IS NOT NULL THEN ' is an item, too' ELSE ' is not what its entry names' END" S_AND_F
	VISIBLE("follow_tomb") "  LEFT JOIN follow_entry e ON e.gen = f.gen AND e.id = r.id"
	"  LEFT JOIN follow_item i ON i.place = r.place AND i.life = 0"
	"  WHERE (" SEEN " IS NOT r.place OR r.life NOT BETWEEN 0 AND 2 OR " SEQ("r.place") " <= f.horizon"
	"  OR i.place IS NOT NULL) AND NOT " IS_DEAD("r.place"),
	"SELECT fid, " OF_SCOPE "the entry of ''' || id || CASE WHEN is_early THEN ''' is of a later round'"
	"  WHEN seen > top OR seen <= base THEN ''' names a row that is not in the feed'"
	"  WHEN is_dead THEN ''' names a dead row' ELSE ''' names no row' END FROM"
	"  (SELECT f.fid, f.horizon, s.name, e.id, " BASE " AS base, " BASE " + f.head AS top, " SEEN " AS seen,"
	"  s.moving NOT IN (1, 4) AND e.place > " BASE " + f.head AS is_early, " IS_DEAD(SEEN) " AS is_dead" S_AND_F
	"  CROSS JOIN follow_entry e ON e.gen = f.gen) s WHERE is_early OR seen <> 0 AND (seen > top"
	/* The row key of a tombstone that is purged may lie in such a range. */
	"  OR is_dead AND (EXISTS(SELECT 1 FROM follow_item i WHERE i.place = seen)"
	"  OR EXISTS(SELECT 1 FROM follow_tomb t WHERE t.place = seen))"
	"  OR seen <= base OR " SEQ("seen") " > horizon"
	"  AND NOT EXISTS(SELECT 1 FROM follow_item i WHERE i.place = seen AND i.id = s.id AND i.life = 0)"
	"  AND NOT EXISTS(SELECT 1 FROM follow_tomb t WHERE t.place = seen AND t.id = s.id))",
	"SELECT f.fid, " OF_SCOPE "the member ''' || r.member || ''' of ''' || r.id || ''' ' || CASE"
	"  WHEN r.life NOT BETWEEN 0 AND 2 THEN 'is neither there nor a tombstone'"
	"  WHEN " HAS_NO_SEQ " THEN 'has no seq of the feed' WHEN " MEMBER_IS_DEAD("r", BASE " + f.head")
	"  THEN 'is there twice' WHEN r.life = 2 THEN 'has lost the tombstone of the item'"
	"  WHEN i.place IS NULL THEN 'is a row without the item' WHEN f.relates = 0 THEN 'is not expected by the feed'"
	"  WHEN r.life = 1 AND " SEQ("r.place") " <= f.horizon THEN 'should have been purged'"
	"  ELSE 'has the seq of another row' END" S_AND_F "  CROSS JOIN follow_member r ON r.gen = f.gen"
	"  LEFT JOIN follow_entry e ON e.gen = f.gen AND e.id = r.id"
	"  LEFT JOIN follow_item i ON i.place = " SEEN " AND i.life = 0 LEFT JOIN follow_tomb t ON t.place = " SEEN
	"  WHERE r.life NOT BETWEEN 0 AND 2 OR " HAS_NO_SEQ " OR r.place <= " BASE " + f.head AND NOT "
	IS_DEAD("r.place") " AND (" MEMBER_IS_DEAD("r", BASE " + f.head")
	"  OR CASE r.life WHEN 2 THEN t.place IS NOT r.place"
	"  ELSE i.place IS NULL OR f.relates = 0 OR r.life = 1 AND " SEQ("r.place") " <= f.horizon"
	"  OR EXISTS(SELECT 1 FROM follow_item o WHERE o.place = r.place)"
	"  OR EXISTS(SELECT 1 FROM follow_tomb o WHERE o.place = r.place)"
	"  OR (SELECT count(*) FROM follow_member o WHERE o.life IN (0, 1) AND o.place = r.place) > 1 END)",
	"SELECT 0, 'rows of view ' || gen || ' belong to no scope' FROM (SELECT DISTINCT place >> 36 AS gen"
	"  FROM follow_tomb UNION SELECT DISTINCT gen FROM follow_member UNION SELECT DISTINCT place >> 36"
	"  FROM follow_detail UNION SELECT DISTINCT place >> 36 FROM follow_detail_member UNION"
	"  SELECT DISTINCT first >> 36 FROM follow_dead) WHERE gen NOT IN " KNOWN_GENS,
	"SELECT 0, 'the range of dead rows from ' || " SEQ("first") " || ' of view ' || (first >> 36) || ' is not one'"
	"  FROM follow_dead d WHERE first > last OR first >> 36 <> last >> 36 OR last >="
	"  (SELECT n.first FROM follow_dead n WHERE n.first > d.first ORDER BY n.first LIMIT 1)",
	NULL,
};
