/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/issuer.h"

#include "auth/assertion.h"
#include "auth/client.h"
#include "auth/jwt.h"
#include "auth/kv_names.h"
#include "crypt/seal.h"
#include "text/b64.h"
#include "text/json_write.h"
#include "text/uri.h"

#include <stdatomic.h>
#include <stdlib.h>

#define NAME_PREFIX "urn:tidemark:"
#define NAME_LEN    (sizeof(NAME_PREFIX) - 1 + GUID_TEXT_LEN)
#define KID_LEN     43 /* a SHA-256 in base64url */
#define LIFE_MAX_S  (INT64_C(10) * 366 * 86400)
#define APP_MAX     128
#define LOGINS_MAX  4 /* secrets checked at one time: each takes 19 MiB and 20 ms */

struct issuer {
	const struct clock   *clock;
	const struct entropy *entropy;
	struct sign_key      *key;
	char                  name[NAME_LEN];
	char                  kid[B64_MAX(32)];
	atomic_uint           logins; /* secrets being checked now */
};

/* The key's name is its thumbprint (RFC 7638), so it needs no kv entry and always matches the key. */
static void
write_kid(struct issuer *issuer)
{
	uint8_t    x[32], y[32], hash[32];
	char       text[256];
	struct buf jwk;

	sign_key_ec_point(issuer->key, x, y);
	buf_open(&jwk, sizeof(text));
	buf_put(&jwk, STR("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\""));
	buf_put(&jwk, str_of(text, b64_encode_into(B64_URL, x, sizeof(x), text)));
	buf_put(&jwk, STR("\",\"y\":\""));
	buf_put(&jwk, str_of(text, b64_encode_into(B64_URL, y, sizeof(y), text)));
	buf_put(&jwk, STR("\"}"));
	MUST(buf_err(&jwk) == OK);
	hash_sha256(buf_str(&jwk), hash);
	buf_close(&jwk);
	MUST(b64_encode_into(B64_URL, hash, sizeof(hash), issuer->kid) == KID_LEN);
}

enum err
issuer_open(struct store *store, const struct clock *clock, const struct entropy *entropy, struct issuer **issuer_out)
{
	AUTO(arena_close) struct arena   *arena = arena_open((size_t)1 << 20);
	AUTO(issuer_close) struct issuer *issuer = NULL;
	struct guid                       id = store_id(store);
	struct str                        der;

	TRY(store_get_kv(store, KV_SIGN_KEY, STR(KV_CURRENT), arena, &der));
	issuer = calloc(1, sizeof(*issuer));
	MUST(issuer != NULL);
	issuer->clock = clock;
	issuer->entropy = entropy;
	if (sign_key_from_private(der, &issuer->key) != OK)
		return ERR_CORRUPT;
	memcpy(issuer->name, NAME_PREFIX, sizeof(NAME_PREFIX) - 1);
	guid_format(&id, issuer->name + sizeof(NAME_PREFIX) - 1);
	write_kid(issuer);
	*issuer_out = issuer;
	issuer = NULL;
	return OK;
}

void
issuer_close(struct issuer **issuer)
{
	if (!*issuer)
		return;
	sign_key_close(&(*issuer)->key);
	free(*issuer);
	*issuer = NULL;
}

struct str
issuer_name(const struct issuer *issuer)
{
	return str_of(issuer->name, NAME_LEN);
}

struct str
issuer_kid(const struct issuer *issuer)
{
	return str_of(issuer->kid, KID_LEN);
}

const struct sign_key *
issuer_key(const struct issuer *issuer)
{
	return issuer->key;
}

/* ---- making a token ---------------------------------------------------------------------------- */

static bool
is_printable(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
			return false;
	}
	return utf8_valid(text);
}

static bool
is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] >= 0x7f)
			return false;
	}
	return is_printable(text);
}

/* The gate accepts all that this accepts. */
static bool
grant_valid(const struct issuer_grant *grant)
{
	if (guid_is_zero(&grant->tenant) || guid_is_zero(&grant->oid))
		return false;
	if (grant->life_s < 1 || grant->life_s > LIFE_MAX_S)
		return false;
	if (!is_plain(grant->app) || grant->app.len > APP_MAX || str_find(grant->app, ' ') < grant->app.len)
		return false;
	return is_plain(grant->grants) && is_printable(grant->upn) && grant->upn.len <= UPN_MAX;
}

static void
put_roles(struct json_out *out, struct str roles)
{
	struct str role;

	json_put_name(out, STR("roles"));
	json_put_array(out);
	while (str_take_until(&roles, ' ', &role)) {
		if (role.len > 0)
			json_put_text(out, role);
	}
	json_end_array(out);
}

static void
put_caller(const struct issuer_grant *grant, struct json_out *out)
{
	if (grant->app.len > 0)
		json_put_member(out, STR("appid"), grant->app);
	json_put_member_guid(out, STR("tid"), &grant->tenant);
	json_put_member_guid(out, STR("oid"), &grant->oid);
	json_put_member_guid(out, STR("sub"), &grant->oid);
	json_put_member(out, STR("idtyp"), grant->is_app ? STR("app") : STR("user"));
	if (grant->is_app) {
		put_roles(out, grant->grants);
		return;
	}
	json_put_member(out, STR("scp"), grant->grants);
	if (grant->upn.len > 0)
		json_put_member(out, STR("upn"), grant->upn);
}

static void
put_claims(const struct issuer *issuer, const struct issuer_grant *grant, struct arena *arena, struct buf *buf)
{
	int64_t         now_s = clock_wall_s(issuer->clock);
	char            tid[GUID_TEXT_LEN];
	uint8_t         uti[16];
	struct json_out out;

	guid_format(&grant->tenant, tid);
	entropy_fill(issuer->entropy, uti, sizeof(uti));
	out = json_out_object(buf);
	json_put_member(&out, STR("aud"), STR("https://graph.microsoft.com"));
	json_put_member(&out, STR("iss"),
	                arena_printf(arena, "%.*s:%.*s", STR_ARG(issuer_name(issuer)), (int)sizeof(tid), tid));
	json_put_member_int(&out, STR("iat"), now_s);
	json_put_member_int(&out, STR("nbf"), now_s);
	json_put_member_int(&out, STR("exp"), now_s + grant->life_s);
	json_put_member(&out, STR("ver"), STR("1.0"));
	put_caller(grant, &out);
	json_put_member_int(&out, STR(JWT_GENERATION), grant->generation);
	json_put_member(&out, STR("uti"), b64_encode(B64_URL, uti, sizeof(uti), arena));
	json_end_object(&out);
}

enum err
issuer_mint(struct issuer *issuer, const struct issuer_grant *grant, struct arena *arena, struct str *jwt_out)
{
	AUTO(buf_close) struct buf claims = { 0 };
	struct str                 header, payload, message, jwt;
	uint8_t                    signature[64];

	if (!grant_valid(grant))
		return ERR_BAD_REQUEST;
	buf_open(&claims, JWT_BYTES_MAX);
	put_claims(issuer, grant, arena, &claims);
	TRY(buf_err(&claims));
	header = arena_printf(arena, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%.*s\"}",
	                      STR_ARG(issuer_kid(issuer)));
	header = b64_encode(B64_URL, header.at, header.len, arena);
	payload = b64_encode(B64_URL, claims.at, claims.len, arena);
	message = arena_printf(arena, "%.*s.%.*s", STR_ARG(header), STR_ARG(payload));
	TRY(sign_make(issuer->key, message, signature));
	jwt = b64_encode(B64_URL, signature, sizeof(signature), arena);
	jwt = arena_printf(arena, "%.*s.%.*s", STR_ARG(message), STR_ARG(jwt));
	if (jwt.len > JWT_BYTES_MAX)
		return ERR_TOO_LARGE;
	*jwt_out = jwt;
	return OK;
}

/* ---- the client credentials grant ----------------------------------------------------------------- */

struct guid
issuer_principal(const struct guid *tenant, struct str app)
{
	struct guid principal;
	char        text[GUID_TEXT_LEN];
	uint8_t     hash[32];
	struct buf  buf;

	guid_format(tenant, text);
	buf_open(&buf, 1024);
	buf_printf(&buf, "tidemark application %.*s %.*s", GUID_TEXT_LEN, text, STR_ARG(app));
	MUST(buf_err(&buf) == OK);
	hash_sha256(buf_str(&buf), hash);
	buf_close(&buf);
	memcpy(principal.b, hash, sizeof(principal.b));
	principal.b[6] = (uint8_t)((principal.b[6] & 0x0f) | 0x80); /* a version 8 GUID: made in a way of our own */
	principal.b[8] = (uint8_t)((principal.b[8] & 0x3f) | 0x80);
	return principal;
}

/* A hash of an unknown secret: it is checked when there is no client, so that both cases take the same time. */
static const char no_secret[] =
	"$argon2id$v=19$m=19456,t=2,p=1$Dqw7y0VFhy7+WKiY8SmCZA$XRGIpc9Tx+9CsgJgQzCVyaNpIfY5F6DhCB70UP3NqMA";

static enum err
check_secret(struct issuer *issuer, const struct client *client, struct str secret, struct arena *arena)
{
	const char *hash = client && client->secret_hash.len > 0 ? arena_c(arena, client->secret_hash) : no_secret;
	bool        good;

	if (atomic_fetch_add(&issuer->logins, 1) >= LOGINS_MAX) {
		atomic_fetch_sub(&issuer->logins, 1);
		return ERR_BUSY;
	}
	good = secret_matches(secret, hash);
	atomic_fetch_sub(&issuer->logins, 1);
	return good && client && hash != no_secret ? OK : ERR_NO_IDENTITY;
}

static enum err
check_assertion(struct issuer *issuer, const struct client *client, const struct issuer_login *login,
                struct arena *arena)
{
	struct assertion assertion = { login->assertion, login->audience, clock_wall_s(issuer->clock) };

	if (!client)
		return ERR_NO_IDENTITY;
	return assertion_check(&assertion, client, arena);
}

enum err
issuer_login(struct issuer *issuer, struct store *store, const struct issuer_login *login, struct arena *arena,
             struct str *jwt_out)
{
	struct issuer_grant grant = { .tenant = login->tenant, .is_app = true, .life_s = login->life_s };
	struct client       client;
	struct guid         id;
	char               *app = arena_take_raw(arena, GUID_TEXT_LEN);
	enum err            err = client_generation(store, login->client_id, arena, &grant.generation);
	bool                known;

	if (err == OK)
		err = guid_parse(login->client_id, &id) ? client_find(store, &id, arena, &client) : ERR_NOT_FOUND;
	known = err == OK && guid_eq(&client.tenant, &login->tenant);
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	if (login->assertion.len > 0)
		TRY(check_assertion(issuer, known ? &client : NULL, login, arena));
	else
		TRY(check_secret(issuer, known ? &client : NULL, login->secret, arena));
	guid_format(&id, app);
	grant.app = str_of(app, GUID_TEXT_LEN);
	grant.oid = issuer_principal(&grant.tenant, grant.app);
	grant.grants = client.roles;
	return issuer_mint(issuer, &grant, arena, jwt_out);
}

/* ---- for programs that check our tokens --------------------------------------------------------- */

void
issuer_put_keys(const struct issuer *issuer, struct buf *buf)
{
	struct json_out out;
	uint8_t         x[32], y[32];
	char            text[B64_MAX(32)];

	sign_key_ec_point(issuer->key, x, y);
	out = json_out_object(buf);
	json_put_name(&out, STR("keys"));
	json_put_array(&out);
	json_put_object(&out);
	json_put_member(&out, STR("kty"), STR("EC"));
	json_put_member(&out, STR("use"), STR("sig"));
	json_put_member(&out, STR("alg"), STR("ES256"));
	json_put_member(&out, STR("kid"), issuer_kid(issuer));
	json_put_member(&out, STR("crv"), STR("P-256"));
	json_put_member(&out, STR("x"), str_of(text, b64_encode_into(B64_URL, x, sizeof(x), text)));
	json_put_member(&out, STR("y"), str_of(text, b64_encode_into(B64_URL, y, sizeof(y), text)));
	json_end_object(&out);
	json_end_array(&out);
	json_end_object(&out);
}
