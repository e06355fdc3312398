/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn, and the commit many transactions share.
 *
 *   enter   wait in line for the writing connection
 *           first of a group: BEGIN IMMEDIATE · any other: SAVEPOINT inside it
 *   leave   committing: RELEASE, become a member of the group
 *           aborting:   ROLLBACK TO; the first of a group rolls back everything, which is its own
 *           then, if the group has members
 *             somebody waits and there is room: hand on the turn, wait for the group's commit
 *             otherwise: COMMIT, one sync, and tell every member how it went
 *
 * A thread that has many transactions at hand does not change hands with itself: it holds the turn
 *
 *   hold    wait in line, once
 *   enter, leave   as above, without waiting, and with a SAVEPOINT only before the first write of a
 *           transaction that may still be refused; those that stand are counted as kept
 *   settle  COMMIT, for the kept and for the members
 *   let go  checkpoint, and the turn to the next
 *
 * So nobody is told OK before the sync, the last in line never waits for more, and a group is as
 * large as the crowd.  If SQLite gives up the outer transaction (disk full), all its members hear
 * of it.  A transaction that stays open long delays its group, and must not wait for anything
 * that a thread inside store_begin() or store_commit() holds.
 *
 * After a failed sync nobody can say what is on the disk, and asking again would hear yes for
 * pages the kernel has already let go: those who waited get ERR_UNSURE, and the store takes no
 * more writes until it is opened anew.
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
#define MARK_EVERY_MS    1000
#define MARK_EVERY       1000 /* writes */

static const char broken[] =
	"a sync of the store failed earlier: it can be read, but takes no writes until it is opened anew";

static void
lock(struct write_lock *write_lock)
{
	MUST(pthread_mutex_lock(&write_lock->lock) == 0);
}

static void
unlock(struct write_lock *write_lock)
{
	MUST(pthread_mutex_unlock(&write_lock->lock) == 0);
}

/* ---- the turn ------------------------------------------------------------------------------- */

static void
wait_write_lock(struct txn *txn)
{
	struct write_lock *write_lock = &txn->engine->write_lock;

	lock(write_lock);
	/* It would wait for itself. */
	MUST(!write_lock->is_kept || !pthread_equal(write_lock->keeper, pthread_self()));
	if (!write_lock->holder) {
		write_lock->holder = txn;
	} else {
		if (write_lock->last)
			write_lock->last->next = txn;
		else
			write_lock->first = txn;
		write_lock->last = txn;
		while (write_lock->holder != txn)
			MUST(pthread_cond_wait(&txn->woken, &write_lock->lock) == 0);
	}
	unlock(write_lock);
}

static void
pass_write_lock(struct write_lock *write_lock)
{
	struct txn *next;

	lock(write_lock);
	next = write_lock->first;
	write_lock->holder = next;
	if (next) {
		write_lock->first = next->next;
		if (!write_lock->first)
			write_lock->last = NULL;
		next->next = NULL;
		MUST(pthread_cond_signal(&next->woken) == 0);
	}
	unlock(write_lock);
}

static bool
is_awaited(struct write_lock *write_lock)
{
	bool is;

	lock(write_lock);
	is = write_lock->first != NULL;
	unlock(write_lock);
	return is;
}

/* ---- the witness ---------------------------------------------------------------------------- */

static enum err
set_marker(struct engine *engine)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_stmt(engine->writer, SQL_SET_MARKER, &stmt));
	sql_bind_int(stmt, 1, (int64_t)engine->write_lock.marker + 1);
	return sql_conn_run(engine->writer, stmt);
}

/* COMMIT, with the marker advanced if it is time. */
static enum err
commit(struct engine *engine, bool mark_at_once)
{
	struct write_lock *write_lock = &engine->write_lock;
	int64_t            now_ms = clock_mono_ms(engine->clock);
	bool is_due = !write_lock->was_marked || mark_at_once || now_ms - write_lock->marked_ms >= MARK_EVERY_MS ||
	              write_lock->writes >= MARK_EVERY;
	enum err err;

	if (is_due && !engine->scratch)
		TRY(set_marker(engine));
	head_cache_commit_begins(engine->head_cache);
	err = sql_conn_do(engine->writer, SQL_COMMIT);
	head_cache_commit_ended(engine->head_cache);
	TRY(err);
	if (is_due) {
		write_lock->marker++;
		write_lock->writes = 0;
		write_lock->marked_ms = now_ms;
		write_lock->was_marked = true;
	}
	return OK;
}

/* Only after the marker's commit: the witness must never be ahead of the store.  Failing only weakens the watch. */
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
	struct write_lock *write_lock = &((struct engine *)ctx)->write_lock;

	(void)db;
	(void)name;
	if (pages < write_lock->wal_pages) /* the log began again from its start */
		write_lock->checkpoint_at = CHECKPOINT_PAGES;
	write_lock->wal_pages = pages;
	return SQLITE_OK;
}

void
sql_group_watch_wal(struct engine *engine)
{
	engine->write_lock.checkpoint_at = CHECKPOINT_PAGES;
	(void)sqlite3_wal_hook(engine->writer->db, note_wal_pages, engine);
}

/*
 * Usually a passive one, which neither waits for readers nor stops them.  If readers have kept the log
 * from starting over until it is large, wait for them a moment.
 */
static void
checkpoint(struct engine *engine)
{
	struct write_lock *write_lock = &engine->write_lock;
	bool               is_pressing = write_lock->wal_pages >= PRESSING_PAGES;
	sqlite3           *db = engine->writer->db;
	int                code;

	if (write_lock->wal_pages < write_lock->checkpoint_at || write_lock->is_broken)
		return;
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, PRESSING_MS);
	errno = 0;
	code = sqlite3_wal_checkpoint_v2(db, NULL, is_pressing ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
	                                 NULL, NULL);
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, ORDINARY_MS);
	write_lock->checkpoint_at = write_lock->wal_pages + CHECKPOINT_PAGES;
	if (code == SQLITE_OK || code == SQLITE_BUSY)
		return;
	/* Nothing acknowledged is lost: the log still holds it.  The next commit will say what is wrong. */
	if (sql_conn_fail(engine->writer, code) != OK && engine->writer->last_was_sync)
		write_lock->is_broken = true;
}

/* ---- the group ------------------------------------------------------------------------------ */

static void
report_members(struct engine *engine, enum err result)
{
	struct write_lock *write_lock = &engine->write_lock;
	uint64_t           kv_changed = 0;
	struct txn        *txn;

	for (txn = write_lock->members; txn; txn = txn->next)
		kv_changed += txn->kv_changed;
	if (result == OK) {
		atomic_fetch_add(&engine->kv_generation, kv_changed + write_lock->kept_kv);
		atomic_fetch_add(&engine->commits, write_lock->member_count + write_lock->kept_count);
	}
	lock(write_lock);
	while ((txn = write_lock->members)) {
		write_lock->members = txn->next;
		txn->next = NULL;
		txn->result = result;
		txn->has_result = true;
		MUST(pthread_cond_signal(&txn->woken) == 0);
	}
	unlock(write_lock);
	write_lock->member_count = write_lock->kept_count = 0;
	write_lock->kept_kv = 0;
	write_lock->bytes = 0;
}

/* Gives up the outer transaction, if it is still there, and with it all members. */
static void
lose_group(struct engine *engine, enum err why)
{
	if (sql_conn_in_txn(engine->writer) && sql_conn_do(engine->writer, SQL_ROLLBACK) != OK)
		engine->write_lock.is_broken = true;
	report_members(engine, why);
}

static enum err
commit_group(struct engine *engine)
{
	struct write_lock *write_lock = &engine->write_lock;
	enum err           err = commit(engine, false);

	if (err == OK) {
		atomic_fetch_add(&engine->syncs, 1);
		report_members(engine, OK);
		return OK;
	}
	if (engine->writer->last_was_sync) {
		write_lock->is_broken = true;
		err = ERR_UNSURE;
	}
	lose_group(engine, err);
	return err;
}

/* The chores nobody should wait for, and the next one's turn. */
static void
do_chores(struct engine *engine)
{
	uint64_t marker;

	checkpoint(engine);
	marker = engine->write_lock.marker;
	pass_write_lock(&engine->write_lock);
	write_guard(engine, marker);
}

/* Commits what there is and lets the next one in. */
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
	struct engine     *engine = txn->engine;
	struct write_lock *write_lock = &engine->write_lock;
	enum err           err = OK;

	if (!txn->group)
		wait_write_lock(txn);
	txn->began = !sql_conn_in_txn(engine->writer);
	if (write_lock->is_broken)
		err = sql_engine_fail(engine, ERR_IO, broken);
	else if (txn->began)
		err = sql_conn_do(engine->writer, SQL_BEGIN);
	else if (!txn->group)
		err = sql_group_mark(txn);
	if (err == OK)
		return OK;
	lose_group(engine, err);
	if (txn->group)
		txn->group->lost = err;
	else
		pass_write_lock(write_lock);
	return err;
}

enum err
sql_group_mark(struct txn *txn)
{
	if (txn->began || txn->in_savepoint)
		return OK;
	TRY(sql_conn_do(txn->engine->writer, SQL_SAVEPOINT));
	txn->in_savepoint = true;
	return OK;
}

/* Undoes this transaction alone. */
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
	struct write_lock *write_lock = &txn->engine->write_lock;

	write_lock->writes += txn->writes;
	if (txn->group) {
		write_lock->kept_count++;
		write_lock->kept_kv += txn->kv_changed;
		return;
	}
	txn->next = write_lock->members;
	write_lock->members = txn;
	write_lock->member_count++;
}

static enum err
await_result(struct txn *txn)
{
	struct write_lock *write_lock = &txn->engine->write_lock;

	lock(write_lock);
	while (!txn->has_result)
		MUST(pthread_cond_wait(&txn->woken, &write_lock->lock) == 0);
	unlock(write_lock);
	return txn->result;
}

enum err
sql_group_leave(struct txn *txn, bool is_kept)
{
	struct engine     *engine = txn->engine;
	struct write_lock *write_lock = &engine->write_lock;
	enum err           err = OK;

	if (!sql_conn_in_txn(engine->writer))
		err = engine->writer->last_err; /* SQLite gave up everything when a statement failed */
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
	if (write_lock->members && (!is_awaited(write_lock) || write_lock->member_count >= GROUP_TXN_MAX ||
	                            write_lock->bytes >= GROUP_BYTES_MAX))
		finish_group(engine);
	else
		pass_write_lock(write_lock);
	return err == OK && is_kept ? await_result(txn) : err;
}

/* ---- a group that one thread keeps ------------------------------------------------------------ */

void
sql_group_hold(struct group *group)
{
	struct write_lock *write_lock = &group->engine->write_lock;

	if (group->holds)
		return;
	wait_write_lock(group->member);
	lock(write_lock);
	write_lock->is_kept = true;
	write_lock->keeper = pthread_self();
	unlock(write_lock);
	group->holds = true;
}

enum err
sql_group_commit(struct group *group)
{
	struct write_lock *write_lock = &group->engine->write_lock;

	group->is_settled = true;
	/* Without the turn nothing was begun, and the writing connection is somebody else's. */
	if (!group->holds)
		return group->lost;
	if (group->lost != OK)
		lose_group(group->engine, group->lost);
	else if (write_lock->kept_count > 0 || write_lock->members)
		group->lost = commit_group(group->engine);
	return group->lost;
}

void
sql_group_let_go(struct group *group)
{
	struct write_lock *write_lock = &group->engine->write_lock;

	if (!group->holds)
		return;
	if (!group->is_settled)
		lose_group(group->engine, ERR_BUSY);
	lock(write_lock);
	write_lock->is_kept = false;
	unlock(write_lock);
	do_chores(group->engine);
	group->holds = false;
}

void
sql_group_close(struct engine *engine)
{
	struct write_lock *write_lock = &engine->write_lock;

	MUST(!write_lock->holder && !write_lock->first && !write_lock->members);
	if (write_lock->writes == 0 || write_lock->is_broken || engine->scratch)
		return;
	/* A replica's last commit may have been one that need not be durable; the witness must not be ahead of this one. */
	if (sql_conn_exec(engine->writer, "PRAGMA synchronous = FULL") != OK ||
	    sql_conn_do(engine->writer, SQL_BEGIN) != OK)
		return;
	if (commit(engine, true) == OK)
		write_guard(engine, write_lock->marker);
	else
		lose_group(engine, ERR_IO);
}
