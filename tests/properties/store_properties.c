/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories on every engine and a model: the same answers.  TIDEMARK_SEED and TIDEMARK_RUNS repeat a run. */
#include "model/model.h"
#include "support/runs.h"
#include "support/store_model.h"
#include "store/store_group.h"
#include "unit/store/store_kit.h"

struct world {
	struct kit         *kit;
	struct store       *stores[2]; /* the model, sqlite */
	struct store_group *groups[2]; /* which transactions are in now; NULL: each commits by itself */
	struct model        now;
	uint64_t            random;
	int                 bodies;
};

static uint64_t
draw(struct world *world, uint64_t below)
{
	world->random = world->random * 6364136223846793005u + 1442695040888963407u;
	return (world->random >> 33) % below;
}

static struct store_feed
feed_name(int feed)
{
	return (struct store_feed){ .tenant = { { 7 } }, .owner = { { (uint8_t)(9 - feed) } }, .collection = 1 };
}

static struct str
name(struct world *world, const char *kind, int number)
{
	return arena_printf(world->kit->arena, "%s%d", kind, number);
}

static struct str
key_name(struct world *world, int key)
{
	return key ? name(world, "key", key) : STR_EMPTY;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void
write_item(struct world *world, struct store_txn *txns[2], int f, bool is_rewrite)
{
	struct model_feed *feed = &world->now.feeds[f];
	struct store_feed  fname = feed_name(f);
	int                id = (int)draw(world, IDS), key = (int)draw(world, KEYS), body = ++world->bodies;
	struct item        item = {
		       .id = name(world, "id", id),
		       .key = key_name(world, key),
		       .body = name(world, "body", body),
	};
	struct line *line = &feed->lines[id];

	if (is_rewrite && !(line->seq && line->is_live))
		return;
	for (int i = 0; i < 2; i++)
		(is_rewrite ? store_rewrite : store_put)(txns[i], &fname, &item);
	if (!is_rewrite)
		line = model_to_end(feed, id, world->kit->now_ms);
	feed->exists = line->is_live = true;
	line->key = key;
	line->body = body;
}

static void
remove_item(struct world *world, struct store_txn *txns[2], int f)
{
	struct model_feed *feed = &world->now.feeds[f];
	struct store_feed  fname = feed_name(f);
	int                id = (int)draw(world, IDS);
	bool               was_live = feed->lines[id].seq && feed->lines[id].is_live;

	for (int i = 0; i < 2; i++)
		assert_int_equal(store_remove(txns[i], &fname, name(world, "id", id)), was_live);
	if (!was_live)
		return;
	(void)model_to_end(feed, id, world->kit->now_ms);
	if (feed->pinned == id + 1)
		feed->pinned = 0;
}

static void
set_default_item(struct world *world, struct store_txn *txns[2], int f)
{
	struct model_feed *feed = &world->now.feeds[f];
	struct store_feed  fname = feed_name(f);
	int                id = (int)draw(world, IDS);
	bool               is_live = feed->lines[id].seq && feed->lines[id].is_live;

	for (int i = 0; i < 2; i++)
		store_set_default(txns[i], &fname, is_live ? name(world, "id", id) : STR_EMPTY);
	feed->pinned = is_live ? id + 1 : 0;
}

static void
purge_feed(struct world *world, struct store_txn *txns[2], int f)
{
	struct store_feed fname = feed_name(f);
	int64_t           until_ms = world->kit->now_ms - (int64_t)draw(world, 40);
	uint32_t          max = (uint32_t)draw(world, 5), purged, wanted;

	wanted = model_purge(&world->now.feeds[f], until_ms, max);
	for (int i = 0; i < 2; i++) {
		store_purge(txns[i], &fname, until_ms, max, &purged);
		assert_int_equal(purged, wanted);
	}
}

static void
write_kv(struct world *world, struct store_txn *txns[2])
{
	int  kv = (int)draw(world, NOTES), value = ++world->bodies;
	bool is_put = draw(world, 3) > 0;

	for (int i = 0; i < 2; i++) {
		if (is_put)
			store_put_kv(txns[i], "space", name(world, "note", kv), name(world, "", value));
		else
			store_remove_kv(txns[i], "space", name(world, "note", kv));
	}
	world->now.kv[kv] = is_put ? value : 0;
}

static void
drop_feed(struct world *world, struct store_txn *txns[2], int f)
{
	struct store_feed fname = feed_name(f);

	for (int i = 0; i < 2; i++)
		store_drop_feed(txns[i], &fname);
	world->now.feeds[f] = (struct model_feed){ 0 };
}

static void
assert_state(const struct model_feed *feed, const struct feed_state *state)
{
	assert_int_equal(state->exists, feed->exists);
	assert_int_equal(state->head, feed->head);
	assert_int_equal(state->purged_through, feed->purged_through);
	assert_int_equal(state->purged_through_ms, feed->purged_through_ms);
	assert_int_equal(state->base, feed->exists ? UINT64_MAX : 0);
	assert_int_equal(state->epoch, feed->exists ? 1 : 0);
	assert_int_equal(guid_is_zero(&state->generation), !feed->exists);
}

static void
assert_item(struct world *world, int id, const struct line *line, const struct item *item)
{
	assert_true(str_eq(item->id, name(world, "id", id)));
	assert_int_equal(item->seq, line->seq);
	assert_int_equal(item->made, line->is_live ? line->made : 0);
	assert_int_equal(item->changed_ms, line->ms);
	assert_int_equal(item->life, line->is_live ? ITEM_LIVE : ITEM_REMOVED);
	assert_true(str_eq(item->key, line->is_live ? key_name(world, line->key) : STR_EMPTY));
	assert_true(str_eq(item->body, line->is_live ? name(world, "body", line->body) : STR_EMPTY));
}

static void
look_by_key(struct world *world, struct store_txn *txn, int f)
{
	const struct model_feed *feed = &world->now.feeds[f];
	struct store_feed        fname = feed_name(f);
	int                      key = (int)draw(world, KEYS - 1) + 1, id;
	uint64_t                 after = 0;
	struct item              item;

	while ((id = model_next(feed, after, UINT64_MAX, true)) >= 0 && feed->lines[id].key != key) {
		assert_true(store_txn_next(txn, &fname, after, world->kit->arena, &item));
		after = item.seq;
	}
	assert_int_equal(store_txn_next(txn, &fname, after, world->kit->arena, &item), id >= 0);
	assert_int_equal(store_txn_find(txn, &fname, key_name(world, key), &item), id >= 0);
	if (id >= 0)
		assert_item(world, id, &feed->lines[id], &item);
}

static void
look_by_id(struct world *world, struct store_txn *txn, int f)
{
	struct store_feed  fname = feed_name(f);
	int                id = (int)draw(world, IDS);
	const struct line *line = &world->now.feeds[f].lines[id];
	struct item        item;

	assert_int_equal(store_txn_get(txn, &fname, name(world, "id", id), &item), line->seq && line->is_live);
	if (line->seq && line->is_live)
		assert_item(world, id, line, &item);
}

static void
look_at_state(struct world *world, struct store_txn *txn, int f)
{
	struct store_feed fname = feed_name(f);
	struct feed_state state;

	assert_true(store_txn_state(txn, &fname, &state));
	assert_state(&world->now.feeds[f], &state);
}

static void
look_at_pinned(struct world *world, struct store_txn *txn, int f)
{
	const struct model_feed *feed = &world->now.feeds[f];
	struct store_feed        fname = feed_name(f);
	struct item              item;

	assert_int_equal(store_txn_get_default(txn, &fname, &item), feed->pinned != 0);
	if (feed->pinned)
		assert_item(world, feed->pinned - 1, &feed->lines[feed->pinned - 1], &item);
}

static void
look_at_kv(struct world *world, struct store_txn *txn, int f)
{
	int        kv = (int)draw(world, NOTES);
	struct str value, after = STR_EMPTY;

	(void)f;
	assert_int_equal(store_txn_get_kv(txn, "space", name(world, "note", kv), &value), world->now.kv[kv] != 0);
	for (kv = 0; kv < NOTES; kv++) {
		if (!world->now.kv[kv])
			continue;
		assert_true(store_txn_next_kv(txn, "space", after, world->kit->arena, &after, &value));
		assert_true(str_eq(after, name(world, "note", kv)));
	}
	assert_false(store_txn_next_kv(txn, "space", after, world->kit->arena, &after, &value));
}

/* What a transaction sees is its own writes, and in a group those of the ones before: whatever it looks at first. */
static void
look_inside(struct world *world, struct store_txn *txn, int f)
{
	static void (*const looks[])(struct world *, struct store_txn *, int) = {
		look_at_state, look_by_id, look_at_pinned, look_by_key, look_at_kv,
	};
	size_t count = sizeof(looks) / sizeof(looks[0]), first = (size_t)draw(world, count);

	for (size_t i = 0; i < count; i++)
		looks[(first + i) % count](world, txn, f);
	assert_int_equal(store_txn_err(txn), OK);
}

static void
one_step(struct world *world, struct store_txn *txns[2], struct store_txn *look)
{
	int f = (int)draw(world, FEEDS);

	switch (draw(world, 20)) {
	case 0:
	case 1:
	case 2:
	case 3:
		remove_item(world, txns, f);
		break;
	case 4:
	case 5:
		write_item(world, txns, f, true);
		break;
	case 6:
		set_default_item(world, txns, f);
		break;
	case 7:
	case 8:
		purge_feed(world, txns, f);
		break;
	case 9:
		write_kv(world, txns);
		break;
	case 10:
		if (draw(world, 8) == 0)
			drop_feed(world, txns, f);
		break;
	case 11:
	case 12:
		look_inside(world, look, f);
		break;
	default:
		write_item(world, txns, f, false);
	}
}

static struct store_txn *
begin(struct world *world, int i)
{
	struct arena *arena = world->kit->arena;

	return world->groups[i] ? store_group_begin(world->groups[i], NULL, arena)
	                        : store_begin(world->stores[i], NULL, arena);
}

static void
one_txn(struct world *world)
{
	struct store_txn *txns[2] = { begin(world, 0), begin(world, 1) };
	struct model      before = world->now;
	uint64_t          steps = draw(world, 12), end = draw(world, 10);

	for (uint64_t i = 0; i < steps; i++)
		one_step(world, txns, txns[draw(world, 2)]);
	for (int i = 0; i < 2; i++) {
		if (end == 0) {
			store_abort(&txns[i]);
			continue;
		}
		if (end == 1)
			store_fail(txns[i], ERR_STALE);
		assert_int_equal(store_commit(&txns[i]), end == 1 ? ERR_STALE : OK);
	}
	if (end <= 1)
		world->now = before;
	/* Clocks stand still, go on, and go back. */
	world->kit->now_ms += (int64_t)draw(world, 12) - (draw(world, 10) == 0 ? 30 : 1);
}

/* Several transactions, one commit. */
static void
one_group(struct world *world)
{
	uint64_t txns = draw(world, 8);

	for (int i = 0; i < 2; i++)
		world->groups[i] = store_group_open(world->stores[i]);
	for (uint64_t i = 0; i < txns; i++)
		one_txn(world);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_group_commit(world->groups[i]), OK);
		store_group_close(&world->groups[i]);
	}
}

/* ---- looking -------------------------------------------------------------------------------- */

static void
look_scan(struct world *world, struct store *store, int f, const struct store_range *range)
{
	const struct model_feed *feed = &world->now.feeds[f];
	struct store_feed        fname = feed_name(f);
	struct store_scan       *scan = store_scan_open(store, &fname, range, world->kit->arena);
	uint64_t                 after = range->after;
	struct item              item;

	assert_false(store_scan_failed(scan));
	assert_state(feed, store_scan_state(scan));
	for (uint32_t n = 0; n <= range->limit; n++) {
		int id = n < range->limit ? model_next(feed, after, range->until, range->live_only) : -1;

		assert_int_equal(store_scan_next(scan, &item), id >= 0);
		if (id < 0)
			break;
		assert_item(world, id, &feed->lines[id], &item);
		after = item.seq;
	}
	assert_int_equal(store_scan_close(&scan), OK);
}

/* In the order of creation, with the number of live items. */
static void
look_made(struct world *world, struct store *store, int f, struct store_range range)
{
	const struct model_feed *feed = &world->now.feeds[f];
	struct store_feed        fname = feed_name(f);
	struct store_scan       *scan;
	uint64_t                 after = range.after, live = 0;
	struct item              item;

	range.by_made = range.live_only = true;
	range.until = STORE_TO_HEAD;
	scan = store_scan_open(store, &fname, &range, world->kit->arena);
	assert_state(feed, store_scan_state(scan));
	for (int id = 0; id < IDS; id++)
		live += feed->lines[id].is_live ? 1 : 0;
	assert_int_equal(store_scan_state(scan)->live, live);
	for (uint32_t n = 0; n <= range.limit; n++) {
		int id = n < range.limit ? model_next_made(feed, after) : -1;

		assert_int_equal(store_scan_next(scan, &item), id >= 0);
		if (id < 0)
			break;
		assert_item(world, id, &feed->lines[id], &item);
		after = item.made;
	}
	assert_int_equal(store_scan_close(&scan), OK);
}

/* Only live items with one key, in order of seq. */
static void
look_of_key(struct world *world, struct store *store, int f, struct store_range range)
{
	const struct model_feed *feed = &world->now.feeds[f];
	struct store_feed        fname = feed_name(f);
	int                      key = (int)draw(world, KEYS - 1) + 1;
	uint32_t                 left = range.limit;
	struct store_scan       *scan;
	struct item              item;

	range.key = key_name(world, key);
	scan = store_scan_open(store, &fname, &range, world->kit->arena);
	assert_state(feed, store_scan_state(scan));
	for (int id = model_next(feed, range.after, range.until, true); id >= 0;
	     id = model_next(feed, feed->lines[id].seq, range.until, true))
		if (feed->lines[id].key == key && left > 0) {
			assert_true(store_scan_next(scan, &item));
			assert_item(world, id, &feed->lines[id], &item);
			left--;
		}
	assert_false(store_scan_next(scan, &item));
	assert_int_equal(store_scan_close(&scan), OK);
}

static void
look_points(struct world *world, struct store *store, int f)
{
	const struct model_feed *feed = &world->now.feeds[f];
	struct store_feed        fname = feed_name(f);
	int                      id = (int)draw(world, IDS);
	const struct line       *line = &feed->lines[id];
	struct item              item;
	enum err                 err;

	err = store_get(store, &fname, name(world, "id", id), world->kit->arena, &item);
	assert_int_equal(err, line->seq && line->is_live ? OK : ERR_NOT_FOUND);
	if (err == OK)
		assert_item(world, id, line, &item);
	err = store_get_default(store, &fname, world->kit->arena, &item);
	assert_int_equal(err, feed->pinned ? OK : ERR_NOT_FOUND);
	if (err == OK)
		assert_item(world, feed->pinned - 1, &feed->lines[feed->pinned - 1], &item);
}

static void
look_moment(struct world *world, struct store *store, int f)
{
	const struct model_feed *feed = &world->now.feeds[f];
	struct store_feed        fname = feed_name(f);
	int64_t                  moment_ms = world->kit->now_ms - (int64_t)draw(world, 200) + 20;
	uint64_t                 seq, wanted = 0;
	struct feed_state        state;

	if (feed->purged_through && feed->purged_through_ms <= moment_ms)
		wanted = feed->purged_through;
	for (int id = 0; id < IDS; id++)
		if (feed->lines[id].seq > wanted && feed->lines[id].ms <= moment_ms)
			wanted = feed->lines[id].seq;
	assert_int_equal(store_seq_at(store, &fname, moment_ms, &state, &seq), OK);
	assert_state(feed, &state);
	assert_int_equal(seq, wanted);
}

static void
look_feeds(struct world *world, struct store *store)
{
	struct store_feed feed = { 0 };
	struct feed_state state;

	for (int f = FEEDS - 1; f >= 0; f--) { /* owners are named so that the order is this one */
		struct store_feed wanted = feed_name(f);
		uint64_t          live = 0, tombs = 0;

		if (!world->now.feeds[f].exists)
			continue;
		assert_int_equal(store_next_feed(store, &feed, &feed, &state), OK);
		assert_memory_equal(&feed.owner, &wanted.owner, sizeof(feed.owner));
		assert_state(&world->now.feeds[f], &state);
		for (int id = 0; id < IDS; id++) {
			live += world->now.feeds[f].lines[id].is_live ? 1 : 0;
			tombs += world->now.feeds[f].lines[id].seq && !world->now.feeds[f].lines[id].is_live ? 1 : 0;
		}
		assert_int_equal(state.live, live);
		assert_int_equal(state.tombstones, tombs);
	}
	assert_int_equal(store_next_feed(store, &feed, &feed, &state), ERR_NOT_FOUND);
}

static void
look_kv(struct world *world, struct store *store)
{
	struct str after = STR_EMPTY, got_name, got;

	for (int kv = 0; kv < NOTES; kv++) {
		if (!world->now.kv[kv])
			continue;
		assert_int_equal(store_next_kv(store, "space", after, world->kit->arena, &got_name, &got), OK);
		assert_true(str_eq(got_name, name(world, "note", kv)));
		assert_true(str_eq(got, name(world, "", world->now.kv[kv])));
		after = got_name;
	}
	assert_int_equal(store_next_kv(store, "space", after, world->kit->arena, &got_name, &got), ERR_NOT_FOUND);
}

static void
look(struct world *world)
{
	int                f = (int)draw(world, FEEDS);
	uint64_t           head = world->now.feeds[f].head;
	struct store_range range = {
		.after = draw(world, head + 2),
		.until = draw(world, 3) ? STORE_TO_HEAD : draw(world, head + 3),
		.limit = (uint32_t)draw(world, IDS + 3),
		.live_only = draw(world, 2) == 0,
		.epoch = 1,
	};
	uint64_t random = world->random;

	for (int i = 0; i < 2; i++) {
		world->random = random; /* the same questions to both */
		look_scan(world, world->stores[i], f, &range);
		look_made(world, world->stores[i], f, range);
		look_of_key(world, world->stores[i], f, range);
		look_points(world, world->stores[i], f);
		look_moment(world, world->stores[i], f);
		if (draw(world, 4) == 0) {
			look_feeds(world, world->stores[i]);
			look_kv(world, world->stores[i]);
		}
	}
}

/* ---- histories ------------------------------------------------------------------------------ */

static void
one_history(uint64_t seed)
{
	void             *state;
	struct world      world = { .random = seed };
	struct kit       *kit;
	struct store_conf conf;

	assert_int_equal(kit_begin(&state), 0);
	world.kit = kit = state;
	kit_open(kit);
	world.stores[1] = kit->store;
	conf = kit_conf(kit, STORE_SERVE);
	assert_int_equal(model_open(&conf, &world.stores[0]), OK);
	for (int i = 0; i < 60; i++) {
		if (draw(&world, 3) == 0)
			one_group(&world);
		else
			one_txn(&world);
		look(&world);
		if (draw(&world, 25) == 0) {
			store_close(&kit->store);
			kit_open(kit);
			world.stores[1] = kit->store;
		}
		arena_reset(kit->arena);
	}
	assert_int_equal(kit_faults(world.stores[0]), 0);
	assert_int_equal(kit_faults(world.stores[1]), 0);
	store_close(&world.stores[0]);
	assert_int_equal(kit_end(&state), 0);
}

static void
store_laws__every_engine_answers_as_the_model(void **state)
{
	uint64_t seed = runs_seed((uint64_t)clock_system.wall_ns(NULL) % 1000000000);
	uint64_t runs = runs_of(pg_test_database() ? 8 : 150);

	(void)state;
	print_message("TIDEMARK_SEED=%llu TIDEMARK_RUNS=%llu\n", (unsigned long long)seed, (unsigned long long)runs);
	for (uint64_t i = 0; i < runs; i++)
		one_history(seed + i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store_laws__every_engine_answers_as_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
