/* SPDX-License-Identifier: Apache-2.0 */
/* The relations of items: staging their members, settling those of one item, reading them. */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

/* ---- staging ---------------------------------------------------------------------------------- */

static enum err
put_row(struct replica *replica, int64_t gen, struct str id, const struct replica_relation *relation)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, R_PUT, &stmt));
	sql_bind_int(stmt, 1, gen);
	rep_bind_str(stmt, 2, id);
	rep_bind_str(stmt, 3, relation->relation);
	rep_bind_str(stmt, 4, relation->member);
	sql_bind_int(stmt, 5, relation->is_removed);
	rep_bind_str(stmt, 6, relation->type);
	rep_bind_str(stmt, 7, relation->value);
	return rep_run(replica, stmt);
}

/* In a round that lists everything, a member that is removed again was never there. */
static enum err
stage(struct replica *replica, struct str id, const struct replica_relation *relation)
{
	struct replica_staging *staging = &replica->staging;
	struct sqlite3_stmt    *stmt;

	if (staging->drops_items)
		return OK;
	staging->relates = true;
	if (!relation->is_removed || staging->kind == REPLICA_NEXT)
		return put_row(replica, staging->gen, id, relation);
	TRY(rep_stmt(replica, R_CUT, &stmt));
	sql_bind_int(stmt, 1, staging->gen);
	rep_bind_str(stmt, 2, id);
	rep_bind_str(stmt, 3, relation->relation);
	rep_bind_str(stmt, 4, relation->member);
	return rep_run(replica, stmt);
}

void
replica_put_relation(struct replica *replica, struct str id, const struct replica_relation *relation)
{
	MUST(replica->staging.is_open && relation->relation.len > 0 && relation->member.len > 0);
	if (replica->staging.err == OK)
		replica->staging.err = stage(replica, id, relation);
}

static enum err
do_id(struct replica *replica, enum follow_sql sql, int64_t gen, struct str id)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, sql, &stmt));
	sql_bind_int(stmt, 1, gen);
	rep_bind_str(stmt, 2, id);
	return rep_run(replica, stmt);
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
	return staging->kind == REPLICA_NEXT ? put_row(replica, staging->gen, id, &cleared) : OK;
}

/* ---- settling --------------------------------------------------------------------------------- */

enum err
rep_relates(struct replica *replica, const struct replica_state *state, bool *relates_out)
{
	int64_t relates;

	TRY(rep_read_int(replica, R_RELATES, INTS(state->round_gen, state->gen), &relates));
	*relates_out = relates != 0;
	return OK;
}

enum err
rep_cut_relations(struct replica *replica, int64_t gen, struct str id)
{
	return do_id(replica, R_CUT_ID, gen, id);
}

static enum err
is_cleared(struct replica *replica, int64_t round_gen, struct str id, bool *cleared_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err;

	TRY(rep_stmt(replica, R_IS_CLEARED, &stmt));
	sql_bind_int(stmt, 1, round_gen);
	rep_bind_str(stmt, 2, id);
	err = rep_step(replica, stmt);
	*cleared_out = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

struct settling {
	const struct replica_state *state;
	struct str                  id;
	bool                        is_listed; /* a member of which the round does not speak goes */
	int64_t                     n;         /* of the change that it may become */
};

/* Adds the number of rows that it wrote. */
static enum err
run(struct replica *replica, enum follow_sql sql, const struct settling *settling, int64_t *rows)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, sql, &stmt));
	sql_bind_int(stmt, 1, settling->state->gen);
	rep_bind_str(stmt, 2, settling->id);
	sql_bind_int(stmt, 3, settling->state->round_gen);
	if (sqlite3_bind_parameter_count(stmt) >= 4)
		sql_bind_int(stmt, 4, settling->is_listed);
	if (sqlite3_bind_parameter_count(stmt) >= 5)
		sql_bind_int(stmt, 5, settling->n);
	TRY(rep_run(replica, stmt));
	*rows += sqlite3_changes64(replica->conn->db);
	return OK;
}

enum err
rep_settle_relations(struct replica *replica, const struct replica_state *state, struct str id, bool *moved_out)
{
	struct settling settling = { .state = state, .id = id, .is_listed = state->seen.kind == REPLICA_RESYNC };
	int64_t         logged = 0, written = 0;

	if (!settling.is_listed)
		TRY(is_cleared(replica, state->round_gen, id, &settling.is_listed));
	if (moved_out) {
		TRY(rep_read_int(replica, F_HEAD, NULL, 0, &settling.n));
		settling.n++;
		TRY(run(replica, R_LOG_ADDED, &settling, &logged));
		TRY(run(replica, R_LOG_GONE, &settling, &logged));
		*moved_out = logged > 0;
	}
	TRY(run(replica, R_CUT_GONE, &settling, &written));
	return run(replica, R_TAKE_ADDED, &settling, &written);
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* Copies the text behind what is kept already; a caller may give what was returned last. */
static struct str
keep(char *kept, size_t *len, struct str text)
{
	char *at = kept + *len;

	if (text.len > 0)
		memcpy(at, text.at, text.len);
	*len += text.len;
	return str_of(at, text.len);
}

enum err
replica_next_member(struct replica *replica, int64_t sid, const struct replica_member *after,
                    struct replica_member *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct str                                id = after->id, relation = after->relation, member = after->member;
	char                                      kept[2 * STORE_ID_MAX + REPLICA_NAME_MAX];
	size_t                                    len = 0;

	MUST(id.len <= STORE_ID_MAX && relation.len <= REPLICA_NAME_MAX && member.len <= STORE_ID_MAX);
	id = keep(kept, &len, id);
	relation = keep(kept, &len, relation);
	member = keep(kept, &len, member);
	sql_stmt_reset(&replica->member_row);
	TRY(rep_stmt(replica, R_NEXT, &stmt));
	sql_bind_int(stmt, 1, sid);
	rep_bind_str(stmt, 2, id);
	rep_bind_str(stmt, 3, relation);
	rep_bind_str(stmt, 4, member);
	TRY(rep_step(replica, stmt));
	*out = (struct replica_member){ sql_column_str(stmt, 0), sql_column_str(stmt, 1), sql_column_str(stmt, 2),
		                        sql_column_str(stmt, 3), sql_column_str(stmt, 4) };
	if (out->id.len > STORE_ID_MAX || out->relation.len > REPLICA_NAME_MAX || out->member.len > STORE_ID_MAX)
		return rep_damaged(replica);
	replica->member_row = stmt;
	stmt = NULL;
	return OK;
}

enum err
replica_next_moved(struct replica *replica, uint64_t n, const struct replica_moved *after, struct replica_moved *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct str                                relation = after->relation, member = after->member;
	char                                      kept[STORE_ID_MAX + REPLICA_NAME_MAX];
	size_t                                    len = 0;

	MUST(relation.len <= REPLICA_NAME_MAX && member.len <= STORE_ID_MAX);
	relation = keep(kept, &len, relation);
	member = keep(kept, &len, member);
	sql_stmt_reset(&replica->member_row);
	TRY(rep_stmt(replica, R_NEXT_MOVED, &stmt));
	sql_bind_int(stmt, 1, (int64_t)n);
	rep_bind_str(stmt, 2, relation);
	sql_bind_int(stmt, 3, after->is_removed);
	rep_bind_str(stmt, 4, member);
	TRY(rep_step(replica, stmt));
	*out = (struct replica_moved){ sql_column_str(stmt, 0), sql_column_str(stmt, 2),
		                       sqlite3_column_int64(stmt, 1) != 0 };
	if (out->relation.len > REPLICA_NAME_MAX || out->member.len > STORE_ID_MAX)
		return rep_damaged(replica);
	replica->member_row = stmt;
	stmt = NULL;
	return OK;
}
