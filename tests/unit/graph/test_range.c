/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph/range.h"

static const struct {
	const char     *field;
	uint64_t        size;
	enum range_kind kind;
	uint64_t        from, len;
} table[] = {
	{ "bytes=0-", 100, RANGE_PART, 0, 100 },
	{ "bytes=0-0", 100, RANGE_PART, 0, 1 },
	{ "bytes=0-99", 100, RANGE_PART, 0, 100 },
	{ "bytes=0-100", 100, RANGE_PART, 0, 100 },
	{ "bytes=10-19", 100, RANGE_PART, 10, 10 },
	{ "bytes=99-", 100, RANGE_PART, 99, 1 },
	{ "bytes=99-99", 100, RANGE_PART, 99, 1 },
	{ "BYTES=1-2", 100, RANGE_PART, 1, 2 },
	{ "bytes= 1-2 ", 100, RANGE_PART, 1, 2 },
	{ "bytes=0000000000000000000001-2", 100, RANGE_PART, 1, 2 },
	{ "bytes=5-18446744073709551615", 100, RANGE_PART, 5, 95 },
	{ "bytes=5-99999999999999999999999999", 100, RANGE_PART, 5, 95 },
	{ "bytes=4294967296-4294967299", UINT64_C(5000000000), RANGE_PART, UINT64_C(4294967296), 4 },
	{ "bytes=-1", 100, RANGE_PART, 99, 1 },
	{ "bytes=-100", 100, RANGE_PART, 0, 100 },
	{ "bytes=-101", 100, RANGE_PART, 0, 100 },
	{ "bytes=-18446744073709551616", 100, RANGE_PART, 0, 100 },
	/* outside */
	{ "bytes=100-", 100, RANGE_OUTSIDE, 0, 0 },
	{ "bytes=100-200", 100, RANGE_OUTSIDE, 0, 0 },
	{ "bytes=9223372036854775807-", 100, RANGE_OUTSIDE, 0, 0 },
	{ "bytes=18446744073709551616-", 100, RANGE_OUTSIDE, 0, 0 },
	{ "bytes=-0", 100, RANGE_OUTSIDE, 0, 0 },
	{ "bytes=0-", 0, RANGE_OUTSIDE, 0, 0 },
	{ "bytes=-5", 0, RANGE_OUTSIDE, 0, 0 },
	/* not a range that is honoured: the whole */
	{ "", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=-", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=5", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=5-2", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=a-b", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=1-2x", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=+1-2", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=--2", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=1--2", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=0x1-2", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=1 -2", 100, RANGE_WHOLE, 0, 0 },
	{ "items=0-5", 100, RANGE_WHOLE, 0, 0 },
	{ " bytes=0-5", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes =0-5", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=0-5,10-15", 100, RANGE_WHOLE, 0, 0 },
	{ "bytes=0-5,", 100, RANGE_WHOLE, 0, 0 },
	{ ",", 100, RANGE_WHOLE, 0, 0 },
};

static void
test_range__is_read_as_the_rfc_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t        from = 7, len = 7;
		enum range_kind kind = range_read(str_from_c(table[i].field), table[i].size, &from, &len);

		if (kind != table[i].kind || (kind == RANGE_PART && (from != table[i].from || len != table[i].len)))
			fail_msg("'%s' of %llu: %d %llu+%llu", table[i].field, (unsigned long long)table[i].size, kind,
			         (unsigned long long)from, (unsigned long long)len);
	}
}

static void
test_range__a_part_never_leaves_the_whole(void **state)
{
	static const char signs[] = "0123456789-,=bytes ";
	char              text[24] = "bytes=";

	(void)state;
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		size_t   len = 6 + (size_t)random() % 12;
		uint64_t size = (uint64_t)random() % 2000, from = 0, count = 0;

		for (size_t at = 6; at < len; at++)
			text[at] = signs[(size_t)random() % (sizeof(signs) - 1)];
		if (range_read(str_of(text, len), size, &from, &count) == RANGE_PART)
			assert_true(count > 0 && from < size && count <= size - from);
	}
}

static void
test_range__entity_tags_are_found_in_lists(void **state)
{
	struct str tag = STR("\"abc\"");

	(void)state;
	assert_true(etag_list_has(STR("\"abc\""), tag, false));
	assert_true(etag_list_has(STR("\"x\", \"abc\""), tag, false));
	assert_true(etag_list_has(STR("*"), tag, false));
	assert_true(etag_list_has(STR("W/\"abc\""), tag, true));
	assert_false(etag_list_has(STR("W/\"abc\""), tag, false));
	assert_false(etag_list_has(STR("abc"), tag, true));
	assert_false(etag_list_has(STR("\"abcd\""), tag, true));
	assert_false(etag_list_has(STR(""), tag, true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range__is_read_as_the_rfc_says),
		cmocka_unit_test(test_range__a_part_never_leaves_the_whole),
		cmocka_unit_test(test_range__entity_tags_are_found_in_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
