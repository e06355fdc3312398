/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of items, and the entries by which a view finds them. */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

enum err
rep_get_body(struct replica *replica, int64_t row_key, struct sqlite3_stmt **stmt_out, struct str *body_out)
{
	TRY(rep_stmt(replica, F_GET_ITEM, stmt_out));
	sql_bind_int(*stmt_out, 1, row_key);
	TRY(rep_step(replica, *stmt_out));
	*body_out = sql_column_str(*stmt_out, 1);
	return OK;
}

enum err
rep_show_body(struct replica *replica, const struct replica_merger *merger, int64_t row_key, struct str body)
{
	struct sqlite3_stmt *stmt;

	buf_cut(&replica->shown, 0);
	if (!merger->show(merger->ctx, body, &replica->shown))
		return OK;
	TRY(rep_stmt(replica, R_SHOW, &stmt));
	sql_bind_int(stmt, 1, row_key);
	rep_bind_str(stmt, 2, buf_str(&replica->shown));
	return rep_run(replica, stmt);
}

enum err
rep_set_body(struct replica *replica, const struct replica_merger *merger, int64_t row_key, struct str body)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, F_SET_BODY, &stmt));
	sql_bind_int(stmt, 1, row_key);
	rep_bind_str(stmt, 2, body);
	TRY(rep_run(replica, stmt));
	return rep_show_body(replica, merger, row_key, body);
}

enum err
rep_find_entry(struct replica *replica, int64_t gen, struct str id, int64_t *row_key_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_stmt(replica, F_GET_ENTRY, &stmt));
	sql_bind_int(stmt, 1, gen);
	rep_bind_str(stmt, 2, id);
	TRY(rep_step(replica, stmt));
	*row_key_out = sqlite3_column_int64(stmt, 0);
	return OK;
}

enum err
rep_put_entry(struct replica *replica, int64_t gen, struct str id, int64_t row_key)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, F_ADD_ENTRY, &stmt));
	sql_bind_int(stmt, 1, gen);
	rep_bind_str(stmt, 2, id);
	sql_bind_int(stmt, 3, row_key);
	return rep_run(replica, stmt);
}

enum err
rep_cut_entry(struct replica *replica, int64_t gen, struct str id)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, F_CUT_ENTRY, &stmt));
	sql_bind_int(stmt, 1, gen);
	rep_bind_str(stmt, 2, id);
	return rep_run(replica, stmt);
}
