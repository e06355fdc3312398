/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/run.h"

#include "graph/access.h"
#include "graph/answer.h"
#include "graph/commit.h"
#include "graph/headers.h"
#include "graph/table.h"
#include "graph/unpack.h"

static enum media_type
media_of(const struct route *route)
{
	if (route->kind == ROUTE_METADATA)
		return MEDIA_XML;
	/* A number is text, whatever type a client asks for out of habit. */
	return route->kind == ROUTE_CONTENT || route->count ? MEDIA_ANY : MEDIA_JSON;
}

/* A batch holds no batch, and no content, which is too large for it. */
static enum err
check_inner(struct call *call)
{
	if (call->route.kind != ROUTE_BATCH && call->route.kind != ROUTE_CONTENT)
		return OK;
	return call_refuse(call, GRAPH_BATCH, STR("This cannot be asked for in a batch; send it by itself."));
}

static enum err
walk(struct call *call, call_fn *batch)
{
	call_fn *act;
	bool     open;

	TRY(route_parse(call->req->path, call->arena, &call->route));
	if (call->req->method == HTTP_OPTIONS) {
		headers_answer_options(call, table_methods(&call->route, call->arena));
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
	if (access_right(call) != RIGHT_COUNT)
		TRY(access_authorise(call));
	TRY(query_read(call));
	TRY(accept_read(call, media_of(&call->route)));
	if (unpack_may_be_due(call))
		TRY(unpack_body(call, !batch));
	TRY(act ? act(call) : batch(call));
	return buf_err(http_resp_body(call->resp));
}

bool
run_call(struct call *call, call_fn *batch)
{
	enum err err = walk(call, batch);

	if (call->must_block && err != OK)
		return false;
	headers_put_common(call);
	if (err != OK)
		answer_failure(call, err);
	else
		headers_finish(call);
	if (batch)
		headers_pack(call);
	if (!commit_defer(call))
		audit_call(call, NULL);
	return true;
}
