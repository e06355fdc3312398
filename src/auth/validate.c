/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/validate.h"

#include "auth/jwt.h"
#include "text/date.h"

#define NS_PER_S ((int64_t)1000000000)

const char validate_why_bad[] = "Access token validation failure.";
const char validate_why_expired[] = "Lifetime validation failed, the token is expired.";

bool
validate_found(struct auth_trace *trace, const char *check, bool ok, struct str what)
{
	if (trace && trace->count < AUTH_FINDINGS_MAX)
		trace->findings[trace->count++] = (struct auth_finding){ check, ok, what };
	return ok;
}

/* ---- the signer ---------------------------------------------------------------------------------- */

static bool
has_signed(struct validation *validation, const struct trust_key *key, const struct jwt *jwt)
{
	if (!str_eq(jwt->kid, key->kid))
		return false;
	validation->kid_unknown = false;
	if (!str_eq(jwt->alg, str_from_c(sign_alg_name(sign_key_alg(key->key)))))
		return false;
	validation->signature_checks++;
	return sign_check(key->key, jwt->message, jwt->signature);
}

static const struct trust *
find_among(struct validation *validation, const struct trust *trusts, size_t count, const struct jwt *jwt)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < trusts[i].key_count; k++)
			if (has_signed(validation, &trusts[i].keys[k], jwt))
				return &trusts[i];
	return NULL;
}

/* The issuer whose key made this signature; NULL if there is none. */
static const struct trust *
find_signer(struct validation *validation, const struct jwt *jwt)
{
	const struct trust *trust;
	uint64_t            before = validation->signature_checks;
	const char         *what = "none of the keys of that kid made the signature";

	validation->kid_unknown = true;
	trust = find_among(validation, validation->trusts, validation->trust_count, jwt);
	if (!trust)
		trust = find_among(validation, validation->more, validation->more_count, jwt);
	if (!validation->trace)
		return trust;
	if (validation->kid_unknown)
		what = "no trusted issuer has a key of that kid";
	else if (validation->signature_checks == before)
		what = "the key of that kid is for another algorithm";
	validate_found(
		validation->trace, "signature", trust != NULL,
		trust ? arena_printf(validation->arena, "by a key of %.*s", STR_ARG(trust->iss))
		      : arena_printf(validation->arena, "%s: %.*s (%.*s)", what, STR_ARG(jwt->kid), STR_ARG(jwt->alg)));
	return trust;
}

/* ---- the claims ------------------------------------------------------------------------------------ */

static bool
has_audience(const struct trust *trust, const struct jwt_claims *claims)
{
	for (size_t i = 0; i < claims->audience_count; i++) {
		for (size_t k = 0; k < trust->audience_count; k++) {
			if (str_eq(claims->audiences[i], trust->audiences[k]))
				return true;
		}
	}
	return false;
}

/* Whether iss is the issuer's own text, letter for letter, about the tenant that tid names. */
static bool
is_issued_by(const struct trust *trust, const struct jwt_claims *claims)
{
	static const struct str hole = { "{tid}", 5 };
	size_t                  at = str_find_text(trust->iss, hole);
	struct str              iss = claims->iss, after = str_skip(trust->iss, at + hole.len);
	char                    tid[GUID_TEXT_LEN];

	if (at == trust->iss.len)
		return str_eq(iss, trust->iss);
	guid_format(&claims->tid, tid);
	return !guid_is_zero(&claims->tid) && str_eq(str_first(iss, at), str_first(trust->iss, at)) &&
	       str_eq(str_first(str_skip(iss, at), sizeof(tid)), str_of(tid, sizeof(tid))) &&
	       str_eq(str_skip(iss, at + sizeof(tid)), after);
}

/* A token names the time from which it is good, or, if its issuer never does, when it was made. */
static bool
read_times(const struct trust *trust, struct jwt_claims *claims)
{
	if (!claims->has_nbf && trust->iat_for_nbf && claims->has_iat) {
		claims->nbf_s = claims->iat_s;
		claims->has_nbf = true;
	}
	if (!claims->has_iat)
		claims->iat_s = claims->nbf_s;
	return claims->has_nbf;
}

static const char *
time_text(int64_t time_s, char text_out[DATE_TEXT_MAX])
{
	if (time_s < INT64_MIN / NS_PER_S || time_s > INT64_MAX / NS_PER_S)
		return time_s < 0 ? "long ago" : "the far future";
	text_out[date_format(time_s * NS_PER_S, 0, text_out)] = '\0';
	return text_out;
}

static struct str
found_time(const struct validation *validation, const struct jwt_claims *claims)
{
	char from[DATE_TEXT_MAX], until[DATE_TEXT_MAX], now[DATE_TEXT_MAX];

	if (!validation->trace)
		return STR_EMPTY;
	return arena_printf(validation->arena, "valid from %s until %s, with %d s of skew at both ends; now is %s",
	                    time_text(claims->nbf_s, from), time_text(claims->exp_s, until), VALIDATE_SKEW_S,
	                    time_text(validation->now.wall_s, now));
}

static struct str
found_audience(const struct validation *validation, const struct jwt_claims *claims)
{
	struct str first = claims->audience_count > 0 ? claims->audiences[0] : STR_EMPTY;

	return validation->trace ? arena_printf(validation->arena, "%.*s", STR_ARG(first)) : STR_EMPTY;
}

/* NULL when the claims hold; else why they do not. */
static const char *
validate_claims(const struct validation *validation, const struct trust *trust, struct jwt_claims *claims)
{
	struct auth_trace *trace = validation->trace;
	int64_t            now_s = validation->now.wall_s;

	if (!validate_found(trace, "claims", read_times(trust, claims),
	                    STR("nbf, exp, aud, iss, oid, and scp or roles")))
		return validate_why_bad;
	if (!validate_found(trace, "time",
	                    claims->exp_s > now_s - VALIDATE_SKEW_S && claims->nbf_s <= now_s + VALIDATE_SKEW_S,
	                    found_time(validation, claims)))
		return claims->exp_s > now_s - VALIDATE_SKEW_S ? validate_why_bad : validate_why_expired;
	if (!validate_found(trace, "audience", has_audience(trust, claims), found_audience(validation, claims)) ||
	    !validate_found(trace, "issuer", is_issued_by(trust, claims), claims->iss))
		return validate_why_bad;
	if (!validate_found(trace, "tenant", !guid_is_zero(&trust->tenant) || !guid_is_zero(&claims->tid),
	                    guid_is_zero(&trust->tenant) ? STR("of the claim tid") : STR("the issuer's own")))
		return validate_why_bad;
	return NULL;
}

static struct cache_life
life_of(const struct jwt_claims *claims, const struct cache_moment *now)
{
	return (struct cache_life){
		.from_wall_s = claims->nbf_s - VALIDATE_SKEW_S,
		.until_wall_s = claims->exp_s + VALIDATE_SKEW_S,
		.until_mono_ms = now->mono_ms + (claims->exp_s + VALIDATE_SKEW_S - now->wall_s) * 1000,
		.keys = now->keys,
	};
}

const char *
validate_token(struct validation *validation, struct str token, struct caller *caller_out, struct cache_life *life_out)
{
	const struct trust *trust;
	struct jwt_claims   claims;
	struct jwt          jwt;
	const char         *why;

	if (jwt_split(token, validation->arena, &jwt) != OK) {
		validate_found(
			validation->trace, "form", false,
			STR("not three parts of strict base64url, or a header with more than alg, typ, kid and x5t"));
		return validate_why_bad;
	}
	validate_found(validation->trace, "form", true, STR("three parts and a plain header"));
	trust = find_signer(validation, &jwt);
	if (!trust)
		return validate_why_bad;
	if (jwt_read_claims(jwt.payload, validation->arena, &claims) != OK) {
		validate_found(validation->trace, "claims", false,
		               STR("a claim that is needed is missing or of the wrong kind"));
		return validate_why_bad;
	}
	why = validate_claims(validation, trust, &claims);
	if (why)
		return why;
	*caller_out = (struct caller){
		.tenant = guid_is_zero(&trust->tenant) ? claims.tid : trust->tenant,
		.oid = claims.oid,
		.app = claims.app,
		.is_app = claims.is_app,
		.grants = claims.grants,
		.is_own = trust->is_own,
		.issued_s = claims.iat_s,
		.generation = claims.generation,
	};
	*life_out = life_of(&claims, &validation->now);
	return NULL;
}
