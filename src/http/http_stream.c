/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_stream.h"

#include <errno.h>
#include <poll.h>

#include "http/http_loop.h"
#include "http/http_server.h"
#include "http/http_tls.h"

#define READ_SIZE ((size_t)16 * 1024)

void
http_stream_open(struct http_conn *conn)
{
	conn->stream = (struct http_stream){ .err = OK };
	conn->exchange->req.streamed = true;
}

/* Of a body that was not read to its end the place in the stream is lost. */
void
http_stream_close(struct http_conn *conn)
{
	conn->readable = true;
	if (!conn->stream.over || conn->stream.err != OK)
		conn->close_after = true;
	if (conn->stream.err == ERR_BUSY)
		http_count(&conn->loop->counters.timeouts, 1);
	http_count(&conn->loop->counters.bytes_in, conn->body_arrived);
}

/* ---- waiting, with the deadlines of any other body ------------------------------------------------------ */

static enum err
wait_for(struct http_conn *conn, short events)
{
	const struct http_limits *limits = &conn->loop->server->limits;
	int64_t                   earned_ms = (int64_t)(conn->body_arrived / 1024) * 1000;
	int64_t       left_ms = conn->body_from_ms + limits->body_ms + earned_ms - clock_mono_ms(conn->loop->server->clock);
	struct pollfd poller = { .fd = conn->fd, .events = events };
	int           ready;

	/* Bytes that came fast do not buy an hour of silence. */
	if (left_ms > limits->idle_ms)
		left_ms = limits->idle_ms;
	if (left_ms <= 0)
		return ERR_BUSY;
	ready = poll(&poller, 1, (int)left_ms);
	if (ready < 0 && errno != EINTR)
		return ERR_IO;
	return ready == 0 ? ERR_BUSY : OK;
}

static enum err
receive(struct http_conn *conn, void *bytes, size_t size, size_t *len_out)
{
	/* Bytes that come fast enough would keep it going after the drain. */
	while (atomic_load(&conn->pending.presence) != HTTP_LEFT) {
		enum http_io io = conn->tls ? http_tls_link_read(conn->tls, bytes, size, len_out)
		                            : http_io_read(conn->fd, bytes, size, len_out);

		if (io == HTTP_IO_DONE)
			return OK;
		if (io == HTTP_IO_END)
			return ERR_BAD_REQUEST;
		if (io != HTTP_IO_WAIT)
			return ERR_IO;
		TRY(wait_for(conn, POLLIN));
	}
	return ERR_IO;
}

static enum err
send_continue(struct http_conn *conn)
{
	struct str line = STR("HTTP/1.1 100 Continue\r\n\r\n");

	while (line.len > 0) {
		size_t       len = 0;
		enum http_io io = conn->tls ? http_tls_link_write(conn->tls, &line, 1, &len)
		                            : http_io_write(conn->fd, &line, 1, &len);

		if (io == HTTP_IO_DONE)
			line = str_skip(line, len);
		else if (io != HTTP_IO_WAIT)
			return ERR_IO;
		else
			TRY(wait_for(conn, POLLOUT));
	}
	return OK;
}

/* ---- the two framings ------------------------------------------------------------------------------------- */

static enum err
read_counted(struct http_conn *conn, void *bytes, size_t size, size_t *len_out)
{
	size_t want = conn->body_left < size ? (size_t)conn->body_left : size;

	if (conn->in.len > 0) {
		*len_out = conn->in.len < want ? conn->in.len : want;
		memcpy(bytes, conn->in.at, *len_out);
		buf_drop(&conn->in, *len_out);
	} else {
		TRY(receive(conn, bytes, want, len_out));
	}
	conn->body_arrived += *len_out;
	conn->body_left -= *len_out;
	conn->stream.over = conn->body_left == 0;
	return OK;
}

static enum err
feed_chunks(struct http_conn *conn, struct buf *body, bool *whole_out)
{
	struct str rest;
	size_t     len;

	if (conn->in.len == 0) {
		MUST(buf_room(&conn->in, READ_SIZE) != NULL);
		TRY(receive(conn, conn->in.at, READ_SIZE, &len));
		buf_grew(&conn->in, len);
	}
	rest = buf_str(&conn->in);
	switch (http_chunked_feed(&conn->chunked, &rest, body)) {
	case HTTP_REFUSED:
		return conn->chunked.status == 413 ? ERR_TOO_LARGE : ERR_BAD_REQUEST;
	case HTTP_WHOLE:
		*whole_out = true;
		break;
	case HTTP_MORE:
		break;
	}
	conn->body_arrived += conn->in.len - rest.len;
	buf_drop(&conn->in, conn->in.len - rest.len);
	return OK;
}

/* What was handed out counts against the limit as if it were still there. */
static enum err
read_chunked(struct http_conn *conn, struct buf *body, void *bytes, size_t size, size_t *len_out)
{
	bool whole = conn->chunked.state == HTTP_CHUNK_OVER;

	while (body->len == 0 && !whole)
		TRY(feed_chunks(conn, body, &whole));
	*len_out = body->len < size ? body->len : size;
	if (*len_out > 0)
		memcpy(bytes, body->at, *len_out);
	buf_drop(body, *len_out);
	body->limit -= *len_out;
	conn->stream.over = whole && body->len == 0;
	return OK;
}

static enum err
read_piece(struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	struct http_conn *conn = exchange->req.pending->conn;

	if (!conn->stream.begun) {
		conn->stream.begun = true;
		if (exchange->head.content_length > exchange->plan.body_max)
			return ERR_TOO_LARGE;
		if (exchange->head.expects_continue && conn->in.len == 0)
			TRY(send_continue(conn));
	}
	return exchange->head.chunked ? read_chunked(conn, &exchange->body, bytes, size, len_out)
	                              : read_counted(conn, bytes, size, len_out);
}

static enum err
read_socket(struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	struct http_stream *stream = &exchange->req.pending->conn->stream;
	size_t              len = 0;

	if (stream->err == OK && !stream->over)
		stream->err = read_piece(exchange, bytes, size, &len);
	TRY(stream->err);
	*len_out = len;
	return OK;
}

/* The first call is told to the loop, too: it may have to say that the body is wanted. */
static enum err
read_pipe(const struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	struct http_pending *pending = exchange->req.pending;

	if (exchange->req.body_announced > exchange->plan.body_max)
		return ERR_TOO_LARGE;
	if (exchange->head.expects_continue)
		http_loop_pulled(pending);
	TRY(http_pipe_read(pending->pipe, bytes, size, len_out));
	http_loop_pulled(pending);
	return OK;
}

enum err
http_req_read(const struct http_req *req, void *bytes, size_t size, size_t *len_out)
{
	struct http_exchange *exchange = (struct http_exchange *)(uintptr_t)req;

	_Static_assert(offsetof(struct http_exchange, req) == 0, "a request stands at the head of its exchange");
	MUST(size > 0);
	if (!req->streamed) {
		*len_out = 0;
		return OK;
	}
	MUST(req->may_block);
	return req->pending->pipe ? read_pipe(exchange, bytes, size, len_out) : read_socket(exchange, bytes, size, len_out);
}
