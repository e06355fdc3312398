/* SPDX-License-Identifier: Apache-2.0 */
/* Statements about a scope as a whole.  Private to the store module; part of the list in store_sqlite_replica_sql.h. */
#pragma once
/* clang-format off */

/* By rowid, or by the id of a table that has none, in parts. Each finds the rows by an index that begins with sid. */
#define SCOPE_CUT_ROWS(table) "DELETE FROM " table " WHERE rowid IN (SELECT rowid FROM " table " WHERE sid = ?1 " \
  "LIMIT ?2)"
#define SCOPE_CUT_IDS(table)                                                                                          \
	"DELETE FROM " table " WHERE sid = ?1 AND id IN (SELECT id FROM " table " WHERE sid = ?1 ORDER BY id LIMIT ?2)"

/* Its kv entry, by the scope's name. */
#define SCOPE_KV " WHERE space = '" STORE_OF_SCOPE "' AND name = CAST("
#define SCOPE_NAME_OF "(SELECT name FROM follow_scope WHERE sid = ?1) AS BLOB)"

#define SCOPE_TABLE(X)                                                                                                \
	X(C_CUT_KV, "DELETE FROM note" SCOPE_KV SCOPE_NAME_OF)                                                        \
	X(C_CUT_KV_NAMED, "DELETE FROM note" SCOPE_KV "?2 AS BLOB)"                                                   \
	                  " AND NOT EXISTS(SELECT 1 FROM follow_scope WHERE sid = ?1 AND name = ?2)")                 \
	X(C_MOVE_KV, "UPDATE note SET name = CAST(?2 AS BLOB)" SCOPE_KV SCOPE_NAME_OF)                                \
	X(C_RENAME, "UPDATE OR IGNORE follow_scope SET name = ?2 WHERE sid = ?1")                                     \
	X(C_POINT, "UPDATE follow_scope SET url = ?2, resource = ?3, from_now = ?4, fault = '', fault_ms = 0,"        \
	           " throttled_ms = 0 WHERE sid = ?1")                                                                \
	X(C_UNFOLLOW, "UPDATE follow_scope SET gen = 0, ord = 0, top = 0, moving = 0, tail_ord = 0, items = 0,"       \
	              " delta_link = '', rounds = 0, round_ended_ms = 0, fault = 'it is being forgotten', fault_ms = 0"\
	              " WHERE sid = ?1")                                                                              \
	X(C_CUT_RANGES, "DELETE FROM follow_range WHERE sid = ?1")                                                    \
	X(C_CUT_CHANGES, SCOPE_CUT_ROWS("follow_change"))                                                             \
	X(C_CUT_LETTERS, SCOPE_CUT_ROWS("follow_letter"))                                                             \
	X(C_CUT_CONTENT, SCOPE_CUT_IDS("follow_content"))                                                             \
	X(C_CUT_SCOPE, "DELETE FROM follow_scope WHERE sid = ?1")
