/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting rows that no view and no round names, in parts: the dead rows of feeds, and all of a gen that is no scope's.
 *
 * A change of a dead row that readers may still ask for keeps its id in follow_detail.
 */
#include "store/store_sqlite_replica_settle.h"

#include <sqlite3.h>

#define SWEEP_ROWS 5000
#define WINDOW     4000 /* row keys that one part of dead rows spans, at most */

struct dead { /* the first range, and the scope whose gen it is in; sid 0: it is no scope's any more */
	int64_t first, last, sid, gen, moving, tail_ord, ord;
};

static enum err
find_dead(struct replica *replica, int64_t from, int64_t until, struct dead *out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;

	TRY(rep_row(replica, S_NEXT_DEAD, VALUES(INT(from)), &stmt));
	*out = (struct dead){ .first = sqlite3_column_int64(stmt, 0),
		              .last = sqlite3_column_int64(stmt, 1),
		              .sid = sqlite3_column_int64(stmt, 2),
		              .gen = sqlite3_column_int64(stmt, 3),
		              .moving = sqlite3_column_int64(stmt, 4),
		              .tail_ord = sqlite3_column_int64(stmt, 5),
		              .ord = sqlite3_column_int64(stmt, 6) };
	return out->first <= until ? OK : ERR_NOT_FOUND;
}

/* Above the head: a round that was dropped, whose changes are none. */
static enum err
cut_dropped(struct replica *replica, const struct dead *dead, int64_t first, int64_t last)
{
	int64_t head = (dead->gen << ORD_BITS) + dead->ord;

	if (dead->moving == MOVING_BACK) {
		TRY(rep_do_with(replica, S_UNDO_NEW, VALUES(INT(dead->gen), INT(head), INT(first), INT(last))));
		TRY(rep_do_with(replica, S_UNDO_MOVED, VALUES(INT(dead->gen), INT(head), INT(first), INT(last))));
	}
	return rep_do_with(replica, S_CUT_DEAD_DETAILS, VALUES(INT(first), INT(last), INT(head)));
}

/* One item may have any number of members, and an update may have moved as many. */
static enum err
cut_members(struct replica *replica, const struct dead *dead, int64_t first, int64_t last, bool *done_out)
{
	int64_t head = (dead->gen << ORD_BITS) + dead->ord, most = replica->settling.rows_max;

	TRY(rep_do_with(replica, R_CUT_DEAD, VALUES(INT(first), INT(last), INT(most))));
	*done_out = sqlite3_changes64(replica->conn->db) < most;
	if (!*done_out || last <= head)
		return OK;
	TRY(rep_do_with(replica, R_CUT_MOVED, VALUES(INT(first > head ? first - 1 : head), INT(last), INT(most))));
	*done_out = sqlite3_changes64(replica->conn->db) < most;
	return OK;
}

/* Ranges that begin within so many row keys of the first one. A range that is longer is split. */
static enum err
cut_window(struct replica *replica, const struct dead *dead)
{
	int64_t rows = replica->settling.rows_max < WINDOW ? replica->settling.rows_max : WINDOW;
	int64_t first = dead->first, last = dead->first + rows - 1, base = dead->gen << ORD_BITS;
	bool    done;

	TRY(rep_do_with(replica, S_SPLIT_DEAD, VALUES(INT(first), INT(last))));
	TRY(rep_do_with(replica, S_SHORTEN_DEAD, VALUES(INT(first), INT(last))));
	TRY(cut_members(replica, dead, first, last, &done));
	if (!done)
		return OK;
	if (dead->sid != 0)
		TRY(rep_do_with(replica, S_KEEP_IDS,
		                VALUES(INT(first), INT(last), INT(base + dead->tail_ord), INT(base + dead->ord))));
	if (dead->sid != 0 && last > base + dead->ord)
		TRY(cut_dropped(replica, dead, first, last));
	/* Most often a large round has replaced them all: one range of row keys needs no list of them. */
	TRY(rep_do_with(replica, dead->last >= last ? S_CUT_DEAD_RUN : S_CUT_DEAD_ITEMS,
	                VALUES(INT(first), INT(last))));
	TRY(rep_do_with(replica, S_CUT_DEAD_TOMBS, VALUES(INT(first), INT(last))));
	return rep_do_with(replica, S_CUT_RUNS, VALUES(INT(first), INT(last)));
}

/* The scope's dead rows are gone. */
static enum err
end_moving(struct replica *replica, int64_t sid)
{
	struct store_feed feed = sql_followed_name(sid);

	head_cache_touch(replica->engine->head_cache, &feed);
	TRY(rep_do_with(replica, S_END_MOVING, VALUES(INT(sid))));
	return rep_do_with(replica, S_END_FEED_MOVING, VALUES(INT(sid)));
}

static enum err
end_next_moving(struct replica *replica, int64_t from, int64_t until, bool *done_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	int64_t                                   sid;
	enum err err = rep_row(replica, S_NEXT_MOVED, VALUES(INT(from >> ORD_BITS), INT(until >> ORD_BITS)), &stmt);

	*done_out = err == ERR_NOT_FOUND;
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	sid = sqlite3_column_int64(stmt, 0);
	sql_stmt_reset(&stmt);
	return end_moving(replica, sid);
}

enum err
settle_tidy(struct replica *replica, int64_t from, int64_t until, bool *done_out)
{
	struct dead dead;
	int64_t     at = from;
	enum err    err;

	*done_out = false;
	while ((err = find_dead(replica, at, until, &dead)) == OK) {
		int64_t base = dead.gen << ORD_BITS;

		if (dead.moving == MOVING_BACK && dead.first <= base + dead.ord)
			return rep_do_with(replica, S_CUT_SOME_RUNS,
			                   VALUES(INT(base), INT(base + dead.ord), INT(replica->settling.rows_max)));
		/* While entries move, dead rows are still seen. */
		if (dead.moving != 1)
			return cut_window(replica, &dead);
		at = (dead.gen + 1) << ORD_BITS;
	}
	return err == ERR_NOT_FOUND ? end_next_moving(replica, from, until, done_out) : err;
}

enum err
rep_is_tidy(struct replica *replica, int64_t from, int64_t until, bool *tidy_out)
{
	AUTO(sql_stmt_reset) struct sqlite3_stmt *stmt = NULL;
	struct dead                               dead;
	int64_t                                   at = from;
	enum err                                  err;

	*tidy_out = false;
	while ((err = find_dead(replica, at, until, &dead)) == OK && dead.moving == 1)
		at = (dead.gen + 1) << ORD_BITS;
	if (err != ERR_NOT_FOUND)
		return err;
	err = rep_row(replica, S_NEXT_MOVED, VALUES(INT(from >> ORD_BITS), INT(until >> ORD_BITS)), &stmt);
	*tidy_out = err == ERR_NOT_FOUND;
	return err == ERR_NOT_FOUND ? OK : err;
}

/* ---- all of a gen ----------------------------------------------------------------------------- */

static enum err
cut_gen_part(struct replica *replica, int64_t gen)
{
	static const enum follow_sql by_key[] = { F_CUT_ITEMS, F_CUT_TOMBS, F_CUT_DETAILS, R_CUT_MOVED,
		                                  S_CUT_SOME_RUNS };
	int64_t                      cut;

	TRY(rep_do_with(replica, F_CUT_ENTRIES, VALUES(INT(gen), INT(SWEEP_ROWS))));
	cut = sqlite3_changes64(replica->conn->db);
	for (size_t i = 0; i < COUNT_OF(by_key); i++) {
		TRY(rep_do_with(replica, by_key[i],
		                VALUES(INT(gen << ORD_BITS), INT(gen << ORD_BITS | ORD_MAX), INT(SWEEP_ROWS))));
		cut += sqlite3_changes64(replica->conn->db);
	}
	TRY(rep_do_with(replica, R_CUT_GEN, VALUES(INT(gen), INT(SWEEP_ROWS))));
	cut += sqlite3_changes64(replica->conn->db);
	if (cut > 0)
		return OK;
	return rep_do_with(replica, F_CUT_OLD, VALUES(INT(gen)));
}

enum err
rep_sweep(struct replica *replica, bool *done_out)
{
	int64_t  gen = 0;
	enum err err = rep_read_int(replica, F_NEXT_OLD, NULL, &gen);
	bool     tidy = false, done;

	*done_out = false;
	if (err == ERR_NOT_FOUND)
		err = rep_is_tidy(replica, 0, INT64_MAX, &tidy);
	*done_out = err == OK && tidy;
	if (err != OK || tidy)
		return err;
	TRY(rep_begin(replica, false));
	return rep_end(replica, gen != 0 ? cut_gen_part(replica, gen) : settle_tidy(replica, 0, INT64_MAX, &done));
}
