/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/auth/fixture.h"

#include <stdio.h>
#include <unistd.h>

static const struct store_feed *
feed_of(const struct user *user, uint8_t collection)
{
	static struct store_feed feed;

	feed = (struct store_feed){ user->tenant, user->id, collection };
	return &feed;
}

static struct user
ann(void)
{
	return (struct user){ .tenant = guid_of(TID),
		              .id = guid_of(OID),
		              .upn = STR("Ann@Contoso.com"),
		              .display_name = STR("Ann \"A\" M\xc3\xbcller"),
		              .mail = STR("ann@contoso.com") };
}

static struct user
bob(void)
{
	return (struct user){ .tenant = guid_of(TID),
		              .id = guid_of(OID_OTHER),
		              .upn = STR("bob@contoso.com"),
		              .display_name = STR_EMPTY,
		              .mail = STR_EMPTY };
}

static enum err
put(struct bench *bench, struct user user)
{
	struct store_txn *txn = store_begin(bench->store, NULL, bench->arena);

	directory_put_user(txn, &user, bench->arena);
	return store_commit(&txn);
}

static enum err
find(struct bench *bench, const char *tenant, const char *id_or_upn, struct user *user_out)
{
	struct guid tid = guid_of(tenant);

	return directory_find_user(bench->store, &tid, str_from_c(id_or_upn), bench->arena, user_out);
}

static void
assert_same_user(const struct user *a, const struct user *b)
{
	assert_true(guid_eq(&a->tenant, &b->tenant));
	assert_true(guid_eq(&a->id, &b->id));
	assert_true(str_eq(a->upn, b->upn));
	assert_true(str_eq(a->display_name, b->display_name));
	assert_true(str_eq(a->mail, b->mail));
}

static void
test_directory__finds_a_user_by_id_and_by_upn_in_any_case(void **state)
{
	static const char *const names[] = { OID, "Ann@Contoso.com", "ann@contoso.com", "ANN@CONTOSO.COM" };
	struct bench            *bench = bench_open_empty(STR("memory:"));
	struct user              wanted = ann(), found;

	(void)state;
	assert_int_equal(put(bench, wanted), OK);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(find(bench, TID, names[i], &found), OK);
		assert_same_user(&found, &wanted);
	}
	assert_int_equal(directory_find_owner(bench->store, &wanted.id, bench->arena, &found), OK);
	assert_same_user(&found, &wanted);
	bench_close(bench);
}

static void
test_directory__finds_nobody_else(void **state)
{
	static const char *const names[] = { "",
		                             "x",
		                             OID_OTHER,
		                             "ann@contoso.co",
		                             "ann@contoso.comm",
		                             "nn@contoso.com",
		                             "33333333-3333-4333-8333-33333333333",
		                             "{" OID "}",
		                             " ann@contoso.com" };
	struct bench            *bench = bench_open_empty(STR("memory:"));
	struct user              found;
	char                     huge[UPN_MAX + 2];

	(void)state;
	assert_int_equal(put(bench, ann()), OK);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(find(bench, TID, names[i], &found), ERR_NOT_FOUND);
	assert_int_equal(find(bench, TID_OTHER, OID, &found), ERR_NOT_FOUND);
	assert_int_equal(find(bench, TID_OTHER, "ann@contoso.com", &found), ERR_NOT_FOUND);
	memset(huge, 'a', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(find(bench, TID, huge, &found), ERR_NOT_FOUND);
	bench_close(bench);
}

static void
test_directory__a_upn_is_one_users_of_a_tenant(void **state)
{
	struct bench *bench = bench_open_empty(STR("memory:"));
	struct user   user = ann(), other = bob(), found;

	(void)state;
	assert_int_equal(put(bench, user), OK);
	other.upn = STR("ANN@contoso.com");
	assert_int_equal(put(bench, other), ERR_CONFLICT);
	assert_int_equal(find(bench, TID, OID_OTHER, &found), ERR_NOT_FOUND);
	other.tenant = guid_of(TID_OTHER);
	assert_int_equal(put(bench, other), OK);
	assert_int_equal(find(bench, TID, "ann@contoso.com", &found), OK);
	assert_true(guid_eq(&found.id, &user.id));
	assert_int_equal(find(bench, TID_OTHER, "ann@contoso.com", &found), OK);
	assert_true(guid_eq(&found.id, &other.id));
	bench_close(bench);
}

static void
test_directory__a_renamed_user_is_not_found_by_the_old_name(void **state)
{
	struct bench *bench = bench_open_empty(STR("memory:"));
	struct user   user = ann(), other = bob(), found;

	(void)state;
	assert_int_equal(put(bench, user), OK);
	user.upn = STR("ann.new@contoso.com");
	user.display_name = STR("New");
	assert_int_equal(put(bench, user), OK);
	assert_int_equal(find(bench, TID, "ann@contoso.com", &found), ERR_NOT_FOUND);
	assert_int_equal(find(bench, TID, "ann.new@contoso.com", &found), OK);
	assert_same_user(&found, &user);
	/* The old name is free again. */
	other.upn = STR("ann@contoso.com");
	assert_int_equal(put(bench, other), OK);
	assert_int_equal(find(bench, TID, "ann@contoso.com", &found), OK);
	assert_true(guid_eq(&found.id, &other.id));
	bench_close(bench);
}

/* Only the letters' case of the UPN changes: the same name, kept. */
static void
test_directory__a_put_again_is_a_replacement(void **state)
{
	struct bench *bench = bench_open_empty(STR("memory:"));
	struct user   user = ann(), found;

	(void)state;
	assert_int_equal(put(bench, user), OK);
	user.upn = STR("ANN@contoso.com");
	user.mail = STR_EMPTY;
	assert_int_equal(put(bench, user), OK);
	assert_int_equal(find(bench, TID, "ann@contoso.com", &found), OK);
	assert_same_user(&found, &user);
	bench_close(bench);
}

static void
test_directory__a_user_stays_in_its_tenant(void **state)
{
	struct bench *bench = bench_open_empty(STR("memory:"));
	struct user   user = ann(), found;

	(void)state;
	assert_int_equal(put(bench, user), OK);
	user.tenant = guid_of(TID_OTHER);
	assert_int_equal(put(bench, user), ERR_CONFLICT);
	assert_int_equal(find(bench, TID, OID, &found), OK);
	assert_int_equal(find(bench, TID_OTHER, "ann@contoso.com", &found), ERR_NOT_FOUND);
	bench_close(bench);
}

static void
test_directory__a_transaction_sees_its_own_users(void **state)
{
	struct bench     *bench = bench_open_empty(STR("memory:"));
	struct user       user = ann(), twin = bob(), found;
	struct store_txn *txn = store_begin(bench->store, NULL, bench->arena);

	(void)state;
	assert_false(directory_txn_find_owner(txn, &user.id, bench->arena, &found));
	directory_put_user(txn, &user, bench->arena);
	assert_true(directory_txn_find_owner(txn, &user.id, bench->arena, &found));
	assert_same_user(&found, &user);
	user.upn = STR("ann2@contoso.com");
	directory_put_user(txn, &user, bench->arena);
	twin.upn = STR("ann@contoso.com");
	directory_put_user(txn, &twin, bench->arena);
	assert_true(directory_remove_user(txn, &twin.id, bench->arena));
	assert_false(directory_txn_find_owner(txn, &twin.id, bench->arena, &found));
	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(find(bench, TID, "ann2@contoso.com", &found), OK);
	assert_int_equal(find(bench, TID, "ann@contoso.com", &found), ERR_NOT_FOUND);
	txn = store_begin(bench->store, NULL, bench->arena);
	twin.upn = STR("ANN2@contoso.com");
	directory_put_user(txn, &twin, bench->arena);
	assert_int_equal(store_txn_err(txn), ERR_CONFLICT);
	assert_int_equal(store_commit(&txn), ERR_CONFLICT);
	bench_close(bench);
}

static void
put_item(struct bench *bench, const struct store_feed *feed)
{
	struct item       item = { .id = STR("item"), .key = STR_EMPTY, .body = STR("{}") };
	struct store_txn *txn = store_begin(bench->store, NULL, bench->arena);

	store_put(txn, feed, &item);
	assert_int_equal(store_commit(&txn), OK);
}

static void
test_directory__a_removed_user_takes_its_feeds_along(void **state)
{
	struct bench     *bench = bench_open_empty(STR("memory:"));
	struct user       user = ann(), other = bob(), found;
	struct store_txn *txn;
	struct item       item;

	(void)state;
	assert_int_equal(put(bench, user), OK);
	assert_int_equal(put(bench, other), OK);
	for (uint8_t collection = 1; collection <= 2; collection++) {
		put_item(bench, feed_of(&user, collection));
		put_item(bench, feed_of(&other, collection));
	}
	txn = store_begin(bench->store, NULL, bench->arena);
	assert_true(directory_remove_user(txn, &user.id, bench->arena));
	assert_false(directory_remove_user(txn, &user.id, bench->arena));
	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(find(bench, TID, OID, &found), ERR_NOT_FOUND);
	assert_int_equal(find(bench, TID, "ann@contoso.com", &found), ERR_NOT_FOUND);
	assert_int_equal(find(bench, TID, "bob@contoso.com", &found), OK);
	/* Its name is free. */
	other.upn = STR("ann@contoso.com");
	assert_int_equal(put(bench, other), OK);
	for (uint8_t collection = 1; collection <= 2; collection++) {
		assert_int_equal(store_get(bench->store, feed_of(&user, collection), STR("item"), bench->arena, &item),
		                 ERR_NOT_FOUND);
		assert_int_equal(store_get(bench->store, feed_of(&other, collection), STR("item"), bench->arena, &item),
		                 OK);
	}
	bench_close(bench);
}

static void
test_directory__lists_every_user_once(void **state)
{
	struct bench *bench = bench_open_empty(STR("memory:"));
	struct user   user = bob(), after = { 0 }, next;
	struct guid   last = { { 0 } };
	size_t        count = 0;
	enum err      err;

	(void)state;
	assert_int_equal(directory_next_user(bench->store, &after, bench->arena, &next), ERR_NOT_FOUND);
	for (unsigned i = 0; i < 50; i++) {
		user.id = guid_random(&entropy_system);
		user.tenant = guid_of(i % 2 ? TID : TID_OTHER);
		user.upn = arena_printf(bench->arena, "user%u@contoso.com", i);
		assert_int_equal(put(bench, user), OK);
	}
	while ((err = directory_next_user(bench->store, &after, bench->arena, &next)) == OK) {
		assert_true(memcmp(next.id.b, last.b, sizeof(last.b)) > 0);
		last = next.id;
		after = next;
		count++;
	}
	assert_int_equal(err, ERR_NOT_FOUND);
	assert_int_equal(count, 50);
	bench_close(bench);
}

/* Names of notes are bytes, zeros among them, and stay apart on the engine that is a database too. */
static void
test_directory__works_on_sqlite_with_any_bytes_in_ids(void **state)
{
	char dir[] = "/tmp/tidemark-directory-XXXXXX", url[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(url, sizeof(url), "sqlite:%s/store.db", dir);
	struct bench *bench = bench_open_empty(str_from_c(url));
	struct user   users[3] = { ann(), ann(), bob() }, found, after = { 0 };

	users[0].id = (struct guid){ { 0, 0, 0, 1 } };
	users[1].id = (struct guid){ { 0, 0, 0, 1, 0, 0xff } };
	users[1].upn = STR("second@contoso.com");
	users[2].id = (struct guid){ { 0xff, 0 } };
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(put(bench, users[i]), OK);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(directory_find_owner(bench->store, &users[i].id, bench->arena, &found), OK);
		assert_same_user(&found, &users[i]);
		assert_int_equal(
			directory_find_user(bench->store, &users[i].tenant, users[i].upn, bench->arena, &found), OK);
		assert_same_user(&found, &users[i]);
		assert_int_equal(directory_next_user(bench->store, &after, bench->arena, &found), OK);
		assert_same_user(&found, &users[i]);
		after = found;
	}
	assert_true(is_good(bench, mint(bench, app_grant())));
	bench_close(bench);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- what a user must be like ------------------------------------------------------------------ */

static void
test_directory__refuses_names_that_are_none(void **state)
{
	static const char *const bad[] = { "",
		                           "ann",
		                           "@",
		                           "ann@",
		                           "@contoso.com",
		                           "a@b@c",
		                           "@@",
		                           "ann@@contoso.com",
		                           "a\tb@c",
		                           "a\nb@c",
		                           "a b@c",
		                           "ann@contoso.com\r",
		                           "\x7f@c",
		                           "\xff@c",
		                           "\xc0\xaf@c",
		                           "ann@contoso.com " };
	static const char *const good[] = { "a@b", "ann.m\xc3\xbcller@contoso.com", "o'neil+x@sub.contoso.com",
		                            "#EXT#@c" };
	struct bench            *bench = bench_open_empty(STR("memory:"));
	const char              *why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct user user = ann();

		user.upn = str_from_c(bad[i]);
		why = NULL;
		assert_false(user_valid(&user, &why));
		assert_true(why && why[0]);
		assert_int_equal(put(bench, user), ERR_BAD_REQUEST);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct user user = ann();

		user.upn = str_from_c(good[i]);
		assert_true(user_valid(&user, &why));
		assert_int_equal(put(bench, user), OK);
	}
	bench_close(bench);
}

static void
test_directory__bounds_every_text(void **state)
{
	char        text[UPN_MAX + 1];
	const char *why;

	(void)state;
	for (size_t field = 0; field < 3; field++) {
		for (size_t over = 0; over < 2; over++) {
			struct user user = ann();
			struct str *which[] = { &user.upn, &user.display_name, &user.mail };

			memset(text, 'a', sizeof(text));
			text[1] = '@';
			*which[field] = str_of(text, UPN_MAX + over);
			assert_int_equal(user_valid(&user, &why), over == 0);
			*which[field] = STR("a@b\n");
			assert_false(user_valid(&user, &why));
			*which[field] = STR("a@\xff");
			assert_false(user_valid(&user, &why));
			*which[field] = STR("a@\0b");
			assert_false(user_valid(&user, &why));
		}
	}
}

static void
test_directory__zero_names_nobody(void **state)
{
	struct user user = ann();
	const char *why;

	(void)state;
	user.id = (struct guid){ { 0 } };
	assert_false(user_valid(&user, &why));
	user = ann();
	user.tenant = (struct guid){ { 0 } };
	assert_false(user_valid(&user, &why));
}

/* The widest values there can be, every byte of which must be escaped, come back whole. */
static void
test_directory__keeps_the_widest_user(void **state)
{
	struct bench *bench = bench_open_empty(STR("memory:"));
	struct user   user = ann(), found;
	char          upn[UPN_MAX], text[UPN_MAX];

	(void)state;
	memset(text, '"', sizeof(text));
	memset(upn, '\\', sizeof(upn));
	upn[100] = '@';
	user.upn = str_of(upn, sizeof(upn));
	user.display_name = str_of(text, sizeof(text));
	user.mail = str_of(text, sizeof(text));
	assert_int_equal(put(bench, user), OK);
	assert_int_equal(find(bench, TID, OID, &found), OK);
	assert_same_user(&found, &user);
	assert_int_equal(directory_find_user(bench->store, &user.tenant, user.upn, bench->arena, &found), OK);
	bench_close(bench);
}

/* ---- a damaged or unready store ---------------------------------------------------------------- */

static void
put_kv(struct bench *bench, const char *ns, struct str name, struct str entry)
{
	struct store_txn *txn = store_begin(bench->store, NULL, bench->arena);

	store_put_kv(txn, ns, name, entry);
	assert_int_equal(store_commit(&txn), OK);
}

static void
test_directory__says_so_when_a_note_is_damaged(void **state)
{
	static const char *const value[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"tenantId\":\"x\",\"userPrincipalName\":\"a@b\"}",
		"{\"tenantId\":\"" TID "\",\"userPrincipalName\":1,\"displayName\":\"\",\"mail\":\"\"}",
	};
	struct bench     *bench = bench_open_empty(STR("memory:"));
	struct user       user = ann(), found;
	char              too_long[UPN_MAX + 1];
	struct store_txn *txn;
	struct guid       tenant;

	(void)state;
	memset(too_long, 'x', sizeof(too_long));
	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]) + 3; i++) {
		size_t     member = i - sizeof(value) / sizeof(value[0]); /* of the last three: that text is too long */
		struct str odd = str_of(too_long, sizeof(too_long)), none = STR_EMPTY, entry;

		if (i < sizeof(value) / sizeof(value[0]))
			entry = str_from_c(value[i]);
		else
			entry = arena_printf(bench->arena,
			                     "{\"tenantId\":\"" TID "\",\"userPrincipalName\":\"a@b%.*s\","
			                     "\"displayName\":\"%.*s\",\"mail\":\"%.*s\"}",
			                     STR_ARG(member == 0 ? odd : none), STR_ARG(member == 1 ? odd : none),
			                     STR_ARG(member == 2 ? odd : none));
		put_kv(bench, "user", str_of(user.id.b, 16), entry);
		assert_int_equal(find(bench, TID, OID, &found), ERR_CORRUPT);
		txn = store_begin(bench->store, NULL, bench->arena);
		assert_false(directory_txn_find_owner(txn, &user.id, bench->arena, &found));
		assert_int_equal(store_commit(&txn), ERR_CORRUPT);
	}
	put_kv(bench, "setting", STR("tenant"), STR("short"));
	assert_int_equal(directory_tenant(bench->store, bench->arena, &tenant), ERR_CORRUPT);
	bench_close(bench);
}

/* A upn note that leads to a user of another name (a rename seen half) leads to nobody. */
static void
test_directory__a_stale_name_leads_to_nobody(void **state)
{
	struct bench *bench = bench_open_empty(STR("memory:"));
	struct user   user = ann(), found;
	char          name[16 + 13];

	(void)state;
	assert_int_equal(put(bench, user), OK);
	memcpy(name, user.tenant.b, 16);
	memcpy(name + 16, "x@contoso.com", 13);
	put_kv(bench, "upn", str_of(name, sizeof(name)), str_of(user.id.b, 16));
	assert_int_equal(find(bench, TID, "x@contoso.com", &found), ERR_NOT_FOUND);
	assert_int_equal(find(bench, TID, "ann@contoso.com", &found), OK);
	bench_close(bench);
}

static void
lose_kv(struct store *store, const char *ns, struct str name, struct arena *arena)
{
	struct store_txn *txn = store_begin(store, NULL, arena);

	store_remove_kv(txn, ns, name);
	assert_int_equal(store_commit(&txn), OK);
}

static void
test_directory__ensure_makes_what_is_missing_and_only_that(void **state)
{
	struct clock                    clock = clock_system;
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	AUTO(store_close) struct store *store = bench_store(STR("memory:"), &clock);
	struct guid                     first, second;
	struct str                      key, again;
	struct store_info               info;
	uint64_t                        commits;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	assert_int_equal(directory_tenant(store, arena, &first), ERR_NOT_FOUND);
	assert_int_equal(directory_ensure(store, &entropy_system, &clock), OK);
	assert_int_equal(directory_tenant(store, arena, &first), OK);
	assert_false(guid_is_zero(&first));
	assert_int_equal(store_get_kv(store, "sign-key", STR("current"), arena, &key), OK);
	assert_int_equal(store_get_info(store, &info), OK);
	commits = info.commits;
	assert_true(commits > 0);
	assert_int_equal(directory_ensure(store, &entropy_system, &clock), OK);
	assert_int_equal(store_get_info(store, &info), OK);
	assert_int_equal(info.commits, commits);
	/* One part is lost: it is made anew, the others stay. */
	lose_kv(store, "setting", STR("tenant"), arena);
	assert_int_equal(directory_ensure(store, &entropy_system, &clock), OK);
	assert_int_equal(directory_tenant(store, arena, &second), OK);
	assert_false(guid_eq(&first, &second));
	assert_int_equal(store_get_kv(store, "sign-key", STR("current"), arena, &again), OK);
	assert_true(str_eq(key, again));
	lose_kv(store, "sign-key", STR("current"), arena);
	assert_int_equal(directory_ensure(store, &entropy_system, &clock), OK);
	assert_int_equal(store_get_kv(store, "sign-key", STR("current"), arena, &again), OK);
	assert_false(str_eq(key, again));
	assert_int_equal(directory_tenant(store, arena, &first), OK);
	assert_true(guid_eq(&first, &second));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory__finds_a_user_by_id_and_by_upn_in_any_case),
		cmocka_unit_test(test_directory__finds_nobody_else),
		cmocka_unit_test(test_directory__a_upn_is_one_users_of_a_tenant),
		cmocka_unit_test(test_directory__a_renamed_user_is_not_found_by_the_old_name),
		cmocka_unit_test(test_directory__a_put_again_is_a_replacement),
		cmocka_unit_test(test_directory__a_user_stays_in_its_tenant),
		cmocka_unit_test(test_directory__a_transaction_sees_its_own_users),
		cmocka_unit_test(test_directory__a_removed_user_takes_its_feeds_along),
		cmocka_unit_test(test_directory__lists_every_user_once),
		cmocka_unit_test(test_directory__works_on_sqlite_with_any_bytes_in_ids),
		cmocka_unit_test(test_directory__refuses_names_that_are_none),
		cmocka_unit_test(test_directory__bounds_every_text),
		cmocka_unit_test(test_directory__zero_names_nobody),
		cmocka_unit_test(test_directory__keeps_the_widest_user),
		cmocka_unit_test(test_directory__says_so_when_a_note_is_damaged),
		cmocka_unit_test(test_directory__a_stale_name_leads_to_nobody),
		cmocka_unit_test(test_directory__ensure_makes_what_is_missing_and_only_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
