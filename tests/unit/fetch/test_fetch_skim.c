/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fetch/fetch_skim.h"

static void
skim(struct str text, size_t piece, struct buf *out)
{
	struct fetch_skim state = { 0 };

	buf_cut(out, 0);
	for (size_t at = 0; at < text.len; at += piece)
		fetch_skim_put(&state, str_first(str_skip(text, at), piece), out);
	assert_int_equal(buf_err(out), OK);
}

static void
test_skim__the_shape_of_a_page_is_left_however_it_comes_in_pieces(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"value\":[{\"id\":\"a\",\"b\":[1,{\"c\":\"]}\\\"\"}],\"d\":{}}],\"@odata.deltaLink\":\"x\"}",
		  "{\"value\":[{\"id\":\"a\",\"b\":[],\"d\":{}}],\"@odata.deltaLink\":\"x\"}" },
		{ "{\"value\":[{\"id\":\"\\\\\",\"n\":1.5e3,\"t\":true},{}], \"x\":null}",
		  "{\"value\":[{\"id\":\"\\\\\",\"n\":1.5e3,\"t\":true},{}], \"x\":null}" },
		{ "<html>", "<html>" },
		{ "]]}}{\"a\":1}", "]]}}{\"a\":1}" },
	};
	struct buf out;

	(void)state;
	buf_open(&out, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece < 9; piece++) {
			skim(str_from_c(rows[i][0]), piece, &out);
			if (!str_eq(buf_str(&out), str_from_c(rows[i][1])))
				fail_msg("%s: %.*s", rows[i][0], STR_ARG(buf_str(&out)));
		}
	buf_close(&out);
}

/* A long string of an item is cut between two characters; a string of the page is not. */
static void
test_skim__a_text_is_cut_between_two_characters(void **state)
{
	static const char *const chars[] = { "x", "\xc3\xa9", "\\n", "\\\\", "\\u00e9", "\xf0\x9f\x98\x80" };
	struct buf               text, out;

	(void)state;
	buf_open(&text, 1 << 20);
	buf_open(&out, 1 << 20);
	for (size_t i = 0; i < sizeof(chars) / sizeof(chars[0]); i++)
		for (size_t shift = 0; shift < 6; shift++) {
			size_t len = strlen(chars[i]), kept;

			buf_cut(&text, 0);
			buf_put(&text, STR("{\"value\":[{\"t\":\""));
			for (size_t j = 0; j < shift; j++)
				buf_put_char(&text, '-');
			for (size_t j = 0; j < 10000; j++)
				buf_put(&text, str_from_c(chars[i]));
			buf_put(&text, STR("\",\"id\":\"a\"}]}"));
			skim(buf_str(&text), 7, &out);
			assert_true(str_ends(buf_str(&out), STR("\",\"id\":\"a\"}]}")));
			kept = out.len - strlen("{\"value\":[{\"t\":\"") - strlen("\",\"id\":\"a\"}]}") - shift;
			assert_true(kept % len == 0 && kept + shift >= FETCH_SKIM_TEXT &&
			            kept + shift < FETCH_SKIM_TEXT + len);
		}
	buf_cut(&text, 0);
	buf_put(&text, STR("{\"@odata.nextLink\":\""));
	for (size_t j = 0; j < 100000; j++)
		buf_put_char(&text, 'x');
	buf_put(&text, STR("\"}"));
	skim(buf_str(&text), 4096, &out);
	assert_true(str_eq(buf_str(&out), buf_str(&text)));
	buf_close(&text);
	buf_close(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_skim__the_shape_of_a_page_is_left_however_it_comes_in_pieces),
		cmocka_unit_test(test_skim__a_text_is_cut_between_two_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
