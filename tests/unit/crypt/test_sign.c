/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL itself, used here through another door, makes the keys and signatures that only outsiders have. */
#include "crypt_test.h"

#include <malloc.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>

#include "crypt/sign.h"

#define MESSAGE STR("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UifQ")

static const char order_hex[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

struct outsider { /* an RSA key pair of somebody else */
	EVP_PKEY *pkey;
	uint8_t   n[1024], e[8];
	size_t    n_len, e_len;
};

static struct outsider
make_rsa(unsigned bits, unsigned long exponent)
{
	struct outsider rsa = { 0 };
	EVP_PKEY_CTX   *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM         *e = BN_new(), *n = NULL;

	assert_int_equal(BN_set_word(e, exponent), 1);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &rsa.pkey), 1);
	EVP_PKEY_CTX_free(ctx);
	assert_int_equal(EVP_PKEY_get_bn_param(rsa.pkey, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	rsa.n_len = (size_t)BN_bn2bin(n, rsa.n);
	rsa.e_len = (size_t)BN_bn2bin(e, rsa.e);
	BN_free(n);
	BN_free(e);
	return rsa;
}

static size_t
outsider_signs(const struct outsider *rsa, int padding, int salt_len, struct str message, uint8_t signature[1024])
{
	EVP_MD_CTX   *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey_ctx = NULL;
	size_t        len = 1024;

	assert_int_equal(EVP_DigestSignInit_ex(ctx, &pkey_ctx, "SHA256", NULL, NULL, rsa->pkey, NULL), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, padding), 1);
	if (padding == RSA_PKCS1_PSS_PADDING)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, salt_len), 1);
	assert_int_equal(EVP_DigestSign(ctx, signature, &len, (const uint8_t *)message.at, message.len), 1);
	EVP_MD_CTX_free(ctx);
	return len;
}

static struct sign_key *
rsa_key(const struct outsider *rsa, enum sign_alg alg)
{
	struct sign_key *key = NULL;

	assert_int_equal(sign_key_from_rsa(str_of(rsa->n, rsa->n_len), str_of(rsa->e, rsa->e_len), alg, &key), OK);
	return key;
}

/* Every single-bit flip of the signature and the message, and every other length, must fail. */
static void
refuses_all_neighbours(const struct sign_key *key, struct str message, const uint8_t *signature, size_t len)
{
	uint8_t flipped[1024 + 1] = { 0 }, text[256];

	assert_true(len < sizeof(flipped) && message.len <= sizeof(text));
	assert_true(sign_check(key, message, str_of(signature, len)));
	memcpy(flipped, signature, len);
	for (size_t bit = 0; bit < len * 8; bit++) {
		flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(sign_check(key, message, str_of(flipped, len)));
		flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut <= len + 1; cut++)
		assert_int_equal(sign_check(key, message, str_of(flipped, cut)), cut == len);
	memcpy(text, message.at, message.len);
	for (size_t bit = 0; bit < message.len * 8; bit++) {
		text[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(sign_check(key, str_of(text, message.len), str_of(signature, len)));
		text[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_false(sign_check(key, str_first(message, message.len - 1), str_of(signature, len)));
	assert_int_equal(ERR_peek_error(), 0);
}

static void
test_sign__es256_accepts_its_own_and_nothing_near_it(void **state)
{
	struct sign_key *key;
	uint8_t          signature[64];

	(void)state;
	assert_int_equal(sign_key_generate(&key), OK);
	assert_int_equal(sign_key_alg(key), SIGN_ES256);
	assert_int_equal(sign_make(key, MESSAGE, signature), OK);
	refuses_all_neighbours(key, MESSAGE, signature, sizeof(signature));
	sign_key_close(&key);
	assert_null(key);
	sign_key_close(&key);
}

static void
test_sign__es256_accepts_the_example_of_rfc_7515(void **state)
{
	struct str       message = STR("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6"
	                                     "Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
	uint8_t          x[32], y[32], signature[64];
	struct sign_key *key;

	(void)state;
	from_hex("7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445", x);
	from_hex("c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad", y);
	from_hex("0ed1215379636c483c2f7f155807d402a3b228033af97c7e17819ac3169ea665"
	         "c50a07d38c3c70e5d8f12daf084a5480a66590c5f293509a8f3f7f8a83a354d5",
	         signature);
	assert_int_equal(sign_key_from_ec(str_of(x, 32), str_of(y, 32), &key), OK);
	assert_true(sign_check(key, message, str_of(signature, 64)));
	sign_key_close(&key);
}

static void
test_sign__es256_refuses_scalars_out_of_range(void **state)
{
	uint8_t          zero[32] = { 0 }, order[32], above[32], most[32], signature[64], bad[64];
	const uint8_t   *wrong[] = { zero, order, above, most };
	struct sign_key *key;

	(void)state;
	from_hex(order_hex, order);
	memcpy(above, order, sizeof(above));
	above[31]++;
	memset(most, 0xff, sizeof(most));
	assert_int_equal(sign_key_generate(&key), OK);
	assert_int_equal(sign_make(key, MESSAGE, signature), OK);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		for (size_t at = 0; at <= 32; at += 32) {
			memcpy(bad, signature, sizeof(bad));
			memcpy(bad + at, wrong[i], 32);
			assert_false(sign_check(key, MESSAGE, str_of(bad, sizeof(bad))));
		}
		memcpy(bad, wrong[i], 32);
		memcpy(bad + 32, wrong[i], 32);
		assert_false(sign_check(key, MESSAGE, str_of(bad, sizeof(bad))));
	}
	sign_key_close(&key);
}

/* A scalar with leading zeros keeps them. */
static void
test_sign__es256_signatures_are_always_64_bytes(void **state)
{
	struct sign_key *key;
	uint8_t          signature[64];
	bool             short_seen = false;

	(void)state;
	assert_int_equal(sign_key_generate(&key), OK);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(sign_make(key, MESSAGE, signature), OK);
		short_seen = short_seen || signature[0] == 0 || signature[32] == 0;
		if (signature[0] == 0 || signature[32] == 0 || i % 100 == 0)
			assert_true(sign_check(key, MESSAGE, str_of(signature, sizeof(signature))));
	}
	assert_true(short_seen); /* each with 1 in 128: a run without one is rarer than 1 in 10^10 */
	sign_key_close(&key);
}

static void
test_sign__another_key_refuses(void **state)
{
	struct sign_key *mine, *other;
	uint8_t          signature[64];

	(void)state;
	assert_int_equal(sign_key_generate(&mine), OK);
	assert_int_equal(sign_key_generate(&other), OK);
	assert_int_equal(sign_make(mine, MESSAGE, signature), OK);
	assert_false(sign_check(other, MESSAGE, str_of(signature, sizeof(signature))));
	sign_key_close(&mine);
	sign_key_close(&other);
}

static void
test_sign__a_public_key_checks_and_cannot_sign(void **state)
{
	struct sign_key *key, *public;
	uint8_t          x[32], y[32], signature[64], untouched[64];

	(void)state;
	assert_int_equal(sign_key_generate(&key), OK);
	sign_key_ec_point(key, x, y);
	assert_int_equal(sign_key_from_ec(str_of(x, 32), str_of(y, 32), &public), OK);
	assert_int_equal(sign_make(key, MESSAGE, signature), OK);
	assert_true(sign_check(public, MESSAGE, str_of(signature, sizeof(signature))));
	memcpy(untouched, signature, sizeof(untouched));
	assert_int_equal(sign_make(public, STR("x"), signature), ERR_BAD_REQUEST);
	assert_memory_equal(signature, untouched, sizeof(untouched));
	sign_key_close(&key);
	sign_key_close(&public);
}

static void
test_sign__a_point_off_the_curve_is_no_key(void **state)
{
	struct sign_key *key, *none = NULL;
	uint8_t          x[33] = { 0 }, y[33] = { 0 };

	(void)state;
	assert_int_equal(sign_key_generate(&key), OK);
	sign_key_ec_point(key, x, y);
	y[31] ^= 1;
	assert_int_equal(sign_key_from_ec(str_of(x, 32), str_of(y, 32), &none), ERR_BAD_REQUEST);
	y[31] ^= 1;
	assert_int_equal(sign_key_from_ec(str_of(y, 32), str_of(x, 32), &none), ERR_BAD_REQUEST);
	assert_int_equal(sign_key_from_ec(str_of(x, 31), str_of(y, 32), &none), ERR_BAD_REQUEST);
	assert_int_equal(sign_key_from_ec(str_of(x, 32), str_of(y, 33), &none), ERR_BAD_REQUEST);
	assert_int_equal(sign_key_from_ec(STR_EMPTY, STR_EMPTY, &none), ERR_BAD_REQUEST);
	memset(x, 0, sizeof(x));
	memset(y, 0, sizeof(y));
	assert_int_equal(sign_key_from_ec(str_of(x, 32), str_of(y, 32), &none), ERR_BAD_REQUEST);
	memset(x, 0xff, sizeof(x));
	assert_int_equal(sign_key_from_ec(str_of(x, 32), str_of(y, 32), &none), ERR_BAD_REQUEST);
	assert_null(none);
	assert_int_equal(ERR_peek_error(), 0);
	sign_key_close(&key);
}

static void
test_sign__a_private_key_comes_back_from_its_der(void **state)
{
	struct arena    *arena = arena_open(1 << 16);
	struct sign_key *key, *back, *none = NULL;
	struct str       der;
	uint8_t          signature[64];

	(void)state;
	assert_int_equal(sign_key_generate(&key), OK);
	der = sign_key_private(key, arena);
	assert_int_equal(sign_key_from_private(der, &back), OK);
	assert_int_equal(sign_make(back, MESSAGE, signature), OK);
	assert_true(sign_check(key, MESSAGE, str_of(signature, sizeof(signature))));
	assert_true(str_eq(sign_key_private(back, arena), der));

	for (size_t len = 0; len < der.len; len++)
		assert_int_equal(sign_key_from_private(str_first(der, len), &none), ERR_BAD_REQUEST);
	assert_null(none);
	assert_int_equal(ERR_peek_error(), 0);
	sign_key_close(&key);
	sign_key_close(&back);
	arena_close(&arena);
}

static struct str
der_of(EVP_PKEY *pkey, uint8_t *der, size_t more)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	uint8_t             *at = der;
	int                  len = i2d_PKCS8_PRIV_KEY_INFO(info, &at);

	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(pkey);
	assert_true(len > 0);
	return str_of(der, (size_t)len + more);
}

static void
test_sign__only_p256_private_keys_are_read(void **state)
{
	uint8_t          der[8192] = { 0 };
	struct sign_key *key = NULL;

	(void)state;
	assert_int_equal(sign_key_from_private(der_of(EVP_EC_gen("P-256"), der, 1), &key), ERR_BAD_REQUEST);
	assert_int_equal(sign_key_from_private(der_of(EVP_EC_gen("P-384"), der, 0), &key), ERR_BAD_REQUEST);
	assert_int_equal(sign_key_from_private(der_of(EVP_EC_gen("secp256k1"), der, 0), &key), ERR_BAD_REQUEST);
	assert_int_equal(sign_key_from_private(der_of(EVP_RSA_gen(2048), der, 0), &key), ERR_BAD_REQUEST);
	assert_int_equal(sign_key_from_private(str_of(der, sizeof(der)), &key), ERR_BAD_REQUEST);
	assert_null(key);
	assert_int_equal(sign_key_from_private(der_of(EVP_EC_gen("P-256"), der, 0), &key), OK);
	sign_key_close(&key);
	assert_int_equal(ERR_peek_error(), 0);
}

static void
test_sign__rsa_accepts_its_padding_and_nothing_near_it(void **state)
{
	struct outsider  rsa = make_rsa(2048, 65537);
	struct sign_key *rs = rsa_key(&rsa, SIGN_RS256), *ps = rsa_key(&rsa, SIGN_PS256);
	uint8_t          pkcs1[1024], pss[1024];
	size_t           len = outsider_signs(&rsa, RSA_PKCS1_PADDING, 0, MESSAGE, pkcs1);

	(void)state;
	assert_int_equal(outsider_signs(&rsa, RSA_PKCS1_PSS_PADDING, 32, MESSAGE, pss), len);
	refuses_all_neighbours(rs, MESSAGE, pkcs1, len);
	refuses_all_neighbours(ps, MESSAGE, pss, len);
	assert_false(sign_check(rs, MESSAGE, str_of(pss, len)));
	assert_false(sign_check(ps, MESSAGE, str_of(pkcs1, len)));
	sign_key_close(&rs);
	sign_key_close(&ps);
	EVP_PKEY_free(rsa.pkey);
}

static void
test_sign__ps256_demands_a_salt_as_long_as_the_hash(void **state)
{
	struct outsider  rsa = make_rsa(2048, 65537);
	struct sign_key *ps = rsa_key(&rsa, SIGN_PS256);
	static const int salts[] = { 0, 20, 31, 33, 64 };
	uint8_t          signature[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(salts); i++) {
		size_t len = outsider_signs(&rsa, RSA_PKCS1_PSS_PADDING, salts[i], MESSAGE, signature);

		assert_false(sign_check(ps, MESSAGE, str_of(signature, len)));
	}
	sign_key_close(&ps);
	EVP_PKEY_free(rsa.pkey);
}

static void
test_sign__rsa_keys_that_are_weak_or_odd_are_refused(void **state)
{
	struct outsider  small = make_rsa(2047, 65537), rsa = make_rsa(2048, 3);
	struct str       n = str_of(rsa.n, rsa.n_len), e = str_of(rsa.e, rsa.e_len);
	uint8_t          even[1024], padded[1024] = { 0 }, huge[1025];
	struct sign_key *key = NULL;

	(void)state;
	memcpy(even, rsa.n, rsa.n_len);
	even[rsa.n_len - 1] ^= 1;
	memcpy(padded + 1, rsa.n, rsa.n_len);
	memset(huge, 0xff, sizeof(huge));
#define REFUSED(n, e, alg) assert_int_equal(sign_key_from_rsa((n), (e), (alg), &key), ERR_BAD_REQUEST)
	REFUSED(str_of(small.n, small.n_len), str_of(small.e, small.e_len), SIGN_RS256);
	REFUSED(str_of(even, rsa.n_len), e, SIGN_RS256);
	REFUSED(str_of(padded, rsa.n_len + 1), e, SIGN_RS256);
	REFUSED(str_of(huge, sizeof(huge)), e, SIGN_RS256);
	REFUSED(STR_EMPTY, e, SIGN_RS256);
	REFUSED(n, STR_EMPTY, SIGN_RS256);
	REFUSED(n, STR("\x00"), SIGN_RS256);
	REFUSED(n, STR("\x01"), SIGN_RS256);
	REFUSED(n, STR("\x02"), SIGN_RS256);
	REFUSED(n, STR("\x00\x03"), SIGN_RS256);
	REFUSED(n, STR("\x01\x00\x00"), SIGN_PS256);
	REFUSED(n, STR("\x01\x00\x00\x00\x00\x00\x00\x00\x01"), SIGN_PS256);
	REFUSED(n, e, SIGN_ES256);
	REFUSED(n, e, SIGN_EDDSA);
#undef REFUSED
	assert_null(key);
	key = rsa_key(&rsa, SIGN_RS256);
	assert_int_equal(sign_key_alg(key), SIGN_RS256);
	sign_key_close(&key);
	EVP_PKEY_free(rsa.pkey);
	EVP_PKEY_free(small.pkey);
	assert_int_equal(ERR_peek_error(), 0);
}

static struct sign_key *
rfc_8037_key(uint8_t signature_out[64])
{
	struct sign_key *key = NULL;
	uint8_t          x[32];

	from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", x);
	from_hex("860c98d2297f3060a33f42739672d61b53cf3adefed3d3c672f320dc021b411e"
	         "9d59b8628dc351e248b88b29468e0e41855b0fb7d83bb15be902bfccb8cd0a02",
	         signature_out);
	assert_int_equal(sign_key_from_ed25519(str_of(x, 32), &key), OK);
	return key;
}

#define RFC_8037_MESSAGE STR("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")

static void
test_sign__eddsa_accepts_the_example_of_rfc_8037_and_nothing_near_it(void **state)
{
	uint8_t          signature[64];
	struct sign_key *key = rfc_8037_key(signature);

	(void)state;
	assert_int_equal(sign_key_alg(key), SIGN_EDDSA);
	refuses_all_neighbours(key, RFC_8037_MESSAGE, signature, sizeof(signature));
	sign_key_close(&key);
	assert_int_equal(sign_key_from_ed25519(str_of(signature, 31), &key), ERR_BAD_REQUEST);
	assert_int_equal(sign_key_from_ed25519(str_of(signature, 33), &key), ERR_BAD_REQUEST);
}

/* S + L stands for the same number; taking it would give one token two spellings. */
static void
test_sign__eddsa_refuses_a_number_written_too_large(void **state)
{
	uint8_t          signature[64], order[32];
	struct sign_key *key = rfc_8037_key(signature);
	unsigned         carry = 0;

	(void)state;
	from_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", order);
	for (size_t i = 0; i < 32; i++) {
		carry += (unsigned)signature[32 + i] + order[i];
		signature[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_int_equal(carry, 0);
	assert_false(sign_check(key, RFC_8037_MESSAGE, str_of(signature, sizeof(signature))));
	sign_key_close(&key);
}

static void
test_sign__names_are_those_of_rfc_7518(void **state)
{
	(void)state;
	assert_string_equal(sign_alg_name(SIGN_ES256), "ES256");
	assert_string_equal(sign_alg_name(SIGN_RS256), "RS256");
	assert_string_equal(sign_alg_name(SIGN_PS256), "PS256");
	assert_string_equal(sign_alg_name(SIGN_EDDSA), "EdDSA");
}

static void *
sign_and_check(void *ctx)
{
	const struct sign_key *key = ctx;
	uintptr_t              failures = 0;

	for (int i = 0; i < 200; i++) {
		uint8_t signature[64];

		if (sign_make(key, MESSAGE, signature) != OK || !sign_check(key, MESSAGE, str_of(signature, 64)))
			failures++;
		signature[i % 64] ^= 1;
		if (sign_check(key, MESSAGE, str_of(signature, 64)))
			failures++;
	}
	return (void *)failures;
}

static void
test_sign__a_key_is_shared_by_threads(void **state)
{
	pthread_t        threads[4];
	struct sign_key *key;

	(void)state;
	assert_int_equal(sign_key_generate(&key), OK);
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_and_check, key), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		void *failures = key;

		assert_int_equal(pthread_join(threads[i], &failures), 0);
		assert_null(failures);
	}
	sign_key_close(&key);
}

static void
use_once(const struct sign_key *key, const struct sign_key *rsa)
{
	uint8_t signature[256] = { 1 };

	assert_int_equal(sign_make(key, MESSAGE, signature), OK);
	assert_true(sign_check(key, MESSAGE, str_of(signature, 64)));
	signature[5] ^= 1;
	assert_false(sign_check(key, MESSAGE, str_of(signature, 64)));
	assert_false(sign_check(rsa, MESSAGE, str_of(signature, 256)));
}

static void
test_sign__memory_does_not_grow_with_use(void **state)
{
	struct outsider  rsa = make_rsa(2048, 65537);
	struct sign_key *key, *rs = rsa_key(&rsa, SIGN_RS256);
	size_t           before;

	(void)state;
	assert_int_equal(sign_key_generate(&key), OK);
	for (int i = 0; i < 20; i++)
		use_once(key, rs);
	before = mallinfo2().uordblks;
	for (int i = 0; i < 1000; i++)
		use_once(key, rs);
	assert_in_range(mallinfo2().uordblks, 0, before + 1024);
	sign_key_close(&key);
	sign_key_close(&rs);
	EVP_PKEY_free(rsa.pkey);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign__es256_accepts_its_own_and_nothing_near_it),
		cmocka_unit_test(test_sign__es256_accepts_the_example_of_rfc_7515),
		cmocka_unit_test(test_sign__es256_refuses_scalars_out_of_range),
		cmocka_unit_test(test_sign__es256_signatures_are_always_64_bytes),
		cmocka_unit_test(test_sign__another_key_refuses),
		cmocka_unit_test(test_sign__a_public_key_checks_and_cannot_sign),
		cmocka_unit_test(test_sign__a_point_off_the_curve_is_no_key),
		cmocka_unit_test(test_sign__a_private_key_comes_back_from_its_der),
		cmocka_unit_test(test_sign__only_p256_private_keys_are_read),
		cmocka_unit_test(test_sign__rsa_accepts_its_padding_and_nothing_near_it),
		cmocka_unit_test(test_sign__ps256_demands_a_salt_as_long_as_the_hash),
		cmocka_unit_test(test_sign__rsa_keys_that_are_weak_or_odd_are_refused),
		cmocka_unit_test(test_sign__eddsa_accepts_the_example_of_rfc_8037_and_nothing_near_it),
		cmocka_unit_test(test_sign__eddsa_refuses_a_number_written_too_large),
		cmocka_unit_test(test_sign__names_are_those_of_rfc_7518),
		cmocka_unit_test(test_sign__a_key_is_shared_by_threads),
		cmocka_unit_test(test_sign__memory_does_not_grow_with_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
