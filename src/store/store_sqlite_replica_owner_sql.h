/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose data a scope holds: columns and statements.  Private to the store module; part of store_sqlite_replica_sql.h.
 *
 * SQLite cannot drop a constraint, so the table of scopes, whose key was the URL alone, is made anew.  It gets no other
 * name meanwhile: that would make SQLite read all views, and they name the table.
 */
#pragma once
/* clang-format off */

#define SCHEMA_OWNER                                                                                                  \
	"CREATE TABLE follow_kept AS SELECT * FROM follow_scope; DROP TABLE follow_scope;"                            \
	"CREATE TABLE follow_scope(sid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL,"            \
	"  resource TEXT NOT NULL, from_now INTEGER NOT NULL, gen INTEGER NOT NULL DEFAULT 0,"                        \
	"  ord INTEGER NOT NULL DEFAULT 0, items INTEGER NOT NULL DEFAULT 0, delta_link TEXT NOT NULL DEFAULT '',"    \
	"  phase INTEGER NOT NULL DEFAULT 0, kind INTEGER NOT NULL DEFAULT 0, round_gen INTEGER NOT NULL DEFAULT 0,"  \
	"  round_ord INTEGER NOT NULL DEFAULT 0, round_link TEXT NOT NULL DEFAULT '',"                                \
	"  round_pages INTEGER NOT NULL DEFAULT 0, round_items INTEGER NOT NULL DEFAULT 0,"                           \
	"  round_started_ms INTEGER NOT NULL DEFAULT 0, rounds INTEGER NOT NULL DEFAULT 0,"                           \
	"  round_ended_ms INTEGER NOT NULL DEFAULT 0, throttled_ms INTEGER NOT NULL DEFAULT 0,"                       \
	"  fault TEXT NOT NULL DEFAULT '', fault_ms INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0,"    \
	"  told INTEGER NOT NULL DEFAULT 0, tail INTEGER NOT NULL DEFAULT 0, updates INTEGER NOT NULL DEFAULT 0,"     \
	"  rule TEXT NOT NULL DEFAULT '', round_rule TEXT NOT NULL DEFAULT '', gap_ms INTEGER NOT NULL DEFAULT 0,"    \
	"  page_size INTEGER NOT NULL DEFAULT 0, prefer TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL DEFAULT '',"    \
	"  UNIQUE(url, owner)) STRICT;"                                                                               \
	"INSERT INTO follow_scope SELECT *, '' FROM follow_kept; DROP TABLE follow_kept;"

#define OWNER_TABLE(X)                                                                                                \
	X(O_SET, "UPDATE OR IGNORE follow_scope SET owner = ?2 WHERE sid = ?1")
