/* SPDX-License-Identifier: Apache-2.0 */
/* The replica's rounds: beginning and dropping one, staging its pages, deleting what it left. */
#include "store/store_sqlite_replica_settle.h"

#include <sqlite3.h>

#include "base/bytes.h"

/* ---- beginning and giving up ---------------------------------------------------------------- */

enum err
rep_forget_round(struct replica *replica, const struct replica_state *state)
{
	int64_t sid = state->seen.sid;

	/* Entries that have moved go back when the rows go: store_sqlite_replica_tidy.c. */
	if (state->moving == 1)
		TRY(rep_do_with(replica, S_SET_MOVING, VALUES(INT(sid), INT(MOVING_BACK))));
	if (state->round_gen != 0)
		TRY(rep_do_with(replica, F_ADD_OLD, VALUES(INT(state->round_gen))));
	if (state->gen != 0 && state->round_ord > state->round_first)
		TRY(rep_do_with(replica, S_ADD_RUN,
		                VALUES(INT((state->gen << ORD_BITS | state->round_first) + 1),
		                       INT(state->gen << ORD_BITS | state->round_ord))));
	TRY(rep_do_with(replica, F_CUT_LETTERS, VALUES(INT(sid))));
	return rep_do_with(replica, F_STOP_ROUND, VALUES(INT(sid)));
}

static enum err
start_round(struct replica *replica, int64_t sid, enum replica_kind kind, struct str link, int64_t at_ms)
{
	struct replica_state state;
	int64_t              gen;

	TRY(rep_state(replica, sid, &state));
	TRY(rep_forget_round(replica, &state));
	TRY(rep_read_int(replica, F_TAKE_GEN, NULL, &gen));
	return rep_do_with(replica, F_START_ROUND, VALUES(INT(sid), INT(kind), TEXT(link), INT(at_ms), INT(gen)));
}

static enum err
begin_round(struct replica *replica, int64_t sid, enum replica_kind kind, struct str link, int64_t at_ms)
{
	TRY(rep_begin(replica, false));
	return rep_end(replica, start_round(replica, sid, kind, link, at_ms));
}

static enum err
drop_round(struct replica *replica, int64_t sid)
{
	struct replica_state state;
	enum err             err;

	TRY(rep_begin(replica, false));
	err = rep_state(replica, sid, &state);
	if (err == OK)
		err = rep_forget_round(replica, &state);
	replica->settling.gen = 0;
	return rep_end(replica, err);
}

/* ---- a page --------------------------------------------------------------------------------- */

static enum err
begin_page(struct replica *replica, int64_t sid)
{
	struct replica_staging *staging = &replica->staging;
	struct replica_state    state;
	int64_t                 letters;

	*staging = (struct replica_staging){ .sid = sid };
	TRY(rep_begin(replica, false));
	TRY(rep_state(replica, sid, &state));
	if (state.seen.phase != REPLICA_ROUND)
		return ERR_CONFLICT;
	staging->gen = state.round_gen;
	staging->rows = state.gen != 0 ? state.gen : state.round_gen;
	staging->ord = state.round_ord;
	staging->kind = state.seen.kind;
	staging->drops_items = (state.seen.from_now && state.seen.kind == REPLICA_FIRST) ||
	                       state.seen.kind == REPLICA_GAP;
	TRY(rep_relates(replica, &state, &staging->relates));
	TRY(rep_read_int(replica, F_COUNT_ROUND_LETTERS, VALUES(INT(sid), INT(state.round_gen)), &letters));
	staging->has_letters = letters > 0;
	return OK;
}

/* A later report of an item replaces its dead letter of the same round. */
static enum err
cut_letter(struct replica *replica, struct str id)
{
	struct replica_staging *staging = &replica->staging;

	if (!staging->has_letters || id.len == 0)
		return OK;
	return rep_do_with(replica, R_CUT_ROUND_LETTER, VALUES(INT(staging->sid), TEXT(id), INT(staging->gen)));
}

static enum err
add_item(struct replica *replica, struct str id, enum replica_life life, struct str body)
{
	struct replica_staging *staging = &replica->staging;

	staging->items++;
	TRY(cut_letter(replica, id));
	if (staging->drops_items)
		return OK;
	if (life != REPLICA_LIVE)
		TRY(rep_stage_cleared(replica, id));
	if (staging->ord == ORD_MAX)
		return ERR_TOO_LARGE;
	staging->ord++;
	return rep_do_with(replica, F_ADD_ITEM,
	                   VALUES(INT(staging->rows << ORD_BITS | staging->ord), TEXT(id), INT(life), TEXT(body)));
}

static enum err
show_item(struct replica *replica, struct str shown)
{
	struct replica_staging *staging = &replica->staging;

	if (staging->drops_items)
		return OK;
	return rep_do_with(replica, R_SHOW, VALUES(INT(staging->rows << ORD_BITS | staging->ord), TEXT(shown)));
}

static enum err
add_letter(struct replica *replica, struct str id, struct str reason, struct str raw)
{
	struct replica_staging *staging = &replica->staging;
	int64_t                 count;
	uint64_t                digest;

	if (staging->drops_items)
		return OK;
	TRY(rep_read_int(replica, F_COUNT_LETTERS, VALUES(INT(staging->sid)), &count));
	if (count >= REPLICA_LETTERS_MAX)
		return ERR_TOO_LARGE;
	TRY(cut_letter(replica, id));
	staging->has_letters = true;
	/* The letter of an earlier round stays until this round has settled, even if it has the same text. */
	digest = bytes_hash(BYTES_HASH_START, raw) ^ (id.len > 0 ? (uint64_t)staging->gen : 0);
	return rep_do_with(replica, F_ADD_LETTER,
	                   VALUES(INT(staging->sid), INT(staging->gen), INT(digest),
	                          INT(clock_wall_ms(replica->engine->clock)), TEXT(reason), TEXT(raw), TEXT(id)));
}

enum err
rep_find_letter(struct replica *replica, const struct replica_state *state, struct str id)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_bind(replica, R_FIND_LETTER, VALUES(INT(state->seen.sid), TEXT(id), INT(state->round_gen)), &stmt));
	return rep_step(replica, stmt);
}

static enum err
end_page(struct replica *replica, struct str link, bool last)
{
	struct replica_staging *staging = &replica->staging;

	return rep_end(replica, rep_do_with(replica, F_SAVE_PAGE,
	                                    VALUES(INT(staging->sid), INT(last ? REPLICA_SETTLING : REPLICA_ROUND),
	                                           TEXT(link), INT(staging->ord), INT(staging->items))));
}

const struct replica_rounds sqlite_replica_rounds = {
	.begin = begin_round,
	.drop = drop_round,
	.begin_page = begin_page,
	.put_item = add_item,
	.put_shown = show_item,
	.put_relation = rep_stage_relation,
	.put_dead_letter = add_letter,
	.end_page = end_page,
	.undo_page = rep_undo,
};
