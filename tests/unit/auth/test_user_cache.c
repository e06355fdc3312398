/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/user_cache.h"

#include "unit/auth/fixture.h"

static void
put_user(struct bench *bench, const char *id, const char *upn)
{
	struct user       user = { .tenant = guid_of(TID),
		                   .id = guid_of(id),
		                   .upn = str_from_c(upn),
		                   .display_name = STR("Ann"),
		                   .mail = STR_EMPTY };
	struct store_txn *txn = store_begin(bench->store, NULL, bench->arena);

	directory_put_user(txn, &user, bench->arena);
	assert_int_equal(store_commit(&txn), OK);
}

static void
test_user_cache__gives_what_the_directory_gives_the_second_time_too(void **state)
{
	struct bench      *bench = bench_open_empty(STR("memory:"));
	struct user_cache *users = user_cache_open(bench->store);
	struct guid        tid = guid_of(TID), id = guid_of(OID);
	struct user        user;

	(void)state;
	put_user(bench, OID, "ann@contoso.com");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(user_cache_find_owner(users, &tid, &id, bench->arena, &user), OK);
		assert_true(guid_eq(&user.id, &id));
		assert_true(str_eq(user.upn, STR("ann@contoso.com")));
		assert_true(str_eq(user.display_name, STR("Ann")));
		assert_int_equal(user.mail.len, 0);
	}
	user_cache_close(&users);
	assert_null(users);
	bench_close(bench);
}

static void
test_user_cache__sees_at_once_that_a_user_was_changed_or_removed(void **state)
{
	struct bench      *bench = bench_open_empty(STR("memory:"));
	struct user_cache *users = user_cache_open(bench->store);
	struct guid        tid = guid_of(TID), id = guid_of(OID);
	struct store_txn  *txn;
	struct user        user;

	(void)state;
	put_user(bench, OID, "ann@contoso.com");
	assert_int_equal(user_cache_find_owner(users, &tid, &id, bench->arena, &user), OK);
	put_user(bench, OID, "anna@contoso.com");
	assert_int_equal(user_cache_find_owner(users, &tid, &id, bench->arena, &user), OK);
	assert_true(str_eq(user.upn, STR("anna@contoso.com")));
	txn = store_begin(bench->store, NULL, bench->arena);
	assert_true(directory_remove_user(txn, &id, bench->arena));
	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(user_cache_find_owner(users, &tid, &id, bench->arena, &user), ERR_NOT_FOUND);
	user_cache_close(&users);
	bench_close(bench);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user_cache__gives_what_the_directory_gives_the_second_time_too),
		cmocka_unit_test(test_user_cache__sees_at_once_that_a_user_was_changed_or_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
