/* SPDX-License-Identifier: Apache-2.0 */
/* Answers on workers, the queue before them, and the counters. */
#include "unit/http/http_fixture.h"

#include "http/http_worker.h"

static void
assert_response(const struct response *response, unsigned status, const char *body)
{
	if (response->status != status)
		fail_msg("%u instead of %u: %s", response->status, status, response->bytes);
	if (body)
		assert_string_equal(response->body, body);
}

/* One request on a connection of its own. */
static void
assert_asked(const struct test_server *server, struct str request, unsigned status, const char *body)
{
	struct response response = client_request(server, request);

	assert_response(&response, status, body);
	response_close(&response);
}

static void
assert_next(int fd, unsigned status, const char *body)
{
	struct response response = client_read(fd, false);

	assert_response(&response, status, body);
	response_close(&response);
}

static void
test_workers__answers_on_32_workers_at_once_and_on_loops_beside_them(void **state)
{
	struct test_server server;
	int                fds[32];

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .workers_max = 128 } });
	for (int i = 0; i < 32; i++) {
		fds[i] = client_open(&server);
		client_send(fds[i], STR("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n"));
	}
	wait_for(&server.tiny.blocked, 32);
	assert_int_equal(test_server_stats(&server).workers_busy, 32);
	assert_asked(&server, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "path=/ query= loop");
	atomic_store(&server.tiny.gate_open, 1);
	for (int i = 0; i < 32; i++) {
		assert_next(fds[i], 200, "path=/gate query= worker");
		(void)close(fds[i]);
	}
	test_server_close(&server);
}

static void
test_workers__calls_an_answer_that_blocks_again_on_a_worker(void **state)
{
	struct test_server server;
	struct response    response;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	response = client_request(&server, STR("GET /maybe HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_response(&response, 200, "halfpath=/maybe query= worker");
	assert_int_equal(atomic_load(&server.tiny.blocks_runs), 2);
	/* Nothing is left of the first run. */
	assert_null(strstr(strstr(response.bytes, "X-Run") + 1, "X-Run"));
	response_close(&response);
	test_server_close(&server);
}

static void
test_workers__turns_requests_away_when_the_queue_is_full(void **state)
{
	int                fds[1 + HTTP_QUEUE_PER_WORKER];
	struct test_server server;
	struct response    response;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .workers_max = 1, .waiting_per_caller_max = 100 } });
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fds[i] = client_open(&server);
		client_send(fds[i], STR("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n"));
		while (test_server_stats(&server).requests <= i)
			sleep_ms(1);
	}
	fd = client_open(&server);
	client_send(fd, STR("GET /gate HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	response = client_read(fd, false);
	assert_response(&response, 503, NULL);
	assert_true(str_eq(response_field(&response, "Retry-After"), STR("1")));
	response_close(&response);
	/* It was a good request: the connection goes on. */
	assert_next(fd, 200, "path=/ query= loop");
	(void)close(fd);
	atomic_store(&server.tiny.gate_open, 1);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		assert_next(fds[i], 200, NULL);
		(void)close(fds[i]);
	}
	test_server_close(&server);
}

static void
test_workers__survives_clients_that_leave_while_workers_run(void **state)
{
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .workers_max = 64 } });
	for (int i = 0; i < 16; i++) {
		struct linger reset = { .l_onoff = 1 };
		int           fd = client_open(&server);

		client_send(fd, STR("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n"));
		wait_for(&server.tiny.blocked, i + 1);
		/* Half of them with a reset, half in order. */
		if (i % 2)
			assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
		(void)close(fd);
	}
	sleep_ms(20);
	atomic_store(&server.tiny.gate_open, 1);
	for (int64_t until = now_ms() + PATIENCE_MS; test_server_stats(&server).open > 0;) {
		assert_true(now_ms() < until);
		sleep_ms(1);
	}
	assert_asked(&server, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200, NULL);
	test_server_close(&server);
}

static void
test_workers__counts_what_it_does(void **state)
{
	struct test_server server;
	struct http_stats  stats;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	assert_asked(&server, STR("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200, NULL);
	assert_asked(&server, STR("GET /same HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 304, NULL);
	assert_asked(&server, STR("GET / HTTP/1.1\r\n\r\n"), 400, NULL);
	stats = test_server_stats(&server);
	assert_int_equal(stats.accepted, 3);
	assert_int_equal(stats.requests, 2);
	assert_int_equal(stats.by_class[2], 1);
	assert_int_equal(stats.by_class[3], 1);
	assert_int_equal(stats.by_class[4], 1);
	assert_int_equal(stats.protocol_errors, 1);
	assert_int_equal(stats.bytes_in, 46 + 50 + 18);
	assert_true(stats.bytes_out > 200);
	test_server_close(&server);
}

/* ---- fairness ------------------------------------------------------------------------------------------------- */

#define LONG "GET /slices/1000000?a HTTP/1.1\r\nHost: x\r\n\r\n"

static int
send_to(const struct test_server *server, const char *request)
{
	int fd = client_open(server);

	client_send(fd, str_from_c(request));
	return fd;
}

static void
await_open(const struct test_server *server, uint64_t count)
{
	for (int64_t until = now_ms() + PATIENCE_MS; test_server_stats(server).open > count;) {
		assert_true(now_ms() < until);
		sleep_ms(1);
	}
}

/* The long ones never end by themselves: their worker is shared, and they end when their clients leave. */
static void
test_workers__long_answers_of_one_caller_let_others_in_and_end_with_their_clients(void **state)
{
	struct test_server server;
	int                fds[8];

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .workers_max = 1, .waiting_per_caller_max = 8 } });
	for (int i = 0; i < 8; i++)
		fds[i] = send_to(&server, LONG);
	for (int i = 0; i < 20; i++)
		assert_asked(&server, STR("GET /slices/3?b HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "3 slices");
	for (int i = 0; i < 8; i++)
		(void)close(fds[i]);
	test_server_close(&server);
}

/* Three slices of one caller wait for one of the other at most, however many the other has sent. */
static void
test_workers__callers_take_turns(void **state)
{
	struct test_server server;
	int                fds[15], before, fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .workers_max = 1, .waiting_per_caller_max = 20 } });
	for (int i = 0; i < 15; i++)
		fds[i] = send_to(&server, LONG);
	while (test_server_stats(&server).waiting < 14)
		sleep_ms(1);
	before = atomic_load(&server.tiny.slices);
	fd = send_to(&server, "GET /slices/30?b HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_next(fd, 200, "30 slices");
	(void)close(fd);
	assert_true(atomic_load(&server.tiny.slices) - before < 30 * 3);
	for (int i = 0; i < 15; i++)
		(void)close(fds[i]);
	test_server_close(&server);
}

static void
test_workers__a_caller_beyond_its_limit_is_throttled_and_others_are_not(void **state)
{
	struct test_server server;
	struct response    response;
	int                fds[4];

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .workers_max = 2, .waiting_per_caller_max = 4 } });
	for (int i = 0; i < 4; i++) {
		fds[i] = send_to(&server, LONG);
		while (test_server_stats(&server).requests <= (uint64_t)i)
			sleep_ms(1);
	}
	sleep_ms(10);
	response = client_request(&server, STR("GET /slices/1?a HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_response(&response, 429, NULL);
	assert_true(str_eq(response_field(&response, "Retry-After"), STR("1")));
	response_close(&response);
	assert_int_equal(test_server_stats(&server).throttled, 1);
	assert_asked(&server, STR("GET /slices/1?b HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "1 slices");
	for (int i = 0; i < 4; i++)
		(void)close(fds[i]);
	await_open(&server, 0);
	/* What left counts no more. */
	assert_asked(&server, STR("GET /slices/1?a HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "1 slices");
	test_server_close(&server);
}

/* A body that waits for bytes has no worker, neither theirs nor that of others. */
static void
test_workers__bodies_that_wait_occupy_no_worker(void **state)
{
	struct test_server server;
	int                fds[12];

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .workers_max = 1, .waiting_per_caller_max = 20 } });
	for (int i = 0; i < 12; i++)
		fds[i] = send_to(&server, "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
	wait_for(&server.tiny.answers, 12);
	assert_asked(&server, STR("GET /slices/1 HTTP/1.1\r\nHost: x\r\n\r\n"), 200, NULL);
	assert_asked(&server, STR("PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), 200, NULL);
	while (test_server_stats(&server).workers_busy > 0)
		sleep_ms(1);
	assert_int_equal(test_server_stats(&server).uploads, 12);
	for (int i = 0; i < 12; i++)
		(void)close(fds[i]);
	await_open(&server, 0);
	assert_int_equal(test_server_stats(&server).uploads, 0);
	assert_int_equal(test_server_stats(&server).held, 0);
	test_server_close(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workers__answers_on_32_workers_at_once_and_on_loops_beside_them),
		cmocka_unit_test(test_workers__calls_an_answer_that_blocks_again_on_a_worker),
		cmocka_unit_test(test_workers__turns_requests_away_when_the_queue_is_full),
		cmocka_unit_test(test_workers__survives_clients_that_leave_while_workers_run),
		cmocka_unit_test(test_workers__counts_what_it_does),
		cmocka_unit_test(test_workers__long_answers_of_one_caller_let_others_in_and_end_with_their_clients),
		cmocka_unit_test(test_workers__callers_take_turns),
		cmocka_unit_test(test_workers__a_caller_beyond_its_limit_is_throttled_and_others_are_not),
		cmocka_unit_test(test_workers__bodies_that_wait_occupy_no_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
