/* SPDX-License-Identifier: Apache-2.0 */
/* A real server on loopback, and clients that send bytes as they like: requests, bodies, refusals. */
#include "unit/http/http_fixture.h"
#include "unit/http/vectors.h"

#include <netinet/tcp.h>

#include "http/http_parse.h"

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
test_server__answers_and_keeps_the_connection(void **state)
{
	struct test_server server;
	struct response    response;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	for (int i = 0; i < 3; i++) {
		client_send(fd, STR("GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\n\r\n"));
		response = client_read(fd, false);
		assert_response(&response, 200, "path=/a%20b query=c=d loop");
		assert_int_equal(response_field(&response, "Date").len, 29);
		assert_null(response_field(&response, "Connection").at);
		response_close(&response);
	}
	(void)close(fd);
	test_server_close(&server);
}

static void
test_server__refuses_the_vectors_and_closes(void **state)
{
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		struct response response;
		struct buf      bytes;

		vector_open(i, &bytes);
		response = client_request(&server, buf_str(&bytes));
		if (response.status != vectors[i].status || !response.ended)
			fail_msg("%s: %u, ended: %d", vectors[i].name, response.status, response.ended);
		assert_true(str_eq(response_field(&response, "Connection"), STR("close")));
		assert_true(str_eq(response_field(&response, "X-Refused"), STR("yes")));
		response_close(&response);
		buf_close(&bytes);
	}
	assert_int_equal(atomic_load(&server.tiny.answers), 0);
	assert_int_equal(test_server_stats(&server).protocol_errors, VECTOR_COUNT);
	test_server_close(&server);
}

static struct response
ask_in_two(const struct test_server *server, struct str bytes, size_t split)
{
	int             fd = client_open(server), yes = 1;
	struct response response;

	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)), 0);
	client_send(fd, str_first(bytes, split));
	sleep_ms(1);
	client_send(fd, str_skip(bytes, split));
	response = client_read(fd, false);
	if (!response.ended && response_field(&response, "Connection").at)
		response.ended = client_is_ended(fd);
	(void)close(fd);
	return response;
}

static void
test_server__refuses_the_vectors_at_every_split(void **state)
{
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		struct buf bytes;

		vector_open(i, &bytes);
		for (size_t split = 1; split < bytes.len && bytes.len < 100; split++) {
			struct response response = ask_in_two(&server, buf_str(&bytes), split);

			if (response.status != vectors[i].status || !response.ended)
				fail_msg("%s at %zu: %u", vectors[i].name, split, response.status);
			response_close(&response);
		}
		buf_close(&bytes);
	}
	assert_int_equal(atomic_load(&server.tiny.answers), 0);
	test_server_close(&server);
}

static void
test_server__takes_a_good_request_at_every_split(void **state)
{
	struct str         plain = STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	struct str         chunked = STR("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	                                         "2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n");
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t split = 1; split < chunked.len; split++) {
		struct response response = ask_in_two(&server, split < plain.len ? plain : chunked, split);

		assert_response(&response, 200, "hello");
		response_close(&response);
		response = ask_in_two(&server, chunked, split);
		assert_response(&response, 200, "hello");
		response_close(&response);
	}
	test_server_close(&server);
}

static void
test_server__judges_doubled_fields(void **state)
{
	static const struct {
		const char *field;
		unsigned    status;
	} rows[] = {
		{ "Host: x", 400 },          { "Content-Length: 0", 400 }, { "Transfer-Encoding: chunked", 400 },
		{ "Authorization: a", 400 }, { "Content-Type: a/b", 400 }, { "Expect: 100-continue", 400 },
		{ "Range: bytes=0-", 400 },  { "If-Range: \"a\"", 400 },   { "If-Modified-Since: a", 400 },
		{ "Accept: */*", 200 },      { "Prefer: a", 200 },         { "Cookie: a=b", 200 },
		{ "If-Match: \"a\"", 200 },  { "Connection: x", 200 },     { "User-Agent: a", 200 },
	};
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char request[256];

		(void)snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n%s%s\r\n%s\r\n\r\n",
		               str_starts(str_from_c(rows[i].field), STR("Host")) ? "" : "Host: x\r\n", rows[i].field,
		               rows[i].field);
		assert_asked(&server, str_from_c(request), rows[i].status, NULL);
	}
	test_server_close(&server);
}

static void
test_server__answers_pipelined_requests_in_order(void **state)
{
	struct test_server server;
	struct buf         requests;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	buf_open(&requests, (size_t)1 << 20);
	for (unsigned i = 0; i < 500; i++) {
		buf_printf(&requests, "GET /loop/%u HTTP/1.1\r\nHost: x\r\n\r\n", i);
		buf_printf(&requests, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n%05u", i);
		buf_printf(&requests, "GET /maybe HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	fd = client_open(&server);
	client_send(fd, buf_str(&requests));
	for (unsigned i = 0; i < 500; i++) {
		char wanted[64];

		(void)snprintf(wanted, sizeof(wanted), "path=/loop/%u query= loop", i);
		assert_next(fd, 200, wanted);
		(void)snprintf(wanted, sizeof(wanted), "%05u", i);
		assert_next(fd, 200, wanted);
		assert_next(fd, 200, "halfpath=/maybe query= worker");
	}
	(void)close(fd);
	buf_close(&requests);
	test_server_close(&server);
}

static void
test_server__answers_what_stands_before_a_fault_and_nothing_after(void **state)
{
	struct test_server server;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	client_send(fd, STR("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n"
	                    "GET /c HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_next(fd, 200, "path=/a query= loop");
	assert_next(fd, 400, NULL);
	assert_true(client_is_ended(fd));
	(void)close(fd);
	assert_int_equal(atomic_load(&server.tiny.answers), 1);
	test_server_close(&server);
}

static void
test_server__closes_when_asked_to(void **state)
{
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n" SECOND,
		"GET / HTTP/1.0\r\n\r\n" SECOND,
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" SECOND,
	};
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct response response = client_request(&server, str_from_c(requests[i]));

		assert_response(&response, 200, "path=/ query= loop");
		assert_true(str_eq(response_field(&response, "Connection"), STR("close")));
		assert_true(response.ended);
		response_close(&response);
	}
	assert_int_equal(atomic_load(&server.tiny.answers), 3);
	test_server_close(&server);
}

static void
test_server__answers_an_expectation_after_the_plan(void **state)
{
	static const char expect[] = "POST %s HTTP/1.1\r\nHost: x\r\nExpect: %s\r\n%s\r\n\r\n";
	static const struct {
		const char *path, *expectation, *length;
		unsigned    status;
	} rows[] = {
		{ "/echo", "100-continue", "Content-Length: 1001", 413 },
		{ "/", "100-continue", "Content-Length: 1", 400 },
		{ "/", "100-continue", "Transfer-Encoding: chunked", 400 },
		{ "/echo", "x", "Content-Length: 1", 417 },
		{ "/echo", "100-continue", "Content-Length: 0", 200 },
	};
	char               request[256];
	struct test_server server;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(request, sizeof(request), expect, rows[i].path, rows[i].expectation, rows[i].length);
		assert_asked(&server, str_from_c(request), rows[i].status, NULL);
	}
	fd = client_open(&server);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(request, sizeof(request), expect, "/echo", "100-continue",
		               i ? "Content-Length: 5" : "Transfer-Encoding: chunked");
		client_send(fd, str_from_c(request));
		assert_next(fd, 100, "");
		client_send(fd, i ? STR("hello") : STR("5\r\nhello\r\n0\r\n\r\n"));
		assert_next(fd, 200, "hello");
	}
	(void)close(fd);
	test_server_close(&server);
}

static void
test_server__takes_a_body_up_to_its_limit(void **state)
{
	struct test_server server;
	char               fill[ECHO_MAX + 2];

	(void)state;
	memset(fill, 'b', sizeof(fill));
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t len = ECHO_MAX - 1; len <= ECHO_MAX + 1; len++) {
		struct buf request;

		buf_open(&request, 10000);
		buf_printf(&request, START "Content-Length: %zu\r\n\r\n%.*s", len, (int)len, fill);
		assert_asked(&server, buf_str(&request), len <= ECHO_MAX ? 200 : 413, NULL);
		buf_cut(&request, 0);
		buf_printf(&request, START "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n1\r\nx\r\n0\r\n\r\n",
		           len - 1, (int)len - 1, fill);
		assert_asked(&server, buf_str(&request), len <= ECHO_MAX ? 200 : 413, NULL);
		buf_close(&request);
	}
	assert_asked(&server, STR("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 200, NULL);
	assert_asked(&server, STR("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"), 400, NULL);
	assert_asked(&server, STR("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400,
	             NULL);
	assert_asked(&server, STR(START "Content-Length: 999999999999999\r\n\r\n"), 413, NULL);
	test_server_close(&server);
}

/* The client is still sending when it is refused: nothing is reset, so that it can read why. */
static void
test_server__lets_a_client_read_why_its_upload_was_refused(void **state)
{
	struct test_server server;
	char              *waste = calloc(1, (size_t)1 << 20);

	(void)state;
	assert_non_null(waste);
	test_server_open(&server, (struct http_conf){ 0 });
	for (int i = 0; i < 20; i++) {
		int  fd = client_open(&server);
		char byte;

		client_send(fd, STR(START "Content-Length: 1048576\r\n\r\n"));
		for (int piece = 0; piece < 16; piece++)
			assert_int_equal(send(fd, waste, 65536, MSG_NOSIGNAL), 65536);
		assert_next(fd, 413, NULL);
		assert_int_equal(recv(fd, &byte, 1, 0), 0);
		(void)close(fd);
	}
	free(waste);
	test_server_close(&server);
}

static void
test_server__takes_a_large_body(void **state)
{
	size_t             len = (size_t)900 * 1024;
	struct test_server server;
	struct buf         request;
	struct response    response;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	buf_open(&request, (size_t)2 << 20);
	buf_printf(&request, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", len);
	for (size_t i = 0; i < len; i++)
		buf_put_char(&request, (char)('a' + i % 23));
	response = client_request(&server, buf_str(&request));
	assert_int_equal(response.status, 200);
	assert_int_equal(response.body_len, len);
	assert_memory_equal(response.body, request.at + request.len - len, len);
	response_close(&response);
	buf_close(&request);
	test_server_close(&server);
}

static void
test_server__answers_a_client_that_has_closed_its_half(void **state)
{
	static const struct {
		const char *request;
		unsigned    status;
		bool        probed; /* by an interim response, while a worker has it */
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200, false },
		{ "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", 200, true },
		{ "GET /slices/100 HTTP/1.1\r\nHost: x\r\n\r\n", 200, true },
		{ "GET /slices/100 HTTP/1.0\r\n\r\n", 200, false },
		{ "GET / HTTP/1.1\r\nHost", 400, false },
		{ START "Content-Length: 5\r\n\r\nhell", 400, false },
		{ START "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", 400, false },
	};
	struct test_server server;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = client_open(&server);

		client_send(fd, str_from_c(rows[i].request));
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		if (rows[i].probed)
			assert_next(fd, 100, NULL);
		assert_next(fd, rows[i].status, strstr(rows[i].request, "/slices") ? "100 slices" : NULL);
		assert_true(client_is_ended(fd));
		(void)close(fd);
	}
	test_server_close(&server);
}

static const struct http_conf small = {
	.limits = { .head_max = 1000, .target_max = 100, .fields_max = 8, .response_max = 1000 },
};

/* before, `fill` letters, after. */
static void
assert_filled(const struct test_server *server, const char *before, size_t fill, const char *after, unsigned status)
{
	struct buf request;

	buf_open(&request, (size_t)1 << 20);
	buf_put(&request, str_from_c(before));
	for (size_t i = 0; i < fill; i++)
		buf_put_char(&request, 'a');
	buf_put(&request, str_from_c(after));
	assert_asked(server, buf_str(&request), status, NULL);
	buf_close(&request);
}

static void
test_server__keeps_the_configured_limits_of_heads(void **state)
{
	static const char  before[] = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
	struct test_server server;

	(void)state;
	test_server_open(&server, small);
	for (size_t more = 0; more < 3; more++) {
		assert_filled(&server, "GET /", 98 + more, " HTTP/1.1\r\nHost: x\r\n\r\n", more < 2 ? 200 : 414);
		assert_filled(&server, before, 1000 - sizeof(before) - 4 + more, "\r\n\r\n", more < 2 ? 200 : 431);
	}
	for (unsigned more = 6; more <= 8; more++) {
		struct buf request;

		buf_open(&request, 1000);
		buf_put(&request, STR("GET / HTTP/1.1\r\nHost: x\r\n"));
		for (unsigned field = 0; field < more; field++)
			buf_put(&request, STR("A:\r\n"));
		buf_put(&request, STR("\r\n"));
		assert_asked(&server, buf_str(&request), more <= 7 ? 200 : 431, NULL);
		buf_close(&request);
	}
	test_server_close(&server);
}

static void
test_server__keeps_the_limit_of_responses(void **state)
{
	struct test_server server;

	(void)state;
	test_server_open(&server, small);
	assert_asked(&server, STR("GET /size/999 HTTP/1.1\r\nHost: x\r\n\r\n"), 200, NULL);
	assert_asked(&server, STR("GET /size/1000 HTTP/1.1\r\nHost: x\r\n\r\n"), 200, NULL);
	assert_asked(&server, STR("GET /size/1001 HTTP/1.1\r\nHost: x\r\n\r\n"), 500,
	             "500 the response is too large or malformed\n");
	test_server_close(&server);
}

static void
test_server__sends_no_field_that_splits_the_response(void **state)
{
	struct test_server server;
	struct response    response;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	response = client_request(&server, STR("GET /split HTTP/1.1\r\nHost: x\r\n\r\n"));
	assert_int_equal(response.status, 500);
	assert_null(response_field(&response, "Set-Cookie").at);
	assert_null(response_field(&response, "X-Echo").at);
	response_close(&response);
	test_server_close(&server);
}

static void
test_server__sends_no_body_where_none_belongs(void **state)
{
	struct test_server server;
	struct response    response;
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	client_send(fd, STR("HEAD /size/1234 HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n"
	                    "GET /same HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	response = client_read(fd, true);
	assert_int_equal(response.status, 200);
	assert_int_equal(response.content_length, 1234);
	response_close(&response);
	for (unsigned status = 204; status <= 304; status += 100) {
		response = client_read(fd, false);
		assert_int_equal(response.status, status);
		assert_int_equal(response.content_length, SIZE_MAX);
		response_close(&response);
	}
	assert_next(fd, 200, "path=/ query= loop");
	(void)close(fd);
	test_server_close(&server);
}

static void
test_server__sends_a_large_response_to_a_slow_reader(void **state)
{
	size_t             want = (size_t)48 << 20, got = 0, head = 0;
	struct test_server server;
	char               bytes[65536];
	int                fd;

	(void)state;
	test_server_open(&server, (struct http_conf){ 0 });
	fd = client_open(&server);
	client_send(fd, STR("GET /size/50331648 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
	sleep_ms(50);
	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n <= 0)
			break;
		if (got == 0)
			head = (size_t)((char *)memmem(bytes, (size_t)n, "\r\n\r\n", 4) - bytes) + 4;
		got += (size_t)n;
		if (got < (size_t)1 << 20)
			sleep_ms(1);
	}
	assert_int_equal(got, want + head);
	(void)close(fd);
	test_server_close(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server__answers_and_keeps_the_connection),
		cmocka_unit_test(test_server__refuses_the_vectors_and_closes),
		cmocka_unit_test(test_server__refuses_the_vectors_at_every_split),
		cmocka_unit_test(test_server__takes_a_good_request_at_every_split),
		cmocka_unit_test(test_server__judges_doubled_fields),
		cmocka_unit_test(test_server__answers_pipelined_requests_in_order),
		cmocka_unit_test(test_server__answers_what_stands_before_a_fault_and_nothing_after),
		cmocka_unit_test(test_server__closes_when_asked_to),
		cmocka_unit_test(test_server__answers_an_expectation_after_the_plan),
		cmocka_unit_test(test_server__takes_a_body_up_to_its_limit),
		cmocka_unit_test(test_server__lets_a_client_read_why_its_upload_was_refused),
		cmocka_unit_test(test_server__takes_a_large_body),
		cmocka_unit_test(test_server__answers_a_client_that_has_closed_its_half),
		cmocka_unit_test(test_server__keeps_the_configured_limits_of_heads),
		cmocka_unit_test(test_server__keeps_the_limit_of_responses),
		cmocka_unit_test(test_server__sends_no_field_that_splits_the_response),
		cmocka_unit_test(test_server__sends_no_body_where_none_belongs),
		cmocka_unit_test(test_server__sends_a_large_response_to_a_slow_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
