/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies read piece by piece on a worker, answers given without the body, and files as bodies. */
#include "unit/http/http_fixture.h"

static unsigned
sum_of(const char *bytes, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + (unsigned char)bytes[i];
	return sum;
}

static char *
some_bytes(size_t len)
{
	char *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 7 + i / 1000);
	return bytes;
}

static void
expect_read(const struct response *response, enum err err, size_t total, unsigned sum, size_t announced)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "err=%d total=%zu sum=%u announced=%zu", (int)err, total, sum, announced);
	assert_int_equal(response->status, err == OK ? 200 : 400);
	assert_string_equal(response->body, text);
}

static void
send_text(int fd, const char *text)
{
	client_send(fd, str_from_c(text));
}

static void
test_stream__a_counted_body_comes_whole_and_the_connection_goes_on(void **state)
{
	static const size_t sizes[] = { 1, 999, 1000, 1001, 70000, 5000000, STREAM_MAX };
	struct test_server  server;
	int                 fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char           *bytes = some_bytes(sizes[i]), head[128];
		struct response response;

		(void)snprintf(head, sizeof(head), "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
		               sizes[i]);
		send_text(fd, head);
		client_send(fd, str_of(bytes, sizes[i]));
		response = client_read(fd, false);
		expect_read(&response, OK, sizes[i], sum_of(bytes, sizes[i]), sizes[i]);
		assert_null(response_field(&response, "Connection").at);
		response_close(&response);
		free(bytes);
	}
	send_text(fd, "GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
	{
		struct response response = client_read(fd, false);

		assert_string_equal(response.body, "path=/after query= loop");
		response_close(&response);
	}
	(void)close(fd);
	test_server_close(&server);
}

static void
test_stream__a_request_behind_the_body_is_answered_next(void **state)
{
	struct test_server server;
	struct response    response;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	send_text(fd,
	          "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
	response = client_read(fd, false);
	expect_read(&response, OK, 3, sum_of("abc", 3), 3);
	response_close(&response);
	response = client_read(fd, false);
	assert_string_equal(response.body, "path=/b query= loop");
	response_close(&response);
	(void)close(fd);
	test_server_close(&server);
}

static void
test_stream__chunks_come_whole_however_they_are_cut(void **state)
{
	static const char  body[] = "PUT /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
				    "3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nTrail: er\r\n\r\n"
				    "GET /b HTTP/1.1\r\nHost: x\r\n\r\n";
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t cut = 60; cut < sizeof(body) - 1; cut += 3) {
		int             fd = client_open(&server);
		struct response response;

		client_send(fd, str_of(body, cut));
		sleep_ms(2);
		client_send(fd, str_of(body + cut, sizeof(body) - 1 - cut));
		response = client_read(fd, false);
		expect_read(&response, OK, 19, sum_of("abc0123456789abcdef", 19), 0);
		response_close(&response);
		response = client_read(fd, false);
		assert_string_equal(response.body, "path=/b query= loop");
		response_close(&response);
		(void)close(fd);
	}
	test_server_close(&server);
}

static void
test_stream__a_body_that_stops_early_is_told_and_ends_the_connection(void **state)
{
	static const char *const requests[] = {
		"PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
		"PUT /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"PUT /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n",
		"PUT /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int             fd = client_open(&server);
		struct response response;

		send_text(fd, requests[i]);
		(void)shutdown(fd, SHUT_WR);
		response = client_read(fd, false);
		assert_int_equal(response.status, 400);
		assert_true(str_starts(str_from_c(response.body), STR("err=1 ")));
		assert_true(client_is_ended(fd));
		response_close(&response);
		(void)close(fd);
	}
	test_server_close(&server);
}

static void
test_stream__more_than_the_limit_is_not_taken(void **state)
{
	struct test_server server;
	struct response    response;
	char               text[256];
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	(void)snprintf(text, sizeof(text), "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
	               STREAM_MAX + 1);
	response = client_request(&server, str_from_c(text));
	expect_read(&response, ERR_TOO_LARGE, 0, 0, STREAM_MAX + 1);
	assert_true(response.ended);
	response_close(&response);
	(void)snprintf(text, sizeof(text),
	               "PUT /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n%zx\r\n",
	               STREAM_MAX - 2);
	fd = client_open(&server);
	send_text(fd, text);
	response = client_read(fd, false);
	assert_int_equal(response.status, 400);
	assert_int_equal(strtoul(response.body + 4, NULL, 10), ERR_TOO_LARGE);
	response_close(&response);
	(void)close(fd);
	test_server_close(&server);
}

static void
test_stream__continue_is_said_only_when_the_body_is_wanted(void **state)
{
	struct test_server server;
	struct response    response;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	send_text(fd, "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	response = client_read(fd, false);
	assert_int_equal(response.status, 100);
	response_close(&response);
	send_text(fd, "abc");
	response = client_read(fd, false);
	expect_read(&response, OK, 3, sum_of("abc", 3), 3);
	response_close(&response);
	(void)close(fd);

	fd = client_open(&server);
	send_text(fd, "PUT /stream/none HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	response = client_read(fd, false);
	assert_int_equal(response.status, 403);
	assert_true(str_eq(response_field(&response, "Connection"), STR("close")));
	assert_true(client_is_ended(fd));
	response_close(&response);
	(void)close(fd);
	test_server_close(&server);
}

static void
test_stream__an_answer_without_the_body_ends_the_connection(void **state)
{
	static const char *const paths[] = { "/stream/none", "/stream/some", "/early" };
	static const unsigned    statuses[] = { 403, 200, 408 };
	struct test_server       server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (int i = 0; i < 3; i++) {
		char            head[128];
		int             fd = client_open(&server);
		char           *bytes = some_bytes(100000);
		struct response response;

		(void)snprintf(head, sizeof(head), "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", paths[i],
		               i == 1 ? 200000 : 900);
		send_text(fd, head);
		client_send(fd, str_of(bytes, i == 1 ? 100000 : 9));
		free(bytes);
		response = client_read(fd, false);
		assert_int_equal(response.status, statuses[i]);
		assert_true(str_eq(response_field(&response, "Connection"), STR("close")));
		assert_true(client_is_ended(fd));
		response_close(&response);
		(void)close(fd);
	}
	test_server_close(&server);
}

static void
test_stream__a_silent_peer_is_given_up(void **state)
{
	struct test_server server;
	struct response    response;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .body_ms = 300, .idle_ms = 400 } });
	fd = client_open(&server);
	send_text(fd, "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
	response = client_read(fd, false);
	assert_int_equal(response.status, 400);
	assert_true(client_is_ended(fd));
	response_close(&response);
	(void)close(fd);
	assert_int_equal(test_server_stats(&server).timeouts, 1);
	test_server_close(&server);
}

/* The server must come to an end although a body has not. */
static void
test_stream__stopping_does_not_wait_for_a_body(void **state)
{
	struct test_server server;
	int64_t            before;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .drain_ms = 200 } });
	fd = client_open(&server);
	send_text(fd, "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
	wait_for(&server.tiny.answers, 1);
	before = now_ms();
	test_server_close(&server);
	assert_true(now_ms() - before < 3000);
	(void)close(fd);
}

/* A second's worth of bytes has come already, and reading them would take longer than the drain. */
static void
test_stream__stopping_does_not_wait_for_bytes_that_have_come(void **state)
{
	struct test_server server;
	struct buf         request;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ .limits = { .drain_ms = 50 } });
	buf_open(&request, (size_t)1 << 20);
	buf_printf(&request, "PUT /stream/slow HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", STREAM_MAX);
	for (size_t i = 0; i < (size_t)400000; i++)
		buf_put_char(&request, 'x');
	fd = client_open(&server);
	client_send(fd, buf_str(&request));
	while (atomic_load(&server.tiny.answers) < 2)
		sleep_ms(1);
	test_server_stop(&server);
	assert_int_equal(atomic_load(&server.tiny.read_err), ERR_IO);
	(void)close(fd);
	buf_close(&request);
	http_close(&server.http);
}

static void
test_stream__what_waits_for_a_worker_is_not_begun_when_its_client_has_left(void **state)
{
	static const struct linger at_once = { .l_onoff = 1 };
	struct test_server         server;
	struct response            response;
	int                        busy, left;

	(void)state;
	test_server_open(&server, (struct http_conf){ .loops = 1, .limits = { .workers_max = 1 } });
	busy = client_open(&server);
	send_text(busy, "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for(&server.tiny.blocked, 1);
	left = client_open(&server);
	send_text(left, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
	while (test_server_stats(&server).requests < 2)
		sleep_ms(1);
	assert_int_equal(setsockopt(left, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	(void)close(left);
	/* The only loop answers this behind the break. */
	response = client_request(&server, STR("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	assert_int_equal(response.status, 200);
	response_close(&response);
	atomic_store(&server.tiny.gate_open, 1);
	while (test_server_stats(&server).open > 1)
		sleep_ms(1);
	assert_int_equal(atomic_load(&server.tiny.answers), 2);
	(void)close(busy);
	test_server_close(&server);
}

static void
test_file__a_stretch_is_sent_and_the_connection_goes_on(void **state)
{
	static const struct {
		size_t from, len;
	} table[] = { { 0, 1 }, { 0, 0 }, { 5, 1000 }, { 0, FILE_BYTES }, { FILE_BYTES - 1, 1 }, { 1234567, 1500000 } };
	struct test_server server;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char            head[128];
		struct response response;

		(void)snprintf(head, sizeof(head), "GET /file/%zu-%zu HTTP/1.1\r\nHost: x\r\n\r\n", table[i].from,
		               table[i].len);
		send_text(fd, head);
		response = client_read(fd, false);
		assert_int_equal(response.status, 200);
		assert_int_equal(response.content_length, table[i].len);
		assert_int_equal(response.body_len, table[i].len);
		for (size_t at = 0; at < table[i].len; at++)
			if ((unsigned char)response.body[at] != (table[i].from + at) % 251)
				fail_msg("byte %zu of row %zu is wrong", at, i);
		response_close(&response);
		(void)snprintf(head, sizeof(head), "HEAD /file/%zu-%zu HTTP/1.1\r\nHost: x\r\n\r\n", table[i].from,
		               table[i].len);
		send_text(fd, head);
		response = client_read(fd, true);
		assert_int_equal(response.content_length, table[i].len);
		response_close(&response);
	}
	(void)close(fd);
	test_server_close(&server);
}

static void
test_file__one_that_is_too_short_ends_the_connection(void **state)
{
	struct test_server server;
	struct response    response;
	char               head[128];
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	(void)snprintf(head, sizeof(head), "GET /file/10-%zu HTTP/1.1\r\nHost: x\r\n\r\n", FILE_BYTES);
	send_text(fd, head);
	response = client_read(fd, false);
	assert_true(response.ended);
	assert_int_equal(response.body_len, FILE_BYTES - 10);
	response_close(&response);
	(void)close(fd);
	test_server_close(&server);
}

/* A peer that goes away while a file is sent must not end the process (SIGPIPE), nor keep the file open. */
static void
test_file__a_peer_that_leaves_does_no_harm(void **state)
{
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (int i = 0; i < 20; i++) {
		int fd = client_open(&server);

		send_text(fd, "GET /file/0-3000000 HTTP/1.1\r\nHost: x\r\n\r\n");
		sleep_ms(i);
		(void)close(fd);
	}
	test_server_close(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream__a_counted_body_comes_whole_and_the_connection_goes_on),
		cmocka_unit_test(test_stream__a_request_behind_the_body_is_answered_next),
		cmocka_unit_test(test_stream__chunks_come_whole_however_they_are_cut),
		cmocka_unit_test(test_stream__a_body_that_stops_early_is_told_and_ends_the_connection),
		cmocka_unit_test(test_stream__more_than_the_limit_is_not_taken),
		cmocka_unit_test(test_stream__continue_is_said_only_when_the_body_is_wanted),
		cmocka_unit_test(test_stream__an_answer_without_the_body_ends_the_connection),
		cmocka_unit_test(test_stream__a_silent_peer_is_given_up),
		cmocka_unit_test(test_stream__stopping_does_not_wait_for_a_body),
		cmocka_unit_test(test_stream__stopping_does_not_wait_for_bytes_that_have_come),
		cmocka_unit_test(test_stream__what_waits_for_a_worker_is_not_begun_when_its_client_has_left),
		cmocka_unit_test(test_file__a_stretch_is_sent_and_the_connection_goes_on),
		cmocka_unit_test(test_file__one_that_is_too_short_ends_the_connection),
		cmocka_unit_test(test_file__a_peer_that_leaves_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
