/* SPDX-License-Identifier: Apache-2.0 */
#include "text_test.h"

#include "text/json_span.h"

struct wanted {
	const char *name, *value;
};

static void
check_walk(const char *text, const struct wanted *wanted, size_t count)
{
	struct json_walk walk;
	struct json_span span;

	json_walk_open(&walk, str_from_c(text));
	for (size_t i = 0; i < count; i++) {
		assert_true(json_walk_next(&walk, &span));
		assert_text(span.name, str_from_c(wanted[i].name));
		assert_text(span.value, str_from_c(wanted[i].value));
	}
	for (int i = 0; i < 2; i++)
		assert_false(json_walk_next(&walk, &span));
}

static void
test_json_span__members_come_with_their_very_bytes(void **state)
{
	static const struct wanted members[] = {
		{ "id", "\"a\\u0041\\\"}\"" }, { "n\\u006e", "1.500e+3" },     { "", "null" },
		{ "o", "{ \"x\" : [1, 2] }" }, { "a", "[\"]\", {\"}\":[]}]" }, { "t", "true" },
		{ "e", "\"\\\\\"" },
	};

	(void)state;
	check_walk("\r\n\t {\"id\":\"a\\u0041\\\"}\" , \"n\\u006e\" :1.500e+3,\"\":null ,\n\"o\":{ \"x\" : [1, 2] },"
	           "\"a\": [\"]\", {\"}\":[]}]\t,\"t\":true,\"e\":\"\\\\\"} \n",
	           members, 7);
	check_walk("{\"id\":\"a\\u0041\\\"}\",\"n\\u006e\":1.500e+3,\"\":null,\"o\":{ \"x\" : [1, 2] },"
	           "\"a\":[\"]\", {\"}\":[]}],\"t\":true,\"e\":\"\\\\\"}",
	           members, 7);
}

static void
test_json_span__elements_have_no_names(void **state)
{
	static const struct wanted elements[] = { { "", "1" },  { "", "\",\"" },         { "", "[[],[{}]]" },
		                                  { "", "-0" }, { "", "{\"a\":\"b\"}" }, { "", "false" } };

	(void)state;
	check_walk("[1,\",\",[[],[{}]],-0,{\"a\":\"b\"},false]", elements, 6);
	check_walk("[ 1 , \",\" , [[],[{}]] , -0 , {\"a\":\"b\"} , false ]", elements, 6);
}

static void
test_json_span__empty_containers_and_other_values_hold_nothing(void **state)
{
	static const char *const nothing[] = { "{}", "[]", " { } ", "[ \n ]", "1", "\"[1]\"", "null", "", "  " };

	(void)state;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		check_walk(nothing[i], NULL, 0);
}

static void
test_json_span__the_end_of_a_string_is_found_behind_any_run_of_backslashes(void **state)
{
	(void)state;
	for (int slashes = 0; slashes < 40; slashes++) {
		char          text[128], value[64];
		struct wanted elements[2] = { { "", value }, { "", "2" } };
		size_t        len = 0;

		value[len++] = '"';
		for (int i = 0; i < slashes; i++)
			value[len++] = '\\';
		if (slashes % 2 == 1)
			value[len++] = '"';
		value[len++] = '"';
		value[len] = '\0';
		(void)snprintf(text, sizeof(text), "[%s,2]", value);
		check_walk(text, elements, 2);
	}
}

static void
test_json_span__a_member_is_found_by_name(void **state)
{
	struct str object = STR(
		"{\"a\":{\"id\":0},\"\\u0069d\":\"x\",\"iden\":2,\"caf\xc3\xa9\":3,\"\\ud83d\\ude00\":4,"
		"\"q\\\"\":5, \"\" : 6}");
	struct str value;

	(void)state;
	assert_true(json_span_member(object, STR("a"), &value));
	assert_text(value, STR("{\"id\":0}"));
	assert_true(json_span_member(object, STR("id"), &value));
	assert_text(value, STR("\"x\""));
	assert_true(json_span_member(object, STR("iden"), &value));
	assert_text(value, STR("2"));
	assert_true(json_span_member(object, STR("caf\xc3\xa9"), &value));
	assert_text(value, STR("3"));
	assert_true(json_span_member(object, STR("\xf0\x9f\x98\x80"), &value));
	assert_text(value, STR("4"));
	assert_true(json_span_member(object, STR(""), &value));
	assert_text(value, STR("6"));
	assert_true(json_span_member(STR("{\"\\u007fa\":1,\"\\\\u007fa\":2}"), STR("\\u007fa"), &value));
	assert_text(value, STR("2"));
}

static void
test_json_span__a_member_that_is_not_there_is_not_found(void **state)
{
	static const char *const objects[] = { "{}", "{\"i\":1}",        "{\"idx\":1}",     "{\"ID\":1}",
		                               "[]", "[\"id\"]",         "\"id\"",          "{\"a\":{\"id\":1}}",
		                               "1",  "{\"x\":\"id\"}",   "{\"\\u0069\":1}", "{\"\\u0069dx\":1}",
		                               "",   "{\"\\u0069D\":1}", "{\"i\\n\":1}",    "[{\"id\":1}]" };
	struct str               value = STR("untouched");

	(void)state;
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		assert_false(json_span_member(str_from_c(objects[i]), STR("id"), &value));
	assert_text(value, STR("untouched"));
}

static struct str
text_of(const char *raw, struct arena *arena)
{
	struct str text = STR_EMPTY;

	if (!json_span_text(str_from_c(raw), arena, &text))
		fail_msg("%s should be a string", raw);
	return text;
}

static void
test_json_span__escapes_are_resolved(void **state)
{
	assert_text(text_of("\"\"", *state), STR(""));
	assert_text(text_of("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", *state), STR("\"\\/\b\f\n\r\t"));
	assert_text(text_of("\"x\\u0041y\\u00e9z\\u20AC\\ud83D\\uDE00!\"", *state),
	            STR("xAy\xc3\xa9z\xe2\x82\xac\xf0\x9f\x98\x80!"));
	assert_text(text_of("\"\\uffff\\ud800\\udc00\\udbff\\udfff\"", *state),
	            STR("\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
}

static void
test_json_span__a_string_without_escapes_is_not_copied(void **state)
{
	struct str raw = STR("\"na\xc3\xafve\""), text;

	assert_true(json_span_text(raw, *state, &text));
	assert_ptr_equal(text.at, raw.at + 1);
	assert_int_equal(text.len, raw.len - 2);
	assert_int_equal(arena_used(*state), 0);
}

static void
test_json_span__what_is_no_string_has_no_text(void **state)
{
	static const char *const others[] = { "",
		                              "\"",
		                              "1",
		                              "null",
		                              "[\"a\"]",
		                              "{}",
		                              "\"a",
		                              "a\"",
		                              "\"\\\"",
		                              "\"a\"b\"",
		                              "\"\\x\"",
		                              "\"\\u12\"",
		                              "\"\\u00g0\"",
		                              "\"\\ud800\"",
		                              "\"\\udc00\"",
		                              "\"\\ud800\\n\"",
		                              "\"\\ud800x\"",
		                              "\"\\ud800\\u0041\"",
		                              "\"\\ud800\\ud800\"",
		                              "\"a\nb\"" };
	struct str               text = STR("untouched");

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (json_span_text(str_from_c(others[i]), *state, &text))
			fail_msg("%s should be refused", others[i]);
	assert_text(text, STR("untouched"));
}

/* The contract promises nothing for text that is no JSON, but not a byte outside it may be read. */
static void
test_json_span__cut_text_is_walked_within_its_bounds(void **state)
{
	static const char whole[] = "{\"a\":[1,{\"b\\\"\":\"c\\\\\"}],\"\\u0069d\":\"x\\ud83d\\ude00\",\"n\":-1.5e3}";

	for (size_t len = 0; len < sizeof(whole); len++) {
		char            *cut = malloc(len ? len : 1);
		struct json_walk walk;
		struct json_span span;
		struct str       value;

		memcpy(cut, whole, len);
		json_walk_open(&walk, str_of(cut, len));
		for (size_t i = 0; json_walk_next(&walk, &span); i++) {
			assert_true(i < 3);
			assert_true(span.value.at >= cut && span.value.at + span.value.len <= cut + len);
			(void)json_span_text(span.value, *state, &value);
		}
		(void)json_span_member(str_of(cut, len), STR("nope"), &value);
		free(cut);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_span__members_come_with_their_very_bytes),
		cmocka_unit_test(test_json_span__elements_have_no_names),
		cmocka_unit_test(test_json_span__empty_containers_and_other_values_hold_nothing),
		cmocka_unit_test(test_json_span__the_end_of_a_string_is_found_behind_any_run_of_backslashes),
		cmocka_unit_test(test_json_span__a_member_is_found_by_name),
		cmocka_unit_test(test_json_span__a_member_that_is_not_there_is_not_found),
		TEST_WITH_ARENA(test_json_span__escapes_are_resolved),
		TEST_WITH_ARENA(test_json_span__a_string_without_escapes_is_not_copied),
		TEST_WITH_ARENA(test_json_span__what_is_no_string_has_no_text),
		TEST_WITH_ARENA(test_json_span__cut_text_is_walked_within_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
