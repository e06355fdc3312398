/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_conn.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_held.h"
#include "http/http_loop.h"
#include "http/http_server.h"

/* A turn is a read, a parse or a write.  After so many the other connections of the loop come first. */
#define TURNS_MAX      64u
#define LINGER_MS      2000
/* A peer that takes less than this in write_ms takes nothing. */
#define PROGRESS_MIN   ((size_t)4096)
#define BODY_READ_SIZE ((size_t)16 * 1024)

enum step { STEP_ON, STEP_WAIT };

static const struct str continue_line = { "HTTP/1.1 100 Continue\r\n\r\n", 25 };

static const struct http_limits *
limits_of(const struct http_conn *conn)
{
	return &conn->loop->server->limits;
}

static struct http_counters *
counters_of(struct http_conn *conn)
{
	return &conn->loop->counters;
}

static void
set_deadline(struct http_conn *conn, int64_t wait_ms)
{
	http_wheel_put(&conn->loop->wheel, &conn->timer, conn->loop->now_ms + wait_ms);
}

struct http_conn *
http_conn_open(int fd, const struct http_peer_key *key, const char *peer)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));

	MUST(conn != NULL);
	conn->fd = fd;
	conn->pending.conn = conn;
	conn->peer_key = *key;
	memcpy(conn->peer, peer, sizeof(conn->peer));
	return conn;
}

static void
end_exchange(struct http_conn *conn)
{
	if (conn->exchange)
		http_loop_put_exchange(conn->loop, &conn->exchange);
	conn->fed = 0;
}

static enum step
close_conn(struct http_conn *conn)
{
	MUST(conn->state != CONN_WORKING && conn->state != CONN_DEAD);
	/* Workers have exchanges of it: the last to come back closes it. */
	if (conn->h2 && http_h2_working(conn->h2) > 0) {
		conn->gone = true;
		http_h2_break(conn->h2);
		http_wheel_put(&conn->loop->wheel, &conn->timer, HTTP_WHEEL_NEVER);
		return STEP_WAIT;
	}
	http_h2_close(&conn->h2);
	end_exchange(conn);
	http_loop_put_spare(conn->loop, &conn->in);
	http_tls_link_close(&conn->tls);
	(void)close(conn->fd);
	http_wheel_remove(&conn->loop->wheel, &conn->timer);
	http_list_remove(&conn->again);
	http_list_append(&conn->loop->dead, &conn->listed);
	conn->state = CONN_DEAD;
	atomic_fetch_sub(&conn->loop->open, 1);
	http_server_conn_ended(conn->loop->server, &conn->peer_key);
	return STEP_WAIT;
}

static enum step
linger(struct http_conn *conn)
{
	http_h2_close(&conn->h2);
	end_exchange(conn);
	http_loop_put_spare(conn->loop, &conn->in);
	if (conn->tls)
		http_tls_link_end(conn->tls);
	(void)shutdown(conn->fd, SHUT_WR);
	conn->state = CONN_LINGER;
	conn->readable = true;
	set_deadline(conn, LINGER_MS);
	return STEP_ON;
}

/* The response in the exchange is what is to be sent. */
static enum step
send_response(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;

	http_held_answer(exchange, 0);
	if (conn->loop->draining)
		conn->close_after = true;
	http_exchange_seal(exchange, http_loop_date(conn->loop), conn->close_after);
	http_count(&counters_of(conn)->by_class[exchange->resp.status / 100], 1);
	conn->sent = 0;
	conn->state = CONN_SENDING;
	set_deadline(conn, limits_of(conn)->write_ms);
	return STEP_ON;
}

static enum step
refuse(struct http_conn *conn, unsigned status, const char *reason)
{
	http_exchange_refuse(conn->exchange, &conn->loop->server->app, status, reason);
	return send_response(conn);
}

/* After this the place in the stream is lost, so the connection ends with the answer. */
static enum step
refuse_and_close(struct http_conn *conn, unsigned status, const char *reason)
{
	conn->close_after = true;
	http_count(status == 408 ? &counters_of(conn)->timeouts : &counters_of(conn)->protocol_errors, 1);
	return refuse(conn, status, reason);
}

static void
take_head(struct http_conn *conn)
{
	struct http_req *req = &conn->exchange->req;

	http_exchange_take_head(conn->exchange, buf_str(&conn->in));
	req->tls = conn->tls != NULL;
	req->peer = str_from_c(conn->peer);
	req->body_announced = conn->exchange->head.content_length;
}

static enum step
refuse_head(struct http_conn *conn, unsigned status, const char *reason)
{
	take_head(conn);
	return refuse_and_close(conn, status, reason);
}

/* The peer sends no more: in the middle of a request it may still want to read why that fails. */
static enum step
input_ended(struct http_conn *conn)
{
	switch (conn->state) {
	case CONN_HEAD:
		return refuse_head(conn, 400, "the request ends before its head is whole");
	case CONN_BODY:
		return refuse_and_close(conn, 400, "the request ends before its body is whole");
	default:
		return close_conn(conn);
	}
}

static enum http_io
receive(struct http_conn *conn, size_t *len_out)
{
	char        *room = conn->in.at + conn->in.len;
	size_t       size = conn->in.size - conn->in.len;
	enum http_io io = conn->tls ? http_tls_link_read(conn->tls, room, size, len_out)
	                            : http_io_read(conn->fd, room, size, len_out);

	if (io == HTTP_IO_DONE && !conn->hung_up)
		conn->readable = conn->tls ? !http_tls_link_is_drained(conn->tls) : *len_out == size;
	return io;
}

/* Reads what has come, at least `room` bytes of it if there are so many. */
static enum step
fill(struct http_conn *conn, size_t room)
{
	size_t len;

	if (!conn->readable)
		return STEP_WAIT;
	if (!conn->in.at)
		http_loop_take_spare(conn->loop, &conn->in);
	MUST(buf_room(&conn->in, room) != NULL);
	if (conn->state == CONN_HEAD && !http_held_set(conn->exchange, conn->in.size - HTTP_IN_FIRST, HTTP_SHARE_HALF))
		return refuse_head(conn, 503, http_held_too_much);
	switch (receive(conn, &len)) {
	case HTTP_IO_DONE:
		buf_grew(&conn->in, len);
		http_count(&counters_of(conn)->bytes_in, len);
		return STEP_ON;
	case HTTP_IO_WAIT:
		conn->readable = false;
		return STEP_WAIT;
	case HTTP_IO_END:
		return input_ended(conn);
	default:
		return close_conn(conn);
	}
}

static void
begin_h2(struct http_conn *conn)
{
	end_exchange(conn);
	conn->begun = true;
	conn->h2 = http_h2_open(conn);
	conn->state = CONN_H2;
}

static enum step
step_handshake(struct http_conn *conn)
{
	switch (http_tls_link_handshake(conn->tls)) {
	case HTTP_IO_DONE:
		conn->state = CONN_IDLE;
		conn->readable = true;
		conn->begun = true;
		set_deadline(conn, limits_of(conn)->idle_ms);
		if (http_tls_link_is_h2(conn->tls))
			begin_h2(conn);
		return STEP_ON;
	case HTTP_IO_WAIT:
		return STEP_WAIT;
	default:
		return close_conn(conn);
	}
}

/* ---- HTTP/2 ---------------------------------------------------------------------------------------------- */

static enum step
write_h2(struct http_conn *conn, struct str bytes)
{
	size_t       len = 0;
	enum http_io io = conn->tls ? http_tls_link_write(conn->tls, &bytes, 1, &len) : http_io_write(conn->fd, &bytes, 1, &len);

	if (io == HTTP_IO_WAIT)
		return STEP_WAIT;
	if (io != HTTP_IO_DONE)
		return close_conn(conn);
	http_h2_given(conn->h2, len);
	http_count(&counters_of(conn)->bytes_out, len);
	return STEP_ON;
}

/* What goes out comes first: a peer that does not read is not read from. */
static enum step
step_h2(struct http_conn *conn)
{
	struct str bytes;

	if (conn->gone)
		return STEP_WAIT;
	bytes = http_h2_give(conn->h2);
	if (bytes.len > 0)
		return write_h2(conn, bytes);
	if (http_h2_is_over(conn->h2) && http_h2_working(conn->h2) == 0)
		return linger(conn);
	if (conn->in.len == 0)
		return fill(conn, BODY_READ_SIZE);
	if (!http_h2_take(conn->h2, buf_str(&conn->in)))
		return close_conn(conn);
	buf_drop(&conn->in, conn->in.len);
	return STEP_ON;
}

/* Who sends no more may still read, so it is served to the end; not when the server itself is about to end. */
static void
note_presence(struct http_conn *conn)
{
	bool doubtful = conn->hung_up && conn->loop->draining;

	atomic_store(&conn->pending.presence, conn->gone ? HTTP_LEFT : doubtful ? HTTP_DOUBTFUL : HTTP_WAITS);
}

static enum step
hand_to_worker(struct http_conn *conn)
{
	http_resp_clear(&conn->exchange->resp);
	conn->state = CONN_WORKING;
	note_presence(conn);
	http_wheel_put(&conn->loop->wheel, &conn->timer, HTTP_WHEEL_NEVER);
	if (conn->in.len == 0)
		http_loop_put_spare(conn->loop, &conn->in);
	if (http_server_put(conn->loop->server, &conn->exchange))
		return STEP_WAIT;
	if (conn->exchange->req.streamed)
		conn->close_after = true;
	(void)refuse(conn, 503, "too many requests wait for a worker");
	return STEP_ON;
}

static enum step
answer(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;
	struct http_app      *app = &conn->loop->server->app;

	if (exchange->plan.blocks || exchange->plan.stream || app->answer(app->ctx, &exchange->req, &exchange->resp) == HTTP_BLOCKS)
		return hand_to_worker(conn);
	return send_response(conn);
}

/* Bytes that have arrived earn time; not for who is not known, whose body belongs to the head. */
static int64_t
body_deadline(const struct http_conn *conn)
{
	if (conn->exchange->plan.unknown)
		return conn->body_from_ms + limits_of(conn)->head_ms;
	return conn->body_from_ms + limits_of(conn)->body_ms + (int64_t)(conn->body_arrived / 1024) * 1000;
}

static enum step
begin_body(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;

	if (exchange->plan.body_max == 0)
		return refuse_and_close(conn, 400, "a body is not accepted here");
	if (exchange->plan.early) {
		conn->close_after = true;
		return answer(conn);
	}
	exchange->body.limit = exchange->plan.body_max;
	conn->body_left = exchange->head.content_length;
	conn->body_arrived = 0;
	conn->body_from_ms = conn->loop->now_ms;
	conn->chunked = (struct http_chunked){ 0 };
	if (exchange->plan.stream) {
		http_stream_open(conn);
		return answer(conn);
	}
	if (exchange->head.content_length > exchange->plan.body_max)
		return refuse_and_close(conn, 413, "the body is too large");
	conn->sent = 0;
	conn->state = exchange->head.expects_continue && conn->in.len == 0 ? CONN_CONTINUE : CONN_BODY;
	http_wheel_put(&conn->loop->wheel, &conn->timer, body_deadline(conn));
	return STEP_ON;
}

static enum step
head_is_whole(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;
	struct http_app      *app = &conn->loop->server->app;

	take_head(conn);
	conn->begun = true;
	buf_drop(&conn->in, exchange->head.len);
	http_count(&counters_of(conn)->requests, 1);
	conn->close_after = exchange->head.close;
	app->plan(app->ctx, &exchange->req, &exchange->plan);
	if (exchange->head.chunked || exchange->head.content_length > 0)
		return begin_body(conn);
	return answer(conn);
}

static void
await_head(struct http_conn *conn)
{
	if (conn->state != CONN_IDLE)
		return;
	conn->state = CONN_HEAD;
	set_deadline(conn, limits_of(conn)->head_ms);
}

static enum step
step_head(struct http_conn *conn)
{
	enum http_step step;

	if (conn->in.len == conn->fed)
		return fill(conn, 1);
	if (!conn->exchange) {
		conn->exchange = http_loop_take_exchange(conn->loop);
		conn->exchange->req.pending = &conn->pending;
	}
	conn->fed = conn->in.len;
	if (!conn->begun && http_h2_may_begin(buf_str(&conn->in))) {
		if (conn->in.len >= sizeof(HTTP_H2_PREFACE) - 1)
			begin_h2(conn);
		else
			await_head(conn);
		return STEP_ON;
	}
	step = http_head_feed(&conn->exchange->head, buf_str(&conn->in));
	if (step == HTTP_WHOLE)
		return head_is_whole(conn);
	if (step == HTTP_REFUSED)
		return refuse_head(conn, conn->exchange->head.status, conn->exchange->head.reason);
	await_head(conn);
	return STEP_ON;
}

static enum http_step
take_body(struct http_conn *conn, struct str *rest)
{
	struct buf *body = &conn->exchange->body;
	struct str  part;

	if (conn->exchange->head.chunked)
		return http_chunked_feed(&conn->chunked, rest, body);
	part = str_first(*rest, conn->body_left);
	buf_put(body, part);
	MUST(buf_err(body) == OK);
	*rest = str_skip(*rest, part.len);
	conn->body_left -= part.len;
	return conn->body_left ? HTTP_MORE : HTTP_WHOLE;
}

static enum step
step_body(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;
	struct str            rest = buf_str(&conn->in);
	enum http_step        step;

	if (rest.len == 0)
		return fill(conn, BODY_READ_SIZE);
	step = take_body(conn, &rest);
	conn->body_arrived += conn->in.len - rest.len;
	buf_drop(&conn->in, conn->in.len - rest.len);
	if (step == HTTP_REFUSED)
		return refuse_and_close(conn, conn->chunked.status, conn->chunked.reason);
	if (!http_held_set(exchange, exchange->body.size, http_held_share(&exchange->plan)))
		return refuse_and_close(conn, 503, http_held_too_much);
	if (step == HTTP_MORE) {
		http_wheel_put(&conn->loop->wheel, &conn->timer, body_deadline(conn));
		return STEP_ON;
	}
	exchange->req.body = buf_str(&exchange->body);
	return answer(conn);
}

/* The response is out: what follows is the next request, or nothing. */
static enum step
response_is_out(struct http_conn *conn)
{
	if (conn->close_after)
		return linger(conn);
	end_exchange(conn);
	conn->state = CONN_IDLE;
	set_deadline(conn, limits_of(conn)->idle_ms);
	return STEP_ON;
}

static enum step
step_file(struct http_conn *conn)
{
	struct http_resp *resp = &conn->exchange->resp;
	size_t            len = 0;
	enum http_io      io = conn->tls ? http_tls_link_send_file(conn->tls, resp->file_fd, resp->file_from, resp->file_left, &len)
	                                 : http_io_send_file(conn->fd, resp->file_fd, resp->file_from, resp->file_left, &len);

	if (io == HTTP_IO_WAIT) {
		conn->untaken = http_io_untaken(conn->fd);
		return STEP_WAIT;
	}
	if (io != HTTP_IO_DONE)
		return close_conn(conn);
	resp->file_from += len;
	resp->file_left -= len;
	http_count(&counters_of(conn)->bytes_out, len);
	set_deadline(conn, limits_of(conn)->write_ms);
	return resp->file_left > 0 ? STEP_ON : response_is_out(conn);
}

static enum step
step_write(struct http_conn *conn)
{
	struct str   parts[3] = { str_skip(continue_line, conn->sent) };
	unsigned     count = conn->state == CONN_CONTINUE ? 1 : http_exchange_parts(conn->exchange, conn->sent, parts);
	size_t       total = conn->state == CONN_CONTINUE ? continue_line.len : http_exchange_len(conn->exchange);
	size_t       len = 0;
	enum http_io io;

	if (count == 0)
		return step_file(conn);
	io = conn->tls ? http_tls_link_write(conn->tls, parts, count, &len) : http_io_write(conn->fd, parts, count, &len);

	if (io == HTTP_IO_WAIT) {
		conn->untaken = http_io_untaken(conn->fd);
		return STEP_WAIT;
	}
	if (io != HTTP_IO_DONE)
		return close_conn(conn);
	conn->sent += len;
	http_count(&counters_of(conn)->bytes_out, len);
	if (conn->sent < total) {
		set_deadline(conn, limits_of(conn)->write_ms);
		return STEP_ON;
	}
	if (conn->state == CONN_SENDING)
		return http_exchange_has_file(conn->exchange) ? STEP_ON : response_is_out(conn);
	http_count(&counters_of(conn)->by_class[1], 1);
	conn->state = CONN_BODY;
	return STEP_ON;
}

static enum step
step_linger(struct http_conn *conn)
{
	char   waste[BODY_READ_SIZE];
	size_t len;

	switch (http_io_read(conn->fd, waste, sizeof(waste), &len)) {
	case HTTP_IO_DONE:
		return STEP_ON;
	case HTTP_IO_WAIT:
		return STEP_WAIT;
	default:
		return close_conn(conn);
	}
}

static enum step
step_new(struct http_conn *conn)
{
	struct http_server *server = conn->loop->server;

	http_list_append(&conn->loop->conns, &conn->listed);
	buf_open(&conn->in, server->limits.head_max * 2 + BODY_READ_SIZE * 2);
	conn->readable = true;
	conn->state = server->tls ? CONN_HANDSHAKE : CONN_IDLE;
	set_deadline(conn, server->tls ? server->limits.handshake_ms : server->limits.idle_ms);
	if (server->tls)
		conn->tls = http_tls_link_open(server->tls, conn->fd);
	return server->tls && !conn->tls ? close_conn(conn) : STEP_ON;
}

static enum step
step(struct http_conn *conn)
{
	switch (conn->state) {
	case CONN_NEW:
		return step_new(conn);
	case CONN_HANDSHAKE:
		return step_handshake(conn);
	case CONN_IDLE:
	case CONN_HEAD:
		return step_head(conn);
	case CONN_BODY:
		return step_body(conn);
	case CONN_CONTINUE:
	case CONN_SENDING:
		return step_write(conn);
	case CONN_H2:
		return step_h2(conn);
	case CONN_LINGER:
		return step_linger(conn);
	case CONN_WORKING:
	case CONN_DEAD:
		break;
	}
	return STEP_WAIT;
}

/* Nothing more can be done now: until when may that last? */
static void
rest_h2(struct http_conn *conn)
{
	if (conn->gone)
		return;
	http_wheel_put(&conn->loop->wheel, &conn->timer, http_h2_deadline(conn->h2));
	if (conn->in.len == 0)
		http_loop_put_spare(conn->loop, &conn->in);
}

void
http_conn_go(struct http_conn *conn)
{
	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		if (step(conn) == STEP_ON)
			continue;
		if (conn->state == CONN_H2) {
			rest_h2(conn);
			return;
		}
		if (conn->state == CONN_IDLE && conn->loop->draining)
			(void)close_conn(conn);
		else if (conn->in.len == 0 && conn->state != CONN_WORKING)
			http_loop_put_spare(conn->loop, &conn->in);
		return;
	}
	http_list_append(&conn->loop->again, &conn->again);
}

void
http_conn_event(struct http_conn *conn, unsigned events)
{
	bool ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	/* TLS may have to read before it can write and the other way round, so there any event is news. */
	if (ended || events & EPOLLIN || conn->tls)
		conn->readable = true;
	if (ended)
		conn->hung_up = true;
	if (conn->state == CONN_WORKING && events & (EPOLLHUP | EPOLLERR))
		conn->gone = true;
	note_presence(conn);
	http_conn_go(conn);
}

/* The socket's buffer may be so large that a slow peer empties it for longer than write_ms before more fits in. */
static bool
peer_makes_progress(struct http_conn *conn)
{
	size_t before = conn->untaken;

	if (conn->state != CONN_SENDING)
		return false;
	conn->untaken = http_io_untaken(conn->fd);
	return before >= conn->untaken + PROGRESS_MIN;
}

void
http_conn_timeout(struct http_conn *conn)
{
	if (peer_makes_progress(conn)) {
		set_deadline(conn, limits_of(conn)->write_ms);
		return;
	}
	switch (conn->state) {
	case CONN_H2:
		if (!http_h2_timeout(conn->h2))
			(void)close_conn(conn);
		break;
	case CONN_HEAD:
		(void)refuse_head(conn, 408, "the request's head did not come in time");
		break;
	case CONN_BODY:
		(void)refuse_and_close(conn, 408, "the request's body did not come in time");
		break;
	case CONN_HANDSHAKE:
	case CONN_CONTINUE:
	case CONN_SENDING:
		http_count(&counters_of(conn)->timeouts, 1);
		(void)close_conn(conn);
		return;
	default:
		(void)close_conn(conn);
		return;
	}
	http_conn_go(conn);
}

void
http_conn_answered(struct http_conn *conn, struct http_exchange *exchange)
{
	if (exchange->req.pending->stream) {
		http_h2_answered(exchange);
	} else {
		MUST(conn->state == CONN_WORKING && !conn->exchange);
		conn->exchange = exchange;
		if (exchange->req.streamed)
			http_stream_close(conn);
		conn->state = CONN_SENDING;
		if (!conn->gone)
			(void)send_response(conn);
	}
	if (conn->gone)
		(void)close_conn(conn);
	else
		http_conn_go(conn);
}

void
http_conn_pulled(struct http_conn *conn, struct http_pending *pending)
{
	if (conn->gone)
		return;
	http_h2_pulled(pending->stream);
	http_conn_go(conn);
}

void
http_conn_drain(struct http_conn *conn)
{
	if (conn->state == CONN_HANDSHAKE) {
		(void)close_conn(conn);
		return;
	}
	if (conn->h2)
		http_h2_drain(conn->h2);
	conn->readable = true;
	note_presence(conn);
	http_conn_go(conn);
}

void
http_conn_drop(struct http_conn *conn)
{
	if (conn->state == CONN_WORKING) {
		conn->gone = true;
		note_presence(conn);
		/* A worker that waits for the rest of a body waits no longer. */
		(void)shutdown(conn->fd, SHUT_RD);
	} else {
		(void)close_conn(conn);
	}
}
