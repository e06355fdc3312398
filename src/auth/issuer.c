/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/issuer.h"

#include "auth/assertion.h"
#include "auth/client.h"
#include "auth/jwt.h"
#include "auth/directory.h"
#include "auth/seats.h"
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
#define OWN_APP     "tidemark" /* whose tokens the command makes that name no application */

struct issuer {
	const struct clock   *clock;
	const struct entropy *entropy;
	struct sign_key      *key;
	char                  name[NAME_LEN];
	char                  kid[B64_MAX(32)];
	uint8_t               stand_in[HASH_KEYED_BYTES]; /* key of client_stand_in(): the same after each start */
	struct seats         *seats;
	atomic_uint_fast64_t  refused; /* sign-ins */
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
	issuer = handle_new(sizeof(*issuer));
	issuer->clock = clock;
	issuer->entropy = entropy;
	issuer->seats = seats_open();
	hash_blake2b(der, issuer->stand_in, sizeof(issuer->stand_in));
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
	seats_close(&(*issuer)->seats);
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

/* The gate accepts all that this accepts. */
static bool
grant_valid(const struct issuer_grant *grant)
{
	if (guid_is_zero(&grant->tenant) || guid_is_zero(&grant->oid))
		return false;
	if (grant->life_s < 1 || grant->life_s > LIFE_MAX_S)
		return false;
	if (!str_is_within(grant->app, '!', '~') || grant->app.len > APP_MAX)
		return false;
	if (!utf8_is_clean(grant->name) || grant->name.len > UPN_MAX || !utf8_is_clean(grant->app_name) ||
	    grant->app_name.len > CLIENT_NAME_MAX)
		return false;
	return str_is_within(grant->grants, ' ', '~') && utf8_is_clean(grant->upn) && grant->upn.len <= UPN_MAX;
}

/* Clients read these, although Graph tells them not to: so each token has them. */
static void
put_app(const struct issuer_grant *grant, struct json_out *out)
{
	struct guid own = issuer_principal(&grant->tenant, STR(OWN_APP));
	char        proof = grant->proof ? grant->proof : '0';
	struct str  name = grant->app.len > 0 ? grant->app : STR(OWN_APP);

	json_put_member(out, STR("app_displayname"), grant->app_name.len > 0 ? grant->app_name : name);
	json_put_member(out, STR("appid"), grant->app.len > 0 ? grant->app : str_from_c(guid_str(&own).c));
	json_put_member(out, STR("appidacr"), str_of(&proof, 1));
}

static void
put_caller(const struct issuer_grant *grant, struct json_out *out)
{
	put_app(grant, out);
	json_put_member_guid(out, STR("tid"), &grant->tenant);
	json_put_member_guid(out, STR("oid"), &grant->oid);
	json_put_member_guid(out, STR("sub"), &grant->oid);
	json_put_member(out, STR("idtyp"), grant->is_app ? STR("app") : STR("user"));
	if (grant->is_app) {
		json_put_member_words(out, STR("roles"), grant->grants);
		return;
	}
	json_put_member(out, STR("scp"), grant->grants);
	if (grant->upn.len == 0)
		return;
	json_put_member(out, STR("name"), grant->name.len > 0 ? grant->name : grant->upn);
	json_put_member(out, STR("unique_name"), grant->upn);
	json_put_member(out, STR("upn"), grant->upn);
}

static void
put_claims(const struct issuer *issuer, const struct issuer_grant *grant, struct arena *arena, struct buf *buf)
{
	int64_t         now_s = clock_wall_s(issuer->clock);
	uint8_t         uti[16];
	struct json_out out;

	entropy_fill(issuer->entropy, uti, sizeof(uti));
	out = json_out_object(buf);
	json_put_member(&out, STR("aud"), STR("https://graph.microsoft.com"));
	json_put_member(&out, STR("iss"),
	                arena_printf(arena, "%.*s:%s", STR_ARG(issuer_name(issuer)), guid_str(&grant->tenant).c));
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
	uint8_t     hash[32];
	struct buf  buf;

	buf_open(&buf, 1024);
	buf_printf(&buf, "tidemark application %s %.*s", guid_str(tenant).c, STR_ARG(app));
	MUST(buf_err(&buf) == OK);
	hash_sha256(buf_str(&buf), hash);
	buf_close(&buf);
	memcpy(principal.b, hash, sizeof(principal.b));
	principal.b[6] = (uint8_t)((principal.b[6] & 0x0f) | 0x80); /* a version 8 GUID: made in a way of our own */
	principal.b[8] = (uint8_t)((principal.b[8] & 0x3f) | 0x80);
	return principal;
}

/* The secret is right and random: its argon2id hash is of an earlier version. Should this fail, the next one tries. */
static void
renew_hash(struct issuer *issuer, struct store *store, const struct client *client, struct str secret,
           struct arena *arena)
{
	AUTO(store_abort) struct store_txn *txn = store_begin(store, NULL, arena);
	char                                hash[CLIENT_HASH_MAX];

	secret_hash_random(secret, issuer->entropy, hash);
	client_put_hash(txn, client, str_from_c(hash), arena);
	(void)!store_commit(&txn);
}

static enum err
check_secret(struct issuer *issuer, const struct client *client, const struct issuer_login *login, struct arena *arena)
{
	bool          is_slow = secret_is_slow(client->secret_hash), good;
	struct guest *guest = is_slow ? seats_enter(issuer->seats, login->network) : NULL;

	if (is_slow && !guest)
		return ERR_BUSY;
	good = secret_matches(login->secret, arena_c(arena, client->secret_hash));
	if (guest)
		seats_leave(issuer->seats, guest);
	return good ? OK : ERR_NO_IDENTITY;
}

static enum err
check_assertion(struct issuer *issuer, const struct client *client, const struct issuer_login *login,
                struct arena *arena)
{
	struct assertion assertion = { .text = login->assertion,
		                       .audiences = login->audiences,
		                       .audience_count = login->audience_count,
		                       .now_s = clock_wall_s(issuer->clock) };

	return assertion_check(&assertion, client, arena);
}

/* Whose secret or certificate is checked: the client's, or that of a stand-in. ERR_NOT_FOUND: nobody has one. */
static enum err
find_client(struct issuer *issuer, struct store *store, const struct issuer_login *login, struct arena *arena,
            struct client *client_out)
{
	bool        by_certificate = login->assertion.len > 0;
	struct guid id;
	struct str  name = login->client_id;
	enum err    err = ERR_NOT_FOUND;

	if (guid_parse(login->client_id, &id)) {
		name = guid_bytes(&id);
		err = client_find(store, &id, arena, client_out);
	}
	if (err == OK && (by_certificate ? client_out->certificate : client_out->secret_hash).len > 0)
		return OK;
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	return client_stand_in(store, issuer->stand_in, name, by_certificate, arena, client_out);
}

/* The same work for every id: only then is it asked whether this is the client that was named. */
static enum err
check_client(struct issuer *issuer, struct store *store, const struct issuer_login *login, struct arena *arena,
             struct client *client_out)
{
	struct guid id;
	enum err    err = find_client(issuer, store, login, arena, client_out);

	if (err == ERR_NOT_FOUND)
		return ERR_NO_IDENTITY;
	TRY(err);
	err = login->assertion.len > 0 ? check_assertion(issuer, client_out, login, arena)
	                               : check_secret(issuer, client_out, login, arena);
	if (err == ERR_BUSY)
		return err;
	if (!guid_parse(login->client_id, &id) || !guid_eq(&id, &client_out->id) ||
	    !guid_eq(&client_out->tenant, &login->tenant))
		return ERR_NO_IDENTITY;
	return err;
}

enum err
issuer_login(struct issuer *issuer, struct store *store, const struct issuer_login *login, struct arena *arena,
             struct str *jwt_out)
{
	struct issuer_grant grant = { .tenant = login->tenant, .is_app = true, .life_s = login->life_s };
	struct client       client;
	char               *app = arena_take_raw(arena, GUID_TEXT_LEN);
	enum err            err;

	TRY(client_generation(store, login->client_id, arena, &grant.generation));
	err = check_client(issuer, store, login, arena, &client);
	atomic_fetch_add(&issuer->refused, err == ERR_NO_IDENTITY || err == ERR_STALE);
	TRY(err);
	if (login->assertion.len == 0 && secret_is_old(client.secret_hash) && client_secret_is_random(login->secret))
		renew_hash(issuer, store, &client, login->secret, arena);
	guid_format(&client.id, app);
	grant.app = str_of(app, GUID_TEXT_LEN);
	grant.oid = issuer_principal(&grant.tenant, grant.app);
	grant.app_name = client.name;
	grant.proof = login->assertion.len > 0 ? '2' : '1';
	grant.grants = client.roles;
	return issuer_mint(issuer, &grant, arena, jwt_out);
}

struct issuer_stats
issuer_get_stats(struct issuer *issuer)
{
	struct issuer_stats stats = { .refused = atomic_load(&issuer->refused) };

	seats_count(issuer->seats, &stats.checking, &stats.checks_refused);
	return stats;
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
