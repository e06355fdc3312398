/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit — one line for each request that was denied and for each write, with its status.
 *
 * A line says who called (tenant, oid, app, peer), what (method, path) and the status.  It never holds the query,
 * which may have a state token, nor a header of the request.
 */
#include "graph/call.h"

static bool
is_write(enum http_method method)
{
	return method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH || method == HTTP_DELETE;
}

static struct str
guid_shown(const struct guid *guid, char text[GUID_TEXT_LEN])
{
	if (guid_is_zero(guid))
		return STR_EMPTY;
	guid_format(guid, text);
	return str_of(text, GUID_TEXT_LEN);
}

void
audit_call(const struct call *call, struct log_lines *lines)
{
	const struct log      *log = call->graph->parts.audit;
	const struct http_req *req = call->req;
	unsigned               status = http_resp_get_status(call->resp);
	char                   tenant[GUID_TEXT_LEN], oid[GUID_TEXT_LEN];
	struct str             number;

	if (!log_takes(log, LOG_INFO) || (status != 401 && status != 403 && !is_write(req->method)))
		return;
	number = arena_printf(call->arena, "%u", status);
	const struct log_pair pairs[] = {
		{ "method", req->method_text },
		{ "path", req->path },
		{ "status", number },
		{ "tenant", guid_shown(&call->caller.tenant, tenant) },
		{ "oid", guid_shown(&call->caller.oid, oid) },
		{ "app", call->caller.app.at ? call->caller.app : STR_EMPTY },
		{ "request-id", str_of(call->request_id, GUID_TEXT_LEN) },
		{ "peer", req->peer },
		{ NULL, STR_EMPTY },
	};

	if (lines)
		log_lines_add(lines, LOG_INFO, "audit", pairs);
	else
		log_event(log, LOG_INFO, "audit", pairs);
}
