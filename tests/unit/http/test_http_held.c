/* SPDX-License-Identifier: Apache-2.0 */
/* What requests hold: for one peer, on one connection, and until when a peer may take nothing. */
#include "unit/http/http_fixture.h"

#define SHORT_MS  300
#define FRAME_MAX 16384
#define MIB       ((size_t)1 << 20)

enum { DATA = 0, HEADERS = 1, RST = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW = 8 };

static unsigned
send_request(const struct test_server *server, const char *path)
{
	char            request[128];
	struct response response;
	unsigned        status;

	(void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	response = client_request(server, str_from_c(request));
	status = response.status;
	assert_int_equal(status == 503 && str_eq(response_field(&response, "Retry-After"), STR("1")), status == 503);
	response_close(&response);
	return status;
}

/* ---- a peer of HTTP/2, frame by frame --------------------------------------------------------------------- */

struct frame {
	uint8_t  kind, flags, bytes[FRAME_MAX];
	uint32_t stream;
	size_t   len;
};

static void
put_frame(int fd, uint8_t kind, uint8_t flags, uint32_t stream, const void *bytes, size_t len)
{
	char frame[9 + 256] = { (char)(len >> 16),    (char)(len >> 8),    (char)len,
		                (char)kind,           (char)flags,         (char)(stream >> 24),
		                (char)(stream >> 16), (char)(stream >> 8), (char)stream };

	assert_true(len <= 256);
	memcpy(frame + 9, bytes, len);
	client_send(fd, str_of(frame, 9 + len));
}

static void
put_window(int fd, uint32_t window)
{
	uint8_t settings[6] = {
		0, 4, (uint8_t)(window >> 24), (uint8_t)(window >> 16), (uint8_t)(window >> 8), (uint8_t)window
	};

	put_frame(fd, SETTINGS, 0, 0, settings, sizeof(settings));
}

static int
h2_open(const struct test_server *server, uint32_t window)
{
	int fd = client_open(server);

	client_send(fd, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
	put_window(fd, window);
	return fd;
}

/* GET, http, the path and the authority as HPACK has them. */
static void
h2_request(int fd, uint32_t stream, const char *path)
{
	uint8_t block[128] = { 0x82, 0x86, 0x01, 1, 'x', 0x04, (uint8_t)strlen(path) };

	memcpy(block + 7, path, strlen(path));
	put_frame(fd, HEADERS, 0x5, stream, block, 7 + strlen(path));
}

static bool
read_all(int fd, void *bytes, size_t len, int64_t until_ms)
{
	for (size_t got = 0; got < len;) {
		ssize_t more = client_waits(fd, until_ms) ? recv(fd, (char *)bytes + got, len - got, 0) : 0;

		if (more <= 0)
			return false;
		got += (size_t)more;
	}
	return true;
}

/* False: the connection has ended, or nothing came in that time. */
static bool
next_frame(int fd, struct frame *frame, int64_t wait_ms)
{
	int64_t until_ms = now_ms() + wait_ms;
	uint8_t head[9];

	if (!read_all(fd, head, 9, until_ms))
		return false;
	*frame = (struct frame){ .kind = head[3],
		                 .flags = head[4],
		                 .len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2],
		                 .stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 |
		                           head[8] };
	assert_true(frame->len <= FRAME_MAX);
	return read_all(fd, frame->bytes, frame->len, now_ms() + PATIENCE_MS);
}

/* The next frame of that kind; others are passed over. */
static bool
await(int fd, uint8_t kind, struct frame *frame)
{
	while (next_frame(fd, frame, PATIENCE_MS))
		if (frame->kind == kind)
			return true;
	return false;
}

/* Is the next answer a 200?  It stands in HPACK's own table. */
static bool
is_good(int fd, uint32_t *stream_out)
{
	struct frame frame;

	assert_true(await(fd, HEADERS, &frame));
	*stream_out = frame.stream;
	return frame.bytes[0] == 0x88;
}

/* ---- how much -------------------------------------------------------------------------------------------------- */

/* What was sent counts until the loop comes back from its write, which may be after the peer has read it. */
static unsigned
send_until_there_is_room(struct test_server *server, const char *path)
{
	int64_t  until_ms = now_ms() + PATIENCE_MS;
	unsigned status;

	do
		status = send_request(server, path);
	while (status == 503 && now_ms() < until_ms);
	return status;
}

static void
test_held__an_answer_beyond_the_limit_is_503_and_what_was_sent_counts_no_more(void **state)
{
	struct http_conf   conf = { .limits = { .held_max = 4 * MIB, .held_per_peer_max = MIB } };
	struct test_server server;

	(void)state;
	test_server_open(&server, conf);
	assert_int_equal(send_request(&server, "/size/2000000"), 503);
	for (int i = 0; i < 5; i++)
		assert_int_equal(send_until_there_is_room(&server, "/size/900000"), 200);
	assert_int_equal(send_request(&server, "/promise/2000000"), 503);
	for (int i = 0; i < 5; i++)
		assert_int_equal(send_until_there_is_room(&server, "/promise/900000"), 200);
	test_server_close(&server);
}

static void
test_held__a_peer_that_takes_nothing_is_refused_more_and_small_answers_are_not(void **state)
{
	struct http_conf   conf = { .limits = { .held_max = 4 * MIB, .held_per_peer_max = MIB } };
	struct test_server server;
	uint32_t           stream;
	int                fd;

	(void)state;
	test_server_open(&server, conf);
	fd = h2_open(&server, 0);
	for (uint32_t id = 1; id <= 5; id += 2)
		h2_request(fd, id, "/size/350000");
	assert_true(is_good(fd, &stream));
	assert_true(is_good(fd, &stream));
	assert_false(is_good(fd, &stream));
	h2_request(fd, 7, "/size/4000");
	assert_true(is_good(fd, &stream));
	assert_int_equal(stream, 7);
	assert_int_equal(send_request(&server, "/"), 200);
	assert_int_equal(send_request(&server, "/size/400000"), 503);
	(void)close(fd);
	while (test_server_stats(&server).open > 0)
		sleep_ms(1);
	assert_int_equal(send_request(&server, "/size/400000"), 200);
	test_server_close(&server);
}

static void
test_held__a_body_that_finds_no_room_is_503(void **state)
{
	struct http_conf   conf = { .limits = { .held_max = 4 * MIB, .held_per_peer_max = MIB } };
	static char        body[3 << 19];
	struct test_server server;
	struct response    response;
	int                fd;

	(void)state;
	memset(body, 'b', sizeof(body));
	test_server_open(&server, conf);
	fd = client_open(&server);
	client_send(fd, STR("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1572865\r\n\r\n"));
	client_send(fd, str_of(body, sizeof(body)));
	response = client_read(fd, false);
	assert_int_equal(response.status, 503);
	response_close(&response);
	(void)close(fd);
	test_server_close(&server);
}

static void
test_held__streams_wait_while_a_connection_holds_enough(void **state)
{
	struct http_conf   conf = { .limits = { .answers_max = 10000 } };
	struct test_server server;
	struct frame       frame;
	uint32_t           stream;
	int                fd, ended = 0;

	(void)state;
	test_server_open(&server, conf);
	fd = h2_open(&server, 0);
	for (uint32_t id = 1; id <= 9; id += 2)
		h2_request(fd, id, "/size/12000");
	assert_true(is_good(fd, &stream));
	put_frame(fd, PING, 0, 0, "12345678", 8);
	assert_true(await(fd, PING, &frame));
	assert_int_equal(atomic_load(&server.tiny.answers), 1);
	put_window(fd, 60000);
	while (ended < 5 && next_frame(fd, &frame, PATIENCE_MS))
		ended += frame.kind == DATA && frame.flags & 1;
	assert_int_equal(ended, 5);
	assert_int_equal(atomic_load(&server.tiny.answers), 5);
	(void)close(fd);
	test_server_close(&server);
}

/* ---- how long --------------------------------------------------------------------------------------------------- */

static const struct http_conf hasty = { .limits = { .head_ms = SHORT_MS, .write_ms = SHORT_MS } };

/* Asks for more than the connection's window and takes nothing of it, while it says much. */
static void
test_held__a_peer_that_pings_and_takes_nothing_is_closed(void **state)
{
	struct test_server server;
	struct frame       frame;
	int64_t            from_ms;
	int                fd;

	(void)state;
	test_server_open(&server, hasty);
	fd = h2_open(&server, MIB);
	h2_request(fd, 1, "/size/200000");
	from_ms = now_ms();
	while (next_frame(fd, &frame, SHORT_MS / 4) || test_server_stats(&server).open > 0) {
		put_frame(fd, PING, 0, 0, "12345678", 8);
		sleep_ms(SHORT_MS / 10);
		assert_true(now_ms() < from_ms + PATIENCE_MS / 2);
	}
	assert_int_equal(test_server_stats(&server).timeouts, 1);
	(void)close(fd);
	test_server_close(&server);
}

static void
test_held__the_body_of_an_unknown_caller_has_the_time_of_a_head(void **state)
{
	struct test_server server;
	struct response    response;
	int                fd, drops = 0;

	(void)state;
	test_server_open(&server, hasty);
	fd = client_open(&server);
	client_send(fd, STR("POST /unknown HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"));
	for (; drops < 100 && !client_waits(fd, now_ms() + SHORT_MS / 10); drops++)
		client_send(fd, STR("a"));
	assert_in_range(drops, 1, 99);
	response = client_read(fd, false);
	assert_int_equal(response.status, 408);
	response_close(&response);
	(void)close(fd);
	test_server_close(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held__an_answer_beyond_the_limit_is_503_and_what_was_sent_counts_no_more),
		cmocka_unit_test(test_held__a_peer_that_takes_nothing_is_refused_more_and_small_answers_are_not),
		cmocka_unit_test(test_held__a_body_that_finds_no_room_is_503),
		cmocka_unit_test(test_held__streams_wait_while_a_connection_holds_enough),
		cmocka_unit_test(test_held__a_peer_that_pings_and_takes_nothing_is_closed),
		cmocka_unit_test(test_held__the_body_of_an_unknown_caller_has_the_time_of_a_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
