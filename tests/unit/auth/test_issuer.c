/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json_read.h"
#include "unit/auth/fixture.h"

static struct json *
payload_json(struct bench *bench, struct str token)
{
	struct json *root;
	struct str   part, bytes;

	assert_true(str_take_until(&token, '.', &part));
	assert_true(str_take_until(&token, '.', &part));
	assert_true(b64_decode(B64_URL, part, bench->arena, &bytes));
	assert_int_equal(json_read(bytes, bench->arena, &root, NULL), OK);
	return root;
}

static void
assert_text(const struct json *root, const char *name, struct str wanted)
{
	struct str text;

	assert_true(json_text(json_member(root, name), &text));
	assert_true(str_eq(text, wanted));
}

static void
assert_int(const struct json *root, const char *name, int64_t wanted)
{
	int64_t value;

	assert_true(json_int(json_member(root, name), &value));
	assert_int_equal(value, wanted);
}

static void
test_issuer__a_users_token_has_the_claims_of_graphs(void **state)
{
	struct bench                *bench = bench_open();
	AUTO(json_drop) struct json *root = payload_json(bench, mint(bench, user_grant()));
	struct str                   iss = arena_printf(bench->arena, "%.*s:" TID, STR_ARG(issuer_name(bench->issuer)));

	(void)state;
	assert_text(root, "aud", STR("https://graph.microsoft.com"));
	assert_text(root, "iss", iss);
	assert_int(root, "iat", NOW_S);
	assert_int(root, "nbf", NOW_S);
	assert_int(root, "exp", NOW_S + 3600);
	assert_text(root, "ver", STR("1.0"));
	assert_text(root, "appid", STR(APPID));
	assert_text(root, "tid", STR(TID));
	assert_text(root, "oid", STR(OID));
	assert_text(root, "sub", STR(OID));
	assert_text(root, "idtyp", STR("user"));
	assert_text(root, "scp", STR("Calendars.Read User.Read"));
	assert_text(root, "upn", STR("ann@contoso.com"));
	assert_text(root, "unique_name", STR("ann@contoso.com"));
	assert_text(root, "name", STR("ann@contoso.com"));
	assert_text(root, "app_displayname", STR(APPID));
	assert_text(root, "appidacr", STR("0"));
	assert_null(json_member(root, "roles"));
	assert_non_null(json_member(root, "uti"));
	bench_close(bench);
}

static void
test_issuer__an_applications_token_has_roles_and_no_user(void **state)
{
	struct bench       *bench = bench_open();
	struct issuer_grant grant = app_grant();

	(void)state;
	grant.grants = STR(" Calendars.Read   OnlineMeetingRecording.Read.All ");
	AUTO(json_drop) struct json *root = payload_json(bench, mint(bench, grant));
	const struct json           *roles = json_member(root, "roles");
	struct str                   role;

	assert_int_equal(json_count(roles), 2);
	assert_true(json_text(json_first(roles)->next, &role));
	assert_true(str_eq(role, STR("OnlineMeetingRecording.Read.All")));
	assert_text(root, "idtyp", STR("app"));
	assert_null(json_member(root, "scp"));
	assert_null(json_member(root, "upn"));
	assert_null(json_member(root, "unique_name"));
	assert_null(json_member(root, "name"));
	bench_close(bench);
}

static void
test_issuer__names_the_application_and_the_person_as_desktop_clients_read_them(void **state)
{
	struct bench       *bench = bench_open();
	struct issuer_grant grant = user_grant();
	struct guid         app;
	struct str          text;

	(void)state;
	grant.name = STR("Ann \"A\" M\xc3\xbcller");
	grant.app_name = STR("report");
	grant.proof = '2';
	AUTO(json_drop) struct json *named = payload_json(bench, mint(bench, grant));
	assert_text(named, "name", grant.name);
	assert_text(named, "app_displayname", STR("report"));
	assert_text(named, "appidacr", STR("2"));
	/* A token for no application names the program itself, the same in each token. */
	grant.app = grant.app_name = STR_EMPTY;
	AUTO(json_drop) struct json *one = payload_json(bench, mint(bench, grant));
	AUTO(json_drop) struct json *two = payload_json(bench, mint(bench, grant));
	assert_text(one, "app_displayname", STR("tidemark"));
	assert_true(json_text(json_member(one, "appid"), &text) && guid_parse(text, &app));
	assert_text(two, "appid", text);
	bench_close(bench);
}

static void
test_issuer__two_tokens_are_never_the_same(void **state)
{
	struct bench *bench = bench_open();

	(void)state;
	AUTO(json_drop) struct json *one = payload_json(bench, mint(bench, user_grant()));
	AUTO(json_drop) struct json *two = payload_json(bench, mint(bench, user_grant()));
	struct str                   a, b;

	assert_true(json_text(json_member(one, "uti"), &a));
	assert_true(json_text(json_member(two, "uti"), &b));
	assert_false(str_eq(a, b));
	bench_close(bench);
}

static void
test_issuer__lasts_as_long_as_its_store(void **state)
{
	struct bench  *bench = bench_open();
	struct issuer *again;
	struct str     token, name, kid;

	(void)state;
	token = mint(bench, app_grant());
	name = arena_copy(bench->arena, issuer_name(bench->issuer));
	kid = arena_copy(bench->arena, issuer_kid(bench->issuer));
	assert_int_equal(directory_ensure(bench->store, &entropy_system, &bench->clock), OK);
	assert_int_equal(issuer_open(bench->store, &bench->clock, &entropy_system, &again), OK);
	assert_true(str_eq(issuer_name(again), name));
	assert_true(str_eq(issuer_kid(again), kid));
	issuer_close(&bench->issuer);
	auth_gate_close(&bench->gate);
	bench->issuer = again;
	struct auth_conf conf = { .store = bench->store, .issuer = again, .clock = &bench->clock };
	assert_int_equal(auth_gate_open(&conf, &bench->gate), OK);
	assert_true(is_good(bench, token));
	bench_close(bench);
}

static void
test_issuer__needs_a_store_that_was_made_ready(void **state)
{
	struct clock   clock = clock_system;
	struct store  *store;
	struct issuer *issuer = NULL;

	(void)state;
	store = bench_store(STR("memory:"), &clock);
	assert_int_equal(issuer_open(store, &clock, &entropy_system, &issuer), ERR_NOT_FOUND);
	assert_null(issuer);
	issuer_close(&issuer);
	store_close(&store);
}

static void
test_issuer__says_so_when_its_key_is_damaged(void **state)
{
	struct bench     *bench = bench_open();
	struct issuer    *issuer = NULL;
	struct store_txn *txn = store_begin(bench->store, NULL, bench->arena);

	(void)state;
	store_put_kv(txn, "sign-key", STR("current"), STR("no key"));
	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(issuer_open(bench->store, &bench->clock, &entropy_system, &issuer), ERR_CORRUPT);
	assert_null(issuer);
	bench_close(bench);
}

static void
test_issuer__refuses_what_the_gate_would(void **state)
{
	static const struct guid zero;
	struct bench            *bench = bench_open();
	struct issuer_grant      grants[16], good = user_grant();
	size_t                   count = 0;
	char                     wide[UPN_MAX + 1];

	(void)state;
	memset(wide, 'w', sizeof(wide));
	good.life_s = 1;
	for (size_t i = 0; i < 16; i++)
		grants[i] = good;
	grants[count++].life_s = 0;
	grants[count++].life_s = -1;
	grants[count++].life_s = INT64_MAX;
	grants[count++].tenant = zero;
	grants[count++].oid = zero;
	grants[count++].grants = STR("Calendars.Read\nx");
	grants[count++].grants = STR("\xff");
	grants[count++].app = STR("a b");
	grants[count++].app = STR("\xc3\xa4");
	grants[count++].app = str_of(wide, 129);
	grants[count++].upn = STR("\xff@contoso.com");
	grants[count++].upn = STR("\0@contoso.com");
	grants[count++].upn = str_of(wide, sizeof(wide));
	grants[count++].name = str_of(wide, sizeof(wide));
	grants[count++].app_name = STR("a\nb");
	for (size_t i = 0; i <= count; i++) {
		struct str token = STR("untouched");

		assert_int_equal(issuer_mint(bench->issuer, &grants[i], bench->arena, &token),
		                 i < count ? ERR_BAD_REQUEST : OK);
		assert_int_equal(str_eq(token, STR("untouched")), i < count);
	}
	bench_close(bench);
}

/* Whatever is minted is taken; what would be too long to be taken is not minted. */
static void
test_issuer__mints_nothing_longer_than_the_gate_takes(void **state)
{
	struct bench       *bench = bench_open();
	struct issuer_grant grant = app_grant();
	char                many[9000];
	size_t              minted = 0, refused = 0;

	(void)state;
	memset(many, 'r', sizeof(many));
	for (size_t len = 5400; len <= sizeof(many); len += len < 5800 ? 1 : 300) {
		struct arena *arena = bench->arena;
		struct str    token;
		enum err      err;

		bench->arena = arena_open((size_t)1 << 20);
		grant.grants = str_of(many, len);
		err = issuer_mint(bench->issuer, &grant, bench->arena, &token);
		assert_true(err == OK || err == ERR_TOO_LARGE);
		if (err == OK)
			assert_true(is_good(bench, token));
		*(err == OK ? &minted : &refused) += 1;
		arena_close(&bench->arena);
		bench->arena = arena;
	}
	assert_true(minted > 0 && refused > 0);
	bench_close(bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_issuer__a_users_token_has_the_claims_of_graphs),
		cmocka_unit_test(test_issuer__an_applications_token_has_roles_and_no_user),
		cmocka_unit_test(test_issuer__names_the_application_and_the_person_as_desktop_clients_read_them),
		cmocka_unit_test(test_issuer__two_tokens_are_never_the_same),
		cmocka_unit_test(test_issuer__lasts_as_long_as_its_store),
		cmocka_unit_test(test_issuer__needs_a_store_that_was_made_ready),
		cmocka_unit_test(test_issuer__says_so_when_its_key_is_damaged),
		cmocka_unit_test(test_issuer__refuses_what_the_gate_would),
		cmocka_unit_test(test_issuer__mints_nothing_longer_than_the_gate_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
