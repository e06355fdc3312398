/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows of a later round do to the view.  All writes are to rows that no reader sees yet, and each can be done
 * again: a merged body that is merged again stays as it is.
 */
#include "store/store_sqlite_replica_settle.h"

#include <sqlite3.h>

#define PAIRS_MAX 2000 /* with their bodies */

static int64_t
pairs_max(const struct settle *settle)
{
	return settle->replica->settling.rows_max < PAIRS_MAX ? settle->replica->settling.rows_max : PAIRS_MAX;
}

static enum err
set_body(struct settle *settle, int64_t row_key, struct str body)
{
	struct replica *replica = settle->replica;

	TRY(run(settle, F_SET_BODY, VALUES(INT(row_key), TEXT(body))));
	buf_cut(&replica->shown, 0);
	if (!settle->merger->show(settle->merger->ctx, body, &replica->shown))
		return OK;
	return run(settle, R_SHOW, VALUES(INT(row_key), TEXT(buf_str(&replica->shown))));
}

/* ---- several rows of one item ------------------------------------------------------------------ */

static enum err
get_body(struct replica *replica, int64_t row_key, struct buf *body_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_row(replica, S_BODY, VALUES(INT(row_key)), &stmt));
	buf_cut(body_out, 0);
	buf_put(body_out, sql_column_str(stmt, 0));
	return buf_err(body_out) == OK ? OK : rep_damaged(replica);
}

/* If they do not fit together, the later one stays as it was received. */
static enum err
join_rows(struct settle *settle, int64_t earlier, int64_t later)
{
	struct replica *replica = settle->replica;
	enum err        err;

	TRY(get_body(replica, earlier, &replica->held));
	TRY(get_body(replica, later, &replica->received));
	buf_cut(&replica->merged, 0);
	err = settle->merger->merge(settle->merger->ctx, buf_str(&replica->held), buf_str(&replica->received),
	                            &replica->merged);
	if (err == OK)
		err = set_body(settle, later, buf_str(&replica->merged));
	return err == ERR_TOO_LARGE ? OK : err;
}

struct twin {
	int64_t row_key, life;
	bool    is_removal;
};

static bool
is_removal(int64_t life)
{
	return life != REPLICA_LIVE && life != LIFE_ANEW;
}

/* The earlier row goes.  After a removal an item is what the later row says, and not a part on top of what was held. */
static enum err
fold_twin(struct settle *settle, int64_t earlier, int64_t earlier_life, int64_t later, int64_t *later_life)
{
	bool is_anew = earlier_life != REPLICA_LIVE;

	if (!is_removal(*later_life)) {
		if (!is_removal(earlier_life))
			TRY(join_rows(settle, earlier, later));
		if (is_anew && settle->state->gen != 0) {
			*later_life = LIFE_ANEW;
			TRY(run(settle, S_SET_LIFE, VALUES(INT(later), INT(LIFE_ANEW))));
		}
	}
	return run(settle, F_CUT_ITEM, VALUES(INT(earlier)));
}

static enum err
fold_part(struct settle *settle, bool *done_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct replica                           *replica = settle->replica;
	struct replica_settling                  *settling = &replica->settling;
	int64_t                                   rows = 0;
	enum err                                  err;

	TRY(rep_bind(replica, S_TWINS, VALUES(INT(settling->at), INT(pairs_max(settle))), &stmt));
	while ((err = rep_step(replica, stmt)) == OK) {
		struct str id = sql_column_str(stmt, 1);
		int64_t    row_key = sqlite3_column_int64(stmt, 2), life = sqlite3_column_int64(stmt, 3);

		if (settling->at > 0 && str_eq(buf_str(&settling->after), id))
			TRY(fold_twin(settle, settling->twin, settling->twin_life, row_key, &life));
		buf_cut(&settling->after, 0);
		buf_put(&settling->after, id);
		settling->at = sqlite3_column_int64(stmt, 0);
		settling->twin = row_key;
		settling->twin_life = life;
		rows++;
	}
	*done_out = rows < pairs_max(settle);
	return err == ERR_NOT_FOUND ? buf_err(&settling->after) : err;
}

enum err
settle_fold_twins(struct settle *settle, bool *done_out)
{
	int64_t twins;

	if (settle->replica->settling.at == 0) {
		TRY(rep_read_int(settle->replica, S_COUNT_TWINS, NULL, &twins));
		*done_out = twins == 0;
		if (*done_out)
			return OK;
		TRY(run(settle, S_FILL_TWINS, VALUES(INT(settle->from), INT(settle->to))));
	}
	return fold_part(settle, done_out);
}

/* ---- what a listing does not name -------------------------------------------------------------- */

/* An item that the listing holds as a dead letter is there, and stays as it was. */
static enum err
stage_removal(struct settle *settle, struct str id)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct replica                           *replica = settle->replica;
	enum err                                  err = rep_find_letter(replica, settle->state, id);

	if (err != ERR_NOT_FOUND)
		return err;
	err = rep_row(replica, S_IS_SEEN, VALUES(INT(settle->sid), TEXT(id)), &stmt);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	if ((settle->to & ORD_MAX) == ORD_MAX)
		return ERR_TOO_LARGE;
	settle->to++;
	TRY(run(settle, F_ADD_ITEM, VALUES(INT(settle->to), TEXT(id), INT(LIFE_UNNAMED), TEXT(STR_EMPTY))));
	return run(settle, S_ADD_ID, VALUES(TEXT(id), INT(settle->to), INT(LIFE_UNNAMED)));
}

/* Entries and rows come in order of id: an entry between two rows was not named. */
static enum err
complete_part(struct settle *settle, struct sqlite3_stmt *entries, struct sqlite3_stmt *rows, int64_t *seen)
{
	struct replica_settling *settling = &settle->replica->settling;
	enum err                 row_err = rep_step(settle->replica, rows), err;

	while ((err = rep_step(settle->replica, entries)) == OK) {
		struct str id = sql_column_str(entries, 0);

		while (row_err == OK && str_cmp(sql_column_str(rows, 1), id) < 0) {
			settling->at = sqlite3_column_int64(rows, 0);
			row_err = rep_step(settle->replica, rows);
		}
		if (row_err != OK && row_err != ERR_NOT_FOUND)
			return row_err;
		if (row_err == ERR_NOT_FOUND || !str_eq(sql_column_str(rows, 1), id))
			TRY(stage_removal(settle, id));
		buf_cut(&settling->after, 0);
		buf_put(&settling->after, id);
		++*seen;
	}
	return err == ERR_NOT_FOUND ? buf_err(&settling->after) : err;
}

enum err
settle_save_to(struct settle *settle)
{
	return run(settle, S_SET_ROUND_ORD, VALUES(INT(settle->sid), INT(settle->to & ORD_MAX)));
}

/* From here on no tombstone is purged: versions of members are made beside those that they replace. */
static enum err
begin_changing(struct settle *settle)
{
	if (settle->is_whole || settle->state->moving != 0)
		return OK;
	return run(settle, S_SET_MOVING, VALUES(INT(settle->sid), INT(MOVING_COMPLETED)));
}

enum err
settle_complete(struct settle *settle, bool *done_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *entries = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *rows = NULL;
	struct replica                           *replica = settle->replica;
	struct replica_settling                  *settling = &replica->settling;
	int64_t                                   seen = 0, to = settle->to;

	/* Once only: later steps delete the rows of what is named and has not changed. */
	*done_out = settle->state->seen.kind != REPLICA_RESYNC || settle->state->moving != 0;
	if (*done_out)
		return settle->relates ? begin_changing(settle) : OK;
	if (settling->after.len == 0)
		TRY(rep_read_int(replica, S_LAST, NULL, &settling->last));
	TRY(rep_bind(replica, S_ENTRIES,
	             VALUES(INT(settle->gen), TEXT(buf_str(&settling->after)), INT(settling->rows_max)), &entries));
	TRY(rep_bind(replica, S_IDS, VALUES(INT(settling->at), INT(settling->last)), &rows));
	TRY(complete_part(settle, entries, rows, &seen));
	*done_out = seen < settling->rows_max;
	if (*done_out)
		TRY(begin_changing(settle));
	return settle->to == to ? OK : settle_save_to(settle);
}

/* ---- row by row -------------------------------------------------------------------------------- */

struct change {
	int64_t    row_key, at, life;
	bool       is_known, was_seen; /* the id has an entry; its item is in the view */
	struct str id, received, held;
};

static enum err
add_detail(struct settle *settle, const struct change *change, enum replica_change_kind kind, int64_t life,
           struct str fields)
{
	return run(settle, S_ADD_DETAIL,
	           VALUES(INT(change->row_key), INT(kind), INT(life), TEXT(fields), TEXT(change->id)));
}

static enum err
drop(struct settle *settle, const struct change *change)
{
	TRY(run(settle, F_CUT_ITEM, VALUES(INT(change->row_key))));
	TRY(run(settle, S_CUT_PAIR, VALUES(INT(change->row_key))));
	return run(settle, S_DROP_ID, VALUES(INT(change->at)));
}

static enum err
take_members(struct settle *settle, const struct change *change, bool *done_out)
{
	struct settle_item item = { .id = change->id,
		                    .row_key = change->row_key,
		                    .is_removed = is_removal(change->life),
		                    .is_known = change->is_known,
		                    .was_seen = change->was_seen };

	*done_out = true;
	return settle->relates ? settle_members(settle, &item, done_out) : OK;
}

/* A scope that began with "from now" also reports, once, the removal of an item that it never held. */
static bool
may_change(const struct settle *settle, const struct change *change)
{
	return change->was_seen || !is_removal(change->life) ||
	       (settle->state->seen.from_now && settle->state->seen.kind != REPLICA_RESYNC && !change->is_known);
}

static enum err
remove_item(struct settle *settle, const struct change *change)
{
	int64_t why = change->life == LIFE_UNNAMED ? REPLICA_LIVE : change->life;

	TRY(run(settle, S_ADD_TOMB, VALUES(INT(change->row_key), TEXT(change->id), INT(why), INT(settle->at_ms))));
	TRY(add_detail(settle, change, REPLICA_REMOVED, why, STR_EMPTY));
	return run(settle, F_CUT_ITEM, VALUES(INT(change->row_key)));
}

static enum err
add_item(struct settle *settle, const struct change *change)
{
	return change->is_known ? add_detail(settle, change, REPLICA_RETURNED, REPLICA_LIVE, STR_EMPTY) : OK;
}

/* The item as it becomes: `merged` holds it unless it is as it was received. */
static enum err
merge(struct settle *settle, const struct change *change, struct str *now_out)
{
	struct buf *merged = &settle->replica->merged;
	enum err    err;

	*now_out = change->received;
	if (settle->state->seen.kind == REPLICA_RESYNC || change->life == LIFE_ANEW)
		return OK;
	buf_cut(merged, 0);
	err = settle->merger->merge(settle->merger->ctx, change->held, change->received, merged);
	if (err == OK)
		*now_out = buf_str(merged);
	return err == ERR_TOO_LARGE ? OK : err;
}

static enum err
update_item(struct settle *settle, const struct change *change)
{
	struct buf *fields = &settle->replica->fields;
	bool        differs, moved = false, is_merged;
	struct str  now = change->received;

	buf_cut(fields, 0);
	if (!settle->merger->compare ||
	    !settle->merger->compare(settle->merger->ctx, change->held, now, fields, &differs)) {
		TRY(merge(settle, change, &now));
		buf_cut(fields, 0);
		differs = settle->merger->differ(settle->merger->ctx, change->held, now, fields);
	}
	is_merged = !str_eq(now, change->received);
	if (settle->relates)
		TRY(settle_has_moved(settle, change->row_key, &moved));
	if (!differs && !moved)
		return drop(settle, change);
	buf_put(fields, differs ? STR_EMPTY : STR("[]"));
	TRY(add_detail(settle, change, REPLICA_UPDATED, REPLICA_LIVE,
	               buf_err(fields) == OK ? buf_str(fields) : STR_EMPTY));
	return is_merged ? set_body(settle, change->row_key, now) : OK;
}

/* The views of the statement end with the first write to the row that they are in, so that write is the last. */
static enum err
apply(struct settle *settle, struct sqlite3_stmt *stmt, bool *done_out)
{
	int64_t             old = sqlite3_column_int64(stmt, 1);
	const struct change change = {
		.row_key = sqlite3_column_int64(stmt, 0),
		.at = sqlite3_column_int64(stmt, 2),
		.life = sqlite3_column_int64(stmt, 4),
		.is_known = sqlite3_column_type(stmt, 1) != SQLITE_NULL,
		.was_seen = old > 0 && sqlite3_column_type(stmt, 6) != SQLITE_NULL,
		.id = sql_column_str(stmt, 3),
		.received = sql_column_str(stmt, 5),
		.held = sql_column_str(stmt, 6),
	};

	if (may_change(settle, &change)) {
		TRY(take_members(settle, &change, done_out));
		if (!*done_out)
			return OK;
	}
	*done_out = true;
	settle->replica->settling.at = change.row_key;
	if (!may_change(settle, &change))
		return drop(settle, &change);
	if (is_removal(change.life))
		return remove_item(settle, &change);
	return change.was_seen ? update_item(settle, &change) : add_item(settle, &change);
}

/* An item with many members takes several parts. */
static enum err
merge_part(struct settle *settle, bool *done_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	int64_t                                   pairs = 0, pairs_in_part = pairs_max(settle);
	bool                                      done = true;
	enum err                                  err = OK;

	*done_out = false;
	TRY(rep_bind(settle->replica, S_PAIRS, VALUES(INT(settle->replica->settling.at), INT(pairs_in_part)), &stmt));
	while (done && settle->space > 0 && (err = rep_step(settle->replica, stmt)) == OK) {
		TRY(apply(settle, stmt, &done));
		pairs++;
	}
	*done_out = err == ERR_NOT_FOUND && pairs < pairs_in_part;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err
settle_merge(struct settle *settle, bool *done_out)
{
	int64_t to = settle->to;

	*done_out = settle->state->moving == 1;
	if (*done_out)
		return OK;
	TRY(merge_part(settle, done_out));
	return settle->to == to ? OK : settle_save_to(settle);
}
