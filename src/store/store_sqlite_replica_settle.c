/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps by which a whole round becomes the view, and the switch.
 *
 *   first    begin    temporary tables; entries of an earlier try go
 *            sort     the round's rows by id
 *            fold     the rows of one id become one row
 *            enter    an entry for each
 *            switch   the scope has a feed
 *   later    begin, sort, fold
 *            complete a resync: removals of what it did not name
 *            pair     each row, and the row that it replaces
 *            merge    bodies, tombstones, members, what a change is
 *            guard    is it too much? From here on entries move
 *            move     the entries name the new rows
 *            old      the rows that go
 *            dead     ranges of them
 *            switch   the head rises
 */
#include "store/store_sqlite_replica_settle.h"

#include <sqlite3.h>

#define MEMBERS_MAX 5000    /* of one commit: the row keys of members are in another order than they are */
#define SMALL_FIRST 1000000 /* rows of a first round: with ids of 150 bytes their entries are some 190 MB of log */

/* ---- sorting ---------------------------------------------------------------------------------- */

static enum err
begin(struct settle *settle, bool *done_out)
{
	struct replica *replica = settle->replica;

	*done_out = true;
	TRY(rep_do(replica, S_EMPTY_ROUND));
	TRY(rep_do(replica, S_EMPTY_TWINS));
	TRY(rep_do(replica, S_EMPTY_PAIRS));
	TRY(rep_do(replica, S_EMPTY_ENDED));
	TRY(rep_do(replica, S_EMPTY_OLD));
	settle->replica->settling.is_again = settle->state->moving != 0;
	if (settle->state->gen == 0) {
		TRY(run(settle, F_CUT_ENTRIES,
		        VALUES(INT(settle->state->round_gen), INT(settle->replica->settling.rows_max))));
		*done_out = sqlite3_changes64(settle->replica->conn->db) == 0;
	}
	if (!*done_out || settle->state->seen.letters == 0)
		return OK;
	/* Rows go before the switch, so the letters that they end are marked now. */
	return run(settle, S_END_LETTERS,
	           VALUES(INT(settle->sid), INT(settle->state->round_gen), INT(settle->from), INT(settle->to),
	                  INT(settle->state->seen.kind == REPLICA_RESYNC)));
}

static enum err
sort_rows(struct settle *settle, bool *done_out)
{
	*done_out = true;
	return run(settle, S_FILL, VALUES(INT(settle->from), INT(settle->to)));
}

/* ---- a first round ---------------------------------------------------------------------------- */

/*
 * Entries for rows of different ids without removals. The tables' constraints find the others: ERR_CONFLICT, and no
 * row is entered.
 */
static enum err
enter_plain(struct settle *settle)
{
	struct sqlite3_stmt *stmt;
	int                  code;

	TRY(rep_bind(settle->replica, S_TAKE_ALL, VALUES(INT(settle->gen), INT(settle->from), INT(settle->to)), &stmt));
	code = sqlite3_step(stmt);
	(void)sqlite3_reset(stmt);
	if (code == SQLITE_DONE)
		return OK;
	return (code & 0xff) == SQLITE_CONSTRAINT ? ERR_CONFLICT : sql_conn_fail(settle->replica->conn, code);
}

/* A part of the sorted rows: (at, until]; *until_out is the end of the part. */
static enum err
next_part(struct settle *settle, int64_t *until_out, bool *done_out)
{
	struct replica_settling *settling = &settle->replica->settling;

	if (settling->at == 0)
		TRY(rep_read_int(settle->replica, S_LAST, NULL, &settling->last));
	*until_out = settling->at + settling->rows_max;
	if (*until_out > settling->last)
		*until_out = settling->last;
	*done_out = *until_out == settling->last;
	return OK;
}

static enum err
enter(struct settle *settle, bool *done_out)
{
	struct replica_settling *settling = &settle->replica->settling;
	int64_t                  until;

	TRY(next_part(settle, &until, done_out));
	TRY(run(settle, S_CUT_REMOVED, VALUES(INT(settling->at), INT(until))));
	TRY(run(settle, S_TAKE, VALUES(INT(settle->gen), INT(settling->at), INT(until))));
	settling->at = until;
	return OK;
}

/* A small round of different items needs no sorted table. */
static enum err
enter_at_once(struct settle *settle, bool *done_out)
{
	enum err err = settle->state->round_ord > SMALL_FIRST ? ERR_CONFLICT : enter_plain(settle);

	*done_out = true;
	settle->replica->settling.is_entered = err == OK;
	return err == ERR_CONFLICT ? OK : err;
}

/* ---- a later round ---------------------------------------------------------------------------- */

static enum err
pair(struct settle *settle, bool *done_out)
{
	*done_out = true;
	return run(settle, S_PAIR, VALUES(INT(settle->gen), INT(settle->head)));
}

/* From what the steps have written, so it is right after a kill, too. */
static enum err
count_changes(struct settle *settle)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct replica_tally                     *tally = settle->tally;
	const struct sql_value                   *round = VALUES(INT(settle->from), INT(settle->to));
	int64_t                                   pairs, swept = 0;

	TRY(rep_read_int(settle->replica, S_COUNT_PAIRS, NULL, &pairs));
	TRY(rep_row(settle->replica, S_COUNT_KINDS, round, &stmt));
	tally->updated = (uint64_t)sqlite3_column_int64(stmt, 0);
	tally->removed = (uint64_t)sqlite3_column_int64(stmt, 1);
	tally->returned = (uint64_t)sqlite3_column_int64(stmt, 2);
	if (settle->state->seen.kind == REPLICA_RESYNC)
		TRY(rep_read_int(settle->replica, S_COUNT_UNNAMED, round, &swept));
	tally->swept = (uint64_t)swept;
	tally->created = (uint64_t)pairs - tally->updated - tally->returned - tally->removed;
	return OK;
}

static bool
is_guarded(const struct settle *settle)
{
	const struct replica_guard *guard = settle->guard;
	uint64_t                    swept = settle->tally->swept, created = settle->tally->created;

	/* Under another rule an item may have another id: only what the view loses counts. */
	if (!str_eq(settle->state->seen.rule, settle->state->seen.round_rule))
		swept -= swept < created ? swept : created;
	return swept >= guard->at_least && swept * 100 > settle->tally->items * guard->percent;
}

static enum err
heed_guard(struct settle *settle, bool *done_out)
{
	*done_out = true;
	if (settle->state->seen.kind == REPLICA_RESYNC)
		TRY(count_changes(settle));
	if (settle->state->moving != 1 && is_guarded(settle))
		return ERR_NOT_ALLOWED;
	return settle->is_whole ? OK : run(settle, S_SET_MOVING, VALUES(INT(settle->sid), INT(1)));
}

static enum err
move(struct settle *settle, bool *done_out)
{
	struct replica_settling *settling = &settle->replica->settling;
	int64_t                  until;

	TRY(next_part(settle, &until, done_out));
	TRY(run(settle, S_END_ANEW, VALUES(INT(settling->at), INT(until))));
	TRY(run(settle, S_MOVE, VALUES(INT(settle->gen), INT(settle->head), INT(settling->at), INT(until))));
	settling->at = until;
	return OK;
}

/* Is there a row between the two that stays? */
static enum err
is_apart(struct settle *settle, int64_t last, int64_t next, bool *apart_out)
{
	int64_t rows = 0;

	if (next > last + 1)
		TRY(rep_read_int(settle->replica, S_HAS_ROW, VALUES(INT(last), INT(next), INT(settle->relates)),
		                 &rows));
	*apart_out = rows != 0;
	return OK;
}

/* Ranges that were named before a kill may have other ends, so they go first. */
static enum err
find_old(struct settle *settle, bool *done_out)
{
	TRY(run(settle, S_CUT_SOME_RUNS,
	        VALUES(INT(settle->gen << ORD_BITS), INT(settle->head), INT(settle->replica->settling.rows_max))));
	*done_out = sqlite3_changes64(settle->replica->conn->db) == 0;
	if (!*done_out)
		return OK;
	/* Then not all that goes was found in this try. */
	if (settle->relates && settle->replica->settling.is_again) {
		TRY(rep_do(settle->replica, S_EMPTY_ENDED));
		TRY(run(settle, R_END_ALL, VALUES(INT(settle->from), INT(settle->to))));
	}
	return rep_do(settle->replica, S_FILL_OLD);
}

/* Dead rows with nothing between them become one range: a scan steps over it at once. */
static enum err
name_dead(struct settle *settle, bool *done_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct replica_settling                  *settling = &settle->replica->settling;
	int64_t                                   first = 0, last = 0, rows = 0;
	enum err                                  err;

	TRY(rep_bind(settle->replica, S_OLD_ROWS, VALUES(INT(settling->at), INT(settling->rows_max)), &stmt));
	while ((err = rep_step(settle->replica, stmt)) == OK) {
		int64_t row_key = sqlite3_column_int64(stmt, 0);
		bool    is_new = true;

		if (first > 0)
			TRY(is_apart(settle, last, row_key, &is_new));
		if (first > 0 && is_new)
			TRY(run(settle, S_ADD_RUN, VALUES(INT(first), INT(last))));
		first = is_new ? row_key : first;
		last = row_key;
		rows++;
	}
	if (err != ERR_NOT_FOUND)
		return err;
	settling->at = last;
	*done_out = rows < settling->rows_max;
	return first > 0 ? run(settle, S_ADD_RUN, VALUES(INT(first), INT(last))) : OK;
}

/* ---- the switch ------------------------------------------------------------------------------- */

struct totals { /* of the feed, as it becomes */
	int64_t head, items, more_tombs, moving;
};

static enum err
number_changes(struct settle *settle)
{
	int64_t rows = settle->to - settle->from, last;

	if (rows == 0)
		return OK;
	TRY(rep_read_int(settle->replica, F_TAKE_N, VALUES(INT(rows)), &last));
	return run(settle, S_ADD_RANGE,
	           VALUES(INT(last - rows + 1), INT(last), INT(settle->sid), INT(settle->gen), INT(settle->at_ms),
	                  INT((settle->from & ORD_MAX) + 1), INT(settle->state->gen == 0)));
}

static enum err
save_feed(struct settle *settle, const struct totals *totals)
{
	struct replica   *replica = settle->replica;
	struct engine    *engine = replica->engine;
	struct store_feed feed = sql_followed_name(settle->sid);
	struct guid       generation;

	head_cache_touch(engine->head_cache, &feed);
	if (settle->state->gen == 0) {
		generation = guid_random(engine->entropy);
		TRY(run(settle, S_ADD_FEED,
		        VALUES(INT(settle->sid), GUID(&generation), INT(engine->epoch), INT(settle->gen))));
	}
	TRY(run(settle, S_ADD_BASE, VALUES(INT(settle->sid), INT(engine->epoch))));
	return run(settle, S_SAVE_FEED,
	           VALUES(INT(settle->sid), INT(engine->epoch), INT(totals->head), INT(settle->at_ms),
	                  INT(totals->items), INT(totals->more_tombs), INT(totals->moving != 0), INT(settle->relates)));
}

static enum err
end_round(struct settle *settle, const struct totals *totals)
{
	int64_t letters, round_gen = settle->state->round_gen;

	TRY(rep_read_int(settle->replica, F_COUNT_ROUND_LETTERS, VALUES(INT(settle->sid), INT(round_gen)), &letters));
	settle->tally->letters = (uint64_t)letters;
	TRY(run(settle, S_CUT_LETTERS, VALUES(INT(settle->sid), INT(round_gen))));
	TRY(run(settle, F_KEEP_LETTERS, VALUES(INT(settle->sid), INT(round_gen))));
	TRY(save_feed(settle, totals));
	/* What a later round told of relations is part of the view now. */
	if (settle->state->gen != 0)
		TRY(run(settle, F_ADD_OLD, VALUES(INT(round_gen))));
	return run(settle, S_END_ROUND,
	           VALUES(INT(settle->sid), INT(settle->gen), INT(totals->head), INT(totals->items), INT(settle->at_ms),
	                  INT(totals->moving)));
}

static enum err
switch_first(struct settle *settle, bool *done_out)
{
	struct totals totals = { .head = settle->state->round_ord };

	*done_out = true;
	TRY(rep_read_int(settle->replica, F_COUNT_ENTRIES, VALUES(INT(settle->gen)), &totals.items));
	settle->tally->created = (uint64_t)totals.items;
	TRY(number_changes(settle));
	return end_round(settle, &totals);
}

/* Tombstones of items that are back, and removals of items that were never there. */
static enum err
count_tombs(struct settle *settle, struct totals *totals)
{
	int64_t back = 0, unknown = 0, ended = 0;

	if (settle->tally->returned > 0)
		TRY(rep_read_int(settle->replica, S_COUNT_BACK, NULL, &back));
	if (settle->state->seen.from_now && settle->tally->removed > 0)
		TRY(rep_read_int(settle->replica, S_COUNT_UNKNOWN, NULL, &unknown));
	if (settle->relates)
		TRY(rep_read_int(settle->replica, R_COUNT_ENDED, VALUES(INT(settle->from), INT(settle->to)), &ended));
	totals->more_tombs = (int64_t)settle->tally->removed - back + ended;
	totals->items += unknown;
	return OK;
}

static enum err
switch_later(struct settle *settle, bool *done_out)
{
	struct replica_tally *tally = settle->tally;
	struct totals         totals = { .head = settle->state->ord };
	int64_t               has_new = 0;
	bool                  has_changes;

	*done_out = true;
	TRY(count_changes(settle));
	has_changes = tally->created + tally->updated + tally->returned + tally->removed > 0;
	totals.items = (int64_t)(settle->state->seen.items + tally->created + tally->returned - tally->removed);
	TRY(count_tombs(settle, &totals));
	if (has_changes)
		TRY(number_changes(settle));
	/* A member that is told in other words is a change of the feed, and none of the item. */
	if (settle->relates)
		TRY(rep_read_int(settle->replica, R_HAS_NEW, VALUES(INT(settle->from), INT(settle->to)), &has_new));
	if (has_changes || has_new != 0) {
		totals.head = settle->to & ORD_MAX;
		totals.moving = settle->is_whole ? 0 : 2;
	}
	return end_round(settle, &totals);
}

/* The dead rows of a round that is one commit go in this commit. */
static enum err
tidy(struct settle *settle, bool *done_out)
{
	return settle_tidy(settle->replica, settle->gen << ORD_BITS, settle->gen << ORD_BITS | ORD_MAX, done_out);
}

/* ---- the walk --------------------------------------------------------------------------------- */

static settle_step_fn *const first_steps[] = {
	begin, enter_at_once, sort_rows, settle_fold_twins, enter, switch_first
};
static settle_step_fn *const later_steps[] = {
	begin,      sort_rows, settle_fold_twins, settle_complete, pair,         settle_merge,
	heed_guard, move,      find_old,          name_dead,       switch_later, tidy /* only when all is one commit */
};
#define FIRST_STEPS COUNT_OF(first_steps)
#define LATER_STEPS (COUNT_OF(later_steps) - 1)

static settle_step_fn *
step_of(const struct settle *settle)
{
	struct replica_settling *settling = &settle->replica->settling;

	if (settle->state->gen != 0)
		return later_steps[settling->step];
	if (settling->is_entered && settling->step < FIRST_STEPS - 1)
		settling->step = FIRST_STEPS - 1;
	return first_steps[settling->step];
}

static enum err
take_step(struct settle *settle, bool *done_out)
{
	struct replica_settling *settling = &settle->replica->settling;

	TRY(step_of(settle)(settle, done_out));
	if (*done_out) {
		settling->step++;
		settling->at = 0;
		buf_cut(&settling->after, 0);
	}
	return OK;
}

static enum err
make_tables(struct replica *replica)
{
	enum err err;

	if (replica->settling.has_tables)
		return OK;
	TRY(rep_begin(replica, false));
	err = rep_end(replica, sql_conn_exec(replica->conn, SETTLE_MAKE));
	replica->settling.has_tables = err == OK;
	return err;
}

static void
end_settling(struct replica *replica)
{
	struct replica_settling *settling = &replica->settling;

	settling->gen = settling->at = 0;
	settling->step = settling->pass = settling->relation_len = 0;
	settling->is_entered = settling->is_large = false;
	buf_cut(&settling->after, 0);
}

/* A small round may have to do with many members of the view: then it is done in parts. */
static enum err
settle_whole(struct settle *settle, bool *done_out)
{
	struct replica_settling *settling = &settle->replica->settling;
	enum err                 err = OK;
	bool                     done;

	settle->space = settling->whole_max;
	TRY(rep_begin(settle->replica, true));
	while (err == OK && settling->step < LATER_STEPS + 1 && settle->space > 0)
		err = take_step(settle, &done);
	*done_out = err == OK && settle->space > 0;
	if (err != OK || *done_out)
		return rep_end(settle->replica, err);
	rep_undo(settle->replica);
	end_settling(settle->replica);
	settling->gen = settle->state->round_gen;
	settling->is_large = true;
	return OK;
}

/* The last step is the switch, and only then is its commit synced. */
static enum err
settle_part(struct settle *settle, bool *done_out)
{
	struct replica_settling *settling = &settle->replica->settling;
	size_t                   steps = settle->state->gen == 0 ? FIRST_STEPS : LATER_STEPS;
	enum err                 err;
	bool                     done;

	settle->space = settling->rows_max < MEMBERS_MAX ? settling->rows_max : MEMBERS_MAX;
	TRY(rep_begin(settle->replica, settling->step == steps - 1));
	err = rep_end(settle->replica, take_step(settle, &done));
	*done_out = err == OK && settling->step == steps;
	return err;
}

void
rep_limit_commits(struct replica *replica, uint32_t rows)
{
	replica->settling.whole_max = replica->settling.rows_max = rows;
}

/* Rows that the settling may change: a listing removes what it does not name. */
static bool
is_small(const struct settle *settle)
{
	const struct replica_state *state = settle->state;
	int64_t                     whole_max = settle->replica->settling.whole_max;

	return !settle->replica->settling.is_large && state->round_ord - state->round_first <= whole_max &&
	       (state->seen.kind != REPLICA_RESYNC || (int64_t)state->seen.items <= whole_max);
}

static enum err
open_settle(struct settle *settle)
{
	const struct replica_state *state = settle->state;

	settle->sid = state->seen.sid;
	settle->gen = state->gen != 0 ? state->gen : state->round_gen;
	settle->from = settle->gen << ORD_BITS | state->round_first;
	settle->to = settle->gen << ORD_BITS | state->round_ord;
	settle->head = settle->gen << ORD_BITS | state->ord;
	settle->tally->items = state->seen.items;
	/* The moments of a feed never go back. */
	if (settle->at_ms < state->seen.round_ended_ms)
		settle->at_ms = state->seen.round_ended_ms;
	TRY(rep_relates(settle->replica, state, &settle->relates));
	if (settle->replica->settling.gen != state->round_gen)
		end_settling(settle->replica);
	settle->is_whole = state->gen != 0 && state->moving == 0 && is_small(settle);
	settle->replica->settling.gen = state->round_gen;
	return make_tables(settle->replica);
}

/* Rows of a round that was dropped, or that an earlier round replaced, go first: they are below the new head. */
static enum err
tidy_before(struct replica *replica, const struct replica_state *state, bool *done_out)
{
	int64_t gen = state->gen, from = gen << ORD_BITS, until = gen << ORD_BITS | ORD_MAX;
	bool    done;

	*done_out = true;
	if (gen == 0 || state->moving == 1 || replica->settling.gen == state->round_gen)
		return OK;
	TRY(rep_is_tidy(replica, from, until, done_out));
	if (*done_out)
		return OK;
	TRY(rep_begin(replica, false));
	return rep_end(replica, settle_tidy(replica, from, until, &done));
}

enum err
rep_settle(struct replica *replica, int64_t sid, const struct replica_merger *merger, const struct replica_guard *guard,
           int64_t at_ms, struct replica_tally *tally_out, bool *done_out)
{
	struct replica_state state;
	struct settle        settle = { .replica = replica,
		                        .state = &state,
		                        .merger = merger,
		                        .guard = guard,
		                        .tally = tally_out,
		                        .at_ms = at_ms };
	enum err             err;
	bool                 is_tidy;

	TRY(rep_state(replica, sid, &state));
	if (state.seen.phase != REPLICA_SETTLING)
		return ERR_CONFLICT;
	TRY(tidy_before(replica, &state, &is_tidy));
	if (!is_tidy)
		return OK;
	TRY(open_settle(&settle));
	err = settle.is_whole ? settle_whole(&settle, done_out) : settle_part(&settle, done_out);
	if (err != OK || *done_out)
		end_settling(replica);
	return err;
}
