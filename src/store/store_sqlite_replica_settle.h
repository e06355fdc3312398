/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling: how a whole round becomes visible.  Private to the store module.
 *
 * The work is a list of steps (store_sqlite_replica_settle.c).  A small round does them all in one commit.  A large one
 * does a bounded part of a step in each commit; killed anywhere, it begins again at its first step, and each step finds
 * what it has done already.  Nothing that a reader sees changes before the last step, the switch.
 */
#pragma once

#include "store/store_sqlite_replica.h"

struct settle {
	struct replica              *replica;
	const struct replica_state  *state;
	const struct replica_merger *merger;
	const struct replica_guard  *guard;
	struct replica_tally        *tally;
	int64_t                      at_ms, sid;
	int64_t                      gen; /* of the round's rows: they are above `from`, until `to` */
	int64_t                      from, to;
	int64_t                      head;     /* the row key up to which the view is seen */
	bool                         is_whole; /* all steps are one commit */
	bool                         relates;  /* the view or the round has relations */
	int64_t                      space;    /* so many members more may be looked at in this commit */
};

/* scope.moving when a listing has its removals; when a round was dropped whose entries move back. */
enum { MOVING_COMPLETED = 3, MOVING_BACK = 4 };

/* How a removal is staged whose reason is that the listing did not name the item; and what comes after a removal. */
enum { LIFE_UNNAMED = 3, LIFE_ANEW = 4 };

/* A part of the step. Not done: call it again, after a commit or without one. */
typedef enum err settle_step_fn(struct settle *settle, bool *done_out);

static inline enum err
run(struct settle *settle, enum follow_sql sql, const struct sql_value *values)
{
	return rep_do_with(settle->replica, sql, values);
}

/* The rows of each item become one row, the last one (store_sqlite_replica_merge.c). */
settle_step_fn settle_fold_twins;
/* A listing gets a removal for each item of the view that it does not name. */
settle_step_fn settle_complete;
/* What each row does to the view: bodies are merged, removals become tombstones, rows that change nothing go. */
settle_step_fn settle_merge;

struct settle_item { /* whose members are settled */
	struct str id;
	int64_t    row_key;            /* of its row in the round */
	bool       is_removed;         /* … which says that */
	bool       is_known, was_seen; /* it has an entry; it is in the view */
	bool       is_listed;          /* a member of which the round does not speak goes */
};
/* A part of the members of one item (store_sqlite_replica_relation.c). Not done: there is no space for more. */
enum err settle_members(struct settle *settle, struct settle_item *item, bool *done_out) MUST_CHECK;
/* Does the update at that row key move members? */
enum err settle_has_moved(struct settle *settle, int64_t row_key, bool *moved_out) MUST_CHECK;
/* The round has rows up to settle->to now. */
enum err settle_save_to(struct settle *settle) MUST_CHECK;

/* Deletes a part of the dead rows of feeds that are at or above that row key (store_sqlite_replica_tidy.c). */
enum err settle_tidy(struct replica *replica, int64_t from, int64_t until, bool *done_out) MUST_CHECK;
