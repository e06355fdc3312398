/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/waiting.h"

#include "graph/steps.h"
#include "text/json_write.h"

/* Proxies end a connection that is silent for a minute, often for half of one. */
#define HEARTBEAT_MS 15000
#define ASK_AGAIN_MS 1000

static int64_t
now_ms(const struct call *call)
{
	return clock_mono_ms(call->graph->parts.clock);
}

/* Of a link its token, which holds no '='; a token itself stays. */
static struct str
token_of(struct str link)
{
	while (str_find(link, '=') < link.len)
		link = str_skip(link, str_find(link, '=') + 1);
	return link;
}

void
waiting_begin(struct call *call)
{
	struct http_wait *wait = &call->req->work->wait;

	if (!call->may_wait)
		return;
	wait->topic = store_feed_topic(&call->feed);
	wait->moment = http_topic_moment(call->req, wait->topic);
	if (call->accept.events)
		call->resume = token_of(wait->kept.len ? buf_str(&wait->kept)
		                                       : http_req_field(call->req, "Last-Event-ID"));
}

/* Until then at most; a token that has expired cannot wait, though its skew lets it poll. */
static enum err
wait_until(struct call *call, int64_t until_ms)
{
	struct http_wait *wait = &call->req->work->wait;

	if (now_ms(call) >= call->caller.until_ms)
		return call_refuse(call, GRAPH_BAD_BEARER, STR("Lifetime validation failed, the token is expired."));
	wait->until_ms = until_ms < call->caller.until_ms ? until_ms : call->caller.until_ms;
	return OK;
}

enum err
waiting_freshen(struct call *call)
{
	struct http_wait   *wait = &call->req->work->wait;
	const struct graph *graph = call->graph;
	int64_t             now = now_ms(call), age_ms;

	if (call->query.max_age_s == 0 || !call->route.served || !call->may_wait)
		return OK;
	age_ms = clock_wall_ms(graph->parts.clock) - call->followed.round_ended_ms;
	if (age_ms <= (int64_t)call->query.max_age_s * 1000) {
		headers_preference_applied(
			call, arena_printf(call->arena, "tidemark.max-age=%u", (unsigned)call->query.max_age_s));
		return OK;
	}
	/* A stream that has begun, and an answer that is held, have asked before. */
	if (wait->begun || wait->end_ms != 0)
		return OK;
	if (wait->fresh_ms == 0)
		wait->fresh_ms = now + QUERY_WAIT_MAX_S * 1000;
	if (wait->over || now >= wait->fresh_ms || !graph->rounds ||
	    !graph->rounds->want(graph->rounds->ctx, call->route.scope))
		return OK;
	/* Asked again now and then: the scopes may have been busy, or the round may have failed. */
	TRY(wait_until(call, now + ASK_AGAIN_MS < wait->fresh_ms ? now + ASK_AGAIN_MS : wait->fresh_ms));
	return call_pause(call, HTTP_WAITS);
}

static enum err
hold(struct call *call)
{
	struct http_wait *wait = &call->req->work->wait;

	if (wait->end_ms == 0)
		wait->end_ms = now_ms(call) + (int64_t)call->query.wait_s * 1000;
	if (wait->over || now_ms(call) >= wait->end_ms)
		return OK;
	TRY(wait_until(call, wait->end_ms));
	return call_pause(call, HTTP_WAITS);
}

/* A line ends an event's data.  In JSON one stands only where a blank may. */
static struct str
without_line_ends(struct str page)
{
	char *at = (char *)(uintptr_t)page.at;

	for (size_t i = 0; i < page.len; i++)
		if (at[i] == '\n' || at[i] == '\r')
			at[i] = ' ';
	return page;
}

/* An id without data tells the client only from where to resume. */
static void
put_event(struct call *call, struct str link, bool with_page)
{
	struct http_wait *wait = &call->req->work->wait;
	struct buf       *body = http_resp_body(call->resp);
	struct str        page;

	if (with_page && call->accept.level == METADATA_NONE)
		headers_strip_body(call);
	page = without_line_ends(arena_copy(call->arena, buf_str(body)));
	buf_cut(body, 0);
	buf_printf(body, "id: %.*s\n", STR_ARG(link));
	if (with_page) {
		buf_put(body, STR("data: "));
		buf_put(body, page);
		buf_put_char(body, '\n');
	}
	buf_put_char(body, '\n');
	buf_close(&wait->kept);
	buf_open(&wait->kept, TOKEN_TEXT_MAX);
	buf_put(&wait->kept, token_of(link));
}

static enum err
put_stream(struct call *call, const struct cursor *from, const struct cursor *rest, struct str link, bool news)
{
	struct http_wait *wait = &call->req->work->wait;
	struct buf       *body = http_resp_body(call->resp);
	int64_t           until_ms = now_ms(call) + HEARTBEAT_MS;

	TRY(buf_err(body));
	/* A round that began earlier ends below the head: the next one has changes already. */
	if (!cursor_is_complete(rest) || rest->span.after < rest->seen)
		until_ms = 0;
	if (news || rest->span.after != from->span.after) {
		put_event(call, link, news);
	} else {
		buf_cut(body, 0);
		if (now_ms(call) >= wait->until_ms)
			buf_put(body, STR(": waiting\n\n"));
		else
			until_ms = wait->until_ms;
	}
	call->is_private = false;
	wait->stream = true;
	TRY(wait_until(call, until_ms));
	if (!wait->over)
		call->verdict = HTTP_WAITS;
	return OK;
}

enum err
waiting_end(struct call *call, const struct reader *reader, const struct cursor *rest, struct str link, uint32_t count)
{
	bool complete = reader->has_token && cursor_is_complete(&reader->cursor);
	bool news = count > 0 || !complete || !cursor_is_complete(rest);

	if (call->accept.events)
		return put_stream(call, &reader->cursor, rest, link, news);
	if (call->query.wait_s == 0 || !call->may_wait || !complete)
		return OK;
	headers_preference_applied(call, STR("wait"));
	return news ? OK : hold(call);
}

void
waiting_put_error(struct call *call)
{
	struct buf *body = http_resp_body(call->resp);
	struct str  error = arena_copy(call->arena, buf_str(body));
	struct str  location = http_resp_get_field(call->resp, "Location");

	buf_cut(body, 0);
	buf_printf(body, "event: end\ndata: {\"status\":%u,", http_resp_get_status(call->resp));
	if (location.len) {
		buf_put(body, STR("\"location\":"));
		json_quote(body, location);
		buf_put_char(body, ',');
	}
	buf_put(body, str_skip(error, 1));
	buf_put(body, STR("\n\n"));
}
