/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_conn.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "http/http_serve.h"
#include "http/http_thread.h"

/* A step is a read, a parse or a write. After so many steps the other connections of the loop come first. */
#define STEPS_MAX 64u
/* A peer that takes less than this in write_ms makes no progress. */
#define PROGRESS_MIN   ((size_t)4096)
#define BODY_READ_SIZE ((size_t)16 * 1024)

enum step { STEP_ON, STEP_WAIT };

static const struct http_limits *
limits_of(const struct http_conn *conn)
{
	return &conn->peer.thread->shared->limits;
}

static struct http_counters *
counters_of(struct http_conn *conn)
{
	return &conn->peer.thread->counters;
}

static void
set_deadline(struct http_conn *conn, int64_t wait_ms)
{
	http_conn_set_deadline(conn, conn->peer.thread->now_ms + wait_ms);
}

static enum step
close_conn(struct http_conn *conn)
{
	http_conn_close(conn);
	return STEP_WAIT;
}

static enum step
linger(struct http_conn *conn)
{
	http_conn_linger(conn);
	return STEP_ON;
}

/* The response in the exchange is what is to be sent. */
static enum step
send_response(struct http_conn *conn)
{
	struct http_thread *thread = conn->peer.thread;

	http_serve_ready(conn->exchange, 0);
	conn->close_after |= thread->draining || (conn->exchange->work.wait.stream && conn->exchange->head.minor == 0);
	http_exchange_seal(conn->exchange, http_thread_date(thread), conn->close_after);
	conn->sent = 0;
	conn->state = CONN_SENDING;
	set_deadline(conn, limits_of(conn)->write_ms);
	return STEP_ON;
}

/* After an error no further bytes of the connection are read as a request, so it ends with the answer. */
static enum step
send_error(struct http_conn *conn)
{
	conn->close_after = true;
	return send_response(conn);
}

static enum step
refuse_head(struct http_conn *conn, unsigned status, const char *reason)
{
	http_serve_head(conn->exchange, buf_str(&conn->in));
	http_serve_refuse(conn->exchange, status, reason);
	return send_error(conn);
}

/* A streamed body keeps the buffer, which is counted for it, from piece to piece. */
static void
rest_in(struct http_conn *conn)
{
	if (conn->in.len == 0 && !(conn->exchange && conn->exchange->req.streamed))
		http_thread_put_spare(conn->peer.thread, &conn->in);
}

/* After a body that was not read to its end, the next bytes cannot be read as a request. */
static enum step
answered(struct http_conn *conn)
{
	conn->close_after |= conn->exchange->req.streamed && !conn->exchange->req.body_over;
	return send_response(conn);
}

/* The answer waits for a change. */
static enum step
park(struct http_conn *conn)
{
	conn->state = CONN_PARKED;
	rest_in(conn);
	http_serve_park(conn->exchange, 0);
	http_conn_set_deadline(conn, HTTP_WHEEL_NEVER);
	return STEP_WAIT;
}

static enum step
answer(struct http_conn *conn)
{
	enum http_next next;

	conn->state = CONN_WORKING;
	rest_in(conn);
	next = http_serve_answer(&conn->exchange);
	if (next == HTTP_NEXT_SEND)
		return answered(conn);
	if (next == HTTP_NEXT_PARK)
		return park(conn);
	http_conn_probe(conn);
	http_conn_set_deadline(conn, HTTP_WHEEL_NEVER);
	return STEP_WAIT;
}

/* No more of the body comes: an answer that takes it in pieces is told, else the request is refused. */
static enum step
cut_body(struct http_conn *conn, unsigned status, const char *reason)
{
	return http_serve_cut(conn->exchange, status, reason) == HTTP_NEXT_SEND ? send_error(conn) : answer(conn);
}

/* The peer sends no more. In the middle of a request it may still read why the request fails. */
static enum step
input_ended(struct http_conn *conn)
{
	if (conn->state == CONN_HEAD)
		return refuse_head(conn, 400, "the request ends before its head is whole");
	if (conn->state == CONN_BODY)
		return cut_body(conn, 400, "the request ends before its body is whole");
	return close_conn(conn);
}

/* Reads the bytes that have arrived, with space for at least `space` of them. */
static enum step
fill(struct http_conn *conn, size_t space)
{
	size_t len;

	if (!conn->readable)
		return STEP_WAIT;
	if (!conn->in.at)
		http_thread_take_spare(conn->peer.thread, &conn->in);
	MUST(buf_reserve(&conn->in, space) != NULL);
	if (conn->state == CONN_HEAD && !http_held_set(conn->exchange, conn->in.size - HTTP_IN_FIRST, HTTP_SHARE_HALF))
		return refuse_head(conn, 503, http_held_too_much);
	switch (http_wire_read(&conn->wire, conn->in.at + conn->in.len, conn->in.size - conn->in.len, &len)) {
	case HTTP_IO_DONE:
		conn->readable = conn->hung_up || !conn->wire.drained;
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
	http_conn_end_exchange(conn);
	conn->begun = true;
	conn->h2 = http_h2_open(&conn->peer);
	conn->state = CONN_H2;
}

static enum step
step_handshake(struct http_conn *conn)
{
	enum http_io io = http_wire_handshake(&conn->wire);

	if (io != HTTP_IO_DONE)
		return io == HTTP_IO_WAIT ? STEP_WAIT : close_conn(conn);
	conn->state = CONN_IDLE;
	conn->readable = true;
	conn->begun = true;
	set_deadline(conn, limits_of(conn)->idle_ms);
	if (http_wire_is_h2(&conn->wire))
		begin_h2(conn);
	return STEP_ON;
}

/* ---- HTTP/2 ---------------------------------------------------------------------------------------------- */

static enum step
write_h2(struct http_conn *conn, struct str bytes)
{
	size_t       len = 0;
	enum http_io io = http_wire_write(&conn->wire, &bytes, 1, &len);

	if (io != HTTP_IO_DONE)
		return io == HTTP_IO_WAIT ? STEP_WAIT : close_conn(conn);
	http_h2_given(conn->h2, len);
	http_count(&counters_of(conn)->bytes_out, len);
	return STEP_ON;
}

/* Writing comes first: the server does not read from a peer that does not read. */
static enum step
step_h2(struct http_conn *conn)
{
	struct str bytes;

	if (conn->gone)
		return STEP_WAIT;
	bytes = http_h2_give(conn->h2);
	if (bytes.len > 0)
		return write_h2(conn, bytes);
	if (http_h2_is_over(conn->h2))
		return http_h2_leave(conn->h2) ? STEP_WAIT : linger(conn);
	if (conn->in.len == 0)
		return fill(conn, BODY_READ_SIZE);
	if (!http_h2_take(conn->h2, buf_str(&conn->in)))
		return close_conn(conn);
	buf_drop(&conn->in, conn->in.len);
	return STEP_ON;
}

static enum step
await_body(struct http_conn *conn)
{
	conn->state = CONN_BODY;
	if (conn->exchange->head.expects_continue && conn->in.len == 0 && conn->exchange->body.arrived == 0) {
		http_exchange_continue(conn->exchange);
		conn->sent = 0;
		conn->state = CONN_CONTINUE;
	}
	http_conn_set_deadline(conn, http_serve_body_deadline(conn->exchange));
	return STEP_ON;
}

static enum step
head_is_whole(struct http_conn *conn)
{
	const struct http_head *head = &conn->exchange->head;
	bool                    has_body = head->chunked || head->content_length > 0;
	enum http_next          next;

	http_serve_head(conn->exchange, buf_str(&conn->in));
	conn->begun = true;
	buf_drop(&conn->in, head->len);
	http_count(&counters_of(conn)->requests, 1);
	conn->close_after = head->close;
	next = http_serve_plan(conn->exchange, has_body);
	/* The end of a body that comes in pieces is noticed without it. */
	conn->may_probe = head->minor > 0 && next != HTTP_NEXT_STREAM;
	if (next == HTTP_NEXT_BODY)
		return await_body(conn);
	if (next == HTTP_NEXT_SEND)
		return send_error(conn);
	/* A body that nobody reads. */
	conn->close_after |= has_body && next == HTTP_NEXT_ANSWER;
	return answer(conn);
}

static enum step
step_head(struct http_conn *conn)
{
	struct str     bytes = buf_str(&conn->in);
	bool           may_be_h2 = !conn->begun && http_h2_may_begin(bytes);
	enum http_step step = HTTP_MORE;

	if (bytes.len == conn->fed)
		return fill(conn, 1);
	if (may_be_h2 && bytes.len >= sizeof(HTTP_H2_PREFACE) - 1) {
		begin_h2(conn);
		return STEP_ON;
	}
	if (!conn->exchange) {
		conn->exchange = http_thread_take_exchange(conn->peer.thread);
		conn->exchange->req.pending = &conn->pending;
	}
	conn->fed = bytes.len;
	if (!may_be_h2)
		step = http_head_feed(&conn->exchange->head, bytes);
	if (step == HTTP_WHOLE)
		return head_is_whole(conn);
	if (step == HTTP_REFUSED)
		return refuse_head(conn, conn->exchange->head.status, conn->exchange->head.reason);
	if (conn->state == CONN_IDLE) {
		conn->state = CONN_HEAD;
		set_deadline(conn, limits_of(conn)->head_ms);
	}
	return STEP_ON;
}

static enum step
step_body(struct http_conn *conn)
{
	struct str     rest = buf_str(&conn->in);
	enum http_step step;

	if (rest.len == 0)
		return fill(conn, BODY_READ_SIZE);
	step = http_serve_body(conn->exchange, &rest, 0);
	buf_drop(&conn->in, conn->in.len - rest.len);
	if (step == HTTP_REFUSED)
		return send_error(conn);
	if (step == HTTP_WHOLE)
		return answer(conn);
	http_conn_set_deadline(conn, http_serve_body_deadline(conn->exchange));
	return STEP_ON;
}

/* All is sent: the next request follows, or the body of this one, or nothing. */
static enum step
all_is_out(struct http_conn *conn)
{
	if (conn->state == CONN_CONTINUE) {
		http_count(&counters_of(conn)->by_class[1], 1);
		conn->state = CONN_BODY;
		http_conn_set_deadline(conn, http_serve_body_deadline(conn->exchange));
		return STEP_ON;
	}
	if (conn->exchange->verdict == HTTP_WAITS)
		return park(conn);
	if (conn->close_after)
		return linger(conn);
	http_conn_end_exchange(conn);
	conn->state = CONN_IDLE;
	set_deadline(conn, limits_of(conn)->idle_ms);
	return STEP_ON;
}

static enum step
step_send(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;
	struct http_resp     *resp = &exchange->resp;
	struct str            parts[3];
	unsigned              count = http_exchange_parts(exchange, conn->sent, parts);
	size_t                len = 0;
	enum http_io          io;

	if (count > 0)
		io = http_wire_write(&conn->wire, parts, count, &len);
	else
		io = http_wire_send_file(&conn->wire, resp->file_fd, resp->file_from, resp->file_left, &len);
	if (io == HTTP_IO_WAIT)
		conn->untaken = http_wire_untaken(&conn->wire);
	if (io != HTTP_IO_DONE)
		return io == HTTP_IO_WAIT ? STEP_WAIT : close_conn(conn);
	http_count(&counters_of(conn)->bytes_out, len);
	if (count > 0)
		conn->sent += len;
	else
		http_exchange_sent_file(exchange, len);
	if (conn->sent == http_exchange_len(exchange) && !http_exchange_has_file(exchange))
		return all_is_out(conn);
	set_deadline(conn, limits_of(conn)->write_ms);
	return STEP_ON;
}

static enum step
step_linger(struct http_conn *conn)
{
	enum http_io io = http_wire_waste(&conn->wire);

	return io == HTTP_IO_DONE ? STEP_ON : io == HTTP_IO_WAIT ? STEP_WAIT : close_conn(conn);
}

static enum step
step_new(struct http_conn *conn)
{
	struct http_tls          *tls = conn->peer.thread->shared->tls;
	const struct http_limits *limits = limits_of(conn);

	buf_open(&conn->in, limits->head_max * 2 + BODY_READ_SIZE * 2);
	conn->readable = true;
	conn->peer.tls = tls != NULL;
	conn->state = tls ? CONN_HANDSHAKE : CONN_IDLE;
	set_deadline(conn, tls ? limits->handshake_ms : limits->idle_ms);
	return tls && !http_wire_secure(&conn->wire, tls) ? close_conn(conn) : STEP_ON;
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
		return step_send(conn);
	case CONN_H2:
		return step_h2(conn);
	case CONN_LINGER:
		return step_linger(conn);
	case CONN_WORKING:
	case CONN_PARKED:
	case CONN_DEAD:
		break;
	}
	return STEP_WAIT;
}

/* Nothing more can be done now: sets the deadline for that. */
static void
rest_h2(struct http_conn *conn)
{
	if (conn->gone)
		return;
	http_conn_set_deadline(conn, http_h2_deadline(conn->h2));
	rest_in(conn);
}

static bool
is_parked_for_nobody(struct http_conn *conn)
{
	http_conn_probe(conn);
	return conn->state == CONN_PARKED && conn->gone;
}

void
http_conn_go(struct http_conn *conn)
{
	for (unsigned round = 0; round < STEPS_MAX; round++) {
		if (step(conn) == STEP_ON)
			continue;
		if (conn->state == CONN_H2)
			rest_h2(conn);
		else if ((conn->state == CONN_IDLE && conn->peer.thread->draining) || is_parked_for_nobody(conn))
			(void)close_conn(conn);
		else if (conn->state != CONN_WORKING)
			rest_in(conn);
		return;
	}
	http_list_append(&conn->peer.thread->again, &conn->again);
}

void
http_conn_event(struct http_conn *conn, unsigned events)
{
	bool ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	/* TLS may have to read before it can write and the other way round, so any event counts as readable. */
	conn->readable |= ended || events & EPOLLIN || conn->peer.tls;
	conn->hung_up |= ended;
	if ((conn->state == CONN_WORKING || conn->state == CONN_PARKED) && events & (EPOLLHUP | EPOLLERR))
		http_conn_note_left(conn);
	http_conn_probe(conn);
	http_conn_go(conn);
}

/* The socket's buffer may be so large that a slow peer needs longer than write_ms before more fits in. */
static bool
peer_makes_progress(struct http_conn *conn)
{
	size_t before = conn->untaken;

	if (conn->state != CONN_SENDING)
		return false;
	conn->untaken = http_wire_untaken(&conn->wire);
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
		(void)cut_body(conn, 408, "the request's body did not come in time");
		break;
	default:
		if (conn->state == CONN_HANDSHAKE || conn->state == CONN_CONTINUE || conn->state == CONN_SENDING)
			http_count(&counters_of(conn)->timeouts, 1);
		(void)close_conn(conn);
		return;
	}
	http_conn_go(conn);
}

void
http_conn_answered(struct http_conn *conn, struct http_exchange *exchange)
{
	if (conn->h2) {
		http_h2_answered(exchange);
	} else {
		MUST(conn->state == CONN_WORKING && !conn->exchange);
		conn->exchange = exchange;
		conn->state = CONN_SENDING;
		if (exchange->verdict == HTTP_MORE_BODY)
			(void)(http_serve_more(exchange) == HTTP_NEXT_BODY ? await_body(conn) : answer(conn));
		else if (!conn->gone)
			(void)(http_serve_after(exchange) == HTTP_NEXT_PARK ? park(conn) : answered(conn));
	}
	if (conn->gone && conn->state != CONN_WORKING)
		(void)close_conn(conn);
	else
		http_conn_go(conn);
}

void
http_conn_resume(struct http_conn *conn, struct http_exchange *exchange)
{
	http_serve_resume(exchange);
	if (conn->h2)
		http_h2_resume(exchange);
	else
		(void)answer(conn);
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
	http_conn_go(conn);
}

void
http_conn_drop(struct http_conn *conn)
{
	if (conn->state == CONN_WORKING)
		http_conn_note_left(conn);
	else
		(void)close_conn(conn);
}
