/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of clients. Kinds of keys that are refused are made by openssl in
 * tests/flow/test_follow_certificate.py.
 */
#include "crypt_test.h"

#include <openssl/err.h>
#include <stdio.h>

#include "crypt/rsa_cert.h"
#include "crypt/seal.h"
#include "support/rsa_pem.h"

#define MESSAGE STR("eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJqb2UifQ")

static struct rsa_cert *
read_good(void)
{
	struct rsa_cert *cert = NULL;
	const char      *why = "";

	assert_int_equal(crypt_init(), OK);
	if (rsa_cert_read(STR(RSA_PEM), NULL, &cert, &why) != OK)
		fail_msg("%s", why);
	return cert;
}

static void
test_rsa_cert__reads_certificate_and_key_in_either_order(void **state)
{
	AUTO(rsa_cert_close) struct rsa_cert *one = read_good();
	AUTO(rsa_cert_close) struct rsa_cert *two = NULL;
	struct str  turned = STR("Bag Attributes: none\n" RSA_PEM_KEY "\nsubject=CN = x\n" RSA_PEM_CERT);
	const char *why;

	(void)state;
	assert_int_equal(rsa_cert_read(turned, NULL, &two, &why), OK);
	assert_true(str_eq(rsa_cert_der(one), rsa_cert_der(two)));
	assert_true(rsa_cert_from_s(one) == RSA_PEM_FROM_S && rsa_cert_until_s(one) == RSA_PEM_UNTIL_S);
}

static void
test_rsa_cert__what_it_signs_its_public_half_checks_as_ps256_alone(void **state)
{
	AUTO(arena_close) struct arena       *arena = arena_open((size_t)1 << 20);
	AUTO(rsa_cert_close) struct rsa_cert *cert = read_good();
	AUTO(rsa_cert_close) struct rsa_cert *public = NULL;
	AUTO(sign_key_close) struct sign_key *pss = NULL;
	AUTO(sign_key_close) struct sign_key *pkcs1 = NULL;
	struct str                            signature;
	const char                           *why;

	(void)state;
	assert_int_equal(rsa_cert_from_der(rsa_cert_der(cert), &public, &why), OK);
	assert_int_equal(rsa_cert_key(public, SIGN_PS256, &pss), OK);
	assert_int_equal(rsa_cert_key(public, SIGN_RS256, &pkcs1), OK);
	assert_int_equal(rsa_cert_sign(cert, MESSAGE, arena, &signature), OK);
	assert_true(sign_check(pss, MESSAGE, signature));
	assert_false(sign_check(pkcs1, MESSAGE, signature));
	assert_false(sign_check(pss, STR("another"), signature));
	assert_int_equal(rsa_cert_sign(public, MESSAGE, arena, &signature), ERR_BAD_REQUEST);
	assert_int_not_equal(rsa_cert_key(public, SIGN_ES256, &pss), OK);
}

static void
test_rsa_cert__what_is_no_pair_is_refused_and_leaves_no_complaint(void **state)
{
	static const char *const bad[] = {
		"",
		"no pem",
		RSA_PEM_CERT,
		RSA_PEM_KEY,
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" RSA_PEM_KEY,
		RSA_PEM_CERT "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	};
	struct rsa_cert *cert = NULL;
	const char      *why;

	(void)state;
	assert_int_equal(crypt_init(), OK);
	for (size_t i = 0; i < COUNT(bad); i++) {
		why = NULL;
		assert_int_equal(rsa_cert_read(str_from_c(bad[i]), NULL, &cert, &why), ERR_BAD_REQUEST);
		assert_null(cert);
		assert_non_null(why);
		assert_int_equal(ERR_peek_error(), 0);
	}
	assert_int_equal(rsa_cert_read_public(STR(RSA_PEM_CERT), &cert, &why), OK);
	rsa_cert_close(&cert);
}

static void
test_rsa_cert__der_is_exactly_one_certificate(void **state)
{
	AUTO(rsa_cert_close) struct rsa_cert *cert = read_good();
	struct rsa_cert                      *other = NULL;
	struct str                            der = rsa_cert_der(cert);
	char                                  more[RSA_CERT_DER_MAX];
	const char                           *why;

	(void)state;
	memcpy(more, der.at, der.len);
	more[der.len] = '\0';
	assert_int_equal(rsa_cert_from_der(str_of(more, der.len + 1), &other, &why), ERR_BAD_REQUEST);
	for (size_t len = 0; len < der.len; len++)
		assert_int_equal(rsa_cert_from_der(str_first(der, len), &other, &why), ERR_BAD_REQUEST);
	assert_int_equal(ERR_peek_error(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsa_cert__reads_certificate_and_key_in_either_order),
		cmocka_unit_test(test_rsa_cert__what_it_signs_its_public_half_checks_as_ps256_alone),
		cmocka_unit_test(test_rsa_cert__what_is_no_pair_is_refused_and_leaves_no_complaint),
		cmocka_unit_test(test_rsa_cert__der_is_exactly_one_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
