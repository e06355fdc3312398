/* SPDX-License-Identifier: Apache-2.0 */
/* Purging by steps, over feeds that are written here and feeds that are followed. */
#include "admin/gc.h"

#include "unit/store/followed_kit.h"

static void
run(struct kit *kit, struct gc *gc)
{
	for (int steps = 0; !gc->done && steps < 20; steps++) {
		struct gc step = *gc; /* only the cursor and the sums go from one step to the next */

		assert_int_equal(gc_step(&step, 1), OK);
		assert_true(step.feeds - gc->feeds <= 1);
		*gc = (struct gc){ .store = kit->store,
			           .clock = &kit->clock,
			           .until_ms = gc->until_ms,
			           .dry_run = gc->dry_run,
			           .after = step.after,
			           .done = step.done,
			           .feeds = step.feeds,
			           .purged = step.purged };
	}
	assert_true(gc->done);
}

static void
test_gc__purges_feeds_that_are_written_and_feeds_that_are_followed(void **state)
{
	struct kit       *kit = *state;
	struct store_feed feed = feed_of(kit, "a");
	struct gc         gc = { .store = kit->store, .clock = &kit->clock, .until_ms = 150, .dry_run = true };
	struct store_feed native;

	kit->now_ms = 100;
	assert_int_equal(kit_put(kit->store, kit->arena, "x", "1"), OK);
	assert_int_equal(kit_remove(kit->store, kit->arena, "x"), OK);
	run(kit, &gc);
	assert_int_equal(gc.feeds, 2);
	assert_int_equal(gc.purged, 2);
	assert_string_equal(read_all(kit, &feed), "a1 b2 -c3.2 d4 -e5.1 f6");

	/* A dry run counts also what is older than the oldest round that is known. */
	write_sql(kit, "DELETE FROM follow_range");
	gc = (struct gc){ .store = kit->store, .clock = &kit->clock, .until_ms = 150, .dry_run = true };
	run(kit, &gc);
	assert_int_equal(gc.purged, 2);
	gc = (struct gc){ .store = kit->store, .clock = &kit->clock, .until_ms = 150 };
	run(kit, &gc);
	assert_int_equal(gc.feeds, 2);
	assert_int_equal(gc.purged, 2);
	assert_string_equal(read_all(kit, &feed), "a1 b2 d4 -e5.1 f6");
	native = kit_feed;
	assert_string_equal(read_all(kit, &native), "");
	assert_int_equal(kit_faults(kit->store), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gc__purges_feeds_that_are_written_and_feeds_that_are_followed,
		                                scene_begin, kit_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
