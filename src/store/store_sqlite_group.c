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
#define CHECKPOINT_PAGES 2000                    /* 8 MB */
#define PRESSING_PAGES   16384                   /* 64 MB: now wait for readers, up to PRESSING_MS */
#define PRESSING_MS      1000
#define ORDINARY_MS      5000
#define MARK_EVERY_MS    1000
#define MARK_EVERY       1000                    /* writes */

static const char broken[] =
	"a sync of the store failed earlier: it can be read, but takes no writes until it is opened anew";

static void
lock(struct turn *turn)
{
	MUST(pthread_mutex_lock(&turn->lock) == 0);
}

static void
unlock(struct turn *turn)
{
	MUST(pthread_mutex_unlock(&turn->lock) == 0);
}

/* ---- the turn ------------------------------------------------------------------------------- */

static void
wait_turn(struct txn *txn)
{
	struct turn *turn = &txn->engine->turn;

	lock(turn);
	/* It would wait for itself. */
	MUST(!turn->is_kept || !pthread_equal(turn->keeper, pthread_self()));
	if (!turn->holder) {
		turn->holder = txn;
	} else {
		if (turn->last)
			turn->last->next = txn;
		else
			turn->first = txn;
		turn->last = txn;
		while (turn->holder != txn)
			MUST(pthread_cond_wait(&txn->woken, &turn->lock) == 0);
	}
	unlock(turn);
}

static void
pass_turn(struct turn *turn)
{
	struct txn *next;

	lock(turn);
	next = turn->first;
	turn->holder = next;
	if (next) {
		turn->first = next->next;
		if (!turn->first)
			turn->last = NULL;
		next->next = NULL;
		MUST(pthread_cond_signal(&next->woken) == 0);
	}
	unlock(turn);
}

static bool
is_awaited(struct turn *turn)
{
	bool is;

	lock(turn);
	is = turn->first != NULL;
	unlock(turn);
	return is;
}

/* ---- the witness ---------------------------------------------------------------------------- */

static enum err
set_marker(struct engine *engine)
{
	struct sqlite3_stmt *stmt = NULL;

	TRY(sql_conn_stmt(engine->writer, SQL_SET_MARKER, &stmt));
	sql_bind_int(stmt, 1, (int64_t)engine->turn.marker + 1);
	return sql_conn_run(engine->writer, stmt);
}

/* COMMIT, with the marker advanced if it is time. */
static enum err
commit(struct engine *engine, bool mark_at_once)
{
	struct turn *turn = &engine->turn;
	int64_t      now_ms = clock_mono_ms(engine->clock);
	bool         is_due = !turn->was_marked || mark_at_once || now_ms - turn->marked_ms >= MARK_EVERY_MS ||
	              turn->writes >= MARK_EVERY;
	enum err     err;

	if (is_due && !engine->scratch)
		TRY(set_marker(engine));
	heads_commit_begins(engine->heads);
	err = sql_conn_do(engine->writer, SQL_COMMIT);
	heads_commit_ended(engine->heads);
	TRY(err);
	if (is_due) {
		turn->marker++;
		turn->writes = 0;
		turn->marked_ms = now_ms;
		turn->was_marked = true;
	}
	return OK;
}

/* Only after the marker's commit: the witness must never be ahead of the store.  Failing only weakens the watch. */
static void
write_witness(struct engine *engine, uint64_t marker)
{
	struct witness witness = { .id = engine->id, .epoch = engine->epoch, .marker = marker };

	if (engine->scratch)
		return;
	MUST(pthread_mutex_lock(&engine->witness_lock) == 0);
	if (marker > engine->witnessed && store_witness_write(engine->witness_path, &witness) == OK)
		engine->witnessed = marker;
	MUST(pthread_mutex_unlock(&engine->witness_lock) == 0);
}

/* ---- the write-ahead log -------------------------------------------------------------------- */

static int
note_wal_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct turn *turn = &((struct engine *)ctx)->turn;

	(void)db;
	(void)name;
	if (pages < turn->wal_pages)             /* the log began again from its start */
		turn->checkpoint_at = CHECKPOINT_PAGES;
	turn->wal_pages = pages;
	return SQLITE_OK;
}

void
sql_group_watch_wal(struct engine *engine)
{
	engine->turn.checkpoint_at = CHECKPOINT_PAGES;
	(void)sqlite3_wal_hook(engine->writer->db, note_wal_pages, engine);
}

/*
 * Usually a passive one, which neither waits for readers nor stops them.  If readers have kept the log
 * from starting over until it is large, wait for them a moment.
 */
static void
checkpoint(struct engine *engine)
{
	struct turn *turn = &engine->turn;
	bool         is_pressing = turn->wal_pages >= PRESSING_PAGES;
	sqlite3     *db = engine->writer->db;
	int          code;

	if (turn->wal_pages < turn->checkpoint_at || turn->is_broken)
		return;
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, PRESSING_MS);
	errno = 0;
	code = sqlite3_wal_checkpoint_v2(db, NULL, is_pressing ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
	                                 NULL, NULL);
	if (is_pressing)
		(void)sqlite3_busy_timeout(db, ORDINARY_MS);
	turn->checkpoint_at = turn->wal_pages + CHECKPOINT_PAGES;
	if (code == SQLITE_OK || code == SQLITE_BUSY)
		return;
	/* Nothing acknowledged is lost: the log still holds it.  The next commit will say what is wrong. */
	if (sql_conn_fail(engine->writer, code) != OK && engine->writer->last_was_sync)
		turn->is_broken = true;
}

/* ---- the group ------------------------------------------------------------------------------ */

static void
tell_members(struct engine *engine, enum err result)
{
	struct turn *turn = &engine->turn;
	uint64_t     notes_changed = 0;
	struct txn  *txn;

	for (txn = turn->members; txn; txn = txn->next)
		notes_changed += txn->notes_changed;
	if (result == OK) {
		atomic_fetch_add(&engine->notes_generation, notes_changed + turn->kept_notes);
		atomic_fetch_add(&engine->commits, turn->member_count + turn->kept_count);
	}
	lock(turn);
	while ((txn = turn->members)) {
		turn->members = txn->next;
		txn->next = NULL;
		txn->result = result;
		txn->has_result = true;
		MUST(pthread_cond_signal(&txn->woken) == 0);
	}
	unlock(turn);
	turn->member_count = turn->kept_count = 0;
	turn->kept_notes = 0;
	turn->bytes = 0;
}

/* Gives up the outer transaction, if it is still there, and with it all members. */
static void
lose_group(struct engine *engine, enum err why)
{
	if (sql_conn_in_txn(engine->writer) && sql_conn_do(engine->writer, SQL_ROLLBACK) != OK)
		engine->turn.is_broken = true;
	tell_members(engine, why);
}

static enum err
commit_group(struct engine *engine)
{
	struct turn *turn = &engine->turn;
	enum err     err = commit(engine, false);

	if (err == OK) {
		atomic_fetch_add(&engine->syncs, 1);
		tell_members(engine, OK);
		return OK;
	}
	if (engine->writer->last_was_sync) {
		turn->is_broken = true;
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
	marker = engine->turn.marker;
	pass_turn(&engine->turn);
	write_witness(engine, marker);
}

/* Commits what there is and lets the next one in. */
static void
settle_group(struct engine *engine)
{
	enum err told = commit_group(engine);

	(void)told;
	do_chores(engine);
}

enum err
sql_group_enter(struct txn *txn)
{
	struct engine *engine = txn->engine;
	struct turn   *turn = &engine->turn;
	enum err       err = OK;

	if (!txn->group)
		wait_turn(txn);
	txn->began = !sql_conn_in_txn(engine->writer);
	if (turn->is_broken)
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
		pass_turn(turn);
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
	struct turn *turn = &txn->engine->turn;

	turn->writes += txn->writes;
	if (txn->group) {
		turn->kept_count++;
		turn->kept_notes += txn->notes_changed;
		return;
	}
	txn->next = turn->members;
	turn->members = txn;
	turn->member_count++;
}

static enum err
await_result(struct txn *txn)
{
	struct turn *turn = &txn->engine->turn;

	lock(turn);
	while (!txn->has_result)
		MUST(pthread_cond_wait(&txn->woken, &turn->lock) == 0);
	unlock(turn);
	return txn->result;
}

enum err
sql_group_leave(struct txn *txn, bool is_kept)
{
	struct engine *engine = txn->engine;
	struct turn   *turn = &engine->turn;
	enum err       err = OK;

	if (!sql_conn_in_txn(engine->writer))
		err = engine->writer->last_err;  /* SQLite gave up everything when a statement failed */
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
	if (turn->members &&
	    (!is_awaited(turn) || turn->member_count >= GROUP_TXN_MAX || turn->bytes >= GROUP_BYTES_MAX))
		settle_group(engine);
	else
		pass_turn(turn);
	return err == OK && is_kept ? await_result(txn) : err;
}

/* ---- a group that one thread keeps ------------------------------------------------------------ */

void
sql_group_hold(struct group *group)
{
	struct turn *turn = &group->engine->turn;

	if (group->holds)
		return;
	wait_turn(group->place);
	lock(turn);
	turn->is_kept = true;
	turn->keeper = pthread_self();
	unlock(turn);
	group->holds = true;
}

enum err
sql_group_settle(struct group *group)
{
	struct turn *turn = &group->engine->turn;

	group->is_settled = true;
	/* Without the turn nothing was begun, and the writing connection is somebody else's. */
	if (!group->holds)
		return group->lost;
	if (group->lost != OK)
		lose_group(group->engine, group->lost);
	else if (turn->kept_count > 0 || turn->members)
		group->lost = commit_group(group->engine);
	return group->lost;
}

void
sql_group_let_go(struct group *group)
{
	struct turn *turn = &group->engine->turn;

	if (!group->holds)
		return;
	if (!group->is_settled)
		lose_group(group->engine, ERR_BUSY);
	lock(turn);
	turn->is_kept = false;
	unlock(turn);
	do_chores(group->engine);
	group->holds = false;
}

void
sql_group_close(struct engine *engine)
{
	struct turn *turn = &engine->turn;

	MUST(!turn->holder && !turn->first && !turn->members);
	if (turn->writes == 0 || turn->is_broken || engine->scratch)
		return;
	/* A replica's last commit may have been one that need not be durable; the witness must not be ahead of this one. */
	if (sql_conn_exec(engine->writer, "PRAGMA synchronous = FULL") != OK || sql_conn_do(engine->writer, SQL_BEGIN) != OK)
		return;
	if (commit(engine, true) == OK)
		write_witness(engine, turn->marker);
	else
		lose_group(engine, ERR_IO);
}
