/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of the store's own issuer: signing in, and what becomes of tokens when a client or a user goes. */
#include "unit/auth/fixture.h"

#include <stdio.h>
#include <time.h>

#include "auth/client.h"
#include "support/rsa_pem.h"

#define SECRET "a secret of some length"
#define RANDOM "y_i_OYBGNTAPvf-az_ypMMVBkL-qWZd3XSYIXtH1_aU"
/* argon2id of RANDOM and of SECRET, as versions made them that hashed all secrets alike */
#define OLD_OF_RANDOM \
	"$argon2id$v=19$m=19456,t=2,p=1$1+He+P3t9fJ98k2gFWURJA$Wv1KCnSL7A2UoNqbqd/V8ybjooPZu8552vsHwtiDBKs"
#define OLD_OF_SECRET \
	"$argon2id$v=19$m=19456,t=2,p=1$QJtcPogdO/nR8L/8ymGasA$KO12nanWrPty+YF4X17tY/8Nd+X3Ot1HxyR5nvIyzOA"

static struct client
client_with(const char *hash)
{
	return (struct client){ .tenant = guid_of(TID),
		                .id = guid_of(APPID),
		                .name = STR("report"),
		                .roles = STR("Calendars.Read OnlineMeetingRecording.Read.All"),
		                .secret_hash = str_from_c(hash),
		                .since_s = NOW_S - 100 };
}

static enum err
put(struct bench *bench, const struct client *client)
{
	struct store_txn *txn = store_begin(bench->store, NULL, bench->arena);

	client_put(txn, client);
	return store_commit(&txn);
}

static bool
take_away(struct bench *bench, const char *id)
{
	struct store_txn *txn = store_begin(bench->store, NULL, bench->arena);
	struct guid       guid = guid_of(id);
	bool              was_there = client_remove(txn, &guid);

	assert_int_equal(store_commit(&txn), OK);
	return was_there;
}

/* A grant of the client as it is now. */
static struct issuer_grant
grant_now(struct bench *bench)
{
	struct issuer_grant grant = app_grant();

	assert_int_equal(client_generation(bench->store, grant.app, bench->arena, &grant.generation), OK);
	return grant;
}

static struct bench *
bench_with_client(void)
{
	struct bench *bench = bench_open();
	struct client client;
	char          hash[128];

	assert_int_equal(secret_hash(STR(SECRET), hash), OK);
	client = client_with(hash);
	assert_int_equal(put(bench, &client), OK);
	return bench;
}

static enum err
log_in(struct bench *bench, const char *tenant, const char *id, const char *secret, struct str *jwt_out)
{
	struct issuer_login login = {
		.tenant = guid_of(tenant), .client_id = str_from_c(id), .secret = str_from_c(secret), .life_s = 3600
	};

	return issuer_login(bench->issuer, bench->store, &login, bench->arena, jwt_out);
}

/* CPU time of this thread, so that other processes do not count. */
static int64_t
cpu_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct str
hash_now(struct bench *bench)
{
	struct guid   id = guid_of(APPID);
	struct client client;

	assert_int_equal(client_find(bench->store, &id, bench->arena, &client), OK);
	return client.secret_hash;
}

static void
test_client__an_old_hash_of_a_random_secret_is_replaced_at_the_next_good_login(void **state)
{
	struct bench *bench = bench_open();
	struct client client = client_with(OLD_OF_RANDOM);
	struct str    before, jwt;

	(void)state;
	assert_int_equal(put(bench, &client), OK);
	before = mint(bench, grant_now(bench));
	assert_int_equal(log_in(bench, TID, APPID, "y_i_OYBGNTAPvf-az_ypMMVBkL-qWZd3XSYIXtH1_aQ", &jwt),
	                 ERR_NO_IDENTITY);
	assert_int_equal(log_in(bench, TID_OTHER, APPID, RANDOM, &jwt), ERR_NO_IDENTITY);
	assert_true(str_eq(hash_now(bench), STR(OLD_OF_RANDOM)));
	assert_int_equal(log_in(bench, TID, APPID, RANDOM, &jwt), OK);
	assert_true(str_starts(hash_now(bench), STR("$blake2b$")));
	assert_true(is_good(bench, before) && is_good(bench, jwt));
	assert_int_equal(log_in(bench, TID, APPID, RANDOM, &jwt), OK);
	assert_true(is_good(bench, before) && is_good(bench, jwt));
	assert_int_equal(log_in(bench, TID, APPID, OLD_OF_RANDOM, &jwt), ERR_NO_IDENTITY);
	bench_close(bench);
}

/* Also one that somebody chose who has a generator: where --secret-file was used, argon2id stays. */
static void
test_client__the_hash_of_a_chosen_secret_stays(void **state)
{
	struct bench *bench = bench_open();
	struct client client = client_with(OLD_OF_SECRET);
	struct str    jwt;
	char          hash[128];

	(void)state;
	assert_int_equal(put(bench, &client), OK);
	assert_int_equal(log_in(bench, TID, APPID, SECRET, &jwt), OK);
	assert_true(str_eq(hash_now(bench), STR(OLD_OF_SECRET)));
	assert_int_equal(secret_hash(STR(RANDOM), hash), OK);
	client = client_with(hash);
	assert_int_equal(put(bench, &client), OK);
	assert_int_equal(log_in(bench, TID, APPID, RANDOM, &jwt), OK);
	assert_true(str_eq(hash_now(bench), str_from_c(hash)));
	bench_close(bench);
}

/* Between the check and the write somebody gave the client another secret: that one counts. */
static void
test_client__a_hash_is_not_put_over_a_newer_secret(void **state)
{
	struct bench     *bench = bench_open();
	struct client     found = client_with(OLD_OF_RANDOM), now = client_with(OLD_OF_SECRET);
	struct store_txn *txn;

	(void)state;
	assert_int_equal(put(bench, &now), OK);
	txn = store_begin(bench->store, NULL, bench->arena);
	client_put_hash(txn, &found, STR("$blake2b$"), bench->arena);
	assert_int_equal(store_commit(&txn), OK);
	assert_true(str_eq(hash_now(bench), STR(OLD_OF_SECRET)));
	assert_true(take_away(bench, APPID));
	txn = store_begin(bench->store, NULL, bench->arena);
	client_put_hash(txn, &found, STR("$blake2b$"), bench->arena);
	assert_int_equal(store_commit(&txn), OK);
	found.id = guid_of(APPID);
	assert_int_equal(client_find(bench->store, &found.id, bench->arena, &now), ERR_NOT_FOUND);
	bench_close(bench);
}

/* Half of them with a chosen secret, half with a random one, `of` 0 or 1: all of one kind; by certificate beyond. */
static void
put_many(struct bench *bench, unsigned of, unsigned count)
{
	char          random[128], chosen[128];
	struct client client;

	secret_hash_random(STR(RANDOM), &entropy_system, random);
	assert_int_equal(secret_hash(STR(SECRET), chosen), OK);
	for (unsigned i = 0; i < count; i++) {
		client = client_with((of == 2 ? i % 2 : of) == 0 ? random : chosen);
		client.id = guid_random(&entropy_system);
		if (of == 3) {
			client.secret_hash = STR_EMPTY;
			client.certificate = STR(RSA_PEM_CERT_DER_BASE64);
		}
		assert_int_equal(put(bench, &client), OK);
	}
}

static int64_t
cost_of_argon2id(void)
{
	int64_t from = cpu_ns();
	char    hash[128];

	assert_int_equal(secret_hash(STR(SECRET), hash), OK);
	return cpu_ns() - from;
}

/* Does a login with a wrong secret cost argon2id? It costs hundreds of times what the rest does. */
static bool
costs_much(struct bench *bench, const char *tenant, const char *id, int64_t argon2id_ns)
{
	int64_t    from = cpu_ns();
	struct str jwt;

	assert_int_equal(log_in(bench, tenant, id, "a wrong secret", &jwt), ERR_NO_IDENTITY);
	return cpu_ns() - from > argon2id_ns / 4;
}

static void
test_client__an_unknown_id_costs_what_a_known_one_costs(void **state)
{
	/* Expected of unknown ids in 40: all fast, all slow, some of both. */
	static const unsigned least[] = { 0, 40, 1, 0 }, most[] = { 0, 40, 39, 0 };

	int64_t argon2id_ns = cost_of_argon2id();

	(void)state;
	for (unsigned of = 0; of < 4; of++) {
		struct bench *bench = bench_open();
		unsigned      slow = 0;

		put_many(bench, of, 12);
		for (unsigned i = 0; i < 40; i++) {
			struct guid id = guid_random(&entropy_system);
			bool        is_slow = costs_much(bench, TID, guid_str(&id).c, argon2id_ns);

			slow += is_slow;
			/* An id costs the same each time, and whichever tenant it is tried at. */
			assert_int_equal(costs_much(bench, TID_OTHER, guid_str(&id).c, argon2id_ns), is_slow);
		}
		if (slow < least[of] || slow > most[of])
			fail_msg("store %u: %u of 40", of, slow);
		bench_close(bench);
	}
}

static int64_t
median_of_assertions(struct bench *bench, const char *id)
{
	/* Whole, and with the certificate's thumbprint: only the signature is wrong. */
	struct str          header = STR("{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}");
	char                signature[256] = "";
	struct issuer_login login = { .tenant = guid_of(TID), .client_id = str_from_c(id) };
	int64_t             took[51];
	struct str          out;

	header = b64_encode(B64_URL, header.at, header.len, bench->arena);
	login.assertion = arena_printf(bench->arena, "%.*s.e30.%.*s", STR_ARG(header),
	                               STR_ARG(b64_encode(B64_URL, signature, sizeof(signature), bench->arena)));
	for (size_t i = 0; i < 51; i++) {
		int64_t from = cpu_ns();
		size_t  k = i;

		assert_int_equal(issuer_login(bench->issuer, bench->store, &login, bench->arena, &out),
		                 ERR_NO_IDENTITY);
		for (from = cpu_ns() - from; k > 0 && took[k - 1] > from; k--)
			took[k] = took[k - 1];
		took[k] = from;
	}
	return took[25];
}

static void
test_client__a_bad_assertion_costs_the_same_for_known_and_unknown_ids(void **state)
{
	struct bench *bench = bench_open();
	struct client client = client_with("");
	int64_t       known, unknown, secretly;
	char          hash[128];

	(void)state;
	client.certificate = STR(RSA_PEM_CERT_DER_BASE64);
	assert_int_equal(put(bench, &client), OK);
	secret_hash_random(STR(RANDOM), &entropy_system, hash);
	client = client_with(hash);
	client.id = guid_of(OID_OTHER);
	assert_int_equal(put(bench, &client), OK);
	known = median_of_assertions(bench, APPID);
	unknown = median_of_assertions(bench, OID);
	secretly = median_of_assertions(bench, OID_OTHER);
	if (unknown * 2 < known || known * 2 < unknown || secretly * 2 < known || known * 2 < secretly)
		fail_msg("%lld ns for a known id, %lld for an unknown one, %lld for one with a secret",
		         (long long)known, (long long)unknown, (long long)secretly);
	bench_close(bench);
}

static void
test_client__is_kept_as_it_was_given(void **state)
{
	struct bench *bench = bench_with_client();
	struct guid   id = guid_of(APPID), none = { { 0 } };
	struct client client;

	(void)state;
	assert_int_equal(client_find(bench->store, &id, bench->arena, &client), OK);
	assert_true(str_eq(client.name, STR("report")) && client.since_s == NOW_S - 100);
	assert_true(str_eq(client.roles, STR("Calendars.Read OnlineMeetingRecording.Read.All")));
	assert_int_equal(client_next(bench->store, &none, bench->arena, &client), OK);
	assert_true(guid_eq(&client.id, &id));
	assert_int_equal(client_next(bench->store, &id, bench->arena, &client), ERR_NOT_FOUND);
	bench_close(bench);
}

static void
test_client__that_is_not_valid_is_not_kept(void **state)
{
	struct bench *bench = bench_open();
	struct client bad[9];

	(void)state;
	for (size_t i = 0; i < 9; i++)
		bad[i] = client_with("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA");
	bad[0].roles = STR("");
	bad[1].roles = STR("   ");
	bad[2].roles = STR("a\tb");
	bad[3].name = STR("a\nb");
	bad[4].secret_hash = STR("plain");
	bad[5].id = (struct guid){ { 0 } };
	bad[6].tenant = (struct guid){ { 0 } };
	bad[7].since_s = -1;
	bad[8].since_s = INT64_MAX / 1000;
	for (size_t i = 0; i < 9; i++)
		if (put(bench, &bad[i]) != ERR_BAD_REQUEST)
			fail_msg("client %zu was kept", i);
	bench_close(bench);
}

static void
test_client__gets_a_token_with_all_its_roles_for_its_secret(void **state)
{
	struct bench *bench = bench_with_client();
	struct caller caller;
	const char   *why;
	struct str    jwt;

	(void)state;
	assert_int_equal(log_in(bench, TID, APPID, SECRET, &jwt), OK);
	assert_int_equal(check_by(bench->gate, bench, jwt, &caller, &why), OK);
	assert_true(caller.is_app && str_eq(caller.app, STR(APPID)));
	assert_true(caller_has(&caller, "Calendars.Read") && caller_has(&caller, "OnlineMeetingRecording.Read.All"));
	bench_close(bench);
}

static void
test_client__without_its_secret_gets_nothing(void **state)
{
	struct bench *bench = bench_with_client();
	struct client silent = client_with("");
	struct str    jwt;

	(void)state;
	assert_int_equal(log_in(bench, TID, APPID, "a secret of some lengtH", &jwt), ERR_NO_IDENTITY);
	assert_int_equal(log_in(bench, TID, APPID, "", &jwt), ERR_NO_IDENTITY);
	assert_int_equal(log_in(bench, TID, OID, SECRET, &jwt), ERR_NO_IDENTITY);
	assert_int_equal(log_in(bench, TID, "report", SECRET, &jwt), ERR_NO_IDENTITY);
	assert_int_equal(log_in(bench, TID_OTHER, APPID, SECRET, &jwt), ERR_NO_IDENTITY);
	assert_int_equal(put(bench, &silent), OK);
	assert_int_equal(log_in(bench, TID, APPID, SECRET, &jwt), ERR_NO_IDENTITY);
	assert_int_equal(log_in(bench, TID, APPID, "", &jwt), ERR_NO_IDENTITY);
	bench_close(bench);
}

static void
test_client__when_it_goes_its_tokens_go_also_those_known_before(void **state)
{
	struct bench *bench = bench_with_client();
	struct str    jwt;

	(void)state;
	assert_int_equal(log_in(bench, TID, APPID, SECRET, &jwt), OK);
	assert_true(is_good(bench, jwt));
	assert_true(is_good(bench, jwt));
	assert_true(take_away(bench, APPID));
	assert_false(is_good(bench, jwt));
	assert_false(is_good(bench, mint(bench, grant_now(bench))));
	assert_int_equal(log_in(bench, TID, APPID, SECRET, &jwt), ERR_NO_IDENTITY);
	assert_false(take_away(bench, APPID));
	bench_close(bench);
}

static void
test_client__put_anew_does_not_bring_old_tokens_back(void **state)
{
	struct bench *bench = bench_with_client();
	struct client client = client_with("");
	struct str    old = mint(bench, grant_now(bench));

	(void)state;
	assert_true(is_good(bench, old));
	assert_true(take_away(bench, APPID));
	client.since_s = 0;
	assert_int_equal(put(bench, &client), ERR_CONFLICT);
	bench_pass(bench, 10);
	client.since_s = NOW_S + 10;
	assert_int_equal(put(bench, &client), OK);
	assert_false(is_good(bench, old));
	assert_true(is_good(bench, mint(bench, grant_now(bench))));
	bench_close(bench);
}

/* What one may do to a client, all in one second, with the clock set back, or to what a restore has brought back. */
static void
change(struct bench *bench, struct client *client, unsigned kind)
{
	static const char *const names[] = { "one", "two" };

	switch (kind % 5) {
	case 0:
		client->name = str_eq(client->name, STR("one")) ? str_from_c(names[1]) : str_from_c(names[0]);
		break;
	case 1:
		assert_true(take_away(bench, APPID));
		break;
	case 2:
		client->since_s -= 50;
		break;
	case 3:
		client->since_s += 50;
		break;
	default:
		client->roles = str_eq(client->roles, STR("A")) ? STR("B") : STR("A");
		break;
	}
	assert_int_equal(put(bench, client), OK);
}

/* The model: a token is good as long as nothing was done to its client since, but for giving the same once more. */
static void
test_client__a_token_is_good_for_one_generation_whatever_the_clock_says(void **state)
{
	struct bench *bench = bench_with_client();
	struct client client = client_with("");
	struct str    tokens[60];

	(void)state;
	client.since_s = NOW_S;
	assert_int_equal(put(bench, &client), OK);
	for (unsigned i = 0; i < 60; i++) {
		tokens[i] = mint(bench, grant_now(bench));
		assert_true(is_good(bench, tokens[i]));
		assert_int_equal(put(bench, &client), OK);
		assert_true(is_good(bench, tokens[i]));
		change(bench, &client, i * 7 + i / 5);
		for (unsigned k = 0; k <= i; k++)
			if (is_good(bench, tokens[k]))
				fail_msg("after change %u the token of generation %u is good", i, k);
	}
	bench_close(bench);
}

/* Tokens of an earlier version name no generation; then the clock must do, and a tie is too old. */
static void
test_client__a_token_that_names_no_generation_is_judged_by_its_second(void **state)
{
	struct bench *bench = bench_with_client();
	struct guid   id = guid_of(APPID);
	int64_t       since_s;
	struct client client;

	(void)state;
	assert_int_equal(client_find(bench->store, &id, bench->arena, &client), OK);
	since_s = client.since_s;
	for (int64_t late = -2; late <= 2; late++)
		assert_int_equal(client_revocation(bench->store, STR(APPID), since_s + late, -1, bench->arena),
		                 late > 0 ? OK : ERR_NO_IDENTITY);
	bench_close(bench);
}

/* The secret was good when it was checked, but the client is another one before the token is made. */
static void
test_client__a_login_under_way_while_the_client_changes_gives_no_good_token(void **state)
{
	struct bench       *bench = bench_with_client();
	struct client       client = client_with("");
	struct issuer_grant grant = grant_now(bench);

	(void)state;
	bench_pass(bench, 10);
	client.since_s = NOW_S + 5;
	assert_int_equal(put(bench, &client), OK);
	assert_false(is_good(bench, mint(bench, grant)));
	bench_close(bench);
}

/* `tidemark token --app` makes tokens for programs that never signed in. */
static void
test_client__that_never_was_one_may_have_tokens(void **state)
{
	struct bench       *bench = bench_open();
	struct issuer_grant grant = app_grant();

	(void)state;
	assert_true(is_good(bench, mint(bench, grant)));
	grant.app = STR("a-daemon");
	assert_true(is_good(bench, mint(bench, grant)));
	bench_close(bench);
}

static void
test_client__a_removed_user_is_nobody_at_once(void **state)
{
	struct bench     *bench = bench_open();
	struct str        jwt = mint(bench, user_grant());
	struct guid       oid = guid_of(OID);
	struct store_txn *txn;

	(void)state;
	assert_true(is_good(bench, jwt));
	txn = store_begin(bench->store, NULL, bench->arena);
	assert_true(directory_remove_user(txn, &oid, bench->arena));
	assert_int_equal(store_commit(&txn), OK);
	assert_false(is_good(bench, jwt));
	bench_add_user(bench, TID_OTHER, OID, "ann@contoso.com");
	assert_false(is_good(bench, jwt));
	bench_close(bench);
}

/* A directory that changes makes the gate look again, not check signatures again. */
static void
test_client__a_change_elsewhere_costs_no_signature_check(void **state)
{
	struct bench *bench = bench_open();
	struct str    jwt = mint(bench, user_grant());
	char          id[64], upn[64];

	(void)state;
	assert_true(is_good(bench, jwt));
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", i + 1);
		snprintf(upn, sizeof(upn), "u%u@contoso.com", i);
		bench_add_user(bench, TID, id, upn);
		assert_true(is_good(bench, jwt));
		assert_true(is_good(bench, jwt));
	}
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, 1);
	assert_int_equal(auth_gate_stats(bench->gate).cache_hits, 40);
	bench_close(bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client__an_old_hash_of_a_random_secret_is_replaced_at_the_next_good_login),
		cmocka_unit_test(test_client__the_hash_of_a_chosen_secret_stays),
		cmocka_unit_test(test_client__a_hash_is_not_put_over_a_newer_secret),
		cmocka_unit_test(test_client__an_unknown_id_costs_what_a_known_one_costs),
		cmocka_unit_test(test_client__a_bad_assertion_costs_the_same_for_known_and_unknown_ids),
		cmocka_unit_test(test_client__is_kept_as_it_was_given),
		cmocka_unit_test(test_client__that_is_not_valid_is_not_kept),
		cmocka_unit_test(test_client__gets_a_token_with_all_its_roles_for_its_secret),
		cmocka_unit_test(test_client__without_its_secret_gets_nothing),
		cmocka_unit_test(test_client__when_it_goes_its_tokens_go_also_those_known_before),
		cmocka_unit_test(test_client__put_anew_does_not_bring_old_tokens_back),
		cmocka_unit_test(test_client__a_token_is_good_for_one_generation_whatever_the_clock_says),
		cmocka_unit_test(test_client__a_token_that_names_no_generation_is_judged_by_its_second),
		cmocka_unit_test(test_client__a_login_under_way_while_the_client_changes_gives_no_good_token),
		cmocka_unit_test(test_client__that_never_was_one_may_have_tokens),
		cmocka_unit_test(test_client__a_removed_user_is_nobody_at_once),
		cmocka_unit_test(test_client__a_change_elsewhere_costs_no_signature_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
