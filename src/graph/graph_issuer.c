/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_issuer — the store's own issuer over HTTP, at Entra ID's paths, so that MSAL works by configuration alone:
 *
 *   POST /{tenant}/oauth2/v2.0/token                       client credentials (RFC 6749 4.4)
 *   GET  /{tenant}/v2.0/.well-known/openid-configuration   for clients that sign in
 *   GET  /{tenant}/.well-known/openid-configuration        for servers that check tokens
 *   GET  /{tenant}/discovery/v2.0/keys
 *
 * None of them needs a bearer token.  Errors are OAuth's JSON with Entra's additions; clients look at Entra's numbers.
 * An unknown client and a wrong secret get the same answer.
 *
 * The two documents differ in `issuer`, as Entra's do.  MSAL expects a URL on the authority's host there.  The issuer
 * named in our tokens is no URL, because a store may be reached under many.
 */
#include "graph/calls.h"
#include "graph/headers.h"

#include "text/b64.h"
#include "text/date.h"
#include "text/json_write.h"
#include "text/uri.h"

#define SECRET_MAX 1024
#define LIFE_S     3600

/* ---- paths ------------------------------------------------------------------------------------------- */

enum login_kind { LOGIN_NONE, LOGIN_TOKEN, LOGIN_DISCOVERY, LOGIN_CHECKING, LOGIN_KEYS };

/* *tenant_out is the path's text; graph_login() checks it. */
static enum login_kind
kind_of(struct str path, struct str *tenant_out)
{
	static const struct {
		struct str      rest;
		enum login_kind kind;
	} known[] = {
		{ { "oauth2/v2.0/token", 17 }, LOGIN_TOKEN },
		{ { "v2.0/.well-known/openid-configuration", 37 }, LOGIN_DISCOVERY },
		{ { ".well-known/openid-configuration", 32 }, LOGIN_CHECKING },
		{ { "discovery/v2.0/keys", 19 }, LOGIN_KEYS },
	};

	if (!str_starts(path, STR("/")))
		return LOGIN_NONE;
	path = str_skip(path, 1);
	if (!str_take_until(&path, '/', tenant_out))
		return LOGIN_NONE;
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (str_eq(path, known[i].rest))
			return known[i].kind;
	return LOGIN_NONE;
}

bool
graph_is_login(const struct http_req *req)
{
	struct str tenant;

	return kind_of(req->path, &tenant) != LOGIN_NONE;
}

/* ---- failures ------------------------------------------------------------------------------------------ */

struct login_fault {
	unsigned    status;
	unsigned    number; /* Entra's */
	const char *error;  /* OAuth's */
	const char *text;
};

static const struct login_fault closed = { 404, 90015, "invalid_request", "Nobody signs in here: the issuer is off." };
static const struct login_fault bad_method = { 405, 900561, "invalid_request", "This endpoint has another method." };
static const struct login_fault bad_tenant = { 400, 90002, "invalid_request",
	                                       "The tenant in the path must be its id, a GUID." };
static const struct login_fault bad_form = { 400, 9002313, "invalid_request",
	                                     "Invalid request. Request is malformed or invalid." };
/* An assertion names the server's URL, and the sender of a request chooses its Host header freely. */
static const struct login_fault no_address = {
	400, 700027, "invalid_client",
	"Client assertions are taken where the server knows its own address: start it with --public-url."
};
static const struct login_fault no_grant = { 400, 900144, "invalid_request",
	                                     "The request body must contain the following parameter: 'grant_type'." };
static const struct login_fault bad_grant = {
	400, 70003, "unsupported_grant_type",
	"The app requested an unsupported grant type; client_credentials is known."
};
static const struct login_fault no_client = { 400, 900144, "invalid_request",
	                                      "The request body must contain the following parameter: 'client_id'." };
static const struct login_fault no_secret = {
	401, 7000218, "invalid_client",
	"The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
};
static const struct login_fault bad_client = { 401, 7000215, "invalid_client",
	                                       "The client is not known in this tenant, or its secret is wrong." };
static const struct login_fault bad_type = { 400, 900144, "invalid_request",
	                                     "The parameter 'client_assertion_type' must say jwt-bearer." };
static const struct login_fault bad_assertion = {
	401, 700027, "invalid_client",
	"The client is not known in this tenant, or its assertion is not signed by its certificate for this endpoint."
};
static const struct login_fault stale_assertion = {
	401, 700024, "invalid_client", "The client assertion is not within its valid time range (ten minutes at most)."
};
static const struct login_fault bad_scope = {
	400, 1002012, "invalid_scope",
	"Client credential flows must have a scope value with /.default suffixed to the resource identifier."
};
static const struct login_fault busy = { 503, 90033, "temporarily_unavailable",
	                                 "Too many sign-ins at one time. Try again." };
static const struct login_fault broken = { 500, 90033, "server_error", "The server failed; its log says why." };

static struct buf *
begin_answer(struct call *call, unsigned status)
{
	http_resp_status(call->resp, status);
	http_resp_field(call->resp, "Content-Type", STR("application/json; charset=utf-8"));
	http_resp_field(call->resp, "x-ms-request-id", str_of(call->request_id, GUID_TEXT_LEN));
	return http_resp_body(call->resp);
}

static void
put_fault_text(struct json_out *out, const struct call *call, const struct login_fault *fault, struct str moment)
{
	struct str id = str_of(call->request_id, GUID_TEXT_LEN);
	struct str theirs = call->client_request_id.len ? call->client_request_id : id;

	json_put_member(out, STR("error"), str_from_c(fault->error));
	json_put_member(out, STR("error_description"),
	                arena_printf(call->arena, "AADSTS%u: %s Trace ID: %.*s Correlation ID: %.*s Timestamp: %.*s",
	                             fault->number, fault->text, STR_ARG(id), STR_ARG(theirs), STR_ARG(moment)));
	json_put_name(out, STR("error_codes"));
	json_put_array(out);
	json_put_int(out, fault->number);
	json_end_array(out);
	json_put_member(out, STR("timestamp"), moment);
	json_put_member(out, STR("trace_id"), id);
	json_put_member(out, STR("correlation_id"), theirs);
}

static void
answer_fault(struct call *call, const struct login_fault *fault)
{
	const struct clock *clock = call->graph->parts.clock;
	struct json_out     out;
	char                text[DATE_TEXT_MAX];
	struct str          moment = str_of(text, date_format(clock->wall_ns(clock->ctx), 0, text));
	struct buf         *buf = begin_answer(call, fault->status);

	text[10] = ' ';
	if (fault->status == 401)
		http_resp_field(call->resp, "WWW-Authenticate", STR("Basic realm=\"tidemark\""));
	if (fault->status == 503 && !call->by_server)
		http_resp_field(call->resp, "Retry-After", STR("1"));
	http_resp_field(call->resp, "Cache-Control", STR("no-store"));
	out = json_out_object(buf);
	put_fault_text(&out, call, fault, moment);
	json_end_object(&out);
}

void
graph_login_refuse(struct call *call, unsigned status, const char *reason)
{
	const struct login_fault fault = { status, 90033, status >= 500 ? "temporarily_unavailable" : "invalid_request",
		                           reason };

	answer_fault(call, &fault);
}

/* ---- the form -------------------------------------------------------------------------------------------- */

struct login_form {
	struct str grant_type, client_id, client_secret, scope, assertion, assertion_type;
};

/* In a form '+' is a blank (WHATWG URL 5.1). */
static bool
decode_form(struct str text, struct arena *arena, struct str *text_out)
{
	char *copy = arena_take_raw(arena, text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		copy[i] = text.at[i] == '+' ? ' ' : text.at[i];
	return uri_decode(str_of(copy, text.len), arena, text_out) == OK;
}

static struct str *
field_of(struct login_form *form, struct str name)
{
	if (str_eq(name, STR("grant_type")))
		return &form->grant_type;
	if (str_eq(name, STR("client_id")))
		return &form->client_id;
	if (str_eq(name, STR("client_secret")))
		return &form->client_secret;
	if (str_eq(name, STR("client_assertion")))
		return &form->assertion;
	if (str_eq(name, STR("client_assertion_type")))
		return &form->assertion_type;
	return str_eq(name, STR("scope")) ? &form->scope : NULL;
}

/* A parameter we know may come once; others are ignored, as the RFC demands. */
static bool
read_form(const struct call *call, struct login_form *form)
{
	struct str rest = call->req->body, pair, name, value;

	if (rest.len > SMALL_BODY_MAX)
		return false;
	while (str_take_until(&rest, '&', &pair)) {
		struct str  raw = str_first(pair, str_find(pair, '='));
		struct str *field;

		if (!decode_form(raw, call->arena, &name) ||
		    !decode_form(str_skip(pair, raw.len + 1), call->arena, &value))
			return false;
		field = field_of(form, name);
		if (field && field->at)
			return false;
		if (field)
			*field = value;
	}
	return true;
}

/* Authorization: Basic, both halves form-encoded (RFC 6749 2.3.1).  The body may not have a secret too. */
static const struct login_fault *
read_basic(const struct call *call, struct login_form *form)
{
	struct str field = http_req_field(call->req, "Authorization"), plain, id, secret;

	if (!field.at)
		return NULL;
	if (!str_starts_nocase(field, STR("Basic ")) || form->client_secret.at)
		return &bad_form;
	if (field.len > 4 * SECRET_MAX || !b64_decode(B64_STANDARD, str_trim(str_skip(field, 6)), call->arena, &plain))
		return &bad_client;
	if (!decode_form(str_first(plain, str_find(plain, ':')), call->arena, &id) ||
	    !decode_form(str_skip(plain, str_find(plain, ':') + 1), call->arena, &secret))
		return &bad_client;
	if (form->client_id.at && !str_eq(form->client_id, id))
		return &bad_form;
	form->client_id = id;
	form->client_secret = secret;
	return NULL;
}

/* A secret or an assertion, not both. */
static const struct login_fault *
read_proof(const struct login_form *form)
{
	if (form->assertion.at && form->client_secret.at)
		return &bad_form;
	if (form->assertion.len > 0 &&
	    !str_eq(form->assertion_type, STR("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")))
		return &bad_type;
	if (form->assertion.len > 0)
		return NULL;
	if (form->client_secret.len == 0)
		return &no_secret;
	return form->client_secret.len > SECRET_MAX ? &bad_client : NULL;
}

static bool
is_default_scope(struct str scope)
{
	return scope.len > sizeof("/.default") - 1 && str_ends(scope, STR("/.default")) &&
	       str_find(scope, ' ') == scope.len;
}

static const struct login_fault *
read_request(const struct call *call, struct login_form *form)
{
	const struct login_fault *fault;

	if (!call_body_is(call, STR("application/x-www-form-urlencoded")) || !read_form(call, form))
		return &bad_form;
	fault = read_basic(call, form);
	if (fault)
		return fault;
	if (form->grant_type.len == 0)
		return &no_grant;
	if (!str_eq(form->grant_type, STR("client_credentials")))
		return &bad_grant;
	if (form->client_id.len == 0)
		return &no_client;
	fault = read_proof(form);
	if (fault)
		return fault;
	return is_default_scope(form->scope) ? NULL : &bad_scope;
}

/* ---- answers -------------------------------------------------------------------------------------- */

static void
put_token(struct call *call, struct str jwt)
{
	struct json_out out;
	struct buf     *buf = begin_answer(call, 200);

	http_resp_field(call->resp, "Cache-Control", STR("no-store"));
	http_resp_field(call->resp, "Pragma", STR("no-cache"));
	out = json_out_object(buf);
	json_put_member(&out, STR("token_type"), STR("Bearer"));
	json_put_member_int(&out, STR("expires_in"), LIFE_S);
	json_put_member_int(&out, STR("ext_expires_in"), LIFE_S);
	json_put_member(&out, STR("access_token"), jwt);
	json_end_object(&out);
}

static const struct login_fault *
fault_of(enum err err, const struct issuer_login *login)
{
	if (err == ERR_NO_IDENTITY)
		return login->assertion.len > 0 ? &bad_assertion : &bad_client;
	if (err == ERR_STALE)
		return &stale_assertion;
	return err == ERR_BUSY ? &busy : &broken;
}

static void
answer_token(struct call *call, const struct guid *tenant)
{
	const struct graph_parts *parts = &call->graph->parts;
	struct login_form         form = { .scope = { NULL, 0 } };
	const struct login_fault *fault = read_request(call, &form);
	struct str                base = call_base_url(call), path = call->req->path;
	struct issuer_login       login = { .tenant = *tenant, .life_s = LIFE_S };
	struct guid               client;
	struct str                jwt;
	enum err                  err;

	if (fault) {
		answer_fault(call, fault);
		return;
	}
	if (form.assertion.len > 0 && parts->public_url.len == 0 && !headers_is_loopback(call->req->authority)) {
		answer_fault(call, &no_address);
		return;
	}
	login.client_id = form.client_id;
	login.secret = form.client_secret;
	login.assertion = form.assertion;
	login.audience = arena_printf(call->arena, "%.*s%.*s", STR_ARG(base), STR_ARG(path));
	call->caller.tenant = *tenant;
	if (guid_parse(form.client_id, &client))
		call->caller.app = form.client_id;
	err = issuer_login(parts->issuer, parts->store, &login, call->arena, &jwt);
	if (err == OK)
		put_token(call, jwt);
	else
		answer_fault(call, fault_of(err, &login));
}

static void
put_url(struct json_out *out, struct str name, const struct call *call, const char *tenant, const char *rest)
{
	struct str base = call_base_url(call);

	json_put_member(out, name,
	                arena_printf(call->arena, "%.*s/%.*s/%s", STR_ARG(base), GUID_TEXT_LEN, tenant, rest));
}

static void
put_list(struct json_out *out, struct str name, struct str words)
{
	struct str word;

	json_put_name(out, name);
	json_put_array(out);
	while (str_take_until(&words, ' ', &word))
		json_put_text(out, word);
	json_end_array(out);
}

/* The document must name an authorization endpoint (OpenID Connect Discovery 3), although only programs sign in. */
static void
answer_discovery(struct call *call, const struct guid *tenant, bool for_checking)
{
	struct json_out out;
	struct str      issuer = issuer_name(call->graph->parts.issuer);
	char            tid[GUID_TEXT_LEN];

	guid_format(tenant, tid);
	out = json_out_object(begin_answer(call, 200));
	put_url(&out, STR("token_endpoint"), call, tid, "oauth2/v2.0/token");
	put_list(&out, STR("token_endpoint_auth_methods_supported"),
	         STR("client_secret_post client_secret_basic private_key_jwt"));
	put_list(&out, STR("token_endpoint_auth_signing_alg_values_supported"), STR("PS256 RS256"));
	put_list(&out, STR("grant_types_supported"), STR("client_credentials"));
	put_url(&out, STR("jwks_uri"), call, tid, "discovery/v2.0/keys");
	put_list(&out, STR("response_types_supported"), STR("none"));
	put_list(&out, STR("subject_types_supported"), STR("public"));
	put_list(&out, STR("id_token_signing_alg_values_supported"), STR("ES256"));
	if (for_checking)
		json_put_member(&out, STR("issuer"),
		                arena_printf(call->arena, "%.*s:%.*s", STR_ARG(issuer), GUID_TEXT_LEN, tid));
	else
		put_url(&out, STR("issuer"), call, tid, "v2.0");
	put_url(&out, STR("authorization_endpoint"), call, tid, "oauth2/v2.0/authorize");
	json_end_object(&out);
}

void
graph_login(struct call *call)
{
	struct str      text;
	struct guid     tenant;
	enum login_kind kind = kind_of(call->req->path, &text);

	if (!call->graph->parts.issuer) {
		answer_fault(call, &closed);
	} else if (kind == LOGIN_TOKEN ? call->req->method != HTTP_POST : !call_reads(call)) {
		http_resp_field(call->resp, "Allow", kind == LOGIN_TOKEN ? STR("POST") : STR("GET, HEAD"));
		answer_fault(call, &bad_method);
	} else if (!guid_parse(text, &tenant) || guid_is_zero(&tenant)) {
		answer_fault(call, &bad_tenant);
	} else if (kind == LOGIN_TOKEN) {
		answer_token(call, &tenant);
	} else if (kind == LOGIN_DISCOVERY || kind == LOGIN_CHECKING) {
		answer_discovery(call, &tenant, kind == LOGIN_CHECKING);
	} else {
		issuer_put_keys(call->graph->parts.issuer, begin_answer(call, 200));
	}
}
