/* SPDX-License-Identifier: Apache-2.0 */
#include "follow_test.h"

static void
test_follow__a_first_round_becomes_the_view_whole(void **state)
{
	struct kit           kit;
	struct follow       *follow;
	struct follow_report report;
	struct str           id = STR_EMPTY, body;

	(void)state;
	kit_open(&kit, 1);
	kit_open_replica(&kit);
	for (unsigned i = 0; i < 10; i++)
		far_put(&kit.far, i, i, 0);
	follow = kit_follow(&kit);
	do {
		assert_int_equal(replica_next_item(kit.replica, follow_sid(follow), STR_EMPTY, &id, &body),
		                 ERR_NOT_FOUND);
		report = kit_run(&kit, follow, 1);
	} while (report.next == FOLLOW_AGAIN);
	assert_int_equal(report.next, FOLLOW_CAUGHT_UP);
	assert_int_equal(report.tally.created, 10);
	assert_true(kit_is_equal(&kit));
	follow_close(&follow);
	kit_close(&kit);
}

static void
test_follow__later_rounds_bring_what_changed(void **state)
{
	struct kit           kit;
	struct follow_report report;

	(void)state;
	kit_open(&kit, 2);
	kit_open_replica(&kit);
	for (unsigned i = 0; i < 10; i++)
		far_put(&kit.far, i, i, 0);
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	far_put(&kit.far, 3, 99, 0);
	far_remove(&kit.far, 4);
	far_put(&kit.far, 11, 1, 1);
	report = kit_sync(&kit);
	assert_int_equal(report.next, FOLLOW_CAUGHT_UP);
	assert_int_equal(report.tally.created, 1);
	assert_int_equal(report.tally.updated, 1);
	assert_int_equal(report.tally.removed, 1);
	assert_true(kit_is_equal(&kit));
	far_put(&kit.far, 4, 5, 6);
	assert_int_equal(kit_sync(&kit).tally.returned, 1);
	assert_true(kit_is_equal(&kit));
	kit_close(&kit);
}

static void
test_follow__a_round_with_too_many_pages_is_dropped_and_the_view_stays(void **state)
{
	struct kit kit;

	(void)state;
	kit_open(&kit, 3);
	kit_open_replica(&kit);
	far_put(&kit.far, 1, 1, 1);
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	for (unsigned i = 2; i < 20; i++)
		far_put(&kit.far, i, i, 0);
	kit.conf.limits.pages_max = 3;
	assert_int_equal(kit_sync(&kit).next, FOLLOW_BROKEN);
	kit.conf.limits.pages_max = 0;
	assert_int_equal(kit_sync(&kit).next, FOLLOW_CAUGHT_UP);
	assert_true(kit_is_equal(&kit));
	kit_close(&kit);
}

static void
test_follow__a_round_that_lasts_too_long_is_dropped(void **state)
{
	struct kit     kit;
	struct follow *follow;

	(void)state;
	kit_open(&kit, 4);
	kit_open_replica(&kit);
	for (unsigned i = 0; i < 20; i++)
		far_put(&kit.far, i, i, 0);
	follow = kit_follow(&kit);
	assert_int_equal(kit_run(&kit, follow, 3).next, FOLLOW_AGAIN);
	kit.at.ns += (int64_t)25 * 3600 * 1000000000;
	assert_int_equal(kit_run(&kit, follow, 1).next, FOLLOW_BROKEN);
	assert_int_equal(kit_run(&kit, follow, 1000).next, FOLLOW_CAUGHT_UP);
	assert_true(kit_is_equal(&kit));
	follow_close(&follow);
	kit_close(&kit);
}

static void
test_follow__one_pause_holds_for_all_who_share_it(void **state)
{
	struct kit           kit;
	struct follow_pause  pause = { 0 };
	struct follow       *one, *other;
	struct follow_report report;
	uint64_t             fetches;

	(void)state;
	kit_open(&kit, 5);
	kit_open_replica(&kit);
	kit.conf.pause = &pause;
	one = kit_follow(&kit);
	kit.conf.url = STR("https://graph.example.com/v1.0/others/delta");
	other = kit_follow(&kit);
	kit.far.throttles = 1;
	assert_int_equal(follow_step(one, &report), OK);
	assert_int_equal(follow_step(one, &report), OK);
	assert_int_equal(report.next, FOLLOW_WAIT);
	assert_true(report.throttled && report.wait_ms >= 2500 && report.wait_ms <= 3125);
	fetches = kit.far.fetches;
	assert_int_equal(follow_step(other, &report), OK);
	assert_int_equal(follow_step(other, &report), OK);
	assert_int_equal(report.next, FOLLOW_WAIT);
	assert_int_equal(kit.far.fetches, fetches);
	kit.at.ns += (int64_t)4 * 1000000000;
	kit.far.throttles = 0;
	assert_int_equal(kit_run(&kit, other, 100).next, FOLLOW_CAUGHT_UP);
	follow_close(&one);
	follow_close(&other);
	kit_close(&kit);
}

static void
test_follow__pauses_without_a_page_in_between_are_borne_only_so_long(void **state)
{
	struct kit kit;

	(void)state;
	kit_open(&kit, 6);
	kit_open_replica(&kit);
	kit.conf.max_wait_ms = 6000;
	kit.far.throttles = 1;
	assert_int_equal(kit_sync(&kit).next, FOLLOW_TROUBLED);
	assert_int_equal(kit.far.fetches, 3);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follow__a_first_round_becomes_the_view_whole),
		cmocka_unit_test(test_follow__later_rounds_bring_what_changed),
		cmocka_unit_test(test_follow__a_round_with_too_many_pages_is_dropped_and_the_view_stays),
		cmocka_unit_test(test_follow__a_round_that_lasts_too_long_is_dropped),
		cmocka_unit_test(test_follow__one_pause_holds_for_all_who_share_it),
		cmocka_unit_test(test_follow__pauses_without_a_page_in_between_are_borne_only_so_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
