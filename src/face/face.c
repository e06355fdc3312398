/* SPDX-License-Identifier: Apache-2.0 */
/* face — from a request to an answer: the table of calls, and the order of the steps. */
#include "face/face.h"

#include <stdlib.h>

#include "face/call.h"
#include "face/page.h"
#include "feed/collection.h"
#include "text/uri.h"

#define BODY_MAX ((size_t)1 << 20)

#define CONTENT_TYPE_JSON                                                                                             \
	STR("application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")

/* ---- the table: what there is, who may, who does it ------------------------------------------------ */

struct row {
	enum route_kind  kind;
	enum http_method method;
	enum right       right;
	enum err (*act)(struct call *call);
};

static const struct row rows[] = {
	{ ROUTE_CALENDARS_DELTA,  HTTP_GET,    RIGHT_CALENDARS_READ,  face_delta },
	{ ROUTE_CALENDARS,        HTTP_GET,    RIGHT_CALENDARS_READ,  face_list_calendars },
	{ ROUTE_CALENDARS,        HTTP_POST,   RIGHT_CALENDARS_WRITE, face_create_calendar },
	{ ROUTE_CALENDAR,         HTTP_GET,    RIGHT_CALENDARS_READ,  face_get_calendar },
	{ ROUTE_CALENDAR,         HTTP_PATCH,  RIGHT_CALENDARS_WRITE, face_update_calendar },
	{ ROUTE_CALENDAR,         HTTP_DELETE, RIGHT_CALENDARS_WRITE, face_remove_calendar },
	{ ROUTE_DEFAULT_CALENDAR, HTTP_GET,    RIGHT_CALENDARS_READ,  face_get_default },
	{ ROUTE_DEFAULT_CALENDAR, HTTP_PATCH,  RIGHT_CALENDARS_WRITE, face_update_calendar },
	{ ROUTE_DEFAULT_CALENDAR, HTTP_DELETE, RIGHT_CALENDARS_WRITE, face_remove_calendar },
	/* open to everybody */
	{ ROUTE_METADATA,         HTTP_GET,    RIGHT_COUNT,           face_metadata },
	{ ROUTE_SERVICE,          HTTP_GET,    RIGHT_COUNT,           face_service },
};

static const char *const method_names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "" };

static enum http_method
acting_method(enum http_method method)
{
	return method == HTTP_HEAD ? HTTP_GET : method;
}

static const struct row *
find_row(enum route_kind kind, enum http_method method)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].kind == kind && rows[i].method == acting_method(method))
			return &rows[i];
	return NULL;
}

/* "GET, HEAD, POST": what the thing at this path understands. */
static struct str
allowed_methods(enum route_kind kind, struct arena *arena)
{
	struct str list = STR_EMPTY;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].kind == kind)
			list = arena_printf(arena, "%.*s%s%s%s", STR_ARG(list), list.len ? ", " : "",
			                    method_names[rows[i].method], rows[i].method == HTTP_GET ? ", HEAD" : "");
	return list;
}

/* ---- small things every step may use --------------------------------------------------------------- */

enum err
call_refuse(struct call *call, enum refusal refusal, struct str detail)
{
	call->refusal = refusal;
	call->detail = detail;
	return refusal_row(refusal)->err;
}

enum err
call_must_block(struct call *call)
{
	call->must_block = true;
	return ERR_BUSY;
}

struct str
call_base_url(const struct call *call)
{
	if (call->face->parts.public_url.len)
		return call->face->parts.public_url;
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
		return call_refuse(call, REFUSAL_BAD_URL, STR_EMPTY);
	return OK;
}

enum err
call_identify(struct call *call)
{
	struct str  authorization = http_req_field(call->req, "Authorization");
	const char *why = NULL;

	if (authorization.len == 0)
		return call_refuse(call, REFUSAL_NO_TOKEN, STR_EMPTY);
	if (auth_check(call->face->parts.gate, authorization, call->arena, &call->caller, &why) != OK)
		return call_refuse(call, REFUSAL_BAD_BEARER, str_from_c(why));
	return OK;
}

static enum err
choose_row(struct call *call, const struct row **row_out)
{
	if (call->route.kind == ROUTE_UNKNOWN)
		return call_refuse(call, REFUSAL_UNKNOWN_SEGMENT,
		                   arena_printf(call->arena, "Resource not found for the segment '%.*s'.",
		                                STR_ARG(str_first(call->route.unknown, 128))));
	*row_out = find_row(call->route.kind, call->req->method);
	if (*row_out)
		return OK;
	http_resp_field(call->resp, "Allow", allowed_methods(call->route.kind, call->arena));
	return call_refuse(call, REFUSAL_METHOD, STR_EMPTY);
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
	struct store *store = call->face->parts.store;
	struct guid   owner = call->caller.oid;
	enum err      err;

	if (call->route.me && call->caller.is_app)
		return call_refuse(call, REFUSAL_ME_NEEDS_USER, STR_EMPTY);
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
		return call_refuse(call, REFUSAL_NOT_ALLOWED, STR_EMPTY);
	err = directory_find_owner(store, &owner, call->arena, &call->owner);
	if (err == ERR_NOT_FOUND || (err == OK && !guid_eq(&call->owner.tenant, &call->caller.tenant)))
		return call_refuse(call, REFUSAL_UNKNOWN_USER, STR_EMPTY);
	return err;
}

enum err
call_authorise(struct call *call, enum right right)
{
	TRY(find_owner(call, right));
	call->feed = (struct store_feed){ call->owner.tenant, call->owner.id, COLLECTION_CALENDARS };
	return OK;
}

/* The whole way, from the path to the answer's last byte. */
static enum err
walk(struct call *call)
{
	const struct row *row;
	bool              open;

	TRY(find_route(call));
	open = call->route.kind == ROUTE_METADATA || call->route.kind == ROUTE_SERVICE;
	if (!open)
		TRY(call_identify(call));
	TRY(choose_row(call, &row));
	if (!open)
		TRY(call_authorise(call, row->right));
	TRY(query_read(call));
	TRY(row->act(call));
	return buf_err(http_resp_body(call->resp));
}

/* ---- what the server calls ----------------------------------------------------------------------------- */

static void
put_common_fields(struct call *call)
{
	struct str id = str_of(call->request_id, GUID_TEXT_LEN);

	http_resp_field(call->resp, "request-id", id);
	http_resp_field(call->resp, "client-request-id", call->client_request_id.len ? call->client_request_id : id);
	http_resp_field(call->resp, "OData-Version", STR("4.0"));
	http_resp_field(call->resp, "Vary", STR("Accept-Encoding"));
	if (call->req->tls && !str_starts(call->req->authority, STR("localhost")) &&
	    !str_starts(call->req->authority, STR("127.")) && !str_starts(call->req->authority, STR("[::1]")))
		http_resp_field(call->resp, "Strict-Transport-Security", STR("max-age=31536000"));
}

static struct call *
call_open(const struct face *face, const struct http_req *req, struct http_resp *resp)
{
	struct call *call = arena_take(req->arena, sizeof(*call));
	struct guid  id = guid_random(face->parts.entropy);
	struct str   theirs = http_req_field(req, "client-request-id");

	*call = (struct call){ .face = face, .req = req, .resp = resp, .arena = req->arena };
	guid_format(&id, call->request_id);
	if (theirs.len > 0 && theirs.len <= 128 && utf8_valid(theirs))
		call->client_request_id = theirs;
	return call;
}

static void
log_call(const struct call *call, enum log_level level, const char *event, struct str what)
{
	const struct log *log = call->face->parts.log;

	if (!log || level > log->level)
		return;
	LOG_EVENT(log, level, event, { "request-id", str_of(call->request_id, GUID_TEXT_LEN) },
	          { "method", call->req->method_text }, { "path", call->req->path }, { "peer", call->req->peer },
	          { "why", what });
}

static void
answer_failure(struct call *call, enum err err)
{
	enum refusal refusal = call->refusal != REFUSAL_NONE ? call->refusal : refusal_for(err);
	unsigned     status = refusal_row(refusal)->status;

	if (status >= 500)
		log_call(call, LOG_ERROR, "request failed", store_why(call->face->parts.store, call->arena));
	else if (status == 401 || status == 403)
		log_call(call, LOG_INFO, "request refused", str_from_c(refusal_row(refusal)->code));
	fail_write(call, refusal);
}

static enum http_verdict
face_answer(void *ctx, const struct http_req *req, struct http_resp *resp)
{
	struct call *call = call_open(ctx, req, resp);
	enum err     err = walk(call);

	if (call->must_block && err != OK) {
		http_resp_clear(resp);
		return HTTP_BLOCKS;
	}
	put_common_fields(call);
	if (err != OK)
		answer_failure(call, err);
	else if (call->route.kind != ROUTE_METADATA && http_resp_get_status(resp) != 204)
		http_resp_field(resp, "Content-Type", CONTENT_TYPE_JSON);
	return HTTP_DONE;
}

static void
face_plan(void *ctx, const struct http_req *req, struct http_plan *plan_out)
{
	bool writes = req->method != HTTP_GET && req->method != HTTP_HEAD && req->method != HTTP_OPTIONS;

	(void)ctx;
	*plan_out = (struct http_plan){
		.body_max = req->method == HTTP_POST || req->method == HTTP_PATCH || req->method == HTTP_PUT ? BODY_MAX : 0,
		.blocks = writes,
	};
}

/* Refusals the server decides on before there is a request one could answer. */
static void
face_refuse(void *ctx, const struct http_req *req, unsigned status, const char *reason, struct http_resp *resp)
{
	struct call *call = call_open(ctx, req, resp);

	put_common_fields(call);
	call->detail = str_from_c(reason);
	fail_write(call, status == 413 ? REFUSAL_TOO_LARGE : status >= 500 ? REFUSAL_BUSY : REFUSAL_BAD_URL);
	http_resp_status(resp, status);
}

enum err
face_open(const struct face_parts *parts, struct face **face_out)
{
	struct face *face = calloc(1, sizeof(*face));

	MUST(face && parts->store && parts->ring && parts->gate && parts->clock && parts->entropy);
	face->parts = *parts;
	*face_out = face;
	return OK;
}

void
face_close(struct face **face)
{
	free(*face);
	*face = NULL;
}

struct http_app
face_app(struct face *face)
{
	return (struct http_app){ .ctx = face, .plan = face_plan, .answer = face_answer, .refuse = face_refuse };
}
