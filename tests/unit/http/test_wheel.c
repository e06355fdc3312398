/* SPDX-License-Identifier: Apache-2.0 */
/* The wheel of deadlines, against the plain rule "due when its time has come". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "http/http_wheel.h"

#define TIMERS 200

static struct http_wheel *
wheel_open(int64_t now_ms)
{
	struct http_wheel *wheel = malloc(sizeof(*wheel));

	assert_non_null(wheel);
	http_wheel_open(wheel, now_ms);
	return wheel;
}

static void
test_wheel__hands_out_what_is_due_within_a_tick(void **state)
{
	struct http_wheel *wheel = wheel_open(1000);
	struct http_timer  timer = { 0 };

	(void)state;
	assert_int_equal(http_wheel_wait_ms(wheel, 1000), -1);
	http_wheel_put(wheel, &timer, 6000);
	assert_null(http_wheel_take(wheel, 5999));
	assert_ptr_equal(http_wheel_take(wheel, 6000 + HTTP_WHEEL_TICK_MS), &timer);
	assert_null(http_wheel_take(wheel, 1000000));
	assert_int_equal(http_wheel_wait_ms(wheel, 1000000), -1);
	free(wheel);
}

static void
test_wheel__leaves_a_timer_in_its_slot_when_it_is_pushed_back(void **state)
{
	struct http_wheel *wheel = wheel_open(0);
	struct http_timer  timer = { 0 };
	int64_t            tick;

	(void)state;
	http_wheel_put(wheel, &timer, 5000);
	tick = timer.tick;
	http_wheel_put(wheel, &timer, 9000);
	assert_int_equal(timer.tick, tick);
	assert_null(http_wheel_take(wheel, 8999));
	assert_ptr_equal(http_wheel_take(wheel, 9000 + HTTP_WHEEL_TICK_MS), &timer);
	free(wheel);
}

static void
test_wheel__moves_a_timer_forward(void **state)
{
	struct http_wheel *wheel = wheel_open(0);
	struct http_timer  timer = { 0 };

	(void)state;
	http_wheel_put(wheel, &timer, 60000);
	http_wheel_put(wheel, &timer, 500);
	assert_true(http_wheel_wait_ms(wheel, 0) <= 500 + HTTP_WHEEL_TICK_MS);
	assert_ptr_equal(http_wheel_take(wheel, 500 + HTTP_WHEEL_TICK_MS), &timer);
	free(wheel);
}

/* Who puts its timer back into the past must not hold up the round: others come, and then the next tick. */
static void
test_wheel__hands_out_a_timer_put_back_into_the_past_once_a_tick(void **state)
{
	struct http_wheel *wheel = wheel_open(0);
	struct http_timer  late = { 0 }, other = { 0 };
	unsigned           count = 0;

	(void)state;
	http_wheel_put(wheel, &late, 500);
	http_wheel_put(wheel, &other, 510);
	for (struct http_timer *timer; (timer = http_wheel_take(wheel, 1000)) != NULL; count++) {
		assert_true(count <= 2 * HTTP_WHEEL_SLOTS);
		if (timer == &late)
			http_wheel_put(wheel, &late, 500);
	}
	assert_false(http_link_is_listed(&other.link));
	assert_true(http_link_is_listed(&late.link));
	assert_ptr_equal(http_wheel_take(wheel, 1000 + HTTP_WHEEL_TICK_MS), &late);
	free(wheel);
}

static void
test_wheel__keeps_deadlines_beyond_its_round(void **state)
{
	const int64_t      far = (int64_t)HTTP_WHEEL_SLOTS * HTTP_WHEEL_TICK_MS * 5 + 7;
	struct http_wheel *wheel = wheel_open(0);
	struct http_timer  timer = { 0 };

	(void)state;
	http_wheel_put(wheel, &timer, far);
	for (int64_t now = 0; now < far; now += 1000)
		assert_null(http_wheel_take(wheel, now));
	assert_ptr_equal(http_wheel_take(wheel, far + HTTP_WHEEL_TICK_MS), &timer);
	free(wheel);
}

static void
test_wheel__forgets_what_is_removed_or_rests(void **state)
{
	struct http_wheel *wheel = wheel_open(0);
	struct http_timer  gone = { 0 }, resting = { 0 };

	(void)state;
	http_wheel_put(wheel, &gone, 1000);
	http_wheel_remove(wheel, &gone);
	http_wheel_remove(wheel, &gone);
	assert_int_equal(http_wheel_wait_ms(wheel, 0), -1);
	http_wheel_put(wheel, &resting, 1000);
	http_wheel_put(wheel, &resting, HTTP_WHEEL_NEVER);
	assert_null(http_wheel_take(wheel, 10000000));
	http_wheel_put(wheel, &resting, 10001000);
	assert_ptr_equal(http_wheel_take(wheel, 10002000), &resting);
	free(wheel);
}

/* Time jumps at random; no timer comes early, none is more than a tick late, the wait never oversleeps one. */
static void
test_wheel__agrees_with_the_plain_rule(void **state)
{
	struct http_wheel *wheel = wheel_open(0);
	struct http_timer  timers[TIMERS] = { 0 };
	int64_t            now = 0;

	(void)state;
	srand(7);
	for (unsigned round = 0; round < 20000; round++) {
		struct http_timer *due;
		struct http_timer *timer = &timers[rand() % TIMERS];
		int                wait;

		if (rand() % 20 == 0)
			http_wheel_remove(wheel, timer);
		else
			http_wheel_put(wheel, timer, now + rand() % (rand() % 10 ? 5000 : 100000));
		now += rand() % (rand() % 100 ? 50 : 80000);
		while ((due = http_wheel_take(wheel, now)) != NULL)
			assert_true(due->deadline_ms <= now);
		wait = http_wheel_wait_ms(wheel, now);
		for (unsigned i = 0; i < TIMERS; i++) {
			if (!http_link_is_listed(&timers[i].link))
				continue;
			assert_true(timers[i].deadline_ms > now - HTTP_WHEEL_TICK_MS);
			assert_true(wait >= 0 && now + wait <= timers[i].deadline_ms + HTTP_WHEEL_TICK_MS);
		}
	}
	free(wheel);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wheel__hands_out_what_is_due_within_a_tick),
		cmocka_unit_test(test_wheel__leaves_a_timer_in_its_slot_when_it_is_pushed_back),
		cmocka_unit_test(test_wheel__moves_a_timer_forward),
		cmocka_unit_test(test_wheel__hands_out_a_timer_put_back_into_the_past_once_a_tick),
		cmocka_unit_test(test_wheel__keeps_deadlines_beyond_its_round),
		cmocka_unit_test(test_wheel__forgets_what_is_removed_or_rests),
		cmocka_unit_test(test_wheel__agrees_with_the_plain_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
