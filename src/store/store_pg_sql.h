/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the PostgreSQL engine, and every statement that runs on them while a store is open.
 *
 * `fk` is a 128-bit BLAKE2b of the feed's whole name.  It is the first column of every key, so the rows of a feed lie
 * together, and a feed can be moved to a machine of its own.  Each statement names its feed by fk = $1, written out at
 * each table: the planner then sees that one feed is meant.  The names are stored and compared, too: a wrong key can
 * never show another user's rows.
 */
#pragma once
/* clang-format off */

#define PG_SCHEMA_1                                                                                                  \
	"CREATE TABLE store(one int PRIMARY KEY CHECK (one = 1), store_id uuid NOT NULL, schema int NOT NULL,"       \
	"  min_schema int NOT NULL, kv_version bigint NOT NULL) WITH (fillfactor = 50);"                             \
	"CREATE TABLE feed(fk uuid PRIMARY KEY, tenant uuid NOT NULL, owner uuid NOT NULL, collection int NOT NULL," \
	"  generation uuid NOT NULL, epoch bigint NOT NULL, timeline int NOT NULL, home bigint NOT NULL,"            \
	"  head bigint NOT NULL, purged_through bigint NOT NULL, purged_ms bigint NOT NULL, last_ms bigint NOT NULL," \
	"  default_item bytea, live bigint NOT NULL, tombs bigint NOT NULL) WITH (fillfactor = 50);"                 \
	"CREATE INDEX feed_name ON feed(tenant, owner, collection);"                                                 \
	"CREATE TABLE item(fk uuid, id bytea, seq bigint NOT NULL, made bigint NOT NULL, changed_ms bigint NOT NULL," \
	"  key bytea, body bytea NOT NULL, PRIMARY KEY (fk, id));"                                                   \
	"CREATE UNIQUE INDEX item_seq ON item(fk, seq);"                                                             \
	"CREATE UNIQUE INDEX item_made ON item(fk, made);"                                                           \
	"CREATE INDEX item_key ON item(fk, key, seq) WHERE key IS NOT NULL;"                                         \
	"CREATE TABLE tomb(fk uuid, id bytea, seq bigint NOT NULL, changed_ms bigint NOT NULL,"                      \
	"  PRIMARY KEY (fk, id));"                                                                                   \
	"CREATE UNIQUE INDEX tomb_seq ON tomb(fk, seq);"                                                             \
	"CREATE TABLE feed_epoch(fk uuid, epoch bigint, base bigint NOT NULL, PRIMARY KEY (fk, epoch));"             \
	"CREATE TABLE op(fk uuid, id uuid, at_ms bigint NOT NULL, PRIMARY KEY (fk, id));"                            \
	"CREATE INDEX op_at ON op(at_ms);"                                                                           \
	"CREATE TABLE kv(namespace text COLLATE \"C\", name bytea, value bytea NOT NULL,"                            \
	"  PRIMARY KEY (namespace, name));"

/*
 * Which history this is. The timeline rises when a standby becomes the primary, and when a backup is recovered.
 * `home` is another one when the tables were made anew, as pg_restore does, or stand in another cluster.
 */
#define TIMELINE "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int4::int8"
#define HOME     "hashtextextended((SELECT system_identifier FROM pg_control_system())::text"                        \
                 " || ' ' || to_regclass('feed')::oid::text, 0)"

#define OF_FEED "fk = $1 AND tenant = $2 AND owner = $3 AND collection = $4"

/* A row of a page. The first one is the state of the feed; the others are items and tombstones. */
#define STATE_ROW(base) "SELECT 0::int8, head, purged_through, purged_ms, uuid_send(generation),"                    \
                        " int8send(epoch) || int8send(" base ") || int8send(live) || int8send(tombs), NULL::bytea"
#define ITEM_ROW  "SELECT 1::int8, seq, made, changed_ms, id, key, body FROM item WHERE fk = $1"
#define TOMB_ROW  "SELECT 2::int8, seq, 0::int8, changed_ms, id, NULL::bytea, NULL::bytea FROM tomb WHERE fk = $1"

/*
 * Which head a reader of epoch $5 may have seen at most.  An epoch that the feed never had is one of a history that was
 * lost: nothing that was seen in it counts.
 */
#define BASE "CASE WHEN epoch = $5 THEN -1 WHEN $5 = 1"                                                               \
             " OR EXISTS (SELECT FROM feed_epoch WHERE fk = $1 AND epoch = $5)"                                      \
             " THEN coalesce((SELECT min(base) FROM feed_epoch WHERE fk = $1 AND epoch > $5), -1) ELSE 0 END"
#define PAGE_STATE STATE_ROW(BASE) " FROM feed WHERE " OF_FEED " UNION ALL "
#define SPAN       " AND seq > $6 AND seq <= $7"

/* The newest row of a table changed at or before $5, by binary search: change times rise with seq. */
#define NEWEST(name, table)                                                                                          \
	name "(low, high, best) AS (SELECT 0::int8, head, 0::int8 FROM feed WHERE " OF_FEED " UNION ALL"             \
	" SELECT CASE WHEN r.changed_ms > $5 THEN low ELSE mid END,"                                                 \
	" CASE WHEN r.changed_ms > $5 THEN r.seq - 1 ELSE high END,"                                                 \
	" CASE WHEN r.changed_ms <= $5 THEN r.seq ELSE best END FROM " name                                          \
	" CROSS JOIN LATERAL (SELECT high - (high - low) / 2 AS mid) m"                                              \
	" LEFT JOIN LATERAL (SELECT seq, changed_ms FROM " table                                                     \
	" WHERE fk = $1 AND seq > low AND seq <= mid ORDER BY seq DESC LIMIT 1) r ON true WHERE low < high)"

#define PG_TABLE(X)                                                                                                  \
	/* Reading. */                                                                                               \
	X(PG_IS_EMPTY, "SELECT (to_regclass('store') IS NULL)::int::int8")                                           \
	X(PG_HEADER, "SELECT store_id, schema::int8, min_schema::int8, " HOME " FROM store WHERE one = 1")            \
	X(PG_CHANGES, PAGE_STATE "(SELECT * FROM ((" ITEM_ROW SPAN " ORDER BY seq LIMIT $8) UNION ALL"               \
	              " (" TOMB_ROW SPAN " ORDER BY seq LIMIT $8)) c ORDER BY seq LIMIT $8)")                        \
	X(PG_LIVE, PAGE_STATE "(" ITEM_ROW SPAN " ORDER BY seq LIMIT $8)")                                           \
	X(PG_MADE, PAGE_STATE "(" ITEM_ROW " AND made > $6 ORDER BY made LIMIT $7)")                                 \
	X(PG_OF_KEY, PAGE_STATE "(" ITEM_ROW SPAN " AND key = $9 ORDER BY seq LIMIT $8)")                            \
	X(PG_GET, ITEM_ROW " AND id = $5 AND EXISTS (SELECT FROM feed WHERE " OF_FEED ")")                           \
	X(PG_GET_DEFAULT, ITEM_ROW " AND id = (SELECT default_item FROM feed WHERE " OF_FEED ")")                    \
	X(PG_SEQ_AT, "WITH RECURSIVE " NEWEST("i", "item") ", " NEWEST("t", "tomb") " " STATE_ROW("-1::int8")         \
	             ", (SELECT max(best) FROM i), (SELECT max(best) FROM t) FROM feed WHERE " OF_FEED)               \
	X(PG_NEXT_FEED, STATE_ROW("-1::int8") ", tenant, owner, collection::int8, fk FROM feed"                      \
	                " WHERE (tenant, owner, collection) > ($1, $2, $3)"                                          \
	                " ORDER BY tenant, owner, collection LIMIT 1")                                               \
	X(PG_GET_KV, "SELECT value FROM kv WHERE namespace = $1 AND name = $2")                                      \
	X(PG_NEXT_KV, "SELECT name, value FROM kv WHERE namespace = $1 AND name > $2 ORDER BY name LIMIT 1")         \
	X(PG_KV_VERSION, "SELECT kv_version FROM store WHERE one = 1")                                               \
	/* In a transaction, on a feed that it has locked. */                                                        \
	X(PG_LOCK_FEED, "SELECT generation, epoch, timeline::int8, home, head, purged_through, purged_ms, last_ms,"  \
	                " default_item, live, tombs, " TIMELINE " FROM feed WHERE " OF_FEED " FOR NO KEY UPDATE")     \
	X(PG_MAKE_FEED, "INSERT INTO feed VALUES($1, $2, $3, $4, $5, 1, " TIMELINE "::int4, $6,"                     \
	                " 0, 0, 0, 0, NULL, 0, 0)"                                                                   \
	                " ON CONFLICT DO NOTHING RETURNING timeline::int8")                                          \
	X(PG_SAVE_FEED, "UPDATE feed SET epoch = $2, timeline = $3::int4, home = $4, head = $5, purged_through = $6,"  \
	                " purged_ms = $7, last_ms = $8, live = $9, tombs = $10, default_item = $11 WHERE fk = $1")   \
	X(PG_UNMAKE_FEED, "DELETE FROM feed WHERE fk = $1")                                                          \
	X(PG_DROP_FEED, "WITH i AS (DELETE FROM item WHERE fk = $1), t AS (DELETE FROM tomb WHERE fk = $1),"         \
	                " e AS (DELETE FROM feed_epoch WHERE fk = $1) DELETE FROM feed WHERE fk = $1")               \
	X(PG_ADD_BASE, "INSERT INTO feed_epoch(fk, epoch, base) VALUES($1, $2, $3)")                                 \
	X(PG_GET_IN, ITEM_ROW " AND id = $2")                                                                        \
	X(PG_FIND_IN, ITEM_ROW " AND key = $2 ORDER BY seq LIMIT 1")                                                 \
	X(PG_NEXT_IN, ITEM_ROW " AND seq > $2 ORDER BY seq LIMIT 1")                                                 \
	X(PG_PUT, "WITH gone AS (DELETE FROM tomb WHERE fk = $1 AND id = $2 RETURNING 1), kept AS ("                 \
	          "INSERT INTO item(fk, id, seq, made, changed_ms, key, body) VALUES($1, $2, $3, $3, $4, $5, $6)"     \
	          " ON CONFLICT (fk, id) DO UPDATE SET seq = excluded.seq, changed_ms = excluded.changed_ms,"        \
	          " key = excluded.key, body = excluded.body RETURNING made)"                                        \
	          " SELECT made, (SELECT count(*) FROM gone) FROM kept")                                             \
	X(PG_REWRITE, "UPDATE item SET key = $3, body = $4 WHERE fk = $1 AND id = $2")                               \
	X(PG_REMOVE, "WITH gone AS (DELETE FROM item WHERE fk = $1 AND id = $2 RETURNING id)"                        \
	             " INSERT INTO tomb(fk, id, seq, changed_ms) SELECT $1, id, $3, $4 FROM gone")                   \
	X(PG_PURGEABLE, "SELECT count(*), max(seq), max(changed_ms) FROM (SELECT seq, changed_ms"                    \
	                " FROM tomb WHERE fk = $1 AND seq > $2 ORDER BY seq LIMIT $4) t WHERE changed_ms <= $3")      \
	X(PG_CUT_TOMBS, "DELETE FROM tomb WHERE fk = $1 AND seq <= $2")                                              \
	X(PG_LOCK_KV, "SELECT kv_version FROM store WHERE one = 1 FOR NO KEY UPDATE")                                \
	X(PG_RAISE_KV, "UPDATE store SET kv_version = kv_version + 1 WHERE one = 1")                                 \
	X(PG_PUT_KV, "INSERT INTO kv(namespace, name, value) VALUES($1, $2, $3)"                                     \
	             " ON CONFLICT (namespace, name) DO UPDATE SET value = excluded.value")                          \
	X(PG_CUT_KV, "DELETE FROM kv WHERE namespace = $1 AND name = $2")                                            \
	X(PG_ADD_OP, "INSERT INTO op(fk, id, at_ms) VALUES($1, $2, $3) ON CONFLICT DO NOTHING")                      \
	X(PG_FORGET_OPS, "DELETE FROM op WHERE at_ms < $1")                                                          \
	/* The whole. */                                                                                             \
	X(PG_INFO, "SELECT CASE WHEN e.feeds < 10000 THEN (SELECT count(*) FROM feed) ELSE e.feeds END,"             \
	           " CASE WHEN e.feeds < 10000 THEN (SELECT sum(live)::int8 FROM feed) ELSE e.items END,"            \
	           " CASE WHEN e.feeds < 10000 THEN (SELECT sum(tombs)::int8 FROM feed) ELSE e.tombs END,"           \
	           " (SELECT count(*) FROM kv),"                                                                     \
	           " pg_total_relation_size('feed') + pg_total_relation_size('item') + pg_total_relation_size('tomb')" \
	           " + pg_total_relation_size('kv') + pg_total_relation_size('op')"                                  \
	           " FROM (SELECT (SELECT reltuples::int8 FROM pg_class WHERE oid = 'feed'::regclass) AS feeds,"     \
	           " (SELECT reltuples::int8 FROM pg_class WHERE oid = 'item'::regclass) AS items,"                  \
	           " (SELECT reltuples::int8 FROM pg_class WHERE oid = 'tomb'::regclass) AS tombs) e")               \
	X(PG_CHECK_FEED,                                                                                             \
	  "WITH f AS (SELECT * FROM feed WHERE fk = $1), r AS (SELECT seq, changed_ms FROM item WHERE fk = $1"       \
	  " UNION ALL SELECT seq, changed_ms FROM tomb WHERE fk = $1)"                                               \
	  " SELECT 'a seq is beyond the head' FROM f WHERE EXISTS (SELECT FROM r WHERE seq NOT BETWEEN 1 AND head)"  \
	  " UNION ALL SELECT 'a seq is both an item and a tombstone' WHERE EXISTS"                                   \
	  " (SELECT FROM r GROUP BY seq HAVING count(*) > 1)"                                                        \
	  " UNION ALL SELECT 'an item also has a tombstone' WHERE EXISTS"                                            \
	  " (SELECT FROM item i JOIN tomb t USING (fk, id) WHERE fk = $1)"                                           \
	  " UNION ALL SELECT 'an item has a number of creation that it cannot have' WHERE EXISTS"                    \
	  " (SELECT FROM item WHERE fk = $1 AND made NOT BETWEEN 1 AND seq)"                                         \
	  " UNION ALL SELECT 'purged_through is beyond the head' FROM f WHERE purged_through > head"                 \
	  " UNION ALL SELECT 'a tombstone should have been purged' FROM f WHERE purged_through >="                   \
	  " (SELECT min(seq) FROM tomb WHERE fk = $1)"                                                               \
	  " UNION ALL SELECT 'the default item is not there' FROM f WHERE default_item IS NOT NULL AND NOT EXISTS"   \
	  " (SELECT FROM item i WHERE i.fk = $1 AND i.id = default_item)"                                            \
	  " UNION ALL SELECT 'it counts ' || live || ' items, and there are ' || n FROM f,"                          \
	  " (SELECT count(*) AS n FROM item WHERE fk = $1) c WHERE live <> n"                                        \
	  " UNION ALL SELECT 'it counts ' || tombs || ' tombstones, and there are ' || n FROM f,"                    \
	  " (SELECT count(*) AS n FROM tomb WHERE fk = $1) c WHERE tombs <> n"                                       \
	  " UNION ALL SELECT 'the newest change is missing: the head is ' || head FROM f WHERE head > purged_through" \
	  " AND NOT EXISTS (SELECT FROM r WHERE seq = head)"                                                         \
	  " UNION ALL SELECT 'an epoch begins beyond the head, or is newer than the feed' FROM f WHERE EXISTS"       \
	  " (SELECT FROM feed_epoch e WHERE e.fk = $1 AND (base > head OR e.epoch > f.epoch))"                       \
	  " UNION ALL SELECT 'a later change has an earlier moment' WHERE EXISTS (SELECT FROM (SELECT changed_ms,"   \
	  " lag(changed_ms) OVER (ORDER BY seq) AS before FROM r) m WHERE changed_ms < before)")                     \
	X(PG_CHECK_STRAY, "SELECT 'rows belong to a feed that is not there: fk ' || fk FROM (SELECT fk FROM item"    \
	                  " UNION SELECT fk FROM tomb UNION SELECT fk FROM feed_epoch) r WHERE NOT EXISTS"           \
	                  " (SELECT FROM feed f WHERE f.fk = r.fk) LIMIT 100")

enum pg_sql {
#define X(name, text) name,
	PG_TABLE(X)
#undef X
	PG_COUNT
};
