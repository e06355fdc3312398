/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the scopes: reading and adding them, and recording faults, waits and acknowledged numbers. */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

#define FAULT_MAX ((size_t)4 << 10)

static struct str
text_at(struct sqlite3_stmt *stmt, int at, size_t max, struct arena *arena, bool *fits)
{
	struct str text = sql_column_str(stmt, at);

	*fits = *fits && text.len <= max;
	return *fits ? arena_copy(arena, text) : STR_EMPTY;
}

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
		.name = text_at(stmt, 1, REPLICA_NAME_MAX, arena, &fits),
		.url = text_at(stmt, 2, REPLICA_LINK_MAX, arena, &fits),
		.resource = text_at(stmt, 3, REPLICA_NAME_MAX, arena, &fits),
		.from_now = sqlite3_column_int64(stmt, 4) != 0,
		.delta_link = text_at(stmt, 5, REPLICA_LINK_MAX, arena, &fits),
		.items = (uint64_t)sqlite3_column_int64(stmt, 6),
		.phase = (enum replica_phase)sqlite3_column_int64(stmt, 7),
		.kind = (enum replica_kind)sqlite3_column_int64(stmt, 8),
		.round_link = text_at(stmt, 9, REPLICA_LINK_MAX, arena, &fits),
		.round_pages = (uint64_t)sqlite3_column_int64(stmt, 10),
		.round_items = (uint64_t)sqlite3_column_int64(stmt, 11),
		.round_started_ms = sqlite3_column_int64(stmt, 12),
		.rounds = (uint64_t)sqlite3_column_int64(stmt, 13),
		.round_ended_ms = sqlite3_column_int64(stmt, 14),
		.throttled_ms = sqlite3_column_int64(stmt, 15),
		.fault = text_at(stmt, 16, FAULT_MAX, arena, &fits),
		.fault_ms = sqlite3_column_int64(stmt, 17),
		.acked = (uint64_t)sqlite3_column_int64(stmt, 18),
		.printed = (uint64_t)sqlite3_column_int64(stmt, 19),
		.letters = (uint64_t)sqlite3_column_int64(stmt, 20),
		.lost = (uint64_t)sqlite3_column_int64(stmt, 25),
		.updates = (enum replica_updates)sqlite3_column_int64(stmt, 26),
		.rule = text_at(stmt, 27, REPLICA_RULE_MAX, arena, &fits),
		.round_rule = text_at(stmt, 28, REPLICA_RULE_MAX, arena, &fits),
		.gap_ms = sqlite3_column_int64(stmt, 29),
		.owner = text_at(stmt, 30, REPLICA_OWNER_MAX, arena, &fits),
	};
	return fits && is_sound(out, sqlite3_column_int64(stmt, 21)) ? OK : rep_damaged(replica);
}

static enum err
take_scope(struct replica *replica, struct sqlite3_stmt *bound, struct arena *arena, struct replica_scope *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = bound;

	TRY(rep_step(replica, stmt));
	return read_scope(replica, stmt, arena, out);
}

/* Row keys are made of them. */
static bool
has_sound_numbers(const struct replica_state *state)
{
	int64_t gen_max = INT64_MAX >> (ORD_BITS + 1);

	return state->gen >= 0 && state->gen < gen_max && state->round_gen >= 0 && state->round_gen < gen_max &&
	       state->ord >= 0 && state->ord <= state->top && state->top <= ORD_MAX && state->round_first >= 0 &&
	       state->round_first <= state->round_ord && state->round_ord <= ORD_MAX && state->moving >= 0 &&
	       state->moving <= 3;
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

enum err
replica_get_scope(struct replica *replica, int64_t sid, struct arena *arena, struct replica_scope *out)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(rep_bind(replica, F_SCOPE, VALUES(INT(sid)), &stmt));
	return take_scope(replica, stmt, arena, out);
}

enum err
replica_next_scope(struct replica *replica, int64_t after_sid, struct arena *arena, struct replica_scope *out)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(rep_bind(replica, F_SCOPE_NEXT, VALUES(INT(after_sid)), &stmt));
	return take_scope(replica, stmt, arena, out);
}

enum err
replica_find_scope(struct replica *replica, struct str name, struct arena *arena, struct replica_scope *out)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(rep_bind(replica, F_SCOPE_NAMED, VALUES(TEXT(name)), &stmt));
	return take_scope(replica, stmt, arena, out);
}

enum err
replica_find_url(struct replica *replica, struct str url, struct arena *arena, struct replica_scope *out)
{
	return replica_find_owned(replica, url, 0, arena, out);
}

enum err
replica_find_owned(struct replica *replica, struct str url, unsigned n, struct arena *arena, struct replica_scope *out)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(rep_bind(replica, F_SCOPE_OF_URL, VALUES(TEXT(url), INT(n)), &stmt));
	return take_scope(replica, stmt, arena, out);
}

enum err
replica_set_owner(struct replica *replica, int64_t sid, struct str owner)
{
	enum err err;

	MUST(owner.len <= REPLICA_OWNER_MAX);
	TRY(rep_begin(replica, true));
	err = rep_do_with(replica, O_SET, VALUES(INT(sid), TEXT(owner)));
	return rep_end(replica, err == OK && sqlite3_changes64(replica->conn->db) == 0 ? ERR_CONFLICT : err);
}

enum err
replica_add_scope(struct replica *replica, const struct replica_scope *scope, int64_t *sid_out)
{
	struct replica_scope other;
	enum err             err;

	MUST(scope->name.len > 0 && scope->name.len <= REPLICA_NAME_MAX && scope->url.len <= REPLICA_LINK_MAX);
	arena_reset(replica->arena);
	if (replica_find_scope(replica, scope->name, replica->arena, &other) == OK)
		return ERR_CONFLICT;
	TRY(rep_begin(replica, true));
	err = rep_do_with(replica, F_ADD_SCOPE,
	                  VALUES(TEXT(scope->name), TEXT(scope->url), TEXT(scope->resource), INT(scope->from_now),
	                         INT(scope->updates), TEXT(scope->round_rule)));
	*sid_out = sqlite3_last_insert_rowid(replica->conn->db);
	return rep_end(replica, err);
}

enum err
replica_set_updates(struct replica *replica, int64_t sid, enum replica_updates updates)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, R_SET_UPDATES, VALUES(INT(sid), INT(updates))));
}

enum err
replica_set_rule(struct replica *replica, int64_t sid, struct str rule, struct str resource)
{
	MUST(rule.len <= REPLICA_RULE_MAX && resource.len <= REPLICA_NAME_MAX);
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, R_SET_RULE, VALUES(INT(sid), TEXT(rule), TEXT(resource))));
}

enum err
replica_note_fault(struct replica *replica, int64_t sid, struct str fault, int64_t at_ms)
{
	TRY(rep_begin(replica, false));
	return rep_end(replica, rep_do_with(replica, F_SET_FAULT,
	                                    VALUES(INT(sid), TEXT(str_cut(fault, FAULT_MAX)), INT(at_ms))));
}

enum err
replica_note_pause(struct replica *replica, int64_t sid, int64_t ms)
{
	TRY(rep_begin(replica, false));
	return rep_end(replica, rep_do_with(replica, F_ADD_PAUSE, VALUES(INT(sid), INT(ms))));
}

enum err
replica_ack(struct replica *replica, int64_t sid, uint64_t n)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, F_SET_ACKED, VALUES(INT(sid), INT(n))));
}

enum err
replica_mark_printed(struct replica *replica, int64_t sid, uint64_t n)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, F_SET_PRINTED, VALUES(INT(sid), INT(n))));
}
