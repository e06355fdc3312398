/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a server that is a script: it says what it is told to, and hangs up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "fetch/control_client.h"

struct script {
	char       dir[32], path[64];
	int        listener;
	struct str answer;
	bool       reads_all; /* the whole request, before it answers */
	struct buf heard;
	pthread_t  thread;
};

static bool
is_whole(struct str heard)
{
	const char *end = memmem(heard.at, heard.len, "\r\n\r\n", 4), *length;

	if (!end)
		return false;
	length = memmem(heard.at, heard.len, "Content-Length: ", 16);
	return heard.len - (size_t)(end + 4 - heard.at) >= (length ? strtoul(length + 16, NULL, 10) : 0);
}

static void *
play(void *ctx)
{
	struct script *script = ctx;
	int            fd = accept(script->listener, NULL, NULL);

	do {
		char   *space = buf_reserve(&script->heard, 65536);
		ssize_t n = read(fd, space, 65536);

		if (n <= 0)
			break;
		buf_grew(&script->heard, (size_t)n);
	} while (script->reads_all && !is_whole(buf_str(&script->heard)));
	while (script->answer.len > 0) {
		ssize_t n = send(fd, script->answer.at, script->answer.len, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		script->answer = str_skip(script->answer, (size_t)n);
	}
	/* As the server does: what still comes is read, so that the answer is not lost with it. */
	(void)shutdown(fd, SHUT_WR);
	while (read(fd, (char[65536]){ 0 }, 65536) > 0)
		;
	(void)close(fd);
	return NULL;
}

static void
script_begin(struct script *script, struct str answer, bool reads_all)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*script = (struct script){ .dir = "/tmp/tidemark-call-XXXXXX", .answer = answer, .reads_all = reads_all };
	assert_non_null(mkdtemp(script->dir));
	(void)snprintf(script->path, sizeof(script->path), "%s/sock", script->dir);
	memcpy(address.sun_path, script->path, sizeof(script->path));
	buf_open(&script->heard, (size_t)64 << 20);
	script->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(script->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(script->listener, 1), 0);
	assert_int_equal(pthread_create(&script->thread, NULL, play, script), 0);
}

/* It has said all and hung up. */
static void
script_wait(struct script *script)
{
	assert_int_equal(pthread_join(script->thread, NULL), 0);
}

static void
script_end(struct script *script)
{
	(void)close(script->listener);
	(void)unlink(script->path);
	(void)rmdir(script->dir);
	buf_close(&script->heard);
}

static bool
hears(const struct script *script, const char *text)
{
	return memmem(script->heard.at, script->heard.len, text, strlen(text)) != NULL;
}

static struct control_call
a_call(void)
{
	return (struct control_call){
		.target = STR("/-/apply?a=1"), .post = true, .key = STR("k-1"), .body = STR("{}\n")
	};
}

static enum err
call_of(struct str answer, struct arena *arena, struct control_response *response_out)
{
	struct control_call call = a_call();
	struct script       script;
	enum err            err;

	script_begin(&script, answer, true);
	err = control_call(script.path, &call, arena, response_out);
	script_wait(&script);
	script_end(&script);
	return err;
}

static void
test_control_client__sends_one_request_and_gives_the_answer_of_any_status(void **state)
{
	struct control_call     call = a_call(), get = { .target = STR("/-/ready") };
	struct control_response response;
	struct script           script;

	script_begin(&script, STR("HTTP/1.1 409 No\r\nContent-Length: 5\r\n\r\nhello"), true);
	assert_int_equal(control_call(script.path, &call, *state, &response), OK);
	script_wait(&script);
	assert_int_equal(response.status, 409);
	assert_true(str_eq(response.body, STR("hello")));
	assert_true(str_starts(buf_str(&script.heard), STR("POST /-/apply?a=1 HTTP/1.1\r\n")));
	assert_true(hears(&script, "\r\nHost: localhost\r\n") && hears(&script, "\r\nIdempotency-Key: k-1\r\n"));
	assert_true(hears(&script, "\r\nContent-Length: 3\r\n") && hears(&script, "\r\n\r\n{}\n"));
	assert_true(hears(&script, "\r\nContent-Type: application/x-ndjson\r\n"));
	assert_int_equal(pthread_create(&script.thread, NULL, play, &script), 0);
	buf_cut(&script.heard, 0);
	script.answer = STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(control_call(script.path, &get, *state, &response), OK);
	assert_int_equal(response.status, 200);
	assert_int_equal(response.body.len, 0);
	script_wait(&script);
	assert_true(str_starts(buf_str(&script.heard), STR("GET /-/ready HTTP/1.1\r\n")));
	assert_false(hears(&script, "Idempotency-Key"));
	script_end(&script);
}

static void
test_control_client__says_what_went_wrong(void **state)
{
	static const struct {
		const char *answer;
		enum err    err;
	} rows[] = {
		{ "", ERR_UNSURE },
		{ "HTTP/1.1 200 OK\r\nConte", ERR_UNSURE },
		{ "HTTP/1.1 200 OK\r\n\r\n{}", ERR_UNSURE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", ERR_UNSURE },
		{ "hello\r\n\r\n", ERR_UP_GARBLED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", ERR_UP_GARBLED },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", ERR_UP_GARBLED },
	};
	struct control_call     call = a_call();
	struct control_response response;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (call_of(str_from_c(rows[i].answer), *state, &response) != rows[i].err)
			fail_msg("%s", rows[i].answer);
	assert_int_equal(control_call("/tmp/tidemark-call-nobody/sock", &call, *state, &response), ERR_NOT_FOUND);
}

/* A proxy of the environment has nothing to do with it. */
static void
test_control_client__goes_by_no_proxy(void **state)
{
	struct control_response response;

	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(call_of(STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), *state, &response), OK);
	assert_true(str_eq(response.body, STR("ok")));
	assert_int_equal(unsetenv("http_proxy"), 0);
}

/* A server that refuses before it has read everything: the refusal is what counts. */
static void
test_control_client__hears_a_refusal_that_comes_before_the_end_of_a_long_body(void **state)
{
	size_t                  size = (size_t)8 << 20;
	char                   *body = calloc(1, size);
	struct control_call     call = a_call();
	struct control_response response;
	struct script           script;

	assert_non_null(body);
	call.body = str_of(body, size);
	script_begin(&script, STR("HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"), false);
	assert_int_equal(control_call(script.path, &call, *state, &response), OK);
	assert_int_equal(response.status, 413);
	assert_true(str_eq(response.body, STR("no")));
	script_wait(&script);
	assert_false(hears(&script, "Expect:"));
	script_end(&script);
	free(body);
}

static int
open_arena(void **state)
{
	*state = arena_open((size_t)16 << 20);
	return 0;
}

static int
close_arena(void **state)
{
	struct arena *arena = *state;

	arena_close(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control_client__sends_one_request_and_gives_the_answer_of_any_status),
		cmocka_unit_test(test_control_client__says_what_went_wrong),
		cmocka_unit_test(test_control_client__goes_by_no_proxy),
		cmocka_unit_test(test_control_client__hears_a_refusal_that_comes_before_the_end_of_a_long_body),
	};

	return cmocka_run_group_tests(tests, open_arena, close_arena);
}
