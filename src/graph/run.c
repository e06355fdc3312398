/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/steps.h"

#include "graph/commit.h"
#include "graph/waiting.h"

static bool
is_content(const struct route *route)
{
	return route->kind == ROUTE_CONTENT || route->kind == ROUTE_FOLLOWED_CONTENT;
}

static enum media_type
media_of(const struct route *route)
{
	if (route->kind == ROUTE_METADATA)
		return MEDIA_XML;
	/* A number is text, whatever type a client asks for out of habit. */
	return is_content(route) || route->count ? MEDIA_ANY : MEDIA_JSON;
}

/* A batch holds no batch, and no content, which is too large for it. */
static enum err
check_inner(struct call *call)
{
	if (call->route.kind != ROUTE_BATCH && !is_content(&call->route))
		return OK;
	return call_refuse(call, GRAPH_BATCH, STR("This cannot be asked for in a batch; send it by itself."));
}

static enum err
answer_options(struct call *call)
{
	headers_answer_options(call, table_methods(&call->route, call->arena));
	return OK;
}

static enum err
prepare(struct call *call, call_fn *batch)
{
	call_fn *act;
	bool     open;

	call->may_wait = batch && call->req->method == HTTP_GET && call->req->pending;
	TRY(route_parse(call->req->path, &call->graph->served, call->arena, &call->route));
	if (call->req->method == HTTP_OPTIONS) {
		call->act = answer_options;
		return OK;
	}
	if (call->req->authority.len == 0 && call->graph->parts.public_url.len == 0)
		return call_refuse(call, GRAPH_BAD_URL, STR("A Host field is needed: links are made from it."));
	call->base_url = call_base_url(call);
	open = call->route.kind == ROUTE_METADATA || call->route.kind == ROUTE_SERVICE;
	if (!open)
		TRY(access_identify(call));
	TRY(table_find(call, &act));
	if (!batch)
		TRY(check_inner(call));
	if (access_row(call))
		TRY(access_authorise(call));
	TRY(query_read(call));
	if (call->route.served)
		TRY(served_check(call));
	TRY(accept_read(call, media_of(&call->route)));
	/* Not read, because the store could not say then who the caller is: no empty body. */
	if (call->req->body_err != OK && call->route.kind != ROUTE_CONTENT)
		return call->req->body_err;
	if (unpack_may_be_due(call))
		TRY(unpack_body(call, !batch));
	call->act = act ? act : batch;
	return OK;
}

static enum err
walk(struct call *call, call_fn *batch)
{
	call->verdict = HTTP_DONE;
	if (!call->act)
		TRY(prepare(call, batch));
	TRY(call->act(call));
	return buf_err(http_resp_body(call->resp));
}

enum http_verdict
run_call(struct call *call, call_fn *batch)
{
	enum err err = walk(call, batch);

	if (call->verdict != HTTP_DONE && err != OK)
		return call->verdict;
	headers_put_common(call);
	if (err != OK)
		answer_failure(call, err);
	else
		headers_finish(call);
	if (err != OK && batch && call->req->work->wait.begun)
		waiting_put_error(call);
	if (batch)
		headers_pack(call);
	if (!commit_defer(call))
		audit_call(call, NULL);
	return call->verdict;
}
