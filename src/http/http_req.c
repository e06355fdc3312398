/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_exchange.h"

#include <stdlib.h>

struct http_exchange *
http_exchange_open(const struct http_limits *limits)
{
	struct http_exchange *exchange = handle_new(sizeof(*exchange));

	exchange->head.limits = (struct http_head_limits){ limits->head_max, limits->target_max, limits->fields_max };
	exchange->head.fields = calloc(limits->fields_max, sizeof(*exchange->head.fields));
	exchange->fields = calloc(limits->fields_max, sizeof(*exchange->fields));
	MUST(exchange->head.fields != NULL && exchange->fields != NULL);
	exchange->arena = arena_open(limits->response_max + HTTP_ARENA_EXTRA);
	buf_open(&exchange->resp.fields, HTTP_RESP_FIELDS_MAX);
	buf_open(&exchange->resp.body, limits->response_max);
	http_exchange_reset(exchange);
	return exchange;
}

static void
rest_buf(struct buf *buf)
{
	buf_cut(buf, 0);
	if (buf->size > HTTP_KEEP_MAX)
		buf_close(buf);
}

void
http_exchange_reset(struct http_exchange *exchange)
{
	http_resp_clear(&exchange->resp);
	arena_reset(exchange->arena);
	http_head_reset(&exchange->head);
	exchange->req = (struct http_req){
		.exchange = exchange,
		.work = &exchange->work,
		.method_text = STR_EMPTY,
		.path = STR_EMPTY,
		.query = STR_EMPTY,
		.authority = STR_EMPTY,
		.peer = STR_EMPTY,
		.network = STR_EMPTY,
		.body = STR_EMPTY,
		.fields = exchange->fields,
		.arena = exchange->arena,
		.method = HTTP_OTHER,
	};
	exchange->plan = (struct http_plan){ 0 };
	MUST(!exchange->line);
	buf_close(&exchange->work.wait.kept);
	exchange->work = (struct http_work){ 0 };
	exchange->verdict = HTTP_DONE;
	rest_buf(&exchange->body.bytes);
	rest_buf(&exchange->resp.fields);
	rest_buf(&exchange->resp.body);
	exchange->resp.status = 200;
	exchange->resp.broken = false;
	exchange->front_len = 0;
	exchange->bodiless = false;
}

void
http_exchange_close(struct http_exchange **exchange)
{
	if (!*exchange)
		return;
	http_resp_clear(&(*exchange)->resp);
	arena_close(&(*exchange)->arena);
	buf_close(&(*exchange)->body.bytes);
	buf_close(&(*exchange)->resp.fields);
	buf_close(&(*exchange)->resp.body);
	buf_close(&(*exchange)->work.wait.kept);
	free((*exchange)->head.fields);
	free((*exchange)->fields);
	free(*exchange);
	*exchange = NULL;
}

static struct str
view(const char *bytes, struct http_piece piece)
{
	return piece.len ? str_of(bytes + piece.at, piece.len) : STR_EMPTY;
}

void
http_exchange_take_head(struct http_exchange *exchange, struct str bytes)
{
	const struct http_head *head = &exchange->head;
	struct http_req        *req = &exchange->req;
	const char             *copy;

	exchange->head_bytes = arena_copy(exchange->arena, str_first(bytes, head->at));
	copy = exchange->head_bytes.at;
	req->method = head->method;
	req->method_text = view(copy, head->method_text);
	req->path = view(copy, head->path);
	if (req->path.len == 0 && head->target_authority.len)
		req->path = STR("/");
	req->query = view(copy, head->query);
	req->authority = view(copy, head->authority);
	req->field_count = head->field_count;
	for (size_t i = 0; i < head->field_count; i++) {
		exchange->fields[i].name = view(copy, head->fields[i].name);
		exchange->fields[i].value = view(copy, head->fields[i].value);
	}
}

void
http_exchange_rest(struct http_exchange *exchange)
{
	AUTO(buf_close) struct buf head = { .limit = SIZE_MAX };

	if (exchange->verdict == HTTP_WAITS)
		buf_put(&head, exchange->head_bytes);
	rest_buf(&exchange->body.bytes);
	arena_reset(exchange->arena);
	if (head.len > 0)
		http_exchange_take_head(exchange, buf_str(&head));
}

bool
http_exchange_is_left(const struct http_exchange *exchange)
{
	return atomic_load(&exchange->req.pending->left);
}

bool
http_req_is_abandoned(const struct http_req *req)
{
	return req->pending && atomic_load(&req->pending->left);
}

bool
http_req_field_at(const struct http_req *req, const char *name, size_t n, struct str *value_out)
{
	struct str wanted = str_from_c(name);

	for (size_t i = 0; i < req->field_count; i++) {
		if (req->fields[i].name.len != wanted.len || !str_eq_nocase(req->fields[i].name, wanted))
			continue;
		if (n-- == 0) {
			*value_out = req->fields[i].value;
			return true;
		}
	}
	return false;
}

struct str
http_req_field(const struct http_req *req, const char *name)
{
	struct str value = { NULL, 0 };

	(void)http_req_field_at(req, name, 0, &value);
	return value;
}
