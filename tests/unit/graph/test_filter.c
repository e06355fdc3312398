/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph/filter.h"
#include "resource/calendar.h"
#include "resource/values.h"

static struct arena *arena;

/* A calendar of that name; `flags` names those that are true. */
static struct values
calendar_of(const char *name, size_t flag)
{
	struct values calendar = { 0 };

	values_set_text(&calendar, CALENDAR_NAME, str_from_c(name), arena);
	for (size_t row = 0; row < resource_calendar.property_count; row++)
		if (row != CALENDAR_NAME)
			values_set_flag(&calendar, row, row == flag);
	return calendar;
}

static bool
holds(const char *text, const char *name, size_t flag)
{
	struct values        calendar = calendar_of(name, flag);
	const struct filter *filter;
	struct str           why;

	assert_int_equal(filter_read(&resource_calendar, str_from_c(text), true, arena, &filter, &why), OK);
	return filter_holds(filter, &calendar, arena);
}

static bool
is_refused(const char *text)
{
	const struct filter *filter = NULL;
	struct str           why = STR_EMPTY;
	enum err             err = filter_read(&resource_calendar, str_from_c(text), false, arena, &filter, &why);
	bool                 refused = err == ERR_BAD_REQUEST;

	assert_true(refused == (why.len > 0) && refused == !filter);
	return refused;
}

static void
test_filter__and_binds_tighter_than_or(void **state)
{
	(void)state;
	assert_true(holds("name eq 'a' or name eq 'b' and canEdit", "a", RESOURCE_PROPERTIES_MAX));
	assert_false(holds("(name eq 'a' or name eq 'b') and canEdit", "a", RESOURCE_PROPERTIES_MAX));
	assert_true(holds("canEdit and name eq 'b' or name eq 'a'", "a", RESOURCE_PROPERTIES_MAX));
}

static void
test_filter__not_binds_to_what_follows(void **state)
{
	(void)state;
	assert_false(holds("not canEdit and canShare", "a", CALENDAR_CAN_EDIT));
	assert_true(holds("not canEdit and canShare", "a", CALENDAR_CAN_SHARE));
	assert_true(holds("not (canEdit and canShare)", "a", CALENDAR_CAN_SHARE));
	assert_true(holds("not not canEdit", "a", CALENDAR_CAN_EDIT));
}

static void
test_filter__compares_names_without_the_case_of_letters(void **state)
{
	(void)state;
	assert_true(holds("name eq 'WORK'", "work", RESOURCE_PROPERTIES_MAX));
	assert_true(holds("startswith(name,'wO')", "Work", RESOURCE_PROPERTIES_MAX));
	assert_true(holds("name eq 'it''s'", "It's", RESOURCE_PROPERTIES_MAX));
	assert_true(holds("name ne 'it''s'", "its", RESOURCE_PROPERTIES_MAX));
	assert_false(holds("name eq '\xc3\x84'", "\xc3\xa4", RESOURCE_PROPERTIES_MAX));
}

static void
test_filter__knows_every_flag(void **state)
{
	(void)state;
	assert_true(holds("isShared eq true", "a", CALENDAR_IS_SHARED));
	assert_true(holds("isTallyingResponses ne false", "a", CALENDAR_TALLYING));
	assert_false(holds("canViewPrivateItems eq false", "a", CALENDAR_CAN_VIEW));
}

static void
test_filter__refuses_what_it_does_not_know(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"name",
		"name eq",
		"name eq 'x",
		"name eq 'x' and",
		"canEdit eq 1",
		"color eq 'auto'",
		"isShared",
		")",
		"(canEdit",
		"canEdit)",
		"canEdit canEdit",
		"startswith(name)",
		"startswith name,'x'",
		"not",
		"eq",
		"'x' eq name",
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
	struct str why;
	size_t     row = 0;
	bool       descending = true;

	(void)state;
	assert_int_equal(order_read(&resource_calendar, STR("name"), false, arena, &row, &descending, &why), OK);
	assert_false(descending);
	assert_int_equal(order_read(&resource_calendar, STR(" Name   DESC "), false, arena, &row, &descending, &why),
	                 OK);
	assert_true(descending);
	assert_int_equal(order_read(&resource_calendar, STR("name asc"), false, arena, &row, &descending, &why), OK);
	assert_false(descending);
	assert_int_equal(order_read(&resource_calendar, STR(""), false, arena, &row, &descending, &why),
	                 ERR_BAD_REQUEST);
	assert_int_equal(order_read(&resource_calendar, STR("name desc asc"), false, arena, &row, &descending, &why),
	                 ERR_BAD_REQUEST);
	assert_int_equal(order_read(&resource_calendar, STR("name,id"), false, arena, &row, &descending, &why),
	                 ERR_BAD_REQUEST);
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
