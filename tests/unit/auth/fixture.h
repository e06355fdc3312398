/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in memory with its issuer and its gate, on a clock the test turns; and a forger's bench:
 * what a caller could send who knows everything but the key, or a trusted issuer gone wrong who has it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "auth/trust.h"
#include "base/buf.h"
#include "crypt/seal.h"
#include "text/b64.h"

#define NOW_S INT64_C(1800000000)

#define TID       "11111111-1111-4111-8111-111111111111"
#define TID_OTHER "22222222-2222-4222-8222-222222222222"
#define OID       "33333333-3333-4333-8333-333333333333"
#define OID_OTHER "44444444-4444-4444-8444-444444444444"
#define APPID     "55555555-5555-4555-8555-555555555555"

struct bench {
	int64_t           wall_ns, mono_ns;
	struct clock      clock;
	struct store     *store;
	struct issuer    *issuer;
	struct auth_gate *gate;
	struct arena     *arena;
};

static inline int64_t
bench_wall_ns(void *ctx)
{
	return ((struct bench *)ctx)->wall_ns;
}

static inline int64_t
bench_mono_ns(void *ctx)
{
	/* One test turns the clock while other threads look at it. */
	return __atomic_load_n(&((struct bench *)ctx)->mono_ns, __ATOMIC_RELAXED);
}

static inline void
bench_pass(struct bench *bench, int64_t seconds)
{
	bench->wall_ns += seconds * 1000000000;
	bench->mono_ns += seconds * 1000000000;
}

static inline struct store *
bench_store(struct str url, const struct clock *clock)
{
	struct store_conf conf = { .url = url,
		                   .access = STORE_SERVE,
		                   .create = true,
		                   .scratch = true,
		                   .clock = clock,
		                   .entropy = &entropy_system };
	struct store     *store;
	char              why[512];

	assert_int_equal(store_open(&conf, &store, why), OK);
	return store;
}

/* Tokens of the own issuer are good only while their user is there. */
static inline void
bench_add_user(struct bench *bench, const char *tenant, const char *id, const char *upn)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct store_txn               *txn = store_begin(bench->store, NULL, arena);
	struct user                     user = { .upn = str_from_c(upn) };

	assert_true(guid_parse(str_from_c(tenant), &user.tenant) && guid_parse(str_from_c(id), &user.id));
	directory_put_user(txn, &user, arena);
	assert_int_equal(store_commit(&txn), OK);
}

/* Without a user in it. */
static inline struct bench *
bench_open_empty(struct str url)
{
	struct bench    *bench = calloc(1, sizeof(*bench));
	struct auth_conf conf = { 0 };

	assert_non_null(bench);
	assert_int_equal(crypt_init(), OK);
	bench->wall_ns = NOW_S * 1000000000;
	bench->clock = (struct clock){ bench, bench_wall_ns, bench_mono_ns };
	bench->arena = arena_open((size_t)64 << 20);
	bench->store = bench_store(url, &bench->clock);
	assert_int_equal(directory_ensure(bench->store, &entropy_system, &bench->clock), OK);
	assert_int_equal(issuer_open(bench->store, &bench->clock, &entropy_system, &bench->issuer), OK);
	conf.store = bench->store;
	conf.issuer = bench->issuer;
	conf.clock = &bench->clock;
	assert_int_equal(auth_gate_open(&conf, &bench->gate), OK);
	return bench;
}

static inline struct bench *
bench_open_on(struct str url)
{
	struct bench *bench = bench_open_empty(url);

	bench_add_user(bench, TID, OID, "ann@contoso.com");
	bench_add_user(bench, TID, OID_OTHER, "bob@contoso.com");
	return bench;
}

static inline struct bench *
bench_open(void)
{
	return bench_open_on(STR("memory:"));
}

static inline void
bench_close(struct bench *bench)
{
	auth_gate_close(&bench->gate);
	issuer_close(&bench->issuer);
	store_close(&bench->store);
	arena_close(&bench->arena);
	free(bench);
}

static inline struct guid
guid_of(const char *text)
{
	struct guid guid;

	assert_true(guid_parse(str_from_c(text), &guid));
	return guid;
}

static inline struct issuer_grant
user_grant(void)
{
	return (struct issuer_grant){ .tenant = guid_of(TID),
		                      .oid = guid_of(OID),
		                      .upn = STR("ann@contoso.com"),
		                      .app = STR(APPID),
		                      .grants = STR("Calendars.Read User.Read"),
		                      .life_s = 3600 };
}

static inline struct issuer_grant
app_grant(void)
{
	return (struct issuer_grant){ .tenant = guid_of(TID),
		                      .oid = guid_of(OID),
		                      .app = STR(APPID),
		                      .is_app = true,
		                      .grants = STR("Calendars.ReadWrite"),
		                      .life_s = 3600 };
}

static inline struct str
mint(struct bench *bench, struct issuer_grant grant)
{
	struct str jwt;

	assert_int_equal(issuer_mint(bench->issuer, &grant, bench->arena, &jwt), OK);
	return jwt;
}

static inline enum err
check_by(struct auth_gate *gate, struct bench *bench, struct str token, struct caller *caller, const char **why)
{
	struct str field = arena_printf(bench->arena, "Bearer %.*s", STR_ARG(token));

	return auth_check(gate, field, bench->arena, caller, why);
}

static inline bool
is_good(struct bench *bench, struct str token)
{
	struct caller caller;
	const char   *why = NULL;
	enum err      err = check_by(bench->gate, bench, token, &caller, &why);

	assert_true(err == OK || (err == ERR_NO_IDENTITY && why != NULL));
	return err == OK;
}

/* ---- forging ----------------------------------------------------------------------------------- */

static inline struct str
b64_of(struct str bytes, struct arena *arena)
{
	return b64_encode(B64_URL, bytes.at, bytes.len, arena);
}

static inline struct str
forge_with(struct str header, struct str payload, struct str signature, struct arena *arena)
{
	struct str h = b64_of(header, arena), p = b64_of(payload, arena), s = b64_of(signature, arena);

	return arena_printf(arena, "%.*s.%.*s.%.*s", STR_ARG(h), STR_ARG(p), STR_ARG(s));
}

static inline struct str
message_of(struct str header, struct str payload, struct arena *arena)
{
	struct str h = b64_of(header, arena), p = b64_of(payload, arena);

	return arena_printf(arena, "%.*s.%.*s", STR_ARG(h), STR_ARG(p));
}

/* Rightly signed, whatever it says. */
static inline struct str
forge(const struct sign_key *key, struct str header, struct str payload, struct arena *arena)
{
	uint8_t signature[64];

	assert_int_equal(sign_make(key, message_of(header, payload, arena), signature), OK);
	return forge_with(header, payload, str_of(signature, sizeof(signature)), arena);
}

static inline struct str
header_of(const struct bench *bench)
{
	return arena_printf(bench->arena, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%.*s\"}",
	                    STR_ARG(issuer_kid(bench->issuer)));
}

static inline void
fill_with(struct buf *buf, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_put_char(buf, 'a');
}

/* $N issuer's name, $K kid, $H five thousand letters, $G a million. */
static inline struct str
expand(const struct bench *bench, const char *text)
{
	struct buf buf;
	struct str out;

	buf_open(&buf, (size_t)4 << 20);
	for (; *text; text++) {
		if (*text != '$') {
			buf_put_char(&buf, *text);
			continue;
		}
		switch (*++text) {
		case 'N':
			buf_put(&buf, issuer_name(bench->issuer));
			break;
		case 'K':
			buf_put(&buf, issuer_kid(bench->issuer));
			break;
		case 'H':
			fill_with(&buf, 5000);
			break;
		case 'G':
			fill_with(&buf, (size_t)1 << 20);
			break;
		default:
			fail_msg("unknown placeholder");
		}
	}
	assert_int_equal(buf_err(&buf), OK);
	out = arena_copy(bench->arena, buf_str(&buf));
	buf_close(&buf);
	return out;
}

struct claim {
	const char *name;
	const char *raw; /* JSON with placeholders; NULL: left out */
};

#define CLAIMS_MAX 16

static const struct claim user_claims[CLAIMS_MAX] = {
	{ "aud", "\"https://graph.microsoft.com\"" },
	{ "iss", "\"$N:" TID "\"" },
	{ "iat", "1800000000" },
	{ "nbf", "1799999990" },
	{ "exp", "1800003600" },
	{ "ver", "\"1.0\"" },
	{ "appid", "\"" APPID "\"" },
	{ "tid", "\"" TID "\"" },
	{ "oid", "\"" OID "\"" },
	{ "sub", "\"" OID "\"" },
	{ "idtyp", "\"user\"" },
	{ "scp", "\"Calendars.Read User.Read\"" },
	{ "upn", "\"ann@contoso.com\"" },
	{ "uti", "\"x\"" },
};

static const struct claim app_claims[CLAIMS_MAX] = {
	{ "aud", "\"https://graph.microsoft.com\"" },
	{ "iss", "\"$N:" TID "\"" },
	{ "iat", "1800000000" },
	{ "nbf", "1799999990" },
	{ "exp", "1800003600" },
	{ "ver", "\"1.0\"" },
	{ "appid", "\"" APPID "\"" },
	{ "tid", "\"" TID "\"" },
	{ "oid", "\"" OID "\"" },
	{ "sub", "\"" OID "\"" },
	{ "idtyp", "\"app\"" },
	{ "roles", "[\"Calendars.Read\"]" },
	{ "uti", "\"x\"" },
};

static inline const struct claim *
find_claim(const struct claim *claims, const char *name)
{
	for (; claims && claims->name; claims++) {
		if (str_eq(str_from_c(claims->name), str_from_c(name)))
			return claims;
	}
	return NULL;
}

static inline void
put_claim(struct buf *buf, const struct bench *bench, const struct claim *claim)
{
	if (!claim->raw)
		return;
	buf_printf(buf, "%s\"%s\":", buf->len > 1 ? "," : "", claim->name);
	buf_put(buf, expand(bench, claim->raw));
}

/* The usual claims, with `changes` (ended by a NULL name) in place of or beside them. */
static inline struct str
payload_of(const struct bench *bench, const struct claim *usual, const struct claim *changes)
{
	struct buf buf;
	struct str out;

	buf_open(&buf, (size_t)4 << 20);
	buf_put_char(&buf, '{');
	for (const struct claim *one = usual; one->name; one++) {
		const struct claim *change = find_claim(changes, one->name);

		put_claim(&buf, bench, change ? change : one);
	}
	for (const struct claim *one = changes; one && one->name; one++) {
		if (!find_claim(usual, one->name))
			put_claim(&buf, bench, one);
	}
	buf_put_char(&buf, '}');
	assert_int_equal(buf_err(&buf), OK);
	out = arena_copy(bench->arena, buf_str(&buf));
	buf_close(&buf);
	return out;
}
