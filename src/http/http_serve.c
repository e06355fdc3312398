/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_serve.h"

#include "http/http_thread.h"

static struct http_thread *
thread_of(const struct http_exchange *exchange)
{
	return exchange->req.pending->peer->thread;
}

static const struct http_app *
app_of(const struct http_exchange *exchange)
{
	return &thread_of(exchange)->shared->app;
}

/* ---- refusals ---------------------------------------------------------------------------------------------- */

static bool
is_busy(unsigned status)
{
	return status == 503 || status == 429;
}

static void
put_error(struct http_exchange *exchange, unsigned status, const char *reason)
{
	const struct http_app *app = app_of(exchange);
	struct http_resp      *resp = &exchange->resp;

	exchange->verdict = HTTP_DONE;
	http_resp_clear(resp);
	/* A stream that has begun has no status to change: it ends. */
	if (exchange->work.wait.begun)
		return;
	exchange->work.wait.stream = false;
	http_resp_status(resp, status);
	app->refuse(app->ctx, &exchange->req, status, reason, resp);
	if (is_busy(status))
		http_resp_field(resp, "Retry-After", STR("1"));
	if (http_resp_is_good(resp))
		return;
	http_resp_clear(resp);
	http_resp_status(resp, status);
}

/* That the server is busy is no fault of the peer. */
void
http_serve_refuse(struct http_exchange *exchange, unsigned status, const char *reason)
{
	struct http_counters *counters = &thread_of(exchange)->counters;

	if (!is_busy(status))
		http_count(status == 408 ? &counters->timeouts : &counters->protocol_errors, 1);
	put_error(exchange, status, reason);
}

static enum http_next
refuse(struct http_exchange *exchange, unsigned status, const char *reason)
{
	http_serve_refuse(exchange, status, reason);
	return HTTP_NEXT_SEND;
}

enum http_next
http_serve_cut(struct http_exchange *exchange, unsigned status, const char *reason)
{
	if (!exchange->line)
		return refuse(exchange, status, reason);
	exchange->req.body_err = status == 413 ? ERR_TOO_LARGE : status == 408 ? ERR_BUSY : ERR_BAD_REQUEST;
	if (status == 408)
		http_count(&thread_of(exchange)->counters.timeouts, 1);
	return HTTP_NEXT_ANSWER;
}

static enum http_step
refuse_body(struct http_exchange *exchange, unsigned status, const char *reason)
{
	return http_serve_cut(exchange, status, reason) == HTTP_NEXT_SEND ? HTTP_REFUSED : HTTP_WHOLE;
}

/* ---- plan -------------------------------------------------------------------------------------------------- */

void
http_serve_head(struct http_exchange *exchange, struct str bytes)
{
	struct http_req        *req = &exchange->req;
	const struct http_peer *peer = req->pending->peer;

	http_exchange_take_head(exchange, bytes);
	req->tls = peer->tls;
	req->peer = str_from_c(peer->address);
	req->network = str_of(peer->key.b, sizeof(peer->key.b));
	req->body_announced = exchange->head.content_length;
}

static void
begin_body(struct http_exchange *exchange)
{
	struct http_body *body = &exchange->body;

	int64_t now_ms = thread_of(exchange)->now_ms;

	*body = (struct http_body){ .bytes = body->bytes, .from_ms = now_ms, .last_ms = now_ms };
	body->bytes.limit = exchange->plan.body_max;
	body->left = exchange->head.content_length > 0 ? exchange->head.content_length : HTTP_BODY_FRAMED;
}

enum http_next
http_serve_plan(struct http_exchange *exchange, bool more)
{
	const struct http_app *app = app_of(exchange);
	struct http_plan      *plan = &exchange->plan;
	uint64_t               announced = exchange->head.content_length;

	app->plan(app->ctx, &exchange->req, plan);
	if (!more)
		return HTTP_NEXT_ANSWER;
	if (plan->body_max == 0 && (exchange->head.chunked || announced > 0))
		return refuse(exchange, 400, "a body is not accepted here");
	if (plan->early) {
		/* The caller may be known by then: what was not read must not look like an empty body. */
		exchange->req.body_err = ERR_BUSY;
		return HTTP_NEXT_ANSWER;
	}
	begin_body(exchange);
	exchange->req.streamed = plan->stream;
	if (plan->stream && !http_held_set(exchange, exchange->held + 2 * HTTP_BODY_PIECE, HTTP_SHARE_WHOLE))
		return refuse(exchange, 503, http_held_too_much);
	if (plan->stream)
		return HTTP_NEXT_STREAM;
	if (announced > plan->body_max)
		return refuse(exchange, 413, "the body is too large");
	return HTTP_NEXT_BODY;
}

/* ---- body -------------------------------------------------------------------------------------------------- */

/*
 * Bytes that have arrived extend it, but the next ones of a streamed body must come within idle_ms.  A caller that is
 * not known gets no extra time: the body belongs to the head.
 */
int64_t
http_serve_body_deadline(const struct http_exchange *exchange)
{
	const struct http_limits *limits = &thread_of(exchange)->shared->limits;
	const struct http_body   *body = &exchange->body;

	int64_t at_ms = body->from_ms + limits->body_ms + (int64_t)(body->arrived / 1024) * 1000;

	if (exchange->plan.unknown)
		return body->from_ms + limits->head_ms;
	return exchange->req.streamed && at_ms > body->last_ms + limits->idle_ms ? body->last_ms + limits->idle_ms
	                                                                         : at_ms;
}

static enum http_step
take_counted(struct http_exchange *exchange, struct str *rest)
{
	struct http_body *body = &exchange->body;
	struct str        part = str_first(*rest, body->left);

	if (part.len > 0 && exchange->plan.body_max == 0)
		return refuse_body(exchange, 400, "a body is not accepted here");
	if (part.len > body->bytes.limit - body->bytes.len)
		return refuse_body(exchange, 413, "the body is too large");
	buf_put(&body->bytes, part);
	MUST(buf_err(&body->bytes) == OK);
	*rest = str_skip(*rest, part.len);
	body->left -= part.len;
	return body->left ? HTTP_MORE : HTTP_WHOLE;
}

enum http_step
http_serve_body(struct http_exchange *exchange, struct str *rest, size_t base)
{
	struct http_body *body = &exchange->body;
	size_t            before = rest->len;
	enum http_step    step;

	if (!exchange->head.chunked)
		step = take_counted(exchange, rest);
	else if ((step = http_chunked_feed(&body->chunked, rest, &body->bytes)) == HTTP_REFUSED)
		step = refuse_body(exchange, body->chunked.status, body->chunked.reason);
	body->arrived += before - rest->len;
	body->last_ms = thread_of(exchange)->now_ms;
	if (exchange->req.streamed) {
		exchange->req.body_over = step == HTTP_WHOLE && exchange->req.body_err == OK;
		return body->bytes.len >= HTTP_BODY_PIECE ? HTTP_WHOLE : step;
	}
	if (step != HTTP_REFUSED && !http_held_set(exchange, base + body->bytes.size, http_held_share(&exchange->plan)))
		return refuse_body(exchange, 503, http_held_too_much);
	return step;
}

enum http_next
http_serve_more(struct http_exchange *exchange)
{
	struct http_body *body = &exchange->body;
	int64_t           now_ms = thread_of(exchange)->now_ms;

	MUST(exchange->req.streamed && !exchange->req.body_over && exchange->req.body_err == OK);
	body->bytes.limit -= body->bytes.len;
	buf_cut(&body->bytes, 0);
	body->from_ms += now_ms - body->given_ms;
	body->last_ms = now_ms;
	if (exchange->head.content_length > exchange->plan.body_max)
		return http_serve_cut(exchange, 413, "the body is too large");
	return http_exchange_is_left(exchange) ? HTTP_NEXT_ANSWER : HTTP_NEXT_BODY;
}

/* ---- answer ------------------------------------------------------------------------------------------------ */

enum http_next
http_serve_after(struct http_exchange *exchange)
{
	const struct http_wait *wait = &exchange->work.wait;

	if (exchange->verdict == HTTP_DONE)
		return HTTP_NEXT_SEND;
	switch (http_waiting_admit(&thread_of(exchange)->shared->waiting, exchange)) {
	case HTTP_ADMITTED:
		return wait->stream && (!wait->begun || exchange->resp.body.len > 0) ? HTTP_NEXT_SEND : HTTP_NEXT_PARK;
	case HTTP_THROTTLED:
		return refuse(exchange, 429, "too many answers of this caller wait for a change");
	case HTTP_FULL:
		break;
	}
	return refuse(exchange, 503, "too many answers wait for a change");
}

void
http_serve_park(struct http_exchange *exchange, size_t base)
{
	struct http_thread *thread = thread_of(exchange);
	struct http_wait   *wait = &exchange->work.wait;

	http_resp_clear(&exchange->resp);
	buf_close(&exchange->resp.fields);
	buf_close(&exchange->resp.body);
	http_exchange_rest(exchange);
	http_req_release(&exchange->req, exchange->promised);
	MUST(http_held_set(exchange, base, HTTP_SHARE_OWED));
	wait->begun = wait->stream;
	http_waits_put(&thread->waits, exchange, thread->draining || wait->until_ms <= thread->now_ms);
}

void
http_serve_resume(struct http_exchange *exchange)
{
	exchange->work.wait.over = thread_of(exchange)->draining;
	exchange->req.may_block = false;
}

enum http_next
http_serve_answer(struct http_exchange **owner)
{
	struct http_exchange   *exchange = *owner;
	const struct http_app  *app = app_of(exchange);
	const struct http_plan *plan = &exchange->plan;

	exchange->body.given_ms = thread_of(exchange)->now_ms;
	exchange->req.body = exchange->body.bytes.len > 0 ? buf_str(&exchange->body.bytes) : STR_EMPTY;
	exchange->verdict = HTTP_BLOCKS;
	if (!plan->blocks && !plan->stream)
		exchange->verdict = app->answer(app->ctx, &exchange->req, &exchange->resp);
	if (exchange->verdict != HTTP_BLOCKS)
		return http_serve_after(exchange);
	http_resp_clear(&exchange->resp);
	switch (http_shared_put(thread_of(exchange)->shared, owner)) {
	case HTTP_ADMITTED:
		return HTTP_NEXT_WAIT;
	case HTTP_THROTTLED:
		return refuse(exchange, 429, "too many requests of this caller are under way");
	case HTTP_FULL:
		break;
	}
	return refuse(exchange, 503, "too many requests wait for a worker");
}

static void
count_answer(struct http_exchange *exchange, size_t base)
{
	struct http_resp *resp = &exchange->resp;
	size_t            promised = exchange->promised + HTTP_HELD_SMALL, len = resp->fields.len + resp->body.len;
	enum http_share   share = len <= promised ? HTTP_SHARE_OWED : HTTP_SHARE_WHOLE;

	if (len <= HTTP_HELD_SMALL && exchange->held == base && exchange->promised == 0 &&
	    arena_used(exchange->arena) <= HTTP_KEEP_MAX && http_resp_is_good(resp))
		return;
	http_req_release(&exchange->req, exchange->promised);
	if (!http_resp_is_good(resp))
		put_error(exchange, 500, "the response is too large or malformed");
	else if (http_held_set(exchange, base + (len > HTTP_HELD_SMALL ? len : 0), share))
		base = exchange->held;
	else
		put_error(exchange, 503, http_held_too_much);
	MUST(http_held_set(exchange, base, HTTP_SHARE_OWED));
	http_exchange_rest(exchange);
}

void
http_serve_ready(struct http_exchange *exchange, size_t base)
{
	count_answer(exchange, base);
	if (exchange->work.wait.begun)
		return;
	http_count(&thread_of(exchange)->counters.by_class[exchange->resp.status / 100], 1);
}
