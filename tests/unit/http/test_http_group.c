/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are made together and sent together. */
#include "unit/http/http_fixture.h"

#include "http/http_worker.h"

#define CROWD 20

static int
send_request(const struct test_server *server, const char *path)
{
	char request[256];
	int  fd = client_open(server);

	(void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	client_send(fd, str_from_c(request));
	return fd;
}

static void
assert_changes(int fd, unsigned status, const char *body)
{
	struct response response = client_read(fd, false);

	assert_int_equal(response.status, status);
	if (body)
		assert_string_equal(response.body, body);
	response_close(&response);
	(void)close(fd);
}

static void
await_requests(const struct test_server *server, uint64_t count)
{
	int64_t until = now_ms() + PATIENCE_MS;

	while (test_server_stats(server).requests < count) {
		assert_true(now_ms() < until);
		sleep_ms(1);
	}
	sleep_ms(20);
}

static void
test_http_group__no_answer_goes_out_before_the_group_is_settled(void **state)
{
	struct test_server server;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = send_request(&server, "/group/a");
	wait_for(&server.tiny.blocked, 1);
	assert_int_equal(atomic_load(&server.tiny.answers), 1);
	assert_false(client_waits(fd, now_ms() + 50));
	atomic_store(&server.tiny.gate_open, 1);
	assert_changes(fd, 200, "/group/a one of 1");
	test_server_close(&server);
}

/* Those that came while a group was being settled make the next one; a loop goes on beside them. */
static void
test_http_group__a_crowd_makes_one_group(void **state)
{
	struct test_server server;
	int                first, fds[CROWD];

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	first = send_request(&server, "/group/first");
	wait_for(&server.tiny.blocked, 1);
	for (int i = 0; i < CROWD; i++)
		fds[i] = send_request(&server, "/group/crowd");
	await_requests(&server, CROWD + 1);
	assert_changes(send_request(&server, "/"), 200, NULL);
	assert_int_equal(atomic_load(&server.tiny.settled), 0);
	atomic_store(&server.tiny.gate_open, 1);
	assert_changes(first, 200, "/group/first one of 1");
	for (int i = 0; i < CROWD; i++)
		assert_changes(fds[i], 200, "/group/crowd one of 20");
	assert_int_equal(atomic_load(&server.tiny.groups), 2);
	test_server_close(&server);
}

static void
test_http_group__an_answer_may_become_a_failure_when_its_group_is_settled(void **state)
{
	struct test_server server;
	int                first, good, bad;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	first = send_request(&server, "/group/first");
	wait_for(&server.tiny.blocked, 1);
	good = send_request(&server, "/group/good");
	bad = send_request(&server, "/group/bad");
	await_requests(&server, 3);
	atomic_store(&server.tiny.gate_open, 1);
	assert_changes(first, 200, "/group/first one of 1");
	assert_changes(good, 507, " one of 2");
	assert_changes(bad, 507, " one of 2");
	test_server_close(&server);
}

/* A long body is read by a worker, so that the others need not wait for it. */
static void
test_http_group__a_long_body_takes_a_worker(void **state)
{
	struct test_server server;
	char              *request = calloc(1, HTTP_GROUP_BODY_MAX + 200);
	int                at, fd;

	(void)state;
	assert_non_null(request);
	test_server_open(&server, (struct http_conf){ 0 });
	atomic_store(&server.tiny.gate_open, 1);
	for (size_t more = 0; more < 2; more++) {
		size_t len = HTTP_GROUP_BODY_MAX + more;

		at = snprintf(request, 200, "POST /group/x HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", len);
		memset(request + at, 'b', len);
		fd = client_open(&server);
		client_send(fd, str_of(request, (size_t)at + len));
		assert_changes(fd, 200, more ? "path=/group/x query= worker" : "/group/x one of 1");
	}
	free(request);
	test_server_close(&server);
}

static void
test_http_group__turns_away_what_its_queue_cannot_hold(void **state)
{
	struct test_server server;
	int                fds[2 + HTTP_QUEUE_PER_WORKER];
	size_t             count = sizeof(fds) / sizeof(fds[0]);

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .workers_max = 1, .waiting_per_caller_max = 100 } });
	fds[0] = send_request(&server, "/group/first");
	wait_for(&server.tiny.blocked, 1);
	for (size_t i = 1; i < count; i++) {
		fds[i] = send_request(&server, "/group/next");
		await_requests(&server, i + 1);
	}
	assert_changes(fds[count - 1], 503, NULL);
	atomic_store(&server.tiny.gate_open, 1);
	for (size_t i = 0; i < count - 1; i++)
		assert_changes(fds[i], 200, NULL);
	test_server_close(&server);
}

static void
test_http_group__survives_clients_that_leave_meanwhile(void **state)
{
	struct test_server server;
	int                fds[CROWD];

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (int i = 0; i < CROWD; i++)
		fds[i] = send_request(&server, "/group/gone");
	await_requests(&server, CROWD);
	for (int i = 0; i < CROWD; i++) {
		struct linger reset = { .l_onoff = 1 };

		if (i % 2)
			assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
		(void)close(fds[i]);
	}
	sleep_ms(20);
	atomic_store(&server.tiny.gate_open, 1);
	for (int64_t until = now_ms() + PATIENCE_MS; test_server_stats(&server).open > 0;) {
		assert_true(now_ms() < until);
		sleep_ms(1);
	}
	test_server_close(&server);
}

/* What waits when the server is told to stop is still answered. */
static void
test_http_group__a_stop_waits_for_the_group(void **state)
{
	struct test_server server;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = send_request(&server, "/group/last");
	wait_for(&server.tiny.blocked, 1);
	http_stop(server.http);
	sleep_ms(20);
	atomic_store(&server.tiny.gate_open, 1);
	assert_changes(fd, 200, "/group/last one of 1");
	test_server_close(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_group__no_answer_goes_out_before_the_group_is_settled),
		cmocka_unit_test(test_http_group__a_crowd_makes_one_group),
		cmocka_unit_test(test_http_group__an_answer_may_become_a_failure_when_its_group_is_settled),
		cmocka_unit_test(test_http_group__a_long_body_takes_a_worker),
		cmocka_unit_test(test_http_group__turns_away_what_its_queue_cannot_hold),
		cmocka_unit_test(test_http_group__survives_clients_that_leave_meanwhile),
		cmocka_unit_test(test_http_group__a_stop_waits_for_the_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
