/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph/route.h"

/* Overwrites the stack, so that a value left there by an earlier call cannot hide an uninitialised read. */
static __attribute__((noinline)) void
dirty_stack(void)
{
	char noise[32768];

	memset(noise, 0x70, sizeof(noise));
	__asm__ volatile("" : : "r"(noise) : "memory");
}

static enum err
parse(const char *path, struct arena *arena, struct route *route_out)
{
	dirty_stack();
	return route_parse(str_from_c(path), NULL, arena, route_out);
}

static void
test_route__a_path_that_ends_too_soon_is_unknown(void **state)
{
	static const char *const paths[] = {
		"/v1.0/me/$count",
		"/v1.0/me/calendar/$count",
		"/v1.0/me/calendars/$count/$count",
		"/v1.0/$count",
		"/v1.0/users('')",
		"/v1.0/users('')/calendars",
		"/v1.0/me/calendars('')",
		"/v1.0/me/calendars()",
		"/v1.0/me/calendars('')/permanentDelete",
		"/v1.0/me/calendarGroups('')",
		"/v1.0/me/calendarGroups('')/calendars",
		"/v1.0/me/onlineMeetings",
		"/v1.0/me/onlineMeetings('')",
		"/v1.0/me/onlineMeetings/x",
		"/v1.0/me/a/b/c/d/e/f/g/h/i/j/k/l/m/n",
		"/v1.0/a/b/c/d/e/f/g/h/i/j/k/l/m/n/calendars",
		"/v1.0/users/x/onlineMeetings/y/recordings/z/content/a/b/c/d/e/f/g",
		"/x",
	};
	struct arena *arena = arena_open((size_t)1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct route route;

		if (parse(paths[i], arena, &route) != OK || route.kind != ROUTE_UNKNOWN)
			fail_msg("%s is taken for something", paths[i]);
	}
	arena_close(&arena);
}

static void
test_route__a_key_is_in_brackets_or_the_next_segment(void **state)
{
	static const struct {
		const char     *path;
		enum route_kind kind;
		const char     *id;
	} cases[] = {
		{ "/v1.0/me/calendars/x", ROUTE_ITEM, "x" },
		{ "/beta/me/calendars('x')", ROUTE_ITEM, "x" },
		{ "/v1.0/me/calendars/x/permanentDelete", ROUTE_PERMANENT_DELETE, "x" },
		{ "/v1.0/me/calendars('it''s')", ROUTE_ITEM, "it's" },
		{ "/v1.0/me/calendars/a%28b%29", ROUTE_ITEM, "a(b)" },
		{ "/v1.0/me/calendar", ROUTE_DEFAULT_ITEM, "" },
		{ "/v1.0/me/calendars", ROUTE_COLLECTION, "" },
		{ "/v1.0/me/calendars/delta", ROUTE_DELTA, "" },
		{ "/v1.0/me/calendars/$count", ROUTE_COLLECTION, "" },
		{ "/v1.0/me", ROUTE_USER, "" },
		{ "/v1.0/users", ROUTE_USERS, "" },
		{ "/v1.0/users/$count", ROUTE_USERS, "" },
		{ "/v1.0/users/x", ROUTE_USER, "" },
	};
	struct arena *arena = arena_open((size_t)1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route route;

		assert_int_equal(parse(cases[i].path, arena, &route), OK);
		assert_int_equal(route.kind, cases[i].kind);
		assert_true(str_eq(route.id, str_from_c(cases[i].id)));
	}
	arena_close(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route__a_path_that_ends_too_soon_is_unknown),
		cmocka_unit_test(test_route__a_key_is_in_brackets_or_the_next_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
