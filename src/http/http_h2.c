/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_h2_stream.h"

#include <stdlib.h>

#define LINGER_MS   1000
#define STREAMS_MAX 100u
/* Streams that the peer has left while a worker had their exchange count here, too. */
#define EXCHANGES_MAX     128u
#define TABLE_SIZE        4096u
#define OUT_SIZE          ((size_t)32 * 1024)
#define ACKS_MAX          100
#define SETTINGS_MAX      32
#define CONTINUATIONS_MAX 8

/* The token bucket. */
#define BUCKET_MAX   1000
#define BUCKET_PER_S 20
#define PRICE_FRAME  1
#define PRICE_RESET  10
/*
 * So many bytes of answers, or of a body that a worker wants, earn back one token. A request brings enough for its
 * own small frames.
 */
#define BUCKET_BYTES      1024
#define EARNED_BY_REQUEST 3

/* ---- the token bucket ------------------------------------------------------------------------------------------ */

static void
pay(struct http_h2 *h2, int64_t price)
{
	int64_t now_ms = http_h2_now(h2);

	h2->bucket += (now_ms - h2->bucket_ms) * BUCKET_PER_S;
	h2->bucket_ms = now_ms;
	if (h2->bucket > BUCKET_MAX * 1000)
		h2->bucket = BUCKET_MAX * 1000;
	h2->bucket -= price * 1000;
	if (h2->bucket < 0)
		h2->flooded = true;
}

static void
earn(struct http_h2 *h2, size_t bytes)
{
	h2->bucket += (int64_t)(bytes * 1000 / BUCKET_BYTES);
}

static struct http_h2_stream *
stream_of(struct http_h2 *h2, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h2->session, id);
}

/* ---- callbacks of nghttp2 ------------------------------------------------------------------------------------ */

static int
on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *context)
{
	struct http_h2 *h2 = context;

	(void)session;
	switch (head->type) {
	case NGHTTP2_HEADERS:
		h2->bucket += EARNED_BY_REQUEST * 1000;
		break;
	case NGHTTP2_DATA:
		if (head->length == 0 && !(head->flags & NGHTTP2_FLAG_END_STREAM))
			pay(h2, PRICE_RESET);
		else
			pay(h2, head->length < 64 ? PRICE_FRAME : 0);
		break;
	case NGHTTP2_SETTINGS:
		pay(h2, head->flags & NGHTTP2_FLAG_ACK ? PRICE_FRAME : PRICE_RESET);
		break;
	case NGHTTP2_RST_STREAM:
	case NGHTTP2_CONTINUATION:
		pay(h2, PRICE_RESET);
		break;
	default:
		pay(h2, PRICE_FRAME);
		break;
	}
	return 0;
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct http_h2        *h2 = context;
	struct http_h2_stream *stream;

	h2->head_id = frame->hd.stream_id;
	h2->head_from_ms = http_h2_now(h2);
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (h2->stream_count >= EXCHANGES_MAX || h2->flooded) {
		http_h2_reset(h2, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
		return 0;
	}
	stream = http_h2_stream_open(h2, frame->hd.stream_id);
	if (!http_held_set(stream->exchange, HTTP_HELD_STREAM, HTTP_SHARE_MOST)) {
		http_h2_stream_close(stream);
		http_h2_reset(h2, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
		return 0;
	}
	MUST(nghttp2_session_set_stream_user_data(session, stream->id, stream) == 0);
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
          const uint8_t *value, size_t value_len, uint8_t flags, void *context)
{
	struct http_h2        *h2 = context;
	struct http_h2_stream *stream = stream_of(h2, frame->hd.stream_id);

	(void)session;
	(void)flags;
	if (!stream)
		return 0;
	if (stream->state == STREAM_HEAD)
		http_h2_take_field(stream, str_of(name, name_len), str_of(value, value_len));
	else
		stream->list_len += name_len + value_len + 32;
	/* A field list that grows without end is a fault of the connection, not of one request. */
	if (stream->list_len > http_h2_limits(h2)->head_max * 8)
		h2->flooded = true;
	return h2->flooded ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct http_h2        *h2 = context;
	struct http_h2_stream *stream;

	(void)session;
	if (frame->hd.type == NGHTTP2_HEADERS)
		h2->head_id = 0;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	stream = stream_of(h2, frame->hd.stream_id);
	if (!stream)
		return 0;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		stream->ended = true;
	if (stream->state == STREAM_HEAD && frame->hd.type == NGHTTP2_HEADERS)
		http_h2_head_is_whole(stream);
	else if (stream->ended)
		http_h2_body_is_whole(stream);
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len, void *context)
{
	struct http_h2_stream *stream = stream_of(context, id);

	(void)flags;
	/*
	 * The window of the connection never limits a stream. The window of a streamed body is given back when a
	 * worker has used a piece.
	 */
	(void)nghttp2_session_consume_connection(session, len);
	if (stream && http_h2_is_streamed(stream))
		earn(stream->h2, len);
	else
		(void)nghttp2_session_consume_stream(session, id, len);
	if (stream)
		http_h2_take_body(stream, str_of(bytes, len));
	return 0;
}

/*
 * The request was answered before its end, and the rest of it is not wanted. An immediate reset would be right (RFC
 * 9113 section 8.1), but some clients then lose the answer (curl 7.88): they get a moment to read it.
 */
static void
linger(struct http_h2_stream *stream)
{
	MUST(stream->state == STREAM_SENDING);
	stream->h2->sending--;
	stream->state = STREAM_LINGERING;
	stream->linger_until_ms = http_h2_now(stream->h2) + LINGER_MS;
}

static int
on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	struct http_h2        *h2 = context;
	struct http_h2_stream *stream;

	(void)session;
	if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
		pay(h2, PRICE_RESET);
	if (frame->hd.type == NGHTTP2_DATA) {
		earn(h2, frame->hd.length);
		/*
		 * Only answer bytes that are taken are progress: a peer that sends much and takes nothing makes none.
		 */
		if (frame->hd.length > 0)
			h2->progress_ms = http_h2_now(h2);
	}
	if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
	    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	stream = stream_of(h2, frame->hd.stream_id);
	if (stream && !stream->ended && stream->state == STREAM_SENDING)
		linger(stream);
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
	struct http_h2        *h2 = context;
	struct http_h2_stream *stream = stream_of(h2, id);

	(void)session;
	(void)code;
	if (id == h2->head_id)
		h2->head_id = 0;
	if (!stream)
		return 0;
	stream->dead = true;
	if (!http_h2_stream_leave(stream))
		http_h2_stream_close(stream);
	return 0;
}

/* ---- opening and closing ---------------------------------------------------------------------------------- */

bool
http_h2_may_begin(struct str bytes)
{
	struct str preface = STR(HTTP_H2_PREFACE);

	return bytes.len < preface.len ? bytes.len > 0 && str_starts(preface, bytes) : str_starts(bytes, preface);
}

static nghttp2_session_callbacks *
callbacks_make(void)
{
	nghttp2_session_callbacks *callbacks = NULL;

	MUST(nghttp2_session_callbacks_new(&callbacks) == 0);
	nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	return callbacks;
}

static nghttp2_option *
options_make(void)
{
	nghttp2_option *option = NULL;

	MUST(nghttp2_option_new(&option) == 0);
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
	nghttp2_option_set_max_settings(option, SETTINGS_MAX);
	nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
	nghttp2_option_set_max_deflate_dynamic_table_size(option, TABLE_SIZE);
	/* The parser strips blanks around a value, as over HTTP/1.1 (RFC 9110 section 5.5). */
	nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
	return option;
}

struct http_h2 *
http_h2_open(struct http_peer *peer)
{
	struct http_h2            *h2 = calloc(1, sizeof(*h2));
	nghttp2_session_callbacks *callbacks = callbacks_make();
	nghttp2_option            *option = options_make();
	nghttp2_settings_entry     settings[] = {
		    { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX },
		    { NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, TABLE_SIZE },
		    { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)peer->thread->shared->limits.head_max },
		    { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
	};

	MUST(h2 != NULL);
	h2->peer = peer;
	http_list_open(&h2->streams);
	buf_open(&h2->out, OUT_SIZE * 4);
	h2->bucket = BUCKET_MAX * 1000;
	h2->bucket_ms = h2->out_ms = h2->progress_ms = h2->idle_from_ms = peer->thread->now_ms;
	MUST(nghttp2_session_server_new2(&h2->session, callbacks, h2, option) == 0);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	MUST(nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings)) == 0);
	return h2;
}

void
http_h2_close(struct http_h2 **h2)
{
	struct http_link *link;

	if (!*h2)
		return;
	MUST((*h2)->working == 0);
	nghttp2_session_del((*h2)->session);
	while ((link = http_list_take(&(*h2)->streams)) != NULL)
		http_h2_stream_close(HTTP_LIST_OWNER(link, struct http_h2_stream, listed));
	buf_close(&(*h2)->out);
	free(*h2);
	*h2 = NULL;
}

/* ---- calls of the connection --------------------------------------------------------------------------------- */

static void
end_with(struct http_h2 *h2, uint32_t code)
{
	if (h2->broken)
		return;
	h2->broken = true;
	(void)nghttp2_session_terminate_session(h2->session, code);
}

static void
end_if_flooded(struct http_h2 *h2)
{
	if (!h2->flooded || h2->broken)
		return;
	http_count(&h2->peer->thread->counters.protocol_errors, 1);
	end_with(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

bool
http_h2_take(struct http_h2 *h2, struct str bytes)
{
	ssize_t taken = h2->broken ? (ssize_t)bytes.len
	                           : nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.at, bytes.len);

	if (taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC || taken == NGHTTP2_ERR_NOMEM)
		return false;
	if (taken < 0)
		h2->flooded = true;
	end_if_flooded(h2);
	return true;
}

struct str
http_h2_give(struct http_h2 *h2)
{
	const uint8_t *bytes;
	ssize_t        len;

	http_h2_begin_waiting(h2);
	while (h2->out.len < OUT_SIZE) {
		len = nghttp2_session_mem_send(h2->session, &bytes);
		if (len <= 0)
			break;
		if (h2->out.len == 0)
			h2->out_ms = http_h2_now(h2);
		buf_put(&h2->out, str_of(bytes, (size_t)len));
	}
	/* Our own resets cost tokens when they are sent. */
	end_if_flooded(h2);
	MUST(buf_err(&h2->out) == OK);
	return buf_str(&h2->out);
}

void
http_h2_given(struct http_h2 *h2, size_t len)
{
	buf_drop(&h2->out, len);
	h2->out_ms = http_h2_now(h2);
	if (h2->out.len == 0 && h2->stream_count == h2->parked) {
		buf_close(&h2->out);
		buf_open(&h2->out, OUT_SIZE * 4);
	}
}

bool
http_h2_is_over(const struct http_h2 *h2)
{
	if (h2->out.len > 0)
		return false;
	if (h2->draining && h2->stream_count == 0)
		return true;
	return !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session);
}

static struct http_h2_stream *
owner_of(const struct http_exchange *exchange)
{
	return HTTP_LIST_OWNER(exchange->req.pending, struct http_h2_stream, pending);
}

void
http_h2_resume(struct http_exchange *exchange)
{
	struct http_h2_stream *stream = owner_of(exchange);

	MUST(stream->state == STREAM_PARKED && stream->h2->parked > 0);
	stream->h2->parked--;
	http_h2_answer(stream);
}

void
http_h2_answered(struct http_exchange *exchange)
{
	struct http_h2_stream *stream = owner_of(exchange);
	struct http_h2        *h2 = stream->h2;

	MUST(stream->state == STREAM_WORKING && !stream->exchange && h2->working > 0);
	h2->working--;
	stream->exchange = exchange;
	if (exchange->verdict == HTTP_MORE_BODY)
		http_h2_next_piece(stream);
	else if (stream->dead || h2->gone)
		http_h2_stream_close(stream);
	else
		http_h2_go_on(stream, http_serve_after(exchange));
}

bool
http_h2_leave(struct http_h2 *h2)
{
	h2->gone = true;
	for (struct http_link *link = h2->streams.next; link != &h2->streams; link = link->next)
		(void)http_h2_stream_leave(HTTP_LIST_OWNER(link, struct http_h2_stream, listed));
	return h2->working > 0;
}

void
http_h2_drain(struct http_h2 *h2)
{
	if (h2->draining)
		return;
	h2->draining = true;
	(void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
	                            nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR, NULL, 0);
}

/* ---- deadlines --------------------------------------------------------------------------------------------- */

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t
http_h2_deadline(const struct http_h2 *h2)
{
	const struct http_limits *limits = http_h2_limits(h2);
	int64_t                   deadline = HTTP_WHEEL_NEVER;

	if (h2->head_id && !h2->broken)
		deadline = h2->head_from_ms + limits->head_ms;
	if (h2->out.len > 0)
		deadline = earlier(deadline, h2->out_ms + limits->write_ms);
	if (h2->sending > 0)
		deadline = earlier(deadline, h2->progress_ms + limits->write_ms);
	if (h2->stream_count == 0 && !h2->broken)
		deadline = earlier(deadline, h2->idle_from_ms + limits->idle_ms);
	for (const struct http_link *link = h2->streams.next; link != &h2->streams; link = link->next) {
		const struct http_h2_stream *stream =
			(const struct http_h2_stream *)(const void *)((const char *)link -
		                                                      offsetof(struct http_h2_stream, listed));

		if (stream->state == STREAM_BODY)
			deadline = earlier(deadline, http_serve_body_deadline(stream->exchange));
		if (stream->state == STREAM_LINGERING)
			deadline = earlier(deadline, stream->linger_until_ms);
	}
	return deadline;
}

static void
refuse_late_bodies(struct http_h2 *h2)
{
	struct http_link *link = h2->streams.next;

	while (link != &h2->streams) {
		struct http_h2_stream *stream = HTTP_LIST_OWNER(link, struct http_h2_stream, listed);

		link = link->next;
		if (stream->state == STREAM_BODY && http_serve_body_deadline(stream->exchange) <= http_h2_now(h2))
			http_h2_cut_body(stream, 408, "the request's body did not come in time");
		if (stream->state == STREAM_LINGERING && stream->linger_until_ms <= http_h2_now(h2)) {
			stream->linger_until_ms = HTTP_WHEEL_NEVER;
			http_h2_reset(h2, stream->id, NGHTTP2_NO_ERROR);
		}
	}
}

bool
http_h2_timeout(struct http_h2 *h2)
{
	const struct http_limits *limits = http_h2_limits(h2);
	int64_t                   now_ms = http_h2_now(h2);

	if ((h2->out.len > 0 && now_ms >= h2->out_ms + limits->write_ms) ||
	    (h2->sending > 0 && now_ms >= h2->progress_ms + limits->write_ms)) {
		http_count(&h2->peer->thread->counters.timeouts, 1);
		return false;
	}
	refuse_late_bodies(h2);
	if (h2->head_id && !h2->broken && now_ms >= h2->head_from_ms + limits->head_ms) {
		http_count(&h2->peer->thread->counters.timeouts, 1);
		end_with(h2, NGHTTP2_ENHANCE_YOUR_CALM);
	} else if (h2->stream_count == 0 && now_ms >= h2->idle_from_ms + limits->idle_ms) {
		end_with(h2, NGHTTP2_NO_ERROR);
	}
	return true;
}
