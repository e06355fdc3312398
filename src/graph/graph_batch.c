/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_batch — POST …/$batch: several requests in one body, each of them a call of its own.
 *
 * The whole batch is checked first.  If its list, an id, an order or the type of a body is wrong, the answer is 400
 * and nothing has been done.  A fault of one request is that request's 400.  Then the requests run one after the
 * other, each after those it depends on.  Each response has its own status, even 401 or 429; the batch itself is 200.
 * Between two of them other callers come first.  When the client has left, no further request is begun.
 */
#include "graph/calls.h"
#include "graph/steps.h"
#include "http/http_chars.h"
#include "text/b64.h"
#include "text/json_read.h"
#include "text/json_write.h"
#include "text/uri.h"

#define PARTS_MAX        20
#define FIELDS_MAX       64
#define ID_MAX           256
#define METHOD_MAX       32
#define URL_MAX          ((size_t)8 << 10)
#define FIELDS_BYTES_MAX ((size_t)16 << 10)
/* The memory that one of the requests may use. */
#define ARENA_MAX ((size_t)256 << 20)
/* The most bytes of a batch's answer; a request whose answer does not fit gets an error. */
#define ANSWER_MAX ((size_t)24 << 20)
/* What an answer takes beside its body: its id and headers, or the error in its place. */
#define PART_BYTES ((size_t)4 << 10)
/* Kept free behind an answer, for its headers and for the errors of those that do not fit. */
#define SPARE_BYTES ((size_t)1 << 20)

struct part {
	struct str        id, url, method_text, body;
	enum http_method  method;
	struct http_field fields[FIELDS_MAX];
	size_t            field_count;
	size_t            needs[PARTS_MAX];
	size_t            need_count;
	const char       *fault; /* why it is not done: a 400 for this request alone; NULL: nothing is wrong */
	bool              has_body, done, failed;
};

struct batch {
	struct call    *call;
	struct part     parts[PARTS_MAX];
	size_t          count;
	struct json_out out;
	struct arena   *arena; /* for one of them at a time */

	/* The one that is under way. */
	struct part      *part;
	struct http_req   req;
	struct http_resp *resp;
	struct call      *inner;
};

static enum err
refuse(const struct batch *batch, const char *what, struct str id)
{
	return call_refuse_f(batch->call, GRAPH_BATCH, "%s%s%.*s%s", what, id.len ? " (request '" : "",
	                     STR_ARG(str_cut(id, 64)), id.len ? "')." : ".");
}

/* The first fault counts. */
static void
set_fault(struct part *part, const char *what)
{
	if (!part->fault)
		part->fault = what;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* A member in any letter case; a second spelling of it is a fault. */
static const struct json *
find_member(struct part *part, const struct json *object, const char *name)
{
	const struct json *found = NULL;

	for (const struct json *member = json_first(object); member; member = member->next) {
		if (!str_eq_nocase(member->name, str_from_c(name)))
			continue;
		if (found)
			set_fault(part, "a member stands twice, in two spellings");
		found = member;
	}
	return found;
}

/* An id may be a number, as PowerShell programs write it. */
static bool
read_id(const struct json *json, struct str *id_out)
{
	if (json_kind(json) != JSON_INT)
		return json_text(json, id_out);
	*id_out = json->raw;
	return true;
}

/* In any letter case.  HEAD and OPTIONS are as a method that no path has: 405. */
static enum http_method
method_of(struct str text)
{
	enum http_method method = HTTP_GET;

	while (method < HTTP_OTHER && !str_eq_nocase(text, str_from_c(http_method_name(method))))
		method++;
	return method == HTTP_HEAD || method == HTTP_OPTIONS ? HTTP_OTHER : method;
}

/* Headers of the connection or of the batch. */
static bool
is_passed_over(struct str name)
{
	return str_has_word(STR("Host Connection Content-Length Transfer-Encoding Accept-Encoding Expect TE Trailer "
	                        "Upgrade"),
	                    ' ', name, str_eq_nocase);
}

static bool
is_field(struct str name, struct str value)
{
	return http_all_token(name) && http_text_len(value.at, value.len) == value.len;
}

static const struct http_field *
find_field(const struct part *part, struct str name)
{
	for (size_t i = 0; i < part->field_count; i++)
		if (str_eq_nocase(part->fields[i].name, name))
			return &part->fields[i];
	return NULL;
}

/* The Java SDK writes some fields twice, in two spellings: equal values are one. */
static void
read_field(const struct batch *batch, struct part *part, struct str name, struct str value)
{
	struct arena            *arena = batch->call->arena;
	const struct http_field *same = find_field(part, name);

	if (same && !str_eq(same->value, value))
		set_fault(part, "'headers' holds a field twice, with two values");
	if (same || is_passed_over(name))
		return;
	/* One slot is kept for Authorization. */
	if (part->field_count == FIELDS_MAX - 1)
		set_fault(part, "'headers' holds too much");
	else
		part->fields[part->field_count++] = (struct http_field){ arena_copy(arena, name),
			                                                 arena_copy(arena, value) };
}

static void
read_fields(const struct batch *batch, struct part *part, const struct json *headers)
{
	size_t bytes = 0;

	if (headers && json_kind(headers) != JSON_OBJECT && json_kind(headers) != JSON_NULL)
		set_fault(part, "'headers' must be an object");
	for (const struct json *header = json_first(headers); header; header = header->next) {
		struct str name = header->name, value;

		if (!json_text(header, &value) || !is_field(name, value)) {
			set_fault(part, "'headers' holds a field that is not one");
			continue;
		}
		bytes += name.len + value.len;
		if (bytes > FIELDS_BYTES_MAX)
			set_fault(part, "'headers' holds too much");
		else
			read_field(batch, part, name, str_trim(value));
	}
}

/* JSON is given as it is, everything else in base64.  As with Graph, a body without its type spoils the whole batch. */
static enum err
read_body(const struct batch *batch, struct part *part, const struct json *body)
{
	const struct http_field *type = find_field(part, STR("Content-Type"));

	part->body = STR_EMPTY;
	if (json_kind(body) == JSON_NULL)
		return OK;
	part->body = body->raw;
	part->has_body = true;
	if (!type && !part->fault)
		return refuse(batch, "a request with a 'body' needs a Content-Type in its 'headers'", part->id);
	if (part->fault || str_starts_nocase(type->value, STR("application/json")))
		return OK;
	if (json_kind(body) != JSON_TEXT || !b64_decode(B64_STANDARD, body->text, batch->call->arena, &part->body))
		set_fault(part, "a 'body' that is not JSON must be base64");
	return OK;
}

/* This server: the host of its public URL, or the one that the batch came to. */
static bool
is_own(const struct call *call, const struct uri_parts *url)
{
	struct str       own[] = { call->base_url, arena_printf(call->arena, "%.*s://%.*s", STR_ARG(url->scheme),
		                                                STR_ARG(call->req->authority)) };
	struct uri_parts parts;

	for (size_t i = 0; i < COUNT_OF(own); i++)
		if (uri_split(own[i], &parts) && str_eq_nocase(parts.host, url->host) && parts.port == url->port)
			return true;
	return false;
}

/* Some clients send the URL whole. Of that only what stands behind the host is kept. */
static void
read_url(const struct batch *batch, struct part *part, const struct json *json)
{
	static const char legal[] = "/?%!$&'()*+,;=:@[]-._~";
	struct uri_parts  parts;
	struct str        text;

	if (!json_text(json, &text) || text.len == 0 || text.len > URL_MAX) {
		set_fault(part, "'url' must be a relative URL, as in /me/calendars");
		return;
	}
	part->url = uri_encode(text, legal, batch->call->arena);
	if (!str_starts_nocase(part->url, STR("https://")) && !str_starts_nocase(part->url, STR("http://")))
		return;
	if (!uri_split(part->url, &parts) || !is_own(batch->call, &parts))
		set_fault(part, "'url' must be relative, as in /me/calendars, or on this host");
	else
		part->url = str_skip(part->url, (size_t)(parts.path.at - part->url.at));
}

static enum err
read_part(const struct batch *batch, struct part *part, const struct json *json)
{
	struct arena *arena = batch->call->arena;

	if (json_kind(json) != JSON_OBJECT)
		return refuse(batch, "each request must be an object", STR_EMPTY);
	if (!read_id(find_member(part, json, "id"), &part->id) || part->id.len == 0 || part->id.len > ID_MAX)
		return refuse(batch, "each request needs an 'id', a text or a number", STR_EMPTY);
	part->id = arena_copy(arena, part->id);
	if (find_member(part, json, "atomicityGroup"))
		return refuse(batch, "'atomicityGroup' is not served; each request is done by itself", part->id);
	if (!json_text(find_member(part, json, "method"), &part->method_text) ||
	    !is_field(part->method_text, STR_EMPTY))
		set_fault(part, "'method' must be GET, POST, PUT, PATCH or DELETE");
	part->method = method_of(part->method_text);
	part->method_text = arena_copy(arena, str_cut(part->method_text, METHOD_MAX));
	read_url(batch, part, find_member(part, json, "url"));
	read_fields(batch, part, find_member(part, json, "headers"));
	TRY(read_body(batch, part, find_member(part, json, "body")));
	if (part->has_body && (part->method == HTTP_GET || part->method == HTTP_DELETE))
		set_fault(part, "GET and DELETE have no 'body'");
	return OK;
}

static bool
find_part(const struct batch *batch, struct str id, size_t *at_out)
{
	for (size_t i = 0; i < batch->count; i++)
		if (str_eq_nocase(batch->parts[i].id, id)) {
			*at_out = i;
			return true;
		}
	return false;
}

static enum err
read_needs(const struct batch *batch, struct part *part, const struct json *request)
{
	const struct json *needs = find_member(part, request, "dependsOn");
	struct str         id;

	if (json_kind(needs) == JSON_NULL)
		return OK;
	if (json_kind(needs) != JSON_ARRAY || json_count(needs) > PARTS_MAX)
		return refuse(batch, "'dependsOn' must be a list of ids", part->id);
	for (const struct json *need = json_first(needs); need; need = need->next)
		if (!read_id(need, &id) || !find_part(batch, id, &part->needs[part->need_count++]))
			return refuse(batch, "'dependsOn' names a request that is not in the batch", part->id);
	return OK;
}

static bool
is_ready(const struct batch *batch, const struct part *part)
{
	for (size_t i = 0; i < part->need_count; i++)
		if (!batch->parts[part->needs[i]].done)
			return false;
	return !part->done;
}

/* The next that can run; NULL: none is left, or those left wait for each other. */
static struct part *
next_ready(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (is_ready(batch, &batch->parts[i]))
			return &batch->parts[i];
	return NULL;
}

static enum err
check_order(struct batch *batch)
{
	struct part *part;
	size_t       ready = 0;

	for (; (part = next_ready(batch)) != NULL; ready++)
		part->done = true;
	for (size_t i = 0; i < batch->count; i++)
		batch->parts[i].done = false;
	return ready == batch->count ? OK : refuse(batch, "'dependsOn' goes round in a circle", STR_EMPTY);
}

static enum err
read_parts(struct batch *batch, const struct json *requests)
{
	size_t other, i = 0;

	if (json_kind(requests) != JSON_ARRAY || json_count(requests) == 0)
		return refuse(batch, "a batch has a list of 'requests'", STR_EMPTY);
	if (json_count(requests) > PARTS_MAX)
		return refuse(batch, "a batch holds 20 requests at most", STR_EMPTY);
	for (const struct json *request = json_first(requests); request; request = request->next) {
		struct part *part = &batch->parts[batch->count];

		TRY(read_part(batch, part, request));
		if (find_part(batch, part->id, &other))
			return refuse(batch, "the ids of a batch must differ, letter case aside", part->id);
		batch->count++;
	}
	for (const struct json *request = json_first(requests); request; request = request->next)
		TRY(read_needs(batch, &batch->parts[i++], request));
	return check_order(batch);
}

static enum err
read_batch(struct batch *batch)
{
	AUTO(json_drop) struct json *root = NULL;
	const struct json           *requests = NULL;
	struct part                  whole = { .fault = NULL };
	struct str                   why;
	enum err                     err = OK;

	TRY(call_hold(batch->call, call_tree_bytes(batch->call)));
	if (json_read(batch->call->req->body, batch->call->arena, &root, &why) != OK)
		err = call_refuse(batch->call, GRAPH_BATCH, why);
	else
		requests = find_member(&whole, root, "requests");
	if (err == OK)
		err = whole.fault ? refuse(batch, whole.fault, STR_EMPTY) : read_parts(batch, requests);
	http_req_release(batch->call->req, call_tree_bytes(batch->call));
	return err;
}

/* ---- running ------------------------------------------------------------------------------------------- */

/* A URL is relative to the batch's own version unless it names a version itself. */
static struct http_req
request_of(const struct batch *batch, const struct part *part, struct arena *arena)
{
	const struct http_req *outer = batch->call->req;
	struct str             url = part->url, path;
	struct http_req        req = *outer;

	path = str_first(url, str_find(url, '?'));
	if (str_starts(path, STR("/")))
		path = str_skip(path, 1);
	if (!str_starts_nocase(path, STR("v1.0/")) && !str_starts_nocase(path, STR("beta/")))
		path = arena_printf(arena, "%s/%.*s", batch->call->route.beta ? "beta" : "v1.0", STR_ARG(path));
	req.method = part->method;
	req.method_text = part->method_text;
	req.path = arena_printf(arena, "/%.*s", STR_ARG(path));
	req.query = str_skip(url, str_find(url, '?') + 1);
	req.body = part->body;
	req.body_announced = part->body.len;
	req.streamed = false;
	req.fields = part->fields;
	req.field_count = part->field_count;
	req.arena = arena;
	return req;
}

/* Headers about the connection or for a browser, which the batch itself has. */
static bool
is_outer_field(struct str name)
{
	return str_starts_nocase(name, STR("Access-Control-")) || str_eq_nocase(name, STR("Vary")) ||
	       str_eq_nocase(name, STR("Strict-Transport-Security"));
}

static void
put_fields(struct json_out *out, const struct http_resp *resp)
{
	struct str        rest = http_resp_fields(resp);
	struct http_field field;

	json_put_name(out, STR("headers"));
	json_put_object(out);
	while (http_resp_take_field(&rest, &field))
		if (!is_outer_field(field.name) && utf8_valid(field.value))
			json_put_member(out, field.name, field.value);
	json_end_object(out);
}

static void
put_body(struct json_out *out, struct http_resp *resp, struct arena *arena)
{
	struct str body = buf_str(http_resp_body(resp));

	if (body.len == 0)
		return;
	json_put_name(out, STR("body"));
	if (str_starts_nocase(http_resp_get_field(resp, "Content-Type"), STR("application/json")))
		json_put_raw(out, body);
	else
		json_put_text(out, b64_encode(B64_STANDARD, body.at, body.len, arena));
}

/* The batch itself answers for this request. */
static void
put_error(struct batch *batch, struct part *part, enum graph_error error, struct str detail)
{
	struct json_out *out = &batch->out;

	part->failed = true;
	json_put_object(out);
	json_put_member(out, STR("id"), part->id);
	json_put_member_int(out, STR("status"), error_row(error)->status);
	json_put_name(out, STR("headers"));
	json_put_object(out);
	json_put_member(out, STR("Content-Type"), STR("application/json"));
	if (error_is_busy(error))
		json_put_member(out, STR("Retry-After"), STR("1"));
	json_end_object(out);
	json_put_name(out, STR("body"));
	/* An empty raw value, so that `out` counts the value that answer.c writes. */
	json_put_raw(out, STR_EMPTY);
	answer_put_error(batch->call, error, detail, out->buf);
	json_end_object(out);
}

static void
put_answer(struct batch *batch, struct part *part, struct http_resp *resp, struct arena *arena)
{
	struct json_out *out = &batch->out;
	/* Base64 is a third longer. */
	size_t space = http_resp_body(resp)->len / 2 * 3;

	if (!http_resp_is_good(resp)) {
		put_error(batch, part, GRAPH_BROKEN, STR_EMPTY);
		return;
	}
	/* The answer of a write is never replaced: memory for it was held before the write. */
	if (part->method == HTTP_GET && !http_req_hold(batch->call->req, space)) {
		put_error(batch, part, GRAPH_BUSY, STR_EMPTY);
		return;
	}
	if (out->buf->len + space + SPARE_BYTES > ANSWER_MAX) {
		put_error(batch, part, GRAPH_TOO_LARGE,
		          STR("The answer does not fit into the batch; ask for it by itself."));
		return;
	}
	part->failed = http_resp_get_status(resp) >= 400;
	json_put_object(out);
	json_put_member(out, STR("id"), part->id);
	json_put_member_int(out, STR("status"), http_resp_get_status(resp));
	put_fields(out, resp);
	put_body(out, resp, arena);
	json_end_object(out);
}

static bool
needs_failed(const struct batch *batch, const struct part *part)
{
	for (size_t i = 0; i < part->need_count; i++)
		if (batch->parts[part->needs[i]].failed)
			return true;
	return false;
}

static void
end_part(struct batch *batch)
{
	http_resp_close(&batch->resp);
	arena_reset(batch->arena);
	batch->part = NULL;
}

/* False: there is nothing to run, because the answer is an error that is known. */
static bool
begin_part(struct batch *batch, struct part *part)
{
	struct arena *arena = batch->arena;

	part->done = true;
	if (part->fault) {
		put_error(batch, part, GRAPH_BATCH, arena_printf(arena, "In the batch, %s.", part->fault));
		return false;
	}
	if (needs_failed(batch, part)) {
		put_error(batch, part, GRAPH_DEPENDENCY, STR_EMPTY);
		return false;
	}
	if (http_req_is_abandoned(batch->call->req)) {
		put_error(batch, part, GRAPH_BUSY, STR("Not done: the server ends, or the client has left."));
		return false;
	}
	if (!find_field(part, STR("Authorization")))
		part->fields[part->field_count++] =
			(struct http_field){ STR("Authorization"), http_req_field(batch->call->req, "Authorization") };
	batch->part = part;
	batch->req = request_of(batch, part, arena);
	batch->resp = http_resp_open(http_resp_body(batch->call->resp)->limit);
	batch->inner = call_open(batch->call->graph, &batch->req, batch->resp);
	if (!batch->inner->client_request_id.len)
		batch->inner->client_request_id = batch->call->client_request_id;
	return true;
}

/* The next of them, or the next slice of it: then others come first.  The answer is made when none is left. */
static enum err
run_next(struct batch *batch)
{
	struct part *part = batch->part ? batch->part : next_ready(batch);

	while (part && !batch->part && !begin_part(batch, part))
		part = next_ready(batch);
	if (!part)
		return OK;
	if (run_call(batch->inner, NULL) == HTTP_DONE) {
		put_answer(batch, part, batch->resp, batch->arena);
		end_part(batch);
	}
	return call_pause(batch->call, HTTP_AGAIN);
}

static enum err
begin(struct call *call, struct batch *batch)
{
	static const enum option none[] = { OPTION_FORMAT, OPTION_KINDS };

	batch->call = call;
	/* Each request has its own metadata level. */
	call->accept.level = METADATA_MINIMAL;
	TRY(query_allow(call, none, "on a batch", "Give them to the requests in it."));
	if (!call_body_is(call, STR("application/json")))
		return call_refuse(call, GRAPH_CONTENT_TYPE, STR_EMPTY);
	TRY(read_batch(batch));
	TRY(call_hold(call, batch->count * PART_BYTES));
	batch->arena = arena_open(ARENA_MAX);
	batch->out = json_out_object(http_resp_body(call->resp));
	json_put_name(&batch->out, STR("responses"));
	json_put_array(&batch->out);
	call->slice = batch;
	return OK;
}

enum err
graph_batch(struct call *call)
{
	struct batch *batch = call->slice ? call->slice : arena_take(call->arena, sizeof(*batch));

	if (!call->req->may_block)
		return call_pause(call, HTTP_BLOCKS);
	if (!call->slice)
		TRY(begin(call, batch));
	TRY(run_next(batch));
	json_end_array(&batch->out);
	json_end_object(&batch->out);
	arena_close(&batch->arena);
	return OK;
}
