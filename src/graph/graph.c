/* SPDX-License-Identifier: Apache-2.0 */
/* face — from a request to an answer: the table of calls, and the order of the steps. */
#include "graph/graph.h"

#include <stdlib.h>

#include "auth/user_cache.h"
#include "auth/policy.h"
#include "graph/call.h"
#include "graph/commit.h"
#include "graph/headers.h"
#include "graph/page.h"
#include "resource/resource.h"
#include "text/uri.h"

#define BODY_MAX ((size_t)1 << 20)
/* An answer with so much in it is always sent. */
#define HOLD_FREE ((size_t)2 << 10)
/* A page of each is in memory while it is made. */
#define BATCH_READS_MAX 8

/* ---- the table: what there is, who may, who does it ------------------------------------------------ */

struct row {
	enum route_kind  kind;
	enum http_method method;
	enum err (*act)(struct call *call);
};

static const struct row rows[] = {
	{ ROUTE_DELTA, HTTP_GET, graph_delta },
	{ ROUTE_COLLECTION, HTTP_GET, graph_list },
	{ ROUTE_COLLECTION, HTTP_POST, graph_create_item },
	{ ROUTE_ITEM, HTTP_GET, graph_get_item },
	{ ROUTE_ITEM, HTTP_PATCH, graph_update_item },
	{ ROUTE_ITEM, HTTP_DELETE, graph_remove_item },
	{ ROUTE_DEFAULT_ITEM, HTTP_GET, graph_get_default },
	{ ROUTE_DEFAULT_ITEM, HTTP_PATCH, graph_update_item },
	{ ROUTE_DEFAULT_ITEM, HTTP_DELETE, graph_remove_item },
	{ ROUTE_PERMANENT_DELETE, HTTP_POST, graph_remove_item },
	{ ROUTE_GROUPS, HTTP_GET, graph_list_groups },
	{ ROUTE_GROUP, HTTP_GET, graph_get_group },
	{ ROUTE_GROUP_CALENDARS, HTTP_GET, graph_list },
	{ ROUTE_ALL_RECORDINGS, HTTP_GET, graph_all_recordings },
	{ ROUTE_ALL_RECORDINGS_DELTA, HTTP_GET, graph_all_recordings_delta },
	{ ROUTE_RECORDINGS_DELTA, HTTP_GET, graph_meeting_delta },
	{ ROUTE_RECORDINGS, HTTP_GET, graph_list_recordings },
	{ ROUTE_RECORDINGS, HTTP_POST, graph_create_recording },
	{ ROUTE_RECORDING, HTTP_GET, graph_get_recording },
	{ ROUTE_CONTENT, HTTP_GET, graph_get_content },
	{ ROUTE_CONTENT, HTTP_PUT, graph_put_content },
	/* Each of its requests is authorised on its own. */
	{ ROUTE_BATCH, HTTP_POST, graph_batch },
	/* Open to everybody. */
	{ ROUTE_METADATA, HTTP_GET, graph_metadata },
	{ ROUTE_SERVICE, HTTP_GET, graph_service },
};

static const char *const method_names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "" };

static enum http_method
acting_method(enum http_method method)
{
	return method == HTTP_HEAD ? HTTP_GET : method;
}

/* Is this row's call there for that resource? */
static bool
is_offered(const struct row *row, const struct route *route)
{
	const struct resource *resource = route->resource;

	if (row->kind != route->kind)
		return false;
	return !resource || ((row->act != graph_create_item || resource->create) &&
	                     (row->act != graph_update_item || resource->update) &&
	                     (row->act != graph_remove_item || resource->remove));
}

static const struct row *
find_row(const struct route *route, enum http_method method)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (is_offered(&rows[i], route) && rows[i].method == acting_method(method))
			return &rows[i];
	return NULL;
}

static enum right
right_of(const struct call *call)
{
	return acting_method(call->req->method) == HTTP_GET ? call->route.read : call->route.write;
}

/* "GET, HEAD, POST": what the thing at this path understands. */
static struct str
allowed_methods(const struct route *route, struct arena *arena)
{
	struct str list = STR_EMPTY;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (is_offered(&rows[i], route))
			list = arena_printf(arena, "%.*s%s%s%s", STR_ARG(list), list.len ? ", " : "",
			                    method_names[rows[i].method], rows[i].method == HTTP_GET ? ", HEAD" : "");
	return list;
}

/* ---- small things every step may use --------------------------------------------------------------- */

enum err
call_refuse(struct call *call, enum graph_error error, struct str detail)
{
	call->error = error;
	call->detail = detail;
	return error_row(error)->err;
}

enum err
call_must_block(struct call *call)
{
	call->must_block = true;
	return ERR_BUSY;
}

enum err
call_hold(struct call *call, size_t bytes)
{
	return bytes <= HOLD_FREE || http_req_hold(call->req, bytes) ? OK : call_refuse(call, GRAPH_BUSY, STR_EMPTY);
}

struct str
call_base_url(const struct call *call)
{
	if (call->base_url.len)
		return call->base_url;
	if (call->graph->parts.public_url.len)
		return call->graph->parts.public_url;
	return arena_printf(call->arena, "%s://%.*s", call->req->tls ? "https" : "http", STR_ARG(call->req->authority));
}

struct str
call_version_url(const struct call *call)
{
	struct str base = call_base_url(call);

	return arena_printf(call->arena, "%.*s/%s", STR_ARG(base), call->route.beta ? "beta" : "v1.0");
}

/* ---- the steps --------------------------------------------------------------------------------------- */

static enum err
find_route(struct call *call)
{
	if (route_parse(call->req->path, call->arena, &call->route) != OK)
		return call_refuse(call, GRAPH_BAD_URL, STR_EMPTY);
	return OK;
}

enum err
call_identify(struct call *call)
{
	struct str  authorization = http_req_field(call->req, "Authorization");
	const char *why = NULL;
	enum err    err;

	if (authorization.len == 0)
		return call_refuse(call, GRAPH_NO_TOKEN, STR_EMPTY);
	err = auth_check(call->graph->parts.gate, authorization, call->arena, &call->caller, &why);
	return err == ERR_NO_IDENTITY ? call_refuse(call, GRAPH_BAD_BEARER, str_from_c(why)) : err;
}

static enum err
choose_row(struct call *call, const struct row **row_out)
{
	if (call->route.kind == ROUTE_UNKNOWN)
		return call_refuse(call, GRAPH_UNKNOWN_SEGMENT,
		                   arena_printf(call->arena, "Resource not found for the segment '%.*s'.",
		                                STR_ARG(str_cut(call->route.unknown, 128))));
	*row_out = find_row(&call->route, call->req->method);
	if (*row_out)
		return OK;
	if (call->resp)
		http_resp_field(call->resp, "Allow", allowed_methods(&call->route, call->arena));
	return call_refuse(call, GRAPH_METHOD, STR_EMPTY);
}

/* users('{oid}@{tid}'), as our own @odata.id writes it: the tenant must be the caller's. */
static bool
parse_owner(struct str text, const struct guid *tenant, struct guid *owner_out)
{
	struct guid of;

	if (text.len == 2 * GUID_TEXT_LEN + 1 && text.at[GUID_TEXT_LEN] == '@')
		return guid_parse(str_skip(text, GUID_TEXT_LEN + 1), &of) && guid_eq(&of, tenant) &&
		       guid_parse(str_first(text, GUID_TEXT_LEN), owner_out);
	return guid_parse(text, owner_out);
}

/* Whose data: judged before it is looked up, so that nobody learns who exists. */
static enum err
find_owner(struct call *call, enum right right)
{
	struct store *store = call->graph->parts.store;
	struct guid   owner = call->caller.oid;
	enum err      err;

	if (call->route.me && call->caller.is_app)
		return call_refuse(call, GRAPH_ME_NEEDS_USER, STR_EMPTY);
	if (!call->route.me && !parse_owner(call->route.user, &call->caller.tenant, &owner)) {
		err = directory_find_user(store, &call->caller.tenant, call->route.user, call->arena, &call->owner);
		if (err == OK)
			owner = call->owner.id;
		else if (err == ERR_NOT_FOUND)
			owner = (struct guid){ { 0 } };
		else
			return err;
	}
	if (caller_may(&call->caller, right, &owner) != OK)
		return call_refuse(call, GRAPH_NOT_ALLOWED, STR_EMPTY);
	err = user_cache_find_owner(call->graph->known, &call->caller.tenant, &owner, call->arena, &call->owner);
	if (err == ERR_NOT_FOUND)
		return call_refuse(call, GRAPH_UNKNOWN_USER, STR_EMPTY);
	return err;
}

/* Says which grant is missing, in the words of the cloud communications services. */
static enum err
refuse_recordings(struct call *call, enum right right)
{
	const struct right_row *row = right_row(right);
	bool                    user = !call->caller.is_app && row->delegated[0];
	const char *const      *grants = user ? row->delegated : row->application;
	struct str              list = STR_EMPTY, held = str_cut(call->caller.grants, 512);

	if (user && caller_has(&call->caller, grants[0]))
		return call_refuse(call, GRAPH_FORBIDDEN, STR("3003: User does not have access to lookup meeting."));
	for (; *grants; grants++)
		list = arena_printf(call->arena, "%.*s%s%s", STR_ARG(list), list.len ? ", " : "", *grants);
	return call_refuse(
		call, GRAPH_FORBIDDEN,
		arena_printf(call->arena,
	                     "Missing %s permissions on the request. API requires one of '%.*s'. %s on the request "
	                     "'%.*s'.",
	                     user ? "scope" : "role", STR_ARG(list), user ? "Scopes" : "Roles", STR_ARG(held)));
}

static enum err
check_policy(struct call *call)
{
	enum err err = policy_check(call->graph->parts.store, &call->owner.tenant, &call->owner.id, call->caller.app,
	                            call->arena);

	if (err != ERR_NOT_ALLOWED)
		return err;
	return call_refuse(call, GRAPH_NO_POLICY,
	                   arena_printf(call->arena,
	                                "No application access policy found for this app %.*s on the user.",
	                                STR_ARG(str_cut(call->caller.app, 128))));
}

/* Users read their own recordings where that is switched on. */
static enum right
right_needed(const struct call *call, enum right right)
{
	bool reads_recordings = call->route.resource == &resource_recording && right != RIGHT_RECORDINGS_WRITE;

	return reads_recordings && !call->caller.is_app && call->graph->parts.recordings_delegated
	               ? RIGHT_OWN_RECORDINGS_READ
	               : right;
}

enum err
call_authorise_recordings(struct call *call, enum right right, bool meeting)
{
	const struct graph_parts *parts = &call->graph->parts;
	enum err                  err;

	right = right_needed(call, right);
	err = find_owner(call, right);
	if (call->error == GRAPH_NOT_ALLOWED)
		return refuse_recordings(call, right);
	TRY(err);
	if (call->caller.is_app && (meeting || (right == RIGHT_RECORDINGS_READ && parts->policy_organizer_wide)))
		TRY(check_policy(call));
	call->feed = (struct store_feed){ call->owner.tenant, call->owner.id, resource_recording.number };
	return OK;
}

enum err
call_authorise(struct call *call, enum right right)
{
	if (call->route.resource == &resource_recording)
		return call_authorise_recordings(call, right, right == RIGHT_MEETING_RECORDINGS_READ);
	TRY(find_owner(call, right));
	call->feed = (struct store_feed){ call->owner.tenant, call->owner.id, call->route.resource->number };
	return OK;
}

static enum media_type
form_of(enum route_kind kind)
{
	return kind == ROUTE_METADATA ? MEDIA_XML : kind == ROUTE_CONTENT ? MEDIA_ANY : MEDIA_JSON;
}

/* What a batch cannot hold: another batch, and content, which is too large to stand between others. */
static enum err
check_inner(struct call *call)
{
	if (!call->inner || (call->route.kind != ROUTE_BATCH && call->route.kind != ROUTE_CONTENT))
		return OK;
	return call_refuse(call, GRAPH_BATCH, STR("This cannot be asked for in a batch; send it by itself."));
}

/* The whole way, from the path to the answer's last byte. */
static enum err
walk(struct call *call)
{
	const struct row *row;
	bool              open;

	TRY(find_route(call));
	if (call->req->method == HTTP_OPTIONS) {
		headers_answer_options(call, allowed_methods(&call->route, call->arena));
		return OK;
	}
	if (call->req->authority.len == 0 && call->graph->parts.public_url.len == 0)
		return call_refuse(call, GRAPH_BAD_URL, STR("A Host field is needed: links are made from it."));
	call->base_url = call_base_url(call);
	open = call->route.kind == ROUTE_METADATA || call->route.kind == ROUTE_SERVICE;
	if (!open)
		TRY(call_identify(call));
	TRY(choose_row(call, &row));
	TRY(check_inner(call));
	if (right_of(call) != RIGHT_COUNT)
		TRY(call_authorise(call, right_of(call)));
	TRY(query_read(call));
	TRY(accept_read(call, form_of(call->route.kind)));
	TRY(row->act(call));
	return buf_err(http_resp_body(call->resp));
}

/* ---- what the server calls ----------------------------------------------------------------------------- */

static struct call *
call_open(const struct graph *graph, const struct http_req *req, struct http_resp *resp)
{
	struct call *call = arena_take(req->arena, sizeof(*call));
	struct guid  id = guid_random(graph->parts.entropy);
	struct str   theirs = http_req_field(req, "client-request-id");

	*call = (struct call){ .graph = graph, .req = req, .resp = resp, .arena = req->arena };
	guid_format(&id, call->request_id);
	if (theirs.len > 0 && theirs.len <= 128 && utf8_valid(theirs))
		call->client_request_id = theirs;
	return call;
}

static void
log_call(const struct call *call, enum log_level level, const char *event, struct str what)
{
	const struct log *log = call->graph->parts.log;

	if (!log || level > log->level)
		return;
	LOG_EVENT(log, level, event, { "request-id", str_of(call->request_id, GUID_TEXT_LEN) },
	          { "method", call->req->method_text }, { "path", call->req->path }, { "peer", call->req->peer },
	          { "why", what });
}

static void
answer_failure(struct call *call, enum err err)
{
	enum graph_error error = call->error != GRAPH_NONE ? call->error : error_for(err);
	unsigned         status = error_row(error)->status;

	if (status >= 500)
		log_call(call, LOG_ERROR, "request failed", store_why(call->graph->parts.store, call->arena));
	else if (status == 401 || status == 403)
		log_call(call, LOG_INFO, "request refused", str_from_c(error_row(error)->code));
	fail_write(call, error);
}

void
call_fail(struct call *call, enum err err)
{
	call->error = GRAPH_NONE;
	call->detail = STR_EMPTY;
	http_resp_clear(call->resp);
	headers_put_common(call);
	answer_failure(call, err);
	fields_pack(call);
}

bool
call_run(const struct graph *graph, const struct call *outer, const struct http_req *req, struct http_resp *resp)
{
	struct call *call = call_open(graph, req, resp);
	enum err     err;

	call->inner = outer != NULL;
	if (outer && !call->client_request_id.len)
		call->client_request_id = outer->client_request_id;
	if (!outer && graph_is_login(call)) {
		graph_login(call);
		call_audit(call);
		return true;
	}
	err = walk(call);
	if (call->must_block && err != OK)
		return false;
	headers_put_common(call);
	if (err != OK)
		answer_failure(call, err);
	else
		headers_finish(call);
	if (!outer)
		fields_pack(call);
	if (!commit_defer(call))
		call_audit(call);
	return true;
}

static enum http_verdict
graph_answer(void *ctx, const struct http_req *req, struct http_resp *resp)
{
	if (call_run(ctx, NULL, req, resp))
		return HTTP_DONE;
	http_resp_clear(resp);
	return HTTP_BLOCKS;
}

static bool
is_login(const struct http_req *req)
{
	const struct call call = { .req = req };

	return graph_is_login(&call);
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
	bool                has_body = req->method == HTTP_POST || req->method == HTTP_PATCH || req->method == HTTP_PUT;
	struct route        route;

	*plan_out = (struct http_plan){ .body_max = has_body ? BODY_MAX : 0, .blocks = writes };
	if (!writes)
		return;
	/* The token endpoints are for those who are not known yet. */
	plan_out->unknown = is_login(req);
	if (plan_out->unknown) {
		plan_out->body_max = has_body ? SMALL_BODY_MAX : 0;
		return;
	}
	/* A bearer is judged before others wait for the answer.  Nobody else sends us a body, nor is told to go on. */
	plan_out->early = !is_known(graph, req) || route_parse(req->path, req->arena, &route) != OK ||
	                  !find_row(&route, req->method);
	if (plan_out->early)
		return;
	plan_out->grouped = commit_takes(req);
	if (route.kind == ROUTE_PERMANENT_DELETE)
		plan_out->body_max = SMALL_BODY_MAX;
	plan_out->stream = route.kind == ROUTE_CONTENT;
	if (plan_out->stream)
		plan_out->body_max = graph->parts.content_max;
}

/* Refusals the server decides on before there is a request one could answer. */
static void
graph_refuse(void *ctx, const struct http_req *req, unsigned status, const char *reason, struct http_resp *resp)
{
	struct call *call = call_open(ctx, req, resp);

	call->by_server = true;
	if (graph_is_login(call)) {
		graph_login_refuse(call, status, reason);
		return;
	}
	headers_put_common(call);
	call->detail = str_from_c(reason);
	fail_write(call, status == 413   ? GRAPH_TOO_LARGE
	                 : status == 505 ? GRAPH_HTTP_VERSION
	                 : status >= 500 ? GRAPH_BUSY
	                                 : GRAPH_BAD_URL);
	http_resp_status(resp, status);
}

/* ---- what explain-access asks ------------------------------------------------------------------------- */

static bool
report_step(const struct call *call, graph_finding_fn *finding, void *ctx, const char *check, enum err err,
            struct str what)
{
	enum graph_error error = call->error != GRAPH_NONE ? call->error : error_for(err);

	if (err != OK)
		what = call->detail.len > 0 ? call->detail : str_from_c(error_row(error)->message);
	finding(ctx, check, err == OK, what);
	return err == OK;
}

static bool
explain_bearer(struct call *call, graph_finding_fn *finding, void *ctx)
{
	struct auth_trace trace;
	struct str        authorization = http_req_field(call->req, "Authorization");
	enum err err = auth_explain(call->graph->parts.gate, authorization, call->arena, &call->caller, &trace);

	for (size_t i = 0; i < trace.count; i++)
		finding(ctx, trace.findings[i].check, trace.findings[i].ok, trace.findings[i].what);
	return err == OK;
}

static struct str
caller_shown(const struct caller *caller, struct arena *arena)
{
	char tenant[GUID_TEXT_LEN], oid[GUID_TEXT_LEN];

	guid_format(&caller->tenant, tenant);
	guid_format(&caller->oid, oid);
	return arena_printf(arena, "%s %.*s of tenant %.*s with %s: %.*s", caller->is_app ? "application" : "user",
	                    GUID_TEXT_LEN, oid, GUID_TEXT_LEN, tenant, caller->is_app ? "roles" : "scopes",
	                    STR_ARG(caller->grants));
}

/* "list, get and delta of calendars: Calendars.Read or Calendars.ReadWrite" */
static struct str
right_shown(const struct caller *caller, enum right right, struct arena *arena)
{
	const struct right_row *row = right_row(right);
	const char *const      *grants = caller->is_app ? row->application : row->delegated;
	struct str list = arena_printf(arena, "%s: %s", row->calls, grants[0] ? "" : "no grant of this kind gives it");

	for (size_t i = 0; grants[i]; i++)
		list = arena_printf(arena, "%.*s%s%s", STR_ARG(list), i ? " or " : "", grants[i]);
	return list;
}

bool
graph_explain(struct graph *graph, const struct http_req *req, graph_finding_fn *finding, void *ctx)
{
	struct call      *call = call_open(graph, req, NULL);
	const struct row *row = NULL;
	enum err          err = find_route(call);

	if (!report_step(call, finding, ctx, "path", err, STR("can be understood")))
		return false;
	if (call->route.kind == ROUTE_METADATA || call->route.kind == ROUTE_SERVICE) {
		finding(ctx, "open", true, STR("this needs no bearer"));
		return true;
	}
	if (!explain_bearer(call, finding, ctx))
		return false;
	finding(ctx, "caller", true, caller_shown(&call->caller, call->arena));
	if (!report_step(call, finding, ctx, "call", choose_row(call, &row), STR("is served")))
		return false;
	if (right_of(call) == RIGHT_COUNT) {
		finding(ctx, "needs", true, STR("nothing more: each request of a batch is judged by itself"));
		return true;
	}
	finding(ctx, "needs", true, right_shown(&call->caller, right_needed(call, right_of(call)), call->arena));
	return report_step(call, finding, ctx, "permission", call_authorise(call, right_of(call)),
	                   STR("granted, for this owner"));
}

/* ---- opening ---------------------------------------------------------------------------------------- */

enum err
graph_open(const struct graph_parts *parts, struct graph **graph_out)
{
	struct graph *graph = calloc(1, sizeof(*graph));

	MUST(graph && parts->store && parts->gate && parts->clock && parts->entropy);
	graph->parts = *parts;
	graph->known = user_cache_open(parts->store);
	MUST(sem_init(&graph->batch_reads, 0, BATCH_READS_MAX) == 0);
	*graph_out = graph;
	return OK;
}

void
graph_close(struct graph **graph)
{
	if (!*graph)
		return;
	user_cache_close(&(*graph)->known);
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
