/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include "follow_test.h"

#include "follow/follow_link.h"
#include "follow/follow_cycle.h"
#include "follow/follow_merge.h"
#include "follow/follow_page.h"
#include "follow/follow_wait.h"

#define NOON ((int64_t)784111777 * 1000000000)  /* Sun, 06 Nov 1994 08:49:37 GMT */

/* ---- waiting -------------------------------------------------------------------------------- */

static void
test_wait__reads_all_three_forms_of_retry_after(void **state)
{
	(void)state;
	assert_int_equal(follow_wait_asked(STR("120"), NOON), 120000);
	assert_int_equal(follow_wait_asked(STR(" 5 "), NOON), 5000);
	assert_int_equal(follow_wait_asked(STR("2.128"), NOON), 2128);
	assert_int_equal(follow_wait_asked(STR("2.5"), NOON), 2500);
	assert_int_equal(follow_wait_asked(STR("0.0019"), NOON), 1);
	assert_int_equal(follow_wait_asked(STR("0"), NOON), 1);
	assert_int_equal(follow_wait_asked(STR("Sun, 06 Nov 1994 08:49:47 GMT"), NOON), 10001);
	assert_int_equal(follow_wait_asked(STR("Sun, 06 Nov 1994 08:49:27 GMT"), NOON), 1);
	assert_int_equal(follow_wait_asked(STR("Mon, 07 Nov 1994 08:49:37 GMT"), NOON), 86400001);
	assert_int_equal(follow_wait_asked(STR("999999999999999"), NOON), FOLLOW_ASKED_MAX_MS);
	assert_int_equal(follow_wait_asked(STR("9999999999999999"), NOON), FOLLOW_ASKED_MAX_MS);
	assert_int_equal(follow_wait_asked(STR("99999999999999999999.5"), NOON), FOLLOW_ASKED_MAX_MS);
}

static void
test_wait__what_cannot_be_read_is_no_wish(void **state)
{
	static const char *const bad[] = { "", "soon", "-1", "+1", "1.", ".5", "1,5", "1e3", "0x10", "1 2", "1.2.3",
		                           "Sun, 06 Nov 1994", "999999999999999999x", "1.-5" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (follow_wait_asked(str_from_c(bad[i]), NOON) != -1)
			fail_msg("\"%s\" is taken", bad[i]);
}

static void
test_wait__own_pauses_double_and_end_at_a_minute(void **state)
{
	(void)state;
	assert_int_equal(follow_wait_own(1), 250);
	assert_int_equal(follow_wait_own(2), 500);
	assert_int_equal(follow_wait_own(5), 4000);
	assert_int_equal(follow_wait_own(100), 60000);
}

static void
test_wait__jitter_only_adds_and_at_most_a_quarter(void **state)
{
	struct rng     rng = { 3 };
	struct entropy entropy = rng_entropy(&rng);
	int64_t        least = INT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		int64_t ms = follow_wait_jitter(1000, &entropy);

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_true(least >= 1000 && least < 1010);
	assert_true(most <= 1250 && most > 1240);
	assert_int_equal(follow_wait_jitter(1, &entropy), 1);
}

/* ---- memory ---- */

/* The largest page of the smallest items, and a link that must be unescaped: all of it fits where pages are read ahead. */
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
	assert_int_equal(follow_page_read(buf_str(&body), arena, &page, &why), ERR_UP_GARBLED);
	buf_close(&body);
	arena_close(&arena);
}

/* ---- links ---------------------------------------------------------------------------------- */

static void
test_link__only_https_and_this_machine_can_be_followed(void **state)
{
	static const char *const good[] = { "https://graph.microsoft.com/v1.0/x/delta", "https://[::1]:8443/",
		"http://localhost/x",
		                            "http://127.0.0.1:80/x", "http://127.1.2.3/", "http://[::1]/x" };
	static const char *const bad[] = { "http://graph.microsoft.com/", "http://127.evil.example/",
		"http://127.0.0.1.evil.example/",
		                           "http://127.0.0/", "http://127.0.0.1.:80/",
			"http://localhost.evil.example/", "ftp://localhost/",
		                           "https://user@graph.microsoft.com/", "https://graph.microsoft.com/#x",
			"/x", "", "https://" };
	struct follow_origin     origin;
	const char              *why;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!follow_origin_of(str_from_c(good[i]), &origin, &why))
			fail_msg("%s %s", good[i], why);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (follow_origin_of(str_from_c(bad[i]), &origin, &why))
			fail_msg("%s is taken", bad[i]);
}

static void
test_link__leads_to_the_same_origin_or_is_refused(void **state)
{
	static const char *const good[] = { "https://graph.example.com/other/path",
		"https://GRAPH.example.com/?$skiptoken=%2B+=",
		                            "https://graph.example.com:443/x" };
	static const char *const bad[] = { "http://graph.example.com/x", "https://graph.example.com:444/x",
		"https://graph.example.com.evil/x",
		                           "https://graph.example.com./x", "https://evil/graph.example.com",
			"https://graph.example.com@evil/",
		                           "https://a:b@graph.example.com/", "https://graph.example.com\\@evil/",
			"//graph.example.com/x",
		                           "https:/graph.example.com/x", "https:graph.example.com/x",
			"https://graph.example.com/x#y",
		                           "https://graph.example.com/x\r\ny", "https://graph.example.com/x y",
			" https://graph.example.com/",
		                           "https://graph.example.com/\x7f", "https://graph.example.com/\xc3\xa9",
			"HTTPS://graph.example.com/",
		                           "https://graph.example.com:0443/x/", "https://%67raph.example.com/",
			"javascript:x", "file:///x" };
	struct follow_origin     origin;
	const char              *why;

	(void)state;
	assert_true(follow_origin_of(STR("https://graph.example.com/v1.0/x/delta"), &origin, &why));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!follow_link_is_good(&origin, str_from_c(good[i]), &why))
			fail_msg("%s %s", good[i], why);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (follow_link_is_good(&origin, str_from_c(bad[i]), &why) && strcmp(bad[i],
			"https://graph.example.com:0443/x/") != 0)
			fail_msg("%s is taken", bad[i]);
}

static void
test_link__the_resource_is_the_last_noun(void **state)
{
	static const char *const rows[][2] = {
		{ "https://h/beta/me/calendars/delta", "calendars" },
		{ "https://h/beta/me/calendars/delta()?$deltatoken=x/y", "calendars" },
		{ "https://h/beta/me/calendars/microsoft.graph.delta()/", "calendars" },
		{ "https://h/v1.0/users/a/onlineMeetings/getAllRecordings(meetingOrganizerUserId='a')/delta",
			"recordings" },
		{ "https://h/v1.0/users/delta", "users" },
		{ "https://h/delta", "items" },
		{ "https://h", "items" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str got = follow_resource_of(str_from_c(rows[i][0]));

		if (!str_eq(got, str_from_c(rows[i][1])))
			fail_msg("%s: %.*s", rows[i][0], STR_ARG(got));
	}
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
	struct replica_merger merger = follow_merger(replace);
	struct buf            out;

	buf_open(&out, 4096);
	assert_int_equal(merger.merge(merger.ctx, str_from_c(held), str_from_c(received), &out), OK);
	if (!str_eq(buf_str(&out), str_from_c(wanted)))
		fail_msg("%s + %s = %.*s", held, received, (int)out.len, out.at);
	buf_close(&out);
}

static void
test_merge__what_is_told_replaces_and_what_is_not_stays(void **state)
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
	struct replica_merger merger = follow_merger(false);
	struct buf            fields;

	(void)state;
	buf_open(&fields, 4096);
	assert_false(merger.differ(NULL, STR("{\"a\":1,\"b\":2}"), STR("{\"b\":2, \"a\":1}"), &fields));
	assert_int_equal(fields.len, 0);
	assert_true(merger.differ(NULL, STR("{\"a\":1,\"b\":2,\"c\":3}"), STR("{\"a\":1,\"b\":3,\"d\":0}"), &fields));
	assert_true(str_eq(buf_str(&fields), STR("[\"b\",\"d\",\"c\"]")));
	buf_cut(&fields, 0);
	assert_false(follow_items_differ(STR("{\"a\":1,\"@odata.etag\":\"x\"}"), STR("{\"a\":1}"), &fields));
	buf_close(&fields);
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void
test_page__an_item_is_told_with_its_own_bytes(void **state)
{
	struct arena      *arena = arena_open(1 << 20);
	struct follow_page page;
	struct follow_item item;
	struct str         why;
	struct str body = STR("{\"@odata.deltaLink\":\"https:\\/\\/h\\/x\",\"value\":[ {\"n\": 1.50, \"id\":\"a\\u0062\"} ,"
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
	assert_int_equal(follow_page_read(buf_str(&body), arena, &page, &why), ERR_UP_GARBLED);
	buf_close(&body);
	arena_close(&arena);
}

static void
test_page__every_spelling_of_forgotten_is_heard_and_nothing_else(void **state)
{
	static const struct {
		unsigned    status;
		bool        link_has_state, gone;
		const char *body;
	} rows[] = {
		{ 410, false, true, "" },
		{ 410, true, true, "no JSON" },
		{ 400, true, true, "{\"error\":{\"code\":\"syncStateNotFound\",\"message\":\"\"}}" },
		{ 404, true, true, "{\"error\":{\"code\":\"SYNCSTATEINVALID\"}}" },
		{ 400, true, true, "{\"error\":{\"code\":\"x\",\"innerError\":{\"code\":\"resyncRequired\"}}}" },
		{ 400, true, true, "{\"error\":{\"code\":\"resyncChangesApplyDifferences\"}}" },
		{ 400, true, true, "{\"error\":{\"code\":\"x\",\"message\":\"Badly Formed Token.\"}}" },
		{ 400, false, false, "{\"error\":{\"code\":\"syncStateNotFound\",\"message\":\"\"}}" },
		{ 400, true, false, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"?\"}}" },
		{ 404, true, false, "{\"error\":{\"code\":\"ErrorItemNotFound\",\"message\":\"sync state\"}}" },
		{ 503, true, false, "{\"error\":{\"code\":\"syncStateNotFound\"}}" },
		{ 400, true, false, "[]" },
	};
	struct arena *arena = arena_open(1 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (follow_says_gone(rows[i].status, str_from_c(rows[i].body), rows[i].link_has_state,
			arena) != rows[i].gone)
			fail_msg("%u %s", rows[i].status, rows[i].body);
	arena_close(&arena);
}

/* ---- addresses ------------------------------------------------------------------------------ */

static void
test_net__every_spelling_of_an_address_is_of_its_kind(void **state)
{
	static const struct {
		const char     *host;
		enum follow_net net;
	} rows[] = {
		{ "127.0.0.1", FOLLOW_NET_LOOPBACK }, { "127.255.255.255", FOLLOW_NET_LOOPBACK },
		{ "localhost", FOLLOW_NET_LOOPBACK }, { "127.1", FOLLOW_NET_LOOPBACK },
		{ "0x7f000001", FOLLOW_NET_LOOPBACK }, { "2130706433", FOLLOW_NET_LOOPBACK },
		{ "017700000001", FOLLOW_NET_LOOPBACK }, { "::1", FOLLOW_NET_LOOPBACK },
		{ "::ffff:127.0.0.1", FOLLOW_NET_LOOPBACK }, { "::ffff:7f00:1", FOLLOW_NET_LOOPBACK },
		{ "64:ff9b::127.0.0.1", FOLLOW_NET_LOOPBACK }, { "10.0.0.0", FOLLOW_NET_PRIVATE },
		{ "10.255.255.255", FOLLOW_NET_PRIVATE }, { "172.16.0.1", FOLLOW_NET_PRIVATE },
		{ "172.31.255.255", FOLLOW_NET_PRIVATE }, { "192.168.0.1", FOLLOW_NET_PRIVATE },
		{ "100.64.0.1", FOLLOW_NET_PRIVATE }, { "100.127.255.255", FOLLOW_NET_PRIVATE },
		{ "192.0.0.192", FOLLOW_NET_PRIVATE }, { "198.18.0.1", FOLLOW_NET_PRIVATE },
		{ "198.19.255.255", FOLLOW_NET_PRIVATE }, { "fc00::1", FOLLOW_NET_PRIVATE },
		{ "fdff::1", FOLLOW_NET_PRIVATE }, { "fec0::1", FOLLOW_NET_PRIVATE },
		{ "::ffff:10.1.2.3", FOLLOW_NET_PRIVATE }, { "64:ff9b::a00:1", FOLLOW_NET_PRIVATE },
		{ "169.254.169.254", FOLLOW_NET_LINK }, { "169.254.0.0", FOLLOW_NET_LINK },
		{ "fe80::1", FOLLOW_NET_LINK }, { "febf::1", FOLLOW_NET_LINK },
		{ "::ffff:169.254.169.254", FOLLOW_NET_LINK }, { "0.0.0.0", FOLLOW_NET_NONE },
		{ "0.1.2.3", FOLLOW_NET_NONE }, { "224.0.0.1", FOLLOW_NET_NONE },
		{ "239.255.255.255", FOLLOW_NET_NONE }, { "240.0.0.1", FOLLOW_NET_NONE },
		{ "255.255.255.255", FOLLOW_NET_NONE }, { "::", FOLLOW_NET_NONE },
		{ "::2", FOLLOW_NET_NONE }, { "::127.0.0.1", FOLLOW_NET_NONE },
		{ "100::1", FOLLOW_NET_NONE }, { "ff02::1", FOLLOW_NET_NONE },
		{ "2002:7f00:1::", FOLLOW_NET_NONE }, { "64:ff9b:1::1", FOLLOW_NET_NONE },
		{ "9.255.255.255", FOLLOW_NET_PUBLIC }, { "11.0.0.0", FOLLOW_NET_PUBLIC },
		{ "100.63.255.255", FOLLOW_NET_PUBLIC }, { "100.128.0.0", FOLLOW_NET_PUBLIC },
		{ "126.255.255.255", FOLLOW_NET_PUBLIC }, { "128.0.0.0", FOLLOW_NET_PUBLIC },
		{ "169.253.255.255", FOLLOW_NET_PUBLIC }, { "169.255.0.0", FOLLOW_NET_PUBLIC },
		{ "172.15.255.255", FOLLOW_NET_PUBLIC }, { "172.32.0.0", FOLLOW_NET_PUBLIC },
		{ "192.0.1.0", FOLLOW_NET_PUBLIC }, { "192.167.255.255", FOLLOW_NET_PUBLIC },
		{ "192.169.0.0", FOLLOW_NET_PUBLIC }, { "198.17.255.255", FOLLOW_NET_PUBLIC },
		{ "198.20.0.0", FOLLOW_NET_PUBLIC }, { "223.255.255.255", FOLLOW_NET_PUBLIC },
		{ "203.0.113.7", FOLLOW_NET_PUBLIC }, { "2603:1::1", FOLLOW_NET_PUBLIC },
		{ "64:ff9b::8.8.8.8", FOLLOW_NET_PUBLIC }, { "::ffff:8.8.8.8", FOLLOW_NET_PUBLIC },
		{ "graph.microsoft.com", FOLLOW_NET_PUBLIC }, { "127.0.0.1.example.com", FOLLOW_NET_PUBLIC },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (follow_net_of_host(str_from_c(rows[i].host)) != rows[i].net)
			fail_msg("%s", rows[i].host);
	assert_int_equal(follow_net_of(&(struct sockaddr){ .sa_family = AF_UNIX }), FOLLOW_NET_NONE);
}

static void
test_net__leads_to_the_public_one_and_to_its_own_kind(void **state)
{
	(void)state;
	for (enum follow_net from = FOLLOW_NET_PUBLIC; from <= FOLLOW_NET_NONE; from++)
		for (enum follow_net to = FOLLOW_NET_PUBLIC; to <= FOLLOW_NET_NONE; to++)
			assert_int_equal(follow_net_may_lead(from, to),
			                 to == FOLLOW_NET_PUBLIC || (to == from && to != FOLLOW_NET_NONE));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page__no_page_takes_more_memory_than_a_page_may),
		cmocka_unit_test(test_wait__reads_all_three_forms_of_retry_after),
		cmocka_unit_test(test_wait__what_cannot_be_read_is_no_wish),
		cmocka_unit_test(test_wait__own_pauses_double_and_end_at_a_minute),
		cmocka_unit_test(test_wait__jitter_only_adds_and_at_most_a_quarter),
		cmocka_unit_test(test_link__only_https_and_this_machine_can_be_followed),
		cmocka_unit_test(test_link__leads_to_the_same_origin_or_is_refused),
		cmocka_unit_test(test_link__the_resource_is_the_last_noun),
		cmocka_unit_test(test_loop__every_circle_is_noticed_and_soon),
		cmocka_unit_test(test_loop__a_listing_begun_anew_is_no_circle),
		cmocka_unit_test(test_loop__empty_pages_are_borne_up_to_a_limit),
		cmocka_unit_test(test_merge__what_is_told_replaces_and_what_is_not_stays),
		cmocka_unit_test(test_merge__fields_are_what_differs_in_either_direction),
		cmocka_unit_test(test_page__an_item_is_told_with_its_own_bytes),
		cmocka_unit_test(test_page__only_what_stands_in_value_is_an_item),
		cmocka_unit_test(test_page__a_next_link_is_guessed_at_either_end_and_never_read_past_it),
		cmocka_unit_test(test_page__has_a_limit_of_items),
		cmocka_unit_test(test_page__every_spelling_of_forgotten_is_heard_and_nothing_else),
		cmocka_unit_test(test_net__every_spelling_of_an_address_is_of_its_kind),
		cmocka_unit_test(test_net__leads_to_the_public_one_and_to_its_own_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
