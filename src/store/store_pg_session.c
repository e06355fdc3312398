/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: connections of libpq, the statements that are prepared on them, and the meaning of PostgreSQL's codes.
 *
 * Every wait has an end: a database that says nothing for some time is as good as gone.  Nothing is set for a session,
 * because behind a pooler the next transaction of the session may be another program's.
 */
#include "store/store_pg.h"

#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>

#define IDLE_MAX        16
#define PATIENCE_MS     15000
#define COMMIT_MS       60000 /* it may wait for a standby; cutting it off would not undo it */
#define RETRY_MS        250   /* after a connection that could not be had */
#define PROBE_MS        10000
#define SKIP_BYTES_MAX  ((size_t)256 << 10) /* to connect anew costs less than to read more */
#define OID_INT8        20
#define OID_TEXT        25
#define OID_BYTEA       17
#define OID_UUID        2950
#define FORMAT_BINARY   1
#define CONNECT_SECONDS "5"
#define UNACKED_MS      "15000"

static const char *const texts[PG_COUNT] = {
#define X(name, text) [name] = text,
	PG_TABLE(X)
#undef X
};
_Static_assert(PG_COUNT <= 64, "a bit for each statement");

/* ---- what failed --------------------------------------------------------------------------------- */

enum err
pg_engine_fail(struct pg_engine *engine, enum err err, const char *sentence)
{
	MUST(pthread_mutex_lock(&engine->why_lock) == 0);
	str_printf(engine->why, sizeof(engine->why), "%s", sentence);
	MUST(pthread_mutex_unlock(&engine->why_lock) == 0);
	return err;
}

static enum err
err_of_state(const char *state)
{
	static const struct {
		const char *prefix;
		enum err    err;
	} rows[] = {
		{ "40", ERR_BUSY },       { "55P03", ERR_BUSY },    { "57014", ERR_BUSY },    { "57P", ERR_BUSY },
		{ "08", ERR_BUSY },       { "25P0", ERR_BUSY },     { "25006", ERR_BUSY },    { "53100", ERR_FULL },
		{ "53", ERR_BUSY },       { "XX001", ERR_CORRUPT }, { "XX002", ERR_CORRUPT }, { "42P01", ERR_FOREIGN },
		{ "42703", ERR_FOREIGN },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (strncmp(state, rows[i].prefix, strlen(rows[i].prefix)) == 0)
			return rows[i].err;
	return ERR_IO;
}

/* After these the session is of no use: its server ends, or has become a standby. */
static bool
ends_session(const char *state)
{
	return strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0 || strcmp(state, "25006") == 0 ||
	       strcmp(state, "25P03") == 0;
}

static void
lose(struct pg_session *session)
{
	PQfinish(session->conn);
	session->conn = NULL;
}

static enum err
fail_lost(struct pg_session *session, const char *what)
{
	char sentence[512];

	str_printf(sentence, sizeof(sentence), "the database cannot be reached: %.*s",
	           STR_ARG(str_trim_of(str_cut(str_from_c(what), 400), STR("\n "))));
	lose(session);
	return pg_engine_fail(session->engine, ERR_BUSY, sentence);
}

static enum err
fail_result(struct pg_session *session, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char        sentence[512];

	if (!state || PQstatus(session->conn) == CONNECTION_BAD)
		return fail_lost(session, PQerrorMessage(session->conn));
	str_printf(sentence, sizeof(sentence), "PostgreSQL: %.*s (%s)", STR_CUT_ARG(message, 400), state);
	if (ends_session(state))
		lose(session);
	return pg_engine_fail(session->engine, err_of_state(state), sentence);
}

/* ---- waiting ------------------------------------------------------------------------------------- */

static enum err
await_socket(struct pg_session *session, short events)
{
	struct pollfd at = { .fd = PQsocket(session->conn), .events = events };
	int           ready;

	do
		ready = poll(&at, 1, session->patience_ms);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return fail_lost(session, "it does not answer");
	if ((at.revents & ~POLLOUT) != 0 && !PQconsumeInput(session->conn))
		return fail_lost(session, PQerrorMessage(session->conn));
	return OK;
}

static enum err
flush(struct pg_session *session)
{
	int left;

	while ((left = PQflush(session->conn)) > 0)
		TRY(await_socket(session, POLLIN | POLLOUT));
	return left == 0 ? OK : fail_lost(session, PQerrorMessage(session->conn));
}

/* NULL inside: the statement is over. */
static enum err
next_result(struct pg_session *session, PGresult **result_out)
{
	while (PQisBusy(session->conn))
		TRY(await_socket(session, POLLIN));
	*result_out = PQgetResult(session->conn);
	return OK;
}

/* The first result; what follows is only the end.  An error in it is the statement's. */
static enum err
last_result(struct pg_session *session, PGresult **result_out)
{
	AUTO(pg_result_drop) struct pg_result *first = NULL;
	PGresult                              *more = NULL;

	TRY(flush(session));
	TRY(next_result(session, &first));
	if (!first)
		return fail_lost(session, PQerrorMessage(session->conn));
	for (;;) {
		TRY(next_result(session, &more));
		if (!more)
			break;
		/* Of several statements in one text the failed one is the last. */
		if (PQresultStatus(first) != PGRES_FATAL_ERROR) {
			PQclear(first);
			first = more;
		} else {
			PQclear(more);
		}
	}
	if (PQresultStatus(first) != PGRES_TUPLES_OK && PQresultStatus(first) != PGRES_COMMAND_OK)
		return fail_result(session, first);
	*result_out = first;
	first = NULL;
	return OK;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static void
note_warning(void *ctx, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity && strcmp(severity, "WARNING") == 0)
		((struct pg_session *)ctx)->warned = true;
}

static enum err
connect_to(struct pg_session *session)
{
	/* What stands before the URL is a default, and the URL may change it. */
	static const char *const names[] = { "fallback_application_name", "connect_timeout",
		                             "tcp_user_timeout",          "dbname",
		                             "client_encoding",           NULL };
	const char *const values[] = { "tidemark", CONNECT_SECONDS, UNACKED_MS, session->engine->url, "UTF8", NULL };

	session->conn = PQconnectdbParams(names, values, 1);
	MUST(session->conn);
	if (PQstatus(session->conn) != CONNECTION_OK)
		return fail_lost(session, PQerrorMessage(session->conn));
	if (PQsetnonblocking(session->conn, 1) != 0)
		return fail_lost(session, PQerrorMessage(session->conn));
	(void)PQsetNoticeReceiver(session->conn, note_warning, session);
	return OK;
}

/* The database behind the URL must stay the one that was opened. */
static enum err
read_header(struct pg_session *session)
{
	AUTO(pg_result_drop) struct pg_result *header = NULL;
	const struct guid                     *known = &session->engine->id;
	struct guid                            id;

	TRY(pg_session_run(session, PG_HEADER, NULL, &header));
	if (pg_result_rows(header) != 1)
		return ERR_FOREIGN;
	id = pg_result_guid(header, 0, 0);
	if (!guid_is_zero(known) && !guid_eq(known, &id))
		return pg_engine_fail(session->engine, ERR_FOREIGN, "another store stands in the database now");
	session->home = pg_result_int(header, 0, 3);
	return OK;
}

/*
 * While the database is away, one thread at a time tries to reach it, and all others know at once.  Else each call
 * would wait as long as a connection may take, and those behind it, too.
 */
static bool
may_connect(struct pg_engine *engine)
{
	int64_t now_ms = clock_mono_ms(engine->clock), retry_ms = atomic_load(&engine->retry_ms);

	if (retry_ms == 0)
		return true;
	return now_ms >= retry_ms && atomic_compare_exchange_strong(&engine->retry_ms, &retry_ms, now_ms + PROBE_MS);
}

static enum err
reach(struct pg_session *session)
{
	struct pg_engine *engine = session->engine;
	enum err          err;

	if (!may_connect(engine))
		return ERR_BUSY;
	err = connect_to(session);
	atomic_store(&engine->retry_ms, err == OK ? 0 : clock_mono_ms(engine->clock) + RETRY_MS);
	return err;
}

enum err
pg_session_open(struct pg_engine *engine, struct pg_session **session_out)
{
	AUTO(pg_session_close) struct pg_session *session = handle_new(sizeof(*session));

	session->engine = engine;
	session->patience_ms = PATIENCE_MS;
	TRY(reach(session));
	if (!guid_is_zero(&engine->id))
		TRY(read_header(session));
	*session_out = session;
	session = NULL;
	return OK;
}

void
pg_session_close(struct pg_session **session)
{
	if (!*session)
		return;
	PQfinish((*session)->conn);
	free(*session);
	*session = NULL;
}

bool
pg_session_is_lost(const struct pg_session *session)
{
	return !session->conn || PQstatus(session->conn) == CONNECTION_BAD;
}

/* A server that has ended has said so, or closed the socket. */
static bool
is_usable(struct pg_session *session)
{
	struct pollfd at = { .fd = PQsocket(session->conn), .events = POLLIN };

	if (poll(&at, 1, 0) == 0)
		return true;
	return PQconsumeInput(session->conn) && !PQisBusy(session->conn) && PQstatus(session->conn) == CONNECTION_OK;
}

static struct pg_session *
take_idle(struct pg_engine *engine)
{
	struct pg_session *session;

	MUST(pthread_mutex_lock(&engine->idle_lock) == 0);
	session = engine->idle;
	if (session) {
		engine->idle = session->next;
		engine->idle_count--;
	}
	MUST(pthread_mutex_unlock(&engine->idle_lock) == 0);
	return session;
}

enum err
pg_session_borrow(struct pg_engine *engine, struct pg_session **session_out)
{
	struct pg_session *session;

	while ((session = take_idle(engine)) != NULL) {
		if (is_usable(session)) {
			*session_out = session;
			return OK;
		}
		pg_session_close(&session);
	}
	return pg_session_open(engine, session_out);
}

void
pg_session_return(struct pg_session **lent)
{
	struct pg_session *session = *lent;
	struct pg_engine  *engine = session ? session->engine : NULL;

	*lent = NULL;
	if (!session)
		return;
	if (!pg_session_is_lost(session) && PQtransactionStatus(session->conn) == PQTRANS_IDLE) {
		MUST(pthread_mutex_lock(&engine->idle_lock) == 0);
		if (engine->idle_count < IDLE_MAX) {
			session->next = engine->idle;
			engine->idle = session;
			engine->idle_count++;
			session = NULL;
		}
		MUST(pthread_mutex_unlock(&engine->idle_lock) == 0);
	}
	pg_session_close(&session);
}

/* ---- statements ---------------------------------------------------------------------------------- */

struct bound {
	int         count;
	Oid         types[PG_VALUES_MAX];
	const char *at[PG_VALUES_MAX];
	int         lengths[PG_VALUES_MAX], formats[PG_VALUES_MAX];
	uint64_t    numbers[PG_VALUES_MAX];
};

static void
bind_values(const struct pg_value *values, struct bound *bound)
{
	static const Oid types[] = {
		[PG_INT] = OID_INT8, [PG_TEXT] = OID_TEXT, [PG_BYTES] = OID_BYTEA, [PG_UUID] = OID_UUID
	};

	bound->count = 0;
	for (; values && values->kind != PG_END; values++) {
		int i = bound->count++;

		MUST(i < PG_VALUES_MAX);
		bound->types[i] = types[values->kind];
		bound->formats[i] = FORMAT_BINARY;
		bound->at[i] = values->bytes.at;
		bound->lengths[i] = (int)values->bytes.len;
		if (values->kind != PG_INT)
			continue;
		bound->numbers[i] = htobe64((uint64_t)values->number);
		bound->at[i] = (const char *)&bound->numbers[i];
		bound->lengths[i] = 8;
	}
}

static enum err
prepare(struct pg_session *session, enum pg_sql sql, const char *name, const struct bound *bound)
{
	AUTO(pg_result_drop) struct pg_result *result = NULL;

	if (session->prepared & (uint64_t)1 << sql)
		return OK;
	if (!PQsendPrepare(session->conn, name, texts[sql], bound->count, bound->types))
		return fail_lost(session, PQerrorMessage(session->conn));
	TRY(last_result(session, &result));
	session->prepared |= (uint64_t)1 << sql;
	return OK;
}

static enum err
send_values(struct pg_session *session, enum pg_sql sql, const struct pg_value *values)
{
	struct bound bound;
	char         name[16];

	if (pg_session_is_lost(session))
		return ERR_BUSY;
	bind_values(values, &bound);
	str_printf(name, sizeof(name), "tidemark%d", (int)sql);
	TRY(prepare(session, sql, name, &bound));
	if (!PQsendQueryPrepared(session->conn, name, bound.count, bound.at, bound.lengths, bound.formats,
	                         FORMAT_BINARY))
		return fail_lost(session, PQerrorMessage(session->conn));
	return OK;
}

enum err
pg_session_send(struct pg_session *session, enum pg_sql sql, const struct pg_value *values)
{
	TRY(send_values(session, sql, values));
	/* Row by row: however large a page is, only a row of it and what the socket holds are in memory. */
	MUST(PQsetSingleRowMode(session->conn));
	return flush(session);
}

enum err
pg_session_next(struct pg_session *session, struct pg_result **row_out)
{
	AUTO(pg_result_drop) struct pg_result *row = NULL;
	PGresult                              *more;

	if (pg_session_is_lost(session))
		return ERR_BUSY;
	TRY(next_result(session, &row));
	if (!row)
		return ERR_NOT_FOUND;
	if (PQresultStatus(row) == PGRES_SINGLE_TUPLE) {
		*row_out = row;
		row = NULL;
		return OK;
	}
	do
		TRY(next_result(session, &more));
	while (more);
	return PQresultStatus(row) == PGRES_TUPLES_OK ? ERR_NOT_FOUND : fail_result(session, row);
}

void
pg_session_skip(struct pg_session *session)
{
	for (size_t bytes = 0; bytes < SKIP_BYTES_MAX; bytes++) {
		AUTO(pg_result_drop) struct pg_result *row = NULL;

		if (pg_session_next(session, &row) != OK)
			return;
		for (int i = 0; i < PQnfields(row); i++)
			bytes += (size_t)PQgetlength(row, 0, i);
	}
	lose(session);
}

enum err
pg_session_run(struct pg_session *session, enum pg_sql sql, const struct pg_value *values, struct pg_result **rows_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;

	TRY(send_values(session, sql, values));
	TRY(last_result(session, &rows));
	if (rows_out) {
		*rows_out = rows;
		rows = NULL;
	}
	return OK;
}

static enum err
do_text(struct pg_session *session, const char *text, struct pg_result **result_out)
{
	if (pg_session_is_lost(session))
		return ERR_BUSY;
	if (!PQsendQuery(session->conn, text))
		return fail_lost(session, PQerrorMessage(session->conn));
	return last_result(session, result_out);
}

enum err
pg_session_do(struct pg_session *session, const char *text)
{
	AUTO(pg_result_drop) struct pg_result *result = NULL;

	return do_text(session, text, &result);
}

/*
 * A warning tells that the wait for a standby was cut off: it is committed here, and may be lost with this machine.  A
 * transaction that had failed before answers ROLLBACK.
 */
enum err
pg_session_commit(struct pg_session *session)
{
	AUTO(pg_result_drop) struct pg_result *result = NULL;
	enum err                               err;

	if (pg_session_is_lost(session))
		return ERR_BUSY;
	session->patience_ms = COMMIT_MS;
	session->warned = false;
	err = do_text(session, "COMMIT", &result);
	session->patience_ms = PATIENCE_MS;
	if (pg_session_is_lost(session))
		return ERR_UNSURE;
	TRY(err);
	if (session->warned)
		return pg_engine_fail(session->engine, ERR_UNSURE,
		                      "the commit was cut off while it waited for a standby");
	return strcmp(PQcmdStatus(result), "COMMIT") == 0 ? OK : ERR_BUSY;
}

enum err
pg_read(struct pg_engine *engine, enum pg_sql sql, const struct pg_value *values, struct pg_result **rows_out)
{
	enum err err = ERR_BUSY;

	for (int i = 0; i < 2; i++) {
		AUTO(pg_session_return) struct pg_session *session = NULL;

		TRY(pg_session_borrow(engine, &session));
		err = pg_session_run(session, sql, values, rows_out);
		if (err == OK || !pg_session_is_lost(session))
			return err;
	}
	return err;
}

/* ---- results ------------------------------------------------------------------------------------- */

void
pg_result_drop(struct pg_result **result)
{
	PQclear(*result);
	*result = NULL;
}

int
pg_result_rows(const struct pg_result *result)
{
	return PQntuples(result);
}

uint64_t
pg_result_changed(struct pg_result *result)
{
	uint64_t count;

	return str_to_u64(str_from_c(PQcmdTuples(result)), &count) ? count : 0;
}

struct str
pg_result_str(const struct pg_result *result, int row, int column)
{
	return str_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

int64_t
pg_result_int(const struct pg_result *result, int row, int column)
{
	struct str bytes = pg_result_str(result, row, column);
	uint64_t   number = 0;

	MUST(bytes.len == sizeof(number) || bytes.len == 0); /* every number in the statements is an int8, or NULL */
	memcpy(&number, bytes.at, bytes.len);
	return (int64_t)be64toh(number);
}

struct guid
pg_result_guid(const struct pg_result *result, int row, int column)
{
	struct guid guid = { { 0 } };

	MUST(guid_from_bytes(pg_result_str(result, row, column), &guid));
	return guid;
}
