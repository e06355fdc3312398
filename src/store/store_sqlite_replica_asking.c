/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

enum err
replica_get_asking(struct replica *replica, int64_t sid, struct arena *arena, struct replica_asking *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	int64_t                                   page_size;
	struct str                                prefer;

	TRY(rep_stmt_ints(replica, K_ASKING, INTS(sid), &stmt));
	TRY(rep_step(replica, stmt));
	page_size = sqlite3_column_int64(stmt, 0);
	prefer = sql_column_str(stmt, 1);
	if (page_size < 0 || page_size > UINT32_MAX || prefer.len > REPLICA_PREFER_MAX)
		return rep_damaged(replica);
	*out = (struct replica_asking){ (uint32_t)page_size, arena_copy(arena, prefer) };
	return OK;
}

enum err
replica_set_page_size(struct replica *replica, int64_t sid, uint32_t page_size)
{
	TRY(rep_begin(replica, false));
	return rep_end(replica, rep_do_ints(replica, K_SET_PAGE_SIZE, INTS(sid, page_size)));
}

enum err
replica_set_prefer(struct replica *replica, int64_t sid, struct str prefer)
{
	struct sqlite3_stmt *stmt;

	MUST(prefer.len <= REPLICA_PREFER_MAX);
	TRY(rep_stmt(replica, K_SET_PREFER, &stmt));
	sql_bind_int(stmt, 1, sid);
	rep_bind_str(stmt, 2, prefer);
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_run(replica, stmt));
}
