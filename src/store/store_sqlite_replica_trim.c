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
	int64_t sid, acked, tail, gen, tail_ord;
	int64_t rows;              /* up to that number the changes of earlier versions may go; 0: none */
	int64_t range_n, range_to; /* the same of the changes in the first range; 0: none */
	int64_t range_last, range_ord;
};

static enum err
next_scope(struct replica *replica, struct trim *trim)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_row(replica, F_TRIM_SCOPE, VALUES(INT(trim->sid)), &stmt));
	*trim = (struct trim){ .sid = sqlite3_column_int64(stmt, 0),
		               .acked = sqlite3_column_int64(stmt, 1),
		               .tail = sqlite3_column_int64(stmt, 2),
		               .gen = sqlite3_column_int64(stmt, 3),
		               .tail_ord = sqlite3_column_int64(stmt, 4) };
	return OK;
}

/* The first range that is not wholly behind the tail. */
static enum err
find_range(struct replica *replica, const struct replica_keep *keep, struct trim *trim)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err;

	err = rep_row(
		replica, F_TRIM_RANGE,
		VALUES(INT(trim->sid), INT(trim->acked), INT(keep->acked_ms), INT(keep->other_ms), INT(trim->tail)),
		&stmt);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	if (sqlite3_column_int64(stmt, 4) == 0 || sqlite3_column_int64(stmt, 3) <= trim->tail)
		return OK;
	trim->range_n = sqlite3_column_int64(stmt, 0);
	trim->range_last = sqlite3_column_int64(stmt, 1);
	trim->range_to = sqlite3_column_int64(stmt, 3);
	trim->range_ord = sqlite3_column_int64(stmt, 2) + trim->range_to - trim->range_n;
	return OK;
}

/* What is behind the tail in follow_detail and follow_detail_member is of no change. */
static enum err
cut_details(struct replica *replica, const struct trim *trim)
{
	const struct sql_value *behind = VALUES(INT(trim->gen << ORD_BITS),
	                                        INT((trim->gen << ORD_BITS) + trim->tail_ord), INT(TRIM_ROWS));

	TRY(rep_do_with(replica, R_CUT_MOVED, behind));
	return rep_do_with(replica, F_CUT_DETAILS, behind);
}

/* The tail rises in the commit that deletes the first of what it passes. */
static enum err
cut(struct replica *replica, struct trim *trim)
{
	if (trim->rows > 0) {
		TRY(rep_do_with(replica, F_CUT_CHANGES, VALUES(INT(trim->sid), INT(trim->rows))));
		return rep_do_with(replica, F_SET_TAIL, VALUES(INT(trim->sid), INT(trim->rows), INT(0)));
	}
	TRY(rep_do_with(replica, F_SET_TAIL, VALUES(INT(trim->sid), INT(trim->range_to), INT(trim->range_ord))));
	TRY(rep_do_with(replica, F_CUT_RANGES, VALUES(INT(trim->sid), INT(trim->range_to))));
	trim->tail_ord = trim->range_ord;
	return cut_details(replica, trim);
}

static enum err
has_details(struct replica *replica, const struct trim *trim, bool *has_out)
{
	int64_t  row_key, base = trim->gen << ORD_BITS;
	enum err err = rep_read_int(replica, F_FIRST_DETAIL, VALUES(INT(base), INT(base + trim->tail_ord)), &row_key);

	*has_out = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err
rep_trim(struct replica *replica, const struct replica_keep *keep, bool *done_out)
{
	struct trim trim = { 0 };
	bool        has;
	enum err    err;

	while ((err = next_scope(replica, &trim)) == OK) {
		TRY(rep_read_int(replica, F_TRIM_ROWS,
		                 VALUES(INT(trim.sid), INT(trim.acked), INT(keep->acked_ms), INT(keep->other_ms),
		                        INT(TRIM_ROWS)),
		                 &trim.rows));
		TRY(find_range(replica, keep, &trim));
		if (trim.rows > 0 || trim.range_to > 0) {
			TRY(rep_begin(replica, false));
			return rep_end(replica, cut(replica, &trim));
		}
		TRY(has_details(replica, &trim, &has));
		if (has) {
			TRY(rep_begin(replica, false));
			return rep_end(replica, cut_details(replica, &trim));
		}
	}
	*done_out = err == ERR_NOT_FOUND;
	return *done_out ? OK : err;
}

enum err
rep_find_lost(struct replica *replica, int64_t sid, uint64_t after_n, enum replica_marks marks,
              struct replica_lost *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct str                                name;

	if (after_n > INT64_MAX)
		return ERR_NOT_FOUND;
	TRY(rep_row(replica, F_LOST, VALUES(INT(sid), INT(after_n), INT(marks)), &stmt));
	name = str_cut(sql_column_str(stmt, 0), REPLICA_NAME_MAX);
	*out = (struct replica_lost){ .n = (uint64_t)sqlite3_column_int64(stmt, 1) };
	memcpy(out->scope, name.at, name.len);
	return OK;
}
