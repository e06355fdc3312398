/* SPDX-License-Identifier: Apache-2.0 */
/* What a set of keys may look like: every row is one key beside a good one, or a whole set. */
#include "unit/auth/external_fixture.h"
#include "unit/auth/external_tokens.h"

#include <stdio.h>

#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" /* RFC 8037 A.2 */

struct ring {
	struct arena    *arena;
	struct sign_key *key;
};

static struct ring
ring_open(void)
{
	struct ring ring = { .arena = arena_open((size_t)64 << 20) };

	assert_int_equal(crypt_init(), OK);
	assert_int_equal(sign_key_generate(&ring.key), OK);
	return ring;
}

static void
ring_close(struct ring *ring)
{
	sign_key_close(&ring->key);
	arena_close(&ring->arena);
}

/* How many keys of the set are taken; -1 if it is refused. */
static int
taken(const struct ring *ring, struct str set)
{
	struct jwks *jwks = NULL;
	const char  *why = NULL;
	enum err     err = jwks_parse(set, ring->arena, &jwks, &why);
	int          count;

	if (err != OK) {
		assert_null(jwks);
		assert_non_null(why);
		return -1;
	}
	count = (int)jwks->count;
	jwks_drop(&jwks);
	assert_null(jwks);
	return count;
}

static struct str
beside_a_good_one(const struct ring *ring, struct str key)
{
	return arena_printf(ring->arena, "{\"keys\":[%.*s,%.*s]}", STR_ARG(key),
	                    STR_ARG(jwk_of(ring->key, "good", "", ring->arena)));
}

struct row {
	const char *key;   /* $E a point, $R the RSA modulus */
	int         taken; /* beside a good one: 2 taken, 1 passed over, -1 the set refused */
};

#define EC  "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\",$E"
#define RSA "{\"kty\":\"RSA\",\"kid\":\"k\",$R,\"e\":\"AQAB\""
#define OKP "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\",\"x\":\"" ED_X "\""

static const struct row rows[] = {
	{ EC "}", 2 },
	{ EC ",\"use\":\"sig\",\"alg\":\"ES256\",\"key_ops\":[\"verify\"],\"x5c\":[\"x\"],\"issuer\":\"i\"}", 2 },
	{ EC ",\"key_ops\":[\"sign\",\"verify\"]}", 2 },
	{ EC ",\"use\":\"enc\"}", 1 },
	{ EC ",\"use\":\"SIG\"}", 1 },
	{ EC ",\"use\":\"\"}", 1 },
	{ EC ",\"use\":null}", 1 },
	{ EC ",\"use\":[\"sig\"]}", 1 },
	{ EC ",\"key_ops\":[\"encrypt\"]}", 1 },
	{ EC ",\"key_ops\":[]}", 1 },
	{ EC ",\"key_ops\":\"verify\"}", 1 },
	{ EC ",\"key_ops\":[\"verify\",1]}", 1 },
	{ EC ",\"alg\":\"RS256\"}", 1 },
	{ EC ",\"alg\":\"ES384\"}", 1 },
	{ EC ",\"alg\":\"none\"}", 1 },
	{ EC ",\"alg\":\"\"}", 1 },
	{ EC ",\"alg\":7}", 1 },
	{ EC ",\"d\":\"AAAA\"}", -1 },
	{ EC ",\"d\":null}", -1 },
	{ EC ",\"k\":\"AAAA\"}", -1 },
	{ "{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"k\",$E}", 1 },
	{ "{\"kty\":\"EC\",\"kid\":\"k\",$E}", 1 },
	{ "{\"kty\":\"EC\",\"crv\":\"P-256\",$E}", 1 },
	{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"\",$E}", 1 },
	{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":7,$E}", 1 },
	{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\",\"x\":\"AAAA\",\"y\":\"AAAA\"}", 1 },
	{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\",\"x\":\"" ED_X "\",\"y\":\"" ED_X "\"}", 1 },
	{ "{\"kty\":\"ec\",\"crv\":\"P-256\",\"kid\":\"k\",$E}", 1 },
	{ RSA "}", 2 },
	{ RSA ",\"alg\":\"RS256\"}", 2 },
	{ RSA ",\"alg\":\"PS256\"}", 2 },
	{ RSA ",\"alg\":\"RS384\"}", 1 },
	{ RSA ",\"alg\":\"RS1\"}", 1 },
	{ RSA ",\"alg\":\"HS256\"}", 1 },
	{ RSA ",\"alg\":\"RSA-OAEP\"}", 1 },
	{ RSA ",\"alg\":\"ES256\"}", 1 },
	{ RSA ",\"p\":\"AAAA\"}", -1 },
	{ RSA ",\"oth\":[]}", -1 },
	{ "{\"kty\":\"RSA\",\"kid\":\"k\",$R,\"e\":\"AQ\"}", 1 },
	{ "{\"kty\":\"RSA\",\"kid\":\"k\",$R,\"e\":\"Ag\"}", 1 },
	{ "{\"kty\":\"RSA\",\"kid\":\"k\",$R}", 1 },
	{ "{\"kty\":\"RSA\",\"kid\":\"k\",$R,\"e\":\"AQAB=\"}", 1 },
	{ "{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"" ED_X "\",\"e\":\"AQAB\"}", 1 },
	{ OKP "}", 2 },
	{ OKP ",\"alg\":\"EdDSA\"}", 2 },
	{ OKP ",\"alg\":\"Ed25519\"}", 2 },
	{ OKP ",\"alg\":\"ES256\"}", 1 },
	{ "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"kid\":\"k\",\"x\":\"" ED_X "\"}", 1 },
	{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\",\"x\":\"AAAA\"}", 1 },
	{ "{\"kty\":\"oct\",\"kid\":\"k\",\"k\":\"AAAA\"}", -1 },
	{ "{\"kty\":\"oct\",\"kid\":\"k\"}", 1 },
	{ "{\"kty\":\"AKP\",\"kid\":\"k\",\"alg\":\"ML-DSA-44\",\"pub\":\"AAAA\"}", 1 },
	{ "{}", 1 },
	{ "7", -1 },
	{ "null", -1 },
	{ "[]", -1 },
};

static struct str
filled(const struct ring *ring, const char *text)
{
	struct str out = STR_EMPTY, rest = str_from_c(text);
	uint8_t    x[32], y[32];

	sign_key_ec_point(ring->key, x, y);
	while (rest.len > 0) {
		size_t at = str_find(rest, '$');

		out = arena_printf(ring->arena, "%.*s%.*s", STR_ARG(out), STR_ARG(str_first(rest, at)));
		rest = str_skip(rest, at);
		if (rest.len == 0)
			break;
		if (rest.at[1] == 'R')
			out = arena_printf(ring->arena, "%.*s\"n\":\"%s\"", STR_ARG(out), rsa_modulus);
		else
			out = arena_printf(ring->arena, "%.*s\"x\":\"%.*s\",\"y\":\"%.*s\"", STR_ARG(out),
			                   STR_ARG(b64_of(str_of(x, 32), ring->arena)),
			                   STR_ARG(b64_of(str_of(y, 32), ring->arena)));
		rest = str_skip(rest, 2);
	}
	return out;
}

static void
test_jwks__judges_each_key(void **state)
{
	struct ring ring = ring_open();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int got = taken(&ring, beside_a_good_one(&ring, filled(&ring, rows[i].key)));

		if (got != rows[i].taken)
			fail_msg("%s: %d instead of %d", rows[i].key, got, rows[i].taken);
	}
	ring_close(&ring);
}

static void
test_jwks__refuses_what_is_no_set(void **state)
{
	static const char *const texts[] = {
		"",
		"null",
		"[]",
		"7",
		"\"keys\"",
		"{}",
		"{\"keys\":null}",
		"{\"keys\":{}}",
		"{\"keys\":[]}",
		"{\"Keys\":[]}",
		"{\"keys\":[{}]}",
		"<html></html>",
		"{\"keys\":[",
		"{\"keys\":[],\"keys\":[]}",
	};
	struct ring ring = ring_open();

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (taken(&ring, str_from_c(texts[i])) != -1)
			fail_msg("%s is no set", texts[i]);
	ring_close(&ring);
}

static struct str
set_of_many(const struct ring *ring, unsigned count)
{
	struct buf buf;
	struct str set;
	char       kid[16];

	buf_open(&buf, (size_t)1 << 20);
	buf_put(&buf, STR("{\"keys\":["));
	for (unsigned i = 0; i < count; i++) {
		snprintf(kid, sizeof(kid), "%u", i);
		buf_printf(&buf, "%s%.*s", i ? "," : "", STR_ARG(jwk_of(ring->key, kid, "", ring->arena)));
	}
	buf_put(&buf, STR("]}"));
	set = arena_copy(ring->arena, buf_str(&buf));
	buf_close(&buf);
	return set;
}

static void
test_jwks__takes_64_keys_and_256_KiB_and_no_more(void **state)
{
	struct ring ring = ring_open();
	char       *blanks = arena_take(ring.arena, JWKS_BYTES_MAX + 1);
	struct str  set = set_of_many(&ring, 2);

	(void)state;
	assert_int_equal(taken(&ring, set_of_many(&ring, 64)), 64);
	assert_int_equal(taken(&ring, set_of_many(&ring, 65)), -1);
	memset(blanks, ' ', JWKS_BYTES_MAX + 1);
	memcpy(blanks, set.at, set.len);
	assert_int_equal(taken(&ring, str_of(blanks, JWKS_BYTES_MAX)), 2);
	assert_int_equal(taken(&ring, str_of(blanks, JWKS_BYTES_MAX + 1)), -1);
	ring_close(&ring);
}

static enum sign_alg
alg_of_rsa(const struct ring *ring, const char *more)
{
	struct str    key = arena_printf(ring->arena,
	                                 "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"%s\",\"e\":\"AQAB\"%s}]}",
	                                 rsa_modulus, more);
	struct jwks  *jwks;
	const char   *why;
	enum sign_alg alg;

	assert_int_equal(jwks_parse(key, ring->arena, &jwks, &why), OK);
	alg = sign_key_alg(jwks->keys[0].key);
	jwks_drop(&jwks);
	return alg;
}

/* One key, one algorithm: a key that names none is never good for two. */
static void
test_jwks__an_rsa_key_is_for_pkcs1_unless_it_says_pss(void **state)
{
	struct ring ring = ring_open();

	(void)state;
	assert_int_equal(alg_of_rsa(&ring, ""), SIGN_RS256);
	assert_int_equal(alg_of_rsa(&ring, ",\"alg\":\"RS256\""), SIGN_RS256);
	assert_int_equal(alg_of_rsa(&ring, ",\"alg\":\"PS256\""), SIGN_PS256);
	ring_close(&ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jwks__judges_each_key),
		cmocka_unit_test(test_jwks__refuses_what_is_no_set),
		cmocka_unit_test(test_jwks__takes_64_keys_and_256_KiB_and_no_more),
		cmocka_unit_test(test_jwks__an_rsa_key_is_for_pkcs1_unless_it_says_pss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
