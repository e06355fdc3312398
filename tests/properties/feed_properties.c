/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties of a feed (support/feed_histories.h) that the store's own transactions write, on the model and on an
 * engine.
 *
 * TIDEMARK_SEED replays one history, TIDEMARK_RUNS says how many.
 */
#include "support/feed_histories.h"

#include "model/model.h"

static void
open_store(struct world *world)
{
	struct store_conf conf = store_conf_of(world);
	char              why[512];

	assert_int_equal(world->url ? store_open(&conf, &world->store, why) : model_open(&conf, &world->store), OK);
}

static void
close_store(struct world *world)
{
	store_close(&world->store);
}

static void
put(struct world *world, uint32_t id)
{
	AUTO(store_abort) struct store_txn *txn = store_begin(world->store, NULL, world->arena);
	uint32_t                            value = (uint32_t)rng_next(&world->rng) >> 1;
	char                                name[16], body[16];
	struct item                         item = { .id = id_of(id, name), .body = body_of(value, body) };

	store_put(txn, &world->feed, &item);
	assert_int_equal(store_commit(&txn), OK);
	world->model.lines[id] = (struct line){ ++world->model.head, true, true, value, ITEM_UNNAMED };
	if (world->model.generation == 0)
		world->model.generation = ++world->generations;
}

static void
take_away(struct world *world, uint32_t id)
{
	AUTO(store_abort) struct store_txn *txn = store_begin(world->store, NULL, world->arena);
	char                                name[16];
	bool                                was_there = store_remove(txn, &world->feed, id_of(id, name));

	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(was_there, world->model.lines[id].live);
	if (was_there)
		world->model.lines[id] = (struct line){ ++world->model.head, false, true, 0, ITEM_UNNAMED };
}

static void
write_native(struct world *world)
{
	if (rng_below(&world->rng, 3) > 0)
		put(world, rng_below(&world->rng, IDS));
	else
		take_away(world, rng_below(&world->rng, IDS));
}

static void
do_nothing(struct world *world)
{
	(void)world;
}

static void
keep_nothing(struct world *world, bool back)
{
	(void)world;
	(void)back;
}

static const struct feed_writer native = {
	.share = 450,
	.open = open_store,
	.close = close_store,
	.write = write_native,
	.look = do_nothing,
	.end = do_nothing,
	.keep = keep_nothing,
};

static uint64_t
run_history(uint64_t seed, bool durable, bool on_engine, uint64_t totals[3])
{
	struct world *world = calloc(1, sizeof(*world));
	char          url[256];
	uint64_t      digest;

	assert_non_null(world);
	world->writer = &native;
	world->feed = (struct store_feed){ .tenant = { { 1 } }, .owner = { { 2 } }, .collection = 1 };
	make_dir(world);
	snprintf(url, sizeof(url), "sqlite:%s/t.db", world->dir);
	if (on_engine && pg_test_database())
		pg_test_make(url, sizeof(url));
	if (on_engine)
		world->url = url;
	begin_world(world, seed);
	for (int i = 0; i < STEPS; i++)
		step(world, durable);
	end_world(world, totals);
	digest = world->digest;
	remove_dir(world);
	free(world);
	return digest;
}

static void
test_feed__random_histories_converge_on_both_engines(void **state)
{
	uint64_t runs = runs_of(pg_test_database() ? 2 : 40), first = runs_seed((uint64_t)getpid() << 20);
	uint64_t model[3] = { 0 }, sqlite[3] = { 0 };

	(void)state;
	if (getenv("TIDEMARK_SEED"))
		runs = 1;
	for (uint64_t seed = first; seed < first + runs; seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		assert_int_equal(run_history(seed, false, false, model), run_history(seed, false, true, sqlite));
		(void)run_history(seed, true, true, sqlite);
	}
	print_message("%llu histories: %llu rounds, %llu pages, %llu answers 410; on disk %llu, %llu, %llu\n",
	              (unsigned long long)runs, (unsigned long long)model[0], (unsigned long long)model[1],
	              (unsigned long long)model[2], (unsigned long long)sqlite[0], (unsigned long long)sqlite[1],
	              (unsigned long long)sqlite[2]);
	assert_true(model[0] > 0 && model[2] > 0 && sqlite[2] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed__random_histories_converge_on_both_engines),
	};

	return crypt_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
