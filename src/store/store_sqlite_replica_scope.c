/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a scope as a whole: another URL, deleting it.
 *
 * A scope is deleted in parts.  The first commit makes it one that was never followed: it has no view, no link and no
 * round.  rep_sweep() deletes their rows.  From then on nothing of it is half there, and a sync would just
 * begin again.  The later parts delete its changes and the other rows that name it.  Its own row goes last, because
 * only then may another scope get its number.
 */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

#define CUT_ROWS    5000
#define CUT_LETTERS 20 /* each may be large */

static enum err
point_elsewhere(struct replica *replica, int64_t sid, const struct replica_scope *scope)
{
	struct replica_state state;

	TRY(rep_state(replica, sid, &state));
	if (state.seen.rounds > 0)
		return ERR_CONFLICT;
	TRY(rep_forget_round(replica, &state));
	return rep_do_with(replica, C_POINT,
	                   VALUES(INT(sid), TEXT(scope->url), TEXT(scope->resource), INT(scope->from_now)));
}

static enum err
point(struct replica *replica, int64_t sid, const struct replica_scope *scope)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, point_elsewhere(replica, sid, scope));
}

static enum err
cut_feed(struct replica *replica, int64_t sid)
{
	struct store_feed feed = sql_followed_name(sid);

	head_cache_touch(replica->engine->head_cache, &feed);
	TRY(rep_do_with(replica, S_CUT_BASES, VALUES(INT(sid))));
	return rep_do_with(replica, S_CUT_FEED, VALUES(INT(sid)));
}

static enum err
unfollow(struct replica *replica, struct replica_state *state)
{
	int64_t sid = state->seen.sid;

	state->moving = 0; /* what its round has moved goes as a whole */
	TRY(rep_forget_round(replica, state));
	TRY(cut_feed(replica, sid));
	if (state->gen != 0)
		TRY(rep_do_with(replica, F_ADD_OLD, VALUES(INT(state->gen))));
	TRY(rep_do_with(replica, C_CUT_RANGES, VALUES(INT(sid))));
	TRY(rep_do_with(replica, C_CUT_KV, VALUES(INT(sid))));
	return rep_do_with(replica, C_UNFOLLOW, VALUES(INT(sid)));
}

/* Deletes a part of the first table that has rows of the scope; when none has, the scope's own row. */
static enum err
cut_piece(struct replica *replica, int64_t sid, bool *done_out)
{
	static const struct {
		enum follow_sql sql;
		int64_t         rows;
	} tables[] = {
		{ C_CUT_CHANGES, CUT_ROWS },
		{ C_CUT_CONTENT, CUT_ROWS },
		{ C_CUT_LETTERS, CUT_LETTERS },
	};

	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		TRY(rep_do_with(replica, tables[i].sql, VALUES(INT(sid), INT(tables[i].rows))));
		if (sqlite3_changes64(replica->conn->db) > 0)
			return OK;
	}
	*done_out = true;
	TRY(rep_do_with(replica, C_CUT_KV, VALUES(INT(sid)))); /* it may have come since the first commit */
	return rep_do_with(replica, C_CUT_SCOPE, VALUES(INT(sid)));
}

static enum err
forget(struct replica *replica, int64_t sid, bool *done_out)
{
	struct replica_state state;
	bool                 swept, done = false;

	TRY(rep_state(replica, sid, &state));
	if (state.gen != 0 || state.seen.phase != REPLICA_IDLE || state.seen.rounds != 0) {
		TRY(rep_begin(replica, true));
		return rep_end_with_kv(replica, unfollow(replica, &state));
	}
	TRY(rep_sweep(replica, &swept));
	if (!swept)
		return OK;
	TRY(rep_begin(replica, true));
	TRY(rep_end_with_kv(replica, cut_piece(replica, sid, &done)));
	*done_out = done;
	return OK;
}

const struct replica_scopes sqlite_replica_scopes = {
	.find = rep_find_scope,
	.add = rep_add_scope,
	.point = point,
	.forget = forget,
	.set = rep_set,
	.get_asking = rep_get_asking,
};
