/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the replica: changes by number, the view by id, dead letters. */
#include "store/store_sqlite_replica.h"

#include <sqlite3.h>

/* The views of the row that was returned last end here. */
static void
let_go(struct replica *replica)
{
	sql_stmt_reset(&replica->row);
	sql_stmt_reset(&replica->member_row);
}

static enum err
head(struct replica *replica, uint64_t *n_out)
{
	int64_t n;

	TRY(rep_read_int(replica, F_HEAD, NULL, &n));
	*n_out = (uint64_t)n;
	return OK;
}

/* ---- changes -------------------------------------------------------------------------------- */

static enum err
next_logged(struct replica *replica, int64_t sid, int64_t after, struct sqlite3_stmt **stmt_out,
            struct replica_change *out)
{
	struct sqlite3_stmt *stmt;

	TRY(rep_stmt(replica, sid == 0 ? F_CHANGE : F_CHANGE_OF, &stmt));
	*stmt_out = stmt;
	sql_bind_int(stmt, 1, after);
	if (sid != 0)
		sql_bind_int(stmt, 2, sid);
	TRY(rep_step(replica, stmt));
	*out = (struct replica_change){
		.n = (uint64_t)sqlite3_column_int64(stmt, 0),
		.kind = (enum replica_change_kind)sqlite3_column_int64(stmt, 1),
		.life = (enum replica_life)sqlite3_column_int64(stmt, 2),
		.scope = sql_column_str(stmt, 3),
		.id = sql_column_str(stmt, 4),
		.fields = sql_column_str(stmt, 5),
		.body = sql_column_str(stmt, 6),
		.sid = sqlite3_column_int64(stmt, 7),
		.at_ms = sqlite3_column_int64(stmt, 8),
	};
	return (unsigned)out->kind <= REPLICA_RETURNED ? OK : rep_damaged(replica);
}

struct range {
	int64_t n, last, gen, sid, at_ms, first, tail, is_listing;
};

static enum err
next_range(struct replica *replica, int64_t sid, int64_t after, struct range *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_row(replica, F_RANGE, VALUES(INT(after), INT(sid)), &stmt));
	*out = (struct range){ sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
		               sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3),
		               sqlite3_column_int64(stmt, 4), sqlite3_column_int64(stmt, 5),
		               sqlite3_column_int64(stmt, 6), sqlite3_column_int64(stmt, 7) };
	return OK;
}

/* Of an item of a first round that is gone there is the removal, and no creation. */
static bool
is_gone(struct sqlite3_stmt *stmt)
{
	return sqlite3_column_int64(stmt, 4) == REPLICA_CREATED && sqlite3_column_type(stmt, 2) == SQLITE_NULL;
}

/* The next row of the range; after its last row, of the next range. */
static enum err
next_ranged(struct replica *replica, int64_t sid, int64_t after, struct sqlite3_stmt **stmt_out,
            struct replica_change *out)
{
	struct sqlite3_stmt *stmt;
	struct range         range;
	int64_t              base = 0;
	enum err             err = ERR_NOT_FOUND;

	TRY(rep_stmt(replica, F_RANGE_ROW, &stmt));
	*stmt_out = stmt;
	while (err == ERR_NOT_FOUND) {
		(void)sqlite3_reset(stmt);
		TRY(next_range(replica, sid, after, &range));
		base = (range.gen << ORD_BITS) + range.first - range.n;
		after = after < range.n - 1 ? range.n - 1 : after;
		after = after < range.tail ? range.tail : after;
		sql_bind(stmt, VALUES(INT(base + after), INT(base + range.last), INT(range.sid)));
		err = rep_step(replica, stmt);
		after = err == OK ? sqlite3_column_int64(stmt, 0) - base : range.last;
		if (err == OK && range.is_listing && is_gone(stmt))
			err = ERR_NOT_FOUND;
	}
	if (err != OK)
		return err;
	*out = (struct replica_change){
		.n = (uint64_t)(sqlite3_column_int64(stmt, 0) - base),
		.kind = (enum replica_change_kind)sqlite3_column_int64(stmt, 4),
		.life = (enum replica_life)sqlite3_column_int64(stmt, 5),
		.scope = sql_column_str(stmt, 3),
		.id = sql_column_str(stmt, 1),
		.fields = sql_column_str(stmt, 6),
		.body = sql_column_str(stmt, 2),
		.sid = range.sid,
		.at_ms = range.at_ms,
	};
	return (unsigned)out->kind <= REPLICA_RETURNED ? OK : rep_damaged(replica);
}

static enum err
next_change(struct replica *replica, int64_t sid, uint64_t after_n, struct replica_change *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *logged_stmt = NULL;
	AUTO(sql_stmt_reset) struct sqlite3_stmt *ranged_stmt = NULL;
	struct replica_change                     logged, ranged;
	enum err                                  logged_err, ranged_err;

	let_go(replica);
	if (after_n > INT64_MAX)
		return ERR_NOT_FOUND;
	logged_err = next_logged(replica, sid, (int64_t)after_n, &logged_stmt, &logged);
	if (logged_err != OK && logged_err != ERR_NOT_FOUND)
		return logged_err;
	ranged_err = next_ranged(replica, sid, (int64_t)after_n, &ranged_stmt, &ranged);
	if (ranged_err != OK && (ranged_err != ERR_NOT_FOUND || logged_err != OK))
		return ranged_err;
	if (logged_err == OK && (ranged_err != OK || logged.n < ranged.n)) {
		*out = logged;
		replica->row = logged_stmt;
		logged_stmt = NULL;
		return OK;
	}
	*out = ranged;
	replica->row = ranged_stmt;
	ranged_stmt = NULL;
	return OK;
}

/* ---- the view ------------------------------------------------------------------------------- */

static enum err
begin_read(struct replica *replica)
{
	return rep_do(replica, F_BEGIN_READ);
}

static void
end_read(struct replica *replica, bool has_snapshot)
{
	let_go(replica);
	if (has_snapshot)
		rep_undo(replica);
}

static enum err
next_item(struct replica *replica, int64_t sid, struct str after_id, struct str *id_out, struct str *body_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	let_go(replica);
	TRY(rep_row(replica, F_NEXT_ITEM, VALUES(INT(sid), TEXT(after_id)), &stmt));
	*id_out = sql_column_str(stmt, 0);
	*body_out = sql_column_str(stmt, 1);
	if (id_out->len > STORE_ID_MAX || body_out->len > STORE_BODY_MAX)
		return rep_damaged(replica);
	replica->row = stmt;
	stmt = NULL;
	return OK;
}

static enum err
has_item(struct replica *replica, int64_t sid, struct str id, bool *has_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err = rep_row(replica, S_IS_SEEN, VALUES(INT(sid), TEXT(id)), &stmt);

	*has_out = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

/* ---- content -------------------------------------------------------------------------------- */

static enum err
get_content(struct replica *replica, int64_t sid, struct str id, struct arena *arena, struct replica_content *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_row(replica, F_GET_CONTENT, VALUES(INT(sid), TEXT(id)), &stmt));
	if (sql_column_str(stmt, 1).len > STORE_KEY_MAX)
		return rep_damaged(replica);
	*out = (struct replica_content){ .state = (enum replica_content_state)sqlite3_column_int64(stmt, 0),
		                         .part = arena_copy(arena, sql_column_str(stmt, 1)) };
	return OK;
}

/* ---- dead letters --------------------------------------------------------------------------- */

static enum err
next_dead_letter(struct replica *replica, int64_t sid, int64_t after_lid, struct arena *arena,
                 struct replica_dead_letter *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_row(replica, F_NEXT_LETTER, VALUES(INT(after_lid), INT(sid)), &stmt));
	*out = (struct replica_dead_letter){
		.lid = sqlite3_column_int64(stmt, 0),
		.at_ms = sqlite3_column_int64(stmt, 1),
		.attempts = (uint32_t)sqlite3_column_int64(stmt, 2),
		.scope = arena_copy(arena, sql_column_str(stmt, 3)),
		.reason = arena_copy(arena, sql_column_str(stmt, 4)),
		.raw = arena_copy(arena, sql_column_str(stmt, 5)),
		.id = arena_copy(arena, sql_column_str(stmt, 6)),
	};
	return OK;
}

const struct replica_reads sqlite_replica_reads = {
	.head = head,
	.next_change = next_change,
	.begin = begin_read,
	.end = end_read,
	.find_lost = rep_find_lost,
	.next_item = next_item,
	.has_item = has_item,
	.next_member = rep_next_member,
	.next_moved = rep_next_moved,
	.next_dead_letter = next_dead_letter,
	.get_content = get_content,
};
