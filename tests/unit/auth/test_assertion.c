/* SPDX-License-Identifier: Apache-2.0 */
/* Client assertions, each rightly signed and wrong in one thing; other signatures are made in tests/flow. */
#include "unit/auth/fixture.h"

#include <stdio.h>

#include "auth/assertion.h"
#include "auth/validate.h"
#include "crypt/rsa_cert.h"
#include "support/rsa_pem.h"

#define AUDIENCE "https://127.0.0.1:8443/" TID "/oauth2/v2.0/token"
#define HEADER   "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}"
#define NOW      RSA_PEM_NOW_S

static const struct str audiences[] = { { "https://elsewhere.example", 25 }, { AUDIENCE, sizeof(AUDIENCE) - 1 } };

static struct assertion
assertion_of(struct str jwt, int64_t now_s)
{
	return (struct assertion){ .text = jwt, .audiences = audiences, .audience_count = 2, .now_s = now_s };
}

struct desk {
	struct arena    *arena;
	struct rsa_cert *cert;
	struct client    client;
};

static void
desk_open(struct desk *desk)
{
	const char *why;

	assert_int_equal(crypt_init(), OK);
	desk->arena = arena_open((size_t)64 << 20);
	assert_int_equal(rsa_cert_read(STR(RSA_PEM), NULL, &desk->cert, &why), OK);
	desk->client = (struct client){ .tenant = guid_of(TID),
		                        .id = guid_of(APPID),
		                        .roles = STR("Calendars.Read"),
		                        .secret_hash = STR_EMPTY,
		                        .certificate = STR(RSA_PEM_CERT_DER_BASE64) };
}

static void
desk_close(struct desk *desk)
{
	rsa_cert_close(&desk->cert);
	arena_close(&desk->arena);
}

static struct str
signed_by(struct desk *desk, struct str header, struct str claims)
{
	struct str message = arena_printf(desk->arena, "%.*s.%.*s",
	                                  STR_ARG(b64_encode(B64_URL, header.at, header.len, desk->arena)),
	                                  STR_ARG(b64_encode(B64_URL, claims.at, claims.len, desk->arena)));
	struct str signature;

	assert_int_equal(rsa_cert_sign(desk->cert, message, desk->arena, &signature), OK);
	signature = b64_encode(B64_URL, signature.at, signature.len, desk->arena);
	return arena_printf(desk->arena, "%.*s.%.*s", STR_ARG(message), STR_ARG(signature));
}

static struct str
claims_at(struct desk *desk, int64_t nbf_s, int64_t exp_s)
{
	return arena_printf(desk->arena,
	                    "{\"aud\":\"" AUDIENCE "\",\"iss\":\"" APPID "\",\"sub\":\"" APPID "\",\"jti\":\"j\","
	                    "\"nbf\":%lld,\"exp\":%lld}",
	                    (long long)nbf_s, (long long)exp_s);
}

static enum err
check(struct desk *desk, struct str jwt)
{
	struct assertion assertion = assertion_of(jwt, NOW);

	return assertion_check(&assertion, &desk->client, desk->arena);
}

static void
test_assertion__a_good_one_is_taken_as_often_as_it_comes(void **state)
{
	struct desk      desk;
	struct assertion assertion;

	(void)state;
	desk_open(&desk);
	assertion = assertion_of(signed_by(&desk, STR(HEADER), claims_at(&desk, NOW, NOW + 600)), NOW);
	assert_int_equal(assertion_check(&assertion, &desk.client, desk.arena), OK);
	/* MSAL keeps one and sends it for every scope. */
	assert_int_equal(assertion_check(&assertion, &desk.client, desk.arena), OK);
	desk_close(&desk);
}

static void
test_assertion__header_is_one_of_the_few_that_are_taken(void **state)
{
	static const struct {
		const char *header;
		enum err    err;
	} cases[] = {
		{ "{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", OK },
		{ "{\"alg\":\"PS256\",\"kid\":\"any\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", OK },
		{ "{\"alg\":\"PS256\",\"x5t\":\"" RSA_PEM_X5T "\"}", OK },
		{ "{\"alg\":\"PS256\",\"x5t\":\"" RSA_PEM_X5T "\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", OK },
		{ "{\"alg\":\"PS256\",\"x5t\":\"any\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t\":\"" RSA_PEM_X5T "\",\"x5t#S256\":\"any\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t\":\"" RSA_PEM_X5T "\",\"x5t#S256\":null}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"RS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"none\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"HS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS512\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"ps256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":[\"PS256\"],\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t\":\"" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t#S256\":\"A" RSA_PEM_X5T_S256 "\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\",\"typ\":\"at+jwt\"}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\",\"jwk\":{}}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\",\"crit\":[]}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\",\"x5c\":[\"MIIC\",\"MIID\"]}", OK },
		{ "{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\",\"x5c\":\"MIIC\"}", OK },
		{ "{\"alg\":\"PS256\",\"x5c\":[\"" RSA_PEM_CERT_DER_BASE64 "\"]}", ERR_NO_IDENTITY },
		{ "{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\",\"x5u\":\"https://evil.example\"}",
		  ERR_NO_IDENTITY },
		{ "[]", ERR_NO_IDENTITY },
		{ "", ERR_NO_IDENTITY },
	};
	struct desk desk;

	(void)state;
	desk_open(&desk);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err err = check(&desk,
		                     signed_by(&desk, str_from_c(cases[i].header), claims_at(&desk, NOW, NOW + 300)));

		if (err != cases[i].err)
			fail_msg("%s: %d", cases[i].header, (int)err);
	}
	desk_close(&desk);
}

/* Several libraries write a thumbprint in several ways; its bytes are what counts. */
static void
test_assertion__a_thumbprint_may_be_written_in_each_form_of_base64(void **state)
{
	static const enum b64_form forms[] = { B64_URL, B64_URL_PADDED, B64_STANDARD };
	static const char *const   wrong[][2] = { { "", "=" }, { "", "A" }, { " ", "" }, { "=", "" }, { "", "\\n" } };
	struct desk                desk;
	uint8_t                    sha256[32];
	struct str                 text, header, claims;

	(void)state;
	desk_open(&desk);
	claims = claims_at(&desk, NOW, NOW + 300);
	rsa_cert_thumbprint(desk.cert, sha256);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		text = b64_encode(forms[i], sha256, sizeof(sha256), desk.arena);
		header = arena_printf(desk.arena, "{\"alg\":\"PS256\",\"x5t#S256\":\"%.*s\"}", STR_ARG(text));
		assert_int_equal(check(&desk, signed_by(&desk, header, claims)), OK);
		sha256[31] ^= 1;
		text = b64_encode(forms[i], sha256, sizeof(sha256), desk.arena);
		sha256[31] ^= 1;
		header = arena_printf(desk.arena, "{\"alg\":\"PS256\",\"x5t#S256\":\"%.*s\"}", STR_ARG(text));
		assert_int_equal(check(&desk, signed_by(&desk, header, claims)), ERR_NO_IDENTITY);
	}
	text = b64_encode(B64_URL_PADDED, sha256, sizeof(sha256), desk.arena);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		header = arena_printf(desk.arena, "{\"alg\":\"PS256\",\"x5t#S256\":\"%s%.*s%s\"}", wrong[i][0],
		                      STR_ARG(text), wrong[i][1]);
		assert_int_equal(check(&desk, signed_by(&desk, header, claims)), ERR_NO_IDENTITY);
	}
	desk_close(&desk);
}

static void
test_assertion__holds_a_chain_of_certificates_up_to_its_limit(void **state)
{
	static char chain[ASSERTION_BYTES_MAX];
	static const struct {
		size_t   len;
		enum err err;
	} cases[] = { { 8000, OK }, { ASSERTION_BYTES_MAX, ERR_NO_IDENTITY } };
	struct desk desk;

	(void)state;
	desk_open(&desk);
	memset(chain, 'A', sizeof(chain));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str header = arena_printf(
			desk.arena, "{\"alg\":\"PS256\",\"x5t#S256\":\"" RSA_PEM_X5T_S256 "\",\"x5c\":[\"%.*s\"]}",
			(int)cases[i].len, chain);
		struct str jwt = signed_by(&desk, header, claims_at(&desk, NOW, NOW + 300));

		assert_true(jwt.len > JWT_BYTES_MAX);
		assert_int_equal(check(&desk, jwt), cases[i].err);
	}
	desk_close(&desk);
}

static void
test_assertion__each_claim_must_be_there_and_right(void **state)
{
#define AUD  "\"aud\":\"" AUDIENCE "\""
#define ISS  "\"iss\":\"" APPID "\""
#define SUB  "\"sub\":\"" APPID "\""
#define JTI  "\"jti\":\"j\""
#define WHEN "\"nbf\":1800000000,\"exp\":1800000300"
	static const char *const bad[] = {
		"{" ISS "," SUB "," JTI "," WHEN "}",
		"{" AUD "," SUB "," JTI "," WHEN "}",
		"{" AUD "," ISS "," JTI "," WHEN "}",
		"{" AUD "," ISS "," SUB "," WHEN "}",
		"{" AUD "," ISS "," SUB "," JTI ",\"nbf\":null,\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"iat\":\"1800000000\",\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"nbf\":1.8e9,\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"nbf\":1800000000,\"exp\":1800000300.5E0}",
		"{" AUD "," ISS "," SUB "," JTI ",\"nbf\":-1800000000.5,\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"exp\":99999999999999999999.5}",
		"{" AUD "," ISS "," SUB "," JTI ",\"nbf\":1800000000}",
		"{" AUD "," ISS "," SUB "," JTI ",\"nbf\":\"1800000000\",\"exp\":1800000300}",
		"{\"aud\":\"https://elsewhere.example/" TID "/oauth2/v2.0/token\"," ISS "," SUB "," JTI "," WHEN "}",
		"{\"aud\":[\"" AUDIENCE "\"]," ISS "," SUB "," JTI "," WHEN "}",
		"{" AUD ",\"iss\":\"" OID "\"," SUB "," JTI "," WHEN "}",
		"{" AUD "," ISS ",\"sub\":\"" OID "\"," JTI "," WHEN "}",
		"{" AUD "," ISS "," SUB ",\"jti\":\"\"," WHEN "}",
		"{" AUD "," ISS "," SUB ",\"jti\":7," WHEN "}",
		"{" AUD "," ISS "," ISS "," SUB "," JTI "," WHEN "}",
		"[]",
	};
	static const char *const good[] = {
		"{" AUD "," ISS "," SUB "," JTI "," WHEN "}",
		"{" AUD "," ISS "," SUB "," JTI ",\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"iat\":1800000000.123456,\"exp\":1800003600.654321}",
		"{" AUD "," ISS "," SUB "," JTI ",\"nbf\":1799999340.0,\"iat\":1799999340,\"exp\":1800003660.99}",
		"{\"aud\":\"HTTPS://127.0.0.1:8443/" TID "/oauth2/v2.0/token\"," ISS "," SUB "," JTI "," WHEN "}",
	};
	static const char *const stale[] = {
		"{" AUD "," ISS "," SUB "," JTI ",\"exp\":1799999940.9}",
		"{" AUD "," ISS "," SUB "," JTI ",\"exp\":1800003661.0}",
		"{" AUD "," ISS "," SUB "," JTI ",\"iat\":1800000061.0,\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"iat\":1800000000,\"nbf\":1800000061.5,\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"iat\":1800000061,\"nbf\":1800000000,\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"nbf\":1799999339,\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"iat\":1768464000,\"exp\":1800000300}",
		"{" AUD "," ISS "," SUB "," JTI ",\"iat\":1768464000,\"nbf\":1800000000,\"exp\":1800000300}",
	};
	struct desk desk;

	(void)state;
	desk_open(&desk);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (check(&desk, signed_by(&desk, STR(HEADER), str_from_c(good[i]))) != OK)
			fail_msg("%s is refused", good[i]);
	for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++)
		if (check(&desk, signed_by(&desk, STR(HEADER), str_from_c(stale[i]))) != ERR_STALE)
			fail_msg("%s is not stale", stale[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (check(&desk, signed_by(&desk, STR(HEADER), str_from_c(bad[i]))) != ERR_NO_IDENTITY)
			fail_msg("%s is taken", bad[i]);
	desk_close(&desk);
}

static void
test_assertion__it_ends_in_an_hour_and_is_ten_minutes_old_at_most(void **state)
{
	static const struct {
		int64_t  nbf_s, exp_s;
		enum err err;
	} cases[] = {
		{ NOW, NOW + 600, OK },
		{ NOW, NOW + 1800, OK },
		{ NOW - 600, NOW + 3600, OK },
		{ NOW + VALIDATE_SKEW_S, NOW + 3600 + VALIDATE_SKEW_S, OK },
		{ NOW + VALIDATE_SKEW_S + 1, NOW + 600, ERR_STALE },
		{ NOW, NOW + 3601 + VALIDATE_SKEW_S, ERR_STALE },
		{ NOW - 600, NOW - VALIDATE_SKEW_S + 1, OK },
		{ NOW - 600, NOW - VALIDATE_SKEW_S, ERR_STALE },
		{ NOW, INT64_MAX, ERR_STALE },
		{ NOW - 600 - VALIDATE_SKEW_S, NOW, OK },
		{ NOW - 601 - VALIDATE_SKEW_S, NOW, ERR_STALE },
		{ NOW - 601 - VALIDATE_SKEW_S, NOW + 3600, ERR_STALE },
		{ INT64_MIN + 1, NOW, ERR_STALE },
		{ INT64_MAX, NOW, ERR_STALE },
		{ NOW, INT64_MIN + 1, ERR_STALE },
	};
	struct desk desk;

	(void)state;
	desk_open(&desk);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err err = check(&desk,
		                     signed_by(&desk, STR(HEADER), claims_at(&desk, cases[i].nbf_s, cases[i].exp_s)));

		if (err != cases[i].err)
			fail_msg("case %zu: %d", i, (int)err);
	}
	desk_close(&desk);
}

static void
test_assertion__a_certificate_out_of_its_dates_signs_nobody_in(void **state)
{
	static const int64_t moments[] = { RSA_PEM_FROM_S - 1, RSA_PEM_UNTIL_S };
	struct desk          desk;

	(void)state;
	desk_open(&desk);
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		struct str       jwt = signed_by(&desk, STR(HEADER), claims_at(&desk, moments[i], moments[i] + 300));
		struct assertion assertion = assertion_of(jwt, moments[i]);

		assert_int_equal(assertion_check(&assertion, &desk.client, desk.arena), ERR_STALE);
	}
	desk_close(&desk);
}

static void
test_assertion__a_changed_byte_anywhere_ends_it(void **state)
{
	struct desk desk;
	struct str  jwt;

	(void)state;
	desk_open(&desk);
	jwt = signed_by(&desk, STR(HEADER), claims_at(&desk, NOW, NOW + 300));
	assert_int_equal(check(&desk, jwt), OK);
	for (size_t i = 0; i < jwt.len; i++) {
		struct arena *arena = arena_open((size_t)1 << 20);
		struct arena *kept = desk.arena;
		char         *copy = arena_take_raw(arena, jwt.len);

		memcpy(copy, jwt.at, jwt.len);
		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		desk.arena = arena;
		if (check(&desk, str_of(copy, jwt.len)) != ERR_NO_IDENTITY)
			fail_msg("byte %zu", i);
		desk.arena = kept;
		arena_close(&arena);
	}
	assert_int_equal(check(&desk, str_first(jwt, jwt.len - 1)), ERR_NO_IDENTITY);
	assert_int_equal(check(&desk, str_first(jwt, str_find(jwt, '.'))), ERR_NO_IDENTITY);
	assert_int_equal(check(&desk, STR("")), ERR_NO_IDENTITY);
	desk_close(&desk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assertion__a_good_one_is_taken_as_often_as_it_comes),
		cmocka_unit_test(test_assertion__header_is_one_of_the_few_that_are_taken),
		cmocka_unit_test(test_assertion__a_thumbprint_may_be_written_in_each_form_of_base64),
		cmocka_unit_test(test_assertion__holds_a_chain_of_certificates_up_to_its_limit),
		cmocka_unit_test(test_assertion__each_claim_must_be_there_and_right),
		cmocka_unit_test(test_assertion__it_ends_in_an_hour_and_is_ten_minutes_old_at_most),
		cmocka_unit_test(test_assertion__a_certificate_out_of_its_dates_signs_nobody_in),
		cmocka_unit_test(test_assertion__a_changed_byte_anywhere_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
