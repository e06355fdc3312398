/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_client.h"

#include "base/buf.h"
#include "base/guid.h"
#include "crypt/rsa_cert.h"
#include "follow/follow_device.h"
#include "follow/follow_link.h"
#include "follow/follow_secrets.h"
#include "text/b64.h"
#include "text/date.h"
#include "text/json_read.h"
#include "text/json_write.h"

#define ASSERTION_S 300
#define CLAIMS_MAX  ((size_t)16 << 10)
#define SHOWN_MAX   300
#define WORD_MAX    64 /* longer than any word of a message, shorter than any token */

struct str
follow_client_part(struct str text, struct arena *arena)
{
	return uri_encode(text, "", arena);
}

/* ---- what an authority says ----------------------------------------------------------------- */

/* An authority that repeats what it was sent must not bring that into a log. */
static bool
may_be_shown(struct str text, struct str secret)
{
	struct str word;

	if (secret.len > 0 && memmem(text.at, text.len, secret.at, secret.len))
		return false;
	while (str_take_until(&text, ' ', &word))
		if (word.len > WORD_MAX)
			return false;
	return true;
}

/* {"error":"invalid_client","error_description":"AADSTS7000215: …"}: the first line of it tells enough. */
struct str
follow_client_said(struct str body, struct str secret, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   error = STR_EMPTY, text = STR_EMPTY;

	if (json_read(str_first(body, FOLLOW_BEARER_MAX), arena, &root, NULL) != OK ||
	    !json_text(json_member(root, "error"), &error))
		return STR_EMPTY;
	(void)json_text(json_member(root, "error_description"), &text);
	text = str_first(text, str_find(text, '\n'));
	if (!may_be_shown(error, secret))
		return STR_EMPTY;
	if (!may_be_shown(text, secret))
		text = STR_EMPTY;
	return arena_printf(arena, ": %.*s%s%.*s", STR_ARG(error), text.len > 0 ? " " : "",
	                    STR_ARG(str_cut(text, SHOWN_MAX)));
}

enum err
follow_client_refused(const struct follow_response *response, struct str secret, struct arena *arena,
                      struct str *why_out)
{
	*why_out = arena_printf(arena, "the token endpoint answers %u%.*s", response->status,
	                        STR_ARG(follow_client_said(response->body, secret, arena)));
	return response->status == 429 || response->status >= 500 ? ERR_BUSY : ERR_NO_IDENTITY;
}

static enum err
validate(const struct follow_response *response, struct str secret, struct arena *arena, struct str *answer_out,
         struct str *why_out)
{
	if (response->status != 200)
		return follow_client_refused(response, secret, arena, why_out);
	if (response->body.len > FOLLOW_BEARER_MAX) {
		*why_out = STR("the token endpoint answers more than 64 KiB");
		return ERR_NO_IDENTITY;
	}
	*answer_out = arena_copy(arena, response->body);
	return OK;
}

/* ---- asking --------------------------------------------------------------------------------- */

static struct str
endpoint_url(const struct follow_client *client, const char *endpoint, struct arena *arena)
{
	struct str host = client->authority;

	while (str_ends(host, STR("/")))
		host.len--;
	return arena_printf(arena, "%.*s/%.*s/oauth2/v2.0/%s", STR_ARG(host),
	                    STR_ARG(follow_client_part(client->tenant, arena)), endpoint);
}

enum err
follow_client_post(const struct follow_client *client, const char *endpoint, struct str form, struct follow_curl *curl,
                   struct arena *arena, struct follow_response *response_out, struct str *why_out)
{
	struct str           url = endpoint_url(client, endpoint, arena);
	struct follow_origin origin;
	const char          *why;
	enum err             err;

	if (!follow_origin_of(url, &origin, &why)) {
		*why_out = arena_printf(arena, "the authority's URL %s", why);
		return ERR_NO_IDENTITY;
	}
	err = follow_curl_post(curl, url, form, arena, response_out, why_out);
	if (err == OK)
		return OK;
	*why_out = arena_printf(arena, "the %s endpoint: %.*s",
	                        strcmp(endpoint, "devicecode") == 0 ? "device code" : endpoint, STR_ARG(*why_out));
	return err == ERR_BUSY || err == ERR_UP_REFUSED ? err : ERR_NO_IDENTITY;
}

/* ---- an assertion --------------------------------------------------------------------------- */

static enum err
check_dates(const struct follow_client *client, struct arena *arena, struct str *why_out)
{
	int64_t now_s = clock_wall_s(client->clock);
	int64_t from_s = rsa_cert_from_s(client->cert), until_s = rsa_cert_until_s(client->cert);
	char    text[DATE_TEXT_MAX];
	bool    early = now_s < from_s;

	if (!early && now_s < until_s)
		return OK;
	*why_out = arena_printf(arena, "the client certificate %s %.*s", early ? "is not good before" : "expired at",
	                        (int)date_format((early ? from_s : until_s) * 1000000000, 0, text), text);
	return ERR_NO_IDENTITY;
}

static void
put_claims(const struct follow_client *client, struct str endpoint, struct buf *buf)
{
	int64_t         now_s = clock_wall_s(client->clock);
	struct guid     id = guid_random(client->entropy);
	char            jti[GUID_TEXT_LEN];
	struct json_out out;

	guid_format(&id, jti);
	out = json_out_object(buf);
	json_put_member(&out, STR("aud"), endpoint);
	json_put_member_int(&out, STR("exp"), now_s + ASSERTION_S);
	json_put_member_int(&out, STR("iat"), now_s);
	json_put_member_int(&out, STR("nbf"), now_s);
	json_put_member(&out, STR("iss"), client->id);
	json_put_member(&out, STR("sub"), client->id);
	json_put_member(&out, STR("jti"), str_of(jti, sizeof(jti)));
	json_end_object(&out);
}

enum err
follow_client_assertion(const struct follow_client *client, struct str endpoint, struct arena *arena,
                        struct str *jwt_out, struct str *why_out)
{
	AUTO(buf_close) struct buf claims = { 0 };
	struct str                 header, message, signature;
	uint8_t                    thumbprint[32];

	TRY(check_dates(client, arena, why_out));
	buf_open(&claims, CLAIMS_MAX);
	put_claims(client, endpoint, &claims);
	if (buf_err(&claims) != OK) {
		*why_out = STR("the tenant or the client id is too long");
		return ERR_NO_IDENTITY;
	}
	rsa_cert_thumbprint(client->cert, thumbprint);
	header = b64_encode(B64_URL, thumbprint, sizeof(thumbprint), arena);
	header = arena_printf(arena, "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"%.*s\"}", STR_ARG(header));
	message = arena_printf(arena, "%.*s.%.*s", STR_ARG(b64_encode(B64_URL, header.at, header.len, arena)),
	                       STR_ARG(b64_encode(B64_URL, claims.at, claims.len, arena)));
	if (rsa_cert_sign(client->cert, message, arena, &signature) != OK) {
		*why_out = STR("the client certificate's private key cannot sign");
		return ERR_NO_IDENTITY;
	}
	*jwt_out = arena_printf(arena, "%.*s.%.*s", STR_ARG(message),
	                        STR_ARG(b64_encode(B64_URL, signature.at, signature.len, arena)));
	return OK;
}

/* ---- the three ways ------------------------------------------------------------------------- */

/* What proves the client, as the end of a form. */
static enum err
proof_of(const struct follow_client *client, struct arena *arena, struct str *form_out, struct str *secret_out,
         struct str *why_out)
{
	struct str jwt;

	if (!client->cert) {
		*secret_out = client->secret;
		*form_out = arena_printf(arena, "client_secret=%.*s",
		                         STR_ARG(follow_client_part(client->secret, arena)));
		return OK;
	}
	TRY(follow_client_assertion(client, endpoint_url(client, "token", arena), arena, &jwt, why_out));
	*secret_out = jwt;
	*form_out = arena_printf(
		arena,
		"client_assertion_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Aclient-assertion-type%%3Ajwt-bearer"
		"&client_assertion=%.*s",
		STR_ARG(jwt));
	return OK;
}

enum err
follow_client_request(const struct follow_client *client, struct follow_curl *curl, struct arena *arena,
                      struct str *answer_out, struct str *why_out)
{
	struct follow_response response;
	struct str             form, proof, secret;

	if (client->kept)
		return follow_device_refresh(client, curl, arena, answer_out, why_out);
	TRY(proof_of(client, arena, &proof, &secret, why_out));
	if (client->secrets)
		follow_secrets_note(client->secrets, secret);
	form = arena_printf(arena, "grant_type=client_credentials&client_id=%.*s&scope=%.*s&%.*s",
	                    STR_ARG(follow_client_part(client->id, arena)),
	                    STR_ARG(follow_client_part(client->scope, arena)), STR_ARG(proof));
	TRY(follow_client_post(client, "token", form, curl, arena, &response, why_out));
	return validate(&response, secret, arena, answer_out, why_out);
}
