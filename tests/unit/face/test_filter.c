/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "face/filter.h"

static struct arena *arena;

/* A calendar of that name; `flags` names those that are true. */
static struct calendar
calendar_of(const char *name, enum calendar_prop flag)
{
	struct calendar calendar = { 0 };

	calendar_set_text(&calendar, PROP_NAME, str_from_c(name), arena);
	for (int prop = 0; prop < PROP_COUNT; prop++)
		if (prop != PROP_NAME)
			calendar_set_flag(&calendar, (enum calendar_prop)prop, prop == (int)flag);
	return calendar;
}

static bool
holds(const char *text, const char *name, enum calendar_prop flag)
{
	struct calendar      calendar = calendar_of(name, flag);
	const struct filter *filter;
	struct str           why;

	assert_int_equal(filter_read(str_from_c(text), true, arena, &filter, &why), OK);
	return filter_holds(filter, calendar_name_key(&calendar, arena), &calendar);
}

static bool
is_refused(const char *text)
{
	const struct filter *filter = NULL;
	struct str           why = STR_EMPTY;
	bool                 refused = filter_read(str_from_c(text), false, arena, &filter, &why) == ERR_BAD_REQUEST;

	assert_true(refused == (why.len > 0) && refused == !filter);
	return refused;
}

static void
test_filter__and_binds_tighter_than_or(void **state)
{
	(void)state;
	assert_true(holds("name eq 'a' or name eq 'b' and canEdit", "a", PROP_COUNT));
	assert_false(holds("(name eq 'a' or name eq 'b') and canEdit", "a", PROP_COUNT));
	assert_true(holds("canEdit and name eq 'b' or name eq 'a'", "a", PROP_COUNT));
}

static void
test_filter__not_binds_to_what_follows(void **state)
{
	(void)state;
	assert_false(holds("not canEdit and canShare", "a", PROP_CAN_EDIT));
	assert_true(holds("not canEdit and canShare", "a", PROP_CAN_SHARE));
	assert_true(holds("not (canEdit and canShare)", "a", PROP_CAN_SHARE));
	assert_true(holds("not not canEdit", "a", PROP_CAN_EDIT));
}

static void
test_filter__compares_names_without_the_case_of_letters(void **state)
{
	(void)state;
	assert_true(holds("name eq 'WORK'", "work", PROP_COUNT));
	assert_true(holds("startswith(name,'wO')", "Work", PROP_COUNT));
	assert_true(holds("name eq 'it''s'", "It's", PROP_COUNT));
	assert_true(holds("name ne 'it''s'", "its", PROP_COUNT));
	assert_false(holds("name eq '\xc3\x84'", "\xc3\xa4", PROP_COUNT));
}

static void
test_filter__knows_every_flag(void **state)
{
	(void)state;
	assert_true(holds("isShared eq true", "a", PROP_IS_SHARED));
	assert_true(holds("isTallyingResponses ne false", "a", PROP_TALLYING));
	assert_false(holds("canViewPrivateItems eq false", "a", PROP_CAN_VIEW));
}

static void
test_filter__refuses_what_it_does_not_know(void **state)
{
	static const char *const rows[] = {
		"", " ", "name", "name eq", "name eq 'x", "name eq 'x' and", "canEdit eq 1", "color eq 'auto'", "isShared", ")",
		"(canEdit", "canEdit)", "canEdit canEdit", "startswith(name)", "startswith name,'x'", "not", "eq", "'x' eq name",
		"name eq 'x' or or canEdit",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!is_refused(rows[i]))
			fail_msg("%s", rows[i]);
	assert_false(is_refused("canEdit"));
}

static void
test_filter__has_a_greatest_depth(void **state)
{
	char text[3 * FILTER_DEPTH_MAX + 16];

	(void)state;
	for (size_t depth = FILTER_DEPTH_MAX - 1; depth <= FILTER_DEPTH_MAX; depth++) {
		memset(text, '(', depth);
		memcpy(text + depth, "canEdit", 7);
		memset(text + depth + 7, ')', depth);
		text[2 * depth + 7] = '\0';
		assert_true(is_refused(text) == (depth == FILTER_DEPTH_MAX));
	}
}

static void
test_order__is_by_name_only(void **state)
{
	bool descending = true;

	(void)state;
	assert_int_equal(order_read(STR("name"), &descending), OK);
	assert_false(descending);
	assert_int_equal(order_read(STR(" Name   DESC "), &descending), OK);
	assert_true(descending);
	assert_int_equal(order_read(STR("name asc"), &descending), OK);
	assert_false(descending);
	assert_int_equal(order_read(STR(""), &descending), ERR_BAD_REQUEST);
	assert_int_equal(order_read(STR("name desc asc"), &descending), ERR_BAD_REQUEST);
	assert_int_equal(order_read(STR("name,id"), &descending), ERR_BAD_REQUEST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter__and_binds_tighter_than_or),
		cmocka_unit_test(test_filter__not_binds_to_what_follows),
		cmocka_unit_test(test_filter__compares_names_without_the_case_of_letters),
		cmocka_unit_test(test_filter__knows_every_flag),
		cmocka_unit_test(test_filter__refuses_what_it_does_not_know),
		cmocka_unit_test(test_filter__has_a_greatest_depth),
		cmocka_unit_test(test_order__is_by_name_only),
	};
	int failed;

	arena = arena_open((size_t)1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_close(&arena);
	return failed;
}
