/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "follow/follow_item.h"
#include "follow/follow_value.h"

static void
test_value__is_the_same_whatever_its_spelling(void **state)
{
	static const struct {
		const char *a, *b;
		bool        same;
	} rows[] = {
		{ "1", "1.0", true },
		{ "10", "1e1", true },
		{ "0.01", "1E-2", true },
		{ "120", "12.00e+1", true },
		{ "0", "-0.0", true },
		{ "0e5", "0", true },
		{ "12345678901234567890123", "12345678901234567890123.0", true },
		{ "12345678901234567890123", "12345678901234567890124", false },
		{ "1", "-1", false },
		{ "1", "10", false },
		{ "0.1", "0.01", false },
		{ "1.5", "15", false },
		{ "1", "\"1\"", false },
		{ "\"a/b\"", "\"\\u0061\\/b\"", true },
		{ "\"a\"", "\"b\"", false },
		{ "\"\\ud800\"", "\"\\ud800\"", true },
		{ "\"\\ud800\"", "\"\\ud801\"", false },
		{ "[1,2]", "[ 1.0, 2 ]", true },
		{ "[1,2]", "[2,1]", false },
		{ "[1]", "[1,1]", false },
		{ "[]", "[1]", false },
		{ "{\"a\":1,\"b\":{\"c\":[]}}", "{ \"b\":{\"c\":[ ]},\"\\u0061\":1.0}", true },
		{ "{\"a\":1}", "{\"a\":1,\"b\":1}", false },
		{ "{\"a\":1,\"b\":1}", "{\"a\":1}", false },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "{}", "[]", false },
		{ "null", "false", false },
		{ "true", "true", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int turned = 0; turned < 2; turned++) {
			struct str a = str_from_c(turned ? rows[i].b : rows[i].a);
			struct str b = str_from_c(turned ? rows[i].a : rows[i].b);

			if (follow_value_same(a, b) != rows[i].same)
				fail_msg("%s and %s", rows[i].a, rows[i].b);
		}
}

static void
expect_shown(const char *body, const char *wanted)
{
	AUTO(buf_close) struct buf shown = { 0 };
	bool                       is_other;

	buf_open(&shown, 256);
	is_other = follow_item_shown(str_from_c(body), &shown);
	if (is_other != (wanted != NULL) || (wanted && !str_eq(buf_str(&shown), str_from_c(wanted))))
		fail_msg("%s: %.*s", body, (int)shown.len, shown.at);
}

static void
test_shown__only_escapes_that_stand_for_no_character_are_replaced(void **state)
{
	(void)state;
	expect_shown("{\"a\":\"b\"}", NULL);
	expect_shown("{\"a\":\"\\u00e9\\ud83d\\ude00\\\\u0000\"}", NULL);
	expect_shown("{\"a\":\"\\u0000\"}", "{\"a\":\"\\ufffd\"}");
	expect_shown("{\"a\":\"\\uD83Dx\\\\\\u0000\"}", "{\"a\":\"\\ufffdx\\\\\\ufffd\"}");
	expect_shown("{\"a\":\"\\ude00\\ud83d\"}", "{\"a\":\"\\ufffd\\ufffd\"}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_value__is_the_same_whatever_its_spelling),
		cmocka_unit_test(test_shown__only_escapes_that_stand_for_no_character_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
