/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a whole round becomes the view.
 *
 *   first            clear    entries of an earlier try (the process was killed), in parts
 *                    sort     the round's rows by id, into a temporary table, which does not use the log
 *                    enter    an entry for each, in parts; rows of one id become one row
 *                    switch   one commit: a range of numbers, scope.gen and the new link
 *   next             fold     one commit: each id's rows on top of its item, numbers, the new link
 *   resync           the same, but a row replaces its item, and items without a row are swept
 *
 * Everything before the last commit touches only rows that no view names, and can be repeated after a kill.
 * A resync does not touch an item that has not changed, so its row keeps its row key and its number.
 */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

#define PIECE       20000
#define SMALL_ROUND 1000000 /* rows: with ids of 150 bytes their entries are some 190 MB of log */

struct fold {
	struct replica              *replica;
	const struct replica_state  *state;
	const struct replica_merger *merger;
	struct replica_tally        *tally;
	int64_t                      at_ms;
	int64_t                      ord, items; /* of the view, as it becomes */
	bool                         relates;    /* the view or the round has relations */
};

struct row {
	struct str        id;
	int64_t           row_key;
	enum replica_life life;
};

static struct row
row_of(struct sqlite3_stmt *stmt)
{
	return (struct row){ sql_column_str(stmt, 0), sqlite3_column_int64(stmt, 1),
		             (enum replica_life)sqlite3_column_int64(stmt, 2) };
}

/* ---- first rounds: entering ------------------------------------------------------------------ */

/* Merges the earlier row into the later one. If they do not fit together, the later one stays as it was received. */
static enum err
join_rows(struct fold *fold, int64_t earlier, int64_t later)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct replica                           *replica = fold->replica;
	struct str                                body;
	enum err                                  err;

	TRY(rep_get_body(replica, earlier, &stmt, &body));
	buf_cut(&replica->held, 0);
	buf_put(&replica->held, body);
	sql_stmt_reset(&stmt);
	TRY(rep_get_body(replica, later, &stmt, &body));
	buf_cut(&replica->merged, 0);
	err = fold->merger->merge(fold->merger->ctx, buf_str(&replica->held), body, &replica->merged);
	sql_stmt_reset(&stmt);
	if (err == OK)
		err = rep_set_body(replica, fold->merger, later, buf_str(&replica->merged));
	if (err != OK && err != ERR_TOO_LARGE)
		return err;
	return rep_do_ints(replica, F_CUT_ITEM, INTS(earlier));
}

static enum err
enter_row(struct fold *fold, struct row row)
{
	struct replica *replica = fold->replica;
	int64_t         gen = fold->state->round_gen, earlier;
	enum err        err = rep_find_entry(replica, gen, row.id, &earlier);

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	if (row.life != REPLICA_LIVE) {
		TRY(rep_do_ints(replica, F_CUT_ITEM, INTS(row.row_key)));
		if (err == ERR_NOT_FOUND)
			return OK;
		TRY(rep_do_ints(replica, F_CUT_ITEM, INTS(earlier)));
		return rep_cut_entry(replica, gen, row.id);
	}
	if (err == OK)
		TRY(join_rows(fold, earlier, row.row_key));
	return rep_put_entry(replica, gen, row.id, row.row_key);
}

/* Row by row, for a part in which an id comes twice or an item is removed. */
static enum err
enter_rows(struct fold *fold, int64_t after, int64_t until)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err;

	TRY(rep_stmt(fold->replica, S_ROWS, &stmt));
	sql_bind_int(stmt, 1, after);
	sql_bind_int(stmt, 2, until);
	while ((err = rep_step(fold->replica, stmt)) == OK)
		TRY(enter_row(fold, row_of(stmt)));
	return err == ERR_NOT_FOUND ? OK : err;
}

/*
 * Entries for rows of different ids without removals. The tables' constraints find the others: ERR_CONFLICT, and no
 * row is entered.
 */
static enum err
enter_plain(struct fold *fold, enum follow_sql sql, int64_t after, int64_t until)
{
	struct replica      *replica = fold->replica;
	struct sqlite3_stmt *stmt;
	int                  code;

	TRY(rep_stmt(replica, sql, &stmt));
	sql_bind_int(stmt, 1, fold->state->round_gen);
	sql_bind_int(stmt, 2, after);
	sql_bind_int(stmt, 3, until);
	code = sqlite3_step(stmt);
	(void)sqlite3_reset(stmt);
	if (code == SQLITE_DONE)
		return OK;
	return (code & 0xff) == SQLITE_CONSTRAINT ? ERR_CONFLICT : sql_conn_fail(replica->conn, code);
}

static enum err
enter_piece(struct fold *fold, int64_t after, int64_t until)
{
	enum err err = enter_plain(fold, S_TAKE, after, until);

	return err == ERR_CONFLICT ? enter_rows(fold, after, until) : err;
}

/* A small round is entered at once, without the sorted table. */
static enum err
enter_small_round(struct fold *fold, bool *done_out)
{
	int64_t  gen = fold->state->round_gen;
	enum err err;

	*done_out = false;
	if (fold->state->round_ord > SMALL_ROUND)
		return OK;
	TRY(rep_begin(fold->replica, false));
	err = rep_end(fold->replica, enter_plain(fold, S_TAKE_ALL, gen << ORD_BITS, gen << ORD_BITS | ORD_MAX));
	*done_out = err == OK;
	return err == ERR_CONFLICT ? OK : err;
}

static enum err
clear_piece(struct replica *replica, int64_t gen)
{
	TRY(rep_begin(replica, false));
	TRY(rep_end(replica, rep_do_ints(replica, F_CUT_ENTRIES, INTS(gen, PIECE))));
	replica->sorting.is_clear = sqlite3_changes64(replica->conn->db) == 0;
	return OK;
}

static enum err
sort_round(struct replica *replica, int64_t gen)
{
	struct replica_sorting *sorting = &replica->sorting;

	sorting->at = 0;
	TRY(rep_begin(replica, false));
	TRY(rep_end(replica, rep_do_ints(replica, S_FILL, INTS(gen << ORD_BITS, gen << ORD_BITS | ORD_MAX))));
	TRY(rep_read_int(replica, S_LAST, NULL, 0, &sorting->last));
	return OK;
}

static enum err
begin_sorting(struct replica *replica, int64_t gen)
{
	for (int sql = S_FILL; sql < F_COUNT; sql++) {
		(void)sqlite3_finalize(replica->stmts[sql]);
		replica->stmts[sql] = NULL;
	}
	TRY(sql_conn_exec(replica->conn, "DROP TABLE IF EXISTS temp.follow_sorted"));
	TRY(sql_conn_exec(replica->conn, SORT_MAKE));
	replica->sorting = (struct replica_sorting){ .gen = gen, .at = -1 };
	return OK;
}

/* *ready_out true: every row of the round has its entry. */
static enum err
prepare_first(struct fold *fold, bool *ready_out)
{
	struct replica         *replica = fold->replica;
	struct replica_sorting *sorting = &replica->sorting;
	int64_t                 gen = fold->state->round_gen, until;

	*ready_out = false;
	if (sorting->gen != gen)
		return begin_sorting(replica, gen);
	if (!sorting->is_clear)
		return clear_piece(replica, gen);
	if (sorting->at < 0) {
		TRY(enter_small_round(fold, ready_out));
		return *ready_out ? OK : sort_round(replica, gen);
	}
	if (sorting->at >= sorting->last) {
		*ready_out = true;
		return OK;
	}
	until = sorting->at + PIECE < sorting->last ? sorting->at + PIECE : sorting->last;
	TRY(rep_begin(replica, false));
	TRY(rep_end(replica, enter_piece(fold, sorting->at, until)));
	sorting->at = until;
	return OK;
}

/* ---- changes -------------------------------------------------------------------------------- */

static enum err
add_change(struct fold *fold, enum replica_change_kind kind, enum replica_life life, struct str id)
{
	struct replica      *replica = fold->replica;
	struct sqlite3_stmt *stmt;
	int64_t              n;

	TRY(rep_read_int(replica, F_TAKE_N, INTS(1), &n));
	TRY(rep_stmt(replica, F_ADD_CHANGE, &stmt));
	sql_bind_int(stmt, 1, n);
	sql_bind_int(stmt, 2, fold->state->seen.sid);
	sql_bind_int(stmt, 3, kind);
	sql_bind_int(stmt, 4, life);
	sql_bind_int(stmt, 5, fold->at_ms);
	rep_bind_str(stmt, 6, id);
	rep_bind_str(stmt, 7,
	             kind == REPLICA_UPDATED && buf_err(&replica->fields) == OK ? buf_str(&replica->fields)
	                                                                        : STR_EMPTY);
	return rep_run(replica, stmt);
}

static enum err
gone_do(struct fold *fold, enum follow_sql sql, struct str id)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_stmt(fold->replica, sql, &stmt));
	sql_bind_int(stmt, 1, fold->state->seen.sid);
	rep_bind_str(stmt, 2, id);
	return rep_step(fold->replica, stmt);
}

static enum err
report_new(struct fold *fold, struct str id)
{
	enum err err = gone_do(fold, F_IS_GONE, id);
	bool     is_back = err == OK;

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	if (is_back && (err = gone_do(fold, F_CUT_GONE, id)) != ERR_NOT_FOUND)
		return err;
	is_back ? fold->tally->returned++ : fold->tally->created++;
	return add_change(fold, is_back ? REPLICA_RETURNED : REPLICA_CREATED, REPLICA_LIVE, id);
}

static enum err
report_removed(struct fold *fold, struct str id, enum replica_life why)
{
	enum err err = gone_do(fold, F_ADD_GONE, id);

	if (err != ERR_NOT_FOUND)
		return err;
	fold->tally->removed++;
	return add_change(fold, REPLICA_REMOVED, why, id);
}

/* ---- first rounds: the switch ----------------------------------------------------------------- */

static enum err
end_round(struct fold *fold, int64_t gen)
{
	int64_t sid = fold->state->seen.sid, round_gen = fold->state->round_gen, letters;

	TRY(rep_read_int(fold->replica, F_COUNT_ROUND_LETTERS, INTS(sid, round_gen), &letters));
	fold->tally->letters = (uint64_t)letters;
	if (fold->state->seen.letters > 0)
		TRY(rep_do_ints(fold->replica, R_CUT_OLD_LETTERS,
		                INTS(sid, round_gen, round_gen << ORD_BITS, round_gen << ORD_BITS | ORD_MAX)));
	TRY(rep_do_ints(fold->replica, F_KEEP_LETTERS, INTS(sid, round_gen)));
	return rep_do_ints(fold->replica, F_END_ROUND, INTS(sid, gen, fold->ord, fold->items, fold->at_ms));
}

static enum err
switch_view(struct fold *fold)
{
	const struct replica_state *state = fold->state;
	struct replica             *replica = fold->replica;
	int64_t                     last;

	MUST(state->gen == 0);
	TRY(rep_read_int(replica, F_COUNT_ENTRIES, INTS(state->round_gen), &fold->items));
	fold->tally->created = (uint64_t)fold->items;
	fold->ord = state->round_ord;
	if (fold->ord > 0) {
		TRY(rep_read_int(replica, F_TAKE_N, INTS(fold->ord), &last));
		TRY(rep_do_ints(replica, F_ADD_RANGE,
		                INTS(last - fold->ord + 1, last, state->seen.sid, state->round_gen, fold->at_ms)));
	}
	return end_round(fold, state->round_gen);
}

static enum err
settle_first(struct fold *fold, bool *done_out)
{
	struct replica *replica = fold->replica;
	bool            ready;

	TRY(prepare_first(fold, &ready));
	if (!ready)
		return OK;
	TRY(rep_begin(replica, true));
	TRY(rep_end(replica, switch_view(fold)));
	replica->sorting.gen = 0;
	*done_out = true;
	return sql_conn_exec(replica->conn, "DELETE FROM temp.follow_sorted");
}

/* ---- later rounds --------------------------------------------------------------------------- */

/* An item while the rows of a round that name it are applied to it one by one. */
struct item_fold {
	struct buf        id, was, now;
	bool              is_open, was_live, is_live;
	int64_t           row_key; /* of the item's row in the view, if it was live */
	enum replica_life why;     /* when it is not live any more */
	struct buf        next;    /* resync: the entry of the view that comes next; empty at the end */
};

static bool
is_resync(const struct fold *fold)
{
	return fold->state->seen.kind == REPLICA_RESYNC;
}

static enum err
open_item(struct fold *fold, struct item_fold *item, struct str id)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct str                                body;
	enum err                                  err;

	buf_cut(&item->id, 0);
	buf_cut(&item->was, 0);
	buf_cut(&item->now, 0);
	buf_put(&item->id, id);
	item->is_open = true;
	item->was_live = item->is_live = false;
	item->why = REPLICA_LIVE;
	err = rep_find_entry(fold->replica, fold->state->gen, id, &item->row_key);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	TRY(rep_get_body(fold->replica, item->row_key, &stmt, &body));
	item->was_live = true;
	buf_put(&item->was, body);
	if (is_resync(fold))
		return OK;
	buf_put(&item->now, body);
	item->is_live = true;
	return OK;
}

static enum err
apply_row(struct fold *fold, struct item_fold *item, struct row row)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct buf                               *merged = &fold->replica->merged;
	struct str                                received;
	enum err                                  err = OK;

	if (row.life != REPLICA_LIVE) {
		item->is_live = false;
		item->why = row.life;
		return OK;
	}
	TRY(rep_get_body(fold->replica, row.row_key, &stmt, &received));
	buf_cut(merged, 0);
	if (item->is_live)
		err = fold->merger->merge(fold->merger->ctx, buf_str(&item->now), received, merged);
	if (err != OK && err != ERR_TOO_LARGE)
		return err;
	buf_cut(&item->now, 0);
	buf_put(&item->now, item->is_live && err == OK ? buf_str(merged) : received);
	item->is_live = true;
	return OK;
}

static enum err
create_item(struct fold *fold, struct item_fold *item)
{
	struct replica      *replica = fold->replica;
	int64_t              row_key = fold->state->gen << ORD_BITS | ++fold->ord;
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, F_ADD_ITEM, &stmt));
	sql_bind_int(stmt, 1, row_key);
	rep_bind_str(stmt, 2, buf_str(&item->id));
	sql_bind_int(stmt, 3, REPLICA_LIVE);
	rep_bind_str(stmt, 4, buf_str(&item->now));
	TRY(rep_run(replica, stmt));
	TRY(rep_show_body(replica, fold->merger, row_key, buf_str(&item->now)));
	TRY(rep_put_entry(replica, fold->state->gen, buf_str(&item->id), row_key));
	if (fold->relates)
		TRY(rep_settle_relations(replica, fold->state, buf_str(&item->id), NULL));
	fold->items++;
	return report_new(fold, buf_str(&item->id));
}

static enum err
update_item(struct fold *fold, struct item_fold *item)
{
	struct replica *replica = fold->replica;
	bool            differs, moved = false;

	buf_cut(&replica->fields, 0);
	differs = fold->merger->differ(fold->merger->ctx, buf_str(&item->was), buf_str(&item->now), &replica->fields);
	if (fold->relates)
		TRY(rep_settle_relations(replica, fold->state, buf_str(&item->id), &moved));
	if (!differs && !moved)
		return OK;
	buf_put(&replica->fields, differs ? STR_EMPTY : STR("[]"));
	TRY(rep_set_body(replica, fold->merger, item->row_key, buf_str(&item->now)));
	fold->tally->updated++;
	return add_change(fold, REPLICA_UPDATED, REPLICA_LIVE, buf_str(&item->id));
}

static enum err
remove_item(struct fold *fold, struct str id, int64_t row_key, enum replica_life why)
{
	TRY(rep_do_ints(fold->replica, F_CUT_ITEM, INTS(row_key)));
	TRY(rep_cut_entry(fold->replica, fold->state->gen, id));
	if (fold->relates)
		TRY(rep_cut_relations(fold->replica, fold->state->gen, id));
	fold->items--;
	return report_removed(fold, id, why);
}

/* A scope that began with "from now" also reports, once, the removal of an item that it never held. */
static enum err
remove_unknown(struct fold *fold, struct item_fold *item)
{
	enum err err;

	if (!fold->state->seen.from_now || is_resync(fold))
		return OK;
	err = gone_do(fold, F_IS_GONE, buf_str(&item->id));
	return err == ERR_NOT_FOUND ? report_removed(fold, buf_str(&item->id), item->why) : err;
}

static enum err
close_item(struct fold *fold, struct item_fold *item)
{
	if (!item->is_open)
		return OK;
	if (buf_err(&item->id) != OK || buf_err(&item->was) != OK || buf_err(&item->now) != OK)
		return rep_damaged(fold->replica);
	item->is_open = false;
	if (item->is_live)
		return item->was_live ? update_item(fold, item) : create_item(fold, item);
	if (item->was_live)
		return remove_item(fold, buf_str(&item->id), item->row_key, item->why);
	return remove_unknown(fold, item);
}

/* ---- what a resync does not name ------------------------------------------------------------ */

static enum err
step_entry(struct fold *fold, struct item_fold *item)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err;

	TRY(rep_stmt(fold->replica, F_NEXT_ENTRY, &stmt));
	sql_bind_int(stmt, 1, fold->state->gen);
	rep_bind_str(stmt, 2, buf_str(&item->next));
	err = rep_step(fold->replica, stmt);
	buf_cut(&item->next, 0);
	if (err == OK)
		buf_put(&item->next, sql_column_str(stmt, 0));
	if (buf_err(&item->next) != OK)
		return rep_damaged(fold->replica);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Entries and rows come in order of id: an entry between two rows was not named. */
static enum err
sweep_until(struct fold *fold, struct item_fold *item, struct str id)
{
	int64_t row_key;

	while (item->next.len > 0 && (id.len == 0 || str_cmp(buf_str(&item->next), id) <= 0)) {
		if (!str_eq(buf_str(&item->next), id)) {
			TRY(rep_find_entry(fold->replica, fold->state->gen, buf_str(&item->next), &row_key));
			TRY(remove_item(fold, buf_str(&item->next), row_key, REPLICA_LIVE));
			fold->tally->swept++;
		}
		TRY(step_entry(fold, item));
	}
	return OK;
}

static enum err
fold_rows(struct fold *fold, struct item_fold *item)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct replica                           *replica = fold->replica;
	int64_t                                   gen = fold->state->round_gen;
	enum err                                  err;

	TRY(rep_stmt(replica, F_ROUND_ROWS, &stmt));
	sql_bind_int(stmt, 1, gen << ORD_BITS);
	sql_bind_int(stmt, 2, gen << ORD_BITS | ORD_MAX);
	if (is_resync(fold))
		TRY(step_entry(fold, item));
	while ((err = rep_step(replica, stmt)) == OK) {
		struct row row = row_of(stmt);

		if (!item->is_open || !str_eq(buf_str(&item->id), row.id)) {
			TRY(close_item(fold, item));
			TRY(sweep_until(fold, item, row.id));
			TRY(open_item(fold, item, row.id));
		}
		TRY(apply_row(fold, item, row));
	}
	if (err != ERR_NOT_FOUND)
		return err;
	TRY(close_item(fold, item));
	return sweep_until(fold, item, STR_EMPTY);
}

static void
free_item(struct item_fold *item)
{
	buf_close(&item->id);
	buf_close(&item->was);
	buf_close(&item->now);
	buf_close(&item->next);
}

static bool
is_guarded(const struct fold *fold, const struct replica_guard *guard)
{
	const struct replica_scope *scope = &fold->state->seen;
	uint64_t                    swept = fold->tally->swept, created = fold->tally->created;

	/* Under another rule an item may have another id: only what the view loses counts. */
	if (!str_eq(scope->rule, scope->round_rule))
		swept -= swept < created ? swept : created;
	return swept >= guard->at_least && swept * 100 > fold->tally->items * guard->percent;
}

static enum err
fold_round(struct fold *fold, const struct replica_guard *guard)
{
	AUTO(free_item) struct item_fold item = { 0 };

	buf_open(&item.id, STORE_ID_MAX);
	buf_open(&item.next, STORE_ID_MAX);
	buf_open(&item.was, STORE_BODY_MAX);
	buf_open(&item.now, STORE_BODY_MAX);
	fold->ord = fold->state->ord;
	fold->items = (int64_t)fold->state->seen.items;
	TRY(rep_relates(fold->replica, fold->state, &fold->relates));
	TRY(fold_rows(fold, &item));
	if (is_guarded(fold, guard))
		return ERR_NOT_ALLOWED;
	TRY(rep_do_ints(fold->replica, F_ADD_OLD, INTS(fold->state->round_gen)));
	return end_round(fold, fold->state->gen);
}

/* ---- settling a round ------------------------------------------------------------------------- */

enum err
replica_settle(struct replica *replica, int64_t sid, const struct replica_merger *merger,
               const struct replica_guard *guard, int64_t at_ms, struct replica_tally *tally_out, bool *done_out)
{
	struct replica_state state;
	struct fold          fold = { replica, &state, merger, tally_out, at_ms, 0, 0, false };
	enum err             err;

	*done_out = false;
	*tally_out = (struct replica_tally){ 0 };
	TRY(rep_state(replica, sid, &state));
	MUST(state.seen.phase == REPLICA_SETTLING);
	tally_out->items = state.seen.items;
	if (state.seen.kind == REPLICA_FIRST)
		return settle_first(&fold, done_out);
	TRY(rep_begin(replica, true));
	err = rep_end(replica, fold_round(&fold, guard));
	if (err == ERR_NOT_ALLOWED)
		TRY(replica_drop_round(replica, sid));
	*done_out = err == OK;
	return err;
}
