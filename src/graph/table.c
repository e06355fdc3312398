/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/steps.h"

#include "graph/calls.h"

struct row {
	enum route_kind  kind;
	enum http_method method;
	call_fn         *act;
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
	{ ROUTE_ALL_RECORDINGS, HTTP_GET, graph_all_recordings },
	{ ROUTE_ALL_RECORDINGS_DELTA, HTTP_GET, graph_all_recordings_delta },
	{ ROUTE_RECORDINGS_DELTA, HTTP_GET, graph_meeting_delta },
	{ ROUTE_RECORDINGS, HTTP_GET, graph_list_recordings },
	{ ROUTE_RECORDINGS, HTTP_POST, graph_create_recording },
	{ ROUTE_RECORDING, HTTP_GET, graph_get_recording },
	{ ROUTE_CONTENT, HTTP_GET, graph_get_content },
	{ ROUTE_CONTENT, HTTP_PUT, graph_put_content },
	{ ROUTE_USER, HTTP_GET, graph_get_user },
	{ ROUTE_USERS, HTTP_GET, graph_list_users },
	{ ROUTE_FOLLOWED_CONTENT, HTTP_GET, graph_get_followed_content },
	{ ROUTE_MEMBERS, HTTP_GET, graph_list_members },
	/* NULL: app.c knows the batch, because each of its requests walks through this table itself. */
	{ ROUTE_BATCH, HTTP_POST, NULL },
	/* Without a bearer token. */
	{ ROUTE_METADATA, HTTP_GET, graph_metadata },
	{ ROUTE_SERVICE, HTTP_GET, graph_service },
};

static enum http_method
acting_method(enum http_method method)
{
	return method == HTTP_HEAD ? HTTP_GET : method;
}

static bool
is_offered(const struct row *row, const struct route *route)
{
	const struct resource *resource = route->resource;

	if (row->kind != route->kind || (route->count && row->method != HTTP_GET))
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

bool
table_has(const struct route *route, enum http_method method)
{
	return find_row(route, method) != NULL;
}

struct str
table_methods(const struct route *route, struct arena *arena)
{
	struct str list = STR_EMPTY;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (is_offered(&rows[i], route))
			list = arena_printf(arena, "%.*s%s%s%s", STR_ARG(list), list.len ? ", " : "",
			                    http_method_name(rows[i].method),
			                    rows[i].method == HTTP_GET ? ", HEAD" : "");
	return list;
}

static bool
has_version(struct str path)
{
	return str_starts_nocase(path, STR("/v1.0/")) || str_starts_nocase(path, STR("/beta/"));
}

enum err
table_find(struct call *call, call_fn **act_out)
{
	const struct row *row = find_row(&call->route, call->req->method);

	if (call->route.kind == ROUTE_UNKNOWN)
		return call_refuse_f(call, GRAPH_UNKNOWN_SEGMENT, "Resource not found for the segment '%.*s'.%s",
		                     STR_ARG(str_cut(call->route.unknown, 128)),
		                     has_version(call->req->path) ? "" : " Paths begin with /v1.0 or /beta.");
	/* A write to a served scope is none: the next step refuses it, once the caller may read. */
	if (row || call->route.served) {
		*act_out = row ? row->act : NULL;
		return OK;
	}
	if (call->resp)
		http_resp_field(call->resp, "Allow", table_methods(&call->route, call->arena));
	return call_refuse(call, GRAPH_METHOD, STR_EMPTY);
}
