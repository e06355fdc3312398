/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static const char *const characters[] = { "x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

/* Every text of up to six characters of one to four bytes, cut at every place: whole characters, and as many as fit. */
static void
test_str__a_cut_never_divides_a_character_and_takes_all_that_fit(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 4096; which++) {
		char   text[32];
		size_t ends[7] = { 0 }, len = 0;

		for (unsigned i = 0; i < 6; i++) {
			const char *one = characters[which >> (2 * i) & 3];

			memcpy(text + len, one, strlen(one));
			len += strlen(one);
			ends[i + 1] = len;
		}
		for (size_t n = 0; n <= len + 2; n++) {
			struct str cut = str_cut(str_of(text, len), n);
			size_t     wanted = 0;

			for (unsigned i = 0; i < 7; i++)
				wanted = ends[i] <= n ? ends[i] : wanted;
			assert_ptr_equal(cut.at, text);
			assert_int_equal(cut.len, wanted);
		}
	}
}

static void
test_str__a_cut_takes_any_bytes_and_loses_three_at_most(void **state)
{
	uint32_t chance = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char   text[12];
		size_t n = round % 14, most = n < sizeof(text) ? n : sizeof(text);

		for (size_t i = 0; i < sizeof(text); i++) {
			chance = chance * 1664525 + 1013904223;
			text[i] = (char)(chance >> 24 | 0x80);
		}
		assert_true(str_cut(str_of(text, sizeof(text)), n).len <= most);
		assert_true(str_cut(str_of(text, sizeof(text)), n).len + 3 >= most);
	}
	assert_int_equal(str_cut(STR("caf\xe9!"), 9).len, 5);
	assert_int_equal(str_cut(STR("\x80\x80\x80\x80\x80\x80"), 5).len, 5);
	assert_int_equal(str_cut((struct str){ NULL, 0 }, 5).len, 0);
}

static void
test_str__what_does_not_fit_is_printed_without_half_a_character(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(str_printf(text, sizeof(text), "%s", "abcde\xe2\x82\xac"), 5);
	assert_string_equal(text, "abcde");
	assert_int_equal(str_printf(text, sizeof(text), "%s",
	                            "abcd\xe2\x82\xac"
	                            "f"),
	                 7);
	assert_string_equal(text, "abcd\xe2\x82\xac");
	assert_int_equal(str_printf(text, sizeof(text), "%d", 7), 1);
	assert_string_equal(text, "7");
}

static void
test_str__words_bytes_and_parts_are_found_only_where_they_are(void **state)
{
	(void)state;
	assert_true(str_has_word(STR("alg typ kid"), ' ', STR("typ"), str_eq));
	assert_false(str_has_word(STR("alg typ kid"), ' ', STR("ty"), str_eq));
	assert_false(str_has_word(STR("alg typ kid"), ' ', STR("TYP"), str_eq));
	assert_true(str_has_word(STR("a\nB\n"), '\n', STR("b"), str_eq_nocase));
	assert_false(str_has_word(STR_EMPTY, ' ', STR("a"), str_eq));
	assert_true(str_is_within(STR("!~"), '!', '~'));
	assert_true(str_is_within(STR_EMPTY, '!', '~'));
	assert_false(str_is_within(STR(" "), '!', '~'));
	assert_false(str_is_within(STR("\x7f"), ' ', '~'));
	assert_false(str_is_within(STR("\xc3\xa9"), ' ', '~'));
	assert_int_equal(str_find_text(STR("a{tid}b"), STR("{tid}")), 1);
	assert_int_equal(str_find_text(STR("a{ti"), STR("{tid}")), 4);
	assert_int_equal(str_find_any(STR("ab/c?"), STR("?/")), 2);
	assert_int_equal(str_find_any(STR("ab"), STR("?/")), 2);
	assert_int_equal(str_span(STR(" \t a "), STR(" \t")), 3);
	assert_int_equal(str_span(STR("\0a"), STR(" \t")), 0);
	assert_int_equal(str_span(STR_EMPTY, STR(" \t")), 0);
	assert_true(str_eq(str_trim_of(STR("\r\n a b\n"), STR(" \r\n")), STR("a b")));
	assert_int_equal(str_trim_of(STR("\n\n"), STR("\n")).len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str__a_cut_never_divides_a_character_and_takes_all_that_fit),
		cmocka_unit_test(test_str__a_cut_takes_any_bytes_and_loses_three_at_most),
		cmocka_unit_test(test_str__what_does_not_fit_is_printed_without_half_a_character),
		cmocka_unit_test(test_str__words_bytes_and_parts_are_found_only_where_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
