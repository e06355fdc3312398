/* SPDX-License-Identifier: Apache-2.0 */
#include "text_test.h"

#include "text/json_check.h"
#include "text/json_write.h"

static void
test_json_write__commas_and_colons_are_its_business(void **state)
{
	struct buf      buf;
	struct json_out out;

	(void)state;
	buf_open(&buf, 4096);
	json_out_open(&out, &buf);
	json_put_object(&out);
	json_put_member(&out, STR("id"), STR("a\"b"));
	json_put_member_int(&out, STR("n"), -7);
	json_put_member_bool(&out, STR("yes"), true);
	json_put_member_bool(&out, STR("no"), false);
	json_put_member_raw(&out, STR("raw"), STR("{\"x\":1.50}"));
	json_put_name(&out, STR("value"));
	json_put_array(&out);
	json_put_int(&out, 1);
	json_put_raw(&out, STR("null"));
	json_put_array(&out);
	json_end_array(&out);
	json_put_object(&out);
	json_end_object(&out);
	json_put_raw(&out, STR("0.10"));
	json_put_text(&out, STR(""));
	json_end_array(&out);
	json_put_name(&out, STR("last"));
	json_put_raw(&out, STR("null"));
	json_end_object(&out);
	assert_int_equal(buf_err(&buf), OK);
	assert_text(buf_str(&buf), STR("{\"id\":\"a\\\"b\",\"n\":-7,\"yes\":true,\"no\":false,\"raw\":{\"x\":1.50},"
	                               "\"value\":[1,null,[],{},0.10,\"\"],\"last\":null}"));
	buf_close(&buf);
}

static struct str
written_int(struct buf *buf, int64_t value)
{
	struct json_out out;

	buf_cut(buf, 0);
	json_out_open(&out, buf);
	json_put_int(&out, value);
	return buf_str(buf);
}

static void
test_json_write__integers_are_whole_at_both_ends(void **state)
{
	struct buf buf;

	(void)state;
	buf_open(&buf, 64);
	assert_text(written_int(&buf, 0), STR("0"));
	assert_text(written_int(&buf, -1), STR("-1"));
	assert_text(written_int(&buf, INT64_MAX), STR("9223372036854775807"));
	assert_text(written_int(&buf, INT64_MIN), STR("-9223372036854775808"));
	buf_close(&buf);
}

static void
test_json_write__what_json_cannot_hold_bare_is_escaped(void **state)
{
	struct buf buf;

	(void)state;
	buf_open(&buf, 4096);
	json_quote(&buf, STR("\b\f\n\r\t\"\\/\x01\x1f\x7f\xc3\xa9\xf0\x9f\x98\x80'<>&"));
	assert_text(buf_str(&buf), STR("\"\\b\\f\\n\\r\\t\\\"\\\\/\\u0001\\u001f\x7f\xc3\xa9\xf0\x9f\x98\x80'<>&\""));
	buf_cut(&buf, 0);
	json_quote(&buf, STR_EMPTY);
	assert_text(buf_str(&buf), STR("\"\""));
	buf_cut(&buf, 0);
	json_quote(&buf, (struct str){ NULL, 0 });
	assert_text(buf_str(&buf), STR("\"\""));
	buf_close(&buf);
}

static void
test_json_write__a_byte_to_escape_is_found_wherever_it_stands(void **state)
{
	static const char special[] = { '"', '\\', '\n', 0x1f, 0x00 };
	struct buf        buf;

	(void)state;
	buf_open(&buf, 4096);
	for (size_t len = 1; len < 40; len++) {
		for (size_t at = 0; at < len * sizeof(special); at++) {
			char   text[40], wanted[80];
			size_t slot = at % len, n;

			memset(text, ' ' + 1, sizeof(text));
			text[slot] = special[at / len];
			n = (size_t)snprintf(wanted, sizeof(wanted), "\"%.*s%s%.*s\"", (int)slot, text,
			                     (const char *[]){ "\\\"", "\\\\", "\\n", "\\u001f", "\\u0000" }[at / len],
			                     (int)(len - slot - 1), text + slot + 1);
			buf_cut(&buf, 0);
			json_quote(&buf, str_of(text, len));
			assert_text(buf_str(&buf), str_of(wanted, n));
		}
	}
	buf_close(&buf);
}

static void
test_json_write__a_full_buffer_is_told_once_at_the_end(void **state)
{
	struct buf      buf;
	struct json_out out;

	(void)state;
	for (size_t limit = 0; limit <= 14; limit++) {
		buf_open(&buf, limit);
		json_out_open(&out, &buf);
		json_put_object(&out);
		json_put_member(&out, STR("name"), STR("x\n"));
		json_end_object(&out);
		assert_int_equal(buf_err(&buf), limit < 14 ? ERR_TOO_LARGE : OK);
		assert_true(buf_str(&buf).len <= limit);
		if (limit == 14)
			assert_text(buf_str(&buf), STR("{\"name\":\"x\\n\"}"));
		buf_close(&buf);
	}
}

/* The examples of the Unicode standard, 3.9 (tables 3-8 to 3-11), and ends of texts. */
static void
test_json_write__what_is_not_utf8_becomes_u_fffd(void **state)
{
#define R "\xef\xbf\xbd"
	static const char *const rows[][2] = {
		{ "caf\xe9", "caf" R },
		{ "\xff\"\xfe\n", R "\\\"" R "\\n" },
		{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A" },
		{ "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A" },
		{ "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", R R R R R "A" R R "B" },
		{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A" },
		{ "\xe2\x82\xac\xe2\x82", "\xe2\x82\xac" R },
	};
#undef R
	struct buf buf;

	(void)state;
	buf_open(&buf, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char wanted[100];

		buf_cut(&buf, 0);
		json_quote(&buf, str_from_c(rows[i][0]));
		assert_text(buf_str(&buf),
		            str_of(wanted, (size_t)snprintf(wanted, sizeof(wanted), "\"%s\"", rows[i][1])));
	}
	buf_close(&buf);
}

static void
test_json_write__any_bytes_make_json(void **state)
{
	uint32_t   chance = 1;
	struct buf buf;

	buf_open(&buf, 4096);
	for (unsigned round = 0; round < 50000; round++) {
		char   text[24];
		size_t len = round % (sizeof(text) + 1);

		for (size_t i = 0; i < len; i++) {
			chance = chance * 1664525 + 1013904223;
			/* Mostly of what multi-byte characters are made of. */
			text[i] = (char)(chance >> 30 ? 0x80 | chance >> 24 : chance >> 24);
		}
		buf_cut(&buf, 0);
		json_quote(&buf, str_of(text, len));
		if (json_check(buf_str(&buf), 4096, *state, NULL) != OK && !memchr(text, 0, len))
			fail_msg("'%.*s' of round %u", STR_ARG(buf_str(&buf)), round);
	}
	buf_close(&buf);
}

static void
put_two_roots(void)
{
	struct buf      buf;
	struct json_out out;

	buf_open(&buf, 100);
	json_out_open(&out, &buf);
	json_put_raw(&out, STR("null"));
	json_put_raw(&out, STR("null"));
}

static void
end_what_was_not_begun(void)
{
	struct buf      buf;
	struct json_out out;

	buf_open(&buf, 100);
	json_out_open(&out, &buf);
	json_end_array(&out);
}

static void
name_the_root(void)
{
	struct buf      buf;
	struct json_out out;

	buf_open(&buf, 100);
	json_out_open(&out, &buf);
	json_put_name(&out, STR("x"));
}

static void
test_json_write__misuse_ends_the_process(void **state)
{
	(void)state;
	assert_true(aborts(put_two_roots));
	assert_true(aborts(end_what_was_not_begun));
	assert_true(aborts(name_the_root));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_write__commas_and_colons_are_its_business),
		cmocka_unit_test(test_json_write__integers_are_whole_at_both_ends),
		cmocka_unit_test(test_json_write__what_json_cannot_hold_bare_is_escaped),
		cmocka_unit_test(test_json_write__a_byte_to_escape_is_found_wherever_it_stands),
		cmocka_unit_test(test_json_write__a_full_buffer_is_told_once_at_the_end),
		cmocka_unit_test(test_json_write__what_is_not_utf8_becomes_u_fffd),
		TEST_WITH_ARENA(test_json_write__any_bytes_make_json),
		cmocka_unit_test(test_json_write__misuse_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
