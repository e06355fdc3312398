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

enum err
settle_hide_relations(struct settle *settle, struct str id)
{
	TRY(do_id(settle->replica, R_HIDE_ENDED, settle->gen, id));
	settle->ended -= sqlite3_changes64(settle->replica->conn->db);
	return do_id(settle->replica, R_HIDE, settle->gen, id);
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

/* Of one live item. */
struct relating {
	struct settle *settle;
	struct str     id;
	bool           is_listed; /* a member of which the round does not speak goes */
	int64_t        n;         /* of the change that it may become */
	int64_t        rows;      /* written by the last statement */
};

static enum err
run_on(struct relating *relating, enum follow_sql sql, int64_t fifth)
{
	struct settle       *settle = relating->settle;
	struct sqlite3_stmt *stmt;

	TRY(rep_bind(settle->replica, sql, VALUES(INT(settle->gen), TEXT(relating->id), INT(settle->state->round_gen)),
	             &stmt));
	if (sqlite3_bind_parameter_count(stmt) >= 4)
		sql_bind_int(stmt, 4, relating->is_listed);
	if (sqlite3_bind_parameter_count(stmt) >= 5)
		sql_bind_int(stmt, 5, fifth);
	TRY(rep_run(settle->replica, stmt));
	relating->rows = sqlite3_changes64(settle->replica->conn->db);
	return OK;
}

static enum err
log_moves(struct relating *relating, bool *moved_out)
{
	TRY(run_on(relating, R_LOG_ADDED, relating->n));
	*moved_out = relating->rows > 0;
	TRY(run_on(relating, R_LOG_GONE, relating->n));
	*moved_out = *moved_out || relating->rows > 0;
	return OK;
}

/* Tombstones of what goes. */
static enum err
end_members(struct relating *relating)
{
	struct settle *settle = relating->settle;

	TRY(run_on(relating, R_END_GONE, settle->at_ms));
	settle->written += relating->rows;
	if (!relating->is_listed)
		settle->ended += relating->rows;
	return OK;
}

/* Tombstones that have no seq yet get one behind the rows of the round. */
static enum err
give_seqs(struct relating *relating)
{
	struct settle *settle = relating->settle;
	int64_t        rows;

	TRY(rep_do_with(settle->replica, R_PLACE_ENDED,
	                VALUES(INT(settle->gen), TEXT(relating->id), INT(settle->to), INT(settle->at_ms))));
	rows = sqlite3_changes64(settle->replica->conn->db);
	settle->ended += rows;
	settle->to += rows;
	return (settle->to ^ settle->from) >> ORD_BITS == 0 ? OK : ERR_TOO_LARGE;
}

static enum err
add_members(struct relating *relating)
{
	struct settle *settle = relating->settle;
	int64_t        back;

	TRY(rep_read_int(settle->replica, R_COUNT_BACK,
	                 VALUES(INT(settle->gen), TEXT(relating->id), INT(settle->state->round_gen)), &back));
	settle->ended -= back;
	TRY(run_on(relating, R_TAKE_ADDED, 0));
	settle->written += relating->rows;
	return OK;
}

enum err
settle_relations(struct settle *settle, struct str id, int64_t n, bool *moved_out)
{
	struct relating relating = {
		.settle = settle, .id = id, .n = n, .is_listed = settle->state->seen.kind == REPLICA_RESYNC
	};

	if (!relating.is_listed)
		TRY(is_cleared(settle->replica, settle->state->round_gen, id, &relating.is_listed));
	if (moved_out)
		TRY(log_moves(&relating, moved_out));
	TRY(end_members(&relating));
	TRY(add_members(&relating));
	return relating.is_listed || !moved_out ? give_seqs(&relating) : OK;
}

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
