/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/call.h"

#include "text/uri.h"

/* An answer with this many bytes in it is always sent. */
#define HOLD_FREE ((size_t)2 << 10)

struct call *
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

enum err
call_refuse(struct call *call, enum graph_error error, struct str detail)
{
	call->error = error;
	call->detail = detail;
	return error_row(error)->err;
}

enum err
call_refuse_f(struct call *call, enum graph_error error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	call->detail = arena_vprintf(call->arena, fmt, args);
	va_end(args);
	return call_refuse(call, error, call->detail);
}

enum err
call_pause(struct call *call, enum http_verdict verdict)
{
	call->verdict = verdict;
	return ERR_BUSY;
}

enum err
call_hold(struct call *call, size_t bytes)
{
	return bytes <= HOLD_FREE || http_req_hold(call->req, bytes) ? OK : call_refuse(call, GRAPH_BUSY, STR_EMPTY);
}

bool
call_reads(const struct call *call)
{
	return call->req->method == HTTP_GET || call->req->method == HTTP_HEAD;
}

bool
call_body_is(const struct call *call, struct str type)
{
	struct str field = http_req_field(call->req, "Content-Type");

	return str_eq_nocase(str_trim(str_first(field, str_find(field, ';'))), type);
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
