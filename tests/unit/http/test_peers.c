/* SPDX-License-Identifier: Apache-2.0 */
/* The counts of connections by peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/http_peers.h"

#define PEERS    60u
#define PER_PEER 5u

static const struct http_limits limits = {
	.connections_max = 100, .connections_per_peer_max = PER_PEER, .held_max = 4000, .held_per_peer_max = 2000
};

static const struct http_limits small = { .connections_max = 64, .connections_per_peer_max = PER_PEER };
static const struct http_limits one_each = { .connections_max = 100, .connections_per_peer_max = 1 };

static struct http_peer_key
key_of(unsigned n)
{
	return (struct http_peer_key){ { [10] = 0xff, [11] = 0xff, [15] = (uint8_t)(n + 1) } };
}

static void
test_peers__counts_up_to_the_limit(void **state)
{
	struct http_peers   *peers = http_peers_open(&limits);
	struct http_peer_key a = key_of(1), b = key_of(2);

	(void)state;
	for (unsigned i = 0; i < PER_PEER; i++)
		assert_true(http_peers_enter(peers, &a));
	assert_false(http_peers_enter(peers, &a));
	assert_true(http_peers_enter(peers, &b));
	http_peers_leave(peers, &a);
	assert_true(http_peers_enter(peers, &a));
	assert_false(http_peers_enter(peers, &a));
	http_peers_close(&peers);
}

static void
test_peers__lends_to_each_and_to_all_up_to_the_limits(void **state)
{
	struct http_peers   *peers = http_peers_open(&limits);
	struct http_peer_key a = key_of(1), b = key_of(2), c = key_of(3), nobody = { { 0 } };

	(void)state;
	assert_true(http_peers_enter(peers, &a) && http_peers_enter(peers, &b) && http_peers_enter(peers, &c));
	assert_true(http_peers_lend(peers, &a, 1000, HTTP_SHARE_HALF));
	assert_false(http_peers_lend(peers, &a, 1, HTTP_SHARE_HALF));
	assert_true(http_peers_lend(peers, &a, 500, HTTP_SHARE_MOST));
	assert_false(http_peers_lend(peers, &a, 501, HTTP_SHARE_WHOLE));
	assert_true(http_peers_lend(peers, &a, 500, HTTP_SHARE_WHOLE));
	assert_true(http_peers_lend(peers, &a, 10, HTTP_SHARE_OWED));
	assert_false(http_peers_lend(peers, &b, 1, HTTP_SHARE_HALF));
	assert_true(http_peers_lend(peers, &b, 1990, HTTP_SHARE_WHOLE));
	assert_false(http_peers_lend(peers, &c, 1, HTTP_SHARE_WHOLE));
	assert_false(http_peers_lend(peers, &nobody, 1, HTTP_SHARE_WHOLE));
	http_peers_give_back(peers, &a, 2010);
	assert_true(http_peers_lend(peers, &c, 2000, HTTP_SHARE_WHOLE));
	assert_true(http_peers_lend(peers, &nobody, 10, HTTP_SHARE_WHOLE));
	http_peers_close(&peers);
}

static void
test_peers__never_refuses_a_unix_socket(void **state)
{
	struct http_peers   *peers = http_peers_open(&one_each);
	struct http_peer_key nobody = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_true(http_peers_enter(peers, &nobody));
	http_peers_leave(peers, &nobody);
	http_peers_close(&peers);
}

/* A small table, so that keys collide and gaps must be closed. */
static void
test_peers__agrees_with_plain_counting(void **state)
{
	struct http_peers *peers = http_peers_open(&small);
	unsigned           counts[PEERS] = { 0 };
	unsigned           total = 0;

	(void)state;
	srand(3);
	for (unsigned round = 0; round < 100000; round++) {
		unsigned             n = (unsigned)rand() % PEERS;
		struct http_peer_key key = key_of(n);

		if (rand() % 2 && total < 64) {
			bool entered = http_peers_enter(peers, &key);

			assert_int_equal(entered, counts[n] < PER_PEER);
			counts[n] += entered;
			total += entered;
		} else if (counts[n]) {
			http_peers_leave(peers, &key);
			counts[n]--;
			total--;
		}
	}
	http_peers_close(&peers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peers__counts_up_to_the_limit),
		cmocka_unit_test(test_peers__lends_to_each_and_to_all_up_to_the_limits),
		cmocka_unit_test(test_peers__never_refuses_a_unix_socket),
		cmocka_unit_test(test_peers__agrees_with_plain_counting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
