/* SPDX-License-Identifier: Apache-2.0 */
/* app — what the server calls, and how the graph module is opened (graph.h). */
#include <stdlib.h>

#include "auth/user_cache.h"
#include "base/bytes.h"
#include "graph/calls.h"
#include "graph/commit.h"
#include "graph/steps.h"

#define SERVED_ARENA_MAX ((size_t)16 << 20)

/* Who asks, for the limits: a user or a program, whatever connections and tokens it has. */
static uint64_t
caller_number(const struct caller *caller)
{
	uint64_t hash = bytes_hash(BYTES_HASH_START, guid_bytes(&caller->tenant));

	return bytes_hash(hash, guid_bytes(&caller->oid));
}

static uint64_t
rights_generation(void *ctx)
{
	return auth_generation(((const struct graph *)ctx)->parts.gate);
}

static enum http_verdict
graph_answer(void *ctx, const struct http_req *req, struct http_resp *resp)
{
	struct call      *call = req->work->state ? req->work->state : call_open(ctx, req, resp);
	enum http_verdict verdict;

	req->work->wait.generation = rights_generation(ctx);
	if (graph_is_login(req)) {
		graph_login(call);
		audit_call(call, NULL);
		return HTTP_DONE;
	}
	verdict = run_call(call, graph_batch);
	if (verdict == HTTP_BLOCKS || verdict == HTTP_WAITS)
		req->work->caller = caller_number(&call->caller);
	if (verdict == HTTP_BLOCKS) {
		http_resp_clear(resp);
	} else if (verdict != HTTP_DONE && verdict != HTTP_WAITS) {
		req->work->state = call;
	}
	return verdict;
}

static bool
is_known(const struct graph *graph, const struct http_req *req)
{
	struct caller caller;
	const char   *why;

	if (auth_check(graph->parts.gate, http_req_field(req, "Authorization"), req->arena, &caller, &why) != OK)
		return false;
	req->work->caller = caller_number(&caller);
	return true;
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
	plan_out->early = !is_known(graph, req) || route_parse(req->path, &graph->served, req->arena, &route) != OK ||
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
	                   : status == 429 ? GRAPH_THROTTLED
	                   : status == 505 ? GRAPH_HTTP_VERSION
	                   : status >= 500 ? GRAPH_BUSY
	                                   : GRAPH_BAD_URL);
	http_resp_status(resp, status);
}

enum err
graph_open(const struct graph_parts *parts, struct graph **graph_out)
{
	struct graph *graph = handle_new(sizeof(*graph));

	MUST(parts->store && parts->gate && parts->clock && parts->entropy);
	graph->parts = *parts;
	graph_set_urls(graph, &graph->parts.public_url, graph->parts.public_url.len > 0);
	graph->users = user_cache_open(parts->store);
	graph->arena = arena_open(SERVED_ARENA_MAX);
	graph->served = served_read(parts, graph->arena);
	*graph_out = graph;
	return parts->served_count > 0 ? directory_tenant(parts->store, graph->arena, &graph->tenant) : OK;
}

void
graph_close(struct graph **graph)
{
	if (!*graph)
		return;
	user_cache_close(&(*graph)->users);
	arena_close(&(*graph)->arena);
	free(*graph);
	*graph = NULL;
}

bool
graph_served_clash(const struct graph_served *served, size_t count, struct arena *arena, size_t pair_out[2])
{
	struct graph_parts parts = { .served = served, .served_count = count };
	struct served_all  all = served_read(&parts, arena);

	for (size_t a = 0; a < count; a++)
		for (size_t b = 0; b < a; b++)
			if (served_clash(&all.at[a], &all.at[b])) {
				pair_out[0] = b;
				pair_out[1] = a;
				return true;
			}
	return false;
}

static enum err
feed_of_anybody(struct store *store, uint8_t collection, struct store_feed *feed_out)
{
	struct store_feed after = { .collection = 0 };
	struct feed_state state;

	do {
		TRY(store_next_feed(store, &after, feed_out, &state));
		after = *feed_out;
	} while (feed_out->collection != collection);
	return OK;
}

enum err
graph_native_feed(struct store *store, const struct guid *tenant, struct str path, struct arena *arena,
                  struct store_feed *feed_out)
{
	struct route route;
	struct user  user;

	if (path.len == 0 || route_parse(path, NULL, arena, &route) != OK || !route.resource ||
	    route.resource->number == 0 || route.user.len == 0)
		return ERR_NOT_FOUND;
	if (str_find(route.user, '{') < route.user.len)
		return feed_of_anybody(store, route.resource->number, feed_out);
	if (!access_parse_user(route.user, tenant, &user.id))
		TRY(directory_find_user(store, tenant, route.user, arena, &user));
	*feed_out = (struct store_feed){ *tenant, user.id, route.resource->number };
	return OK;
}

void
graph_set_urls(struct graph *graph, const struct str *urls, size_t count)
{
	graph->urls = urls;
	graph->url_count = count;
}

void
graph_set_rounds(struct graph *graph, const struct graph_rounds *rounds)
{
	graph->rounds = rounds;
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
		                  .group_close = commit_close,
		                  .generation = rights_generation };
}
