/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that wait for a change: what wakes them, what does not, and how many there may be. */
#include "unit/http/http_fixture.h"

static const struct http_conf few = { .limits = { .waits_max = 6, .waits_per_caller_max = 4 } };

static int
ask(const struct test_server *server, const char *target)
{
	char request[128];
	int  fd = client_open(server);

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
	client_send(fd, str_from_c(request));
	return fd;
}

static void
wait_until_waiting(const struct test_server *server, uint64_t count)
{
	int64_t until = now_ms() + PATIENCE_MS;

	while (test_server_stats(server).waits != count) {
		if (now_ms() > until)
			fail_msg("%llu wait", (unsigned long long)test_server_stats(server).waits);
		sleep_ms(1);
	}
}

static void
set(struct test_server *server, unsigned topic, int value)
{
	atomic_store(&server->tiny.values[topic], value);
	http_topic_changed(server->http, topic * TINY_TOPICS_APART);
}

static void
assert_answer(int fd, unsigned status, const char *body)
{
	struct response response = client_read(fd, false);

	assert_int_equal(response.status, status);
	if (body)
		assert_string_equal(response.body, body);
	response_close(&response);
	(void)close(fd);
}

static void
test_wait__a_change_wakes_those_of_its_topic_alone(void **state)
{
	struct test_server server;
	int                fds[4], answers;

	(void)state;
	/* In one list of one loop. */
	test_server_open(&server, (struct http_conf){ .loops = 1 });
	for (int i = 0; i < 4; i++)
		fds[i] = ask(&server, i % 2 ? "/wait/1" : "/wait/2");
	wait_until_waiting(&server, 4);
	answers = atomic_load(&server.tiny.answers);
	set(&server, 1, 5);
	assert_answer(fds[1], 200, "5");
	assert_answer(fds[3], 200, "5");
	wait_until_waiting(&server, 2);
	assert_int_equal(atomic_load(&server.tiny.answers), answers + 2);
	set(&server, 2, 7);
	assert_answer(fds[0], 200, "7");
	assert_answer(fds[2], 200, "7");
	test_server_close(&server);
}

/* The change comes when the answer has looked and does not wait yet. */
static void
test_wait__a_change_in_between_is_not_missed(void **state)
{
	struct test_server server;
	int                fd;

	(void)state;
	test_server_open(&server, few);
	atomic_store(&server.tiny.is_slow, true);
	fd = ask(&server, "/wait/1");
	wait_for(&server.tiny.blocked, 1);
	set(&server, 1, 3);
	atomic_store(&server.tiny.gate_open, 1);
	assert_answer(fd, 200, "3");
	test_server_close(&server);
}

static void
test_wait__a_caller_and_all_have_a_bound(void **state)
{
	struct test_server server;
	int                fds[6];

	(void)state;
	test_server_open(&server, few);
	for (int i = 0; i < 4; i++)
		fds[i] = ask(&server, i % 2 ? "/wait/1?a" : "/events/1?a");
	wait_until_waiting(&server, 4);
	assert_answer(ask(&server, "/wait/1?a"), 429, NULL);
	assert_answer(ask(&server, "/events/1?a"), 429, NULL);
	fds[4] = ask(&server, "/wait/1?b");
	fds[5] = ask(&server, "/wait/1?c");
	wait_until_waiting(&server, 6);
	assert_answer(ask(&server, "/wait/1?d"), 503, NULL);
	assert_int_equal(test_server_stats(&server).throttled, 2);
	/* Who has left makes room. */
	for (int i = 0; i < 6; i++)
		(void)close(fds[i]);
	wait_until_waiting(&server, 0);
	for (int i = 0; i < 4; i++)
		fds[i] = ask(&server, "/wait/1?a");
	wait_until_waiting(&server, 4);
	set(&server, 1, 1);
	for (int i = 0; i < 4; i++)
		assert_answer(fds[i], 200, "1");
	wait_until_waiting(&server, 0);
	test_server_close(&server);
}

/* Another wakes it in vain between. */
static void
test_wait__who_is_another_caller_when_it_wakes_leaves_the_room_it_took(void **state)
{
	struct test_server server;
	int                fd, answers;

	(void)state;
	test_server_open(&server, few);
	fd = ask(&server, "/wait/1?~");
	wait_until_waiting(&server, 1);
	answers = atomic_load(&server.tiny.answers);
	set(&server, 1, 0);
	wait_for(&server.tiny.answers, answers + 1);
	set(&server, 1, 4);
	assert_answer(fd, 200, "4");
	wait_until_waiting(&server, 0);
	test_server_close(&server);
}

static void
assert_bytes(int fd, const char *bytes)
{
	char   got[64] = "";
	size_t len = 0;
	bool   ended = false;

	while (len < strlen(bytes) && client_byte(fd, &got[len], now_ms() + PATIENCE_MS, &ended))
		len++;
	assert_string_equal(got, bytes);
}

static void
test_wait__a_stream_is_chunks_and_the_connection_goes_on_behind_it(void **state)
{
	struct test_server server;
	struct response    head;
	int                fd;

	(void)state;
	test_server_open(&server, few);
	fd = ask(&server, "/events/1");
	head = client_read(fd, true);
	assert_int_equal(head.status, 200);
	assert_true(str_eq(response_field(&head, "Transfer-Encoding"), STR("chunked")));
	assert_int_equal(head.content_length, SIZE_MAX);
	response_close(&head);
	for (int value = 1; value < 4; value++) {
		char chunk[] = "1\r\n0\r\n";

		chunk[3] = (char)('0' + value);
		wait_until_waiting(&server, 1);
		set(&server, 1, value);
		assert_bytes(fd, chunk);
	}
	set(&server, 1, 9);
	assert_bytes(fd, "1\r\n9\r\n0\r\n\r\n");
	client_send(fd, STR("GET /wait/1 HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_answer(fd, 200, "9");
	test_server_close(&server);
}

/* The last call of a stream ends it; the drain waits for nothing. */
static void
test_wait__the_servers_end_is_the_end_of_all(void **state)
{
	struct test_server server;
	struct response    head;
	int                fds[2];
	int64_t            began = now_ms();

	(void)state;
	test_server_open(&server, few);
	fds[0] = ask(&server, "/events/1");
	fds[1] = ask(&server, "/wait/2");
	wait_until_waiting(&server, 2);
	test_server_stop(&server);
	head = client_read(fds[0], true);
	assert_int_equal(head.status, 200);
	response_close(&head);
	assert_bytes(fds[0], "0\r\n\r\n");
	assert_true(client_is_ended(fds[0]));
	assert_answer(fds[1], 200, "");
	assert_true(now_ms() - began < 5000);
	(void)close(fds[0]);
	http_close(&server.http);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait__a_change_wakes_those_of_its_topic_alone),
		cmocka_unit_test(test_wait__a_change_in_between_is_not_missed),
		cmocka_unit_test(test_wait__a_caller_and_all_have_a_bound),
		cmocka_unit_test(test_wait__who_is_another_caller_when_it_wakes_leaves_the_room_it_took),
		cmocka_unit_test(test_wait__a_stream_is_chunks_and_the_connection_goes_on_behind_it),
		cmocka_unit_test(test_wait__the_servers_end_is_the_end_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
