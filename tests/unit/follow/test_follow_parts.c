/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include "follow_test.h"

#include "follow/follow_cycle.h"
#include "follow/follow_merge.h"
#include "follow/follow_error.h"
#include "follow/follow_page.h"
#include "follow/follow_scope.h"

/* ---- memory ---- */

/* The largest page of the smallest items, and a link that must be unescaped: all of it fits into a prefetched page. */
static void
test_page__no_page_takes_more_memory_than_a_page_may(void **state)
{
	struct arena      *arena = arena_open((size_t)24 << 20);
	struct buf         body;
	struct follow_page page;
	struct str         why;

	(void)state;
	buf_open(&body, FOLLOW_PAGE_MAX);
	buf_put(&body, STR("{\"value\":[{}"));
	for (size_t i = 1; i < FOLLOW_PAGE_ITEMS_MAX; i++)
		buf_put(&body, STR(",{}"));
	buf_put(&body, STR("],\"@odata.nextLink\":\"\\/"));
	while (body.len < FOLLOW_PAGE_MAX - 2)
		buf_put_char(&body, 'x');
	buf_put(&body, STR("\"}"));
	assert_int_equal(buf_err(&body), OK);
	assert_int_equal(follow_page_read(buf_str(&body), arena, &page, &why), ERR_FOREIGN);
	buf_close(&body);
	arena_close(&arena);
}

/* Many people may follow their own data by one URL, and each of their scopes may hold all that a scope can. */
static void
test_scope__the_owners_of_a_url_take_no_memory_together(void **state)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)64 << 10);
	struct kit                      kit;
	struct replica_scope            scope = { .url = FAR_URL, .resource = STR("things") };
	struct follow_scope             wanted = { .url = FAR_URL, .arena = arena };
	char                            name[16], owner[16], fault[4096], why[512];
	int64_t                         sid;

	(void)state;
	memset(fault, 'x', sizeof(fault));
	kit_open(&kit, 1);
	kit_open_replica(&kit);
	wanted.replica = kit.replica;
	for (unsigned i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "things-%u", i);
		(void)snprintf(owner, sizeof(owner), "T/%u", i);
		scope.name = str_from_c(name);
		assert_int_equal(replica_add_scope(kit.replica, &scope, &sid), OK);
		assert_int_equal(replica_set_owner(kit.replica, sid, str_from_c(owner)), OK);
		assert_int_equal(replica_note_fault(kit.replica, sid, str_of(fault, sizeof(fault)), 1), OK);
	}
	assert_int_equal(follow_scope_find(&wanted, &sid, why), ERR_CONFLICT);
	assert_non_null(strstr(why, "things-0, things-1, "));
	wanted.owner = STR("T/9");
	assert_int_equal(follow_scope_find(&wanted, &sid, why), OK);
	kit_close(&kit);
}

/* ---- circles -------------------------------------------------------------------------------- */

/* How many pages until a circle of links (with its tail before it) is noticed; 0: never. */
static unsigned
pages_to_notice(unsigned tail, unsigned around, bool links)
{
	struct follow_cycle loop = { 0 };
	char               text[32];

	for (unsigned i = 0; i < 100000; i++) {
		unsigned index = i < tail ? i : tail + (i - tail) % around;

		(void)snprintf(text, sizeof(text), "https://h/%u", links ? index : i);
		if (follow_cycle_note(&loop, str_from_c(text), links ? i + 1 : index + 1, 10))
			return i + 1;
	}
	return 0;
}

static void
test_loop__every_circle_is_noticed_and_soon(void **state)
{
	(void)state;
	for (unsigned around = 1; around < 60; around++)
		for (unsigned tail = 0; tail < 40; tail += 3) {
			unsigned links = pages_to_notice(tail, around, true), content = pages_to_notice(tail,
				around, false);

			if (links == 0 || links > 3 * (tail + around) + 3)
				fail_msg("links: tail %u, around %u: %u", tail, around, links);
			if (content == 0 || content > 20 * (tail + around) + 20)
				fail_msg("content: tail %u, around %u: %u", tail, around, content);
		}
}

static void
test_loop__a_listing_begun_anew_is_no_circle(void **state)
{
	struct follow_cycle loop = { 0 };
	char               text[32];

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(text, sizeof(text), "https://h/%u", i);
		assert_null(follow_cycle_note(&loop, str_from_c(text), i % 1500 + 1, 10));
	}
}

static void
test_loop__empty_pages_are_borne_up_to_a_limit(void **state)
{
	struct follow_cycle loop = { 0 };
	char               text[32];
	unsigned           i = 0;

	(void)state;
	for (; i < 10; i++) {
		(void)snprintf(text, sizeof(text), "https://h/%u", i);
		assert_null(follow_cycle_note(&loop, str_from_c(text), 0, 10));
	}
	assert_null(follow_cycle_note(&loop, STR("https://h/full"), 7, 10));
	for (; i < 20; i++) {
		(void)snprintf(text, sizeof(text), "https://h/%u", i);
		assert_null(follow_cycle_note(&loop, str_from_c(text), 0, 10));
	}
	assert_non_null(follow_cycle_note(&loop, STR("https://h/one-more"), 0, 10));
}

/* ---- merging -------------------------------------------------------------------------------- */

static void
expect_merged(bool replace, const char *held, const char *received, const char *wanted)
{
	struct follow_rule    rule;
	struct replica_merger merger = follow_merger(&rule);
	struct buf            out;

	follow_rule_open(&rule, NULL, replace ? REPLICA_COMPLETE : REPLICA_BY_RESOURCE);
	buf_open(&out, 4096);
	assert_int_equal(merger.merge(merger.ctx, str_from_c(held), str_from_c(received), &out), OK);
	if (!str_eq(buf_str(&out), str_from_c(wanted)))
		fail_msg("%s + %s = %.*s", held, received, (int)out.len, out.at);
	buf_close(&out);
	follow_rule_close(&rule);
}

static void
test_merge__a_member_of_the_update_replaces_and_the_others_stay(void **state)
{
	(void)state;
	expect_merged(false, "{\"id\":\"1\",\"a\":1,\"b\":{\"x\":1}}", "{\"id\":\"1\",\"b\":{\"y\":2}}",
		"{\"id\":\"1\",\"a\":1,\"b\":{\"y\":2}}");
	expect_merged(false, "{\"a\":1}", "{\"c\":[1, 2],\"a\":null}", "{\"a\":null,\"c\":[1, 2]}");
	expect_merged(false, "{}", "{\"a\":1.0}", "{\"a\":1.0}");
	expect_merged(false, "{\"a\":1}", "{ }", "{\"a\":1}");
	expect_merged(true, "{\"id\":\"1\",\"a\":1}", "{\"id\":\"1\"}", "{\"id\":\"1\"}");
}

static void
test_merge__fields_are_what_differs_in_either_direction(void **state)
{
	struct follow_rule    rule;
	struct replica_merger merger = follow_merger(&rule);
	struct buf            fields;

	(void)state;
	follow_rule_open(&rule, NULL, REPLICA_BY_RESOURCE);
	buf_open(&fields, 4096);
	assert_false(merger.differ(merger.ctx, STR("{\"a\":1,\"b\":2}"), STR("{\"b\":2, \"a\":1}"), &fields));
	assert_int_equal(fields.len, 0);
	assert_true(merger.differ(merger.ctx, STR("{\"a\":1,\"b\":2,\"c\":3}"), STR("{\"a\":1,\"b\":3,\"d\":0}"),
	                          &fields));
	assert_true(str_eq(buf_str(&fields), STR("[\"b\",\"d\",\"c\"]")));
	buf_cut(&fields, 0);
	assert_false(follow_items_differ(STR("{\"a\":1,\"@odata.etag\":\"x\"}"), STR("{\"a\":1}"), &fields));
	buf_close(&fields);
	follow_rule_close(&rule);
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void
test_page__an_item_is_returned_with_its_own_bytes(void **state)
{
	struct arena      *arena = arena_open(1 << 20);
	struct follow_page page;
	struct follow_item item;
	struct str         why;
	struct str body = STR("{\"@odata.deltaLink\":\"https:\\/\\/h\\/x\","
	                      "\"value\":[ {\"n\": 1.50, \"id\":\"a\\u0062\"} ,"
	                      "{\"id\":\"c\",\"@removed\":{\"reason\":\"changed\"}},{\"id\":\"d\",\"@removed\":{}},"
	                      "{\"id\":\"e\",\"@removed\":null},7]}");

	(void)state;
	assert_int_equal(follow_page_read(body, arena, &page, &why), OK);
	assert_true(page.is_last && str_eq(page.link, STR("https://h/x")) && page.hash != 0);
	assert_true(follow_page_next(&page, arena, &item) && !item.fault && item.life == REPLICA_LIVE);
	assert_true(str_eq(item.id, STR("ab")) && str_eq(item.body, STR("{\"n\": 1.50, \"id\":\"a\\u0062\"}")));
	assert_true(follow_page_next(&page, arena, &item) && item.life == REPLICA_CHANGED);
	assert_true(follow_page_next(&page, arena, &item) && item.life == REPLICA_DELETED);
	assert_true(follow_page_next(&page, arena, &item) && item.life == REPLICA_LIVE && !item.fault);
	assert_true(follow_page_next(&page, arena, &item) && item.fault);
	assert_false(follow_page_next(&page, arena, &item));
	arena_close(&arena);
}

/* Other members may hold arrays, too, before and behind the items. */
static void
test_page__only_what_stands_in_value_is_an_item(void **state)
{
	struct arena      *arena = arena_open(1 << 20);
	struct follow_page page;
	struct follow_item item;
	struct str         why;
	struct str body = STR("{\"before\":[{\"id\":\"x\"}],\"value\":["
	                      "{\"a\":{\"id\":\"no\"},\"id\":\"a\",\"b\":[{\"id\":\"no\"}]},{\"c\":1}],"
	                      "\"behind\":[{\"id\":\"y\"},{\"id\":\"z\"}],"
	                      "\"@odata.nextLink\":\"https://h/x\",\"@odata.deltaLink\":null}");

	(void)state;
	assert_int_equal(follow_page_read(body, arena, &page, &why), OK);
	assert_true(!page.is_last && str_eq(page.link, STR("https://h/x")));
	assert_true(follow_page_next(&page, arena, &item) && str_eq(item.id, STR("a")) && !item.fault);
	assert_true(str_eq(item.body, STR("{\"a\":{\"id\":\"no\"},\"id\":\"a\",\"b\":[{\"id\":\"no\"}]}")));
	assert_true(follow_page_next(&page, arena, &item) && item.fault);
	assert_false(follow_page_next(&page, arena, &item));
	arena_close(&arena);
}

static void
assert_guessed(struct str body, const char *link)
{
	struct str guess = STR_EMPTY;

	assert_true(follow_page_guess_next(body, &guess) == (link != NULL));
	if (link && !str_eq(guess, str_from_c(link)))
		fail_msg("guessed %.*s, not %s", STR_ARG(guess), link);
}

static void
test_page__a_next_link_is_guessed_at_either_end_and_never_read_past_it(void **state)
{
	static char big[64 << 10];
	const char  last[] = "],\"@odata.nextLink\":\"https://h/z\"}";

	(void)state;
	assert_guessed(STR("{\"@odata.nextLink\" : \n\"https://h/a\",\"value\":[]}"), "https://h/a");
	assert_guessed(STR("{\"value\":[],\"@odata.deltaLink\":\"https://h/a\"}"), NULL);
	assert_guessed(STR("{\"value\":[{\"x@odata.nextLink\":\"https://h/a\"}]}"), NULL);
	assert_guessed(STR("{\"@odata.nextLink\":\"https://h/a\\u0026\"}"), NULL);
	assert_guessed(STR("{\"@odata.nextLink\":\"\"}"), NULL);
	assert_guessed(STR("{\"@odata.nextLink\":null}"), NULL);
	assert_guessed(STR("{\"@odata.nextLink\":\"https://h/a"), NULL);
	assert_guessed(STR("{\"@odata.nextLink\""), NULL);
	assert_guessed(STR("{\"@odata.nextLink\":"), NULL);
	assert_guessed(STR_EMPTY, NULL);
	memset(big, ' ', sizeof(big));
	memcpy(big + sizeof(big) - (sizeof(last) - 1), last, sizeof(last) - 1);
	assert_guessed(str_of(big, sizeof(big)), "https://h/z");
	/* After the items the last one is the page's. */
	memcpy(big + sizeof(big) - 100, "\"@odata.nextLink\":\"https://h/inner\"", 36);
	assert_guessed(str_of(big, sizeof(big)), "https://h/z");
	memset(big + sizeof(big) - 100, ' ', 36);
	for (size_t len = sizeof(big) - (sizeof(last) - 1); len < sizeof(big) - 2; len++)
		assert_guessed(str_of(big, len), NULL);
}

static void
test_page__has_a_limit_of_items(void **state)
{
	static const char  end[] = "],\"@odata.deltaLink\":\"https://h/x\"}";
	struct arena      *arena = arena_open((size_t)64 << 20);
	struct follow_page page;
	struct buf         body;
	struct str         why;

	(void)state;
	buf_open(&body, FOLLOW_PAGE_MAX);
	buf_put(&body, STR("{\"value\":[{}"));
	for (size_t i = 1; i < FOLLOW_PAGE_ITEMS_MAX; i++)
		buf_put(&body, STR(",{}"));
	buf_put(&body, str_from_c(end));
	assert_int_equal(follow_page_read(buf_str(&body), arena, &page, &why), OK);
	assert_int_equal(page.count, FOLLOW_PAGE_ITEMS_MAX);
	buf_cut(&body, body.len - strlen(end));
	buf_put(&body, STR(",{}"));
	buf_put(&body, str_from_c(end));
	assert_int_equal(follow_page_read(buf_str(&body), arena, &page, &why), ERR_TOO_LARGE);
	buf_close(&body);
	arena_close(&arena);
}

static void
test_page__what_is_no_page_is_told_from_a_page_that_never_comes_right(void **state)
{
	static const struct {
		enum err    err;
		const char *body;
	} rows[] = {
		{ ERR_UP_GARBLED, "" },
		{ ERR_UP_GARBLED, "<!DOCTYPE html><html></html>" },
		{ ERR_UP_GARBLED, "{\"value\":[{\"id\":\"a\"},{\"id\":\"b" },
		{ ERR_UP_GARBLED, "[]" },
		{ ERR_UP_GARBLED, "null" },
		{ ERR_UP_GARBLED, "{\"error\":{\"code\":\"UnknownError\",\"message\":\"\"}}" },
		{ ERR_UP_GARBLED, "{\"odata.error\":{\"code\":\"x\"}}" },
		{ ERR_FOREIGN, "{\"id\":\"a\",\"displayName\":\"A\"}" },
		{ ERR_FOREIGN, "{\"value\":[]}" },
		{ ERR_FOREIGN, "{\"value\":{},\"@odata.deltaLink\":\"x\"}" },
		{ ERR_FOREIGN, "{\"value\":[],\"@odata.deltaLink\":7}" },
		{ ERR_FOREIGN, "{\"value\":[],\"@odata.deltaLink\":\"x\",\"@odata.nextLink\":\"y\"}" },
		{ OK, "{\"value\":[],\"@odata.deltaLink\":\"x\"}" },
		{ OK, "{\"value\":[],\"@odata.deltaLink\":\"x\",\"error\":{}}" },
		{ OK, "\xef\xbb\xbf{\"value\":[{\"id\":\"a\"}],\"@odata.deltaLink\":\"x\"}" },
	};
	struct arena      *arena = arena_open(1 << 20);
	struct follow_page page;
	struct str         why;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (follow_page_read(str_from_c(rows[i].body), arena, &page, &why) != rows[i].err)
			fail_msg("%s", rows[i].body);
	arena_close(&arena);
}

static void
test_error__is_read_in_every_spelling(void **state)
{
	static const struct {
		const char *body, *text;
	} rows[] = {
		{ "{\"error\":{\"code\":\"c\",\"message\":\"m\"}}", "c: m" },
		{ "\xef\xbb\xbf{\"error\":{\"code\":\"c\",\"message\":\"m\"}}", "c: m" },
		{ "{\"error\":{\"code\":\"\",\"message\":\"m\"}}", "m" },
		{ "{\"error\":{\"message\":\"m\"}}", "m" },
		{ "{\"error\":{\"code\":\"c\"}}", "c" },
		{ "{\"error\":{\"code\":7,\"message\":\"m\"}}", "7: m" },
		{ "{\"error\":{\"code\":\"c\",\"message\":{\"lang\":\"en\",\"value\":\"m\"}}}", "c: m" },
		{ "{\"odata.error\":{\"code\":\"c\",\"message\":{\"lang\":\"en\",\"value\":\"m\"}}}", "c: m" },
		{ "{\"error\":{\"code\":\"c\",\"message\":\"c: m\"}}", "c: m" },
		{ "{\"error\":\"invalid_grant\",\"error_description\":\"m\"}", "invalid_grant: m" },
		{ "{\"error\":\"m\"}", "m" },
		{ "{\"Message\":\"m\"}", "m" },
		{ "{\"code\":\"c\",\"message\":\"m\"}", "c: m" },
		{ "{\"type\":\"about:blank\",\"title\":\"m\"}", "about:blank: m" },
		{ "\"m\"", "m" },
		{ "{\"error\":null}", "" },
		{ "[]", "" },
		{ "<html>m</html>", "" },
		{ "", "" },
	};
	struct arena *arena = arena_open(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!str_eq(follow_error_text(str_from_c(rows[i].body), arena), str_from_c(rows[i].text)))
			fail_msg("%s", rows[i].body);
	arena_close(&arena);
}

static void
test_error__is_described_with_its_status_and_its_request_id(void **state)
{
	struct follow_response response = { .status = 404,
		                            .body = STR("{\"error\":{\"code\":\"c\",\"message\":\"m\","
		                                        "\"innerError\":{\"request-id\":\"in\"}}}") };
	struct arena          *arena = arena_open(1 << 20);

	(void)state;
	assert_string_equal(follow_error_describe(&response, arena), "404: c: m (request-id in)");
	response.request_id = STR("out");
	assert_string_equal(follow_error_describe(&response, arena), "404: c: m (request-id out)");
	response = (struct follow_response){ .status = 503 };
	assert_string_equal(follow_error_describe(&response, arena), "503");
	response = (struct follow_response){ .status = 403, .body = STR("\"m\"") };
	assert_string_equal(follow_error_describe(&response, arena), "403 (not allowed): m");
	arena_close(&arena);
}

static void
test_error__claims_are_taken_from_a_challenge_and_only_json(void **state)
{
	static const struct {
		const char *challenge, *claims;
	} rows[] = {
		{ "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhIjoxfQ==\"", "{\"a\":1}" },
		{ "Bearer claims=\"eyJhIjoxfQ\"", "{\"a\":1}" },
		{ "Bearer CLAIMS=\"eyJhIjoiPz8_In0\", error=\"x\"", "{\"a\":\"???\"}" },
		{ "Bearer claims=\"eyJhIjoiPz8/In0=\"", "{\"a\":\"???\"}" },
		{ "Bearer xclaims=\"eyJhIjoxfQ==\"", NULL },
		{ "Bearer claims=\"bm8ganNvbg==\"", NULL },
		{ "Bearer claims=\"WzFd\"", NULL },
		{ "Bearer claims=\"\"", NULL },
		{ "Bearer claims=", NULL },
		{ "claims", NULL },
		{ "", NULL },
	};
	struct arena *arena = arena_open(1 << 20);
	struct str    claims;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_found = follow_error_claims(str_from_c(rows[i].challenge), arena, &claims);

		if (is_found != (rows[i].claims != NULL) || (is_found && !str_eq(claims, str_from_c(rows[i].claims))))
			fail_msg("%s", rows[i].challenge);
	}
	arena_close(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page__no_page_takes_more_memory_than_a_page_may),
		cmocka_unit_test(test_scope__the_owners_of_a_url_take_no_memory_together),
		cmocka_unit_test(test_loop__every_circle_is_noticed_and_soon),
		cmocka_unit_test(test_loop__a_listing_begun_anew_is_no_circle),
		cmocka_unit_test(test_loop__empty_pages_are_borne_up_to_a_limit),
		cmocka_unit_test(test_merge__a_member_of_the_update_replaces_and_the_others_stay),
		cmocka_unit_test(test_merge__fields_are_what_differs_in_either_direction),
		cmocka_unit_test(test_page__an_item_is_returned_with_its_own_bytes),
		cmocka_unit_test(test_page__only_what_stands_in_value_is_an_item),
		cmocka_unit_test(test_page__a_next_link_is_guessed_at_either_end_and_never_read_past_it),
		cmocka_unit_test(test_page__has_a_limit_of_items),
		cmocka_unit_test(test_page__what_is_no_page_is_told_from_a_page_that_never_comes_right),
		cmocka_unit_test(test_error__is_read_in_every_spelling),
		cmocka_unit_test(test_error__is_described_with_its_status_and_its_request_id),
		cmocka_unit_test(test_error__claims_are_taken_from_a_challenge_and_only_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
