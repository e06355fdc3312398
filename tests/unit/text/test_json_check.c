/* SPDX-License-Identifier: Apache-2.0 */
#include "text_test.h"

#include "text/json_check.h"

static enum err
check(const char *text, struct arena *arena, struct str *why)
{
	return json_check(str_from_c(text), 1 << 20, arena, why);
}

static void
test_json_check__takes_what_is_json(void **state)
{
	static const char *const good[] = {
		"null",
		"true",
		"false",
		"0",
		"-0",
		"1",
		"-1.5e+10",
		"1e400",
		"123456789012345678901234567890",
		"\"\"",
		"\"\\u0041\\ud83d\\ude00\\n\"",
		"[]",
		"[ ]",
		"[1, 2]",
		"[[],{}]",
		"{}",
		"{ }",
		"{\"a\":1}",
		" {\"a\" : [1 , {\"a\":2}]} ",
		"[{\"a\":1},{\"a\":1}]",
		"{\"a\":{\"a\":1},\"b\":2}",
		"\t\r\n1\r\n\t",
		"\"caf\xc3\xa9\"",
		"{\"\":0}",
	};
	struct str why;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (check(good[i], *state, &why) != OK)
			fail_msg("%s: %.*s", good[i], STR_ARG(why));
}

static void
test_json_check__refuses_the_rest_and_says_where(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "the JSON is not complete; the text ends at byte 1" },
		{ "[", "the JSON is not complete; the text ends at byte 2" },
		{ "{\"a\":", "the JSON is not complete; the text ends at byte 6" },
		{ "[1,]", "the JSON is malformed at byte 4" },
		{ "{,}", "the JSON is malformed at byte 2" },
		{ "{\"a\":1,}", "the JSON is malformed at byte 8" },
		{ "[1 2]", "the JSON is malformed at byte 4" },
		{ "{\"a\" 1}", "the JSON is malformed at byte 6" },
		{ "{1:2}", "the JSON is malformed at byte 2" },
		{ "[}", "the JSON is malformed at byte 2" },
		{ "{]", "the JSON is malformed at byte 2" },
		{ "01", "something follows the value at byte 2" },
		{ "1.", "the JSON is malformed at byte 1" },
		{ ".5", "the JSON is malformed at byte 1" },
		{ "1e", "the JSON is malformed at byte 1" },
		{ "+1", "the JSON is malformed at byte 1" },
		{ "NaN", "the JSON is malformed at byte 1" },
		{ "tru", "the JSON is malformed at byte 1" },
		{ "nullx", "something follows the value at byte 5" },
		{ "{} {}", "something follows the value at byte 4" },
		{ "\"a", "a string is not closed; it opens at byte 1" },
		{ "\"\n\"", "a control byte stands in a string at byte 2" },
		{ "\"\\x\"", "an escape stands for no character at byte 2" },
		{ "\"\\ud800\"", "an escape stands for no character at byte 2" },
		{ "\"\\u0000\"", "\\u0000 is not accepted at byte 2" },
		{ "\"\xff\"", "the text is not UTF-8 at byte 2" },
		{ "\xef\xbb\xbf{}", "a byte order mark is not accepted at byte 1" },
		{ "{\"a\":1,\"a\":2}", "a member name is doubled at byte 8" },
		{ "{\"a\":1,\"b\":{\"b\":1,\"c\":2,\"b\":3}}", "a member name is doubled at byte 25" },
		{ "{\"id\":1,\"\\u0069d\":2}", "a member name is doubled at byte 9" },
		{ "{\"\xc3\xa9\":1,\"\\u00e9\":2}", "a member name is doubled at byte 9" },
		{ "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", "a member name is doubled at byte 19" },
	};
	struct str why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (check(bad[i].text, *state, &why) != ERR_BAD_REQUEST)
			fail_msg("%s is taken", bad[i].text);
		if (!str_eq(why, str_from_c(bad[i].why)))
			fail_msg("%s: %.*s", bad[i].text, STR_ARG(why));
	}
}

static void
test_json_check__has_limits(void **state)
{
	struct buf buf;
	struct str why;

	assert_int_equal(json_check(STR("[1]"), 2, *state, &why), ERR_TOO_LARGE);
	assert_int_equal(json_check(STR("[1]"), 3, *state, NULL), OK);
	buf_open(&buf, 1 << 20);
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		buf_put_char(&buf, '[');
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		buf_put_char(&buf, ']');
	assert_int_equal(json_check(buf_str(&buf), 1 << 20, *state, NULL), OK);
	buf_cut(&buf, 0);
	for (int i = 0; i <= JSON_DEPTH_MAX; i++)
		buf_put_char(&buf, '[');
	assert_int_equal(json_check(buf_str(&buf), 1 << 20, *state, &why), ERR_BAD_REQUEST);
	assert_true(str_starts(why, STR("the JSON is nested too deeply")));
	buf_cut(&buf, 0);
	buf_put_char(&buf, '{');
	for (int i = 0; i < JSON_MEMBERS_MAX; i++)
		buf_printf(&buf, "%s\"n%d\":0", i ? "," : "", i);
	buf_put_char(&buf, '}');
	assert_int_equal(json_check(buf_str(&buf), 1 << 20, *state, NULL), OK);
	buf_cut(&buf, buf.len - 1);
	buf_put(&buf, STR(",\"one\":1}"));
	assert_int_equal(json_check(buf_str(&buf), 1 << 20, *state, &why), ERR_BAD_REQUEST);
	assert_true(str_starts(why, STR("an object has too many members")));
	buf_close(&buf);
}

/* ---- somebody who watches ------------------------------------------------------------------- */

static void
note(void *ctx, size_t depth, struct str name, struct str value)
{
	buf_printf(ctx, "%zu %.*s=%.*s|", depth, STR_ARG(name), STR_ARG(value));
}

static void
test_json_check__whoever_watches_is_told_each_value_when_it_ends(void **state)
{
	struct buf        emit;
	struct json_watch watch = { .ctx = &emit, .depth = 2, .emit = note };

	buf_open(&emit, 4096);
	assert_int_equal(
		json_check_watched(STR(" {\"a\" : [1, {\"x\":[2]} , \"s\"], \"b\\n\":{ \"c\":null},\"d\":-1.5 } "),
	                           1 << 20, &watch, *state, NULL),
		OK);
	assert_int_equal(buf_err(&emit), OK);
	buf_put_char(&emit, '\0');
	assert_string_equal(emit.at, "2 =1|2 ={\"x\":[2]}|2 =\"s\"|1 a=[1, {\"x\":[2]} , \"s\"]|"
	                             "2 c=null|1 b\\n={ \"c\":null}|1 d=-1.5|"
	                             "0 ={\"a\" : [1, {\"x\":[2]} , \"s\"], \"b\\n\":{ \"c\":null},\"d\":-1.5 }|");
	buf_close(&emit);
}

static void
note_spoiled(void *ctx, const char *what)
{
	buf_printf(ctx, "[%s]", what);
}

static void
assert_spoils(struct arena *arena, const char *text, enum err wanted, const char *wanted_emitted)
{
	AUTO(buf_close) struct buf emit = { 0 };
	struct json_watch watch = { .ctx = &emit, .depth = 2, .emit = note, .spoils_from = 2, .spoiled = note_spoiled };

	buf_open(&emit, 4096);
	assert_int_equal(json_check_watched(str_from_c(text), 1 << 20, &watch, arena, NULL), wanted);
	buf_put_char(&emit, '\0');
	assert_string_equal(emit.at, wanted_emitted);
}

static void
test_json_check__what_breaks_only_our_rules_may_spoil_a_value_alone(void **state)
{
	assert_spoils(*state, "[[\"\\u0000\"],[7]]", OK,
	              "[\\u0000 is not accepted]2 =\"\\u0000\"|1 =[\"\\u0000\"]|2 =7|1 =[7]|"
	              "0 =[[\"\\u0000\"],[7]]|");
	assert_spoils(*state, "[{\"\\ud800\":1}]", OK,
	              "[an escape stands for no character]2 \\ud800=1|1 ={\"\\ud800\":1}|"
	              "0 =[{\"\\ud800\":1}]|");
	assert_spoils(*state, "[{\"a\":1,\"a\":2}]", OK,
	              "2 a=1|[a member name is doubled]2 a=2|1 ={\"a\":1,\"a\":2}|0 =[{\"a\":1,\"a\":2}]|");
	/* Outside those values, and against the grammar, all is as it was. */
	assert_spoils(*state, "[\"\\u0000\"]", ERR_BAD_REQUEST, "");
	assert_spoils(*state, "{\"a\":1,\"a\":2}", ERR_BAD_REQUEST, "1 a=1|");
	assert_spoils(*state, "[[\"\\x\"]]", ERR_BAD_REQUEST, "");
	assert_spoils(*state, "[[\"\\ud80\"]]", ERR_BAD_REQUEST, "");
	assert_spoils(*state, "[[7}]", ERR_BAD_REQUEST, "2 =7|");
}

/* Names are summed up eight bytes at a time, those with escapes in another way: both must come to the same. */
static void
test_json_check__long_names_are_doubled_in_any_spelling(void **state)
{
	char text[128];

	for (size_t len = 1; len < 30; len++)
		for (size_t at = 0; at < len; at++) {
			char name[32] = { 0 }, other[40] = { 0 };

			memset(name, 'n', len);
			(void)snprintf(other, sizeof(other), "%.*s\\u006e%s", (int)at, name, name + at + 1);
			(void)snprintf(text, sizeof(text), "{\"%s\":1,\"%s\":2}", name, other);
			if (check(text, *state, NULL) != ERR_BAD_REQUEST)
				fail_msg("taken: %s", text);
			(void)snprintf(text, sizeof(text), "{\"%s\":1,\"%sn\":2}", name, other);
			assert_int_equal(check(text, *state, NULL), OK);
			arena_reset(*state);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ARENA(test_json_check__takes_what_is_json),
		TEST_WITH_ARENA(test_json_check__refuses_the_rest_and_says_where),
		TEST_WITH_ARENA(test_json_check__has_limits),
		TEST_WITH_ARENA(test_json_check__whoever_watches_is_told_each_value_when_it_ends),
		TEST_WITH_ARENA(test_json_check__what_breaks_only_our_rules_may_spoil_a_value_alone),
		TEST_WITH_ARENA(test_json_check__long_names_are_doubled_in_any_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
