/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/assertion.h"

#include "auth/validate.h"
#include "crypt/rsa_cert.h"
#include "text/b64.h"
#include "text/json_read.h"

#define JTI_MAX 256

/* ---- the header ------------------------------------------------------------------------------- */

/* A key in the header (x5c, jwk) is not used. */
static bool
header_member_known(struct str name)
{
	static const char *const known[] = { "alg", "typ", "kid", "x5t", "x5t#S256" };

	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (str_eq(name, str_from_c(known[i])))
			return true;
	return false;
}

static bool
is_text(const struct json *value, struct str wanted)
{
	struct str text;

	return json_text(value, &text) && str_eq(text, wanted);
}

static bool
is_bytes(const struct json *value, const uint8_t *bytes, size_t len)
{
	char text[B64_MAX(32)];

	return is_text(value, str_of(text, b64_encode_into(B64_URL, bytes, len, text)));
}

/*
 * By the new thumbprint, the old one, or both. The old one is SHA-1, and azure-identity still sends it alone. That is
 * safe: only one certificate can be meant, and the signature is checked with its key.
 */
static bool
names_certificate(const struct json *root, const struct rsa_cert *cert)
{
	const struct json *now = json_member(root, "x5t#S256"), *old = json_member(root, "x5t");
	uint8_t            sha256[32], sha1[20];

	rsa_cert_thumbprint(cert, sha256);
	rsa_cert_thumbprint_sha1(cert, sha1);
	return (now || old) && (!now || is_bytes(now, sha256, sizeof(sha256))) &&
	       (!old || is_bytes(old, sha1, sizeof(sha1)));
}

static bool
header_good(struct str header, const struct rsa_cert *cert, struct arena *arena, enum sign_alg *alg_out)
{
	AUTO(json_drop) struct json *root = NULL;

	if (json_read(header, arena, &root, NULL) != OK || json_kind(root) != JSON_OBJECT)
		return false;
	for (const struct json *member = json_first(root); member; member = member->next)
		if (!header_member_known(member->name))
			return false;
	if (json_member(root, "typ") && !is_text(json_member(root, "typ"), STR("JWT")))
		return false;
	*alg_out = SIGN_PS256;
	if (is_text(json_member(root, "alg"), STR("RS256")))
		*alg_out = SIGN_RS256;
	else if (!is_text(json_member(root, "alg"), STR("PS256")))
		return false;
	return names_certificate(root, cert);
}

static bool
signature_good(const struct rsa_cert *cert, enum sign_alg alg, const struct jwt *jwt)
{
	AUTO(sign_key_close) struct sign_key *key = NULL;

	return rsa_cert_key(cert, alg, &key) == OK && sign_check(key, jwt->message, jwt->signature);
}

/* ---- the claims ------------------------------------------------------------------------------- */

static bool
is_client(const struct json *value, const struct guid *id)
{
	struct str  text;
	struct guid guid;

	return json_text(value, &text) && guid_parse(text, &guid) && guid_eq(&guid, id);
}

static enum err
validate_times(const struct json *root, const struct rsa_cert *cert, int64_t now_s)
{
	int64_t nbf_s, exp_s;

	if (!json_int(json_member(root, "nbf"), &nbf_s) || !json_int(json_member(root, "exp"), &exp_s))
		return ERR_NO_IDENTITY;
	if (nbf_s > now_s + VALIDATE_SKEW_S || exp_s <= now_s - VALIDATE_SKEW_S ||
	    exp_s > now_s + ASSERTION_LIFE_S + VALIDATE_SKEW_S)
		return ERR_STALE;
	if (now_s < rsa_cert_from_s(cert) || now_s >= rsa_cert_until_s(cert))
		return ERR_STALE;
	return OK;
}

static enum err
validate_claims(const struct assertion *assertion, const struct client *client, const struct rsa_cert *cert,
                struct str payload, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   jti;

	if (json_read(payload, arena, &root, NULL) != OK || !is_client(json_member(root, "iss"), &client->id) ||
	    !is_client(json_member(root, "sub"), &client->id) ||
	    !is_text(json_member(root, "aud"), assertion->audience))
		return ERR_NO_IDENTITY;
	if (!json_text(json_member(root, "jti"), &jti) || jti.len == 0 || jti.len > JTI_MAX)
		return ERR_NO_IDENTITY;
	return validate_times(root, cert, assertion->now_s);
}

enum err
assertion_check(const struct assertion *assertion, const struct client *client, struct arena *arena)
{
	AUTO(rsa_cert_close) struct rsa_cert *cert = NULL;
	struct jwt                            jwt;
	struct str                            header;
	enum sign_alg                         alg;

	if (client->certificate.len == 0 || assertion->text.len > JWT_BYTES_MAX)
		return ERR_NO_IDENTITY;
	if (client_certificate(client, &cert) != OK)
		return ERR_CORRUPT;
	if (jwt_cut(assertion->text, arena, &header, &jwt) != OK || !header_good(header, cert, arena, &alg) ||
	    !signature_good(cert, alg, &jwt))
		return ERR_NO_IDENTITY;
	return validate_claims(assertion, client, cert, jwt.payload, arena);
}
