/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The law of the feed while everything happens at once: writers, an impatient purger and readers,
 * each in a thread of its own: on the SQLite engine, and on PostgreSQL.
 *
 * Ids are never used twice, so an item whose tombstone a reader missed stays in its mirror for
 * ever and the comparison at the end finds it.  TIDEMARK_RUNS scales the number of writes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/seal.h"
#include "feed/feed.h"
#include "support/pg_test.h"
#include "support/rng.h"
#include "support/runs.h"

#define WRITERS  2
#define READERS  3
#define LIVE_MAX 40 /* items a writer keeps alive */

struct race {
	struct store     *store;
	struct store_feed feed;
	uint32_t          writes; /* per writer */
	uint32_t          ids;    /* writers * writes */
	atomic_uint       writers_left, failures, gone, rounds;
};

struct actor {
	struct race  *race;
	uint32_t      number;
	bool         *mirror, *staged, *seen; /* readers: by id */
	struct cursor cursor;
	bool          has_cursor, in_round, initial;
};

static void
report(struct race *race, const char *what)
{
	fprintf(stderr, "race: %s\n", what);
	atomic_fetch_add(&race->failures, 1);
}

static struct str
id_text(uint32_t id, char text[16])
{
	return str_of(text, (size_t)snprintf(text, 16, "%010u", id));
}

static void *
write_along(void *ctx)
{
	struct actor *actor = ctx;
	struct race  *race = actor->race;
	struct arena *arena = arena_open((size_t)1 << 20);

	for (uint32_t i = 0; i < race->writes; i++) {
		struct store_txn *txn = store_begin(race->store, NULL, arena);
		char              text[16];
		struct item       item = { .id = id_text(i * WRITERS + actor->number, text), .body = STR("{}") };

		store_put(txn, &race->feed, &item);
		if (i >= LIVE_MAX)
			store_remove(txn, &race->feed, id_text((i - LIVE_MAX) * WRITERS + actor->number, text));
		if (store_commit(&txn) != OK)
			report(race, "a write failed");
		arena_reset(arena);
	}
	atomic_fetch_sub(&race->writers_left, 1);
	arena_close(&arena);
	return NULL;
}

static void *
purge_along(void *ctx)
{
	struct actor *actor = ctx;
	struct race  *race = actor->race;
	struct arena *arena = arena_open((size_t)1 << 20);

	while (atomic_load(&race->writers_left) > 0) {
		struct store_txn *txn = store_begin(race->store, NULL, arena);
		uint32_t          purged;

		store_purge(txn, &race->feed, INT64_MAX / 2, 7, &purged);
		if (store_commit(&txn) != OK)
			report(race, "a purge failed");
		arena_reset(arena);
		usleep(300);
	}
	arena_close(&arena);
	return NULL;
}

static void
take(struct actor *actor, const struct item *item)
{
	bool    *mirror = actor->initial ? actor->staged : actor->mirror;
	char     text[16] = { 0 };
	uint32_t id;

	memcpy(text, item->id.at, item->id.len < 15 ? item->id.len : 15);
	id = (uint32_t)strtoul(text, NULL, 10);
	if (actor->seen[id])
		report(actor->race, "an item was told twice in a round");
	actor->seen[id] = true;
	mirror[id] = item->life == ITEM_LIVE;
}

static void
begin_round(struct actor *actor)
{
	memset(actor->seen, 0, actor->race->ids);
	actor->in_round = true;
	actor->initial = !actor->has_cursor;
	if (actor->initial)
		memset(actor->staged, 0, actor->race->ids);
}

/*
 * A writer takes an old item away in the transaction that puts a new one.  So a reader that holds a writer's
 * item i after a whole round must have been told that i - LIVE_MAX and all before it are gone.
 */
static void
check_no_zombie(const struct actor *actor)
{
	struct race *race = actor->race;

	for (uint32_t writer = 0; writer < WRITERS; writer++) {
		uint32_t newest = 0;

		for (uint32_t i = 0; i < race->writes; i++)
			if (actor->mirror[i * WRITERS + writer])
				newest = i;
		for (uint32_t i = 0; i + LIVE_MAX <= newest; i++)
			if (actor->mirror[i * WRITERS + writer]) {
				report(race, "an item that was removed before the round is still there after it");
				return;
			}
	}
}

static void
read_page(struct actor *actor, struct arena *arena)
{
	struct race     *race = actor->race;
	struct feed_page page = { 0 };
	struct item      item;
	enum err         err = feed_open(&page, race->store, &race->feed, actor->has_cursor ? &actor->cursor : NULL,
	                                 1 + actor->number * 30, arena);

	if (err == ERR_GONE) {
		atomic_fetch_add(&race->gone, 1);
		actor->has_cursor = actor->in_round = false;
		return;
	}
	if (err != OK) {
		report(race, "a page failed");
		return;
	}
	if (!actor->in_round)
		begin_round(actor);
	while (feed_next(&page, &item))
		take(actor, &item);
	if (feed_close(&page, &actor->cursor) != OK)
		report(race, "a page failed at its end");
	actor->has_cursor = true;
	if (!cursor_is_complete(&actor->cursor))
		return;
	if (actor->initial)
		memcpy(actor->mirror, actor->staged, race->ids);
	actor->in_round = false;
	check_no_zombie(actor);
	atomic_fetch_add(&race->rounds, 1);
}

static void *
read_along(void *ctx)
{
	struct actor *actor = ctx;
	struct arena *arena = arena_open((size_t)1 << 20);
	int           rounds_after = 0;

	while (rounds_after < 3) {
		bool still = atomic_load(&actor->race->writers_left) == 0;
		bool was_in_round = actor->in_round;

		read_page(actor, arena);
		arena_reset(arena);
		if (still && actor->has_cursor && !actor->in_round)
			rounds_after++;
		else if (!was_in_round && !actor->in_round)
			usleep(200);
	}
	arena_close(&arena);
	return NULL;
}

static void
compare(const struct race *race, const struct actor *reader)
{
	uint32_t first_live = race->writes > LIVE_MAX ? (race->writes - LIVE_MAX) * WRITERS : 0;

	for (uint32_t id = 0; id < race->ids; id++)
		assert_int_equal(reader->mirror[id], id >= first_live);
}

static void
test_feed__readers_converge_while_writers_and_a_purger_run(void **state)
{
	char              dir[64], url[256], why[512], command[96];
	struct race       race = { .writes = 400, .feed = { { { 1 } }, { { 2 } }, 1 } };
	struct actor      actors[WRITERS + 1 + READERS];
	pthread_t         threads[WRITERS + 1 + READERS];
	struct store_conf conf = { .create = true, .clock = &clock_system, .entropy = &entropy_system };

	(void)state;
	race.writes = runs_of(40) > 40 ? (uint32_t)runs_of(40) * 10 : race.writes;
	race.ids = race.writes * WRITERS;
	race.writers_left = WRITERS;
	snprintf(dir, sizeof(dir), "%s/tidemark-race-XXXXXX", runs_folder());
	assert_non_null(mkdtemp(dir));
	snprintf(url, sizeof(url), "sqlite:%s/t.db", dir);
	if (pg_test_database())
		pg_test_make(url, sizeof(url));
	conf.url = str_from_c(url);
	assert_int_equal(store_open(&conf, &race.store, why), OK);
	for (uint32_t i = 0; i < WRITERS + 1 + READERS; i++) {
		actors[i] = (struct actor){ .race = &race,
			                    .number = i < WRITERS ? i : i - WRITERS,
			                    .mirror = calloc(race.ids, 1),
			                    .staged = calloc(race.ids, 1),
			                    .seen = calloc(race.ids, 1) };
		assert_int_equal(pthread_create(&threads[i], NULL,
		                                i < WRITERS    ? write_along
		                                : i == WRITERS ? purge_along
		                                               : read_along,
		                                &actors[i]),
		                 0);
	}
	for (int i = 0; i < WRITERS + 1 + READERS; i++)
		pthread_join(threads[i], NULL);
	print_message("%u writes, %u rounds, %u answers 410\n", race.ids, race.rounds, race.gone);
	assert_int_equal(race.failures, 0);
	assert_true(race.rounds > READERS * 3);
	for (int i = 0; i < WRITERS + 1 + READERS; i++) {
		if (i > WRITERS)
			compare(&race, &actors[i]);
		free(actors[i].mirror);
		free(actors[i].staged);
		free(actors[i].seen);
	}
	store_close(&race.store);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed__readers_converge_while_writers_and_a_purger_run),
	};

	return crypt_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
