/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies that a large round replaces, in the order of the rows that replace them.
 *
 * Rows of a round that came in no order replace rows that lie all over the view, one on each page: merging would read
 * a page for each. So the replaced rows are read as they lie, and their bodies are sorted in a file.
 */
#include "store/store_sqlite_replica_settle.h"

#include <sqlite3.h>

static enum err
is_due(struct settle *settle, bool *due_out)
{
	int64_t rows = settle->to - settle->from, scattered = 0;

	if (settle->state->moving != 1 && rows > settle->replica->settling.rows_max)
		TRY(rep_read_int(settle->replica, S_IS_SCATTERED, VALUES(INT(rows)), &scattered));
	*due_out = scattered != 0;
	return OK;
}

static enum err
sort_replaced(struct settle *settle)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct replica                           *replica = settle->replica;
	enum err                                  err;

	replica->replaced = sorter_open();
	TRY(rep_bind(settle->replica, S_REPLACED, VALUES(INT(0)), &stmt));
	while ((err = rep_step(settle->replica, stmt)) == OK) {
		int64_t row_key = sqlite3_column_int64(stmt, 1);

		sorter_put(replica->replaced, sqlite3_column_int64(stmt, 0), str_of(&row_key, sizeof(row_key)));
	}
	sorter_sort(replica->replaced);
	replica->gathered = sorter_open();
	return err == ERR_NOT_FOUND ? OK : err;
}

/* A tombstone has no body. */
static enum err
keep_body(struct settle *settle, int64_t old, struct str replaced_by)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	int64_t                                   row_key;
	enum err                                  err = rep_row(settle->replica, S_BODY, VALUES(INT(old)), &stmt);

	memcpy(&row_key, replaced_by.at, sizeof(row_key));
	if (err == OK)
		sorter_put(settle->replica->gathered, row_key, sql_column_str(stmt, 0));
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err
settle_gather(struct settle *settle, bool *done_out)
{
	struct replica *replica = settle->replica;
	struct str      replaced_by;
	int64_t         old;
	bool            is_gathering = replica->replaced != NULL;

	if (!is_gathering)
		TRY(is_due(settle, &is_gathering));
	*done_out = !is_gathering;
	if (*done_out)
		return OK;
	if (!replica->replaced)
		return sort_replaced(settle);
	for (int64_t rows = 0; rows < replica->settling.rows_max; rows++) {
		*done_out = !sorter_next(replica->replaced, &old, &replaced_by);
		if (*done_out)
			break;
		TRY(keep_body(settle, old, replaced_by));
		sorter_pass(replica->replaced);
	}
	if (*done_out) {
		sorter_close(&replica->replaced);
		sorter_sort(replica->gathered);
	}
	return OK;
}

void
settle_end_gathering(struct replica *replica)
{
	sorter_close(&replica->replaced);
	sorter_close(&replica->gathered);
}
