/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin/apply.h"
#include "crypt/seal.h"

#define ANN  "8b081ef6-4792-4def-b2c9-c363a1bf41d5"
#define CALS "\"feed\":\"users/" ANN "/calendars\""

static int
open_arena(void **state)
{
	*state = arena_open(LINE_ARENA_MAX);
	return crypt_init() == OK ? 0 : -1;
}

static int
close_arena(void **state)
{
	struct arena *arena = *state;

	arena_close(&arena);
	return 0;
}

static void
test_line_parse__good_lines(void **state)
{
	static const struct {
		const char    *text;
		enum line_kind kind;
	} rows[] = {
		{ "{\"op\":\"user\",\"value\":{\"id\":\"" ANN "\",\"userPrincipalName\":\"a@b\"}}", LINE_USER },
		{ " {\"value\":{\"mail\":null,\"userPrincipalName\":\"a@b\",\"id\":\"" ANN "\"},\"op\":\"user\"} \r",
		  LINE_USER },
		{ "{\"op\":\"put\"," CALS ",\"value\":{\"name\":\"x\"}}", LINE_PUT },
		{ "{\"op\":\"put\"," CALS ",\"value\":{\"name\":\"x\",\"id\":\"AAMkA\",\"more\":[1]}}", LINE_PUT },
		{ "{\"op\":\"remove\"," CALS ",\"id\":\"AAMkA\"}", LINE_REMOVE },
		{ "{\"op\":\"remove-user\",\"id\":\"" ANN "\"}", LINE_REMOVE_USER },
	};
	struct line_op op;
	struct str     why;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		why = STR_EMPTY;
		if (line_parse(str_from_c(rows[i].text), *state, &op, &why) != OK)
			fail_msg("%s: %.*s", rows[i].text, STR_ARG(why));
		assert_int_equal(op.kind, rows[i].kind);
	}
}

static void
test_line_parse__bad_lines_and_why(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "{\"op\":\"put\"," CALS ",\"value\":{\"name\":\"x\"},\"id\":\"y\"}",
		  "unknown member \"id\" in a put line" },
		{ "{\"op\":\"put\"," CALS ",\"value\":[]}", "\"value\" is not an object" },
		{ "{\"op\":\"put\"," CALS ",\"value\":{\"name\":\"x\",\"id\":\"\"}}",
		  "\"id\" must have 1 to 1024 bytes" },
		{ "{\"op\":\"put\",\"feed\":\"users/" ANN "\",\"value\":{}}", "is not a feed" },
		{ "{\"op\":\"remove\"," CALS ",\"id\":\"x\",\"value\":{}}",
		  "unknown member \"value\" in a remove line" },
		{ "{\"op\":\"remove\"," CALS ",\"id\":\"\"}", "\"id\" is empty" },
		{ "{\"op\":\"remove\"," CALS ",\"id\":null}", "\"id\" is null, not a string" },
		{ "{\"op\":\"user\",\"value\":{\"id\":\"00000000-0000-0000-0000-000000000000\",\"userPrincipalName\":"
		  "\"a\"}}",
		  "\"id\" is not a GUID" },
		{ "{\"op\":\"user\",\"value\":{\"id\":\"" ANN "\",\"userPrincipalName\":\"\"}}",
		  "\"userPrincipalName\" is empty" },
		{ "{\"op\":\"user\",\"value\":{\"id\":\"" ANN "\",\"userPrincipalName\":\"a\",\"mail\":1}}",
		  "\"mail\" is " },
		{ "{\"op\":\"remove-user\",\"id\":\"" ANN "\",\"feed\":\"x\"}", "unknown member \"feed\"" },
		{ "{\"op\":\"Put\"}", "unknown op \"Put\"" },
		{ "null", "the line is null, not an object" },
	};
	struct line_op op = { .kind = LINE_REMOVE };
	struct str     why;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		why = STR_EMPTY;
		assert_int_equal(line_parse(str_from_c(rows[i].text), *state, &op, &why), ERR_BAD_REQUEST);
		if (!memmem(why.at, why.len, rows[i].why, strlen(rows[i].why)))
			fail_msg("%s: %.*s", rows[i].text, STR_ARG(why));
		assert_int_equal(op.kind, LINE_REMOVE);
	}
}

static void
test_line_parse__keeps_the_very_bytes_of_a_value(void **state)
{
	struct line_op op;
	struct str     why;

	assert_int_equal(line_parse(STR("{\"op\":\"put\"," CALS ",\"value\": {\"name\" : \"\\u0041\", \"n\":1.50} }"),
	                            *state, &op, &why),
	                 OK);
	assert_true(str_eq(op.value, STR("{\"name\" : \"\\u0041\", \"n\":1.50}")));
}

static void
test_line_parse__has_a_limit(void **state)
{
	struct str     text = { arena_take(*state, LINE_BYTES_MAX + 1), LINE_BYTES_MAX + 1 };
	struct line_op op;
	struct str     why;

	assert_int_equal(line_parse(text, *state, &op, &why), ERR_TOO_LARGE);
}

static void
test_line_put_user__is_read_back_the_same(void **state)
{
	struct guid    own = { { 1 } };
	struct user    user = { .tenant = { { 2 } }, .id = { { 3 } }, .upn = STR("a\"b@c"), .display_name = STR("Ä") };
	struct buf     buf;
	struct line_op op;
	struct str     why;

	buf_open(&buf, 4096);
	line_put_user(&buf, &user, &own);
	assert_int_equal(line_parse(str_first(buf_str(&buf), buf.len - 1), *state, &op, &why), OK);
	assert_true(op.has_tenant && guid_eq(&op.user.tenant, &user.tenant) && guid_eq(&op.user.id, &user.id));
	assert_true(str_eq(op.user.upn, user.upn) && str_eq(op.user.display_name, user.display_name));
	assert_int_equal(op.user.mail.len, 0);
	buf_close(&buf);
}

static void
test_line_put_item__stays_on_one_line(void **state)
{
	struct store_feed   feed = { .owner = { { 1 } }, .collection = 1 };
	struct store_conf   conf = { .url = STR("memory:"),
		                     .access = STORE_SERVE,
		                     .create = true,
		                     .clock = &clock_system,
		                     .entropy = &entropy_system };
	struct store       *store;
	struct apply_result result;
	struct item         item;
	struct guid         id;
	struct buf          buf;
	char                why[512];

	assert_int_equal(store_open(&conf, &store, why), OK);
	assert_int_equal(directory_ensure(store, &entropy_system, &clock_system), OK);
	assert_int_equal(directory_tenant(store, *state, &feed.tenant), OK);
	assert_true(guid_parse(STR(ANN), &id));
	feed.owner = id;
	/* A body that came over HTTP may have line ends between its values: \r does not divide lines here, so it shows
	 * that. */
	assert_int_equal(
		apply_lines(store, NULL, &entropy_system, NULL,
	                    STR("{\"op\":\"user\",\"value\":{\"id\":\"" ANN "\",\"userPrincipalName\":\"a@b\"}}\n"
	                        "{\"op\":\"put\"," CALS
	                        ",\"value\":{\"id\":\"AAMkA\",\"name\":\"x\",\"y\":[1,\r2]}}\n"),
	                    &result),
		OK);
	assert_int_equal(store_get(store, &feed, STR("AAMkA"), *state, &item), OK);
	buf_open(&buf, 65536);
	line_put_item(&buf, &feed, &item, *state);
	assert_null(memchr(buf.at, '\r', buf.len));
	assert_ptr_equal(memchr(buf.at, '\n', buf.len), buf.at + buf.len - 1);
	buf_close(&buf);
	store_close(&store);
}

static void
test_apply_lines__a_refused_line_leaves_nothing_behind(void **state)
{
	struct store_conf   conf = { .url = STR("memory:"),
		                     .access = STORE_SERVE,
		                     .create = true,
		                     .clock = &clock_system,
		                     .entropy = &entropy_system };
	struct store       *store;
	struct apply_result result;
	struct user         user;
	struct guid         id;
	char                why[512];

	assert_int_equal(store_open(&conf, &store, why), OK);
	assert_int_equal(directory_ensure(store, &entropy_system, &clock_system), OK);
	assert_int_equal(
		apply_lines(store, NULL, &entropy_system, NULL,
	                    STR("{\"op\":\"user\",\"value\":{\"id\":\"" ANN "\",\"userPrincipalName\":\"a@b\"}}\n"
	                        "\n{\"op\":\"fly\"}\n"),
	                    &result),
		ERR_BAD_REQUEST);
	assert_int_equal(result.bad_line, 3);
	assert_non_null(strstr(result.why, "unknown op"));
	assert_true(guid_parse(STR(ANN), &id));
	assert_int_equal(directory_find_owner(store, &id, *state, &user), ERR_NOT_FOUND);
	store_close(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_parse__good_lines),
		cmocka_unit_test(test_line_parse__bad_lines_and_why),
		cmocka_unit_test(test_line_parse__keeps_the_very_bytes_of_a_value),
		cmocka_unit_test(test_line_parse__has_a_limit),
		cmocka_unit_test(test_line_put_user__is_read_back_the_same),
		cmocka_unit_test(test_line_put_item__stays_on_one_line),
		cmocka_unit_test(test_apply_lines__a_refused_line_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, open_arena, close_arena);
}
