/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and purging followed feeds: statements.  Private to the SQLite engine; part of store_sqlite_sql.h.
 * store_sqlite_replica_feed_sql.h has the tables and their rules.  Rows have the columns of those of native feeds.
 */
#pragma once
/* clang-format off */

#include "store/store_sqlite_replica_feed_sql.h"

/* From the range that holds the row key ?1, or the last one before it. */
#define FOLLOWED_DEAD                                                                                                 \
	"SELECT first, last FROM follow_dead"                                                                         \
	" WHERE first >= coalesce((SELECT max(first) FROM follow_dead WHERE first <= ?1), ?1) ORDER BY first"
/* The newest number of a round that ended at or before the moment, if all later changes are known as rounds. */
#define FOLLOWED_SEQ_AT                                                                                               \
	"SELECT first + last - n FROM follow_range r WHERE sid = ?1 AND gen = ?2 AND n < coalesce((SELECT n"          \
	" FROM follow_range WHERE sid = ?1 AND gen = ?2 AND at_ms > ?3 ORDER BY n LIMIT 1), 1 << 62)"                 \
	" AND last >= (SELECT tail FROM follow_scope WHERE sid = ?1)"                                                 \
	" AND NOT EXISTS(SELECT 1 FROM follow_change c WHERE c.sid = ?1 AND c.n > r.last) ORDER BY n DESC LIMIT 1"

#define RELATED(life)                                                                                                 \
	"FROM follow_member WHERE life = " #life " AND place > ?1 AND place <= ?2"

#define FOLLOWED_TABLE(X)                                                                                             \
	X(SQL_FOLLOWED_ITEMS, "SELECT place, id, NULL, 0, body, 0 FROM follow_item"                                   \
	                      " WHERE place > ?1 AND place <= ?2 AND life = 0 ORDER BY place")                        \
	X(SQL_FOLLOWED_BODIES, "SELECT place, body FROM follow_item"                                                  \
	                       " WHERE place > ?1 AND place <= ?2 AND life = 0 ORDER BY place")                       \
	/* The same with the members of relations, of a feed that may have some: they have four columns more. */      \
	X(SQL_RELATED_ITEMS, "SELECT place, id, NULL, 0, body, 0, 0, NULL, NULL, NULL, NULL FROM follow_item"         \
	                     " WHERE place > ?1 AND place <= ?2 AND life = 0 UNION ALL SELECT place, id, NULL, 0,"    \
	                     " NULL, 0, 0, relation, member, type, value " RELATED(0) " ORDER BY place")              \
	X(SQL_RELATED_TOMBS, "SELECT place, id, NULL, at_ms, NULL, 0, life, NULL, NULL, NULL, NULL FROM follow_tomb"  \
	                     " WHERE place > ?1 AND place <= ?2 UNION ALL SELECT place, id, NULL, at_ms, NULL, 0, 2," \
	                     " relation, member, type, value " RELATED(1) " ORDER BY place")                          \
	X(SQL_FOLLOWED_TOMBS, "SELECT place, id, NULL, at_ms, NULL, 0, life FROM follow_tomb"                         \
	                      " WHERE place > ?1 AND place <= ?2 ORDER BY place")                                     \
	/* One for each stream of a scan. */                                                                          \
	X(SQL_FOLLOWED_DEAD_ITEMS, FOLLOWED_DEAD)                                                                     \
	X(SQL_FOLLOWED_DEAD_TOMBS, FOLLOWED_DEAD)                                                                     \
	X(SQL_FOLLOWED_BY_ID, "SELECT i.place, i.id, NULL, 0, i.body, 0 FROM follow_entry e CROSS JOIN follow_item i" \
	                      " ON i.place = " FOLLOWED_PLACE("e", "?3") " AND i.life = 0"                            \
	                      " WHERE e.gen = ?1 AND e.id > ?2 ORDER BY e.id")                                        \
	X(SQL_FOLLOWED_GET, "SELECT i.place, i.id, NULL, 0, i.body, 0 FROM feed f CROSS JOIN follow_entry e"          \
	                    " ON e.gen = f.gen AND e.id = ?4 CROSS JOIN follow_item i"                                \
	                    " ON i.place = " FOLLOWED_PLACE("e", "(f.gen << 36) + f.head") " AND i.life = 0"          \
	                    " WHERE " THIS_FEED)                                                                      \
	X(SQL_FOLLOWED_SEQ_AT, FOLLOWED_SEQ_AT)                                                                       \
	X(SQL_FOLLOWED_SCOPE, "SELECT sid, name, url, resource, owner, rounds, round_ended_ms FROM follow_scope"      \
	                      " WHERE name = ?1")                                                                     \
	X(SQL_FOLLOWED_MEMBER, "SELECT relation, member, type, value FROM feed f CROSS JOIN follow_member r"          \
	                       " ON r.gen = f.gen AND r.id = ?4 AND (relation, member) > (?5, ?6) AND r.life = 0"     \
	                       " AND r.place <= (f.gen << 36) + f.head AND (f.moving = 0 OR NOT "                     \
	                       MEMBER_IS_DEAD("r", "(f.gen << 36) + f.head") ")"                                      \
	                       " WHERE " THIS_FEED " ORDER BY relation, member LIMIT 1")                              \
	X(SQL_FOLLOWED_CONTENT, "SELECT etag FROM follow_content WHERE sid = ?1 AND id = ?2 AND state = ?3")          \
	/* Owners are sixteen digits. */                                                                              \
	X(SQL_NEXT_FOLLOWED, "SELECT " FEED_STATE ", NULL, tenant, owner, collection"                                 \
	                     " FROM feed f CROSS JOIN meta m ON m.one = 1 WHERE tenant = ?1"                          \
	                     " AND owner > max(?2, x'30303030303030303030303030303030')"                              \
	                     " AND owner <= x'39393939393939393939393939393939' AND collection = ?3 AND f.gen <> 0"   \
	                     " ORDER BY owner LIMIT 1")                                                               \
	X(SQL_FOLLOWED_MOVING, "SELECT 1 FROM follow_scope WHERE sid = ?1 AND moving = 0")                            \
	/* The members that a removed item had go with its tombstone. */                                              \
	X(SQL_FOLLOWED_CUT_HIDDEN, "DELETE " RELATED(2))                                                              \
	X(SQL_FOLLOWED_CUT_ENDED, "DELETE " RELATED(1))                                                               \
	X(SQL_FOLLOWED_CUT_TOMBS, "DELETE FROM follow_tomb WHERE place > ?1 AND place <= ?2")
