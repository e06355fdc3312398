/* SPDX-License-Identifier: Apache-2.0 */
/* The replica's rounds: beginning and dropping one, staging its pages, deleting what it left. */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

#include "base/bytes.h"

#define SWEEP_ROWS 5000

/* ---- beginning and giving up ---------------------------------------------------------------- */

enum err
rep_forget_round(struct replica *replica, const struct replica_state *state)
{
	int64_t sid = state->seen.sid;

	if (state->round_gen != 0)
		TRY(rep_do_ints(replica, F_ADD_OLD, INTS(state->round_gen)));
	TRY(rep_do_ints(replica, F_CUT_LETTERS, INTS(sid)));
	return rep_do_ints(replica, F_STOP_ROUND, INTS(sid));
}

static enum err
start_round(struct replica *replica, int64_t sid, enum replica_kind kind, struct str link, int64_t at_ms)
{
	struct sqlite3_stmt *stmt;
	struct replica_state state;
	int64_t              gen;

	TRY(rep_state(replica, sid, &state));
	TRY(rep_forget_round(replica, &state));
	TRY(rep_read_int(replica, F_TAKE_GEN, NULL, 0, &gen));
	TRY(rep_stmt(replica, F_START_ROUND, &stmt));
	sql_bind_int(stmt, 1, sid);
	sql_bind_int(stmt, 2, kind);
	rep_bind_str(stmt, 3, link);
	sql_bind_int(stmt, 4, at_ms);
	sql_bind_int(stmt, 5, gen);
	return rep_run(replica, stmt);
}

enum err
replica_begin_round(struct replica *replica, int64_t sid, enum replica_kind kind, struct str link, int64_t at_ms)
{
	MUST(link.len > 0 && link.len <= REPLICA_LINK_MAX);
	TRY(rep_begin(replica, false));
	return rep_end(replica, start_round(replica, sid, kind, link, at_ms));
}

enum err
replica_drop_round(struct replica *replica, int64_t sid)
{
	struct replica_state state;
	enum err             err;

	TRY(rep_begin(replica, false));
	err = rep_state(replica, sid, &state);
	if (err == OK)
		err = rep_forget_round(replica, &state);
	replica->sorting.gen = 0;
	return rep_end(replica, err);
}

/* ---- a page --------------------------------------------------------------------------------- */

void
replica_begin_page(struct replica *replica, int64_t sid)
{
	struct replica_staging *staging = &replica->staging;
	struct replica_state    state;
	int64_t                 letters;

	MUST(!staging->is_open);
	*staging = (struct replica_staging){ .is_open = true, .sid = sid };
	staging->err = rep_begin(replica, false);
	if (staging->err == OK)
		staging->err = rep_state(replica, sid, &state);
	if (staging->err != OK)
		return;
	MUST(state.seen.phase == REPLICA_ROUND);
	staging->gen = state.round_gen;
	staging->ord = state.round_ord;
	staging->kind = state.seen.kind;
	staging->drops_items = (state.seen.from_now && state.seen.kind == REPLICA_FIRST) ||
	                       state.seen.kind == REPLICA_GAP;
	staging->err = rep_relates(replica, &state, &staging->relates);
	if (staging->err == OK)
		staging->err = rep_read_int(replica, F_COUNT_ROUND_LETTERS, INTS(sid, state.round_gen), &letters);
	staging->has_letters = staging->err == OK && letters > 0;
}

/* A later report of an item replaces its dead letter of the same round. */
static enum err
cut_letter(struct replica *replica, struct str id)
{
	struct replica_staging *staging = &replica->staging;
	struct sqlite3_stmt    *stmt;

	if (!staging->has_letters || id.len == 0)
		return OK;
	TRY(rep_stmt(replica, R_CUT_ROUND_LETTER, &stmt));
	sql_bind_int(stmt, 1, staging->sid);
	rep_bind_str(stmt, 2, id);
	sql_bind_int(stmt, 3, staging->gen);
	return rep_run(replica, stmt);
}

static enum err
add_item(struct replica *replica, struct str id, enum replica_life life, struct str body)
{
	struct replica_staging *staging = &replica->staging;
	struct sqlite3_stmt    *stmt;

	staging->items++;
	TRY(cut_letter(replica, id));
	if (staging->drops_items)
		return OK;
	if (life != REPLICA_LIVE)
		TRY(rep_stage_cleared(replica, id));
	if (staging->ord == ORD_MAX)
		return ERR_TOO_LARGE;
	TRY(rep_stmt(replica, F_ADD_ITEM, &stmt));
	sql_bind_int(stmt, 1, staging->gen << ORD_BITS | ++staging->ord);
	rep_bind_str(stmt, 2, id);
	sql_bind_int(stmt, 3, life);
	rep_bind_str(stmt, 4, body);
	return rep_run(replica, stmt);
}

void
replica_put_item(struct replica *replica, struct str id, enum replica_life life, struct str body)
{
	MUST(replica->staging.is_open && id.len > 0 && id.len <= STORE_ID_MAX && body.len <= STORE_BODY_MAX);
	if (replica->staging.err == OK)
		replica->staging.err = add_item(replica, id, life, body);
}

static enum err
show_item(struct replica *replica, struct str shown)
{
	struct replica_staging *staging = &replica->staging;
	struct sqlite3_stmt    *stmt;

	if (staging->drops_items)
		return OK;
	TRY(rep_stmt(replica, R_SHOW, &stmt));
	sql_bind_int(stmt, 1, staging->gen << ORD_BITS | staging->ord);
	rep_bind_str(stmt, 2, shown);
	return rep_run(replica, stmt);
}

void
replica_put_shown(struct replica *replica, struct str shown)
{
	MUST(replica->staging.is_open && shown.len <= STORE_BODY_MAX);
	if (replica->staging.err == OK)
		replica->staging.err = show_item(replica, shown);
}

static enum err
add_letter(struct replica *replica, struct str id, struct str reason, struct str raw)
{
	struct replica_staging *staging = &replica->staging;
	struct sqlite3_stmt    *stmt;
	int64_t                 count;
	uint64_t                digest;

	TRY(rep_read_int(replica, F_COUNT_LETTERS, INTS(staging->sid), &count));
	if (count >= REPLICA_LETTERS_MAX)
		return ERR_TOO_LARGE;
	TRY(cut_letter(replica, id));
	staging->has_letters = true;
	/* The letter of an earlier round stays until this round has settled, even if it has the same text. */
	digest = bytes_hash(BYTES_HASH_START, raw) ^ (id.len > 0 ? (uint64_t)staging->gen : 0);
	TRY(rep_stmt(replica, F_ADD_LETTER, &stmt));
	sql_bind_int(stmt, 1, staging->sid);
	sql_bind_int(stmt, 2, staging->gen);
	sql_bind_int(stmt, 3, (int64_t)digest);
	sql_bind_int(stmt, 4, clock_wall_ms(replica->engine->clock));
	rep_bind_str(stmt, 5, reason);
	rep_bind_str(stmt, 6, raw);
	rep_bind_str(stmt, 7, id);
	return rep_run(replica, stmt);
}

void
replica_put_dead_letter(struct replica *replica, struct str id, struct str reason, struct str raw)
{
	MUST(replica->staging.is_open && raw.len <= STORE_BODY_MAX);
	if (replica->staging.err == OK)
		replica->staging.err = add_letter(replica, id, reason, raw);
}

static enum err
save_page(struct replica *replica, struct str link, bool last)
{
	struct replica_staging *staging = &replica->staging;
	struct sqlite3_stmt    *stmt;

	TRY(rep_stmt(replica, F_SAVE_PAGE, &stmt));
	sql_bind_int(stmt, 1, staging->sid);
	sql_bind_int(stmt, 2, last ? REPLICA_SETTLING : REPLICA_ROUND);
	rep_bind_str(stmt, 3, link);
	sql_bind_int(stmt, 4, staging->ord);
	sql_bind_int(stmt, 5, (int64_t)staging->items);
	return rep_run(replica, stmt);
}

enum err
replica_end_page(struct replica *replica, struct str link, bool last)
{
	struct replica_staging *staging = &replica->staging;
	enum err                err = staging->err;

	MUST(staging->is_open && link.len > 0 && link.len <= REPLICA_LINK_MAX);
	staging->is_open = false;
	if (err == OK)
		err = save_page(replica, link, last);
	return rep_end(replica, err);
}

void
replica_give_up_page(struct replica *replica)
{
	MUST(replica->staging.is_open);
	replica->staging.is_open = false;
	rep_undo(replica);
}

/* ---- rows that no view names ------------------------------------------------------------------ */

static enum err
cut_piece(struct replica *replica, int64_t gen)
{
	int64_t cut;

	TRY(rep_do_ints(replica, F_CUT_ENTRIES, INTS(gen, SWEEP_ROWS)));
	cut = sqlite3_changes64(replica->conn->db);
	TRY(rep_do_ints(replica, F_CUT_ITEMS, INTS(gen << ORD_BITS, gen << ORD_BITS | ORD_MAX, SWEEP_ROWS)));
	cut += sqlite3_changes64(replica->conn->db);
	TRY(rep_do_ints(replica, R_CUT_GEN, INTS(gen, SWEEP_ROWS)));
	cut += sqlite3_changes64(replica->conn->db);
	return cut == 0 ? rep_do_ints(replica, F_CUT_OLD, INTS(gen)) : OK;
}

enum err
replica_sweep(struct replica *replica, bool *done_out)
{
	int64_t  gen;
	enum err err = rep_read_int(replica, F_NEXT_OLD, NULL, 0, &gen);

	*done_out = err == ERR_NOT_FOUND;
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	TRY(rep_begin(replica, false));
	return rep_end(replica, cut_piece(replica, gen));
}
