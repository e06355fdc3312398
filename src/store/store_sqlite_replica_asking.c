/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

enum err
replica_get_asking(struct replica *replica, int64_t sid, struct arena *arena, struct replica_asking *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	int64_t                                   page_size;
	struct str                                prefer;

	TRY(rep_row(replica, K_ASKING, VALUES(INT(sid)), &stmt));
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
	return rep_end(replica, rep_do_with(replica, K_SET_PAGE_SIZE, VALUES(INT(sid), INT(page_size))));
}

enum err
replica_set_prefer(struct replica *replica, int64_t sid, struct str prefer)
{
	MUST(prefer.len <= REPLICA_PREFER_MAX);
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, K_SET_PREFER, VALUES(INT(sid), TEXT(prefer))));
}
