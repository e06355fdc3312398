/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/client.h"
#include "auth/directory.h"
#include "auth/grant.h"
#include "auth/policy.h"
#include "support/store_bench.h"

#define APP_A "11111111-0000-4000-8000-00000000000a"
#define APP_B "11111111-0000-4000-8000-00000000000b"

static const struct guid tenant = { { 1 } }, other_tenant = { { 2 } }, ann = { { 3 } }, bob = { { 4 } }, everybody;

static void
allow(struct store_bench *bench, const struct guid *of, const struct guid *user, const char *app)
{
	struct store_txn *txn = store_bench_begin(bench);

	policy_allow(txn, of, user, str_from_c(app), bench->arena);
	assert_int_equal(store_commit(&txn), OK);
}

static bool
take_away(struct store_bench *bench, const struct guid *user, const char *app)
{
	struct store_txn *txn = store_bench_begin(bench);
	bool              was = policy_remove(txn, &tenant, user, str_from_c(app), bench->arena);

	assert_int_equal(store_commit(&txn), OK);
	return was;
}

static bool
may(struct store_bench *bench, const struct guid *user, const char *app)
{
	enum err err = policy_check(bench->store, &tenant, user, str_from_c(app), bench->arena);

	assert_true(err == OK || err == ERR_NOT_ALLOWED);
	return err == OK;
}

static void
test_policy__without_one_nobody_may(void **state)
{
	struct store_bench bench;

	(void)state;
	store_bench_open(&bench);
	assert_false(may(&bench, &ann, APP_A));
	assert_false(may(&bench, &ann, ""));
	allow(&bench, &other_tenant, &everybody, APP_A);
	assert_false(may(&bench, &ann, APP_A));
	store_bench_close(&bench);
}

static void
test_policy__a_users_own_policy_stands_before_the_global_one(void **state)
{
	struct store_bench bench;

	(void)state;
	store_bench_open(&bench);
	allow(&bench, &tenant, &everybody, APP_A);
	assert_true(may(&bench, &ann, APP_A) && may(&bench, &bob, "11111111-0000-4000-8000-00000000000A"));
	allow(&bench, &tenant, &ann, APP_B);
	assert_true(may(&bench, &ann, APP_B));
	assert_false(may(&bench, &ann, APP_A));
	assert_true(may(&bench, &bob, APP_A));
	assert_false(may(&bench, &bob, APP_B));
	assert_true(take_away(&bench, &ann, APP_B));
	assert_true(may(&bench, &ann, APP_A));
	assert_false(take_away(&bench, &ann, APP_B));
	assert_true(take_away(&bench, &everybody, APP_A));
	assert_false(may(&bench, &bob, APP_A));
	store_bench_close(&bench);
}

static void
test_policy__an_application_stands_in_a_policy_once(void **state)
{
	struct store_bench bench;
	struct policy      after = { .apps = STR_EMPTY }, policy;

	(void)state;
	store_bench_open(&bench);
	allow(&bench, &tenant, &ann, APP_A);
	allow(&bench, &tenant, &ann, APP_A);
	allow(&bench, &tenant, &ann, APP_B);
	allow(&bench, &tenant, &everybody, APP_B);
	assert_int_equal(policy_next(bench.store, &after, bench.arena, &policy), OK);
	assert_true(guid_is_zero(&policy.user) && str_eq(policy.apps, STR(APP_B "\n")));
	after = policy;
	assert_int_equal(policy_next(bench.store, &after, bench.arena, &policy), OK);
	assert_true(guid_eq(&policy.user, &ann) && str_eq(policy.apps, STR(APP_A "\n" APP_B "\n")));
	after = policy;
	assert_int_equal(policy_next(bench.store, &after, bench.arena, &policy), ERR_NOT_FOUND);
	store_bench_close(&bench);
}

static void
test_policy__bad_names_and_too_many_are_refused(void **state)
{
	static const char *const bad[] = { "", "a b", "a\nb", "\x7f", "\xff" };
	struct store_bench       bench;
	struct store_txn        *txn;

	(void)state;
	store_bench_open(&bench);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		txn = store_bench_begin(&bench);
		policy_allow(txn, &tenant, &ann, str_from_c(bad[i]), bench.arena);
		assert_int_equal(store_commit(&txn), ERR_BAD_REQUEST);
	}
	for (int i = 0; i < POLICY_APPS_MAX; i++)
		allow(&bench, &tenant, &ann, arena_c(bench.arena, arena_printf(bench.arena, "app-%0120d", i)));
	txn = store_bench_begin(&bench);
	policy_allow(txn, &tenant, &ann, STR("one-more"), bench.arena);
	assert_int_equal(store_commit(&txn), ERR_TOO_LARGE);
	assert_true(
		may(&bench, &ann, arena_c(bench.arena, arena_printf(bench.arena, "app-%0120d", POLICY_APPS_MAX - 1))));
	store_bench_close(&bench);
}

static void
test_policy__goes_with_its_user(void **state)
{
	struct user        user = { tenant, ann, STR("ann@contoso.com"), STR(""), STR("") };
	struct store_bench bench;
	struct store_txn  *txn;

	(void)state;
	store_bench_open(&bench);
	txn = store_bench_begin(&bench);
	directory_put_user(txn, &user, bench.arena);
	assert_int_equal(store_commit(&txn), OK);
	allow(&bench, &tenant, &ann, APP_A);
	txn = store_bench_begin(&bench);
	assert_true(directory_remove_user(txn, &ann, bench.arena));
	assert_int_equal(store_commit(&txn), OK);
	assert_false(may(&bench, &ann, APP_A));
	store_bench_close(&bench);
}

static bool
is_open(struct store_bench *bench, const char *scope, const char *to)
{
	return grant_check(bench->store, str_from_c(scope), str_from_c(to), STR_EMPTY, bench->arena) == OK;
}

static void
test_grant__goes_with_its_user_or_its_client(void **state)
{
	static const char *const scopes[] = { "a", "b", "c:d" };
	struct user              user = { tenant, ann, STR("ann@contoso.com"), STR(""), STR("") };
	struct client            client = { .id = bob, .tenant = tenant, .roles = STR("Mail.Read") };
	struct guid_str          hers = guid_str(&ann), its = guid_str(&bob);
	struct store_bench       bench;
	struct store_txn        *txn;

	(void)state;
	store_bench_open(&bench);
	txn = store_bench_begin(&bench);
	directory_put_user(txn, &user, bench.arena);
	client_put(txn, &client);
	for (int i = 0; i < 3; i++) {
		grant_add(txn, str_from_c(scopes[i]), str_from_c(hers.c), bench.arena);
		if (i > 0)
			grant_add(txn, str_from_c(scopes[i]), str_from_c(its.c), bench.arena);
	}
	assert_int_equal(store_commit(&txn), OK);
	txn = store_bench_begin(&bench);
	assert_true(directory_remove_user(txn, &ann, bench.arena));
	assert_int_equal(store_commit(&txn), OK);
	for (int i = 0; i < 3; i++)
		assert_true(!is_open(&bench, scopes[i], hers.c) && is_open(&bench, scopes[i], its.c) == (i > 0));
	txn = store_bench_begin(&bench);
	grant_add(txn, STR("new"), str_from_c(its.c), bench.arena); /* of the same transaction, too */
	assert_true(client_remove(txn, &bob));
	assert_int_equal(store_commit(&txn), OK);
	assert_true(!is_open(&bench, "b", its.c) && !is_open(&bench, "c:d", its.c) && !is_open(&bench, "new", its.c));
	store_bench_close(&bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy__without_one_nobody_may),
		cmocka_unit_test(test_policy__a_users_own_policy_stands_before_the_global_one),
		cmocka_unit_test(test_policy__an_application_stands_in_a_policy_once),
		cmocka_unit_test(test_policy__bad_names_and_too_many_are_refused),
		cmocka_unit_test(test_policy__goes_with_its_user),
		cmocka_unit_test(test_grant__goes_with_its_user_or_its_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
