/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write lock, and the commit that many transactions share.
 *
 *   enter   wait in the queue for the writing connection
 *           first of a group: BEGIN IMMEDIATE · any other: SAVEPOINT inside it
 *   leave   committing: RELEASE, become a member of the group
 *           aborting:   ROLLBACK TO; the first of a group rolls back everything, which is its own
 *           then, if the group has members
 *             another writer waits and the group is not full: pass the write lock on, wait for the group's commit
 *             otherwise: COMMIT, one sync, and give every member the result
 *
 * A thread that has many transactions at hand keeps the write lock for all of them (struct group)
 *
 *   hold    wait in the queue, once
 *   enter, leave   as above, without waiting, and with a SAVEPOINT only before the first write of a
 *           transaction that may still be refused; those that stand are counted as kept
 *   commit  COMMIT, for the kept ones and for the members
 *   release checkpoint, and pass the write lock on
 *
 * So no transaction gets OK before the sync, the last in the queue never waits for more to come, and a group grows
 * with the number of waiting writers.  If SQLite rolls back the outer transaction (disk full), all its members
 * get the error.  A transaction that stays open long delays its group.  It must not wait for anything
 * that a thread inside store_begin() or store_commit() holds.
 *
 * After a failed sync nobody knows what is on the disk.  A second sync would succeed although the kernel has
 * dropped the pages.  So those who wait get ERR_UNSURE, and the store takes no writes until it is opened again.
 */
#include "store/store_sqlite.h"

#include <errno.h>
#include <sqlite3.h>

#define GROUP_TXN_MAX    256
#define GROUP_BYTES_MAX  ((size_t)4 << 20)
#define CHECKPOINT_PAGES 2000  /* 8 MB */
#define PRESSING_PAGES   16384 /* 64 MB: now wait for readers, up to PRESSING_MS */
#define PRESSING_MS      1000
#define ORDINARY_MS      5000
#define MARKER_EVERY_MS  1000
#define MARKER_EVERY     1000 /* writes */

static const char broken[] =
	"a sync of the store failed earlier: it can be read, but takes no writes until it is opened anew";

static void
lock(struct writer_queue *queue)
{
	MUST(pthread_mutex_lock(&queue->lock) == 0);
}

static void
unlock(struct writer_queue *queue)
{
	MUST(pthread_mutex_unlock(&queue->lock) == 0);
}

/* ---- the write lock --------------------------------------------------------------------------- */

static void
take_write_lock(struct txn *txn)
{
	struct writer_queue *queue = &txn->engine->queue;

	lock(queue);
	/* The thread would wait for itself. */
	MUST(!queue->is_kept || !pthread_equal(queue->keeper, pthread_self()));
	if (!queue->holder) {
		queue->holder = txn;
	} else {
		if (queue->last)
			queue->last->next = txn;
		else
			queue->first = txn;
		queue->last = txn;
		while (queue->holder != txn)
			MUST(pthread_cond_wait(&txn->woken, &queue->lock) == 0);
	}
	unlock(queue);
}

static void
pass_write_lock(struct writer_queue *queue)
{
	struct txn *next;

	lock(queue);
	next = queue->first;
	queue->holder = next;
	if (next) {
		queue->first = next->next;
		if (!queue->first)
			queue->last = NULL;
		next->next = NULL;
		MUST(pthread_cond_signal(&next->woken) == 0);
	}
	unlock(queue);
}

static bool
is_awaited(struct writer_queue *queue)
{
	bool is;

	lock(queue);
	is = queue->first != NULL;
	unlock(queue);
	return is;
}

/* ---- the rollback guard ----------------------------------------------------------------------- */

static enum err
set_marker(struct engine *engine)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_stmt(engine->writer, SQL_SET_MARKER, &stmt));
	sql_bind_int(stmt, 1, (int64_t)engine->queue.marker + 1);
	return sql_conn_run(engine->writer, stmt);
}

/* COMMIT; when it is due, the marker rises in the same commit. */
static enum err
commit(struct engine *engine, bool at_once)
{
	struct writer_queue *queue = &engine->queue;
	int64_t              now_ms = clock_mono_ms(engine->clock);
	bool                 is_due = !queue->was_marked || at_once || now_ms - queue->marked_ms >= MARKER_EVERY_MS ||
	              queue->writes >= MARKER_EVERY;
	enum err err;

	/* What is written now would be answered as done, and be gone when the process ends. */
	if (store_file_is_deleted(engine->file_fd))
		return sql_engine_fail(engine, ERR_IO, "the store's file was deleted or replaced: no write would last");
	if (is_due && !engine->scratch)
		TRY(set_marker(engine));
	head_cache_commit_begins(engine->head_cache);
	err = sql_conn_do(engine->writer, SQL_COMMIT);
	head_cache_commit_ended(engine->head_cache);
	TRY(err);
	if (is_due) {
		queue->marker++;
		queue->writes = 0;
		queue->marked_ms = now_ms;
		queue->was_marked = true;
	}
	return OK;
}

/*
 * Only after the marker's commit: the rollback guard must never be ahead of the store. A failure only makes it
 * weaker.
 */
static void
write_guard(struct engine *engine, uint64_t marker)
{
	struct rollback_guard guard = { .id = engine->id, .epoch = engine->epoch, .marker = marker };

	if (engine->scratch)
		return;
	MUST(pthread_mutex_lock(&engine->guard_lock) == 0);
	if (marker > engine->guarded && store_guard_write(engine->guard_path, &guard) == OK)
		engine->guarded = marker;
	MUST(pthread_mutex_unlock(&engine->guard_lock) == 0);
}

/* ---- the write-ahead log -------------------------------------------------------------------- */

static int
note_wal_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct writer_queue *queue = &((struct engine *)ctx)->queue;

	(void)db;
	(void)name;
	if (pages < queue->wal_pages) /* the log began again from its start */
		queue->checkpoint_at = CHECKPOINT_PAGES;
	queue->wal_pages = pages;
	return SQLITE_OK;
}

void
sql_group_watch_wal(struct engine *engine)
{
	engine->queue.checkpoint_at = CHECKPOINT_PAGES;
	(void)sqlite3_wal_hook(engine->writer->db, note_wal_pages, engine);
}

/*
 * Usually a passive checkpoint, which neither waits for readers nor stops them. If readers kept the log from starting
 * over until it is large, wait for them a moment.
 */
static void
checkpoint(struct engine *engine)
{
	struct writer_queue *queue = &engine->queue;
	bool                 is_pressing = queue->wal_pages >= PRESSING_PAGES;
	sqlite3             *db = engine->writer->db;
	int                  code;

	if (queue->wal_pages < queue->checkpoint_at || queue->is_broken)
		return;
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, PRESSING_MS);
	errno = 0;
	code = sqlite3_wal_checkpoint_v2(db, NULL, is_pressing ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
	                                 NULL, NULL);
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, ORDINARY_MS);
	queue->checkpoint_at = queue->wal_pages + CHECKPOINT_PAGES;
	if (code == SQLITE_OK || code == SQLITE_BUSY)
		return;
	/* Nothing acknowledged is lost: the log still holds it. The next commit returns the error. */
	if (sql_conn_fail(engine->writer, code) != OK && engine->writer->last_was_sync)
		queue->is_broken = true;
}

/* ---- the group ------------------------------------------------------------------------------ */

static void
report_members(struct engine *engine, enum err result)
{
	struct writer_queue *queue = &engine->queue;
	uint64_t             kv_changed = 0;
	struct txn          *txn;

	for (txn = queue->members; txn; txn = txn->next)
		kv_changed += txn->kv_changed;
	if (result == OK) {
		atomic_fetch_add(&engine->kv_generation, kv_changed + queue->kept_kv);
		atomic_fetch_add(&engine->commits, queue->member_count + queue->kept_count);
	}
	lock(queue);
	while ((txn = queue->members)) {
		queue->members = txn->next;
		txn->next = NULL;
		txn->result = result;
		txn->has_result = true;
		MUST(pthread_cond_signal(&txn->woken) == 0);
	}
	unlock(queue);
	queue->member_count = queue->kept_count = 0;
	queue->kept_kv = 0;
	queue->bytes = 0;
}

/* Rolls back the outer transaction, if it is still there, and with it all members. */
static void
lose_group(struct engine *engine, enum err why)
{
	if (sql_conn_in_txn(engine->writer) && sql_conn_do(engine->writer, SQL_ROLLBACK) != OK)
		engine->queue.is_broken = true;
	report_members(engine, why);
}

static enum err
commit_group(struct engine *engine)
{
	struct writer_queue *queue = &engine->queue;
	enum err             err = commit(engine, false);

	if (err == OK) {
		atomic_fetch_add(&engine->syncs, 1);
		report_members(engine, OK);
		head_cache_report(engine->head_cache);
		return OK;
	}
	if (engine->writer->last_was_sync) {
		queue->is_broken = true;
		err = ERR_UNSURE;
	}
	lose_group(engine, err);
	return err;
}

/* Maintenance for which nobody should wait; passes the write lock on. */
static void
do_chores(struct engine *engine)
{
	uint64_t marker;

	checkpoint(engine);
	marker = engine->queue.marker;
	pass_write_lock(&engine->queue);
	write_guard(engine, marker);
}

/* Commits the group and passes the write lock on. */
static void
finish_group(struct engine *engine)
{
	enum err ignored = commit_group(engine);

	(void)ignored;
	do_chores(engine);
}

enum err
sql_group_enter(struct txn *txn)
{
	struct engine       *engine = txn->engine;
	struct writer_queue *queue = &engine->queue;
	enum err             err = OK;

	if (!txn->group)
		take_write_lock(txn);
	txn->began = !sql_conn_in_txn(engine->writer);
	if (queue->is_broken)
		err = sql_engine_fail(engine, ERR_IO, broken);
	else if (txn->began)
		err = sql_conn_do(engine->writer, SQL_BEGIN);
	else if (!txn->group)
		err = sql_group_savepoint(txn);
	if (err == OK)
		return OK;
	lose_group(engine, err);
	if (txn->group)
		txn->group->lost = err;
	else
		pass_write_lock(queue);
	return err;
}

enum err
sql_group_savepoint(struct txn *txn)
{
	if (txn->began || txn->in_savepoint)
		return OK;
	TRY(sql_conn_do(txn->engine->writer, SQL_SAVEPOINT));
	txn->in_savepoint = true;
	return OK;
}

/* Undoes only this transaction. */
static enum err
undo(struct txn *txn)
{
	struct conn *writer = txn->engine->writer;

	if (txn->torn != OK)
		return txn->torn;
	if (txn->began)
		return sql_conn_do(writer, SQL_ROLLBACK);
	if (!txn->in_savepoint)
		return OK;
	TRY(sql_conn_do(writer, SQL_ROLLBACK_TO));
	return sql_conn_do(writer, SQL_RELEASE);
}

static void
join(struct txn *txn)
{
	struct writer_queue *queue = &txn->engine->queue;

	queue->writes += txn->writes;
	if (txn->group) {
		queue->kept_count++;
		queue->kept_kv += txn->kv_changed;
		return;
	}
	txn->next = queue->members;
	queue->members = txn;
	queue->member_count++;
}

static enum err
await_result(struct txn *txn)
{
	struct writer_queue *queue = &txn->engine->queue;

	lock(queue);
	while (!txn->has_result)
		MUST(pthread_cond_wait(&txn->woken, &queue->lock) == 0);
	unlock(queue);
	return txn->result;
}

enum err
sql_group_leave(struct txn *txn, bool is_kept)
{
	struct engine       *engine = txn->engine;
	struct writer_queue *queue = &engine->queue;
	enum err             err = OK;

	if (!sql_conn_in_txn(engine->writer))
		err = engine->writer->last_err; /* SQLite rolled back everything when a statement failed */
	else if (!is_kept)
		err = undo(txn);
	else if (txn->in_savepoint)
		err = sql_conn_do(engine->writer, SQL_RELEASE);
	if (err != OK)
		lose_group(engine, err);
	else if (is_kept)
		join(txn);

	if (txn->group) {
		if (err != OK)
			txn->group->lost = err;
		return err;
	}
	if (queue->members &&
	    (!is_awaited(queue) || queue->member_count >= GROUP_TXN_MAX || queue->bytes >= GROUP_BYTES_MAX))
		finish_group(engine);
	else
		pass_write_lock(queue);
	return err == OK && is_kept ? await_result(txn) : err;
}

/* ---- the transactions of one thread ----------------------------------------------------------- */

void
sql_group_hold(struct group *group)
{
	struct writer_queue *queue = &group->engine->queue;

	if (group->holds)
		return;
	take_write_lock(group->member);
	lock(queue);
	queue->is_kept = true;
	queue->keeper = pthread_self();
	unlock(queue);
	group->holds = true;
}

enum err
sql_group_commit(struct group *group)
{
	struct writer_queue *queue = &group->engine->queue;

	group->is_committed = true;
	/* Without the write lock nothing was begun, and another thread has the writing connection. */
	if (!group->holds)
		return group->lost;
	if (group->lost != OK)
		lose_group(group->engine, group->lost);
	else if (queue->kept_count > 0 || queue->members)
		group->lost = commit_group(group->engine);
	return group->lost;
}

enum err
sql_group_borrow(struct group *group)
{
	enum err err;

	sql_group_hold(group);
	group->lost = group->engine->queue.is_broken ? sql_engine_fail(group->engine, ERR_IO, broken) : OK;
	err = sql_group_commit(group);
	if (err != OK)
		sql_group_release(group);
	return err;
}

void
sql_group_release(struct group *group)
{
	struct writer_queue *queue = &group->engine->queue;

	if (!group->holds)
		return;
	if (!group->is_committed)
		lose_group(group->engine, ERR_BUSY);
	lock(queue);
	queue->is_kept = false;
	unlock(queue);
	do_chores(group->engine);
	group->holds = false;
}

void
sql_group_close(struct engine *engine)
{
	struct writer_queue *queue = &engine->queue;

	MUST(!queue->holder && !queue->first && !queue->members);
	if (queue->writes == 0 || queue->is_broken || engine->scratch)
		return;
	/* The last commit of a replica need not be durable, and the rollback guard must not be ahead of this one. */
	if (sql_conn_exec(engine->writer, "PRAGMA synchronous = FULL") != OK ||
	    sql_conn_do(engine->writer, SQL_BEGIN) != OK)
		return;
	if (commit(engine, true) == OK)
		write_guard(engine, queue->marker);
	else
		lose_group(engine, ERR_IO);
}
