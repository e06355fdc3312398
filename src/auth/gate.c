/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of a token:
 *
 *   field -> token -> known from before? -> parts and header -> key -> signature -> claims
 *         -> time -> audience -> issuer and tenant -> caller -> kept for the next time
 *
 * The signature comes before the claims are even parsed.  Every way out but the last says the
 * same, so a caller learns nothing about which check failed; two harmless exceptions are said
 * plainly: that no token was sent, and that a good one has expired.
 */
#include "auth/auth.h"

#include "auth/cache.h"
#include "auth/jwt.h"
#include "auth/trust.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SKEW_S 60

static const char why_empty[] = "Access token is empty.";
static const char why_bad[] = "Access token validation failure.";
static const char why_expired[] = "Lifetime validation failed, the token is expired.";

/* What Graph is called as an audience: by its address and by its application id. */
static const char       graph_address[] = "https://graph.microsoft.com";
static const char       graph_app_id[] = "00000003-0000-0000-c000-000000000000";
static const struct str graph_audiences[] = {
	{ graph_address, sizeof(graph_address) - 1 },
	{ graph_app_id, sizeof(graph_app_id) - 1 },
};

struct auth_gate {
	const struct clock  *clock;
	const struct trust  *trusts;
	size_t               trust_count;
	struct cache        *cache;
	struct arena        *arena;              /* the own issuer's row, when there is one */
	atomic_uint_fast64_t signature_checks;
	atomic_uint_fast64_t cache_hits;
};

/* ---- opening ---------------------------------------------------------------------------------- */

enum err
auth_gate_open_trusting(const struct trust *trusts, size_t count, const struct clock *clock,
                        const struct entropy *entropy, struct auth_gate **gate_out)
{
	struct auth_gate *gate = calloc(1, sizeof(*gate));

	MUST(gate != NULL && clock != NULL && (trusts != NULL || count == 0));
	gate->clock = clock;
	gate->trusts = trusts;
	gate->trust_count = count;
	gate->cache = cache_open(entropy ? entropy : &entropy_system);
	gate->arena = arena_open((size_t)16 << 10);
	*gate_out = gate;
	return OK;
}

static const struct trust *
trust_issuer(const struct issuer *issuer, struct arena *arena)
{
	struct trust     *trust = arena_take(arena, sizeof(*trust));
	struct trust_key *key = arena_take(arena, sizeof(*key));

	key->kid = issuer_kid(issuer);
	key->key = issuer_key(issuer);
	trust->iss = arena_printf(arena, "%.*s:{tid}", STR_ARG(issuer_name(issuer)));
	trust->audiences = graph_audiences;
	trust->audience_count = sizeof(graph_audiences) / sizeof(graph_audiences[0]);
	trust->keys = key;
	trust->key_count = 1;
	return trust;
}

enum err
auth_gate_open(const struct auth_conf *conf, struct auth_gate **gate_out)
{
	struct auth_gate *gate;

	TRY(auth_gate_open_trusting(NULL, 0, conf->clock, conf->entropy, &gate));
	if (conf->issuer) {
		gate->trusts = trust_issuer(conf->issuer, gate->arena);
		gate->trust_count = 1;
	}
	*gate_out = gate;
	return OK;
}

void
auth_gate_close(struct auth_gate **gate)
{
	if (!*gate)
		return;
	cache_close(&(*gate)->cache);
	arena_close(&(*gate)->arena);
	free(*gate);
	*gate = NULL;
}

struct auth_stats
auth_gate_stats(struct auth_gate *gate)
{
	return (struct auth_stats){
		.signature_checks = atomic_load(&gate->signature_checks),
		.cache_hits = atomic_load(&gate->cache_hits),
		.cached = cache_count(gate->cache),
	};
}

/* ---- checking --------------------------------------------------------------------------------- */

/* "Bearer", one blank or more, one token, the end.  The token comes out empty when none was sent. */
static bool
take_token(struct str authorization, struct str *token_out)
{
	struct str scheme = str_first(authorization, str_find(authorization, ' '));
	struct str token = str_skip(authorization, scheme.len);

	if (authorization.len > 0 && !str_eq_nocase(scheme, STR("Bearer")))
		return false;
	while (token.len > 0 && token.at[0] == ' ')
		token = str_skip(token, 1);
	*token_out = token;
	return token.len <= JWT_BYTES_MAX;
}

/* The issuer one of whose keys made this signature; NULL if there is none. */
static const struct trust *
find_signer(struct auth_gate *gate, const struct jwt *jwt)
{
	for (size_t i = 0; i < gate->trust_count; i++) {
		const struct trust *trust = &gate->trusts[i];

		for (size_t k = 0; k < trust->key_count; k++) {
			const struct trust_key *key = &trust->keys[k];

			if (!str_eq(jwt->kid, key->kid) ||
			    !str_eq(jwt->alg, str_from_c(sign_alg_name(sign_key_alg(key->key)))))
				continue;
			atomic_fetch_add(&gate->signature_checks, 1);
			if (sign_check(key->key, jwt->message, jwt->signature))
				return trust;
		}
	}
	return NULL;
}

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

static size_t
find_text(struct str text, struct str part)
{
	size_t at = 0;

	while (at < text.len && !str_starts(str_skip(text, at), part))
		at++;
	return at;
}

/* Whether iss is the issuer's own text, letter for letter, about the tenant that tid names. */
static bool
is_issued_by(const struct trust *trust, const struct jwt_claims *claims)
{
	static const struct str hole = { "{tid}", 5 };
	size_t                  at = find_text(trust->iss, hole);
	struct str              iss = claims->iss, after = str_skip(trust->iss, at + hole.len);
	char                    tid[GUID_TEXT_LEN];

	if (at == trust->iss.len)
		return str_eq(iss, trust->iss);
	guid_format(&claims->tid, tid);
	return !guid_is_zero(&claims->tid) && str_eq(str_first(iss, at), str_first(trust->iss, at)) &&
	       str_eq(str_first(str_skip(iss, at), sizeof(tid)), str_of(tid, sizeof(tid))) &&
	       str_eq(str_skip(iss, at + sizeof(tid)), after);
}

/* NULL when the claims hold; else why they do not. */
static const char *
judge_claims(const struct trust *trust, const struct jwt_claims *claims, int64_t now_s)
{
	if (claims->exp_s <= now_s - SKEW_S)
		return why_expired;
	if (claims->nbf_s > now_s + SKEW_S)
		return why_bad;
	if (!has_audience(trust, claims) || !is_issued_by(trust, claims))
		return why_bad;
	if (guid_is_zero(&trust->tenant) && guid_is_zero(&claims->tid))
		return why_bad;
	return NULL;
}

static struct cache_life
life_of(const struct jwt_claims *claims, const struct cache_moment *now)
{
	return (struct cache_life){
		.from_wall_s = claims->nbf_s - SKEW_S,
		.until_wall_s = claims->exp_s + SKEW_S,
		.until_mono_ms = now->mono_ms + (claims->exp_s + SKEW_S - now->wall_s) * 1000,
	};
}

/* NULL when the token is good; else why it is not. */
static const char *
judge_token(struct auth_gate *gate, struct str token, const struct cache_moment *now, struct arena *arena,
            struct caller *caller_out, struct cache_life *life_out)
{
	const struct trust *trust;
	struct jwt_claims   claims;
	struct jwt          jwt;
	const char         *why;

	if (jwt_split(token, arena, &jwt) != OK)
		return why_bad;
	trust = find_signer(gate, &jwt);
	if (!trust || jwt_read_claims(jwt.payload, arena, &claims) != OK)
		return why_bad;
	why = judge_claims(trust, &claims, now->wall_s);
	if (why)
		return why;
	*caller_out = (struct caller){
		.tenant = guid_is_zero(&trust->tenant) ? claims.tid : trust->tenant,
		.oid = claims.oid,
		.app = claims.app,
		.is_app = claims.is_app,
		.grants = claims.grants,
	};
	*life_out = life_of(&claims, now);
	return NULL;
}

enum err
auth_check(struct auth_gate *gate, struct str authorization, struct arena *arena, struct caller *caller_out,
           const char **why_out)
{
	struct cache_moment now = { clock_wall_s(gate->clock), clock_mono_ms(gate->clock) };
	uint8_t             key[CACHE_KEY_LEN];
	struct cache_life   life;
	const char         *why;
	struct str          token;

	if (!take_token(authorization, &token)) {
		*why_out = why_bad;
		return ERR_NO_IDENTITY;
	}
	if (token.len == 0) {
		*why_out = why_empty;
		return ERR_NO_IDENTITY;
	}
	cache_key(gate->cache, token, key);
	if (cache_get(gate->cache, key, &now, arena, caller_out)) {
		atomic_fetch_add(&gate->cache_hits, 1);
		return OK;
	}
	why = judge_token(gate, token, &now, arena, caller_out, &life);
	if (why) {
		*why_out = why;
		return ERR_NO_IDENTITY;
	}
	cache_put(gate->cache, key, &life, caller_out);
	return OK;
}
