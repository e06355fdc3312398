/* SPDX-License-Identifier: Apache-2.0 */
/* What is dropped from the log of changes, and that nobody who would miss it is left in the dark. */
#include "follow_test.h"

#define HISTORIES   30
#define BOOKMARKS   6
#define LONG_ROUNDS 6 /* of FAR_ITEMS_MAX changes each: more than a piece */
#define DAY_MS      ((int64_t)24 * 3600 * 1000)

struct reader {
	uint64_t n;
	bool     has[FAR_ITEMS_MAX];
	uint64_t a[FAR_ITEMS_MAX], b[FAR_ITEMS_MAX];
};

/* False: it was reported that something is no longer stored. */
static bool
read_rest(struct kit *kit, struct reader *reader)
{
	struct replica_change change;
	struct replica_lost   lost;
	enum err              err;

	for (;;) {
		err = replica_next_change(kit->replica, kit_sid(kit), reader->n, &change);
		assert_true(err == OK || err == ERR_NOT_FOUND);
		if (replica_find_lost(kit->replica, kit_sid(kit), reader->n, REPLICA_NO_MARKS, &lost) == OK) {
			assert_true(lost.n > reader->n);
			replica_end_read(kit->replica);
			return false;
		}
		if (err == ERR_NOT_FOUND)
			return true;
		reader->n = change.n;
		reader->has[kit_id(change.id)] = change.kind != REPLICA_REMOVED;
		if (change.body.len > 0) {
			reader->a[kit_id(change.id)] = kit_number(change.body, STR("a"));
			reader->b[kit_id(change.id)] = kit_number(change.body, STR("b"));
		}
	}
}

static bool
knows_all(const struct kit *kit, const struct reader *reader)
{
	for (unsigned i = 0; i < FAR_ITEMS_MAX; i++) {
		const struct far_item *item = &kit->far.items[i];

		if (reader->has[i] != item->live ||
		    (item->live && (reader->a[i] != item->a || reader->b[i] != item->b)))
			return false;
	}
	return true;
}

static void
trim(struct kit *kit, int64_t acked_ms, int64_t other_ms)
{
	struct replica_keep keep = { acked_ms, other_ms };
	bool                done = false;

	while (!done)
		assert_int_equal(replica_trim(kit->replica, &keep, &done), OK);
}

static int64_t
kept(struct kit *kit)
{
	struct replica_change change;
	int64_t               count = 0;
	uint64_t              n = 0;

	for (; replica_next_change(kit->replica, 0, n, &change) == OK; count++)
		n = change.n;
	replica_end_read(kit->replica);
	return count;
}

static struct replica_scope
scope_of(struct kit *kit)
{
	struct replica_scope scope;

	arena_reset(kit->arena);
	assert_int_equal(replica_find_url(kit->replica, kit->conf.url, kit->arena, &scope), OK);
	return scope;
}

/* ---- any history ---------------------------------------------------------------------------- */

static void
write_and_sync(struct kit *kit)
{
	for (unsigned writes = rng_below(&kit->rng, 15); writes > 0; writes--)
		far_write(&kit->far);
	if (rng_below(&kit->rng, 5) == 0)
		kit->far.forgotten = kit->far.head;
	assert_int_equal(kit_sync(kit).next, FOLLOW_CAUGHT_UP);
	kit->far.forgotten = 0;
	assert_true(kit_is_equal(kit));
	kit->at.ns += (int64_t)rng_below(&kit->rng, 3) * DAY_MS * 1000000;
}

/* One reader reads on and, if it acknowledges, does so now and then; others take its place later, from where it once
 * was. */
static unsigned
one_history(uint64_t seed)
{
	struct kit    kit;
	struct reader reader = { 0 }, bookmarks[BOOKMARKS] = { 0 };
	bool          acknowledges = seed % 2;
	unsigned      lost = 0;
	int64_t       before_ms;

	kit_open(&kit, seed);
	kit_open_replica(&kit);
	kit.conf.guard.percent = 100;
	for (unsigned round = 0; round < 12; round++) {
		write_and_sync(&kit);
		assert_true(read_rest(&kit, &reader) && knows_all(&kit, &reader));
		if (acknowledges && rng_below(&kit.rng, 2) == 0)
			assert_int_equal(replica_ack(kit.replica, kit_sid(&kit), reader.n - reader.n % 3), OK);
		bookmarks[rng_below(&kit.rng, BOOKMARKS)] = reader;
		/* What the reader has read may go by age; it has read everything. */
		before_ms = clock_wall_ms(&kit.clock) - (int64_t)rng_below(&kit.rng, 4) * DAY_MS;
		trim(&kit, before_ms, before_ms);
		if (rng_below(&kit.rng, 3) == 0) {
			replica_close(&kit.replica);
			kit_open_replica(&kit);
		}
	}
	write_and_sync(&kit);
	for (unsigned i = 0; i < BOOKMARKS; i++) {
		if (!read_rest(&kit, &bookmarks[i]))
			lost++;
		else if (!knows_all(&kit, &bookmarks[i]))
			fail_msg("seed %llu: nothing was reported to a reader of changes that had been dropped",
			         (unsigned long long)seed);
	}
	kit_close(&kit);
	return lost;
}

static void
test_trim__without_a_reported_loss_a_reader_has_lost_nothing(void **state)
{
	unsigned lost = 0;

	(void)state;
	for (unsigned i = 0; i < HISTORIES; i++)
		lost += one_history(500 + i);
	/* Both ways must have been walked. */
	assert_true(lost > HISTORIES && lost < HISTORIES * (BOOKMARKS - 1));
}

/* ---- the rules ------------------------------------------------------------------------------ */

static void
test_trim__what_is_acknowledged_goes_and_nothing_else_however_old(void **state)
{
	struct kit          kit;
	struct replica_lost lost;

	(void)state;
	kit_open(&kit, 1);
	kit_open_replica(&kit);
	for (unsigned i = 0; i < 5; i++)
		far_put(&kit.far, i, i, i);
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	for (unsigned i = 0; i < 5; i++)
		far_put(&kit.far, i, i + 100, i);
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	kit.at.ns += 400 * DAY_MS * 1000000;
	assert_int_equal(replica_ack(kit.replica, kit_sid(&kit), 3), OK);
	trim(&kit, clock_wall_ms(&kit.clock) - 500 * DAY_MS, clock_wall_ms(&kit.clock));
	assert_int_equal(scope_of(&kit).lost, 0);
	trim(&kit, clock_wall_ms(&kit.clock), clock_wall_ms(&kit.clock));
	assert_int_equal(scope_of(&kit).lost, 3);
	assert_int_equal(replica_find_lost(kit.replica, 0, 2, REPLICA_NO_MARKS, &lost), OK);
	assert_string_equal(lost.scope, "things");
	assert_int_equal(replica_find_lost(kit.replica, 0, 3, REPLICA_NO_MARKS, &lost), ERR_NOT_FOUND);
	assert_int_equal(replica_find_lost(kit.replica, 0, 0, REPLICA_ACKED, &lost), ERR_NOT_FOUND);
	assert_int_equal(replica_ack(kit.replica, kit_sid(&kit), 7), OK);
	trim(&kit, clock_wall_ms(&kit.clock), clock_wall_ms(&kit.clock));
	assert_int_equal(scope_of(&kit).lost, 7);
	assert_int_equal(kept(&kit), 3);
	kit_close(&kit);
}

static void
test_trim__without_acknowledgements_age_decides_and_a_later_mark_does_not_hide_it(void **state)
{
	struct kit          kit;
	struct replica_lost lost;

	(void)state;
	kit_open(&kit, 2);
	kit_open_replica(&kit);
	for (unsigned day = 0; day < 4; day++) {
		far_put(&kit.far, day, 1, 1);
		assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
		kit.at.ns += DAY_MS * 1000000;
	}
	trim(&kit, clock_wall_ms(&kit.clock), clock_wall_ms(&kit.clock) - 5 * DAY_MS);
	assert_int_equal(scope_of(&kit).lost, 0);
	trim(&kit, 0, clock_wall_ms(&kit.clock) - 3 * DAY_MS + 1);
	assert_int_equal(scope_of(&kit).lost, 2);
	assert_int_equal(kept(&kit), 2);
	assert_int_equal(replica_ack(kit.replica, kit_sid(&kit), 1), OK);
	assert_int_equal(replica_find_lost(kit.replica, 0, 0, REPLICA_ACKED, &lost), OK);
	assert_int_equal(lost.n, 2);
	assert_int_equal(replica_mark_printed(kit.replica, kit_sid(&kit), 2), OK);
	assert_int_equal(replica_find_lost(kit.replica, 0, 0, REPLICA_PRINTED, &lost), ERR_NOT_FOUND);
	kit_close(&kit);
}

/* The clock was set back: the change after a young one is called old, and must not take the young one along. */
static void
test_trim__a_clock_that_was_set_back_takes_nothing_young(void **state)
{
	struct kit kit;

	(void)state;
	kit_open(&kit, 6);
	kit_open_replica(&kit);
	for (unsigned i = 0; i < 4; i++) {
		far_put(&kit.far, i, 1, 1);
		assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
		kit.at.ns += (i == 1 ? 30 : i == 2 ? -30 : 0) * DAY_MS * 1000000;
	}
	trim(&kit, 0, clock_wall_ms(&kit.clock) + DAY_MS);
	assert_int_equal(scope_of(&kit).lost, 2);
	assert_int_equal(kept(&kit), 2);
	kit_close(&kit);
}

/* Numbers are of the whole store, but what one scope has dropped is no loss to those who read another. */
static void
test_trim__a_scope_that_has_dropped_nothing_owes_nothing(void **state)
{
	struct kit          kit;
	struct replica_lost lost;
	int64_t             first;

	(void)state;
	kit_open(&kit, 3);
	kit_open_replica(&kit);
	far_put(&kit.far, 1, 1, 1);
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	first = kit_sid(&kit);
	kit.conf.url = STR("https://graph.example.com/v1.0/others/delta");
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	far_put(&kit.far, 2, 1, 1);
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	assert_int_equal(replica_ack(kit.replica, first, 3), OK);
	trim(&kit, INT64_MAX, 0);
	/* The first scope's only change was number 1. */
	assert_int_equal(replica_find_lost(kit.replica, 0, 0, REPLICA_NO_MARKS, &lost), OK);
	assert_int_equal(lost.n, 1);
	assert_int_equal(replica_find_lost(kit.replica, kit_sid(&kit), 0, REPLICA_NO_MARKS, &lost), ERR_NOT_FOUND);
	assert_int_equal(replica_find_lost(kit.replica, 0, 1, REPLICA_NO_MARKS, &lost), ERR_NOT_FOUND);
	assert_int_equal(kept(&kit), 2);
	kit_close(&kit);
}

/* Each piece is a commit of its own, and true by itself. */
static void
test_trim__a_long_log_goes_in_pieces(void **state)
{
	struct replica_keep keep = { INT64_MAX, 0 };
	struct kit          kit;
	unsigned            pieces = 0;
	bool                done = false;

	(void)state;
	kit_open(&kit, 4);
	kit_open_replica(&kit);
	far_put(&kit.far, 0, 0, 0);
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	kit.far.page_size = FAR_ITEMS_MAX;
	for (unsigned round = 0; round < LONG_ROUNDS; round++) {
		for (unsigned i = 0; i < FAR_ITEMS_MAX; i++)
			far_put(&kit.far, i, round + 1, i);
		assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	}
	assert_int_equal(replica_ack(kit.replica, kit_sid(&kit), LONG_ROUNDS * FAR_ITEMS_MAX), OK);
	while (!done) {
		uint64_t before = scope_of(&kit).lost;

		assert_int_equal(replica_trim(kit.replica, &keep, &done), OK);
		pieces++;
		assert_true(done || scope_of(&kit).lost > before);
	}
	assert_int_equal(scope_of(&kit).lost, LONG_ROUNDS * FAR_ITEMS_MAX);
	assert_int_equal(kept(&kit), 1);
	assert_true(pieces > 2);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trim__without_a_reported_loss_a_reader_has_lost_nothing),
		cmocka_unit_test(test_trim__what_is_acknowledged_goes_and_nothing_else_however_old),
		cmocka_unit_test(test_trim__without_acknowledgements_age_decides_and_a_later_mark_does_not_hide_it),
		cmocka_unit_test(test_trim__a_clock_that_was_set_back_takes_nothing_young),
		cmocka_unit_test(test_trim__a_scope_that_has_dropped_nothing_owes_nothing),
		cmocka_unit_test(test_trim__a_long_log_goes_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
