/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the log of changes stays small.
 *
 * Old changes are deleted in parts, and the same commit raises the scope's tail.  A reader who stands before the tail
 * is told that changes are missing.  A first round's range has no rows of its own: it is deleted only when all of it is
 * behind the tail.
 */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

#define TRIM_ROWS 1000

struct trim {
	int64_t sid, acked, tail;
	int64_t rows, ranges; /* up to where they may be deleted; 0: none */
};

static enum err
next_scope(struct replica *replica, struct trim *trim)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_stmt(replica, F_TRIM_SCOPE, &stmt));
	sql_bind_int(stmt, 1, trim->sid);
	TRY(rep_step(replica, stmt));
	trim->sid = sqlite3_column_int64(stmt, 0);
	trim->acked = sqlite3_column_int64(stmt, 1);
	trim->tail = sqlite3_column_int64(stmt, 2);
	return OK;
}

static enum err
cut(struct replica *replica, const struct trim *trim)
{
	int64_t tail = trim->rows > trim->ranges ? trim->rows : trim->ranges;

	TRY(rep_do_ints(replica, F_CUT_CHANGES, INTS(trim->sid, trim->rows)));
	TRY(rep_do_ints(replica, F_CUT_RANGES, INTS(trim->sid, trim->ranges)));
	return rep_do_ints(replica, F_SET_TAIL, INTS(trim->sid, tail));
}

enum err
replica_trim(struct replica *replica, const struct replica_keep *keep, bool *done_out)
{
	struct trim trim = { 0 };
	enum err    err;

	*done_out = false;
	while ((err = next_scope(replica, &trim)) == OK) {
		TRY(rep_read_int(replica, F_TRIM_ROWS,
		                 INTS(trim.sid, trim.acked, keep->acked_ms, keep->other_ms, TRIM_ROWS), &trim.rows));
		TRY(rep_read_int(replica, F_TRIM_RANGES, INTS(trim.sid, trim.acked, keep->acked_ms, keep->other_ms),
		                 &trim.ranges));
		if (trim.rows > 0 || trim.ranges > trim.tail) {
			TRY(rep_begin(replica, false));
			return rep_end(replica, cut(replica, &trim));
		}
	}
	*done_out = err == ERR_NOT_FOUND;
	return *done_out ? OK : err;
}

enum err
replica_find_lost(struct replica *replica, int64_t sid, uint64_t after_n, enum replica_marks marks,
                  struct replica_lost *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct str                                name;

	if (after_n > INT64_MAX)
		return ERR_NOT_FOUND;
	TRY(rep_stmt(replica, F_LOST, &stmt));
	sql_bind_int(stmt, 1, sid);
	sql_bind_int(stmt, 2, (int64_t)after_n);
	sql_bind_int(stmt, 3, marks);
	TRY(rep_step(replica, stmt));
	name = str_cut(sql_column_str(stmt, 0), REPLICA_NAME_MAX);
	*out = (struct replica_lost){ .n = (uint64_t)sqlite3_column_int64(stmt, 1) };
	memcpy(out->scope, name.at, name.len);
	return OK;
}
