/* SPDX-License-Identifier: Apache-2.0 */
/* explain — what the checks of a request find, one by one (graph_explain()). */
#include "graph/steps.h"

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
	return arena_printf(arena, "%s %s of tenant %s with %s: %.*s", caller->is_app ? "application" : "user",
	                    guid_str(&caller->oid).c, guid_str(&caller->tenant).c, caller->is_app ? "roles" : "scopes",
	                    STR_ARG(caller->grants));
}

static struct str
with_grants(struct str text, const char *const *grants, struct arena *arena)
{
	for (size_t i = 0; grants[i]; i++)
		text = arena_printf(arena, "%.*s%s%s", STR_ARG(text), i ? " or " : "", grants[i]);
	return text;
}

/* "list, get and delta of calendars: Calendars.Read or Calendars.ReadWrite" */
static struct str
right_shown(const struct caller *caller, const struct right_row *row, struct arena *arena)
{
	const char *const *grants = caller->is_app ? row->application : row->delegated;
	struct str         list;

	if (!row->calls)
		return STR("a grant: `tidemark scope grant`");
	list = arena_printf(arena, "%s: %s", row->calls, grants[0] ? "" : "no grant of this kind gives it");

	list = with_grants(list, grants, arena);
	if (!row->everyone || caller->is_app)
		return list;
	return with_grants(arena_printf(arena, "%.*s; for other users: ", STR_ARG(list)), row->everyone, arena);
}

bool
graph_explain(struct graph *graph, const struct http_req *req, graph_finding_fn *finding, void *ctx)
{
	struct call *call = call_open(graph, req, NULL);
	call_fn     *act;
	enum err     err = route_parse(req->path, &graph->served, call->arena, &call->route);

	if (!report_step(call, finding, ctx, "path", err, STR("can be understood")))
		return false;
	if (call->route.kind == ROUTE_METADATA || call->route.kind == ROUTE_SERVICE) {
		finding(ctx, "open", true, STR("this needs no bearer"));
		return true;
	}
	if (!explain_bearer(call, finding, ctx))
		return false;
	finding(ctx, "caller", true, caller_shown(&call->caller, call->arena));
	if (!report_step(call, finding, ctx, "call", table_find(call, &act), STR("is served")))
		return false;
	if (!access_row(call)) {
		finding(ctx, "needs", true, STR("nothing more: each request of a batch is judged by itself"));
		return true;
	}
	finding(ctx, "needs", true, right_shown(&call->caller, access_row(call), call->arena));
	return report_step(call, finding, ctx, "permission", access_authorise(call), STR("granted, for this owner"));
}
