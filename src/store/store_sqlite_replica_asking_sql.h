/* SPDX-License-Identifier: Apache-2.0 */
/* How a scope asks: columns and statements.  Private to the store module; part of store_sqlite_replica_sql.h. */
#pragma once
/* clang-format off */

#define SCHEMA_ASKING                                                                                                 \
	"ALTER TABLE follow_scope ADD COLUMN page_size INTEGER NOT NULL DEFAULT 0;"                                   \
	"ALTER TABLE follow_scope ADD COLUMN prefer TEXT NOT NULL DEFAULT '';"

#define ASKING_TABLE(X)                                                                                               \
	X(K_ASKING, "SELECT page_size, prefer FROM follow_scope WHERE sid = ?1")                                      \
	X(K_SET_PAGE_SIZE, "UPDATE follow_scope SET page_size = ?3 WHERE sid = ?1")                                   \
	X(K_SET_PREFER, "UPDATE follow_scope SET prefer = ?2 WHERE sid = ?1")
