/* SPDX-License-Identifier: Apache-2.0 */
/* External issuers: whose tokens count, and when keys are fetched. */
#include "unit/auth/external_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "auth/external_issuer.h"

#define URL "https://login.example/keys"

static const struct str audiences[] = { { "api://tidemark", 14 }, { "77777777-7777-4777-8777-777777777777", 36 } };

struct abroad {
	struct bench        *bench;
	struct library       library;
	struct auth_external row;
	struct auth_source   source;
	struct auth_gate    *gate;
	struct sign_key     *key;
};

static void
abroad_gate(struct abroad *abroad)
{
	struct auth_conf conf = { .store = abroad->bench->store,
		                  .issuer = abroad->bench->issuer,
		                  .clock = &abroad->bench->clock,
		                  .external = &abroad->row,
		                  .external_count = 1,
		                  .source = &abroad->source };

	auth_gate_close(&abroad->gate);
	assert_int_equal(auth_gate_open(&conf, &abroad->gate), OK);
}

static struct abroad *
abroad_open(void)
{
	struct abroad *abroad = calloc(1, sizeof(*abroad));

	assert_non_null(abroad);
	abroad->bench = bench_open();
	assert_int_equal(sign_key_generate(&abroad->key), OK);
	abroad->library.url[0] = STR(URL);
	abroad->library.text[0] = set_of_one(abroad->key, "k1", abroad->bench->arena);
	abroad->row = (struct auth_external){ .name = STR("example"),
		                              .iss = STR(OUT_ISS),
		                              .audiences = audiences,
		                              .audience_count = 2,
		                              .jwks = STR(URL) };
	abroad->source = (struct auth_source){ &abroad->library, library_fetch, library_report };
	abroad_gate(abroad);
	return abroad;
}

static void
abroad_close(struct abroad *abroad)
{
	auth_gate_close(&abroad->gate);
	sign_key_close(&abroad->key);
	bench_close(abroad->bench);
	free(abroad);
}

static struct str
token_by(struct abroad *abroad, const struct sign_key *key, const char *kid, const struct claim *changes)
{
	static const struct claim usual[CLAIMS_MAX] = {
		{ "aud", "\"api://tidemark\"" }, { "iss", "\"https://login.example/" TID "/v2.0\"" },
		{ "iat", "1800000000" },         { "nbf", "1799999990" },
		{ "exp", "1800360000" },         { "ver", "\"2.0\"" },
		{ "azp", "\"" APPID "\"" },      { "tid", "\"" TID "\"" },
		{ "oid", "\"" OID "\"" },        { "roles", "[\"Calendars.Read\"]" },
	};
	struct str header = arena_printf(abroad->bench->arena, "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"%s\"}",
	                                 kid);

	return forge(key, header, payload_of(abroad->bench, usual, changes), abroad->bench->arena);
}

static bool
is_taken(struct abroad *abroad, struct str token)
{
	struct caller caller;
	const char   *why;

	return check_by(abroad->gate, abroad->bench, token, &caller, &why) == OK;
}

static bool
takes_key(struct abroad *abroad, const char *kid)
{
	return is_taken(abroad, token_by(abroad, abroad->key, kid, NULL));
}

static void
publish(struct abroad *abroad, const char *kid)
{
	abroad->library.text[0] = set_of_one(abroad->key, kid, abroad->bench->arena);
}

/* ---- whose word counts ------------------------------------------------------------------------------- */

struct row {
	struct claim changes[4];
	bool         good;
};

static const struct row rows[] = {
	{ { { NULL, NULL } }, true },
	{ { { "aud", "\"77777777-7777-4777-8777-777777777777\"" } }, true },
	{ { { "aud", "[\"x\",\"api://tidemark\"]" } }, true },
	{ { { "aud", "\"https://graph.microsoft.com\"" } }, false },
	{ { { "aud", "\"00000003-0000-0000-c000-000000000000\"" } }, false },
	{ { { "aud", "\"api://tidemark/\"" } }, false },
	{ { { "aud", "\"api://tidemark 77777777-7777-4777-8777-777777777777\"" } }, false },
	{ { { "aud", NULL } }, false },
	{ { { "iss", "\"https://login.example/{tid}/v2.0\"" } }, false },
	{ { { "iss", "\"https://login.example/" TID_OTHER "/v2.0\"" } }, false },
	{ { { "iss", "\"https://login.example/" TID "/v2.0/\"" } }, false },
	{ { { "iss", "\"https://login.example/" TID "\"" } }, false },
	{ { { "iss", "\"http://login.example/" TID "/v2.0\"" } }, false },
	{ { { "iss", "\"https://LOGIN.example/" TID "/v2.0\"" } }, false },
	{ { { "iss", "\"$N:" TID "\"" } }, false },
	{ { { "iss", NULL } }, false },
	{ { { "tid", "\"" TID_OTHER "\"" } }, false },
	{ { { "tid", NULL } }, false },
	{ { { "tid", "\"" TID_OTHER "\"" }, { "iss", "\"https://login.example/" TID_OTHER "/v2.0\"" } }, true },
	{ { { "nbf", NULL } }, false },
	{ { { "nbf", "1800000061" } }, false },
	{ { { "exp", "1799999940" } }, false },
	{ { { "exp", NULL } }, false },
	{ { { "iat", "\"x\"" } }, false },
	{ { { "oid", NULL } }, false },
	{ { { "roles", NULL } }, false }, /* an ID token has neither */
	{ { { "roles", NULL }, { "nonce", "\"n\"" }, { "name", "\"Ann\"" } }, false },
	{ { { "roles", NULL }, { "scp", "\"Calendars.Read\"" } }, true }, /* v2.0 of a user */
	{ { { "scp", "\"Calendars.Read\"" }, { "idtyp", "\"app\"" } }, false },
	{ { { "azp", NULL }, { "appid", "\"" APPID "\"" }, { "ver", "\"1.0\"" } }, true }, /* v1.0 of a program */
	{ { { "azp", NULL } }, true },
	{ { { "azp", "7" } }, false },
	{ { { "preferred_username", "\"ann@contoso.com\"" } }, true },
};

static void
test_external_issuer__holds_the_claims_against_the_issuers_own_rules(void **state)
{
	struct abroad *abroad = abroad_open();

	(void)state;
	auth_gate_refresh(abroad->gate);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (is_taken(abroad, token_by(abroad, abroad->key, "k1", rows[i].changes)) != rows[i].good)
			fail_msg("row %zu (%s) must be %s", i, rows[i].changes[0].name, rows[i].good ? "good" : "bad");
	abroad_close(abroad);
}

static void
test_external_issuer__cannot_speak_for_the_store(void **state)
{
	static const struct claim ours[] = { { "iss", "\"$N:" TID "\"" },
		                             { "aud", "\"https://graph.microsoft.com\"" },
		                             { NULL, NULL } };
	struct abroad            *abroad = abroad_open();
	const char               *kid;

	(void)state;
	/* The very kid of the store's own key. */
	kid = arena_c(abroad->bench->arena, issuer_kid(abroad->bench->issuer));
	publish(abroad, kid);
	auth_gate_refresh(abroad->gate);
	assert_true(takes_key(abroad, kid));
	assert_false(is_taken(abroad, token_by(abroad, abroad->key, kid, ours)));
	assert_false(is_taken(abroad, token_by(abroad, issuer_key(abroad->bench->issuer), kid, NULL)));
	assert_true(is_taken(abroad, mint(abroad->bench, user_grant())));
	abroad_close(abroad);
}

static void
test_external_issuer__a_bound_issuer_gives_its_tenant(void **state)
{
	static const struct claim keycloak[] = {
		{ "iss", "\"https://sso.example/realms/x\"" }, { "tid", NULL }, { "nbf", NULL }, { NULL, NULL }
	};
	struct abroad *abroad = abroad_open();
	struct caller  caller;
	const char    *why;
	struct guid    tenant = guid_of(TID_OTHER);

	(void)state;
	abroad->row.iss = STR("https://sso.example/realms/x");
	abroad->row.tenant = tenant;
	abroad_gate(abroad);
	auth_gate_refresh(abroad->gate);
	assert_false(is_taken(abroad, token_by(abroad, abroad->key, "k1", keycloak)));
	abroad->row.iat_for_nbf = true;
	abroad_gate(abroad);
	auth_gate_refresh(abroad->gate);
	assert_int_equal(
		check_by(abroad->gate, abroad->bench, token_by(abroad, abroad->key, "k1", keycloak), &caller, &why),
		OK);
	assert_true(guid_eq(&caller.tenant, &tenant));
	assert_false(caller.is_own);
	abroad_close(abroad);
}

/* ---- fetching ---------------------------------------------------------------------------------------------- */

static void
test_external_issuer__without_keys_nothing_is_taken_and_nothing_waits(void **state)
{
	struct abroad *abroad = abroad_open();

	(void)state;
	assert_false(takes_key(abroad, "k1"));
	assert_int_equal(abroad->library.fetches, 0);
	auth_gate_refresh(abroad->gate);
	assert_true(takes_key(abroad, "k1"));
	abroad_close(abroad);
}

static void
test_external_issuer__ten_thousand_unknown_kids_cause_one_fetch(void **state)
{
	struct abroad *abroad = abroad_open();
	char           kid[32];

	(void)state;
	auth_gate_refresh(abroad->gate);
	assert_int_equal(abroad->library.fetches, 1);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(kid, sizeof(kid), "unknown-%u", i);
		if (i % 100 == 0)
			assert_false(takes_key(abroad, kid));
		else
			assert_false(
				is_taken(abroad, forge_with(arena_printf(abroad->bench->arena,
			                                                 "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid),
			                                    STR("{}"), STR("s"), abroad->bench->arena)));
		auth_gate_refresh(abroad->gate);
		bench_pass(abroad->bench, i % 50 == 0);
		arena_reset(abroad->bench->arena);
		abroad->library.text[0] = set_of_one(abroad->key, "k1", abroad->bench->arena);
	}
	assert_int_equal(abroad->library.fetches, 2);
	assert_int_equal(auth_gate_stats(abroad->gate).key_fetches, 2);
	abroad_close(abroad);
}

static void
test_external_issuer__a_new_key_is_found_by_its_kid_once_in_five_minutes(void **state)
{
	struct abroad *abroad = abroad_open();

	(void)state;
	auth_gate_refresh(abroad->gate);
	publish(abroad, "k2");
	assert_false(takes_key(abroad, "k2"));
	auth_gate_refresh(abroad->gate);
	assert_true(takes_key(abroad, "k2"));
	assert_false(takes_key(abroad, "k1"));
	publish(abroad, "k3");
	bench_pass(abroad->bench, 298);
	assert_false(takes_key(abroad, "k3"));
	auth_gate_refresh(abroad->gate);
	assert_false(takes_key(abroad, "k3"));
	bench_pass(abroad->bench, 3);
	assert_false(takes_key(abroad, "k3"));
	auth_gate_refresh(abroad->gate);
	assert_true(takes_key(abroad, "k3"));
	abroad_close(abroad);
}

static void
test_external_issuer__a_bad_signature_under_a_known_kid_fetches_nothing(void **state)
{
	struct abroad   *abroad = abroad_open();
	struct sign_key *stranger;

	(void)state;
	assert_int_equal(sign_key_generate(&stranger), OK);
	auth_gate_refresh(abroad->gate);
	for (unsigned i = 0; i < 10; i++) {
		assert_false(is_taken(abroad, token_by(abroad, stranger, "k1", NULL)));
		auth_gate_refresh(abroad->gate);
	}
	assert_int_equal(abroad->library.fetches, 1);
	sign_key_close(&stranger);
	abroad_close(abroad);
}

static void
test_external_issuer__keys_are_renewed_every_hour(void **state)
{
	struct abroad *abroad = abroad_open();

	(void)state;
	auth_gate_refresh(abroad->gate);
	bench_pass(abroad->bench, 3599);
	auth_gate_refresh(abroad->gate);
	assert_int_equal(abroad->library.fetches, 1);
	bench_pass(abroad->bench, 1);
	auth_gate_refresh(abroad->gate);
	assert_int_equal(abroad->library.fetches, 2);
	abroad_close(abroad);
}

/* What a set vouched for goes with it, also a token that was checked before. */
static void
test_external_issuer__a_key_that_is_taken_back_takes_its_known_tokens_along(void **state)
{
	struct abroad *abroad = abroad_open();
	struct str     token;

	(void)state;
	auth_gate_refresh(abroad->gate);
	token = token_by(abroad, abroad->key, "k1", NULL);
	assert_true(is_taken(abroad, token));
	assert_true(is_taken(abroad, token));
	assert_int_equal(auth_gate_stats(abroad->gate).signature_checks, 1);
	/* The same set again changes nothing. */
	bench_pass(abroad->bench, 3600);
	auth_gate_refresh(abroad->gate);
	assert_true(is_taken(abroad, token));
	assert_int_equal(auth_gate_stats(abroad->gate).signature_checks, 1);
	publish(abroad, "k2");
	bench_pass(abroad->bench, 3600);
	auth_gate_refresh(abroad->gate);
	assert_false(is_taken(abroad, token));
	abroad_close(abroad);
}

static const char *const bad_sets[] = { "", "<html>", "{\"keys\":[]}",
	                                "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}" };

static void
test_external_issuer__the_last_good_set_is_kept_for_a_day(void **state)
{
	struct abroad *abroad = abroad_open();
	unsigned       hours;

	(void)state;
	auth_gate_refresh(abroad->gate);
	for (hours = 1; hours < 24; hours++) {
		abroad->library.err = hours % 2 ? ERR_IO : OK;
		abroad->library.text[0] = str_from_c(bad_sets[hours % 4]);
		bench_pass(abroad->bench, 3600);
		auth_gate_refresh(abroad->gate);
		assert_true(takes_key(abroad, "k1"));
	}
	assert_int_equal(abroad->library.complaints, 23);
	bench_pass(abroad->bench, 3600);
	auth_gate_refresh(abroad->gate);
	assert_false(takes_key(abroad, "k1"));
	abroad->library.err = OK;
	publish(abroad, "k1");
	bench_pass(abroad->bench, 61);
	auth_gate_refresh(abroad->gate);
	assert_true(takes_key(abroad, "k1"));
	abroad_close(abroad);
}

/* ---- discovery ------------------------------------------------------------------------------------------------ */

static const struct {
	const char *document;
	bool        good;
} documents[] = {
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":\"" URL "\"}", true },
	{ "{\"issuer\":\"https://login.example/{tenantid}/v2.0\",\"jwks_uri\":\"" URL "\"}", true },
	{ "{\"issuer\":\"https://login.example/{tenant}/v2.0\",\"jwks_uri\":\"" URL "\"}", false },
	{ "{\"issuer\":\"https://other.example/{tenantid}/v2.0\",\"jwks_uri\":\"" URL "\"}", false },
	{ "{\"issuer\":\"https://login.example/{tenantid}/v2.0x\",\"jwks_uri\":\"" URL "\"}", false },
	{ "{\"jwks_uri\":\"" URL "\"}", false },
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\"}", false },
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":\"https://evil.example/keys\"}", false },
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":\"http://login.example/keys\"}", false },
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":\"http://login.example:443/keys\"}", false },
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":\"https://login.example:8443/keys\"}", false },
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":\"https://login.example@evil.example/keys\"}",
	  false },
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":\"file:/etc/passwd\"}", false },
	{ "{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":7}", false },
	{ "[]", false },
	{ "", false },
};

static void
test_external_issuer__discovery_names_keys_of_that_issuer_on_that_host(void **state)
{
	struct abroad *abroad = abroad_open();

	(void)state;
	abroad->row.jwks = STR_EMPTY;
	abroad->row.discovery = STR("https://login.example/.well-known/openid-configuration");
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		abroad->library.url[1] = abroad->row.discovery;
		abroad->library.text[1] = str_from_c(documents[i].document);
		abroad->library.fetches = 0;
		abroad_gate(abroad);
		auth_gate_refresh(abroad->gate);
		if (takes_key(abroad, "k1") != documents[i].good)
			fail_msg("%s must be %s", documents[i].document, documents[i].good ? "good" : "bad");
		assert_int_equal(abroad->library.fetches, documents[i].good ? 2 : 1);
	}
	abroad_close(abroad);
}

/* What fetches a document has room for a URL, not for all that a document may hold. */
static void
test_external_issuer__a_url_of_keys_has_a_length(void **state)
{
	static char    document[(200 << 10) + 200];
	struct abroad *abroad = abroad_open();
	size_t         lens[] = { 8 << 10, (8 << 10) + 1, 200 << 10 };

	(void)state;
	abroad->row.jwks = STR_EMPTY;
	abroad->row.discovery = STR("https://login.example/.well-known/openid-configuration");
	for (size_t i = 0; i < 3; i++) {
		int len = snprintf(
			document, sizeof(document),
			"{\"issuer\":\"https://login.example/{tid}/v2.0\",\"jwks_uri\":\"https://login.example/%0*d\"}",
			(int)(lens[i] - strlen("https://login.example/")), 1);

		abroad->library.url[1] = abroad->row.discovery;
		abroad->library.text[1] = str_of(document, (size_t)len);
		abroad->library.fetches = 0;
		abroad_gate(abroad);
		auth_gate_refresh(abroad->gate);
		assert_int_equal(abroad->library.fetches, i == 0 ? 2 : 1);
	}
	abroad_close(abroad);
}

/* ---- threads -------------------------------------------------------------------------------------------- */

static void *
ask_often(void *ctx)
{
	struct abroad *abroad = ctx;
	struct arena  *arena = arena_open((size_t)1 << 20);
	struct str     field = arena_printf(
		    arena, "Bearer %.*s",
		    STR_ARG(forge_with(STR("{\"alg\":\"ES256\",\"kid\":\"k1\"}"), STR("{}"), STR("s"), arena)));

	for (unsigned i = 0; i < 2000; i++) {
		struct arena *own = arena_open((size_t)1 << 20);
		struct caller caller;
		const char   *why;

		assert_int_equal(auth_check(abroad->gate, field, own, &caller, &why), ERR_NO_IDENTITY);
		arena_close(&own);
	}
	arena_close(&arena);
	return NULL;
}

static void
test_external_issuer__sets_are_changed_under_many_readers(void **state)
{
	struct abroad *abroad = abroad_open();
	pthread_t      threads[4];

	(void)state;
	auth_gate_refresh(abroad->gate);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, abroad), 0);
	for (unsigned i = 0; i < 200; i++) {
		publish(abroad, i % 2 ? "k1" : "k2");
		__atomic_fetch_add(&abroad->bench->mono_ns, INT64_C(3600000000000), __ATOMIC_SEQ_CST);
		auth_gate_refresh(abroad->gate);
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	abroad_close(abroad);
}

static void
test_external_issuer__a_thread_fetches_and_ends(void **state)
{
	struct abroad        *abroad = abroad_open();
	const struct timespec wait = { .tv_nsec = 10000000 };

	(void)state;
	auth_gate_start(abroad->gate, 5000);
	assert_true(takes_key(abroad, "k1"));
	publish(abroad, "k2");
	assert_false(takes_key(abroad, "k2"));
	for (unsigned i = 0; i < 500 && auth_gate_stats(abroad->gate).key_fetches < 2; i++)
		nanosleep(&wait, NULL);
	for (unsigned i = 0; i < 500 && !takes_key(abroad, "k2"); i++)
		nanosleep(&wait, NULL);
	assert_true(takes_key(abroad, "k2"));
	abroad_close(abroad);
}

struct slow_source {
	atomic_uint fetches;
	atomic_bool closing;
};

/* The first takes until the end is near, each a moment. */
static enum err
slow_fetch(void *ctx, struct str url, struct str ca, struct buf *body, char why_out[256])
{
	struct slow_source   *slow = ctx;
	const struct timespec moment = { .tv_nsec = 20000000 };

	(void)url;
	(void)ca;
	(void)body;
	why_out[0] = 0;
	atomic_fetch_add(&slow->fetches, 1);
	while (!atomic_load(&slow->closing))
		sched_yield();
	nanosleep(&moment, NULL);
	return ERR_IO;
}

/* Each may take seconds, and whoever ends waits for the one under way only. */
static void
test_external_issuer__no_fetch_is_begun_when_it_ends(void **state)
{
	struct slow_source   slow = { 0 };
	struct auth_source   source = { .ctx = &slow, .fetch = slow_fetch };
	struct auth_external issuers[AUTH_EXTERNAL_MAX];
	struct external     *external;

	(void)state;
	for (size_t i = 0; i < AUTH_EXTERNAL_MAX; i++)
		issuers[i] = (struct auth_external){ .name = STR("slow"), .iss = STR(OUT_ISS), .jwks = STR(URL) };
	external = external_open(issuers, AUTH_EXTERNAL_MAX, &source, &clock_system);
	external_start(external);
	while (atomic_load(&slow.fetches) == 0)
		sched_yield();
	atomic_store(&slow.closing, true);
	external_close(&external);
	assert_in_range(atomic_load(&slow.fetches), 1, AUTH_EXTERNAL_MAX - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_external_issuer__holds_the_claims_against_the_issuers_own_rules),
		cmocka_unit_test(test_external_issuer__cannot_speak_for_the_store),
		cmocka_unit_test(test_external_issuer__a_bound_issuer_gives_its_tenant),
		cmocka_unit_test(test_external_issuer__without_keys_nothing_is_taken_and_nothing_waits),
		cmocka_unit_test(test_external_issuer__ten_thousand_unknown_kids_cause_one_fetch),
		cmocka_unit_test(test_external_issuer__a_new_key_is_found_by_its_kid_once_in_five_minutes),
		cmocka_unit_test(test_external_issuer__a_bad_signature_under_a_known_kid_fetches_nothing),
		cmocka_unit_test(test_external_issuer__keys_are_renewed_every_hour),
		cmocka_unit_test(test_external_issuer__a_key_that_is_taken_back_takes_its_known_tokens_along),
		cmocka_unit_test(test_external_issuer__the_last_good_set_is_kept_for_a_day),
		cmocka_unit_test(test_external_issuer__discovery_names_keys_of_that_issuer_on_that_host),
		cmocka_unit_test(test_external_issuer__a_url_of_keys_has_a_length),
		cmocka_unit_test(test_external_issuer__sets_are_changed_under_many_readers),
		cmocka_unit_test(test_external_issuer__a_thread_fetches_and_ends),
		cmocka_unit_test(test_external_issuer__no_fetch_is_begun_when_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
