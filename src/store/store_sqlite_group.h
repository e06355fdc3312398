/* SPDX-License-Identifier: Apache-2.0 */
/* The turn, and the commit many transactions share (store_sqlite_group.c tells its story). */
#pragma once

#include <pthread.h>

#include "base/arena.h"
#include "base/err.h"

struct engine;
struct txn;

struct writer_queue {         /* who may use the writing connection, and who waits for its commit */
	pthread_mutex_t lock; /* over holder, keeper, first, last and every txn->result */
	struct txn     *holder;
	bool            is_kept; /* by a group, which this thread makes */
	pthread_t       keeper;
	struct txn     *first, *last; /* waiting to begin */
	struct txn     *members;      /* done, waiting for the one commit of them all; the holder's */
	size_t          member_count, bytes;
	size_t          kept_count; /* done in the holder's group, which speaks for them */
	uint64_t        kept_kv;    /* notes those changed */
	uint64_t        writes;     /* since the marker was last advanced */
	int64_t         marked_ms;  /* monotonic; when that was */
	uint64_t        marker;
	bool            was_marked; /* since the store was opened */
	bool            is_broken;  /* a sync failed: nothing is written any more */
	int             wal_pages, checkpoint_at;
};

/*
 * Transactions of one thread that share a commit.  Its place stands in line for all of them, and keeps the row of
 * the feed they touched last: a feed that many of them write is read once and saved once.
 */
struct group {
	struct engine *engine;
	struct txn    *member;
	struct arena  *arena; /* what a transaction holds back */
	bool           holds; /* the turn */
	bool           is_settled;
	enum err       lost; /* what took everything away */
};

enum err sql_group_enter(struct txn *txn) MUST_CHECK; /* on failure the turn has been passed on */
/* Before the first write of a transaction that may still be refused: a point to go back to. */
enum err sql_group_mark(struct txn *txn) MUST_CHECK;
enum err sql_group_leave(struct txn *txn, bool is_kept) MUST_CHECK;
/* Takes the turn for a group, unless it has it. */
void sql_group_hold(struct group *group);
/* One commit for the group and whoever else has joined; the turn stays. */
enum err sql_group_commit(struct group *group) MUST_CHECK;
/* Chores, and the turn to the next.  What was not settled is undone. */
void sql_group_let_go(struct group *group);
void sql_group_watch_wal(struct engine *engine);
void sql_group_close(struct engine *engine); /* the last marker, the last checkpoint */
