/* SPDX-License-Identifier: Apache-2.0 */
/* store_sqlite_views — the SQL views of what is followed: fixed ones, and one per resource, from its columns. */
#include <sqlite3.h>

#include "base/buf.h"
#include "store/store_sqlite_replica_sql.h"
#include "store/store_sqlite_views.h"

#define VIEW_BYTES_MAX ((size_t)64 << 10)

/*
 * An outside contract, described in docs/sql.md.  SQLite and DuckDB read them: so a CROSS JOIN has its condition in
 * WHERE, members are taken by ->> in brackets, and there is no function that means something else in DuckDB.
 */
/* clang-format off */
/* A body as columns show it. */
#define BODY "coalesce(i.shown, i.body)"
#define MEMBER(body, name) "(" body " ->> '$." name "')"

/*
 * A moment in words.  Days are added to a date: DuckDB takes the text as that date.  SQLite takes its leading number,
 * which is the Julian day of that date.
 */
#define DAY_4701 "CAST('4701-10-08 (BC)' AS DATE)"
#define PART(ms, all, one) "CAST((" ms " % " #all " - " ms " % " #one ") / " #one " AS INTEGER)"
#define TIME(ms)                                                                                                      \
	"CASE WHEN " ms " > 0 THEN strftime('%Y-%m-%d', " DAY_4701 " + CAST(2435887 + (" ms " - " ms " % 86400000)"   \
	" / 86400000 AS INTEGER)) || printf('T%02d:%02d:%02dZ', " PART(ms, 86400000, 3600000) ", "                    \
	PART(ms, 3600000, 60000) ", " PART(ms, 60000, 1000) ") END"

#define ITEMS_OF_SCOPES                                                                                               \
	" FROM follow_scope s CROSS JOIN follow_entry e CROSS JOIN follow_item i"                                     \
	" WHERE e.gen = s.gen AND i.place = " SEEN_PLACE("s", "e")

#define KIND(kind)                                                                                                    \
	"CASE " kind " WHEN 0 THEN 'created' WHEN 1 THEN 'updated' WHEN 2 THEN 'removed' ELSE 'returned' END"
/* The changes that a range numbers, but for those that are no longer kept; and the item of a change, as it is now. */
#define IN_RANGE(table, t)                                                                                            \
	" FROM follow_range r JOIN follow_scope s ON s.sid = r.sid JOIN " table " " t " ON " t ".place BETWEEN"       \
	" (r.gen << 36) + r.first + CASE WHEN s.tail >= r.n THEN s.tail + 1 - r.n ELSE 0 END"                         \
	" AND (r.gen << 36) + r.first + r.last - r.n"
#define NOW_AT(id)                                                                                                    \
	" LEFT JOIN follow_entry e ON e.gen = s.gen AND e.id = " id " AND coalesce(d.kind, 0) <> 2 LEFT JOIN"         \
	  " follow_item b"                                                                                            \
	" ON b.place = " SEEN_PLACE("s", "e")

/* A parent that is not in the view ends the path. */
#define PATH_OF(body, end)                                                                                            \
	MEMBER(body, "parentReference.id") ", CASE WHEN json_type(" body ", '$.root') IS NULL THEN '/' || "           \
	MEMBER(body, "name") " || " end " ELSE "
#define TREE_PATH                                                                                                     \
	"(WITH RECURSIVE up(id, path, depth) AS (SELECT " PATH_OF("~", "''") "'/' END, 0 UNION ALL"                   \
	" SELECT " PATH_OF("coalesce(pi.shown, pi.body)", "up.path") "up.path END, up.depth + 1"                      \
	" FROM up CROSS JOIN follow_entry pe CROSS JOIN follow_item pi"                                               \
	" WHERE pe.gen = s.gen AND pe.id = up.id AND pi.place = " SEEN_PLACE("s", "pe") " AND up.depth < 400)"        \
	" SELECT path FROM up ORDER BY depth DESC LIMIT 1)"

static const struct {
	const char *name, *sql;
} fixed[] = {
	{ "items", "SELECT s.name AS scope, s.resource AS resource, e.id AS id, coalesce(" MEMBER(BODY, "displayName")
	           ", " MEMBER(BODY, "name") ", " MEMBER(BODY, "subject") ") AS name, i.body AS value"
	           ITEMS_OF_SCOPES },
	{ "scopes", "SELECT s.name AS scope, s.url AS url, s.resource AS resource, s.items AS items,"
	            " s.rounds AS rounds, "
	            TIME("s.round_ended_ms") " AS lastRound, CASE s.phase WHEN 0 THEN 'idle'"
	            " WHEN 1 THEN 'round' ELSE 'settling' END AS phase, s.round_pages AS roundPages,"
	            " s.round_items AS roundItems,"
	            " s.throttled_ms / 1000.0 AS throttledSeconds, (SELECT count(l.sid) FROM follow_letter l"
	            " WHERE l.sid = s.sid AND l.round_gen = 0) AS deadLetters, s.fault AS fault, "
	            TIME("s.fault_ms") " AS faultAt, s.acked AS acked, s.tail AS changesLost, " TIME("s.gap_ms")
	            " AS gapAt, nullif(s.owner, '') AS owner FROM follow_scope s" },
	{ "relations", "SELECT s.name AS scope, r.id AS id, r.relation AS relation, r.member AS member,"
	               " nullif(r.type, '') AS type, r.value AS value FROM follow_scope s CROSS JOIN follow_member r"
	               " WHERE r.gen = s.gen AND r.life = 0 AND r.place <= (s.gen << 36) + s.ord"
	               " AND (s.moving <> 2 OR NOT " MEMBER_IS_DEAD("r", "(s.gen << 36) + s.ord") ")" },
	{ "changes",
	  "SELECT c.n AS n, " KIND("c.kind") " AS change, s.name AS scope, c.id AS id, nullif(c.fields, '') AS fields,"
	             " i.body AS value, " TIME("c.at_ms") " AS \"at\" FROM follow_change c JOIN follow_scope s"
	             " ON s.sid = c.sid LEFT JOIN follow_entry e ON c.kind <> 2 AND e.gen = s.gen AND e.id = c.id"
	             " LEFT JOIN follow_item i ON i.place = " SEEN_PLACE("s", "e")
	             " UNION ALL SELECT r.n + i.place - (r.gen << 36) - r.first, 'created', s.name, i.id, NULL, b.body,"
	             " " TIME("r.at_ms") IN_RANGE("follow_item", "i")
	             " LEFT JOIN follow_detail d ON d.place = i.place" NOW_AT("i.id")
	             " WHERE d.place IS NULL AND (r.is_listing = 0 OR b.place IS NOT NULL)"
	             " UNION ALL SELECT r.n + d.place - (r.gen << 36) - r.first, " KIND("d.kind")
	             ", s.name, d.id, nullif(d.fields, ''), b.body, " TIME("r.at_ms") IN_RANGE("follow_detail", "d")
	             NOW_AT("d.id")
	             " WHERE r.is_listing = 0 OR d.kind <> 0 OR b.place IS NOT NULL" },
};
/* clang-format on */

static void
put_column(struct buf *sql, const struct store_column *column)
{
	const char *text = column->sql && strcmp(column->sql, STORE_TREE_PATH) == 0 ? TREE_PATH : column->sql;

	buf_put(sql, STR(", "));
	if (column->path)
		buf_printf(sql, MEMBER(BODY, "%s"), column->path);
	for (; !column->path && *text; text++)
		*text == '~' ? buf_put(sql, STR(BODY)) : buf_put_char(sql, *text);
	buf_printf(sql, " AS \"%s\"", column->name);
}

static void
put_view(struct buf *sql, const struct store_view *view)
{
	buf_printf(sql, "CREATE VIEW %s AS SELECT s.name AS scope, e.id AS id", view->name);
	for (const struct store_column *column = view->columns; column->name; column++)
		put_column(sql, column);
	buf_printf(sql,
	           ", i.body AS value" ITEMS_OF_SCOPES
	           " AND (s.resource = '%s' OR " MEMBER(BODY, "\"@odata.type\"") " = '%s')",
	           view->name, view->odata_type);
}

static enum err
is_made(struct conn *conn, const char *name, struct str sql, bool *made_out)
{
	sqlite3_stmt *stmt = NULL;
	enum err      err = OK;
	int code = sqlite3_prepare_v2(conn->db, "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1", -1,
	                              &stmt, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	err = code == SQLITE_OK ? sql_conn_step(conn, stmt) : sql_conn_fail(conn, code);
	*made_out = err == OK && str_eq(sql_column_str(stmt, 0), sql);
	(void)sqlite3_finalize(stmt);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Both in one commit: a reader of the file finds either the old view or the new one. */
static enum err
make_view(struct conn *conn, const char *name, const struct buf *sql)
{
	AUTO(buf_close) struct buf steps = { 0 };
	bool                       made;

	TRY(buf_err(sql));
	TRY(is_made(conn, name, buf_str(sql), &made));
	if (made)
		return OK;
	buf_open(&steps, VIEW_BYTES_MAX + 256);
	buf_printf(&steps, "BEGIN IMMEDIATE; DROP VIEW IF EXISTS %s; %.*s; COMMIT", name, STR_ARG(buf_str(sql)));
	buf_put_char(&steps, '\0');
	TRY(buf_err(&steps));
	return sql_conn_exec(conn, steps.at);
}

enum err
sql_views_refresh(struct conn *conn, const struct store_view *views)
{
	for (size_t i = 0; i < COUNT_OF(fixed); i++) {
		AUTO(buf_close) struct buf sql = { 0 };

		buf_open(&sql, VIEW_BYTES_MAX);
		buf_printf(&sql, "CREATE VIEW %s AS %s", fixed[i].name, fixed[i].sql);
		TRY(make_view(conn, fixed[i].name, &sql));
	}
	for (; views && views->name; views++) {
		AUTO(buf_close) struct buf sql = { 0 };

		buf_open(&sql, VIEW_BYTES_MAX);
		put_view(&sql, views);
		TRY(make_view(conn, views->name, &sql));
	}
	return OK;
}
