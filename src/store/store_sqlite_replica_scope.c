/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a scope as a whole: another name, another URL, deleting it.
 *
 * A scope is deleted in parts.  The first commit makes it one that was never followed: it has no view, no link and no
 * round.  replica_sweep() deletes their rows.  From then on nothing of it is half there, and a sync would just
 * begin again.  The later parts delete its changes and the other rows that name it.  Its own row goes last, because
 * only then may another scope get its number.
 */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

#define CUT_ROWS    5000
#define CUT_LETTERS 20 /* each may be large */

enum err
replica_rename_scope(struct replica *replica, int64_t sid, struct str name)
{
	struct replica_scope other;
	enum err             err;

	MUST(name.len > 0 && name.len <= REPLICA_NAME_MAX);
	arena_reset(replica->arena);
	err = replica_find_scope(replica, name, replica->arena, &other);
	if (err != ERR_NOT_FOUND)
		return err != OK || other.sid == sid ? err : ERR_CONFLICT;
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, C_RENAME, VALUES(INT(sid), TEXT(name))));
}

static enum err
point_elsewhere(struct replica *replica, int64_t sid, const struct replica_scope *scope)
{
	struct replica_state state;

	TRY(rep_state(replica, sid, &state));
	MUST(state.gen == 0 && state.seen.rounds == 0);
	TRY(rep_forget_round(replica, &state));
	return rep_do_with(replica, C_POINT,
	                   VALUES(INT(sid), TEXT(scope->url), TEXT(scope->resource), INT(scope->from_now)));
}

enum err
replica_point_scope(struct replica *replica, int64_t sid, const struct replica_scope *scope)
{
	MUST(scope->url.len <= REPLICA_LINK_MAX);
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
	TRY(rep_do_with(replica, F_CUT_MOVED, VALUES(INT(sid), INT(INT64_MAX))));
	TRY(rep_do_with(replica, C_CUT_RANGES, VALUES(INT(sid))));
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
	return rep_do_with(replica, C_CUT_SCOPE, VALUES(INT(sid)));
}

enum err
replica_forget_scope(struct replica *replica, int64_t sid, bool *done_out)
{
	struct replica_state state;
	bool                 swept, done = false;

	*done_out = false;
	TRY(rep_state(replica, sid, &state));
	if (state.gen != 0 || state.seen.phase != REPLICA_IDLE || state.seen.rounds != 0) {
		TRY(rep_begin(replica, true));
		return rep_end(replica, unfollow(replica, &state));
	}
	TRY(replica_sweep(replica, &swept));
	if (!swept)
		return OK;
	TRY(rep_begin(replica, true));
	TRY(rep_end(replica, cut_piece(replica, sid, &done)));
	*done_out = done;
	return OK;
}
