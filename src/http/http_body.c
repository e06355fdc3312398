/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's body that a worker reads itself. While a worker has an exchange of HTTP/1.1 it also has the
 * connection's wire and input buffer. The loop does not touch them until the exchange comes back.
 */
#include "http/http_body.h"

#include <errno.h>
#include <poll.h>

#include "http/http_thread.h"
#include "http/http_wire.h"

#define READ_SIZE ((size_t)16 * 1024)

/* ---- from the wire, with the deadlines of any other body -------------------------------------------------- */

static enum err
wait_for(const struct http_exchange *exchange, short events)
{
	const struct http_pending *pending = exchange->req.pending;
	const struct http_shared  *shared = pending->peer->thread->shared;
	const struct http_body    *body = &exchange->body;
	int64_t                    now_ms = clock_mono_ms(shared->clock);
	int64_t                    left_ms = http_body_wait_ms(&shared->limits, body->from_ms, body->arrived, now_ms);
	struct pollfd              poller = { .fd = pending->wire->fd, .events = events };
	int                        ready;

	if (left_ms <= 0)
		return ERR_BUSY;
	ready = poll(&poller, 1, (int)left_ms);
	if (ready < 0 && errno != EINTR)
		return ERR_IO;
	return ready == 0 ? ERR_BUSY : OK;
}

static enum err
receive(const struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	/* Without this a peer that sends fast enough would keep the worker busy after the drain. */
	while (!http_exchange_is_left(exchange)) {
		enum http_io io = http_wire_read(exchange->req.pending->wire, bytes, size, len_out);

		if (io == HTTP_IO_DONE)
			return OK;
		if (io == HTTP_IO_END)
			return ERR_BAD_REQUEST;
		if (io != HTTP_IO_WAIT)
			return ERR_IO;
		TRY(wait_for(exchange, POLLIN));
	}
	return ERR_IO;
}

static enum err
send_continue(const struct http_exchange *exchange)
{
	struct str line = STR("HTTP/1.1 100 Continue\r\n\r\n");

	while (line.len > 0) {
		size_t       len = 0;
		enum http_io io = http_wire_write(exchange->req.pending->wire, &line, 1, &len);

		if (io == HTTP_IO_DONE)
			line = str_skip(line, len);
		else if (io != HTTP_IO_WAIT)
			return ERR_IO;
		else
			TRY(wait_for(exchange, POLLOUT));
	}
	return OK;
}

static enum err
read_counted(struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	struct http_body *body = &exchange->body;
	struct buf       *in = exchange->req.pending->in;
	size_t            want = body->left < size ? (size_t)body->left : size;

	if (in->len > 0) {
		*len_out = in->len < want ? in->len : want;
		memcpy(bytes, in->at, *len_out);
		buf_drop(in, *len_out);
	} else {
		TRY(receive(exchange, bytes, want, len_out));
	}
	body->arrived += *len_out;
	body->left -= *len_out;
	body->over = body->left == 0;
	return OK;
}

static enum err
feed_chunks(struct http_exchange *exchange, bool *whole_out)
{
	struct http_body *body = &exchange->body;
	struct buf       *in = exchange->req.pending->in;
	struct str        rest;
	size_t            len;

	if (in->len == 0) {
		MUST(buf_reserve(in, READ_SIZE) != NULL);
		TRY(receive(exchange, in->at, READ_SIZE, &len));
		buf_grew(in, len);
	}
	rest = buf_str(in);
	switch (http_chunked_feed(&body->chunked, &rest, &body->bytes)) {
	case HTTP_REFUSED:
		return body->chunked.status == 413 ? ERR_TOO_LARGE : ERR_BAD_REQUEST;
	case HTTP_WHOLE:
		*whole_out = true;
		break;
	case HTTP_MORE:
		break;
	}
	body->arrived += in->len - rest.len;
	buf_drop(in, in->len - rest.len);
	return OK;
}

/* Bytes that were returned count against the limit as if they were still there. */
static enum err
read_chunked(struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	struct http_body *body = &exchange->body;
	struct buf       *left = &body->bytes;
	bool              whole = body->chunked.state == HTTP_CHUNK_OVER;

	while (left->len == 0 && !whole)
		TRY(feed_chunks(exchange, &whole));
	*len_out = left->len < size ? left->len : size;
	if (*len_out > 0)
		memcpy(bytes, left->at, *len_out);
	buf_drop(left, *len_out);
	left->limit -= *len_out;
	body->over = whole && left->len == 0;
	return OK;
}

static enum err
read_wire(struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	if (!exchange->body.begun) {
		exchange->body.begun = true;
		if (exchange->head.expects_continue && exchange->req.pending->in->len == 0)
			TRY(send_continue(exchange));
	}
	return exchange->head.chunked ? read_chunked(exchange, bytes, size, len_out)
	                              : read_counted(exchange, bytes, size, len_out);
}

/* ---- either ------------------------------------------------------------------------------------------------ */

/* The loop is told of the first call, too: it may have to send "100 Continue". */
static enum err
read_pipe(const struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	struct http_pending *pending = exchange->req.pending;

	if (exchange->head.expects_continue)
		http_thread_pulled(pending);
	TRY(http_pipe_read(pending->pipe, bytes, size, len_out));
	http_thread_pulled(pending);
	return OK;
}

static enum err
read_piece(struct http_exchange *exchange, void *bytes, size_t size, size_t *len_out)
{
	if (exchange->head.content_length > exchange->plan.body_max)
		return ERR_TOO_LARGE;
	return exchange->req.pending->pipe ? read_pipe(exchange, bytes, size, len_out)
	                                   : read_wire(exchange, bytes, size, len_out);
}

enum err
http_req_read(const struct http_req *req, void *bytes, size_t size, size_t *len_out)
{
	struct http_exchange *exchange = (struct http_exchange *)(uintptr_t)req;
	struct http_body     *body = &exchange->body;
	size_t                len = 0;
	bool                  more = req->streamed && !body->over;

	_Static_assert(offsetof(struct http_exchange, req) == 0, "a request stands at the head of its exchange");
	MUST(size > 0 && (req->may_block || !req->streamed));
	if (more && body->err == OK)
		body->err = read_piece(exchange, bytes, size, &len);
	if (more)
		TRY(body->err);
	*len_out = len;
	return OK;
}
