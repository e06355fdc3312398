/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "support/rng.h"
#include "fetch/fetch_link.h"
#include "fetch/fetch_wait.h"

#define NOON ((int64_t)784111777 * 1000000000) /* Sun, 06 Nov 1994 08:49:37 GMT */

/* ---- waiting -------------------------------------------------------------------------------- */

static void
test_wait__reads_all_three_forms_of_retry_after(void **state)
{
	(void)state;
	assert_int_equal(fetch_wait_requested(STR("120"), NOON), 120000);
	assert_int_equal(fetch_wait_requested(STR(" 5 "), NOON), 5000);
	assert_int_equal(fetch_wait_requested(STR("2.128"), NOON), 2128);
	assert_int_equal(fetch_wait_requested(STR("2.5"), NOON), 2500);
	assert_int_equal(fetch_wait_requested(STR("0.0019"), NOON), 1);
	assert_int_equal(fetch_wait_requested(STR("0"), NOON), 1);
	assert_int_equal(fetch_wait_requested(STR("Sun, 06 Nov 1994 08:49:47 GMT"), NOON), 10001);
	assert_int_equal(fetch_wait_requested(STR("Sun, 06 Nov 1994 08:49:27 GMT"), NOON), 1);
	assert_int_equal(fetch_wait_requested(STR("Mon, 07 Nov 1994 08:49:37 GMT"), NOON), 86400001);
	assert_int_equal(fetch_wait_requested(STR("999999999999999"), NOON), FETCH_WAIT_MAX_MS);
	assert_int_equal(fetch_wait_requested(STR("9999999999999999"), NOON), FETCH_WAIT_MAX_MS);
	assert_int_equal(fetch_wait_requested(STR("99999999999999999999.5"), NOON), FETCH_WAIT_MAX_MS);
}

static void
test_wait__what_cannot_be_read_is_no_wish(void **state)
{
	static const char *const bad[] = { "", "soon", "-1", "+1", "1.", ".5", "1,5", "1e3", "0x10", "1 2", "1.2.3",
		                           "Sun, 06 Nov 1994", "999999999999999999x", "1.-5" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fetch_wait_requested(str_from_c(bad[i]), NOON) != -1)
			fail_msg("\"%s\" is taken", bad[i]);
}

static void
test_wait__own_pauses_double_and_end_at_a_minute(void **state)
{
	(void)state;
	assert_int_equal(fetch_wait_own(1), 250);
	assert_int_equal(fetch_wait_own(2), 500);
	assert_int_equal(fetch_wait_own(5), 4000);
	assert_int_equal(fetch_wait_own(100), 60000);
}

static void
test_wait__jitter_only_adds_and_at_most_a_quarter(void **state)
{
	struct rng     rng = { 3 };
	struct entropy entropy = rng_entropy(&rng);
	int64_t        least = INT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		int64_t ms = fetch_wait_jitter(1000, &entropy);

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_true(least >= 1000 && least < 1010);
	assert_true(most <= 1250 && most > 1240);
	assert_int_equal(fetch_wait_jitter(1, &entropy), 1);
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
	struct fetch_origin     origin;
	const char              *why;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!fetch_origin_of(str_from_c(good[i]), &origin, &why))
			fail_msg("%s %s", good[i], why);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fetch_origin_of(str_from_c(bad[i]), &origin, &why))
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
	struct fetch_origin     origin;
	const char              *why;

	(void)state;
	assert_true(fetch_origin_of(STR("https://graph.example.com/v1.0/x/delta"), &origin, &why));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!fetch_link_is_good(&origin, str_from_c(good[i]), &why))
			fail_msg("%s %s", good[i], why);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fetch_link_is_good(&origin, str_from_c(bad[i]), &why) && strcmp(bad[i],
			"https://graph.example.com:0443/x/") != 0)
			fail_msg("%s is taken", bad[i]);
}

/* ---- addresses ------------------------------------------------------------------------------ */

static void
test_net__every_spelling_of_an_address_is_of_its_kind(void **state)
{
	static const struct {
		const char     *host;
		enum fetch_net net;
	} rows[] = {
		{ "127.0.0.1", FETCH_NET_LOOPBACK }, { "127.255.255.255", FETCH_NET_LOOPBACK },
		{ "localhost", FETCH_NET_LOOPBACK }, { "127.1", FETCH_NET_LOOPBACK },
		{ "0x7f000001", FETCH_NET_LOOPBACK }, { "2130706433", FETCH_NET_LOOPBACK },
		{ "017700000001", FETCH_NET_LOOPBACK }, { "::1", FETCH_NET_LOOPBACK },
		{ "::ffff:127.0.0.1", FETCH_NET_LOOPBACK }, { "::ffff:7f00:1", FETCH_NET_LOOPBACK },
		{ "64:ff9b::127.0.0.1", FETCH_NET_LOOPBACK }, { "10.0.0.0", FETCH_NET_PRIVATE },
		{ "10.255.255.255", FETCH_NET_PRIVATE }, { "172.16.0.1", FETCH_NET_PRIVATE },
		{ "172.31.255.255", FETCH_NET_PRIVATE }, { "192.168.0.1", FETCH_NET_PRIVATE },
		{ "100.64.0.1", FETCH_NET_PRIVATE }, { "100.127.255.255", FETCH_NET_PRIVATE },
		{ "192.0.0.192", FETCH_NET_PRIVATE }, { "198.18.0.1", FETCH_NET_PRIVATE },
		{ "198.19.255.255", FETCH_NET_PRIVATE }, { "fc00::1", FETCH_NET_PRIVATE },
		{ "fdff::1", FETCH_NET_PRIVATE }, { "fec0::1", FETCH_NET_PRIVATE },
		{ "::ffff:10.1.2.3", FETCH_NET_PRIVATE }, { "64:ff9b::a00:1", FETCH_NET_PRIVATE },
		{ "169.254.169.254", FETCH_NET_LINK }, { "169.254.0.0", FETCH_NET_LINK },
		{ "fe80::1", FETCH_NET_LINK }, { "febf::1", FETCH_NET_LINK },
		{ "::ffff:169.254.169.254", FETCH_NET_LINK }, { "0.0.0.0", FETCH_NET_NONE },
		{ "0.1.2.3", FETCH_NET_NONE }, { "224.0.0.1", FETCH_NET_NONE },
		{ "239.255.255.255", FETCH_NET_NONE }, { "240.0.0.1", FETCH_NET_NONE },
		{ "255.255.255.255", FETCH_NET_NONE }, { "::", FETCH_NET_NONE },
		{ "::2", FETCH_NET_NONE }, { "::127.0.0.1", FETCH_NET_NONE },
		{ "100::1", FETCH_NET_NONE }, { "ff02::1", FETCH_NET_NONE },
		{ "2002:7f00:1::", FETCH_NET_NONE }, { "64:ff9b:1::1", FETCH_NET_NONE },
		{ "9.255.255.255", FETCH_NET_PUBLIC }, { "11.0.0.0", FETCH_NET_PUBLIC },
		{ "100.63.255.255", FETCH_NET_PUBLIC }, { "100.128.0.0", FETCH_NET_PUBLIC },
		{ "126.255.255.255", FETCH_NET_PUBLIC }, { "128.0.0.0", FETCH_NET_PUBLIC },
		{ "169.253.255.255", FETCH_NET_PUBLIC }, { "169.255.0.0", FETCH_NET_PUBLIC },
		{ "172.15.255.255", FETCH_NET_PUBLIC }, { "172.32.0.0", FETCH_NET_PUBLIC },
		{ "192.0.1.0", FETCH_NET_PUBLIC }, { "192.167.255.255", FETCH_NET_PUBLIC },
		{ "192.169.0.0", FETCH_NET_PUBLIC }, { "198.17.255.255", FETCH_NET_PUBLIC },
		{ "198.20.0.0", FETCH_NET_PUBLIC }, { "223.255.255.255", FETCH_NET_PUBLIC },
		{ "203.0.113.7", FETCH_NET_PUBLIC }, { "2603:1::1", FETCH_NET_PUBLIC },
		{ "64:ff9b::8.8.8.8", FETCH_NET_PUBLIC }, { "::ffff:8.8.8.8", FETCH_NET_PUBLIC },
		{ "graph.microsoft.com", FETCH_NET_PUBLIC }, { "127.0.0.1.example.com", FETCH_NET_PUBLIC },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (fetch_net_of_host(str_from_c(rows[i].host)) != rows[i].net)
			fail_msg("%s", rows[i].host);
	assert_int_equal(fetch_net_of(&(struct sockaddr){ .sa_family = AF_UNIX }), FETCH_NET_NONE);
}

static void
test_net__leads_to_the_public_one_and_to_its_own_kind(void **state)
{
	(void)state;
	for (enum fetch_net from = FETCH_NET_PUBLIC; from <= FETCH_NET_NONE; from++)
		for (enum fetch_net to = FETCH_NET_PUBLIC; to <= FETCH_NET_NONE; to++)
			assert_int_equal(fetch_net_may_lead(from, to),
			                 to == FETCH_NET_PUBLIC || (to == from && to != FETCH_NET_NONE));
}

static void
test_link__a_reference_is_resolved_against_the_link_it_came_for(void **state)
{
	static const char base[] = "https://a.example/v1.0/me/delta?$skiptoken=1";
	static const struct {
		const char *reference, *link;
	} rows[] = {
		{ "https://b.example/x", "https://b.example/x" },
		{ "//b.example/x", "https://b.example/x" },
		{ "/v1.0/x?y=1", "https://a.example/v1.0/x?y=1" },
		{ "?$skiptoken=2", "https://a.example/v1.0/me/delta?$skiptoken=2" },
		{ "delta?$skiptoken=2", "https://a.example/v1.0/me/delta?$skiptoken=2" },
		{ "./x", "https://a.example/v1.0/me/x" },
		{ "../x", "https://a.example/v1.0/x" },
		{ "../../../../x", "https://a.example/x" },
		{ "f(a='b:c')/delta", "https://a.example/v1.0/me/f(a='b:c')/delta" },
		{ "javascript:x", "javascript:x" },
		{ "", "" },
	};
	struct arena *arena = arena_open(1 << 16);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!str_eq(fetch_link_resolve(str_from_c(base), str_from_c(rows[i].reference), arena),
			str_from_c(rows[i].link)))
			fail_msg("%s", rows[i].reference);
	assert_true(str_eq(fetch_link_resolve(STR("http://[::1]:80"), STR("x"), arena), STR("http://[::1]:80/x")));
	arena_close(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait__reads_all_three_forms_of_retry_after),
		cmocka_unit_test(test_wait__what_cannot_be_read_is_no_wish),
		cmocka_unit_test(test_wait__own_pauses_double_and_end_at_a_minute),
		cmocka_unit_test(test_wait__jitter_only_adds_and_at_most_a_quarter),
		cmocka_unit_test(test_link__only_https_and_this_machine_can_be_followed),
		cmocka_unit_test(test_link__leads_to_the_same_origin_or_is_refused),
		cmocka_unit_test(test_net__every_spelling_of_an_address_is_of_its_kind),
		cmocka_unit_test(test_net__leads_to_the_public_one_and_to_its_own_kind),
		cmocka_unit_test(test_link__a_reference_is_resolved_against_the_link_it_came_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
