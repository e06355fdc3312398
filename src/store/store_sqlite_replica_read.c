/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the replica: changes by number, the view by id, dead letters. */
#include "store/store_sqlite_replica.h"
#include "store/replica_content.h"

#include <sqlite3.h>

/* The views of the row that was returned last end here. */
static void
let_go(struct replica *replica)
{
	sql_stmt_reset(&replica->row);
	sql_stmt_reset(&replica->member_row);
}

enum err
replica_head(struct replica *replica, uint64_t *n_out)
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

enum err
replica_next_change(struct replica *replica, int64_t sid, uint64_t after_n, struct replica_change *out)
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

enum err
replica_begin_read(struct replica *replica)
{
	MUST(!replica->is_reading);
	TRY(rep_do(replica, F_BEGIN_READ));
	replica->is_reading = true;
	return OK;
}

void
replica_end_read(struct replica *replica)
{
	let_go(replica);
	if (replica->is_reading)
		rep_undo(replica);
	replica->is_reading = false;
}

enum err
replica_next_item(struct replica *replica, int64_t sid, struct str after_id, struct str *id_out, struct str *body_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	char                                      after[STORE_ID_MAX];

	/* after_id may be the view that was returned last. */
	MUST(after_id.len <= sizeof(after));
	memcpy(after, after_id.at, after_id.len);
	let_go(replica);
	TRY(rep_row(replica, F_NEXT_ITEM, VALUES(INT(sid), TEXT(str_of(after, after_id.len))), &stmt));
	*id_out = sql_column_str(stmt, 0);
	*body_out = sql_column_str(stmt, 1);
	if (id_out->len > STORE_ID_MAX || body_out->len > STORE_BODY_MAX)
		return rep_damaged(replica);
	replica->row = stmt;
	stmt = NULL;
	return OK;
}

enum err
replica_has_item(struct replica *replica, int64_t sid, struct str id, bool *has_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	enum err                                  err = rep_row(replica, S_IS_SEEN, VALUES(INT(sid), TEXT(id)), &stmt);

	*has_out = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

/* ---- content -------------------------------------------------------------------------------- */

enum err
replica_get_content(struct replica *replica, int64_t sid, struct str id, struct arena *arena,
                    struct replica_content *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_row(replica, F_GET_CONTENT, VALUES(INT(sid), TEXT(id)), &stmt));
	if (sql_column_str(stmt, 1).len > STORE_KEY_MAX)
		return rep_damaged(replica);
	*out = (struct replica_content){ .state = (enum replica_content_state)sqlite3_column_int64(stmt, 0),
		                         .part = arena_copy(arena, sql_column_str(stmt, 1)) };
	return OK;
}

enum err
replica_put_content(struct replica *replica, int64_t sid, struct str id, const struct replica_content *content)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, F_PUT_CONTENT,
	                                    VALUES(INT(sid), TEXT(id), INT(content->state), TEXT(content->part))));
}

/* ---- dead letters --------------------------------------------------------------------------- */

enum err
replica_next_dead_letter(struct replica *replica, int64_t sid, int64_t after_lid, struct arena *arena,
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

enum err
replica_retried_dead_letter(struct replica *replica, int64_t lid, struct str reason)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, F_RETRIED, VALUES(INT(lid), TEXT(reason))));
}

enum err
replica_drop_dead_letter(struct replica *replica, int64_t lid)
{
	TRY(rep_begin(replica, true));
	return rep_end(replica, rep_do_with(replica, F_CUT_LETTER, VALUES(INT(lid))));
}
