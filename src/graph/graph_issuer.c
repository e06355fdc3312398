/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_issuer — the store's own issuer over HTTP, at Entra ID's paths, so that MSAL works by configuration alone:
 *
 *   POST /{tenant}/oauth2/v2.0/token                       client credentials (RFC 6749 4.4)
 *   POST /{tenant}/oauth2/token                            the same with `resource`, as Entra's v1 endpoint
 *   GET  /{tenant}/oauth2/v2.0/authorize                   refuses: only programs sign in here
 *   GET  /{tenant}/v2.0/.well-known/openid-configuration   for clients that sign in
 *   GET  /{tenant}/.well-known/openid-configuration        for servers that check tokens
 *   GET  /{tenant}/discovery/v2.0/keys
 *   anything beside them                                   404, in OAuth's words too
 *
 * None of them needs a bearer token.  Errors are OAuth's JSON with Entra's additions; clients look at Entra's numbers.
 * An unknown client and a wrong secret get the same answer.
 *
 * The two documents differ in `issuer`, as Entra's do.  MSAL expects a URL on the authority's host there.  The issuer
 * named in our tokens is no URL, because a store may be reached under many.
 */
#include "graph/calls.h"
#include "graph/steps.h"

#include "text/b64.h"
#include "text/date.h"
#include "text/json_write.h"
#include "text/uri.h"

#define SECRET_MAX 1024
#define LIFE_S     3600

/* ---- paths ------------------------------------------------------------------------------------------- */

enum login_kind {
	LOGIN_NONE,
	LOGIN_TOKEN,
	LOGIN_TOKEN_V1,
	LOGIN_AUTHORIZE,
	LOGIN_DISCOVERY,
	LOGIN_CHECKING,
	LOGIN_KEYS,
	LOGIN_UNKNOWN
};

/* *tenant_out is the path's text; graph_login() checks it. */
static enum login_kind
kind_of(struct str path, struct str *tenant_out)
{
	static const struct {
		const char     *rest;
		enum login_kind kind;
	} known[] = {
		{ "oauth2/v2.0/token", LOGIN_TOKEN },
		{ "oauth2/token", LOGIN_TOKEN_V1 },
		{ "oauth2/v2.0/authorize", LOGIN_AUTHORIZE },
		{ "oauth2/authorize", LOGIN_AUTHORIZE },
		{ "v2.0/.well-known/openid-configuration", LOGIN_DISCOVERY },
		{ ".well-known/openid-configuration", LOGIN_CHECKING },
		{ "discovery/v2.0/keys", LOGIN_KEYS },
		{ "discovery/keys", LOGIN_KEYS },
	};
	static const char *const begins[] = { "oauth2/", "v2.0/.well-known/", ".well-known/", "discovery/", "openid/" };
	struct str               rest = str_skip(path, 1);

	/* A version is Graph's: most requests end here. */
	if (!str_take_until(&rest, '/', tenant_out) || str_eq_nocase(*tenant_out, STR("v1.0")) ||
	    str_eq_nocase(*tenant_out, STR("beta")))
		return LOGIN_NONE;
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (str_eq(rest, str_from_c(known[i].rest)))
			return known[i].kind;
	/* With a tenant, or where somebody forgot it. */
	for (size_t i = 0; i < COUNT_OF(begins); i++)
		if (str_starts(rest, str_from_c(begins[i])) || str_starts(str_skip(path, 1), str_from_c(begins[i])))
			return LOGIN_UNKNOWN;
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
static const struct login_fault unknown = {
	404, 90010, "invalid_request",
	"This endpoint is not served: programs get tokens at /{tenant}/oauth2/v2.0/token, people by `tidemark token`."
};
static const struct login_fault no_people = {
	400, 70005, "unsupported_response_type",
	"Only programs sign in here, at /{tenant}/oauth2/v2.0/token; people get a token by `tidemark token`."
};
static const struct login_fault bad_method = { 405, 900561, "invalid_request", "This endpoint has another method." };
static const struct login_fault bad_tenant = { 400, 90002, "invalid_request",
	                                       "The tenant in the path must be its id, a GUID." };
static const struct login_fault bad_form = { 400, 9002313, "invalid_request",
	                                     "Invalid request. Request is malformed or invalid." };
/* An assertion names the server's URL, and the sender of a request chooses its Host header freely. */
static const struct login_fault no_address = {
	400, 700027, "invalid_client",
	"Client assertions are taken where the server knows its own address, and it does not know this one: start it "
	"with --public-url."
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
	401, 700024, "invalid_client",
	"The client assertion is not within its valid time range: by this server's clock (the Timestamp) it has ended, "
	"begins later, is older than ten minutes, or ends in more than an hour. Is the client's clock right?"
};
static const struct login_fault bad_scope = {
	400, 1002012, "invalid_scope",
	"Client credential flows must have a scope value with /.default suffixed to the resource identifier."
};
static const struct login_fault mixed_scopes = {
	400, 70011, "invalid_scope",
	"The provided value for the input parameter 'scope' is not valid: only OpenID scopes go with a /.default."
};
static const struct login_fault no_scope = { 400, 90014, "invalid_request",
	                                     "The required field 'scope' is missing from the credential." };
static const struct login_fault no_resource = { 400, 900144, "invalid_request",
	                                        "The request body must contain the following parameter: 'resource'." };
static const struct login_fault resource_in_v2 = {
	400, 901002, "invalid_request",
	"The 'resource' request parameter is not supported: send 'scope' here, or 'resource' to /{tenant}/oauth2/token."
};
static const struct login_fault busy = { 503, 90033, "temporarily_unavailable",
	                                 "Too many sign-ins at one time. Try again." };
static const struct login_fault broken = { 500, 90033, "server_error", "The server failed; its log says why." };

static void
begin_head(struct call *call)
{
	static const char for_browsers[] =
		"Access-Control-Allow-Origin: *\r\n"
		"Access-Control-Expose-Headers: x-ms-request-id, client-request-id, Retry-After\r\n";

	http_resp_constant_fields(call->resp, str_of(for_browsers, sizeof(for_browsers) - 1));
	http_resp_field(call->resp, "x-ms-request-id", str_of(call->request_id, GUID_TEXT_LEN));
	if (call->client_request_id.len > 0)
		http_resp_field(call->resp, "client-request-id", call->client_request_id);
}

static struct buf *
begin_answer(struct call *call, unsigned status)
{
	begin_head(call);
	http_resp_status(call->resp, status);
	http_resp_field(call->resp, "Content-Type", STR("application/json; charset=utf-8"));
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
	struct str grant_type, client_id, client_secret, scope, resource, assertion, assertion_type;
};

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
	if (str_eq(name, STR("resource")))
		return &form->resource;
	return str_eq(name, STR("scope")) ? &form->scope : NULL;
}

/* A parameter we know may come once; others are ignored, as the RFC demands. */
static bool
read_form(const struct call *call, struct login_form *form)
{
	struct str      rest = call->req->body;
	struct uri_pair pair;
	bool            more = rest.len <= SMALL_BODY_MAX;

	if (!more)
		return false;
	while (uri_take_pair(&rest, call->arena, &pair, &more) == OK) {
		struct str *field = more ? field_of(form, pair.name) : NULL;

		if (!more)
			return true;
		if (field && field->at)
			return false;
		if (field)
			*field = pair.value;
	}
	return false;
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
	if (uri_decode_form(str_first(plain, str_find(plain, ':')), call->arena, &id) != OK ||
	    uri_decode_form(str_skip(plain, str_find(plain, ':') + 1), call->arena, &secret) != OK)
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

/* The OpenID scopes, which MSAL for Go and for Java add unasked: they give a program nothing. */
static bool
is_openid_scope(struct str scope)
{
	return str_has_word(STR("openid profile email offline_access"), ' ', scope, str_eq_nocase);
}

static const struct login_fault *
check_scopes(const struct login_form *form)
{
	struct str rest = form->scope, scope, wanted = STR_EMPTY;
	bool       mixed = false;

	while (str_take_until(&rest, ' ', &scope)) {
		if (scope.len == 0 || is_openid_scope(scope))
			continue;
		mixed |= wanted.len > 0 && !str_eq(scope, wanted);
		if (wanted.len == 0 || str_ends(scope, STR("/.default")))
			wanted = scope;
	}
	if (form->scope.len == 0)
		return form->resource.len > 0 ? &resource_in_v2 : &no_scope;
	if (!str_ends(wanted, STR("/.default")) || wanted.len == sizeof("/.default") - 1)
		return &bad_scope;
	return mixed ? &mixed_scopes : NULL;
}

static const struct login_fault *
read_request(const struct call *call, bool v1, struct login_form *form)
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
	if (v1)
		return form->resource.len > 0 ? NULL : &no_resource;
	return check_scopes(form);
}

/* ---- answers -------------------------------------------------------------------------------------- */

/* The v1 endpoint writes numbers as texts. */
static void
put_number(struct json_out *out, struct str name, int64_t number, struct arena *v1)
{
	if (v1)
		json_put_member(out, name, arena_printf(v1, "%lld", (long long)number));
	else
		json_put_member_int(out, name, number);
}

/* `resource` is what a v1 request names; empty: it was a v2 request. */
static void
put_token(struct call *call, struct str resource, struct str jwt)
{
	struct json_out out;
	struct buf     *buf = begin_answer(call, 200);
	struct arena   *v1 = resource.len > 0 ? call->arena : NULL;
	int64_t         now_s = clock_wall_s(call->graph->parts.clock);

	http_resp_field(call->resp, "Cache-Control", STR("no-store"));
	http_resp_field(call->resp, "Pragma", STR("no-cache"));
	out = json_out_object(buf);
	json_put_member(&out, STR("token_type"), STR("Bearer"));
	put_number(&out, STR("expires_in"), LIFE_S, v1);
	put_number(&out, STR("ext_expires_in"), LIFE_S, v1);
	if (v1) {
		put_number(&out, STR("expires_on"), now_s + LIFE_S, v1);
		put_number(&out, STR("not_before"), now_s, v1);
		json_put_member(&out, STR("resource"), resource);
	}
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

/* Clients name the token endpoint, the one of v1, or the issuer of the discovery document. */
static void
list_audiences(const struct call *call, const struct guid *tenant, struct issuer_login *login)
{
	static const char *const rests[] = { "oauth2/v2.0/token", "oauth2/token", "v2.0" };
	const struct graph      *graph = call->graph;
	size_t                   count = graph->url_count * COUNT_OF(rests);
	struct str              *list = arena_take(call->arena, (count + 1) * sizeof(*list));

	for (size_t i = 0; i < count; i++)
		list[i] = arena_printf(call->arena, "%.*s/%s/%s", STR_ARG(graph->urls[i / COUNT_OF(rests)]),
		                       guid_str(tenant).c, rests[i % COUNT_OF(rests)]);
	login->audiences = list;
	login->audience_count = count;
}

static bool
is_own_address(const struct call *call)
{
	struct str base = call_base_url(call);

	for (size_t i = 0; i < call->graph->url_count; i++)
		if (str_eq_nocase(base, call->graph->urls[i]))
			return true;
	return false;
}

static void
answer_token(struct call *call, const struct guid *tenant, bool v1)
{
	const struct graph_parts *parts = &call->graph->parts;
	struct login_form         form = { .scope = { NULL, 0 } };
	const struct login_fault *fault = read_request(call, v1, &form);
	struct issuer_login       login = { .tenant = *tenant, .life_s = LIFE_S };
	struct guid               client;
	struct str                jwt;
	enum err                  err;

	if (fault) {
		answer_fault(call, fault);
		return;
	}
	login.client_id = form.client_id;
	login.secret = form.client_secret;
	login.network = call->req->network;
	login.assertion = form.assertion;
	if (form.assertion.len > 0)
		list_audiences(call, tenant, &login);
	call->caller.tenant = *tenant;
	if (guid_parse(form.client_id, &client))
		call->caller.app = form.client_id;
	err = issuer_login(parts->issuer, parts->store, &login, call->arena, &jwt);
	if (err == OK)
		put_token(call, v1 ? form.resource : STR_EMPTY, jwt);
	else if (err == ERR_NO_IDENTITY && form.assertion.len > 0 && !is_own_address(call))
		answer_fault(call, &no_address);
	else
		answer_fault(call, fault_of(err, &login));
}

static void
put_url(struct json_out *out, struct str name, const struct call *call, const char *tenant, const char *rest)
{
	struct str base = call_base_url(call);

	json_put_member(out, name, arena_printf(call->arena, "%.*s/%s/%s", STR_ARG(base), tenant, rest));
}

/* The document must name an authorization endpoint (OpenID Connect Discovery 3), although only programs sign in. */
static void
answer_discovery(struct call *call, const struct guid *tenant, bool for_checking)
{
	struct json_out out;
	struct str      issuer = issuer_name(call->graph->parts.issuer);
	const char     *tid = arena_c(call->arena, str_from_c(guid_str(tenant).c));

	out = json_out_object(begin_answer(call, 200));
	put_url(&out, STR("token_endpoint"), call, tid, "oauth2/v2.0/token");
	json_put_member_words(&out, STR("token_endpoint_auth_methods_supported"),
	                      STR("client_secret_post client_secret_basic private_key_jwt"));
	json_put_member_words(&out, STR("token_endpoint_auth_signing_alg_values_supported"), STR("PS256 RS256"));
	json_put_member_words(&out, STR("grant_types_supported"), STR("client_credentials"));
	put_url(&out, STR("jwks_uri"), call, tid, "discovery/v2.0/keys");
	json_put_member_words(&out, STR("response_types_supported"), STR("none"));
	json_put_member_words(&out, STR("subject_types_supported"), STR("public"));
	json_put_member_words(&out, STR("id_token_signing_alg_values_supported"), STR("ES256"));
	if (for_checking)
		json_put_member(&out, STR("issuer"), arena_printf(call->arena, "%.*s:%s", STR_ARG(issuer), tid));
	else
		put_url(&out, STR("issuer"), call, tid, "v2.0");
	put_url(&out, STR("authorization_endpoint"), call, tid, "oauth2/v2.0/authorize");
	json_end_object(&out);
}

static bool
takes_form(enum login_kind kind)
{
	return kind == LOGIN_TOKEN || kind == LOGIN_TOKEN_V1;
}

static struct str
methods_of(enum login_kind kind)
{
	if (takes_form(kind))
		return STR("POST");
	return kind == LOGIN_AUTHORIZE || kind == LOGIN_UNKNOWN ? STR("GET, HEAD, POST") : STR("GET, HEAD");
}

static const struct login_fault *
check_call(struct call *call, enum login_kind kind, struct str text, struct guid *tenant_out)
{
	if (!call->graph->parts.issuer)
		return &closed;
	if (kind == LOGIN_UNKNOWN)
		return &unknown;
	if (call_reads(call) ? takes_form(kind)
	                     : call->req->method != HTTP_POST || !(takes_form(kind) || kind == LOGIN_AUTHORIZE)) {
		http_resp_field(call->resp, "Allow", methods_of(kind));
		return &bad_method;
	}
	if (!guid_parse(text, tenant_out) || guid_is_zero(tenant_out))
		return &bad_tenant;
	return kind == LOGIN_AUTHORIZE ? &no_people : NULL;
}

void
graph_login(struct call *call)
{
	struct str                text;
	struct guid               tenant;
	enum login_kind           kind = kind_of(call->req->path, &text);
	const struct login_fault *fault;

	if (call->req->method == HTTP_OPTIONS) {
		begin_head(call);
		headers_answer_options(call, methods_of(kind));
		return;
	}
	fault = check_call(call, kind, text, &tenant);
	if (fault)
		answer_fault(call, fault);
	else if (takes_form(kind))
		answer_token(call, &tenant, kind == LOGIN_TOKEN_V1);
	else if (kind == LOGIN_DISCOVERY || kind == LOGIN_CHECKING)
		answer_discovery(call, &tenant, kind == LOGIN_CHECKING);
	else
		issuer_put_keys(call->graph->parts.issuer, begin_answer(call, 200));
}
