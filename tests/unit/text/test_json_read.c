/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include "text_test.h"

#include "text/json_read.h"

/* Reads and drops; what is wrong, if anything, is left in *why_out. */
static enum err
verdict(struct str text, struct arena *arena, struct str *why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	enum err                     err = json_read(text, arena, &root, why_out);

	assert_int_equal(root != NULL, err == OK);
	return err;
}

static void
test_json_read__takes_what_is_json(void **state)
{
	static const char *const good[] = {
		"null", "true", "false", "0", "-0", "1", "-1", "123456789", "9223372036854775807",
		"-9223372036854775808",
		"0.0", "-0.0", "1.5", "1e5", "1E5", "1e+5", "1e-5", "1.5E+10", "0e0", "0E+1", "1e308", "-1e308",
		"1.7976931348623157e308", "5e-324", "1e-400", "123456789012345678901234567890.0", "0.1",
		"\"\"", "\"a\"", "\" \"", "\"\\\"\"", "\"\\\\\"", "\"\\/\"", "\"\\b\\f\\n\\r\\t\"", "\"\\u0041\"",
		"\"\\u00e9\"", "\"\\uD83D\\uDE00\"", "\"\\ud83d\\ude00\"", "\"\\uFFFF\"", "\"\\u0001\"",
		"\"\\ud7ff\\ue000\"",
		"\"\x7f\"", "\"caf\xc3\xa9\"", "\"\xe2\x82\xac\"", "\"\xf0\x9f\x98\x80\"", "\"\xef\xbb\xbf\"",
		"\"\xef\xbf\xbf\"", "\"\xf4\x8f\xbf\xbf\"", "\"\xe2\x80\xa8\"", "\"/*x*/\"", "\"[{,:}]\"",
		"\"\\\\\\\"\"",
		"[]", "[ ]", "[1]", "[1,2]", "[ 1 , 2 ]", "[null]", "[[]]", "[[],[]]", "[{}]", "[\"a\"]",
		"[1,\"a\",null,true,{}]",
		"{}", "{ }", "{\"a\":1}", "{ \"a\" : 1 }", "{\"\":0}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"A\":2}",
		"{\"a\":{\"a\":1}}",
		"[{\"a\":1},{\"a\":1}]", "{\"\\u0061\":1}", "{\"a\":[{\"b\":[]}]}", "{\"caf\xc3\xa9\":1,\"cafe\":2}",
		" 1", "1 ", "\t\r\n1\r\n\t", "\n[\n]\n", "{\"min\":-1.0e+28,\"max\":1.0e+28}",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct str why = STR_EMPTY;

		if (verdict(str_from_c(good[i]), *state, &why) != OK)
			fail_msg("%s: %.*s", good[i], STR_ARG(why));
		assert_int_equal(why.len, 0);
	}
}

struct refused {
	const char *text;
	const char *why;
};

/* Each with the reason and the place (bytes counted from 1) that must be named. */
static const struct refused refused[] = {
	/* nothing, or not all */
	{ "", "the JSON is not complete; the text ends at byte 1" },
	{ " \n\t", "the JSON is not complete; the text ends at byte 4" },
	{ "[", "the JSON is not complete; the text ends at byte 2" },
	{ "[1", "the JSON is not complete; the text ends at byte 3" },
	{ "[1,", "the JSON is not complete; the text ends at byte 4" },
	{ "{", "the JSON is not complete; the text ends at byte 2" },
	{ "{\"a\"", "the JSON is not complete; the text ends at byte 5" },
	{ "{\"a\":", "the JSON is not complete; the text ends at byte 6" },
	{ "{\"a\":1", "the JSON is not complete; the text ends at byte 7" },
	{ "[[]", "the JSON is not complete; the text ends at byte 4" },
	/* more than one */
	{ "1 2", "something follows the value at byte 3" },
	{ "{}{}", "something follows the value at byte 3" },
	{ "[],", "something follows the value at byte 3" },
	{ "[]]", "something follows the value at byte 3" },
	{ "{}}", "something follows the value at byte 3" },
	{ "null null", "something follows the value at byte 6" },
	{ "{\"a\":1}#", "something follows the value at byte 8" },
	{ "1//x", "something follows the value at byte 2" },
	/* punctuation */
	{ "[,]", "the JSON is malformed at byte 2" },
	{ "[1,]", "the JSON is malformed at byte 4" },
	{ "[,1]", "the JSON is malformed at byte 2" },
	{ "[1,,2]", "the JSON is malformed at byte 4" },
	{ "[1 2]", "the JSON is malformed at byte 4" },
	{ "[1:2]", "the JSON is malformed at byte 3" },
	{ "[1}", "the JSON is malformed at byte 3" },
	{ "{]", "the JSON is malformed at byte 2" },
	{ "{\"a\":1]", "the JSON is malformed at byte 7" },
	{ "]", "the JSON is malformed at byte 1" },
	{ "}", "the JSON is malformed at byte 1" },
	{ ",", "the JSON is malformed at byte 1" },
	{ ":", "the JSON is malformed at byte 1" },
	{ "{,}", "the JSON is malformed at byte 2" },
	{ "{\"a\":1,}", "the JSON is malformed at byte 8" },
	{ "{\"a\":1,,\"b\":2}", "the JSON is malformed at byte 8" },
	{ "{\"a\" 1}", "the JSON is malformed at byte 6" },
	{ "{\"a\",1}", "the JSON is malformed at byte 5" },
	{ "{\"a\":1 \"b\":2}", "the JSON is malformed at byte 8" },
	{ "{\"a\"::1}", "the JSON is malformed at byte 6" },
	{ "{1:1}", "the JSON is malformed at byte 2" },
	{ "{a:1}", "the JSON is malformed at byte 2" },
	{ "{null:1}", "the JSON is malformed at byte 2" },
	{ "{[]:1}", "the JSON is malformed at byte 2" },
	{ "{'a':1}", "the JSON is malformed at byte 2" },
	{ "['a']", "the JSON is malformed at byte 2" },
	{ "[1;2]", "the JSON is malformed at byte 3" },
	{ "/**/1", "the JSON is malformed at byte 1" },
	{ "[1,/*x*/2]", "the JSON is malformed at byte 4" },
	{ "# x\n1", "the JSON is malformed at byte 1" },
	{ "\\", "the JSON is malformed at byte 1" },
	{ "[\\u0031]", "the JSON is malformed at byte 2" },
	{ "\x0b" "1", "the JSON is malformed at byte 1" },
	{ "\x0c" "1", "the JSON is malformed at byte 1" },
	{ "\xc2\xa0" "1", "the JSON is malformed at byte 1" },
	{ "\xe2\x81\xa0", "the JSON is malformed at byte 1" },
	/* words */
	{ "nul", "the JSON is malformed at byte 1" },
	{ "nulll", "something follows the value at byte 5" },
	{ "Null", "the JSON is malformed at byte 1" },
	{ "TRUE", "the JSON is malformed at byte 1" },
	{ "truth", "the JSON is malformed at byte 1" },
	{ "fals", "the JSON is malformed at byte 1" },
	{ "undefined", "the JSON is malformed at byte 1" },
	{ "NaN", "the JSON is malformed at byte 1" },
	{ "nan", "the JSON is malformed at byte 1" },
	{ "Infinity", "the JSON is malformed at byte 1" },
	{ "-Infinity", "the JSON is malformed at byte 1" },
	{ "-NaN", "the JSON is malformed at byte 1" },
	{ "inf", "the JSON is malformed at byte 1" },
	{ "a", "the JSON is malformed at byte 1" },
	/* numbers */
	{ "-", "the JSON is malformed at byte 1" },
	{ "--1", "the JSON is malformed at byte 1" },
	{ "+1", "the JSON is malformed at byte 1" },
	{ "01", "something follows the value at byte 2" },
	{ "-01", "something follows the value at byte 3" },
	{ "00", "something follows the value at byte 2" },
	{ ".5", "the JSON is malformed at byte 1" },
	{ "-.5", "the JSON is malformed at byte 1" },
	{ "1.", "the JSON is malformed at byte 1" },
	{ "[1.]", "the JSON is malformed at byte 2" },
	{ "1.e5", "the JSON is malformed at byte 1" },
	{ "1e", "the JSON is malformed at byte 1" },
	{ "1e+", "the JSON is malformed at byte 1" },
	{ "1.5e-", "the JSON is malformed at byte 1" },
	{ "1e5.5", "something follows the value at byte 4" },
	{ "1.5.5", "something follows the value at byte 4" },
	{ "0x10", "something follows the value at byte 2" },
	{ "1_000", "something follows the value at byte 2" },
	{ "1,5", "something follows the value at byte 2" },
	{ "1 000", "something follows the value at byte 3" },
	{ "9223372036854775808", "a number does not fit at byte 1" },
	{ "-9223372036854775809", "a number does not fit at byte 1" },
	{ "[18446744073709551616]", "a number does not fit at byte 2" },
	{ "1e309", "a number does not fit at byte 1" },
	{ "-1e309", "a number does not fit at byte 1" },
	{ "1e999999999999", "a number does not fit at byte 1" },
	{ "1.8e308", "a number does not fit at byte 1" },
	/* names */
	{ "{\"a\":1,\"a\":1}", "a member name is doubled at byte 8" },
	{ "{\"a\":1,\"b\":2,\"a\":3}", "a member name is doubled at byte 14" },
	{ "{\"a\":1,\"\\u0061\":1}", "a member name is doubled at byte 8" },
	{ "{\"\":1,\"\":1}", "a member name is doubled at byte 7" },
	{ "[{\"x\":{\"y\":1,\"y\":null}}]", "a member name is doubled at byte 14" },
	/* strings */
	{ "\"", "a string is not closed; it opens at byte 1" },
	{ "[\"a", "a string is not closed; it opens at byte 2" },
	{ "\"a\\\"", "a string is not closed; it opens at byte 1" },
	{ "{\"a\":\"}", "a string is not closed; it opens at byte 6" },
	{ "\"a\nb\"", "a control byte stands in a string at byte 3" },
	{ "\"\t\"", "a control byte stands in a string at byte 2" },
	{ "[\"\x1f\"]", "a control byte stands in a string at byte 3" },
	{ "\"12345678\x01\"", "a control byte stands in a string at byte 10" },
	{ "\"\\x41\"", "an escape stands for no character at byte 2" },
	{ "\"\\'\"", "an escape stands for no character at byte 2" },
	{ "\"\\a\"", "an escape stands for no character at byte 2" },
	{ "\"\\U0041\"", "an escape stands for no character at byte 2" },
	{ "\"\\0\"", "an escape stands for no character at byte 2" },
	{ "\"\\\n\"", "an escape stands for no character at byte 2" },
	{ "\"\\", "an escape stands for no character at byte 2" },
	{ "\"\\u\"", "an escape stands for no character at byte 2" },
	{ "\"\\u12\"", "an escape stands for no character at byte 2" },
	{ "\"\\u123", "an escape stands for no character at byte 2" },
	{ "\"\\u00G0\"", "an escape stands for no character at byte 2" },
	{ "\"\\u+041\"", "an escape stands for no character at byte 2" },
	{ "\"\\ud800\"", "an escape stands for no character at byte 2" },
	{ "\"ab\\udc00\"", "an escape stands for no character at byte 4" },
	{ "\"\\ud800\\ud800\"", "an escape stands for no character at byte 2" },
	{ "\"\\ud800\\u0041\"", "an escape stands for no character at byte 2" },
	{ "\"\\udc00\\ud800\"", "an escape stands for no character at byte 2" },
	{ "\"\\ud83d\\ude0\"", "an escape stands for no character at byte 2" },
	{ "\"\\ud83dx\"", "an escape stands for no character at byte 2" },
	{ "{\"\\udfff\":1}", "an escape stands for no character at byte 3" },
	{ "\"\\u0000\"", "\\u0000 is not accepted at byte 2" },
	{ "{\"a\\u0000\":1}", "\\u0000 is not accepted at byte 4" },
	{ "[\"\\\\u0000\",\"x\\u0000\"]", "\\u0000 is not accepted at byte 14" },
	/* UTF-8 and byte order marks */
	{ "\xef\xbb\xbf{}", "a byte order mark is not accepted at byte 1" },
	{ "\xef\xbb\xbf", "a byte order mark is not accepted at byte 1" },
	{ " \xef\xbb\xbf{}", "the JSON is malformed at byte 2" },
	{ "\xff\xfe[\x01]\x01", "the text is not UTF-8 at byte 1" },
	{ "\xfe\xff", "the text is not UTF-8 at byte 1" },
	{ "\"\x80\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xbf\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xc0\x80\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xc0\xaf\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xc1\xbf\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xc3\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xc3(\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xe0\x80\xaf\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xe0\x9f\xbf\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xe2\x82\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xe2(\xa1\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xed\xa0\x80\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xed\xbf\xbf\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xed\xa0\xbd\xed\xb8\x80\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xf0\x80\x80\xaf\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xf0\x8f\xbf\xbf\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xf0\x9f\x98\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xf4\x90\x80\x80\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xf5\x80\x80\x80\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xf8\x88\x80\x80\x80\"", "the text is not UTF-8 at byte 2" },
	{ "\"\xfc\x84\x80\x80\x80\x80\"", "the text is not UTF-8 at byte 2" },
	{ "\"a\xe9z\"", "the text is not UTF-8 at byte 3" },
	{ "{\"\xff\":1}", "the text is not UTF-8 at byte 3" },
	{ "[1]\xff", "the text is not UTF-8 at byte 4" },
	{ "[\"12345678\",\"\xe9\"]", "the text is not UTF-8 at byte 14" },
	{ "\xe9", "the text is not UTF-8 at byte 1" },
};

static void
test_json_read__refuses_what_is_not_and_says_why_and_where(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct str why = STR_EMPTY;
		enum err   err = verdict(str_from_c(refused[i].text), *state, &why);

		if (err == ERR_BAD_REQUEST && str_eq(why, str_from_c(refused[i].why)))
			continue;
		wrong++;
		print_error("%s: got %d '%.*s', wanted '%s'\n", refused[i].text, err, STR_ARG(why), refused[i].why);
	}
	assert_int_equal(wrong, 0);
}

static void
test_json_read__refuses_nul_bytes_wherever_they_stand(void **state)
{
	static const char *const whole[] = { "1", "[1]", "{\"a\":1.5}", "[true,null]", "\"a\"", "{\"a\":[1,\"b\"]}",
	  "-0" };
	struct str               why;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		size_t len = strlen(whole[i]);

		assert_int_equal(verdict(str_of(whole[i], len), *state, &why), OK);
		for (size_t at = 0; at <= len; at++) {
			char with_nul[32];

			memcpy(with_nul, whole[i], at);
			with_nul[at] = '\0';
			memcpy(with_nul + at + 1, whole[i] + at, len - at);
			assert_int_equal(verdict(str_of(with_nul, len + 1), *state, &why), ERR_BAD_REQUEST);
		}
	}
	assert_int_equal(verdict(str_of("\"a\0b\"", 5), *state, &why), ERR_BAD_REQUEST);
	assert_text(why, STR("a control byte stands in a string at byte 3"));
	assert_int_equal(verdict((struct str){ NULL, 0 }, *state, &why), ERR_BAD_REQUEST);
}

static void
test_json_read__the_reason_is_not_forced_on_anybody(void **state)
{
	assert_int_equal(verdict(STR("["), *state, NULL), ERR_BAD_REQUEST);
	assert_int_equal(verdict(STR("[\xff"), *state, NULL), ERR_BAD_REQUEST);
	assert_int_equal(arena_used(*state), 0);
}

/* `count` times `unit`, then `middle`, then `closings` times `closing`; verdict_once() frees it. */
static struct str
repeated(const char *unit, size_t count, const char *middle, const char *closing, size_t closings)
{
	struct buf buf;

	buf_open(&buf, (size_t)1 << 30);
	for (size_t i = 0; i < count; i++)
		buf_put(&buf, str_from_c(unit));
	buf_put(&buf, str_from_c(middle));
	for (size_t i = 0; i < closings; i++)
		buf_put(&buf, str_from_c(closing));
	assert_int_equal(buf_err(&buf), OK);
	return buf_str(&buf);
}

static enum err
verdict_once(struct str made, struct arena *arena, struct str *why_out)
{
	enum err err = verdict(made, arena, why_out);

	free((void *)(uintptr_t)made.at);
	return err;
}

static void
test_json_read__thirty_two_levels_are_the_most(void **state)
{
	struct str why;

	for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		enum err wanted = depth <= JSON_DEPTH_MAX ? OK : ERR_BAD_REQUEST;

		assert_int_equal(verdict_once(repeated("[", depth, "", "]", depth), *state, &why), wanted);
		assert_int_equal(verdict_once(repeated("{\"a\":", depth, "1", "}", depth), *state, &why), wanted);
	}
	assert_text(why, STR("the JSON is nested too deeply at byte 161"));
	/* Siblings do not add up, and brackets in strings do not count. */
	assert_int_equal(verdict_once(repeated("[", 1, "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
	                                               "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]", "]", 1),
	                              *state, &why), OK);
	assert_int_equal(verdict_once(repeated("\"", 1, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[{{{{{{{{", "\"", 1),
	                              *state, &why), OK);
	assert_int_equal(verdict_once(repeated("[", 1000000, "", "", 0), *state, &why), ERR_BAD_REQUEST);
	assert_text(why, STR("the JSON is nested too deeply at byte 33"));
}

/* An object of an array, so that every way of beginning a value is there; `filler` brings the rest. */
static enum err
verdict_on_values(const char *filler, size_t values_in_filler, size_t values, struct arena *arena)
{
	size_t     fillers = (values - 2) / values_in_filler, zeros = (values - 2) % values_in_filler;
	struct buf buf;
	struct str why = STR_EMPTY;
	enum err   err;

	buf_open(&buf, (size_t)1 << 24);
	buf_put(&buf, STR("{\"a\":["));
	for (size_t i = 0; i < fillers + zeros; i++) {
		buf_put(&buf, i == 0 ? STR_EMPTY : STR(" , "));
		buf_put(&buf, i < fillers ? str_from_c(filler) : STR("0"));
	}
	buf_put(&buf, STR("]}"));
	assert_int_equal(buf_err(&buf), OK);
	err = verdict(buf_str(&buf), arena, &why);
	if (err == ERR_TOO_LARGE)
		assert_true(str_starts(why, STR("the JSON holds too many values at byte ")));
	buf_close(&buf);
	return err;
}

static void
test_json_read__a_hundred_thousand_values_are_the_most(void **state)
{
	static const struct {
		const char *text;
		size_t      values;
	} fillers[] = {
		{ "0", 1 }, { "[]", 1 }, { "{ }", 1 }, { "\",[{\"", 1 }, { "[ 1,2]", 3 },
		{ "{\"x\":1,\"y\":[[],{}]}", 5 },
	};

	for (size_t i = 0; i < sizeof(fillers) / sizeof(fillers[0]); i++) {
		const char *text = fillers[i].text;
		size_t      values = fillers[i].values;

		assert_int_equal(verdict_on_values(text, values, JSON_TOKENS_MAX - 1, *state), OK);
		assert_int_equal(verdict_on_values(text, values, JSON_TOKENS_MAX, *state), OK);
		assert_int_equal(verdict_on_values(text, values, JSON_TOKENS_MAX + 1, *state), ERR_TOO_LARGE);
	}
}

static void
test_json_read__sixty_four_mebibytes_are_the_most(void **state)
{
	char      *bytes = malloc(JSON_BYTES_MAX + 1);
	struct str why;

	assert_non_null(bytes);
	memset(bytes, ' ', JSON_BYTES_MAX + 1);
	memcpy(bytes, "[1]", 3);
	assert_int_equal(verdict(str_of(bytes, JSON_BYTES_MAX - 1), *state, &why), OK);
	assert_int_equal(verdict(str_of(bytes, JSON_BYTES_MAX), *state, &why), OK);
	assert_int_equal(verdict(str_of(bytes, JSON_BYTES_MAX + 1), *state, &why), ERR_TOO_LARGE);
	assert_text(why, STR("the JSON is too long; it goes on at byte 67108865"));
	free(bytes);
}

static struct json *
tree(const char *text, struct arena *arena)
{
	struct json *root = NULL;
	struct str   why = STR_EMPTY;

	if (json_read(str_from_c(text), arena, &root, &why) != OK)
		fail_msg("%s: %.*s", text, STR_ARG(why));
	return root;
}

static void
test_json_read__values_have_kinds_and_are_asked_for_by_kind(void **state)
{
	AUTO(json_drop) struct json *root = tree("[null,true,false,-5,2.5,\"t\\u00e9xt\",[1,2],{\"a\":1}]", *state);
	static const enum json_kind  kinds[] = { JSON_NULL, JSON_BOOL, JSON_BOOL,  JSON_INT,
		                                 JSON_REAL, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };
	bool                         yes;
	int64_t                      number;
	struct str                   text;
	size_t                       i = 0;

	assert_int_equal(json_kind(root), JSON_ARRAY);
	assert_int_equal(json_count(root), 8);
	for (const struct json *value = json_first(root); value; value = value->next, i++) {
		assert_int_equal(json_kind(value), kinds[i]);
		yes = i != 1;        /* the answer must change it */
		number = 42;
		text = STR("untouched");
		assert_int_equal(json_bool(value, &yes), kinds[i] == JSON_BOOL);
		assert_int_equal(yes, i != 2);
		assert_int_equal(json_int(value, &number), kinds[i] == JSON_INT);
		assert_int_equal(number, i == 3 ? -5 : 42);
		assert_int_equal(json_text(value, &text), kinds[i] == JSON_TEXT);
		assert_text(text, i == 5 ? STR("t\xc3\xa9xt") : STR("untouched"));
		assert_int_equal(json_count(value), i == 6 ? 2 : i == 7 ? 1 : 0);
	}
	assert_int_equal(i, 8);
}

static void
test_json_read__integers_are_whole_at_both_ends(void **state)
{
	AUTO(json_drop) struct json *root = tree("[9223372036854775807,-9223372036854775808,9007199254740993,-0]",
	  *state);
	static const int64_t         wanted[] = { INT64_MAX, INT64_MIN, INT64_C(9007199254740993), 0 };
	int64_t                      number;
	size_t                       i = 0;

	for (const struct json *value = json_first(root); value; value = value->next) {
		assert_true(json_int(value, &number));
		assert_int_equal(number, wanted[i++]);
	}
	assert_int_equal(i, 4);
}

static void
test_json_read__members_are_found_through_missing_ones(void **state)
{
	AUTO(json_drop) struct json *root = tree("{\"a\":{\"b\":{\"c\":7}},\"n\":null}", *state);
	int64_t                      number = 0;

	assert_true(json_int(json_member(json_member(json_member(root, "a"), "b"), "c"), &number));
	assert_int_equal(number, 7);
	assert_null(json_member(json_member(json_member(root, "x"), "b"), "c"));
	assert_null(json_member(json_member(root, "n"), "b"));
	assert_non_null(json_member(root, "n"));
	assert_false(json_int(NULL, &number));
	assert_false(json_text(NULL, &(struct str){ 0 }));
	assert_false(json_bool(NULL, &(bool){ false }));
	assert_int_equal(json_count(NULL), 0);
	assert_null(json_first(NULL));
	assert_null(json_first(json_member(root, "n")));
	assert_int_equal(json_kind(NULL), JSON_NULL);
	assert_int_equal(json_count(root), 2);
}

static void
test_json_read__members_are_walked_in_the_order_written(void **state)
{
	AUTO(json_drop) struct json *root = tree("{\"z\":0,\"a\":1,\"m\\n\":2,\"\":3,\"caf\xc3\xa9\":4,\"y\":5}",
	  *state);
	static const char *const     names[] = { "z", "a", "m\n", "", "caf\xc3\xa9", "y" };
	int64_t                      i = 0, number;

	for (const struct json *member = json_first(root); member; member = member->next) {
		assert_in_range(i, 0, 5);
		assert_text(member->name, str_from_c(names[i]));
		assert_true(json_int(member, &number));
		assert_int_equal(number, i++);
	}
	assert_int_equal(i, 6);
}

static void
test_json_read__members_are_found_however_their_names_are_written_and_keep_their_bytes(void **state)
{
	AUTO(json_drop) struct json *root = tree(" {\"\\u0061\\ud83d\\ude00\" : [ 1.50 , \"\\u0062\" ],\"\":-0 } ",
	  *state);
	const struct json           *list = json_member(root, "a\xf0\x9f\x98\x80");

	assert_text(root->raw, STR("{\"\\u0061\\ud83d\\ude00\" : [ 1.50 , \"\\u0062\" ],\"\":-0 }"));
	assert_text(list->raw, STR("[ 1.50 , \"\\u0062\" ]"));
	assert_text(json_first(list)->raw, STR("1.50"));
	assert_text(json_first(list)->next->raw, STR("\"\\u0062\""));
	assert_text(json_first(list)->next->text, STR("b"));
	assert_text(json_first(list)->name, STR_EMPTY);
	assert_text(json_member(root, "")->raw, STR("-0"));
	assert_null(json_member(list, ""));
	assert_null(json_member(root, "\\u0061"));
}

/* All a tree may need of memory: as many values as may be, each with a name, a text or a number that must be copied. */
static void
test_json_read__the_largest_tree_fits_its_arena(void **state)
{
	static const char *const values[] = { "1.5", "\"\\n\"" };
	struct json             *root = NULL;
	struct buf               buf;

	for (size_t v = 0; v < 2; v++) {
		buf_open(&buf, (size_t)1 << 24);
		buf_put_char(&buf, '[');
		for (size_t i = 0; i < JSON_TOKENS_MAX / 2 - 1; i++)
			buf_printf(&buf, "%s{\"\\t\":%s}", i ? "," : "", values[v]);
		buf_put_char(&buf, ']');
		assert_int_equal(json_read(buf_str(&buf), *state, &root, NULL), OK);
		assert_int_equal(json_count(root), JSON_TOKENS_MAX / 2 - 1);
		json_drop(&root);
		buf_close(&buf);
	}
}

static void
test_json_read__kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(json_kind_name(JSON_NULL), "null");
	assert_string_equal(json_kind_name(JSON_BOOL), "a boolean");
	assert_string_equal(json_kind_name(JSON_INT), "an integer");
	assert_string_equal(json_kind_name(JSON_REAL), "a fraction");
	assert_string_equal(json_kind_name(JSON_TEXT), "a string");
	assert_string_equal(json_kind_name(JSON_ARRAY), "an array");
	assert_string_equal(json_kind_name(JSON_OBJECT), "an object");
}

static void
test_json_read__dropping_clears_and_takes_nothing(void **state)
{
	struct json *root = tree("[1]", *state);

	json_drop(&root);
	assert_null(root);
	json_drop(&root);
	assert_null(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ARENA(test_json_read__takes_what_is_json),
		TEST_WITH_ARENA(test_json_read__refuses_what_is_not_and_says_why_and_where),
		TEST_WITH_ARENA(test_json_read__refuses_nul_bytes_wherever_they_stand),
		TEST_WITH_ARENA(test_json_read__the_reason_is_not_forced_on_anybody),
		TEST_WITH_ARENA(test_json_read__thirty_two_levels_are_the_most),
		TEST_WITH_ARENA(test_json_read__a_hundred_thousand_values_are_the_most),
		TEST_WITH_ARENA(test_json_read__sixty_four_mebibytes_are_the_most),
		TEST_WITH_ARENA(test_json_read__values_have_kinds_and_are_asked_for_by_kind),
		TEST_WITH_ARENA(test_json_read__integers_are_whole_at_both_ends),
		TEST_WITH_ARENA(test_json_read__members_are_found_through_missing_ones),
		TEST_WITH_ARENA(test_json_read__members_are_walked_in_the_order_written),
		TEST_WITH_ARENA(test_json_read__members_are_found_however_their_names_are_written_and_keep_their_bytes),
		TEST_WITH_ARENA(test_json_read__the_largest_tree_fits_its_arena),
		cmocka_unit_test(test_json_read__kinds_have_names),
		TEST_WITH_ARENA(test_json_read__dropping_clears_and_takes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
