/* SPDX-License-Identifier: Apache-2.0 */
/* What a token may say, as one table: each row is tried in a user's and in an application's token, rightly signed. */
#include "unit/auth/fixture.h"

#include <stdio.h>

enum verdict { BAD, GOOD };

struct row {
	const char  *claim;
	const char  *raw; /* NULL: missing */
	enum verdict user, app;
};

static const struct row rows[] = {
	{ "aud", NULL, BAD, BAD },
	{ "aud", "null", BAD, BAD },
	{ "aud", "1", BAD, BAD },
	{ "aud", "true", BAD, BAD },
	{ "aud", "{\"a\":\"https://graph.microsoft.com\"}", BAD, BAD },
	{ "aud", "\"\"", BAD, BAD },
	{ "aud", "[]", BAD, BAD },
	{ "aud", "[\"https://graph.microsoft.com\"]", GOOD, GOOD },
	{ "aud", "\"00000003-0000-0000-c000-000000000000\"", GOOD, GOOD },
	{ "aud", "[\"other\",\"00000003-0000-0000-c000-000000000000\"]", GOOD, GOOD },
	{ "aud", "[\"https://graph.microsoft.com\",7]", BAD, BAD },
	{ "aud", "[\"https://graph.microsoft.com\",null]", BAD, BAD },
	{ "aud", "[[\"https://graph.microsoft.com\"]]", BAD, BAD },
	{ "aud", "[\"other\"]", BAD, BAD },
	{ "aud", "\"https://graph.microsoft.com/\"", BAD, BAD },
	{ "aud", "\"https://graph.microsoft.com.evil.example\"", BAD, BAD },
	{ "aud", "\"https://graph.microsoft.co\"", BAD, BAD },
	{ "aud", "\"HTTPS://graph.microsoft.com\"", BAD, BAD },
	{ "aud", "\" https://graph.microsoft.com\"", BAD, BAD },
	{ "aud", "\"other https://graph.microsoft.com\"", BAD, BAD },
	{ "aud", "\"00000002-0000-0000-c000-000000000000\"", BAD, BAD },
	{ "aud", "\"$H\"", BAD, BAD },
	{ "aud", "\"$G\"", BAD, BAD },

	{ "iss", NULL, BAD, BAD },
	{ "iss", "null", BAD, BAD },
	{ "iss", "1", BAD, BAD },
	{ "iss", "[\"$N:" TID "\"]", BAD, BAD },
	{ "iss", "\"\"", BAD, BAD },
	{ "iss", "\"$H\"", BAD, BAD },
	{ "iss", "\"$N\"", BAD, BAD },
	{ "iss", "\"$N:\"", BAD, BAD },
	{ "iss", "\"$N:{tid}\"", BAD, BAD },
	{ "iss", "\"$N:" TID_OTHER "\"", BAD, BAD },
	{ "iss", "\"$N:" TID "/\"", BAD, BAD },
	{ "iss", "\"$N:" TID " \"", BAD, BAD },
	{ "iss", "\" $N:" TID "\"", BAD, BAD },
	{ "iss", "\"URN:tidemark:" TID ":" TID "\"", BAD, BAD },
	{ "iss", "\"urn:tidemark:" TID ":" TID "\"", BAD, BAD },
	{ "iss", "\"https://sts.windows.net/" TID "/\"", BAD, BAD },
	{ "iss", "\"https://login.microsoftonline.com/" TID "/v2.0\"", BAD, BAD },

	{ "tid", NULL, BAD, BAD },
	{ "tid", "null", BAD, BAD },
	{ "tid", "1", BAD, BAD },
	{ "tid", "[\"" TID "\"]", BAD, BAD },
	{ "tid", "\"\"", BAD, BAD },
	{ "tid", "\"$H\"", BAD, BAD },
	{ "tid", "\"" TID_OTHER "\"", BAD, BAD },
	{ "tid", "\"{" TID "}\"", BAD, BAD },
	{ "tid", "\"" TID " \"", BAD, BAD },
	{ "tid", "\"00000000-0000-0000-0000-000000000000\"", BAD, BAD },
	{ "tid", "\"contoso.com\"", BAD, BAD },

	{ "oid", NULL, BAD, BAD },
	{ "oid", "null", BAD, BAD },
	{ "oid", "1", BAD, BAD },
	{ "oid", "[\"" OID "\"]", BAD, BAD },
	{ "oid", "\"\"", BAD, BAD },
	{ "oid", "\"$H\"", BAD, BAD },
	{ "oid", "\"ann@contoso.com\"", BAD, BAD },
	{ "oid", "\"00000000-0000-0000-0000-000000000000\"", BAD, BAD },
	{ "oid", "\"" OID "\\n\"", BAD, BAD },
	{ "oid", "\"" OID_OTHER "\"", GOOD, GOOD },

	{ "exp", NULL, BAD, BAD },
	{ "exp", "null", BAD, BAD },
	{ "exp", "\"1800003600\"", BAD, BAD },
	{ "exp", "[1800003600]", BAD, BAD },
	{ "exp", "true", BAD, BAD },
	{ "exp", "{}", BAD, BAD },
	{ "exp", "1800003600.5", BAD, BAD },
	{ "exp", "1.8e12", BAD, BAD },
	{ "exp", "0", BAD, BAD },
	{ "exp", "-1", BAD, BAD },
	{ "exp", "1799999939", BAD, BAD },
	{ "exp", "1799999940", BAD, BAD },
	{ "exp", "1799999941", GOOD, GOOD },
	{ "exp", "253402300799", GOOD, GOOD },
	{ "exp", "253402300800", BAD, BAD },
	{ "exp", "9223372036854775807", BAD, BAD },
	{ "exp", "9223372036854775808", BAD, BAD },
	{ "exp", "-9223372036854775808", BAD, BAD },

	{ "nbf", NULL, BAD, BAD },
	{ "nbf", "null", BAD, BAD },
	{ "nbf", "\"1799999990\"", BAD, BAD },
	{ "nbf", "[1799999990]", BAD, BAD },
	{ "nbf", "false", BAD, BAD },
	{ "nbf", "{}", BAD, BAD },
	{ "nbf", "1799999990.5", BAD, BAD },
	{ "nbf", "0", GOOD, GOOD },
	{ "nbf", "-1", BAD, BAD },
	{ "nbf", "1800000060", GOOD, GOOD },
	{ "nbf", "1800000061", BAD, BAD },
	{ "nbf", "9223372036854775807", BAD, BAD },
	{ "nbf", "-9223372036854775808", BAD, BAD },
	{ "nbf", "99999999999999999999", BAD, BAD },

	{ "scp", NULL, BAD, GOOD },
	{ "scp", "null", BAD, BAD },
	{ "scp", "1", BAD, BAD },
	{ "scp", "[\"Calendars.Read\"]", BAD, BAD },
	{ "scp", "[]", BAD, BAD },
	{ "scp", "{}", BAD, BAD },
	{ "scp", "\"\"", GOOD, BAD },
	{ "scp", "\"Calendars.Read\"", GOOD, BAD },
	{ "scp", "\"Calendars.Read\\u0001\"", BAD, BAD },
	{ "scp", "\"Calendars.Read\\tUser.Read\"", BAD, BAD },
	{ "scp", "\"K\\u00e4se\"", BAD, BAD },
	{ "scp", "\"$H\"", GOOD, BAD },
	{ "scp", "\"$G\"", BAD, BAD },

	{ "roles", NULL, GOOD, BAD },
	{ "roles", "null", BAD, BAD },
	{ "roles", "1", BAD, BAD },
	{ "roles", "\"Calendars.Read\"", BAD, BAD },
	{ "roles", "{}", BAD, BAD },
	{ "roles", "[]", GOOD, GOOD },
	{ "roles", "[1]", BAD, BAD },
	{ "roles", "[null]", BAD, BAD },
	{ "roles", "[[\"Calendars.Read\"]]", BAD, BAD },
	{ "roles", "[\"\"]", BAD, BAD },
	{ "roles", "[\"Harmless Calendars.ReadWrite\"]", BAD, BAD },
	{ "roles", "[\"Calendars.Read\\n\"]", BAD, BAD },
	{ "roles", "[\"Calendars.Read\",\"Mail.Read\"]", GOOD, GOOD },
	{ "roles", "[\"$H\"]", GOOD, GOOD },
	{ "roles", "[\"$G\"]", BAD, BAD },

	{ "idtyp", NULL, GOOD, GOOD },
	{ "idtyp", "null", BAD, BAD },
	{ "idtyp", "1", BAD, BAD },
	{ "idtyp", "[\"app\"]", BAD, BAD },
	{ "idtyp", "\"app\"", BAD, GOOD },
	{ "idtyp", "\"APP\"", BAD, GOOD },
	{ "idtyp", "\"user\"", GOOD, BAD },
	{ "idtyp", "\"device\"", GOOD, BAD },

	{ "appid", NULL, GOOD, GOOD },
	{ "appid", "null", BAD, BAD },
	{ "appid", "1", BAD, BAD },
	{ "appid", "[\"" APPID "\"]", BAD, BAD },
	{ "appid", "\"\"", GOOD, GOOD },
	{ "appid", "\"a b\"", BAD, BAD },
	{ "appid", "\"a\\u0007\"", BAD, BAD },
	{ "appid", "\"$H\"", BAD, BAD },
	{ "azp", "\"" APPID "\"", GOOD, GOOD },
	{ "azp", "7", BAD, BAD },

	{ "ver", NULL, GOOD, GOOD },
	{ "sub", NULL, GOOD, GOOD },
	{ "upn", NULL, GOOD, GOOD },
	{ "iat", NULL, GOOD, GOOD },
	{ "xms_cc", "[\"cp1\"]", GOOD, GOOD },
	{ "deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", BAD, BAD },
	{ "x", "\"\\ud800\"", BAD, BAD },
	{ "x", "\"\\u0000\"", BAD, BAD },
	{ "x", "\"\xff\"", BAD, BAD },
	{ "x", "1e999", BAD, BAD },
	{ "x", "NaN", BAD, BAD },
	{ "x", "1,\"tid\":\"" TID "\"", BAD, BAD },
	{ "x", "1,\"exp\":1800003600", BAD, BAD },
	{ "x", "1,\"aud\":\"https://graph.microsoft.com\"", BAD, BAD },
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static void
try_row(struct bench *bench, const struct row *row, bool app)
{
	struct claim changes[] = { { row->claim, row->raw }, { NULL, NULL } };
	struct str   payload = payload_of(bench, app ? app_claims : user_claims, changes);
	struct str   token = forge(issuer_key(bench->issuer), header_of(bench), payload, bench->arena);
	enum verdict wanted = app ? row->app : row->user;

	if (is_good(bench, token) != (wanted == GOOD))
		fail_msg("%s token with %s = %.60s must be %s", app ? "an application's" : "a user's", row->claim,
		         row->raw ? row->raw : "(missing)", wanted == GOOD ? "good" : "bad");
	arena_reset(bench->arena);
}

static void
test_gate__judges_each_claim_in_each_shape(void **state)
{
	struct bench *bench = bench_open();

	(void)state;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		try_row(bench, &rows[i], false);
		try_row(bench, &rows[i], true);
	}
	assert_true(ROW_COUNT * 2 >= 200);
	bench_close(bench);
}

/* The table is judged with the rules of one issuer; here only to see that the unchanged tokens are good at all. */
static void
test_gate__takes_the_tokens_the_table_starts_from(void **state)
{
	struct bench *bench = bench_open();
	struct caller caller;
	const char   *why;
	struct str    token;

	(void)state;
	token = forge(issuer_key(bench->issuer), header_of(bench), payload_of(bench, user_claims, NULL), bench->arena);
	assert_int_equal(check_by(bench->gate, bench, token, &caller, &why), OK);
	assert_false(caller.is_app);
	assert_true(str_eq(caller.grants, STR("Calendars.Read User.Read")));
	assert_true(str_eq(caller.app, STR(APPID)));
	token = forge(issuer_key(bench->issuer), header_of(bench), payload_of(bench, app_claims, NULL), bench->arena);
	assert_int_equal(check_by(bench->gate, bench, token, &caller, &why), OK);
	assert_true(caller.is_app);
	assert_true(str_eq(caller.grants, STR("Calendars.Read")));
	bench_close(bench);
}

/* A user's app roles must not become application permissions. */
static void
test_gate__scp_beside_roles_makes_a_user(void **state)
{
	static const struct claim changes[] = { { "roles", "[\"Calendars.ReadWrite\"]" }, { NULL, NULL } };
	struct bench             *bench = bench_open();
	struct caller             caller;
	const char               *why;
	struct str                token;

	(void)state;
	token = forge(issuer_key(bench->issuer), header_of(bench), payload_of(bench, user_claims, changes),
	              bench->arena);
	assert_int_equal(check_by(bench->gate, bench, token, &caller, &why), OK);
	assert_false(caller.is_app);
	assert_false(caller_has(&caller, "Calendars.ReadWrite"));
	bench_close(bench);
}

static void
test_gate__takes_only_objects_as_payload(void **state)
{
	static const char *const payloads[] = { "", "null", "[]", "1", "\"a\"", "{", "{}", "{}{}", "\xef\xbb\xbf{}" };
	struct bench            *bench = bench_open();
	struct str               payload, token;

	(void)state;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		token = forge(issuer_key(bench->issuer), header_of(bench), str_from_c(payloads[i]), bench->arena);
		assert_false(is_good(bench, token));
	}
	payload = payload_of(bench, user_claims, NULL);
	payload = arena_printf(bench->arena, "%.*s x", STR_ARG(payload));
	assert_false(is_good(bench, forge(issuer_key(bench->issuer), header_of(bench), payload, bench->arena)));
	bench_close(bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate__judges_each_claim_in_each_shape),
		cmocka_unit_test(test_gate__takes_the_tokens_the_table_starts_from),
		cmocka_unit_test(test_gate__scp_beside_roles_makes_a_user),
		cmocka_unit_test(test_gate__takes_only_objects_as_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
