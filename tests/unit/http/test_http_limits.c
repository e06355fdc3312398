/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, slow and many clients, doors that open and close. */
#include "unit/http/http_fixture.h"

#include <sys/resource.h>

#define SHORT_MS 300
/* A deadline is met up to a tick late, and the machine may be busy. */
#define LATE_MS 1500

static const struct http_conf hasty = {
	.limits = { .head_ms = SHORT_MS, .idle_ms = SHORT_MS, .body_ms = SHORT_MS, .write_ms = SHORT_MS },
};

static void
assert_next(int fd, unsigned status)
{
	struct response response = client_read(fd, false);

	if (response.status != status)
		fail_msg("%u instead of %u: %s", response.status, status, response.bytes);
	response_close(&response);
}

static void
assert_served(const struct test_server *server)
{
	struct response response = client_request(server,
	                                          STR("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));

	assert_int_equal(response.status, 200);
	response_close(&response);
}

static void
assert_took(int64_t from_ms, int64_t least_ms)
{
	int64_t took_ms = now_ms() - from_ms;

	if (took_ms < least_ms || took_ms > least_ms + LATE_MS)
		fail_msg("it took %lld ms instead of %lld", (long long)took_ms, (long long)least_ms);
}

static void
wait_until_open(const struct test_server *server, uint64_t open)
{
	int64_t until = now_ms() + PATIENCE_MS;

	while (test_server_stats(server).open != open) {
		if (now_ms() > until)
			fail_msg("%llu are open", (unsigned long long)test_server_stats(server).open);
		sleep_ms(1);
	}
}

static void
test_limits__closes_idle_connections_in_time(void **state)
{
	struct test_server server;
	int64_t            from = now_ms();
	int                fd;

	(void)state;
	test_server_open(&server, hasty);
	fd = client_open(&server);
	assert_true(client_is_ended(fd));
	assert_took(from, SHORT_MS);
	(void)close(fd);
	/* From the last response, not from the first byte. */
	fd = client_open(&server);
	for (int i = 0; i < 4; i++) {
		sleep_ms(SHORT_MS / 2);
		client_send(fd, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
		assert_next(fd, 200);
	}
	from = now_ms();
	assert_true(client_is_ended(fd));
	assert_took(from, SHORT_MS);
	(void)close(fd);
	test_server_close(&server);
}

static void
test_limits__does_not_wait_longer_for_a_head_that_drips(void **state)
{
	struct test_server server;
	int64_t            from = now_ms();
	int                fd;

	(void)state;
	test_server_open(&server, hasty);
	fd = client_open(&server);
	client_send(fd, STR("GET / HTTP/1.1\r\nHost: x\r\nX: "));
	while (!client_waits(fd, now_ms() + SHORT_MS / 5)) {
		client_send(fd, STR("a"));
		assert_true(now_ms() < from + PATIENCE_MS);
	}
	assert_next(fd, 408);
	assert_took(from, SHORT_MS);
	assert_true(client_is_ended(fd));
	(void)close(fd);
	assert_int_equal(test_server_stats(&server).timeouts, 1);
	test_server_close(&server);
}

static void
test_limits__does_not_wait_longer_for_a_body_that_drips(void **state)
{
	static const char *const requests[] = {
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n300\r\n",
	};
	struct test_server server;

	(void)state;
	test_server_open(&server, hasty);
	for (int i = 0; i < 2; i++) {
		int64_t from = now_ms();
		int     fd = client_open(&server);

		client_send(fd, str_from_c(requests[i]));
		while (!client_waits(fd, now_ms() + SHORT_MS / 5)) {
			client_send(fd, STR("a"));
			assert_true(now_ms() < from + PATIENCE_MS);
		}
		assert_next(fd, 408);
		assert_took(from, SHORT_MS);
		assert_true(client_is_ended(fd));
		(void)close(fd);
	}
	test_server_close(&server);
}

static void
test_limits__gives_a_body_a_second_for_each_kib(void **state)
{
	struct test_server server;
	char               bytes[2048];
	int64_t            from;
	int                fd;

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	test_server_open(&server, hasty);
	fd = client_open(&server);
	client_send(fd, STR("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 2049\r\n\r\n"));
	client_send(fd, str_of(bytes, sizeof(bytes)));
	sleep_ms(SHORT_MS + 1000);
	client_send(fd, STR("b"));
	assert_next(fd, 200);
	from = now_ms();
	client_send(fd, STR("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 2049\r\n\r\n"));
	client_send(fd, str_of(bytes, sizeof(bytes)));
	assert_next(fd, 408);
	assert_took(from, SHORT_MS + 2000);
	(void)close(fd);
	test_server_close(&server);
}

/* In the second case the deadlines of the connection pass while a worker has it. */
static void
test_limits__closes_on_a_client_that_does_not_read(void **state)
{
	static const struct {
		const char *requests;
		int64_t     worker_ms;
	} cases[] = {
		{ "GET /size/60000000 HTTP/1.1\r\nHost: x\r\n\r\n", 0 },
		{ "GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
		  "GET /size/60000000 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		  400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct test_server server;
		int64_t            from = now_ms();
		int                fd;

		test_server_open(&server, hasty);
		fd = client_open(&server);
		client_send(fd, str_from_c(cases[i].requests));
		while (test_server_stats(&server).requests == 0)
			sleep_ms(1);
		wait_until_open(&server, 0);
		assert_took(from, SHORT_MS + cases[i].worker_ms);
		assert_int_equal(test_server_stats(&server).timeouts, 1);
		(void)close(fd);
		test_server_close(&server);
	}
}

/* Between two moments at which more fits into the socket's buffer lies more than write_ms. */
static void
test_limits__waits_for_a_client_that_reads_slowly(void **state)
{
	struct http_conf   conf = { .limits = { .write_ms = 100 } };
	struct test_server server;
	char               bytes[32768];
	size_t             got = 0;
	int                fd, window = 65536;

	(void)state;
	test_server_open(&server, conf);
	fd = client_open(&server);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window)), 0);
	client_send(fd, STR("GET /size/16000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n <= 0)
			break;
		got += (size_t)n;
		sleep_ms(5);
	}
	assert_true(got > 16000000);
	(void)close(fd);
	test_server_close(&server);
}

static void
test_limits__serves_a_good_client_beside_500_slow_ones(void **state)
{
	struct test_server server;
	int                fds[500];
	int64_t            worst_ms = 0;

	(void)state;
	test_server_open(&server, (struct http_conf){ .loops = 1 });
	for (size_t i = 0; i < 500; i++) {
		fds[i] = client_open(&server);
		client_send(fds[i], STR("GET / HTTP/1.1\r\nHo"));
	}
	wait_until_open(&server, 500);
	for (int i = 0; i < 50; i++) {
		int64_t from = now_ms();

		assert_served(&server);
		if (now_ms() - from > worst_ms)
			worst_ms = now_ms() - from;
		for (size_t slow = 0; slow < 500; slow++)
			client_send(fds[slow], STR("s"));
	}
	if (worst_ms > 250)
		fail_msg("a good client waited %lld ms", (long long)worst_ms);
	for (size_t i = 0; i < 500; i++)
		(void)close(fds[i]);
	test_server_close(&server);
}

static void
test_limits__rids_itself_of_500_slow_clients(void **state)
{
	struct test_server server;
	int                fds[500];

	(void)state;
	test_server_open(&server, hasty);
	for (size_t i = 0; i < 500; i++) {
		fds[i] = client_open(&server);
		client_send(fds[i], i % 2 ? STR("GET / HTTP/1.1\r\nHo") : STR(""));
	}
	for (size_t i = 0; i < 500; i++) {
		if (i % 2)
			assert_next(fds[i], 408);
		assert_true(client_is_ended(fds[i]));
		(void)close(fds[i]);
	}
	wait_until_open(&server, 0);
	test_server_close(&server);
}

static void
test_limits__counts_connections_of_a_peer(void **state)
{
	struct http_conf   conf = { .limits = { .connections_per_peer_max = 3 } };
	struct test_server server;
	int                fds[4];

	(void)state;
	test_server_open(&server, conf);
	for (size_t i = 0; i < 4; i++)
		fds[i] = client_open(&server);
	for (size_t i = 0; i < 3; i++) {
		client_send(fds[i], STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
		assert_next(fds[i], 200);
	}
	assert_true(client_is_ended(fds[3]));
	assert_int_equal(test_server_stats(&server).refused_connections, 1);
	assert_int_equal(test_server_stats(&server).accepted, 3);
	(void)close(fds[0]);
	wait_until_open(&server, 2);
	assert_served(&server);
	for (size_t i = 1; i < 4; i++)
		(void)close(fds[i]);
	test_server_close(&server);
}

/* The one too many is not turned away: it waits until there is room. */
static void
test_limits__pauses_when_all_connections_are_taken(void **state)
{
	struct http_conf   conf = { .limits = { .connections_max = 3 } };
	struct test_server server;
	int                fds[4];

	(void)state;
	test_server_open(&server, conf);
	for (size_t i = 0; i < 4; i++) {
		fds[i] = client_open(&server);
		client_send(fds[i], STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	}
	for (size_t i = 0; i < 3; i++)
		assert_next(fds[i], 200);
	assert_false(client_waits(fds[3], now_ms() + 300));
	assert_int_equal(test_server_stats(&server).open, 3);
	(void)close(fds[0]);
	assert_next(fds[3], 200);
	for (size_t i = 1; i < 4; i++)
		(void)close(fds[i]);
	test_server_close(&server);
}

static void
connect_to(int fd, const struct test_server *server)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	address.sin_port = htons((uint16_t)strtoul(strrchr(server->address, ':') + 1, NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
}

static void
test_limits__waits_when_there_are_no_descriptors(void **state)
{
	int                log_pipe[2], taken[300], client, count = 0;
	struct log         log = { .level = LOG_WARN, .clock = &clock_system };
	struct rlimit      before, low;
	struct test_server server;
	char               lines[4096];
	ssize_t            len;

	(void)state;
	assert_int_equal(pipe(log_pipe), 0);
	log.fd = log_pipe[1];
	test_server_open(&server, (struct http_conf){ .log = &log });
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = 200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (count < 300 && (taken[count] = dup(client)) >= 0)
		count++;
	assert_true(count < 300);
	connect_to(client, &server);
	client_send(client, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_false(client_waits(client, now_ms() + 350));
	assert_int_equal(test_server_stats(&server).accepted, 0);
	while (count > 0)
		(void)close(taken[--count]);
	assert_next(client, 200);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	(void)close(client);
	test_server_close(&server);
	/* It tried several times and said so once. */
	len = read(log_pipe[0], lines, sizeof(lines) - 1);
	assert_true(len > 0 && memchr(lines, '\n', (size_t)len) == lines + len - 1);
	(void)close(log_pipe[0]);
	(void)close(log_pipe[1]);
}

static void
test_limits__finishes_requests_under_way_when_stopped(void **state)
{
	struct test_server server;
	struct response    response;
	int                idle, busy, half;

	(void)state;
	test_server_open(&server, (struct http_conf){ .loops = 1 });
	/* One loop: when it has let `idle` and `half` go, it also knows for `busy` that it drains. */
	idle = client_open(&server);
	busy = client_open(&server);
	half = client_open(&server);
	client_send(idle, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_next(idle, 200);
	client_send(half, STR("GET /late HTTP/1.1\r\nHo"));
	client_send(busy, STR("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n"));
	wait_for(&server.tiny.blocked, 1);
	while (test_server_stats(&server).bytes_in < 26 + 22 + 30)
		sleep_ms(1);
	http_stop(server.http);
	assert_true(client_is_ended(idle));
	client_send(half, STR("st: x\r\n\r\n"));
	assert_next(half, 200);
	assert_true(client_is_ended(half));
	atomic_store(&server.tiny.gate_open, 1);
	response = client_read(busy, false);
	assert_int_equal(response.status, 200);
	assert_true(str_eq(response_field(&response, "Connection"), STR("close")));
	response_close(&response);
	(void)close(idle);
	(void)close(busy);
	(void)close(half);
	test_server_close(&server);
}

static void
test_limits__does_not_drain_for_ever(void **state)
{
	struct http_conf   conf = { .limits = { .drain_ms = SHORT_MS } };
	struct test_server server;
	int64_t            from;
	int                fd;

	(void)state;
	test_server_open(&server, conf);
	fd = client_open(&server);
	client_send(fd, STR("GET / HTTP/1.1\r\nHo"));
	while (test_server_stats(&server).bytes_in == 0)
		sleep_ms(1);
	from = now_ms();
	test_server_close(&server);
	assert_took(from, SHORT_MS);
	(void)close(fd);
}

static void
test_limits__may_be_stopped_before_it_runs(void **state)
{
	struct tiny_app     tiny = { 0 };
	struct http_conf    conf = { .listen = STR("127.0.0.1:0"), .clock = &clock_system, .loops = 1 };
	struct http_server *server;
	char                why[256];

	(void)state;
	tiny.app = tiny_app_of(&tiny);
	assert_int_equal(http_open(&conf, &tiny.app, &server, why), OK);
	http_stop(server);
	assert_int_equal(http_run(server), OK);
	http_close(&server);
	http_close(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits__closes_idle_connections_in_time),
		cmocka_unit_test(test_limits__does_not_wait_longer_for_a_head_that_drips),
		cmocka_unit_test(test_limits__does_not_wait_longer_for_a_body_that_drips),
		cmocka_unit_test(test_limits__gives_a_body_a_second_for_each_kib),
		cmocka_unit_test(test_limits__closes_on_a_client_that_does_not_read),
		cmocka_unit_test(test_limits__waits_for_a_client_that_reads_slowly),
		cmocka_unit_test(test_limits__serves_a_good_client_beside_500_slow_ones),
		cmocka_unit_test(test_limits__rids_itself_of_500_slow_clients),
		cmocka_unit_test(test_limits__counts_connections_of_a_peer),
		cmocka_unit_test(test_limits__pauses_when_all_connections_are_taken),
		cmocka_unit_test(test_limits__waits_when_there_are_no_descriptors),
		cmocka_unit_test(test_limits__finishes_requests_under_way_when_stopped),
		cmocka_unit_test(test_limits__does_not_drain_for_ever),
		cmocka_unit_test(test_limits__may_be_stopped_before_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
