/* SPDX-License-Identifier: Apache-2.0 */
/* app — what the server calls, and how the graph module is opened (graph.h). */
#include <stdlib.h>

#include "auth/user_cache.h"
#include "graph/answer.h"
#include "graph/calls.h"
#include "graph/commit.h"
#include "graph/headers.h"
#include "graph/run.h"
#include "graph/table.h"
#include "graph/unpack.h"

/* So many reads of batches run at one time: each keeps a page in memory while it is made. */
#define BATCH_READS_MAX 8

static enum http_verdict
graph_answer(void *ctx, const struct http_req *req, struct http_resp *resp)
{
	struct call *call = call_open(ctx, req, resp);

	if (graph_is_login(req)) {
		graph_login(call);
		audit_call(call, NULL);
		return HTTP_DONE;
	}
	if (run_call(call, graph_batch))
		return HTTP_DONE;
	http_resp_clear(resp);
	return HTTP_BLOCKS;
}

static bool
is_known(const struct graph *graph, const struct http_req *req)
{
	struct caller caller;
	const char   *why;

	return auth_check(graph->parts.gate, http_req_field(req, "Authorization"), req->arena, &caller, &why) == OK;
}

static void
graph_plan(void *ctx, const struct http_req *req, struct http_plan *plan_out)
{
	const struct graph *graph = ctx;
	bool                writes = req->method != HTTP_GET && req->method != HTTP_HEAD && req->method != HTTP_OPTIONS;
	struct route        route;

	*plan_out = (struct http_plan){ .body_max = writes ? GRAPH_BODY_MAX : 0, .blocks = writes };
	if (!writes)
		return;
	/* A client of the token endpoints has no bearer token yet. */
	plan_out->unknown = graph_is_login(req);
	if (plan_out->unknown) {
		plan_out->body_max = SMALL_BODY_MAX;
		return;
	}
	/* Unauthenticated clients may not send a body and get no `100 Continue`. */
	plan_out->early = !is_known(graph, req) || route_parse(req->path, req->arena, &route) != OK ||
	                  !table_has(&route, req->method) || (route.kind == ROUTE_CONTENT && unpack_is_asked(req));
	if (plan_out->early)
		return;
	/* A packed body takes time to unpack, and the writes of a group wait for each other. */
	plan_out->grouped = commit_takes(&route, req->method) && !unpack_is_asked(req);
	if (route.kind == ROUTE_PERMANENT_DELETE || req->method == HTTP_DELETE)
		plan_out->body_max = SMALL_BODY_MAX;
	plan_out->stream = route.kind == ROUTE_CONTENT;
	if (plan_out->stream)
		plan_out->body_max = graph->parts.content_max;
}

/* Answers an error that the server chose before there was a whole request. */
static void
graph_refuse(void *ctx, const struct http_req *req, unsigned status, const char *reason, struct http_resp *resp)
{
	struct call *call = call_open(ctx, req, resp);

	call->by_server = true;
	if (graph_is_login(req)) {
		graph_login_refuse(call, status, reason);
		return;
	}
	headers_put_common(call);
	call->detail = str_from_c(reason);
	answer_error(call, status == 413   ? GRAPH_TOO_LARGE
	                   : status == 505 ? GRAPH_HTTP_VERSION
	                   : status >= 500 ? GRAPH_BUSY
	                                   : GRAPH_BAD_URL);
	http_resp_status(resp, status);
}

enum err
graph_open(const struct graph_parts *parts, struct graph **graph_out)
{
	struct graph *graph = calloc(1, sizeof(*graph));

	MUST(graph && parts->store && parts->gate && parts->clock && parts->entropy);
	graph->parts = *parts;
	graph->users = user_cache_open(parts->store);
	MUST(sem_init(&graph->batch_reads, 0, BATCH_READS_MAX) == 0);
	*graph_out = graph;
	return OK;
}

void
graph_close(struct graph **graph)
{
	if (!*graph)
		return;
	user_cache_close(&(*graph)->users);
	(void)sem_destroy(&(*graph)->batch_reads);
	free(*graph);
	*graph = NULL;
}

struct http_app
graph_app(struct graph *graph)
{
	return (struct http_app){ .ctx = graph,
		                  .plan = graph_plan,
		                  .answer = graph_answer,
		                  .refuse = graph_refuse,
		                  .group_open = commit_open,
		                  .group_commit = commit_finish,
		                  .group_close = commit_close };
}
