/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_h2_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FIELDS_SENT_MAX 64u

/* ---- streams -------------------------------------------------------------------------------------------- */

struct http_h2_stream *
http_h2_stream_open(struct http_h2 *h2, int32_t id)
{
	struct http_h2_stream *stream = calloc(1, sizeof(*stream));

	MUST(stream != NULL);
	stream->h2 = h2;
	stream->id = id;
	stream->exchange = http_thread_take_exchange(h2->peer->thread);
	stream->pending.peer = h2->peer;
	stream->exchange->req.pending = &stream->pending;
	buf_open(&stream->fields, http_h2_limits(h2)->head_max * 2);
	http_list_append(&h2->streams, &stream->listed);
	h2->stream_count++;
	return stream;
}

void
http_h2_stream_close(struct http_h2_stream *stream)
{
	struct http_h2 *h2 = stream->h2;

	if (stream->state == STREAM_SENDING)
		h2->sending--;
	if (stream->state == STREAM_WAITING)
		h2->waiting--;
	if (stream->state == STREAM_PARKED)
		h2->parked--;
	if (stream->state >= STREAM_SENDING)
		h2->answers -= stream->exchange->held;
	http_list_remove(&stream->listed);
	buf_close(&stream->early);
	http_thread_put_exchange(h2->peer->thread, &stream->exchange);
	buf_close(&stream->fields);
	free(stream);
	h2->stream_count--;
	if (h2->stream_count == 0)
		h2->idle_from_ms = http_h2_now(h2);
}

void
http_h2_reset(struct http_h2 *h2, int32_t id, uint32_t code)
{
	MUST(nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, code) == 0);
}

/* ---- responses ------------------------------------------------------------------------------------------ */

static size_t
copy_file(struct http_resp *resp, uint8_t *bytes, size_t size)
{
	ssize_t got;

	if (size > resp->file_left)
		size = (size_t)resp->file_left;
	got = TEMP_FAILURE_RETRY(pread(resp->file_fd, bytes, size, (off_t)resp->file_from));
	if (got <= 0)
		return 0;
	resp->file_from += (uint64_t)got;
	resp->file_left -= (uint64_t)got;
	return (size_t)got;
}

static void
park(struct http_h2_stream *stream)
{
	stream->state = STREAM_PARKED;
	stream->sent = 0;
	stream->h2->parked++;
	http_serve_park(stream->exchange, HTTP_HELD_STREAM);
}

/* All of this piece is with nghttp2, which asks for more only when the peer has room. */
static void
rest_stream(struct http_h2_stream *stream)
{
	stream->h2->sending--;
	stream->h2->answers -= stream->exchange->held;
	park(stream);
}

static ssize_t
read_response(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size, uint32_t *flags,
              nghttp2_data_source *source, void *context)
{
	struct http_h2_stream *stream = source->ptr;
	struct http_resp      *resp;
	struct str             left;
	size_t                 len;

	(void)session;
	(void)id;
	(void)context;
	/* Between two pieces of a stream. */
	if (stream->state != STREAM_SENDING)
		return NGHTTP2_ERR_DEFERRED;
	resp = &stream->exchange->resp;
	left = str_skip(buf_str(&resp->body), stream->sent);
	len = left.len < size ? left.len : size;
	if (len > 0)
		memcpy(bytes, left.at, len);
	stream->sent += len;
	if (stream->exchange->verdict == HTTP_WAITS) {
		if (stream->sent == resp->body.len)
			rest_stream(stream);
		return len > 0 ? (ssize_t)len : NGHTTP2_ERR_DEFERRED;
	}
	if (len == 0 && resp->has_file && resp->file_left > 0) {
		len = copy_file(resp, bytes, size);
		/* A file that ends early cannot become an error: the status is sent. */
		if (len == 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	if (stream->sent == resp->body.len && (!resp->has_file || resp->file_left == 0))
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

struct head_out {
	nghttp2_nv nv[FIELDS_SENT_MAX];
	size_t     count;
};

static void
put_field(struct head_out *out, struct arena *arena, struct str name, struct str value)
{
	char *lower = arena_take_raw(arena, name.len);

	for (size_t i = 0; i < name.len; i++)
		lower[i] = name.at[i] >= 'A' && name.at[i] <= 'Z' ? (char)(name.at[i] + 32) : name.at[i];
	if (out->count == FIELDS_SENT_MAX)
		return;
	out->nv[out->count++] = (nghttp2_nv){
		.name = (uint8_t *)lower,
		.namelen = name.len,
		.value = (uint8_t *)(uintptr_t)value.at,
		.valuelen = value.len,
		.flags = NGHTTP2_NV_FLAG_NONE,
	};
}

static void
write_head(struct http_h2_stream *stream, struct head_out *out)
{
	struct http_exchange *exchange = stream->exchange;
	struct http_resp     *resp = &exchange->resp;
	struct arena         *arena = exchange->arena;
	struct str            rest = http_resp_fields(resp);
	struct http_field     field;

	put_field(out, arena, STR(":status"), arena_printf(arena, "%u", resp->status));
	put_field(out, arena, STR("date"),
	          arena_copy(arena, str_of(http_thread_date(stream->h2->peer->thread), HTTP_DATE_LEN)));
	if (http_exchange_has_length(exchange))
		put_field(out, arena, STR("content-length"),
		          arena_printf(arena, "%llu", (unsigned long long)(resp->body.len + resp->file_left)));
	while (http_resp_take_field(&rest, &field))
		put_field(out, arena, field.name, field.value);
}

/* The response in the exchange is what is to be sent. */
void
http_h2_respond(struct http_h2_stream *stream)
{
	struct http_h2       *h2 = stream->h2;
	struct http_exchange *exchange = stream->exchange;
	nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = read_response };
	struct head_out       out = { .count = 0 };

	http_serve_ready(exchange, HTTP_HELD_STREAM);
	h2->answers += exchange->held;
	stream->state = STREAM_SENDING;
	stream->sent = 0;
	if (h2->sending++ == 0)
		h2->progress_ms = http_h2_now(h2);
	if (exchange->work.wait.begun) {
		/* Refused when it is not deferred: then nghttp2 asks by itself. */
		(void)nghttp2_session_resume_data(h2->session, stream->id);
		return;
	}
	write_head(stream, &out);
	if (nghttp2_submit_response(h2->session, stream->id, out.nv, out.count,
	                            http_exchange_has_bytes(exchange) ? &provider : NULL) != 0)
		http_h2_reset(h2, stream->id, NGHTTP2_INTERNAL_ERROR);
}

void
http_h2_refuse(struct http_h2_stream *stream, unsigned status, const char *reason)
{
	http_serve_refuse(stream->exchange, status, reason);
	http_h2_respond(stream);
}

/* ---- requests ------------------------------------------------------------------------------------------- */

void
http_h2_go_on(struct http_h2_stream *stream, enum http_next next)
{
	if (next == HTTP_NEXT_PARK)
		park(stream);
	else
		http_h2_respond(stream);
}

static void
begin_answer(struct http_h2_stream *stream)
{
	enum http_next next;

	stream->state = STREAM_WORKING;
	next = http_serve_answer(&stream->exchange);
	if (next == HTTP_NEXT_WAIT)
		stream->h2->working++;
	else
		http_h2_go_on(stream, next);
}

void
http_h2_answer(struct http_h2_stream *stream)
{
	struct http_h2 *h2 = stream->h2;

	if (h2->answers <= http_h2_limits(h2)->answers_max) {
		begin_answer(stream);
		return;
	}
	stream->state = STREAM_WAITING;
	h2->waiting++;
}

void
http_h2_begin_waiting(struct http_h2 *h2)
{
	for (struct http_link *link = h2->streams.next; h2->waiting > 0 && link != &h2->streams; link = link->next) {
		struct http_h2_stream *stream = HTTP_LIST_OWNER(link, struct http_h2_stream, listed);

		if (h2->answers > http_h2_limits(h2)->answers_max)
			return;
		if (stream->state != STREAM_WAITING)
			continue;
		h2->waiting--;
		http_h2_answer(stream);
	}
}

/* What a stream costs before its answer: its fields are held twice, as received and as parsed. */
static size_t
base_of(const struct http_h2_stream *stream)
{
	return HTTP_HELD_STREAM + (stream->list_len > HTTP_HELD_SMALL ? 3 * stream->list_len : 0);
}

void
http_h2_body_is_whole(struct http_h2_stream *stream)
{
	if (stream->state != STREAM_BODY)
		return;
	stream->exchange->req.body_over = true;
	if (stream->streamed)
		begin_answer(stream);
	else
		http_h2_answer(stream);
}

/* What comes while a worker has the exchange waits until it comes back. */
void
http_h2_take_body(struct http_h2_stream *stream, struct str bytes)
{
	enum http_step step = HTTP_MORE;

	if (stream->state == STREAM_BODY && bytes.len > 0)
		step = http_serve_body(stream->exchange, &bytes, base_of(stream));
	else if (http_h2_is_streamed(stream))
		buf_put(&stream->early, bytes);
	/* A peer that sends more than its window is ended by nghttp2 before it comes here. */
	MUST(buf_err(&stream->early) == OK);
	if (step == HTTP_REFUSED)
		http_h2_respond(stream);
	else if (step == HTTP_WHOLE && stream->streamed)
		begin_answer(stream);
}

static void
put_continue(struct http_h2_stream *stream)
{
	char             name[] = ":status", value[] = "100";
	const nghttp2_nv head = { (uint8_t *)name, (uint8_t *)value, sizeof(name) - 1, sizeof(value) - 1,
		                  NGHTTP2_NV_FLAG_NONE };

	(void)nghttp2_submit_headers(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &head, 1, NULL);
}

/* The worker gets the body in parts, as it asks for it. */
static void
begin_stream(struct http_h2_stream *stream)
{
	struct http_h2 *h2 = stream->h2;

	if (!http_held_set(stream->exchange, base_of(stream) + 2 * HTTP_H2_WINDOW, HTTP_SHARE_WHOLE)) {
		http_h2_refuse(stream, 503, http_held_too_much);
		return;
	}
	buf_open(&stream->early, 2 * HTTP_H2_WINDOW);
	stream->streamed = true;
	(void)nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, stream->id, HTTP_H2_WINDOW);
	begin_answer(stream);
}

bool
http_h2_is_streamed(const struct http_h2_stream *stream)
{
	return stream->streamed && (stream->state == STREAM_WORKING || stream->state == STREAM_BODY);
}

void
http_h2_next_piece(struct http_h2_stream *stream)
{
	struct http_exchange *exchange = stream->exchange;
	size_t                used = exchange->body.bytes.len;

	stream->state = STREAM_BODY;
	if (http_serve_more(exchange) == HTTP_NEXT_ANSWER) {
		begin_answer(stream);
		return;
	}
	if (used > 0)
		(void)nghttp2_session_consume_stream(stream->h2->session, stream->id, used);
	else if (exchange->head.expects_continue && stream->early.len == 0)
		put_continue(stream);
	http_h2_take_body(stream, buf_str(&stream->early));
	buf_cut(&stream->early, 0);
	if (stream->ended)
		http_h2_body_is_whole(stream);
}

void
http_h2_cut_body(struct http_h2_stream *stream, unsigned status, const char *reason)
{
	if (http_serve_cut(stream->exchange, status, reason) == HTTP_NEXT_SEND)
		http_h2_respond(stream);
	else
		begin_answer(stream);
}

bool
http_h2_stream_leave(struct http_h2_stream *stream)
{
	atomic_store(&stream->pending.left, true);
	if (stream->state == STREAM_PARKED)
		http_waits_end(&stream->h2->peer->thread->waits, stream->exchange);
	if (stream->state == STREAM_BODY && stream->exchange->line)
		begin_answer(stream);
	return stream->state == STREAM_WORKING;
}

static void
await_body(struct http_h2_stream *stream)
{
	stream->state = STREAM_BODY;
	if (stream->exchange->head.expects_continue)
		put_continue(stream);
}

static void
plan_request(struct http_h2_stream *stream)
{
	switch (http_serve_plan(stream->exchange, !stream->ended)) {
	case HTTP_NEXT_BODY:
		await_body(stream);
		break;
	case HTTP_NEXT_STREAM:
		begin_stream(stream);
		break;
	case HTTP_NEXT_SEND:
		http_h2_respond(stream);
		break;
	default:
		http_h2_answer(stream);
		break;
	}
}

static bool
holds_line_end(struct str text)
{
	return str_find(text, '\r') < text.len || str_find(text, '\n') < text.len || str_find(text, '\0') < text.len;
}

/* Bytes above the limits are only counted, so that the parser still refuses the request. */
void
http_h2_take_field(struct http_h2_stream *stream, struct str name, struct str value)
{
	struct arena *arena = stream->exchange->arena;

	stream->malformed |= holds_line_end(value);
	stream->list_len += name.len + value.len + 32;
	if (stream->list_len > http_h2_limits(stream->h2)->head_max * 2)
		return;
	stream->starved = stream->starved || !http_held_set(stream->exchange, base_of(stream), HTTP_SHARE_HALF);
	if (stream->starved)
		return;
	if (str_eq(name, STR(":method"))) {
		stream->method = arena_copy(arena, value);
	} else if (str_eq(name, STR(":path"))) {
		stream->path = arena_copy(arena, value);
	} else if (str_eq(name, STR(":authority"))) {
		stream->authority = arena_copy(arena, value);
	} else if (str_eq(name, STR("host")) && stream->authority.len) {
		stream->malformed = stream->malformed || !str_eq_nocase(value, stream->authority);
	} else if (name.len > 0 && name.at[0] != ':') {
		buf_put(&stream->fields, name);
		buf_put(&stream->fields, STR(": "));
		buf_put(&stream->fields, value);
		buf_put(&stream->fields, STR("\r\n"));
	}
}

/* A blank or a control byte in the method or the path would change the head. */
static bool
is_plain(struct str text)
{
	unsigned held = 0;

	for (size_t i = 0; i < text.len; i++)
		held |= (unsigned)((unsigned char)text.at[i] <= 0x20) | (unsigned)(text.at[i] == 0x7f);
	return held == 0;
}

void
http_h2_head_is_whole(struct http_h2_stream *stream)
{
	struct http_exchange *exchange = stream->exchange;
	struct http_head     *head = &exchange->head;
	struct str            text, host = STR_EMPTY;

	http_count(&stream->h2->peer->thread->counters.requests, 1);
	if (stream->malformed || !is_plain(stream->method) || !is_plain(stream->path) || !is_plain(stream->authority)) {
		http_h2_reset(stream->h2, stream->id, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	if (stream->starved) {
		http_h2_refuse(stream, 503, http_held_too_much);
		return;
	}
	if (stream->authority.len)
		host = arena_printf(exchange->arena, "host: %.*s\r\n", STR_ARG(stream->authority));
	text = arena_printf(exchange->arena, "%.*s %.*s HTTP/1.1\r\n%.*s%.*s\r\n", STR_ARG(stream->method),
	                    STR_ARG(stream->path), STR_ARG(host), STR_ARG(buf_str(&stream->fields)));
	buf_close(&stream->fields);
	switch (http_head_feed(head, text)) {
	case HTTP_WHOLE:
		http_serve_head(exchange, text);
		plan_request(stream);
		break;
	case HTTP_REFUSED:
		http_serve_head(exchange, text);
		http_h2_refuse(stream, head->status, head->reason);
		break;
	case HTTP_MORE:
		http_h2_refuse(stream, 431, "the request's fields are too large");
		break;
	}
}
