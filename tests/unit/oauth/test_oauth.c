/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent to a token endpoint and what its answers mean; the program's own requests are in tests/flow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crypt/rsa_cert.h"
#include "crypt/seal.h"
#include "oauth/oauth_client.h"
#include "oauth/oauth_device.h"
#include "oauth/oauth_endpoint.h"
#include "oauth/oauth_token_store.h"
#include "support/rng.h"
#include "support/rsa_pem.h"
#include "text/b64.h"
#include "text/json_read.h"

#define ENDPOINT STR("https://login.example.com/t/oauth2/v2.0/token")
#define WRITERS  4

struct desk {
	struct still_clock  at;
	struct clock        clock;
	struct rng          rng;
	struct entropy      entropy;
	struct rsa_cert    *cert;
	struct arena       *arena;
	struct oauth_client client;
};

static void
desk_open(struct desk *desk, int64_t now_s)
{
	const char *why;

	*desk = (struct desk){ .at = { now_s * 1000000000 }, .rng = { 7 } };
	assert_int_equal(crypt_init(), OK);
	desk->clock = still_clock_of(&desk->at);
	desk->entropy = rng_entropy(&desk->rng);
	desk->arena = arena_open((size_t)16 << 20);
	assert_int_equal(rsa_cert_read(STR(RSA_PEM), NULL, &desk->cert, &why), OK);
	desk->client = (struct oauth_client){ .authority = STR("https://login.example.com"),
		                              .tenant = STR("t"),
		                              .id = STR("client"),
		                              .scope = STR("s"),
		                              .cert = desk->cert,
		                              .clock = &desk->clock,
		                              .entropy = &desk->entropy };
}

static void
desk_close(struct desk *desk)
{
	rsa_cert_close(&desk->cert);
	arena_close(&desk->arena);
}

/* ---- assertions ----------------------------------------------------------------------------- */

static struct json *
part_of(struct desk *desk, struct str jwt, unsigned index)
{
	struct json *root;
	struct str   part = STR_EMPTY, bytes;

	for (unsigned i = 0; i <= index; i++)
		assert_true(str_take_until(&jwt, '.', &part));
	assert_true(b64_decode(B64_URL, part, desk->arena, &bytes));
	assert_int_equal(json_read(bytes, desk->arena, &root, NULL), OK);
	return root;
}

static bool
says(const struct json *root, const char *name, struct str wanted)
{
	struct str text;

	return json_text(json_member(root, name), &text) && str_eq(text, wanted);
}

static void
test_assertion__is_signed_ps256_and_names_the_certificate(void **state)
{
	struct desk                           desk;
	struct str                            jwt, why, message, rest, signature;
	AUTO(json_drop) struct json          *head = NULL;
	AUTO(json_drop) struct json          *claims = NULL;
	AUTO(sign_key_close) struct sign_key *key = NULL;
	int64_t                               exp, nbf;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	assert_int_equal(oauth_client_assertion(&desk.client, ENDPOINT, desk.arena, &jwt, &why), OK);
	head = part_of(&desk, jwt, 0);
	claims = part_of(&desk, jwt, 1);
	assert_int_equal(json_count(head), 3);
	assert_true(says(head, "alg", STR("PS256")) && says(head, "typ", STR("JWT")));
	assert_true(says(head, "x5t#S256", STR(RSA_PEM_X5T_S256)));
	assert_int_equal(json_count(claims), 7);
	assert_true(says(claims, "aud", ENDPOINT) && says(claims, "iss", STR("client")) &&
	            says(claims, "sub", STR("client")));
	assert_true(json_int(json_member(claims, "nbf"), &nbf) && json_int(json_member(claims, "exp"), &exp));
	assert_true(nbf == RSA_PEM_NOW_S && exp == nbf + 300);
	rest = str_skip(jwt, str_find(jwt, '.') + 1);
	message = str_first(jwt, str_find(jwt, '.') + 1 + str_find(rest, '.'));
	assert_true(b64_decode(B64_URL, str_skip(jwt, message.len + 1), desk.arena, &signature));
	assert_int_equal(rsa_cert_key(desk.cert, SIGN_PS256, &key), OK);
	assert_true(sign_check(key, message, signature));
	desk_close(&desk);
}

/* The signature differs anyway: what counts is the name. */
static void
test_assertion__has_another_name_each_time(void **state)
{
	struct desk                  desk;
	AUTO(json_drop) struct json *one = NULL;
	AUTO(json_drop) struct json *two = NULL;
	struct str                   jwt, why, jti;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	assert_int_equal(oauth_client_assertion(&desk.client, ENDPOINT, desk.arena, &jwt, &why), OK);
	one = part_of(&desk, jwt, 1);
	assert_int_equal(oauth_client_assertion(&desk.client, ENDPOINT, desk.arena, &jwt, &why), OK);
	two = part_of(&desk, jwt, 1);
	assert_true(json_text(json_member(one, "jti"), &jti) && jti.len == 36);
	assert_false(says(two, "jti", jti));
	desk_close(&desk);
}

static void
test_assertion__is_not_made_outside_the_certificates_dates(void **state)
{
	static const int64_t bad[] = { RSA_PEM_FROM_S - 1, RSA_PEM_UNTIL_S, RSA_PEM_UNTIL_S + 1000 };
	static const int64_t good[] = { RSA_PEM_FROM_S, RSA_PEM_UNTIL_S - 1 };
	struct desk          desk;
	struct str           jwt, why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		desk_open(&desk, bad[i]);
		assert_int_equal(oauth_client_assertion(&desk.client, ENDPOINT, desk.arena, &jwt, &why),
		                 ERR_NO_IDENTITY);
		assert_true(str_starts(why, STR("the client certificate ")));
		desk_close(&desk);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		desk_open(&desk, good[i]);
		assert_int_equal(oauth_client_assertion(&desk.client, ENDPOINT, desk.arena, &jwt, &why), OK);
		desk_close(&desk);
	}
}

/* ---- what is shown of an error ------------------------------------------------------------- */

static void
test_said__tells_the_error_and_its_first_line(void **state)
{
	struct desk desk;
	struct str  body = STR("{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7: no.\\nTrace ID: x\"}");

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	assert_true(str_eq(oauth_error_text(body, STR("other"), desk.arena), STR(": invalid_client AADSTS7: no.")));
	assert_int_equal(oauth_error_text(STR("<html>"), STR("x"), desk.arena).len, 0);
	assert_int_equal(oauth_error_text(STR("[]"), STR("x"), desk.arena).len, 0);
	desk_close(&desk);
}

static void
test_said__never_what_was_sent_nor_anything_like_a_token(void **state)
{
	static const char *const bad[] = {
		"{\"error\":\"e\",\"error_description\":\"you sent my secret, did you\"}",
		"{\"error\":\"e\",\"error_description\":"
		"\"it was 0123456789012345678901234567890123456789012345678901234567890123456789 today\"}",
	};
	struct desk desk;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(str_eq(oauth_error_text(str_from_c(bad[i]), STR("my secret"), desk.arena), STR(": e")));
	assert_int_equal(oauth_error_text(STR("{\"error\":\"my secret\"}"), STR("my secret"), desk.arena).len, 0);
	desk_close(&desk);
}

/* ---- device code ---------------------------------------------------------------------------- */

static struct fetch_response
response_of(unsigned status, const char *body)
{
	return (struct fetch_response){
		.status = status, .body = str_from_c(body), .location = STR_EMPTY, .retry_after = STR_EMPTY
	};
}

static void
test_device__reads_a_code_as_the_rfc_shows_it(void **state)
{
	struct desk           desk;
	struct oauth_code     code;
	struct str            why;
	struct fetch_response response = response_of(
		200, "{\"device_code\":\"GmRhm\",\"user_code\":\"WDJB-MJHT\",\"verification_uri\":"
		     "\"https://example.com/device\",\"verification_uri_complete\":"
		     "\"https://example.com/device?user_code=WDJB-MJHT\",\"expires_in\":1800}");

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	assert_int_equal(oauth_device_read_code(&response, desk.arena, &code, &why), OK);
	assert_true(str_eq(code.device_code, STR("GmRhm")));
	assert_true(
		str_eq(code.message, STR("To sign in, open https://example.com/device and enter the code WDJB-MJHT")));
	assert_int_equal(code.interval_ms, 5000);
	assert_int_equal(code.life_ms, 1800000);
	desk_close(&desk);
}

static void
test_device__entras_own_sentence_is_shown_if_it_is_one(void **state)
{
	static const struct {
		const char *message;
		bool        shown;
	} cases[] = { { "Ouvrez https://a.b/c et entrez AB12", true },
		      { "come in", false },
		      { "AB12 secret-of-device", false } };
	struct desk desk;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const char fmt[] =
			"{\"device_code\":\"secret-of-device\",\"user_code\":\"AB12\",\"verification_uri\":"
			"\"https://a.b/c\",\"expires_in\":900,\"message\":\"%s\"}";
		struct str            body = arena_printf(desk.arena, fmt, cases[i].message);
		struct fetch_response response = { .status = 200, .body = body };
		struct oauth_code     code;
		struct str            why;

		assert_int_equal(oauth_device_read_code(&response, desk.arena, &code, &why), OK);
		assert_int_equal(str_eq(code.message, str_from_c(cases[i].message)), cases[i].shown);
	}
	desk_close(&desk);
}

static void
test_device__what_each_answer_means(void **state)
{
	static const struct {
		unsigned                status;
		const char             *body;
		enum oauth_device_state wanted_state;
		int64_t                 interval_ms;
	} cases[] = {
		{ 400, "{\"error\":\"authorization_pending\"}", OAUTH_DEVICE_PENDING, 2000 },
		{ 428, "{\"error\":\"authorization_pending\"}", OAUTH_DEVICE_PENDING, 2000 },
		{ 400, "{\"error\":\"slow_down\"}", OAUTH_DEVICE_PENDING, 7000 },
		{ 500, "<html>", OAUTH_DEVICE_PENDING, 4000 },
		{ 429, "{}", OAUTH_DEVICE_PENDING, 4000 },
		{ 400, "{\"error\":\"expired_token\"}", OAUTH_DEVICE_REFUSED, 2000 },
		{ 400, "{\"error\":\"authorization_declined\"}", OAUTH_DEVICE_REFUSED, 2000 },
		{ 400, "{\"error\":\"access_denied\"}", OAUTH_DEVICE_REFUSED, 2000 },
		{ 400, "{\"error\":\"bad_verification_code\"}", OAUTH_DEVICE_REFUSED, 2000 },
		{ 400, "authorization_pending", OAUTH_DEVICE_REFUSED, 2000 },
		{ 400, "{\"error\":[\"authorization_pending\"]}", OAUTH_DEVICE_REFUSED, 2000 },
		{ 302, "", OAUTH_DEVICE_REFUSED, 2000 },
		{ 404, "", OAUTH_DEVICE_REFUSED, 2000 },
		{ 200, "{\"access_token\":\"x\"}", OAUTH_DEVICE_SIGNED_IN, 2000 },
	};
	struct desk desk;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fetch_response response = response_of(cases[i].status, cases[i].body);
		struct oauth_code     code = { .device_code = STR("d"), .interval_ms = 2000 };
		struct str            answer, why;

		assert_int_equal(oauth_device_validate(&response, &code, &desk.clock, desk.arena, &answer, &why),
		                 cases[i].wanted_state);
		assert_int_equal(code.interval_ms, cases[i].interval_ms);
	}
	desk_close(&desk);
}

static void
test_device__trouble_never_slows_it_beyond_a_minute_nor_hastens_it(void **state)
{
	struct desk           desk;
	struct oauth_code     code = { .device_code = STR("d"), .interval_ms = 5000 };
	struct fetch_response response = response_of(503, "");
	struct str            answer, why;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	response.retry_after = STR("1");
	assert_int_equal(oauth_device_validate(&response, &code, &desk.clock, desk.arena, &answer, &why),
	                 OAUTH_DEVICE_PENDING);
	assert_int_equal(code.interval_ms, 5000);
	response.retry_after = STR("20");
	assert_int_equal(oauth_device_validate(&response, &code, &desk.clock, desk.arena, &answer, &why),
	                 OAUTH_DEVICE_PENDING);
	assert_int_equal(code.interval_ms, 20000);
	response.retry_after = STR("3000");
	assert_int_equal(oauth_device_validate(&response, &code, &desk.clock, desk.arena, &answer, &why),
	                 OAUTH_DEVICE_PENDING);
	assert_int_equal(code.interval_ms, 60000);
	desk_close(&desk);
}

/* ---- the file ------------------------------------------------------------------------------- */

static void
test_token_store__what_was_written_is_read_by_the_same_client_alone(void **state)
{
	struct desk         desk;
	struct oauth_client other;
	struct stat         about;
	char                path[] = "/tmp/tidemark-kept-XXXXXX";
	struct str          token, why;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	close(mkstemp(path));
	desk.client.token_store = path;
	assert_int_equal(oauth_token_store_write(&desk.client, STR("r1"), desk.arena, &why), OK);
	assert_int_equal(oauth_token_store_write(&desk.client, STR("r2"), desk.arena, &why), OK);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 07777, 0600);
	assert_int_equal(oauth_token_store_read(&desk.client, desk.arena, &token, &why), OK);
	assert_true(str_eq(token, STR("r2")));
	for (unsigned i = 0; i < 3; i++) {
		other = desk.client;
		*(i == 0 ? &other.authority : i == 1 ? &other.tenant : &other.id) = STR("other");
		assert_int_equal(oauth_token_store_read(&other, desk.arena, &token, &why), ERR_NOT_FOUND);
	}
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(oauth_token_store_read(&desk.client, desk.arena, &token, &why), ERR_NO_IDENTITY);
	assert_true(oauth_token_store_forget(&desk.client, STR("r2"), desk.arena));
	assert_int_equal(oauth_token_store_read(&desk.client, desk.arena, &token, &why), ERR_NOT_FOUND);
	desk_close(&desk);
}

/* What one process was refused with, another has already replaced. */
static void
test_token_store__nobody_forgets_what_another_has_renewed(void **state)
{
	struct desk desk;
	char        dir[] = "/tmp/tidemark-kept-XXXXXX", path[64];
	struct str  token, why;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/k", dir);
	desk.client.token_store = path;
	assert_int_equal(oauth_token_store_write(&desk.client, STR("renewed"), desk.arena, &why), OK);
	assert_false(oauth_token_store_forget(&desk.client, STR("refused"), desk.arena));
	assert_int_equal(oauth_token_store_read(&desk.client, desk.arena, &token, &why), OK);
	assert_true(str_eq(token, STR("renewed")));
	assert_true(oauth_token_store_forget(&desk.client, STR("renewed"), desk.arena));
	assert_int_equal(rmdir(dir), 0);
	desk_close(&desk);
}

static void
write_many(const char *path, const char *token, unsigned times)
{
	struct desk desk;
	struct str  why;

	desk_open(&desk, RSA_PEM_NOW_S);
	desk.client.token_store = path;
	for (unsigned i = 0; i < times; i++)
		if (oauth_token_store_write(&desk.client, str_from_c(token), desk.arena, &why) != OK)
			_exit(1);
	_exit(0);
}

/* One letter and nothing else, as many of it as its writer writes. */
static bool
is_whole(struct str token)
{
	size_t writer = token.len > 0 ? (size_t)(token.at[0] - 'a') : WRITERS;

	for (size_t i = 0; i < token.len; i++)
		if (token.at[i] != token.at[0])
			return false;
	return writer < WRITERS && token.len == 1000 * (writer + 1);
}

static void
test_token_store__of_some_who_write_at_once_one_is_whole_and_none_fails(void **state)
{
	struct desk desk;
	char        dir[] = "/tmp/tidemark-kept-XXXXXX", path[64], token[1000 * WRITERS + 1];
	struct str  read, why;
	pid_t       writers[WRITERS];
	int         status;

	(void)state;
	desk_open(&desk, RSA_PEM_NOW_S);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/k", dir);
	desk.client.token_store = path;
	for (int i = 0; i < WRITERS; i++) {
		memset(token, 'a' + i, sizeof(token));
		token[1000 * (i + 1)] = '\0';
		writers[i] = fork();
		if (writers[i] == 0)
			write_many(path, token, 60);
	}
	for (unsigned reads = 0; reads < 200; reads++) {
		enum err err = oauth_token_store_read(&desk.client, desk.arena, &read, &why);

		assert_true(err == ERR_NOT_FOUND || (err == OK && is_whole(read)));
		arena_reset(desk.arena);
		(void)usleep(1000);
	}
	for (int i = 0; i < WRITERS; i++)
		assert_true(waitpid(writers[i], &status, 0) == writers[i] && WIFEXITED(status) &&
		            WEXITSTATUS(status) == 0);
	assert_int_equal(oauth_token_store_read(&desk.client, desk.arena, &read, &why), OK);
	assert_true(oauth_token_store_forget(&desk.client, read, desk.arena));
	assert_int_equal(rmdir(dir), 0);
	desk_close(&desk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assertion__is_signed_ps256_and_names_the_certificate),
		cmocka_unit_test(test_assertion__has_another_name_each_time),
		cmocka_unit_test(test_assertion__is_not_made_outside_the_certificates_dates),
		cmocka_unit_test(test_said__tells_the_error_and_its_first_line),
		cmocka_unit_test(test_said__never_what_was_sent_nor_anything_like_a_token),
		cmocka_unit_test(test_device__reads_a_code_as_the_rfc_shows_it),
		cmocka_unit_test(test_device__entras_own_sentence_is_shown_if_it_is_one),
		cmocka_unit_test(test_device__what_each_answer_means),
		cmocka_unit_test(test_device__trouble_never_slows_it_beyond_a_minute_nor_hastens_it),
		cmocka_unit_test(test_token_store__what_was_written_is_read_by_the_same_client_alone),
		cmocka_unit_test(test_token_store__nobody_forgets_what_another_has_renewed),
		cmocka_unit_test(test_token_store__of_some_who_write_at_once_one_is_whole_and_none_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
