/* SPDX-License-Identifier: Apache-2.0 */
/* The gate itself: the field, the answers, time, and whose word counts for whom. */
#include "unit/auth/fixture.h"
#include "unit/auth/external_tokens.h"

#include <stdio.h>

#define WHY_EMPTY   "Access token is empty."
#define WHY_BAD     "Access token validation failure."
#define WHY_EXPIRED "Lifetime validation failed, the token is expired."

/* ---- the field --------------------------------------------------------------------------------- */

struct field_row {
	const char *before, *after;
	bool        good;
};

static const struct field_row fields[] = {
	{ "Bearer ", "", true },
	{ "bearer ", "", true },
	{ "BEARER ", "", true },
	{ "bEaReR ", "", true },
	{ "Bearer   ", "", true },
	{ "", "", false },
	{ "Bearer", "", false },
	{ "Bearer\t", "", false },
	{ " Bearer ", "", false },
	{ "Bearer: ", "", false },
	{ "Bearer=", "", false },
	{ "Bearer \"", "\"", false },
	{ "Bearer ", " ", false },
	{ "Bearer ", ",", false },
	{ "Bearer ", " x", false },
	{ "Bearer ", "\r\n", false },
	{ "Bearer \n", "", false },
	{ "Bearer Bearer ", "", false },
	{ "Basic ", "", false },
	{ "Bear ", "", false },
	{ "Bearers ", "", false },
	{ "PoP ", "", false },
	{ "DPoP ", "", false },
	{ "Bearer token=", "", false },
	{ "Basic YTpi, Bearer ", "", false },
};

static void
test_gate__takes_one_bearer_token_and_nothing_around_it(void **state)
{
	struct bench *bench = bench_open();
	struct str    token = mint(bench, user_grant());

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct str    field = arena_printf(bench->arena, "%s%.*s%s", fields[i].before, STR_ARG(token),
		                                   fields[i].after);
		struct caller caller;
		const char   *why = NULL;
		bool          good = auth_check(bench->gate, field, bench->arena, &caller, &why) == OK;

		if (good != fields[i].good)
			fail_msg("'%sTOKEN%s' must be %s", fields[i].before, fields[i].after,
			         fields[i].good ? "good" : "bad");
	}
	bench_close(bench);
}

static void
assert_why(struct bench *bench, struct auth_gate *gate, struct str field, const char *wanted)
{
	struct caller caller, before;
	const char   *why = NULL;

	memset(&caller, 0x5a, sizeof(caller));
	memcpy(&before, &caller, sizeof(caller));
	assert_int_equal(auth_check(gate, field, bench->arena, &caller, &why), ERR_NO_IDENTITY);
	assert_string_equal(why, wanted);
	assert_memory_equal(&caller, &before, sizeof(caller));
}

static void
test_gate__says_when_no_token_was_sent(void **state)
{
	struct bench *bench = bench_open();

	(void)state;
	assert_why(bench, bench->gate, STR_EMPTY, WHY_EMPTY);
	assert_why(bench, bench->gate, STR("Bearer"), WHY_EMPTY);
	assert_why(bench, bench->gate, STR("Bearer    "), WHY_EMPTY);
	assert_why(bench, bench->gate, STR("Basic"), WHY_BAD);
	assert_why(bench, bench->gate, STR("Basic YTpi"), WHY_BAD);
	assert_why(bench, bench->gate, STR("Bearer x"), WHY_BAD);
	bench_close(bench);
}

static struct str
bearer(struct bench *bench, struct str token)
{
	return arena_printf(bench->arena, "Bearer %.*s", STR_ARG(token));
}

/* Expiry is said only to somebody who holds a token we made; a forger hears what every forger hears. */
static void
test_gate__says_expired_only_under_a_right_signature(void **state)
{
	static const struct claim old[] = { { "nbf", "1700000000" }, { "exp", "1700003600" }, { NULL, NULL } };
	AUTO(sign_key_close) struct sign_key *other = NULL;
	struct bench                         *bench = bench_open();
	struct str                            payload = payload_of(bench, user_claims, old), token;
	uint8_t                               zeros[64] = { 0 };

	(void)state;
	assert_int_equal(sign_key_generate(&other), OK);
	token = forge(issuer_key(bench->issuer), header_of(bench), payload, bench->arena);
	assert_why(bench, bench->gate, bearer(bench, token), WHY_EXPIRED);
	token = forge(other, header_of(bench), payload, bench->arena);
	assert_why(bench, bench->gate, bearer(bench, token), WHY_BAD);
	token = forge_with(header_of(bench), payload, str_of(zeros, 64), bench->arena);
	assert_why(bench, bench->gate, bearer(bench, token), WHY_BAD);
	token = forge(issuer_key(bench->issuer), STR("{\"alg\":\"ES256\",\"kid\":\"other\"}"), payload, bench->arena);
	assert_why(bench, bench->gate, bearer(bench, token), WHY_BAD);
	bench_close(bench);
}

static void
test_gate__says_the_same_for_every_other_fault(void **state)
{
	static const struct claim changes[][2] = {
		{ { "aud", "\"other\"" }, { NULL, NULL } },
		{ { "iss", "\"other\"" }, { NULL, NULL } },
		{ { "tid", "\"" TID_OTHER "\"" }, { NULL, NULL } },
		{ { "nbf", "1900000000" }, { NULL, NULL } },
		{ { "exp", NULL }, { NULL, NULL } },
		{ { "scp", NULL }, { NULL, NULL } },
	};
	struct bench *bench = bench_open();

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct str payload = payload_of(bench, user_claims, changes[i]);

		assert_why(bench, bench->gate,
		           bearer(bench, forge(issuer_key(bench->issuer), header_of(bench), payload, bench->arena)),
		           WHY_BAD);
	}
	bench_close(bench);
}

/* ---- time -------------------------------------------------------------------------------------- */

static void
test_gate__lets_a_token_live_for_its_life_and_a_minute(void **state)
{
	struct bench *bench = bench_open();
	struct str    token = mint(bench, user_grant());

	(void)state;
	assert_true(is_good(bench, token));
	bench_pass(bench, 3600 + 59);
	assert_true(is_good(bench, token));
	bench_pass(bench, 1);
	assert_why(bench, bench->gate, bearer(bench, token), WHY_EXPIRED);
	assert_why(bench, bench->gate, bearer(bench, token), WHY_EXPIRED);
	assert_int_equal(auth_gate_stats(bench->gate).cached, 0);
	bench_close(bench);
}

static void
test_gate__takes_a_token_from_a_clock_a_minute_ahead(void **state)
{
	struct bench *bench = bench_open();
	struct str    token;

	(void)state;
	bench_pass(bench, 61);
	token = mint(bench, user_grant());
	bench_pass(bench, -61);
	assert_false(is_good(bench, token));
	bench_pass(bench, 1);
	assert_true(is_good(bench, token));
	/* Known by now, and still not good before its time. */
	bench_pass(bench, -1);
	assert_false(is_good(bench, token));
	bench_close(bench);
}

/* ---- whose word counts ------------------------------------------------------------------------- */

static void
test_gate__without_an_issuer_refuses_its_tokens(void **state)
{
	struct bench     *bench = bench_open();
	struct auth_conf  conf = { .store = bench->store, .clock = &bench->clock };
	struct auth_gate *gate;

	(void)state;
	assert_int_equal(auth_gate_open(&conf, &gate), OK);
	assert_why(bench, gate, bearer(bench, mint(bench, user_grant())), WHY_BAD);
	assert_int_equal(auth_gate_stats(gate).signature_checks, 0);
	auth_gate_close(&gate);
	assert_null(gate);
	auth_gate_close(&gate);
	bench_close(bench);
}

static void
test_gate__refuses_the_tokens_of_another_store(void **state)
{
	struct bench *ours = bench_open(), *theirs = bench_open();

	(void)state;
	assert_true(is_good(theirs, mint(theirs, user_grant())));
	assert_false(is_good(ours, mint(theirs, user_grant())));
	bench_close(ours);
	bench_close(theirs);
}

/* Two issuers that chose the same kid: each key speaks for its own issuer only. */
struct pair {
	struct sign_key *keys[2];
	struct trust_key trust_keys[2];
	struct trust     trusts[2];
	struct str       audience;
};

static void
pair_open(struct pair *pair)
{
	static const char *const names[] = { "https://one.example/{tid}/v2.0", "https://two.example/{tid}/v2.0" };

	pair->audience = STR("api://tidemark");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sign_key_generate(&pair->keys[i]), OK);
		pair->trust_keys[i] = (struct trust_key){ STR("same"), pair->keys[i] };
		pair->trusts[i] = (struct trust){ .iss = str_from_c(names[i]),
			                          .audiences = &pair->audience,
			                          .audience_count = 1,
			                          .keys = &pair->trust_keys[i],
			                          .key_count = 1 };
	}
}

static struct str
external_token(struct bench *bench, const struct sign_key *key, const char *iss, const char *tid)
{
	char         quoted[64];
	struct claim changes[] = {
		{ "iss", iss }, { "aud", "\"api://tidemark\"" }, { "tid", tid ? quoted : NULL }, { NULL, NULL }
	};

	snprintf(quoted, sizeof(quoted), "\"%s\"", tid ? tid : "");
	return forge(key, STR("{\"alg\":\"ES256\",\"kid\":\"same\"}"), payload_of(bench, app_claims, changes),
	             bench->arena);
}

static void
test_gate__an_issuer_speaks_only_for_itself(void **state)
{
	static const char *const names[] = { "\"https://one.example/" TID "/v2.0\"",
		                             "\"https://two.example/" TID "/v2.0\"" };
	struct bench            *bench = bench_open();
	struct auth_gate        *gate;
	struct pair              pair;

	(void)state;
	pair_open(&pair);
	assert_int_equal(auth_gate_open_trusting(pair.trusts, 2, &bench->clock, NULL, &gate), OK);
	for (size_t i = 0; i < 4; i++) {
		size_t        key = i / 2, iss = i % 2;
		struct str    token = external_token(bench, pair.keys[key], names[iss], TID);
		struct caller caller;
		const char   *why;

		assert_int_equal(check_by(gate, bench, token, &caller, &why), key == iss ? OK : ERR_NO_IDENTITY);
	}
	auth_gate_close(&gate);
	sign_key_close(&pair.keys[0]);
	sign_key_close(&pair.keys[1]);
	bench_close(bench);
}

/* The shared key set: rightly signed, right audience, but iss and tid name two tenants. */
static void
test_gate__iss_and_tid_must_name_one_tenant(void **state)
{
	static const struct {
		const char *iss, *tid;
		bool        good;
	} cases[] = {
		{ "\"https://one.example/" TID "/v2.0\"", TID, true },
		{ "\"https://one.example/" TID_OTHER "/v2.0\"", TID_OTHER, true },
		{ "\"https://one.example/" TID "/v2.0\"", TID_OTHER, false },
		{ "\"https://one.example/" TID_OTHER "/v2.0\"", TID, false },
		{ "\"https://one.example/" TID "/v2.0\"", NULL, false },
		{ "\"https://one.example/{tid}/v2.0\"", TID, false },
		{ "\"https://one.example/00000000-0000-0000-0000-000000000000/v2.0\"", NULL, false },
		{ "\"https://one.example/" TID "/v2.0/\"", TID, false },
		{ "\"https://one.example/" TID "/v1.0\"", TID, false },
		{ "\"https://one.example/" TID "\"", TID, false },
		{ "\"https://one.example//v2.0\"", TID, false },
	};
	struct bench     *bench = bench_open();
	struct auth_gate *gate;
	struct pair       pair;

	(void)state;
	pair_open(&pair);
	assert_int_equal(auth_gate_open_trusting(pair.trusts, 2, &bench->clock, NULL, &gate), OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str    token = external_token(bench, pair.keys[0], cases[i].iss, cases[i].tid);
		struct caller caller;
		const char   *why;

		assert_int_equal(check_by(gate, bench, token, &caller, &why) == OK, cases[i].good);
	}
	auth_gate_close(&gate);
	sign_key_close(&pair.keys[0]);
	sign_key_close(&pair.keys[1]);
	bench_close(bench);
}

/* An issuer bound to one tenant decides the tenant, whatever its tokens say. */
static void
test_gate__a_bound_issuer_decides_the_tenant(void **state)
{
	struct bench     *bench = bench_open();
	struct auth_gate *gate;
	struct pair       pair;
	struct caller     caller;
	const char *why, *const tids[] = { NULL, TID };
	struct guid other = guid_of(TID_OTHER);

	(void)state;
	pair_open(&pair);
	pair.trusts[0].iss = STR("https://plain.example");
	pair.trusts[0].tenant = other;
	pair.trusts[1].iss = STR("https://free.example");
	assert_int_equal(auth_gate_open_trusting(pair.trusts, 2, &bench->clock, NULL, &gate), OK);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(check_by(gate, bench,
		                          external_token(bench, pair.keys[0], "\"https://plain.example\"", tids[i]),
		                          &caller, &why),
		                 OK);
		assert_true(guid_eq(&caller.tenant, &other));
		/* Bound to none: then the token must name one. */
		assert_int_equal(check_by(gate, bench,
		                          external_token(bench, pair.keys[1], "\"https://free.example\"", tids[i]),
		                          &caller, &why),
		                 tids[i] ? OK : ERR_NO_IDENTITY);
	}
	auth_gate_close(&gate);
	sign_key_close(&pair.keys[0]);
	sign_key_close(&pair.keys[1]);
	bench_close(bench);
}

/* A hole in iss wants a tid, even where the tenant is settled: no tid is not the tenant of zeros. */
static void
test_gate__no_tid_fills_no_hole(void **state)
{
	struct bench     *bench = bench_open();
	struct auth_gate *gate;
	struct pair       pair;
	struct str        token;

	(void)state;
	pair_open(&pair);
	pair.trusts[0].tenant = guid_of(TID);
	assert_int_equal(auth_gate_open_trusting(pair.trusts, 1, &bench->clock, NULL, &gate), OK);
	token = external_token(bench, pair.keys[0], "\"https://one.example/00000000-0000-0000-0000-000000000000/v2.0\"",
	                       NULL);
	assert_why(bench, gate, bearer(bench, token), WHY_BAD);
	auth_gate_close(&gate);
	sign_key_close(&pair.keys[0]);
	sign_key_close(&pair.keys[1]);
	bench_close(bench);
}

/* Even where a key is kept under such a name, a kid is 1 to 128 bytes. */
static void
test_gate__bounds_the_kid(void **state)
{
	static const size_t lens[] = { 0, 1, 128, 129 };
	struct bench       *bench = bench_open();
	struct trust_key    key = { STR_EMPTY, issuer_key(bench->issuer) };
	struct str          audience = STR("https://graph.microsoft.com"), name;
	struct trust        trust = { .audiences = &audience, .audience_count = 1, .keys = &key, .key_count = 1 };
	char                kid[129];

	(void)state;
	memset(kid, 'k', sizeof(kid));
	name = issuer_name(bench->issuer);
	trust.iss = arena_printf(bench->arena, "%.*s:{tid}", STR_ARG(name));
	for (size_t i = 0; i < 4; i++) {
		struct auth_gate *gate;
		struct caller     caller;
		const char       *why;
		struct str        header, token;

		key.kid = str_of(kid, lens[i]);
		header = arena_printf(bench->arena, "{\"alg\":\"ES256\",\"kid\":\"%.*s\"}", STR_ARG(key.kid));
		token = forge(key.key, header, payload_of(bench, app_claims, NULL), bench->arena);
		assert_int_equal(auth_gate_open_trusting(&trust, 1, &bench->clock, NULL, &gate), OK);
		assert_int_equal(check_by(gate, bench, token, &caller, &why) == OK, lens[i] == 1 || lens[i] == 128);
		auth_gate_close(&gate);
	}
	bench_close(bench);
}

/* One RSA key, bound to RS256: what it signed as PS256 is refused, and the other way round. */
static void
test_gate__the_key_decides_the_algorithm(void **state)
{
	static const enum sign_alg algs[] = { SIGN_RS256, SIGN_PS256 };
	struct bench              *bench = bench_open();
	struct str                 audience = STR("api://tidemark"), n, e = STR("\x01\x00\x01");

	(void)state;
	assert_true(b64_decode(B64_URL, str_from_c(rsa_modulus), bench->arena, &n));
	for (size_t i = 0; i < 2; i++) {
		AUTO(sign_key_close) struct sign_key *key = NULL;
		struct auth_gate                     *gate;
		struct caller                         caller;
		const char                           *why;

		assert_int_equal(sign_key_from_rsa(n, e, algs[i], &key), OK);
		struct trust_key trust_key = { STR("rsa-1"), key };
		struct trust     trust = { .iss = STR("https://login.example/{tid}/v2.0"),
			                   .audiences = &audience,
			                   .audience_count = 1,
			                   .keys = &trust_key,
			                   .key_count = 1 };
		assert_int_equal(auth_gate_open_trusting(&trust, 1, &bench->clock, NULL, &gate), OK);
		assert_int_equal(check_by(gate, bench, str_from_c(rs256_token), &caller, &why),
		                 i == 0 ? OK : ERR_NO_IDENTITY);
		assert_int_equal(check_by(gate, bench, str_from_c(ps256_token), &caller, &why),
		                 i == 1 ? OK : ERR_NO_IDENTITY);
		assert_int_equal(auth_gate_stats(gate).signature_checks, 1);
		assert_true(str_eq(caller.app, STR("daemon")));
		auth_gate_close(&gate);
	}
	bench_close(bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate__takes_one_bearer_token_and_nothing_around_it),
		cmocka_unit_test(test_gate__says_when_no_token_was_sent),
		cmocka_unit_test(test_gate__says_expired_only_under_a_right_signature),
		cmocka_unit_test(test_gate__says_the_same_for_every_other_fault),
		cmocka_unit_test(test_gate__lets_a_token_live_for_its_life_and_a_minute),
		cmocka_unit_test(test_gate__takes_a_token_from_a_clock_a_minute_ahead),
		cmocka_unit_test(test_gate__without_an_issuer_refuses_its_tokens),
		cmocka_unit_test(test_gate__refuses_the_tokens_of_another_store),
		cmocka_unit_test(test_gate__an_issuer_speaks_only_for_itself),
		cmocka_unit_test(test_gate__iss_and_tid_must_name_one_tenant),
		cmocka_unit_test(test_gate__a_bound_issuer_decides_the_tenant),
		cmocka_unit_test(test_gate__no_tid_fills_no_hole),
		cmocka_unit_test(test_gate__bounds_the_kid),
		cmocka_unit_test(test_gate__the_key_decides_the_algorithm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
