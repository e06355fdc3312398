/* SPDX-License-Identifier: Apache-2.0 */
/* store_sqlite_views — the SQL views of followed items, one per resource, made as the program describes them. */
#include <sqlite3.h>

#include "base/buf.h"
#include "store/store_sqlite_replica_sql.h"
#include "store/store_sqlite_views.h"

#define VIEW_BYTES_MAX ((size_t)64 << 10)

#define BODY FOLLOW_SHOWN
/* A parent that is not in the view ends the path. */
/* clang-format off */
#define TREE_PATH                                                                                                     \
	"(WITH RECURSIVE up(id, path, depth) AS (SELECT json_extract(~, '$.parentReference.id'), CASE WHEN"           \
	" json_type(~, '$.root') IS NULL THEN '/' || json_extract(~, '$.name') ELSE '/' END, 0 UNION ALL"             \
	" SELECT json_extract(p.body, '$.parentReference.id'), CASE WHEN json_type(p.body, '$.root') IS NULL THEN"    \
	" '/' || json_extract(p.body, '$.name') || up.path ELSE up.path END, up.depth + 1 FROM up CROSS JOIN"         \
	" (SELECT e.gen, e.id, coalesce(i.shown, i.body) AS body FROM follow_entry e CROSS JOIN follow_item i"        \
	" ON i.place = e.place) p ON p.gen = s.gen AND p.id = up.id WHERE up.depth < 400)"                            \
	" SELECT path FROM up ORDER BY depth DESC LIMIT 1)"
/* clang-format on */

static void
put_column(struct buf *sql, const struct store_column *column)
{
	const char *text = column->sql && strcmp(column->sql, STORE_TREE_PATH) == 0 ? TREE_PATH : column->sql;

	buf_put(sql, STR(", "));
	if (column->path)
		buf_printf(sql, "json_extract(" BODY ", '$.%s')", column->path);
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
	           ", i.body AS value" FOLLOW_JOIN " WHERE s.resource = '%s' OR json_extract(" BODY
	           ", '$.\"@odata.type\"') = '%s'",
	           view->name, view->odata_type);
}

static enum err
is_made(struct conn *conn, const struct store_view *view, struct str sql, bool *made_out)
{
	sqlite3_stmt *stmt = NULL;
	enum err      err = OK;
	int code = sqlite3_prepare_v2(conn->db, "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1", -1,
	                              &stmt, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_bind_text(stmt, 1, view->name, -1, SQLITE_STATIC);
	err = code == SQLITE_OK ? sql_conn_step(conn, stmt) : sql_conn_fail(conn, code);
	*made_out = err == OK && str_eq(sql_column_str(stmt, 0), sql);
	(void)sqlite3_finalize(stmt);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Both in one commit: a reader of the file finds either the old view or the new one. */
static enum err
make_view(struct conn *conn, const struct store_view *view, struct str sql)
{
	AUTO(buf_close) struct buf steps = { 0 };

	buf_open(&steps, VIEW_BYTES_MAX + 256);
	buf_printf(&steps, "BEGIN IMMEDIATE; DROP VIEW IF EXISTS %s; %.*s; COMMIT", view->name, STR_ARG(sql));
	buf_put_char(&steps, '\0');
	TRY(buf_err(&steps));
	return sql_conn_exec(conn, steps.at);
}

enum err
sql_views_refresh(struct conn *conn, const struct store_view *views)
{
	for (; views && views->name; views++) {
		AUTO(buf_close) struct buf sql = { 0 };
		bool                       made;

		buf_open(&sql, VIEW_BYTES_MAX);
		put_view(&sql, views);
		TRY(buf_err(&sql));
		TRY(is_made(conn, views, buf_str(&sql), &made));
		if (!made)
			TRY(make_view(conn, views, buf_str(&sql)));
	}
	return OK;
}
