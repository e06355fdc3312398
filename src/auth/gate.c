/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a token is checked:
 *
 *   field -> token -> in the cache? -> validate (validate.c) -> revocation check -> cache it
 *
 * Every fault but two has the same answer, so a caller does not learn which check failed.  The two are
 * harmless: that no token was sent, and that a good one has expired.
 */
#include "auth/auth.h"

#include "auth/cache.h"
#include "auth/client.h"
#include "auth/validate.h"
#include "auth/jwt.h"
#include "auth/external_issuer.h"

#include <stdatomic.h>
#include <stdlib.h>

static const char why_empty[] = "Access token is empty.";

/* The names of Graph as an audience: its address and its application id. */
static const char       graph_address[] = "https://graph.microsoft.com";
static const char       graph_app_id[] = "00000003-0000-0000-c000-000000000000";
static const struct str graph_audiences[] = {
	{ graph_address, sizeof(graph_address) - 1 },
	{ graph_app_id, sizeof(graph_app_id) - 1 },
};

struct auth_gate {
	const struct clock  *clock;
	struct store        *store; /* for the revocation check of users and clients; NULL: not checked */
	const struct trust  *trusts;
	size_t               trust_count;
	struct external     *external; /* NULL: no external issuers */
	struct issuer       *issuer;   /* for its stats; may be NULL */
	struct cache        *cache;
	struct arena        *arena; /* the own issuer's row, when there is one */
	atomic_uint_fast64_t signature_checks;
	atomic_uint_fast64_t cache_hits;
};

/* ---- opening ---------------------------------------------------------------------------------- */

enum err
auth_gate_open_trusting(const struct trust *trusts, size_t count, const struct clock *clock,
                        const struct entropy *entropy, struct auth_gate **gate_out)
{
	struct auth_gate *gate = handle_new(sizeof(*gate));

	MUST(clock != NULL && (trusts != NULL || count == 0));
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
	trust->audience_count = COUNT_OF(graph_audiences);
	trust->is_own = true;
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
		gate->issuer = conf->issuer;
		gate->trusts = trust_issuer(conf->issuer, gate->arena);
		gate->trust_count = 1;
	}
	gate->store = conf->store;
	if (conf->external_count > 0)
		gate->external = external_open(conf->external, conf->external_count, conf->source, conf->clock);
	*gate_out = gate;
	return OK;
}

void
auth_gate_close(struct auth_gate **gate)
{
	if (!*gate)
		return;
	external_close(&(*gate)->external);
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
		.key_fetches = external_fetches(gate->external),
		.issuer = gate->issuer ? issuer_get_stats(gate->issuer) : (struct issuer_stats){ 0 },
	};
}

void
auth_gate_refresh(struct auth_gate *gate)
{
	if (gate->external)
		(void)external_step(gate->external);
}

void
auth_gate_start(struct auth_gate *gate, int64_t ms)
{
	external_start(gate->external);
	external_wait(gate->external, ms);
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

/* NULL when the token is good; else why it is not. */
static const char *
validate_anew(struct auth_gate *gate, struct validation *validation, struct str token, struct caller *caller_out,
              struct cache_life *life_out)
{
	struct external_hold hold;
	const char          *why;

	external_take(gate->external, &hold);
	validation->trusts = gate->trusts;
	validation->trust_count = gate->trust_count;
	validation->more = hold.trusts;
	validation->more_count = hold.count;
	validation->now.keys = hold.generation;
	why = validate_token(validation, token, caller_out, life_out);
	external_release(gate->external, &hold);
	atomic_fetch_add(&gate->signature_checks, validation->signature_checks);
	if (validation->kid_unknown)
		external_want(gate->external);
	return why;
}

/* Users and clients of our own must still exist. ERR_NO_IDENTITY, or an error of the store. */
static enum err
check_revocation(const struct auth_gate *gate, const struct caller *caller, struct arena *arena)
{
	struct user user;
	enum err    err;

	if (!gate->store || !caller->is_own)
		return OK;
	if (!caller->is_app) {
		err = directory_find_owner(gate->store, &caller->oid, arena, &user);
		if (err == ERR_NOT_FOUND || (err == OK && !guid_eq(&user.tenant, &caller->tenant)))
			return ERR_NO_IDENTITY;
		TRY(err);
	}
	return client_revocation(gate->store, caller->app, caller->issued_s, caller->generation, arena);
}

/* Read before the store, so a write in between counts as a change. */
static uint64_t
kv_of(const struct auth_gate *gate)
{
	return gate->store ? store_kv_generation(gate->store) : 0;
}

/* OK with a token from the cache; ERR_NOT_FOUND when it must be validated. */
static enum err
check_known(struct auth_gate *gate, const uint8_t key[CACHE_KEY_LEN], const struct cache_moment *now,
            struct arena *arena, struct caller *caller)
{
	uint64_t          value = kv_of(gate);
	struct cache_life life;
	enum err          err = OK;

	if (!cache_get(gate->cache, key, now, arena, caller, &life))
		return ERR_NOT_FOUND;
	caller->until_ms = life.until_mono_ms - VALIDATE_SKEW_S * 1000;
	if (life.value != value) {
		err = check_revocation(gate, caller, arena);
		life.value = value;
		if (err == OK)
			cache_put(gate->cache, key, &life, caller);
		else if (err == ERR_NO_IDENTITY)
			cache_drop(gate->cache, key);
	}
	if (err == OK)
		atomic_fetch_add(&gate->cache_hits, 1);
	return err;
}

static struct cache_moment
moment_of(const struct auth_gate *gate)
{
	return (struct cache_moment){ clock_wall_s(gate->clock), clock_mono_ms(gate->clock),
		                      external_generation(gate->external) };
}

static enum err
check_token(struct auth_gate *gate, struct str token, struct arena *arena, struct caller *caller, const char **why_out)
{
	struct validation validation = { .now = moment_of(gate), .arena = arena };
	uint64_t          value = kv_of(gate);
	uint8_t           key[CACHE_KEY_LEN];
	struct cache_life life;
	enum err          err;

	cache_key(gate->cache, token, key);
	err = check_known(gate, key, &validation.now, arena, caller);
	if (err != ERR_NOT_FOUND)
		return err;
	*why_out = validate_anew(gate, &validation, token, caller, &life);
	if (*why_out)
		return ERR_NO_IDENTITY;
	*why_out = validate_why_bad;
	TRY(check_revocation(gate, caller, arena));
	caller->until_ms = life.until_mono_ms - VALIDATE_SKEW_S * 1000;
	life.value = value;
	cache_put(gate->cache, key, &life, caller);
	return OK;
}

enum err
auth_check(struct auth_gate *gate, struct str authorization, struct arena *arena, struct caller *caller_out,
           const char **why_out)
{
	struct caller caller;
	const char   *why = validate_why_bad;
	struct str    token;
	enum err      err = ERR_NO_IDENTITY;

	if (take_token(authorization, &token)) {
		if (token.len > 0)
			err = check_token(gate, token, arena, &caller, &why);
		else
			why = why_empty;
	}
	if (err == OK)
		*caller_out = caller;
	else
		*why_out = why;
	return err;
}

uint64_t
auth_generation(const struct auth_gate *gate)
{
	return kv_of(gate) + external_generation(gate->external);
}

enum err
auth_explain(struct auth_gate *gate, struct str authorization, struct arena *arena, struct caller *caller_out,
             struct auth_trace *trace_out)
{
	struct validation validation = { .now = moment_of(gate), .arena = arena, .trace = trace_out };
	struct cache_life life;
	struct caller     caller;
	struct str        token = STR_EMPTY;
	enum err          err;

	trace_out->count = 0;
	if (!validate_found(trace_out, "bearer", take_token(authorization, &token) && token.len > 0,
	                    STR("Bearer and one token of at most 8 KiB")))
		return ERR_NO_IDENTITY;
	if (validate_anew(gate, &validation, token, &caller, &life) != NULL)
		return ERR_NO_IDENTITY;
	err = check_revocation(gate, &caller, arena);
	if (!validate_found(
		    trace_out, "standing", err == OK,
		    !caller.is_own
			    ? STR("not asked of external issuers")
			    : arena_printf(
				      arena,
				      err == OK ? "its user and its client are still there (generation %lld)"
						: "its user or its client is gone, or was put anew (generation %lld)",
				      (long long)caller.generation)))
		return err;
	*caller_out = caller;
	return OK;
}
