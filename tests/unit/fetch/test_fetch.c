/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a server that gives each connection the next of its answers and hangs up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetch/fetch.h"

#define ANSWERS_MAX 4

struct server {
	int         listener;
	pthread_t   thread;
	const char *answers[ANSWERS_MAX];
	char        requests[ANSWERS_MAX][2048];
	char        url[64];
};

static void *
answer_all(void *ctx)
{
	struct server *server = ctx;

	for (size_t i = 0; i < ANSWERS_MAX && server->answers[i]; i++) {
		int     fd = accept(server->listener, NULL, NULL);
		size_t  len = 0;
		ssize_t n = 1;

		while (n > 0 && !strstr(server->requests[i], "\r\n\r\n")) {
			n = recv(fd, server->requests[i] + len, sizeof(server->requests[i]) - 1 - len, 0);
			len += n > 0 ? (size_t)n : 0;
		}
		(void)send(fd, server->answers[i], strlen(server->answers[i]), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void
server_open(struct server *server)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          len = sizeof(at);

	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(server->listener, 16), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u/a", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&server->thread, NULL, answer_all, server), 0);
}

static void
server_close(struct server *server)
{
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	close(server->listener);
}

/* One request; its error, and the status and body that came. */
static enum err
send_to(struct fetch *fetch, const char *url, const char *header, unsigned *status_out, char body_out[64])
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct fetch_request            request = { .url = str_from_c(url), .headers = { header } };
	struct fetch_response           response;
	struct str                      why = STR_EMPTY;
	enum err                        err = fetch_send(fetch, &request, arena, &response, &why);

	*status_out = response.status;
	(void)str_printf(body_out, 64, "%.*s", STR_ARG(response.body));
	assert_true(err == OK || why.len > 0);
	assert_int_equal(fetch_result(err, &response), response.status >= 400              ? OK
	                                               : err == OK || err == ERR_TOO_LARGE ? err
	                                                                                   : ERR_BUSY);
	return err;
}

static void
test_fetch__reports_what_went_wrong(void **state)
{
	struct server     server = { .answers = { "HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\ntoo much",
		                                  "HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\ncut",
		                                  "HTTP/1.1 200 X\r\nContent-Length: many\r\n\r\n" } };
	struct fetch_conf conf = { .body_max = 20 };
	struct fetch     *fetch;
	unsigned          status;
	char              body[64];

	(void)state;
	server_open(&server);
	assert_int_equal(fetch_open(&conf, &fetch), OK);
	assert_int_equal(send_to(fetch, server.url, NULL, &status, body), ERR_TOO_LARGE);
	assert_int_equal(send_to(fetch, server.url, NULL, &status, body), ERR_UNSURE);
	assert_int_equal(status, 500);
	assert_string_equal(body, "cut");
	assert_int_equal(send_to(fetch, server.url, NULL, &status, body), ERR_UP_GARBLED);
	server_close(&server);
	assert_int_equal(send_to(fetch, server.url, NULL, &status, body), ERR_NOT_FOUND);
	assert_int_equal(status, 0);
	fetch_close(&fetch);
}

/* A request that was started is not sent again; another one cancels it. */
static void
test_fetch__a_started_request_is_used_by_the_same_request_alone(void **state)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct server                   server = { .answers = { "HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\n1",
		                                                "HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\n2",
		                                                "HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\n3",
		                                                "HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\n4" } };
	struct fetch_conf               conf = { .agent = "test" };
	struct fetch_request            request = { .headers = { "A: 1" } };
	struct fetch                   *fetch;
	unsigned                        status;
	char                            body[64];

	(void)state;
	server_open(&server);
	request.url = str_from_c(server.url);
	assert_int_equal(fetch_open(&conf, &fetch), OK);
	fetch_start(fetch, &request, arena);
	assert_int_equal(send_to(fetch, server.url, "A: 1", &status, body), OK);
	assert_string_equal(body, "1");
	assert_int_equal(send_to(fetch, server.url, "A: 1", &status, body), OK);
	assert_string_equal(body, "2");
	fetch_start(fetch, &request, arena);
	assert_int_equal(send_to(fetch, server.url, "A: 2", &status, body), OK);
	assert_string_equal(body, "4");
	fetch_close(&fetch);
	server_close(&server);
	assert_non_null(strstr(server.requests[0], "\r\nA: 1\r\n"));
	assert_non_null(strstr(server.requests[0], "\r\nUser-Agent: test\r\n"));
	assert_non_null(strstr(server.requests[3], "\r\nA: 2\r\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fetch__reports_what_went_wrong),
		cmocka_unit_test(test_fetch__a_started_request_is_used_by_the_same_request_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
