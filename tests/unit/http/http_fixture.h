/* SPDX-License-Identifier: Apache-2.0 */
/* http_fixture — a server with a tiny application on loopback, and a client that sends bytes as they are given. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http.h"

#define ECHO_MAX     ((size_t)1000)
#define PATIENCE_MS  10000
#define STREAM_MAX   ((size_t)8 << 20)
#define RESPONSE_MAX ((size_t)4 << 20)
#define FILE_BYTES   ((size_t)3000000)

/* The application: what it does hangs on the path. */
struct tiny_app {
	struct http_app app;
	atomic_int      blocked;   /* answers that stand in /gate */
	atomic_int      gate_open; /* lets them go */
	atomic_int      answers;
	atomic_int      refusals;
	atomic_int      blocks_runs;     /* times /maybe was called */
	atomic_int      groups, settled; /* begun; past their gate */
	atomic_int      read_err;        /* how the last streamed body ended */
	atomic_int      slices;          /* of /slices/N */
	atomic_int      values[10];      /* of /wait/N and /events/N */
	atomic_bool     is_slow;         /* those stand in the gate when they have looked */
};

#define TINY_GROUP_MAX 300
/* So they share a list of the loop. */
#define TINY_TOPICS_APART 1024

/* Answers of a group tell, once it is settled, how many there are; a group with /group/bad fails as a whole. */
struct tiny_group {
	struct http_resp *resps[TINY_GROUP_MAX];
	size_t            count;
	bool              bad;
};

static inline void
sleep_ms(int64_t ms)
{
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}

static inline int64_t
now_ms(void)
{
	return clock_mono_ms(&clock_system);
}

static inline void
tiny_plan(void *ctx, const struct http_req *req, struct http_plan *plan_out)
{
	(void)ctx;
	if (str_eq(req->path, STR("/echo")))
		plan_out->body_max = ECHO_MAX;
	if (str_eq(req->path, STR("/upload")))
		plan_out->body_max = (size_t)64 << 20;
	if (str_starts(req->path, STR("/stream"))) {
		plan_out->body_max = STREAM_MAX;
		plan_out->stream = true;
	}
	if (str_eq(req->path, STR("/early"))) {
		plan_out->body_max = ECHO_MAX;
		plan_out->early = true;
	}
	if (str_eq(req->path, STR("/unknown"))) {
		plan_out->body_max = ECHO_MAX;
		plan_out->unknown = true;
	}
	plan_out->blocks = str_eq(req->path, STR("/gate")) || str_eq(req->path, STR("/slow")) ||
	                   str_starts(req->path, STR("/promise/")) || str_starts(req->path, STR("/slices/"));
	/* ?N is the caller with that number. */
	req->work->caller = req->query.len > 0 ? (uint64_t)req->query.at[0] : 0;
	if (str_starts(req->path, STR("/group"))) {
		plan_out->body_max = (size_t)64 << 10;
		plan_out->blocks = plan_out->grouped = true;
	}
}

static inline void
tiny_gate(struct tiny_app *tiny)
{
	atomic_fetch_add(&tiny->blocked, 1);
	while (!atomic_load(&tiny->gate_open))
		sleep_ms(1);
	atomic_fetch_sub(&tiny->blocked, 1);
}

struct tiny_state {
	size_t   total;
	unsigned sum, slices;
};

static inline struct tiny_state *
tiny_state_of(const struct http_req *req)
{
	if (!req->work->state)
		req->work->state = calloc(1, sizeof(struct tiny_state));
	assert_non_null(req->work->state);
	return req->work->state;
}

static inline enum http_verdict
tiny_over(const struct http_req *req)
{
	free(req->work->state);
	req->work->state = NULL;
	return HTTP_DONE;
}

/*
 * /stream takes all of the body, /stream/slow does so slowly, /stream/some one piece, /stream/none nothing.  The
 * response says how it ended and what was taken.
 */
static inline enum http_verdict
tiny_stream(struct tiny_app *tiny, const struct http_req *req, struct http_resp *resp)
{
	bool               some = str_eq(req->path, STR("/stream/some"));
	bool               first = !req->work->state;
	struct tiny_state *state = tiny_state_of(req);

	if (str_eq(req->path, STR("/stream/none"))) {
		http_resp_status(resp, 403);
		return tiny_over(req);
	}
	for (size_t i = 0; i < req->body.len; i++)
		state->sum = state->sum * 31 + (unsigned char)req->body.at[i];
	state->total += req->body.len;
	state->slices++;
	if (str_eq(req->path, STR("/stream/slow")))
		sleep_ms((int64_t)req->body.len / 1000);
	if (req->body_err == OK && !req->body_over && (first || !some))
		return HTTP_MORE_BODY;
	atomic_store(&tiny->read_err, (int)req->body_err);
	http_resp_status(resp, req->body_err == OK ? 200 : 400);
	buf_printf(http_resp_body(resp), "err=%d total=%zu sum=%u announced=%llu", (int)req->body_err, state->total,
	           state->sum, (unsigned long long)req->body_announced);
	return tiny_over(req);
}

/* /slices/N is made in N slices of a millisecond; nobody who left is worked for. */
static inline enum http_verdict
tiny_slices(struct tiny_app *tiny, const struct http_req *req, struct http_resp *resp)
{
	struct tiny_state *state = tiny_state_of(req);
	uint64_t           number;

	assert_true(str_to_u64(str_skip(req->path, 8), &number));
	atomic_fetch_add(&tiny->slices, 1);
	sleep_ms(1);
	if (++state->slices < number && !http_req_is_abandoned(req))
		return HTTP_AGAIN;
	buf_printf(http_resp_body(resp), "%u slices", state->slices);
	return tiny_over(req);
}

/* /file/FROM-LEN of a file of FILE_BYTES bytes, each its position modulo 251. */
static inline void
tiny_file(const struct http_req *req, struct http_resp *resp)
{
	FILE      *file = tmpfile();
	uint64_t   from = 0, len = 0;
	struct str rest = str_skip(req->path, 6), first;
	int        fd;

	assert_non_null(file);
	for (size_t i = 0; i < FILE_BYTES; i++)
		assert_true(fputc((int)(i % 251), file) != EOF);
	assert_int_equal(fflush(file), 0);
	fd = dup(fileno(file));
	(void)fclose(file);
	assert_true(str_take_until(&rest, '-', &first) && str_to_u64(first, &from) && str_to_u64(rest, &len));
	http_resp_file(resp, fd, from, len);
}

static inline void *
tiny_group_open(void *ctx)
{
	struct tiny_app   *tiny = ctx;
	struct tiny_group *group = calloc(1, sizeof(*group));

	assert_non_null(group);
	atomic_fetch_add(&tiny->groups, 1);
	return group;
}

static inline void
tiny_group_commit(void *ctx, void *inner)
{
	struct tiny_app   *tiny = ctx;
	struct tiny_group *group = inner;

	tiny_gate(tiny);
	for (size_t i = 0; i < group->count; i++) {
		if (group->bad) {
			http_resp_clear(group->resps[i]);
			http_resp_status(group->resps[i], 507);
		}
		buf_printf(http_resp_body(group->resps[i]), " one of %zu", group->count);
	}
	atomic_fetch_add(&tiny->settled, 1);
}

static inline void
tiny_group_close(void *ctx, void *group)
{
	(void)ctx;
	free(group);
}

static inline void
tiny_size(struct buf *body, size_t size)
{
	char *space = buf_reserve(body, size);

	if (!space)
		return;
	memset(space, 'x', size);
	buf_grew(body, size);
}

static inline void
tiny_join(struct tiny_group *group, const struct http_req *req, struct http_resp *resp)
{
	assert_true(group->count < TINY_GROUP_MAX);
	group->resps[group->count++] = resp;
	group->bad |= str_eq(req->path, STR("/group/bad"));
	buf_put(http_resp_body(resp), req->path);
}

/*
 * /wait/N is answered when value N is not zero. /events/N sends each value that it sees, as a digit, until it is 9; the
 * first call makes the head alone.  Of ?~ the caller is another one at each call.
 */
static inline enum http_verdict
tiny_wait(struct tiny_app *tiny, const struct http_req *req, struct http_resp *resp)
{
	struct http_wait *wait = &req->work->wait;
	unsigned          topic = (unsigned)(req->path.at[req->path.len - 1] - '0');
	int               value;

	req->work->caller += str_eq(req->query, STR("~"));
	wait->topic = topic * TINY_TOPICS_APART;
	wait->moment = http_topic_moment(req, wait->topic);
	value = atomic_load(&tiny->values[topic]);
	wait->until_ms = INT64_MAX;
	wait->stream = str_starts(req->path, STR("/events/"));
	if ((wait->begun || !wait->stream) && value > 0)
		buf_put_u64(http_resp_body(resp), (uint64_t)value);
	if (atomic_load(&tiny->is_slow))
		tiny_gate(tiny);
	return wait->over || (wait->stream ? value == 9 : value > 0) ? HTTP_DONE : HTTP_WAITS;
}

static inline enum http_verdict
tiny_answer(void *ctx, const struct http_req *req, struct http_resp *resp)
{
	struct tiny_app *tiny = ctx;
	struct buf      *body = http_resp_body(resp);
	uint64_t         number;

	atomic_fetch_add(&tiny->answers, 1);
	if (req->group) {
		tiny_join(req->group, req, resp);
		return HTTP_DONE;
	}
	if (str_eq(req->path, STR("/maybe"))) {
		atomic_fetch_add(&tiny->blocks_runs, 1);
		http_resp_field(resp, "X-Run", STR("once"));
		buf_put(body, STR("half"));
		if (!req->may_block)
			return HTTP_BLOCKS;
	} else if (str_eq(req->path, STR("/echo")) || str_eq(req->path, STR("/upload"))) {
		buf_put(body, req->body);
		return HTTP_DONE;
	} else if (str_starts(req->path, STR("/stream"))) {
		return tiny_stream(tiny, req, resp);
	} else if (str_starts(req->path, STR("/wait/")) || str_starts(req->path, STR("/events/"))) {
		return tiny_wait(tiny, req, resp);
	} else if (str_starts(req->path, STR("/slices/"))) {
		return tiny_slices(tiny, req, resp);
	} else if (str_starts(req->path, STR("/file/"))) {
		tiny_file(req, resp);
		return HTTP_DONE;
	} else if (str_eq(req->path, STR("/none")) || str_eq(req->path, STR("/same"))) {
		http_resp_status(resp, str_eq(req->path, STR("/none")) ? 204 : 304);
		buf_put(body, STR("never sent"));
		return HTTP_DONE;
	} else if (str_eq(req->path, STR("/split"))) {
		http_resp_field(resp, "X-Echo", STR("a\r\nSet-Cookie: b"));
	} else if (str_starts(req->path, STR("/size/")) && str_to_u64(str_skip(req->path, 6), &number)) {
		tiny_size(body, number);
		return HTTP_DONE;
	} else if (str_starts(req->path, STR("/promise/")) && str_to_u64(str_skip(req->path, 9), &number)) {
		http_resp_field(resp, "Retry-After", STR("1"));
		if (http_req_hold(req, number))
			tiny_size(body, number);
		else
			http_resp_status(resp, 503);
		return HTTP_DONE;
	} else if (str_eq(req->path, STR("/gate"))) {
		tiny_gate(tiny);
	} else if (str_eq(req->path, STR("/slow"))) {
		sleep_ms(200);
	} else if (str_eq(req->path, STR("/early")) && req->body_err != OK) {
		http_resp_status(resp, 408);
	}
	buf_put(body, STR("path="));
	buf_put(body, req->path);
	buf_put(body, STR(" query="));
	buf_put(body, req->query);
	buf_put(body, req->may_block ? STR(" worker") : STR(" loop"));
	return HTTP_DONE;
}

static inline void
tiny_refuse(void *ctx, const struct http_req *req, unsigned status, const char *reason, struct http_resp *resp)
{
	struct tiny_app *tiny = ctx;

	(void)req;
	atomic_fetch_add(&tiny->refusals, 1);
	http_resp_field(resp, "X-Refused", STR("yes"));
	buf_printf(http_resp_body(resp), "%u %s\n", status, reason);
}

static inline struct http_app
tiny_app_of(struct tiny_app *tiny)
{
	return (struct http_app){
		.ctx = tiny,
		.plan = tiny_plan,
		.answer = tiny_answer,
		.refuse = tiny_refuse,
		.group_open = tiny_group_open,
		.group_commit = tiny_group_commit,
		.group_close = tiny_group_close,
	};
}

struct test_server {
	struct tiny_app     tiny;
	struct http_server *http;
	pthread_t           thread;
	char                address[256];
};

static inline void *
test_server_run(void *ctx)
{
	struct test_server *server = ctx;

	assert_int_equal(http_run(server->http), OK);
	return NULL;
}

static inline void
test_server_open(struct test_server *server, struct http_conf conf)
{
	char       why[256] = "";
	struct str address;

	memset(server, 0, sizeof(*server));
	server->tiny.app = tiny_app_of(&server->tiny);
	conf.clock = &clock_system;
	if (!conf.listen.len)
		conf.listen = STR("127.0.0.1:0");
	if (!conf.loops)
		conf.loops = 2;
	/* Room for the answers of some tests, which are larger than any of the program's. */
	if (!conf.limits.held_max)
		conf.limits.held_max = conf.limits.held_per_peer_max = (size_t)256 << 20;
	if (http_open(&conf, &server->tiny.app, &server->http, why) != OK)
		fail_msg("%s", why);
	address = http_address(server->http);
	memcpy(server->address, address.at, address.len);
	assert_int_equal(pthread_create(&server->thread, NULL, test_server_run, server), 0);
}

static inline void
test_server_stop(struct test_server *server)
{
	http_stop(server->http);
	assert_int_equal(pthread_join(server->thread, NULL), 0);
}

static inline void
test_server_close(struct test_server *server)
{
	struct http_stats stats;

	test_server_stop(server);
	http_get_stats(server->http, &stats);
	assert_int_equal(stats.open, 0);
	http_close(&server->http);
	assert_null(server->http);
}

static inline struct http_stats
test_server_stats(const struct test_server *server)
{
	struct http_stats stats;

	http_get_stats(server->http, &stats);
	return stats;
}

/* Waits until `counter` has that value. */
static inline void
wait_for(const atomic_int *counter, int value)
{
	int64_t until = now_ms() + PATIENCE_MS;

	while (atomic_load(counter) != value) {
		if (now_ms() > until)
			fail_msg("waited for %d, it is %d", value, atomic_load(counter));
		sleep_ms(1);
	}
}

static inline int
client_open(const struct test_server *server)
{
	const char        *colon = strrchr(server->address, ':');
	struct sockaddr_in address = { .sin_family = AF_INET };
	int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && colon);
	address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
	return fd;
}

/* The server may close while we still send: that is not the client's error. */
static inline void
client_send(int fd, struct str bytes)
{
	while (bytes.len) {
		ssize_t put = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL);

		if (put <= 0)
			return;
		bytes = str_skip(bytes, (size_t)put);
	}
}

static inline bool
client_waits(int fd, int64_t until_ms)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	int64_t       left = until_ms - now_ms();

	return poll(&poller, 1, left > 0 ? (int)left : 0) == 1;
}

struct response {
	unsigned status;             /* 0: the connection ended, or nothing came, before a response */
	bool     ended;              /* the connection ended behind it */
	size_t   head_len, body_len; /* as received */
	size_t   content_length;     /* as said; SIZE_MAX if not said */
	char    *bytes;              /* head and body; a NUL behind */
	char    *body;
};

static inline void
response_close(struct response *response)
{
	free(response->bytes);
	*response = (struct response){ 0 };
}

static inline struct str
response_field(const struct response *response, const char *name)
{
	struct str rest = str_of(response->bytes, response->head_len);
	struct str line;

	while (str_take_until(&rest, '\n', &line)) {
		struct str field = str_first(line, str_find(line, ':'));

		if (field.len < line.len && str_eq_nocase(field, str_from_c(name)))
			return str_trim(str_first(str_skip(line, field.len + 1), line.len - field.len - 2));
	}
	return (struct str){ NULL, 0 };
}

static inline void
response_parse_head(struct response *response)
{
	struct str length;
	uint64_t   value;

	assert_true(str_starts(str_of(response->bytes, response->head_len), STR("HTTP/1.1 ")));
	response->status = (unsigned)strtoul(response->bytes + 9, NULL, 10);
	response->body = response->bytes + response->head_len;
	response->content_length = SIZE_MAX;
	length = response_field(response, "Content-Length");
	if (length.at) {
		assert_true(str_to_u64(length, &value));
		response->content_length = value;
	}
}

/* One more byte; false at the end of input or of patience. */
static inline bool
client_byte(int fd, char *byte_out, int64_t until_ms, bool *ended_out)
{
	ssize_t got;

	if (!client_waits(fd, until_ms))
		return false;
	got = recv(fd, byte_out, 1, 0);
	*ended_out = got <= 0;
	return got == 1;
}

/* Reads one response; `bodiless` for answers to HEAD. */
static inline struct response
client_read(int fd, bool bodiless)
{
	int64_t         until = now_ms() + PATIENCE_MS;
	struct response response = { .bytes = calloc(1, RESPONSE_MAX + 1) };
	size_t          want;

	assert_non_null(response.bytes);
	while (response.head_len < 4 || memcmp(response.bytes + response.head_len - 4, "\r\n\r\n", 4) != 0) {
		assert_true(response.head_len < RESPONSE_MAX);
		if (!client_byte(fd, response.bytes + response.head_len, until, &response.ended))
			return response;
		response.head_len++;
	}
	response_parse_head(&response);
	want = bodiless || response.content_length == SIZE_MAX ? 0 : response.content_length;
	assert_true(response.head_len + want <= RESPONSE_MAX);
	while (response.body_len < want) {
		ssize_t got;

		if (!client_waits(fd, until))
			break;
		got = recv(fd, response.body + response.body_len, want - response.body_len, 0);
		response.ended = got <= 0;
		if (got <= 0)
			break;
		response.body_len += (size_t)got;
	}
	response.body[response.body_len] = '\0';
	return response;
}

/* True when the peer closes, with nothing sent before that, within the client's patience. */
static inline bool
client_is_ended(int fd)
{
	bool ended = false;
	char byte;

	return !client_byte(fd, &byte, now_ms() + PATIENCE_MS, &ended) && ended;
}

static inline struct response
client_request(const struct test_server *server, struct str request)
{
	int             fd = client_open(server);
	struct response response;

	client_send(fd, request);
	response = client_read(fd, false);
	if (!response.ended)
		response.ended = response_field(&response, "Connection").len && client_is_ended(fd);
	(void)close(fd);
	return response;
}
