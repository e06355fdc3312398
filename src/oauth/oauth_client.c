/* SPDX-License-Identifier: Apache-2.0 */
#include "oauth/oauth_client.h"

#include "base/buf.h"
#include "base/guid.h"
#include "crypt/rsa_cert.h"
#include "fetch/fetch_secrets.h"
#include "oauth/oauth_endpoint.h"
#include "oauth/oauth_token_store.h"
#include "text/b64.h"
#include "text/date.h"
#include "text/json_write.h"

#define ASSERTION_S 300
#define CLAIMS_MAX  ((size_t)16 << 10)

static enum err
check_dates(const struct oauth_client *client, struct arena *arena, struct str *why_out)
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
put_claims(const struct oauth_client *client, struct str endpoint, struct buf *buf)
{
	int64_t         now_s = clock_wall_s(client->clock);
	struct guid     id = guid_random(client->entropy);
	struct json_out out = json_out_object(buf);

	json_put_member(&out, STR("aud"), endpoint);
	json_put_member_int(&out, STR("exp"), now_s + ASSERTION_S);
	json_put_member_int(&out, STR("iat"), now_s);
	json_put_member_int(&out, STR("nbf"), now_s);
	json_put_member(&out, STR("iss"), client->id);
	json_put_member(&out, STR("sub"), client->id);
	json_put_member_guid(&out, STR("jti"), &id);
	json_end_object(&out);
}

enum err
oauth_client_assertion(const struct oauth_client *client, struct str endpoint, struct arena *arena, struct str *jwt_out,
                       struct str *why_out)
{
	AUTO(buf_close) struct buf claims = { 0 };
	struct str                 header, message, signature;
	uint8_t                    thumbprint[32];

	TRY(check_dates(client, arena, why_out));
	buf_open(&claims, CLAIMS_MAX);
	put_claims(client, endpoint, &claims);
	if (buf_err(&claims) != OK)
		return oauth_no_identity("the tenant or the client id is too long", why_out);
	rsa_cert_thumbprint(client->cert, thumbprint);
	header = b64_encode(B64_URL, thumbprint, sizeof(thumbprint), arena);
	header = arena_printf(arena, "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"%.*s\"}", STR_ARG(header));
	message = arena_printf(arena, "%.*s.%.*s", STR_ARG(b64_encode(B64_URL, header.at, header.len, arena)),
	                       STR_ARG(b64_encode(B64_URL, claims.at, claims.len, arena)));
	if (rsa_cert_sign(client->cert, message, arena, &signature) != OK)
		return oauth_no_identity("the client certificate's private key cannot sign", why_out);
	*jwt_out = arena_printf(arena, "%.*s.%.*s", STR_ARG(message),
	                        STR_ARG(b64_encode(B64_URL, signature.at, signature.len, arena)));
	return OK;
}

static enum err
validate(const struct fetch_response *response, struct str secret, struct arena *arena, struct str *answer_out,
         struct str *why_out)
{
	if (response->status != 200)
		return oauth_failed("token", response, secret, arena, why_out);
	*why_out = STR("the token endpoint answers more than 64 KiB");
	return oauth_answer(response, arena, answer_out);
}

enum err
oauth_client_request(const struct oauth_client *client, struct fetch *fetch, struct arena *arena,
                     struct str *answer_out, struct str *why_out)
{
	struct oauth_field    fields[] = { { "grant_type", STR("client_credentials") },
		                           { "client_id", client->id },
		                           { "scope", client->scope },
		                           { "client_secret", client->secret },
		                           { NULL, STR_EMPTY },
		                           { NULL, STR_EMPTY },
		                           { NULL, STR_EMPTY } };
	struct fetch_response response;
	struct str            secret = client->secret;

	if (client->token_store)
		return oauth_refresh(client, fetch, arena, answer_out, why_out);
	if (client->cert) {
		TRY(oauth_client_assertion(client, oauth_endpoint_url(client, "token", arena), arena, &secret,
		                           why_out));
		fields[3] = (struct oauth_field){ "client_assertion_type",
			                          STR("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") };
		fields[4] = (struct oauth_field){ "client_assertion", secret };
	}
	if (client->claims.len > 0)
		fields[client->cert ? 5 : 4] = (struct oauth_field){ "claims", client->claims };
	if (client->secrets)
		fetch_secrets_note(client->secrets, secret);
	TRY(oauth_post(client, "token", fields, fetch, arena, &response, why_out));
	return validate(&response, secret, arena, answer_out, why_out);
}
