/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of the store's own issuer: signing in, and what becomes of tokens when a client or a user goes. */
#include "unit/auth/fixture.h"

#include <stdio.h>

#include "auth/client.h"

#define SECRET "a secret of some length"

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
