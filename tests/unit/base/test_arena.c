/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* What the library makes of the same format. */
#define SAME(arena, ...) \
	do { \
		char       wanted[256]; \
		int        len = snprintf(wanted, sizeof(wanted), __VA_ARGS__); \
		struct str text = arena_printf(arena, __VA_ARGS__); \
\
		assert_int_equal(text.len, len); \
		assert_memory_equal(text.at, wanted, (size_t)len); \
	} while (0)

static void
test_arena_printf__writes_what_the_library_would(void **state)
{
	struct arena *arena = arena_open((size_t)1 << 20);

	(void)state;
	SAME(arena, "plain");
	SAME(arena, "%s", "");
	SAME(arena, "a%sb%sc", "1", "23");
	SAME(arena, "%.*s-%.*s", 2, "abcdef", 0, "never");
	SAME(arena, "%.*s", 10, "short");
	SAME(arena, "%u %u %u", 0u, 7u, 4294967295u);
	SAME(arena, "100%% of %s", "it");
	SAME(arena, "%d %5u %02x %lu", -3, 42u, 10u, 123456789ul);
	SAME(arena, "%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l",
	     "m", "n", "o", "p", "q", "r");
	arena_close(&arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_printf__writes_what_the_library_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
