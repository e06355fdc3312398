/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL engine: opening, the steps of the schema, and the store as a whole.
 *
 * Two versions of the program may run on one database while servers are exchanged one by one.  So a step only adds, and
 * waits for a lock only a moment: who waits for a lock on a table stops all that come after it.  A step that an older
 * program could not live with raises min_schema.
 */
#include "store/store_pg.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <time.h>

#define MIGRATE_TRIES   50
#define MIGRATE_WAIT_MS 100

/* The step at index n makes version n + 1. Steps are never edited. */
static const struct step {
	const char *text;
	int         min_schema; /* the oldest program that can use the result */
} steps[] = {
	{ PG_SCHEMA_1, 1 },
};
#define PG_SCHEMA_VERSION ((int)COUNT_OF(steps))

/* One program at a time: the number has no meaning but that it is ours. */
static const char migrate_text[] = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 200;"
				   " SELECT pg_advisory_xact_lock(6075393881203402)";

/* ---- the schema ---------------------------------------------------------------------------------- */

struct header {
	struct guid id;
	int         schema, min_schema; /* 0: there is no store */
};

static enum err
is_empty(struct pg_session *session, bool *is_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;

	TRY(pg_session_run(session, PG_IS_EMPTY, NULL, &rows));
	*is_out = pg_result_int(rows, 0, 0) != 0;
	return OK;
}

static enum err
read_header(struct pg_session *session, struct header *header_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	bool                                   empty = false;
	char                                   sentence[256];
	enum err                               err;

	*header_out = (struct header){ 0 };
	TRY(is_empty(session, &empty));
	if (empty)
		return OK;
	err = pg_session_run(session, PG_HEADER, NULL, &rows);
	if (err == ERR_FOREIGN || (err == OK && pg_result_rows(rows) != 1))
		return pg_engine_fail(session->engine, ERR_FOREIGN,
		                      "the database has a table \"store\" that is another program's");
	TRY(err);
	header_out->id = pg_result_guid(rows, 0, 0);
	header_out->schema = (int)pg_result_int(rows, 0, 1);
	header_out->min_schema = (int)pg_result_int(rows, 0, 2);
	session->home = pg_result_int(rows, 0, 3);
	if (header_out->min_schema <= PG_SCHEMA_VERSION)
		return OK;
	str_printf(sentence, sizeof(sentence),
	           "the store has schema version %d, for programs that know version %d at least; this one knows "
	           "versions up to %d: use a newer one",
	           header_out->schema, header_out->min_schema, PG_SCHEMA_VERSION);
	return pg_engine_fail(session->engine, ERR_FOREIGN, sentence);
}

static enum err
run_steps(struct pg_session *session, struct header *header)
{
	struct guid     id = guid_random(session->engine->entropy);
	struct guid_str id_text = guid_str(&id);
	char            text[256];
	int             known = header->schema;

	for (; header->schema < PG_SCHEMA_VERSION; header->schema++)
		TRY(pg_session_do(session, steps[header->schema].text));
	header->min_schema = steps[header->schema - 1].min_schema;
	if (known == 0)
		str_printf(text, sizeof(text), "INSERT INTO store VALUES(1, '%s', %d, %d, 0)", id_text.c,
		           header->schema, header->min_schema);
	else
		str_printf(text, sizeof(text), "UPDATE store SET schema = %d, min_schema = %d WHERE one = 1",
		           header->schema, header->min_schema);
	return pg_session_do(session, text);
}

static enum err
migrate_once(struct pg_engine *engine, struct header *header)
{
	AUTO(pg_session_close) struct pg_session *session = NULL;

	TRY(pg_session_open(engine, &session));
	TRY(pg_session_do(session, migrate_text));
	TRY(read_header(session, header));
	if (header->schema < PG_SCHEMA_VERSION)
		TRY(run_steps(session, header));
	TRY(pg_session_commit(session));
	return read_header(session, header);
}

static enum err
migrate(struct pg_engine *engine, struct header *header)
{
	static const struct timespec wait = { .tv_nsec = MIGRATE_WAIT_MS * 1000000L };
	enum err                     err = ERR_BUSY;

	for (int i = 0; i < MIGRATE_TRIES; i++) {
		err = migrate_once(engine, header);
		if (err != ERR_BUSY && err != ERR_UNSURE)
			return err;
		nanosleep(&wait, NULL);
	}
	return err;
}

/* ---- opening ------------------------------------------------------------------------------------- */

/* What libpq says of a URL that it cannot read may hold a part of it, so nobody gets to read it. */
static bool
is_understood(const char *url)
{
	PQconninfoOption *options = PQconninfoParse(url, NULL);

	PQconninfoFree(options);
	return options != NULL;
}

static void
close_engine(void *inner)
{
	struct pg_engine  *engine = inner;
	struct pg_session *session;

	while ((session = engine->idle) != NULL) {
		engine->idle = session->next;
		pg_session_close(&session);
	}
	(void)pthread_mutex_destroy(&engine->idle_lock);
	(void)pthread_mutex_destroy(&engine->why_lock);
	(void)pthread_mutex_destroy(&engine->watch_lock);
	arena_close(&engine->arena);
	free(engine);
}

static enum err
open_store(struct pg_engine *engine, const struct store_conf *conf)
{
	AUTO(pg_session_return) struct pg_session *session = NULL;
	struct header                              header;

	TRY(pg_session_open(engine, &session));
	TRY(read_header(session, &header));
	if (header.schema == 0 && !(conf->create && conf->access == STORE_SERVE))
		return pg_engine_fail(engine, ERR_NOT_FOUND, "there is no store in the database");
	if (header.schema < PG_SCHEMA_VERSION && conf->access == STORE_SERVE)
		TRY(migrate(engine, &header));
	if (header.schema < PG_SCHEMA_VERSION)
		return pg_engine_fail(engine, ERR_FOREIGN,
		                      "an older program made the store; `tidemark serve` brings it up to date");
	engine->id = header.id;
	/* Those that come later know which store it must be; this one has read its header. */
	return read_header(session, &header);
}

static enum err
open_engine(const struct store_conf *conf, struct str rest, void **engine_out, char why_out[512])
{
	struct pg_engine *engine = handle_new(sizeof(*engine));
	enum err          err;

	engine->clock = conf->clock;
	engine->entropy = conf->entropy;
	engine->arena = arena_open(2 * rest.len + 4096);
	engine->url = arena_c(engine->arena, arena_printf(engine->arena, "postgresql:%.*s", STR_ARG(rest)));
	MUST(pthread_mutex_init(&engine->idle_lock, NULL) == 0);
	MUST(pthread_mutex_init(&engine->why_lock, NULL) == 0);
	MUST(pthread_mutex_init(&engine->watch_lock, NULL) == 0);
	if (is_understood(engine->url))
		err = open_store(engine, conf);
	else
		err = pg_engine_fail(engine, ERR_BAD_REQUEST, "PostgreSQL's library does not understand the store URL");
	if (err == OK) {
		*engine_out = engine;
		return OK;
	}
	str_printf(why_out, 512, "%s", engine->why);
	close_engine(engine);
	return err;
}

static struct guid
engine_id(const void *engine)
{
	return ((const struct pg_engine *)engine)->id;
}

/* Epochs belong to the feeds.  A new feed, and a reader of one that is not there, begins with the first. */
static uint32_t
engine_epoch(const void *engine)
{
	(void)engine;
	return 1;
}

/*
 * The database is asked each time: another server may have taken a right away.  When it cannot be asked, the number is
 * one that was never given out, so whoever keeps something by it must ask the store, too, and sees that it is away.
 */
static uint64_t
kv_generation(const void *inner)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct pg_engine                      *engine = (struct pg_engine *)(uintptr_t)inner;

	if (pg_read(engine, PG_KV_VERSION, NULL, &rows) == OK && pg_result_rows(rows) == 1)
		return (uint64_t)pg_result_int(rows, 0, 0);
	return UINT64_MAX - atomic_fetch_add(&engine->unknown, 1);
}

static void
watch(void *inner, store_changed_fn *changed, void *ctx)
{
	struct pg_engine *engine = inner;

	MUST(pthread_mutex_lock(&engine->watch_lock) == 0);
	engine->changed = changed;
	engine->changed_ctx = ctx;
	MUST(pthread_mutex_unlock(&engine->watch_lock) == 0);
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static uint64_t
count_of(const struct pg_result *row, int column)
{
	int64_t count = pg_result_int(row, 0, column);

	return count > 0 ? (uint64_t)count : 0; /* an estimate of -1: never counted */
}

static enum err
info(void *inner, struct store_info *info_out)
{
	AUTO(pg_result_drop) struct pg_result *rows = NULL;
	struct pg_engine                      *engine = inner;

	TRY(pg_read(engine, PG_INFO, NULL, &rows));
	*info_out = (struct store_info){
		.id = engine->id,
		.schema = (uint32_t)PG_SCHEMA_VERSION,
		.epoch = engine_epoch(engine),
		.feeds = count_of(rows, 0),
		.items = count_of(rows, 1),
		.tombstones = count_of(rows, 2),
		.kv = count_of(rows, 3),
		.file_bytes = count_of(rows, 4),
		.commits = atomic_load(&engine->commits),
		.syncs = atomic_load(&engine->commits),
	};
	return OK;
}

static enum err
backup(void *engine, const char *path, char why_out[512])
{
	(void)engine;
	(void)path;
	str_printf(why_out, 512,
	           "a store in PostgreSQL is copied by the database's own means: pg_dump, or pg_basebackup");
	return ERR_NOT_ALLOWED;
}

static enum err
restore(const struct store_conf *conf, struct str rest, const char *path, char why_out[512])
{
	(void)conf;
	(void)rest;
	(void)path;
	str_printf(why_out, 512,
	           "a store in PostgreSQL is put back by the database's own means: pg_restore, or recovery "
	           "of a base backup");
	return ERR_NOT_ALLOWED;
}

static struct str
why(void *inner, struct arena *arena)
{
	struct pg_engine *engine = inner;
	struct str        sentence;

	MUST(pthread_mutex_lock(&engine->why_lock) == 0);
	sentence = arena_copy(arena, str_from_c(engine->why));
	MUST(pthread_mutex_unlock(&engine->why_lock) == 0);
	return sentence;
}

const struct store_backend store_pg = {
	.scheme = "postgresql",
	.open = open_engine,
	.close = close_engine,
	.id = engine_id,
	.epoch = engine_epoch,
	.kv_generation = kv_generation,
	.watch = watch,
	.reads = &pg_reads,
	.writes = &pg_writes,
	.info = info,
	.check = pg_check,
	.backup = backup,
	.restore = restore,
	.why = why,
};
