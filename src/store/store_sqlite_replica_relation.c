/* SPDX-License-Identifier: Apache-2.0 */
/* The relations of items: staging their members, settling those of one item, reading them. */
#include "store/store_sqlite_replica_settle.h"

#include <sqlite3.h>

/* The rows of a first round are those of the view. */
static enum err
put_row(struct replica *replica, struct str id, const struct replica_relation *relation, int64_t row_key)
{
	struct replica_staging *staging = &replica->staging;

	return rep_do_with(replica, R_PUT,
	                   VALUES(INT(staging->gen), TEXT(id), TEXT(relation->relation), TEXT(relation->member),
	                          INT(relation->is_removed), TEXT(relation->type), TEXT(relation->value), INT(row_key),
	                          INT(staging->gen == staging->rows)));
}

static enum err
put_member(struct replica *replica, struct str id, const struct replica_relation *relation)
{
	struct replica_staging *staging = &replica->staging;

	if (staging->ord == ORD_MAX)
		return ERR_TOO_LARGE;
	staging->ord++;
	return put_row(replica, id, relation, staging->rows << ORD_BITS | staging->ord);
}

/* In a round that lists everything, a member that is removed again was never there. */
enum err
rep_stage_relation(struct replica *replica, struct str id, const struct replica_relation *relation)
{
	struct replica_staging *staging = &replica->staging;

	if (staging->drops_items)
		return OK;
	staging->relates = true;
	if (!relation->is_removed || staging->kind == REPLICA_NEXT)
		return put_member(replica, id, relation);
	return rep_do_with(replica, R_CUT,
	                   VALUES(INT(staging->gen), TEXT(id), TEXT(relation->relation), TEXT(relation->member)));
}

static enum err
do_id(struct replica *replica, enum follow_sql sql, int64_t gen, struct str id)
{
	return rep_do_with(replica, sql, VALUES(INT(gen), TEXT(id)));
}

enum err
rep_stage_cleared(struct replica *replica, struct str id)
{
	struct replica_staging       *staging = &replica->staging;
	const struct replica_relation cleared = {
		.relation = STR_EMPTY, .member = STR_EMPTY, .type = STR_EMPTY, .value = STR_EMPTY, .is_removed = true
	};

	if (!staging->relates)
		return OK;
	TRY(do_id(replica, R_CUT_ID, staging->gen, id));
	return staging->kind == REPLICA_NEXT ? put_row(replica, id, &cleared, 0) : OK;
}

enum err
rep_relates(struct replica *replica, const struct replica_state *state, bool *relates_out)
{
	int64_t relates;

	TRY(rep_read_int(replica, R_RELATES, VALUES(INT(state->round_gen), INT(state->gen)), &relates));
	*relates_out = relates != 0;
	return OK;
}

/* ---- settling ---------------------------------------------------------------------------------- */

/*
 * Each pass goes over the members of an item in order of relation and member, and makes versions that nobody sees yet.
 * Done again after a kill it makes them again, in the same slots.
 */
static const struct pass {
	enum follow_sql count, last, find;
} passes[] = {
	{ R_COUNT_TOLD, R_LAST_TOLD, R_FIND_TOLD },   /* members of which the round speaks */
	{ R_COUNT_HELD, R_LAST_HELD, R_FIND_UNTOLD }, /* the others, if they go */
	{ R_COUNT_HELD, R_LAST_HELD, R_FIND_HELD },   /* all, of an item that is removed */
};

static bool
has_pass(const struct settle_item *item, const struct pass *pass)
{
	if (item->is_removed || pass->find == R_FIND_HELD)
		return item->is_removed && pass->find == R_FIND_HELD;
	return pass->find == R_FIND_TOLD || (item->is_known && (item->is_listed || !item->was_seen));
}

/* A part begins behind the last member of the part before. */
static enum err
bind_part(struct settle *settle, const struct settle_item *item, enum follow_sql sql, struct sqlite3_stmt **stmt_out)
{
	const struct replica_settling *settling = &settle->replica->settling;
	struct str                     after = buf_str(&settling->after);
	struct sql_value               values[] = {
			      INT(settle->gen),
			      TEXT(item->id),
			      INT(settle->state->round_gen),
			      INT(settle->head),
			      TEXT(str_first(after, settling->relation_len)),
			      TEXT(str_skip(after, settling->relation_len)),
			      INT(settle->space),
			      INT(item->row_key),
			      INT(settle->at_ms),
			      INT(settle->to),
			      { .kind = VALUE_END },
	};

	TRY(rep_stmt(settle->replica, sql, stmt_out));
	values[sqlite3_bind_parameter_count(*stmt_out)].kind = VALUE_END;
	sql_bind(*stmt_out, values);
	return OK;
}

static enum err
count_part(struct settle *settle, const struct settle_item *item, enum follow_sql sql, int64_t *rows_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(bind_part(settle, item, sql, &stmt));
	TRY(rep_step(settle->replica, stmt));
	*rows_out = sqlite3_column_int64(stmt, 0);
	return OK;
}

static enum err
run_part(struct settle *settle, const struct settle_item *item, enum follow_sql sql)
{
	struct sqlite3_stmt *stmt;

	TRY(bind_part(settle, item, sql, &stmt));
	return rep_run(settle->replica, stmt);
}

static enum err
keep_last(struct settle *settle, const struct settle_item *item, enum follow_sql sql)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct replica_settling                  *settling = &settle->replica->settling;

	TRY(bind_part(settle, item, sql, &stmt));
	TRY(rep_step(settle->replica, stmt));
	buf_cut(&settling->after, 0);
	buf_put(&settling->after, sql_column_str(stmt, 0));
	settling->relation_len = buf_str(&settling->after).len;
	buf_put(&settling->after, sql_column_str(stmt, 1));
	return buf_err(&settling->after) == OK ? OK : rep_damaged(settle->replica);
}

static enum err
take_part(struct settle *settle, const struct settle_item *item, const struct pass *pass, bool *done_out)
{
	int64_t rows;

	TRY(count_part(settle, item, pass->count, &rows));
	*done_out = rows < settle->space;
	if (rows == 0)
		return OK;
	TRY(rep_do(settle->replica, R_EMPTY_PART));
	TRY(run_part(settle, item, pass->find));
	/* Tombstones that have no seq in the round get one behind its rows. */
	if (pass->find == R_FIND_UNTOLD)
		settle->to += sqlite3_changes64(settle->replica->conn->db);
	TRY(run_part(settle, item, R_TAKE_PART));
	TRY(rep_do(settle->replica, R_END_PART));
	if (item->was_seen && !item->is_removed)
		TRY(run_part(settle, item, R_MOVE_PART));
	if (!*done_out)
		TRY(keep_last(settle, item, pass->last));
	settle->space -= rows;
	return (settle->to ^ settle->from) >> ORD_BITS == 0 ? OK : ERR_TOO_LARGE;
}

static enum err
is_cleared(struct replica *replica, int64_t round_gen, struct str id, bool *cleared_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err;

	err = rep_row(replica, R_IS_CLEARED, VALUES(INT(round_gen), TEXT(id)), &stmt);
	*cleared_out = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err
settle_members(struct settle *settle, struct settle_item *item, bool *done_out)
{
	struct replica_settling *settling = &settle->replica->settling;

	*done_out = false;
	item->is_listed = settle->state->seen.kind == REPLICA_RESYNC;
	if (!item->is_listed && !item->is_removed)
		TRY(is_cleared(settle->replica, settle->state->round_gen, item->id, &item->is_listed));
	for (; settling->pass < COUNT_OF(passes); settling->pass++) {
		bool done = true;

		if (has_pass(item, &passes[settling->pass]))
			TRY(take_part(settle, item, &passes[settling->pass], &done));
		if (!done)
			return OK;
		buf_cut(&settling->after, 0);
		settling->relation_len = 0;
	}
	settling->pass = 0;
	*done_out = true;
	return OK;
}

enum err
settle_has_moved(struct settle *settle, int64_t row_key, bool *moved_out)
{
	int64_t moved;

	TRY(rep_read_int(settle->replica, R_HAS_MOVED, VALUES(INT(row_key)), &moved));
	*moved_out = moved != 0;
	return OK;
}

/* ---- reading ----------------------------------------------------------------------------------- */

enum err
rep_next_member(struct replica *replica, int64_t sid, const struct replica_member *after, struct replica_member *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	sql_stmt_reset(&replica->member_row);
	TRY(rep_row(replica, R_NEXT, VALUES(INT(sid), TEXT(after->id), TEXT(after->relation), TEXT(after->member)),
	            &stmt));
	*out = (struct replica_member){ sql_column_str(stmt, 0), sql_column_str(stmt, 1), sql_column_str(stmt, 2),
		                        sql_column_str(stmt, 3), sql_column_str(stmt, 4) };
	if (out->id.len > STORE_ID_MAX || out->relation.len > REPLICA_NAME_MAX || out->member.len > STORE_ID_MAX)
		return rep_damaged(replica);
	replica->member_row = stmt;
	stmt = NULL;
	return OK;
}

enum err
rep_next_moved(struct replica *replica, uint64_t n, const struct replica_moved *after, struct replica_moved *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	sql_stmt_reset(&replica->member_row);
	TRY(rep_row(replica, R_NEXT_MOVED,
	            VALUES(INT(n), TEXT(after->relation), INT(after->is_removed), TEXT(after->member)), &stmt));
	*out = (struct replica_moved){ sql_column_str(stmt, 0), sql_column_str(stmt, 2),
		                       sqlite3_column_int64(stmt, 1) != 0 };
	if (out->relation.len > REPLICA_NAME_MAX || out->member.len > STORE_ID_MAX)
		return rep_damaged(replica);
	replica->member_row = stmt;
	stmt = NULL;
	return OK;
}
