/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of the database, and how they end.
 *
 *   begin   nothing is sent before the first statement; a session that turns out to be lost then is replaced
 *   locks   a feed's row, before anything of the feed is read; the store's row, before a kv entry is read.  They are
 *           taken as the caller comes to them.  Two transactions that take them in different orders would wait for
 *           each other, so one that is out of the order of the keys is waited for only a moment
 *   end     a row in `op`, COMMIT.  If the answer is lost, the row says whether it was committed
 *   group   the transactions of a group are savepoints of one transaction of the database
 *
 * What fails because of another server, or because the database cannot be reached, is ERR_BUSY: nothing is stored, and
 * the caller may try again.
 */
#include "store/store_pg.h"

#include <stdlib.h>
#include <time.h>

struct pg_group {
	struct pg_work work;
	bool           is_committed;
};

#define SETTLE_TRIES    8
#define SETTLE_FIRST_MS 25 /* then twice as long each time: seven seconds in all, and the time to connect */

/* Written out, and for this transaction only: a pooler gives the session to others. */
static const char begin_text[] = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 5000;"
				 " SET LOCAL idle_in_transaction_session_timeout = 20000";

/* ---- the transaction of the database ------------------------------------------------------------- */

static enum err
work_begin(struct pg_work *work)
{
	enum err err = ERR_BUSY;

	if (work->lost != OK || work->session)
		return work->lost;
	for (int i = 0; i < 2; i++) {
		struct pg_session *session = NULL;

		TRY(pg_session_borrow(work->engine, &session));
		err = pg_session_do(session, begin_text);
		if (err == OK) {
			work->session = session;
			return OK;
		}
		pg_session_return(&session);
	}
	return err;
}

static enum err
work_run(struct pg_work *work, enum pg_sql sql, const struct pg_value *values, struct pg_result **rows_out)
{
	enum err err = pg_session_run(work->session, sql, values, rows_out);

	if (pg_session_is_lost(work->session))
		work->lost = err;
	return err;
}

static enum err
work_do(struct pg_work *work, const char *text)
{
	enum err err = pg_session_do(work->session, text);

	if (err != OK)
		work->lost = err;
	return err;
}

static void
work_abort(struct pg_work *work)
{
	enum err ignored;

	if (!work->session)
		return;
	ignored = pg_session_do(work->session, "ROLLBACK");
	(void)ignored;
	pg_session_return(&work->session);
}

static enum err
add_op(struct pg_session *session, const struct pg_work *work, const struct guid *key, const struct guid *op,
       bool *is_new_out)
{
	AUTO(pg_result_drop) struct pg_result *result = NULL;

	TRY(pg_session_run(session, PG_ADD_OP,
	                   PG_VALUES(P_GUID(key), P_GUID(op), P_INT(clock_wall_ms(work->engine->clock))), &result));
	*is_new_out = pg_result_changed(result) > 0;
	return OK;
}

/* ---- whether it was committed -------------------------------------------------------------------- */

/*
 * The same row once more: if it cannot be added, the first one was committed.  While that is still to be decided,
 * adding waits for it.  If it can be added, the old transaction has ended without a commit.
 */
static enum err
look_for_op(const struct pg_work *work)
{
	AUTO(pg_session_close) struct pg_session *session = NULL;
	bool                                      is_new = false;

	TRY(pg_session_open(work->engine, &session));
	TRY(pg_session_do(session, begin_text));
	TRY(add_op(session, work, &work->op_key, &work->op, &is_new));
	return is_new ? ERR_NOT_FOUND : OK;
}

static enum err
settle(const struct pg_work *work)
{
	struct timespec wait = { .tv_nsec = SETTLE_FIRST_MS * 1000000L };

	for (int i = 0; i < SETTLE_TRIES; i++) {
		enum err err = look_for_op(work);

		if (err == OK)
			return OK;
		if (err == ERR_NOT_FOUND)
			return ERR_BUSY;
		nanosleep(&wait, NULL);
		wait.tv_sec = wait.tv_sec * 2 + wait.tv_nsec * 2 / 1000000000L;
		wait.tv_nsec = wait.tv_nsec * 2 % 1000000000L;
	}
	return pg_engine_fail(work->engine, ERR_UNSURE,
	                      "the database went away during a commit, and does not say whether it took effect");
}

static enum err
prepare_commit(struct pg_work *work)
{
	bool is_new = true;

	if (work->kv_changed)
		TRY(work_run(work, PG_RAISE_KV, NULL, NULL));
	if (!work->wrote || work->has_op)
		return OK;
	work->op_key = work->highest;
	work->op = guid_random(work->engine->entropy);
	work->has_op = true;
	return add_op(work->session, work, &work->op_key, &work->op, &is_new);
}

static void
report(struct pg_work *work)
{
	struct pg_engine *engine = work->engine;

	atomic_fetch_add(&engine->commits, work->count);
	MUST(pthread_mutex_lock(&engine->watch_lock) == 0);
	for (uint32_t topic = 0; engine->changed && topic < STORE_TOPICS; topic++)
		if (work->topics[topic / 64] & (uint64_t)1 << topic % 64)
			engine->changed(engine->changed_ctx, topic);
	MUST(pthread_mutex_unlock(&engine->watch_lock) == 0);
}

static enum err
work_commit(struct pg_work *work)
{
	enum err err = work->lost;

	if (!work->session)
		return err;
	if (err == OK)
		err = prepare_commit(work);
	if (err != OK) {
		work_abort(work);
		return err;
	}
	err = pg_session_commit(work->session);
	if (err == ERR_UNSURE && pg_session_is_lost(work->session))
		err = work->wrote ? settle(work) : ERR_BUSY;
	pg_session_return(&work->session);
	if (err == OK)
		report(work);
	return err;
}

/* ---- inside -------------------------------------------------------------------------------------- */

enum err
pg_txn_run(struct pg_txn *txn, enum pg_sql sql, const struct pg_value *values, struct pg_result **rows_out)
{
	TRY(work_begin(txn->work));
	if (txn->in_group && !txn->in_savepoint) {
		TRY(work_do(txn->work, "SAVEPOINT txn"));
		txn->in_savepoint = true;
	}
	return work_run(txn->work, sql, values, rows_out);
}

enum err
pg_txn_write(struct pg_txn *txn, enum pg_sql sql, const struct pg_value *values, uint64_t *changed_out)
{
	AUTO(pg_result_drop) struct pg_result *result = NULL;

	TRY(pg_txn_run(txn, sql, values, &result));
	txn->work->wrote = true;
	if (changed_out)
		*changed_out = pg_result_changed(result);
	return OK;
}

enum err
pg_txn_lock(struct pg_txn *txn, const struct guid *key)
{
	struct pg_work *work = txn->work;

	TRY(work_begin(work));
	if (memcmp(key, &work->highest, sizeof(*key)) >= 0) {
		work->highest = *key;
		return OK;
	}
	if (work->is_hurried)
		return OK;
	TRY(work_do(work, "SET LOCAL lock_timeout = 300"));
	work->is_hurried = true;
	return OK;
}

enum err
pg_txn_lock_kv(struct pg_txn *txn)
{
	static const struct guid lowest = { { 0 } };
	struct pg_result        *rows = NULL;

	if (txn->work->has_kv)
		return OK;
	TRY(pg_txn_lock(txn, &lowest));
	TRY(pg_txn_run(txn, PG_LOCK_KV, NULL, &rows));
	pg_result_drop(&rows);
	txn->work->has_kv = txn->took_kv = true;
	return OK;
}

void
pg_txn_changed(struct pg_txn *txn, const struct store_feed *feed)
{
	uint32_t topic = store_feed_topic(feed);

	txn->work->topics[topic / 64] |= (uint64_t)1 << topic % 64;
}

/* ---- beginning and ending ------------------------------------------------------------------------ */

static enum err
begin(struct pg_txn *txn, const struct store_op *op, void **txn_out, bool *was_done_out)
{
	static const struct guid none = { { 0 } };
	struct pg_work          *work = txn->work;
	bool                     is_new = true;
	enum err                 err = OK;

	if (op) {
		uint64_t added = 0;

		err = pg_txn_write(txn, PG_ADD_OP,
		                   PG_VALUES(P_GUID(&none), P_GUID(&op->id), P_INT(clock_wall_ms(work->engine->clock))),
		                   &added);
		is_new = added > 0;
	}
	if (err != OK) {
		enum err ignored = pg_txn_end(txn, false);

		(void)ignored;
		return err;
	}
	/* In a group it may be rolled back alone, so it says nothing of the group. */
	if (op && !txn->in_group) {
		work->op = op->id;
		work->has_op = true;
	}
	*was_done_out = !is_new;
	*txn_out = txn;
	return OK;
}

enum err
pg_txn_begin(void *engine, const struct store_op *op, struct arena *arena, void **txn_out, bool *was_done_out)
{
	struct pg_txn *txn = handle_new(sizeof(*txn));

	txn->work = &txn->own;
	txn->work->engine = engine;
	txn->arena = arena;
	return begin(txn, op, txn_out, was_done_out);
}

static enum err
leave_group(struct pg_txn *txn, bool commit)
{
	struct pg_work *work = txn->work;

	if (commit) {
		TRY(work->lost);
		if (txn->in_savepoint)
			TRY(work_do(work, "RELEASE SAVEPOINT txn"));
		work->kv_changed |= txn->kv_changed;
		work->count++;
		return OK;
	}
	/* A lock that was taken inside is given back, too. */
	work->has_kv &= !txn->took_kv;
	if (work->lost == OK && txn->in_savepoint)
		TRY(work_do(work, "ROLLBACK TO SAVEPOINT txn; RELEASE SAVEPOINT txn"));
	return OK;
}

enum err
pg_txn_end(struct pg_txn *txn, bool commit)
{
	enum err err = OK;

	if (txn->in_group) {
		err = leave_group(txn, commit);
	} else if (commit) {
		txn->work->kv_changed = txn->kv_changed;
		txn->work->count = 1;
		err = work_commit(txn->work);
	} else {
		work_abort(txn->work);
	}
	free(txn);
	return err;
}

/* ---- groups -------------------------------------------------------------------------------------- */

void *
pg_group_open(void *engine)
{
	struct pg_group *group = handle_new(sizeof(*group));

	group->work.engine = engine;
	return group;
}

enum err
pg_group_begin(void *inner, const struct store_op *op, struct arena *arena, void **txn_out, bool *was_done_out)
{
	struct pg_group *group = inner;
	struct pg_txn   *txn;

	MUST(!group->is_committed);
	TRY(group->work.lost);
	txn = handle_new(sizeof(*txn));
	txn->work = &group->work;
	txn->in_group = true;
	txn->arena = arena;
	return begin(txn, op, txn_out, was_done_out);
}

enum err
pg_group_commit(void *inner)
{
	struct pg_group *group = inner;

	group->is_committed = true;
	return work_commit(&group->work);
}

void
pg_group_close(void *inner)
{
	struct pg_group *group = inner;

	work_abort(&group->work);
	free(group);
}
