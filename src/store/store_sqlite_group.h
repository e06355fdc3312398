/* SPDX-License-Identifier: Apache-2.0 */
/* The write lock, and the commit that many transactions share (see store_sqlite_group.c). */
#pragma once

#include <pthread.h>

#include "base/arena.h"
#include "base/err.h"

struct engine;
struct txn;

struct writer_queue {         /* the write lock: who may use the writing connection, and who waits for its commit */
	pthread_mutex_t lock; /* over holder, keeper, first, last and every txn->result */
	struct txn     *holder;
	bool            is_kept; /* by a group of the thread `keeper` */
	pthread_t       keeper;
	struct txn     *first, *last; /* waiting to begin */
	struct txn     *members;      /* done, and waiting for their common commit; the holder's */
	size_t          member_count, bytes;
	size_t          kept_count; /* done in the holder's group, which waits for them */
	uint64_t        kept_kv;    /* kv entries that those changed */
	uint64_t        writes;     /* since the marker was last advanced */
	int64_t         marked_ms;  /* monotonic; when that was */
	uint64_t        marker;
	bool            was_marked; /* since the store was opened */
	bool            is_broken;  /* a sync failed: nothing is written any more */
	int             wal_pages, checkpoint_at;
};

/*
 * Transactions of one thread that share a commit. `member` waits in the queue for all of them, and keeps the row of
 * the feed they touched last: a feed that many of them write is read once and saved once.
 */
struct group {
	struct engine *engine;
	struct txn    *member;
	struct arena  *arena; /* for the put that a transaction holds back */
	bool           holds; /* the write lock */
	bool           is_committed;
	enum err       lost; /* the error by which everything was lost */
};

enum err sql_group_enter(struct txn *txn) MUST_CHECK; /* on failure it has passed the write lock on */
/* A savepoint before the first write of a transaction that may still be refused. */
enum err sql_group_savepoint(struct txn *txn) MUST_CHECK;
enum err sql_group_leave(struct txn *txn, bool is_kept) MUST_CHECK;
/* Takes the write lock for a group that does not have it. */
void sql_group_hold(struct group *group);
/*
 * For one who has statements of its own: those who wait for a commit get it, and the writing connection is free until
 * sql_group_release().  On a failure it is not lent.
 */
enum err sql_group_borrow(struct group *group) MUST_CHECK;
/* One commit for the group and all members. The group keeps the write lock. */
enum err sql_group_commit(struct group *group) MUST_CHECK;
/* Does maintenance and passes the write lock on. What was not committed is undone. */
void sql_group_release(struct group *group);
void sql_group_watch_wal(struct engine *engine);
void sql_group_close(struct engine *engine); /* the last marker, the last checkpoint */
