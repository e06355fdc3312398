/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/assertion.h"

#include "auth/validate.h"
#include "crypt/rsa_cert.h"
#include "text/b64.h"
#include "text/json_read.h"

#define JTI_MAX 256

/* A key in the header (jwk) is refused.  Certificates (x5c) are not read: only the registered one counts. */
#define HEADER_MEMBERS "alg typ kid x5t x5t#S256 x5c"

static bool
is_text(const struct json *value, struct str wanted)
{
	struct str text;

	return json_text(value, &text) && str_eq(text, wanted);
}

static bool
is_for_us(const struct json *value, const struct assertion *assertion)
{
	struct str text;

	if (!json_text(value, &text))
		return false;
	for (size_t i = 0; i < assertion->audience_count; i++)
		if (str_eq_nocase(text, assertion->audiences[i]))
			return true;
	return false;
}

/* As base64url (RFC 7515), with padding (MSAL for Python), or as standard base64 (MSAL for Go and for Java). */
static bool
is_thumbprint(const struct json *value, const uint8_t *bytes, size_t len)
{
	static const enum b64_form forms[] = { B64_URL, B64_URL_PADDED, B64_STANDARD };
	uint8_t                    read[32];
	size_t                     read_len;
	struct str                 text;

	if (!json_text(value, &text))
		return false;
	for (size_t i = 0; i < COUNT_OF(forms); i++)
		if (b64_decode_into(forms[i], text, read, sizeof(read), &read_len) && read_len == len &&
		    memcmp(read, bytes, len) == 0)
			return true;
	return false;
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
	return (now || old) && (!now || is_thumbprint(now, sha256, sizeof(sha256))) &&
	       (!old || is_thumbprint(old, sha1, sizeof(sha1)));
}

static bool
header_good(struct str header, const struct rsa_cert *cert, struct arena *arena, enum sign_alg *alg_out)
{
	AUTO(json_drop) struct json *root = NULL;

	if (json_read(header, arena, &root, NULL) != OK || json_kind(root) != JSON_OBJECT)
		return false;
	for (const struct json *member = json_first(root); member; member = member->next)
		if (!str_has_word(STR(HEADER_MEMBERS), ' ', member->name, str_eq))
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

static bool
is_client(const struct json *value, const struct guid *id)
{
	struct str  text;
	struct guid guid;

	return json_text(value, &text) && guid_parse(text, &guid) && guid_eq(&guid, id);
}

/* A NumericDate (RFC 7519 section 2).  Its fraction counts for nothing: MSAL for Python sends what its clock says. */
static bool
read_moment(const struct json *value, int64_t *seconds_out)
{
	struct str whole;
	uint64_t   seconds;

	if (json_kind(value) != JSON_REAL)
		return json_int(value, seconds_out);
	whole = str_first(value->raw, str_find(value->raw, '.'));
	if (str_find(value->raw, 'e') + str_find(value->raw, 'E') < 2 * value->raw.len ||
	    !str_to_u64(whole, &seconds) || seconds > INT64_MAX)
		return false;
	*seconds_out = (int64_t)seconds;
	return true;
}

/* MSAL for Python sends no nbf, azure-identity for Python neither nbf nor iat: then exp alone limits its age. */
static enum err
validate_times(const struct json *root, const struct rsa_cert *cert, int64_t now_s)
{
	const struct json *nbf = json_member(root, "nbf"), *iat = json_member(root, "iat");
	const int64_t      oldest_s = now_s - ASSERTION_OLDEST_S - VALIDATE_SKEW_S, latest_s = now_s + VALIDATE_SKEW_S;
	int64_t            nbf_s = now_s, iat_s = now_s, exp_s;

	if ((nbf && !read_moment(nbf, &nbf_s)) || (iat && !read_moment(iat, &iat_s)) ||
	    !read_moment(json_member(root, "exp"), &exp_s))
		return ERR_NO_IDENTITY;
	if (nbf_s < oldest_s || nbf_s > latest_s || iat_s < oldest_s || iat_s > latest_s)
		return ERR_STALE;
	if (exp_s <= now_s - VALIDATE_SKEW_S || exp_s > latest_s + ASSERTION_LIFE_S)
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
	    !is_client(json_member(root, "sub"), &client->id) || !is_for_us(json_member(root, "aud"), assertion))
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
	enum sign_alg                         alg = SIGN_PS256;
	bool                                  named, signed_by_it;

	if (client->certificate.len == 0 || assertion->text.len > ASSERTION_BYTES_MAX ||
	    jwt_cut(assertion->text, arena, &header, &jwt) != OK)
		return ERR_NO_IDENTITY;
	if (client_certificate(client, &cert) != OK)
		return ERR_CORRUPT;
	named = header_good(header, cert, arena, &alg);
	signed_by_it = signature_good(cert, alg, &jwt);
	if (!named || !signed_by_it)
		return ERR_NO_IDENTITY;
	return validate_claims(assertion, client, cert, jwt.payload, arena);
}
