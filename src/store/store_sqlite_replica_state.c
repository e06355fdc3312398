/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the scopes: reading and adding them, and recording faults, waits and acknowledged numbers. */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

/* What the steps of a follower rely on. A link is checked when it is followed. */
static bool
is_sound(const struct replica_scope *scope, int64_t gen)
{
	bool in_round = scope->phase != REPLICA_IDLE;

	return scope->name.len > 0 && (unsigned)scope->phase <= REPLICA_SETTLING &&
	       (unsigned)scope->kind <= REPLICA_GAP &&
	       (scope->rounds == 0 ? gen == 0
	                           : scope->delta_link.len > 0 && !(in_round && scope->kind == REPLICA_FIRST)) &&
	       (!in_round || scope->round_link.len > 0);
}

static enum err
read_scope(struct replica *replica, struct sqlite3_stmt *stmt, struct arena *arena, struct replica_scope *out)
{
	bool fits = true;

	*out = (struct replica_scope){
		.sid = sqlite3_column_int64(stmt, 0),
		.name = sql_column_text(stmt, 1, REPLICA_NAME_MAX, arena, &fits),
		.url = sql_column_text(stmt, 2, REPLICA_LINK_MAX, arena, &fits),
		.resource = sql_column_text(stmt, 3, REPLICA_NAME_MAX, arena, &fits),
		.from_now = sqlite3_column_int64(stmt, 4) != 0,
		.delta_link = sql_column_text(stmt, 5, REPLICA_LINK_MAX, arena, &fits),
		.items = (uint64_t)sqlite3_column_int64(stmt, 6),
		.phase = (enum replica_phase)sqlite3_column_int64(stmt, 7),
		.kind = (enum replica_kind)sqlite3_column_int64(stmt, 8),
		.round_link = sql_column_text(stmt, 9, REPLICA_LINK_MAX, arena, &fits),
		.round_pages = (uint64_t)sqlite3_column_int64(stmt, 10),
		.round_items = (uint64_t)sqlite3_column_int64(stmt, 11),
		.round_started_ms = sqlite3_column_int64(stmt, 12),
		.rounds = (uint64_t)sqlite3_column_int64(stmt, 13),
		.round_ended_ms = sqlite3_column_int64(stmt, 14),
		.throttled_ms = sqlite3_column_int64(stmt, 15),
		.fault = sql_column_text(stmt, 16, REPLICA_FAULT_MAX, arena, &fits),
		.fault_ms = sqlite3_column_int64(stmt, 17),
		.acked = (uint64_t)sqlite3_column_int64(stmt, 18),
		.printed = (uint64_t)sqlite3_column_int64(stmt, 19),
		.letters = (uint64_t)sqlite3_column_int64(stmt, 20),
		.lost = (uint64_t)sqlite3_column_int64(stmt, 25),
		.updates = (enum replica_updates)sqlite3_column_int64(stmt, 26),
		.rule = sql_column_text(stmt, 27, REPLICA_RULE_MAX, arena, &fits),
		.round_rule = sql_column_text(stmt, 28, REPLICA_RULE_MAX, arena, &fits),
		.gap_ms = sqlite3_column_int64(stmt, 29),
		.owner = sql_column_text(stmt, 30, REPLICA_OWNER_MAX, arena, &fits),
	};
	return fits && is_sound(out, sqlite3_column_int64(stmt, 21)) ? OK : rep_damaged(replica);
}

/* Row keys are made of them. */
static bool
has_sound_numbers(const struct replica_state *state)
{
	int64_t gen_max = INT64_MAX >> (ORD_BITS + 1);

	return state->gen >= 0 && state->gen < gen_max && state->round_gen >= 0 && state->round_gen < gen_max &&
	       state->ord >= 0 && state->ord <= state->top && state->top <= ORD_MAX && state->round_first >= 0 &&
	       state->round_first <= state->round_ord && state->round_ord <= ORD_MAX && state->moving >= 0 &&
	       state->moving <= 4;
}

enum err
rep_state(struct replica *replica, int64_t sid, struct replica_state *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	arena_reset(replica->arena);
	TRY(rep_row(replica, F_SCOPE, VALUES(INT(sid)), &stmt));
	TRY(read_scope(replica, stmt, replica->arena, &out->seen));
	out->gen = sqlite3_column_int64(stmt, 21);
	out->ord = sqlite3_column_int64(stmt, 22);
	out->round_gen = sqlite3_column_int64(stmt, 23);
	out->round_ord = sqlite3_column_int64(stmt, 24);
	out->top = sqlite3_column_int64(stmt, 31);
	out->round_first = sqlite3_column_int64(stmt, 32);
	out->moving = sqlite3_column_int64(stmt, 33);
	return has_sound_numbers(out) ? OK : rep_damaged(replica);
}

/* Statements of one kind take the same values in the same order; each binds as many as it has parameters. */
static enum err
bind_some(struct replica *replica, enum follow_sql sql, struct sql_value *values, struct sqlite3_stmt **stmt_out)
{
	TRY(rep_stmt(replica, sql, stmt_out));
	values[sqlite3_bind_parameter_count(*stmt_out)].kind = VALUE_END;
	sql_bind(*stmt_out, values);
	return OK;
}

enum err
rep_find_scope(struct replica *replica, const struct replica_which *which, struct arena *arena,
               struct replica_scope *out)
{
	static const enum follow_sql finds[] = {
		[REPLICA_BY_SID] = F_SCOPE,
		[REPLICA_AFTER_SID] = F_SCOPE_NEXT,
		[REPLICA_BY_NAME] = F_SCOPE_NAMED,
		[REPLICA_BY_URL] = F_SCOPE_OF_URL,
	};
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct sql_value                          values[] = { INT(which->number), TEXT(which->text), { 0 } };

	TRY(bind_some(replica, finds[which->by], values, &stmt));
	TRY(rep_step(replica, stmt));
	return read_scope(replica, stmt, arena, out);
}

enum err
rep_add_scope(struct replica *replica, const struct replica_scope *scope, int64_t *sid_out)
{
	enum err err;

	TRY(rep_begin(replica, true));
	err = rep_do_with(replica, F_ADD_SCOPE,
	                  VALUES(TEXT(scope->name), TEXT(scope->url), TEXT(scope->resource), INT(scope->from_now),
	                         INT(scope->updates), TEXT(scope->round_rule)));
	*sid_out = sqlite3_last_insert_rowid(replica->conn->db);
	return rep_end(replica, err == OK && sqlite3_changes64(replica->conn->db) == 0 ? ERR_CONFLICT : err);
}

static enum err
set_value(struct replica *replica, const struct replica_value *value)
{
	static const enum follow_sql sets[] = {
		[REPLICA_SET_NAME] = C_RENAME,
		[REPLICA_SET_UPDATES] = R_SET_UPDATES,
		[REPLICA_SET_RULE] = R_SET_RULE,
		[REPLICA_SET_OWNER] = O_SET,
		[REPLICA_SET_PREFER] = K_SET_PREFER,
		[REPLICA_SET_ACKED] = F_SET_ACKED,
		[REPLICA_SET_PRINTED] = F_SET_PRINTED,
		[REPLICA_SET_CONTENT] = F_PUT_CONTENT,
		[REPLICA_SET_RETRIED] = F_RETRIED,
		[REPLICA_DROP_LETTER] = F_CUT_LETTER,
		[REPLICA_SET_FAULT] = F_SET_FAULT,
		[REPLICA_ADD_PAUSE] = F_ADD_PAUSE,
		[REPLICA_SET_PAGE_SIZE] = K_SET_PAGE_SIZE,
	};
	struct sqlite3_stmt *stmt;
	struct sql_value values[] = { INT(value->of), TEXT(value->text), INT(value->number), TEXT(value->more), { 0 } };

	if (value->set == REPLICA_SET_NAME) {
		TRY(rep_do_with(replica, C_CUT_KV_NAMED, VALUES(INT(value->of), TEXT(value->text))));
		TRY(rep_do_with(replica, C_MOVE_KV, VALUES(INT(value->of), TEXT(value->text))));
	}
	TRY(bind_some(replica, sets[value->set], values, &stmt));
	TRY(rep_run(replica, stmt));
	/* Another scope has the name; or one of the same URL has the owner. So the statement changes nothing. */
	return (value->set == REPLICA_SET_OWNER || value->set == REPLICA_SET_NAME) &&
	                       sqlite3_changes64(replica->conn->db) == 0
	               ? ERR_CONFLICT
	               : OK;
}

enum err
rep_set(struct replica *replica, const struct replica_value *value)
{
	enum err err;

	TRY(rep_begin(replica, value->set < REPLICA_SET_FAULT));
	err = set_value(replica, value);
	return value->set == REPLICA_SET_NAME ? rep_end_with_kv(replica, err) : rep_end(replica, err);
}

enum err
rep_get_asking(struct replica *replica, int64_t sid, struct arena *arena, struct replica_asking *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	bool                                      fits = true;
	int64_t                                   page_size;
	struct str                                prefer;

	TRY(rep_row(replica, K_ASKING, VALUES(INT(sid)), &stmt));
	page_size = sqlite3_column_int64(stmt, 0);
	prefer = sql_column_text(stmt, 1, REPLICA_PREFER_MAX, arena, &fits);
	if (page_size < 0 || page_size > UINT32_MAX || !fits)
		return rep_damaged(replica);
	*out = (struct replica_asking){ (uint32_t)page_size, prefer };
	return OK;
}
