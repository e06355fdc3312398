/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/steps.h"

#include "text/gzip.h"
#include "text/uri.h"

/* Compressing a smaller body saves no packet. */
#define PACK_MIN         ((size_t)1024)
#define ASKED_FIELDS_MAX 1024

static const char own_fields[] =
	"Authorization, Accept, Content-Type, Prefer, If-Match, If-None-Match, Range, ConsistencyLevel, SdkVersion, "
	"client-request-id, return-client-request-id, Last-Event-ID";

static const char constant_fields[] =
	"OData-Version: 4.0\r\n"
	"Vary: Accept-Encoding\r\n"
	"Access-Control-Allow-Origin: *\r\n"
	"Access-Control-Expose-Headers: ETag, Location, Preference-Applied, Content-Range, request-id, "
	"client-request-id, Retry-After\r\n";

/* Does the value of a Host header name this machine? */
static bool
is_loopback(struct str authority)
{
	size_t end = str_find(authority, str_starts(authority, STR("[")) ? ']' : ':');

	return end == 0 ||
	       uri_host_is_loopback(str_skip(str_first(authority, end), str_starts(authority, STR("[")) ? 1 : 0));
}

void
headers_put_common(struct call *call)
{
	struct str id = str_of(call->request_id, GUID_TEXT_LEN);

	http_resp_field(call->resp, "request-id", id);
	http_resp_field(call->resp, "client-request-id", call->client_request_id.len ? call->client_request_id : id);
	if (call->is_private)
		http_resp_field(call->resp, "Cache-Control", STR("private"));
	http_resp_constant_fields(call->resp, str_of(constant_fields, sizeof(constant_fields) - 1));
	if (call->req->tls && !is_loopback(call->req->authority))
		http_resp_field(call->resp, "Strict-Transport-Security", STR("max-age=31536000"));
}

void
headers_preference_applied(struct call *call, struct str preference)
{
	call->applied = arena_printf(call->arena, "%.*s%s%.*s", STR_ARG(call->applied), call->applied.len ? ", " : "",
	                             STR_ARG(preference));
}

static void
put_json_type(struct call *call)
{
#define JSON_TYPE(level, longs) \
	"application/json;odata.metadata=" level ";odata.streaming=true;IEEE754Compatible=" longs ";charset=utf-8"
	static const char *const types[][2] = {
		[METADATA_MINIMAL] = { JSON_TYPE("minimal", "false"), JSON_TYPE("minimal", "true") },
		[METADATA_NONE] = { JSON_TYPE("none", "false"), JSON_TYPE("none", "true") },
		[METADATA_FULL] = { JSON_TYPE("full", "false"), JSON_TYPE("full", "true") },
	};
#undef JSON_TYPE

	http_resp_field(call->resp, "Content-Type", str_from_c(types[call->accept.level][call->accept.ieee754]));
}

void
headers_strip_body(struct call *call)
{
	struct buf *body = http_resp_body(call->resp);
	struct str  whole = arena_copy(call->arena, buf_str(body));

	buf_cut(body, 0);
	metadata_strip(whole, body);
}

void
headers_finish(struct call *call)
{
	if (call->applied.len)
		http_resp_field(call->resp, "Preference-Applied", call->applied);
	if (!call->is_private)
		http_resp_field(call->resp, "Cache-Control", STR("no-cache"));
	if (http_resp_get_status(call->resp) == 204 || http_resp_get_status(call->resp) == 304 ||
	    call->route.kind == ROUTE_CONTENT || call->route.kind == ROUTE_METADATA || call->route.count)
		return;
	if (call->accept.events) {
		http_resp_constant_fields(call->resp, STR("Content-Type: text/event-stream\r\n"
		                                          "X-Accel-Buffering: no\r\n"));
		return;
	}
	if (call->accept.level == METADATA_NONE)
		headers_strip_body(call);
	put_json_type(call);
}

void
headers_pack(struct call *call)
{
	struct buf *body = http_resp_body(call->resp);
	struct str  field, packed;
	bool        wanted = false;

	if (body->len < PACK_MIN || call->route.kind == ROUTE_CONTENT || call->accept.events)
		return;
	for (size_t n = 0; !wanted && http_req_field_at(call->req, "Accept-Encoding", n, &field); n++)
		wanted = accept_gzip(field);
	if (!wanted || !gzip_pack(buf_str(body), call->arena, &packed))
		return;
	buf_close(body);
	buf_put(body, packed);
	http_resp_field(call->resp, "Content-Encoding", STR("gzip"));
}

/* All headers that a browser asks about are allowed: none of them can do harm. */
void
headers_answer_options(struct call *call, struct str methods)
{
	struct str asked = http_req_field(call->req, "Access-Control-Request-Headers");

	methods = arena_printf(call->arena, "%.*s%sOPTIONS", STR_ARG(methods), methods.len ? ", " : "");
	http_resp_status(call->resp, 204);
	http_resp_field(call->resp, "Allow", methods);
	if (!http_req_field(call->req, "Access-Control-Request-Method").at)
		return;
	http_resp_field(call->resp, "Access-Control-Allow-Methods", methods);
	http_resp_field(call->resp, "Access-Control-Allow-Headers",
	                asked.len > 0 && asked.len <= ASKED_FIELDS_MAX ? asked : str_from_c(own_fields));
	http_resp_field(call->resp, "Access-Control-Max-Age", STR("86400"));
}
