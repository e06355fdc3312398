/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key holds, besides OpenSSL's own, one prepared context for checking and (if it can) one for
 * signing.  Preparing looks algorithms up by name and is slow in OpenSSL 3.0; each call works on a
 * copy of the prepared context instead, which also makes keys shareable: the originals never change.
 *
 * OpenSSL leaves its complaints in a queue of the thread, which the TLS calls of the same thread
 * would take for their own.  So everything here that can fail on outside input clears the queue.
 */
#include "crypt/sign.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "crypt/pkey.h"

#define RSA_BITS_MIN    2048
#define RSA_BITS_MAX    8192
#define RSA_E_BYTES_MAX 8 /* also OpenSSL's own bound for long moduli */
#define SCALAR_BYTES    ((size_t)32)
#define DER_MAX         ((size_t)4096)

struct sign_key {
	enum sign_alg alg;
	EVP_PKEY     *pkey;
	EVP_MD_CTX   *checking;
	EVP_MD_CTX   *signing; /* NULL without a private part */
	size_t        signature_len;
};

CLOSER(close_pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLOSER(close_md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
CLOSER(close_bn, BIGNUM, BN_clear_free)
CLOSER(close_ecdsa, ECDSA_SIG, ECDSA_SIG_free)
CLOSER(close_pkcs8, PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

static enum err
refuse(void)
{
	ERR_clear_error();
	return ERR_BAD_REQUEST;
}

static const unsigned char *
bytes_of(struct str s)
{
	return (const unsigned char *)s.at;
}

const char *
sign_alg_name(enum sign_alg alg)
{
	switch (alg) {
	case SIGN_ES256:
		return "ES256";
	case SIGN_RS256:
		return "RS256";
	case SIGN_PS256:
		return "PS256";
	case SIGN_EDDSA:
		return "EdDSA";
	}
	return "unknown";
}

/* ---- making keys ---- */

static void
fix_padding(EVP_PKEY_CTX *ctx, enum sign_alg alg)
{
	if (alg == SIGN_RS256)
		MUST(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1);
	if (alg == SIGN_PS256)
		MUST(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, "SHA256", NULL) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* The key owns the pkey from now on. */
static struct sign_key *
make_key(EVP_PKEY **pkey, enum sign_alg alg, bool private)
{
	struct sign_key *key = handle_new(sizeof(*key));
	EVP_PKEY_CTX    *ctx = NULL;
	const char      *digest = alg == SIGN_EDDSA ? NULL : "SHA256";

	key->alg = alg;
	key->pkey = *pkey;
	*pkey = NULL;
	key->signature_len = 64;
	if (alg == SIGN_RS256 || alg == SIGN_PS256)
		key->signature_len = (size_t)EVP_PKEY_get_size(key->pkey);

	key->checking = EVP_MD_CTX_new();
	MUST(key->checking != NULL);
	MUST(EVP_DigestVerifyInit_ex(key->checking, &ctx, digest, NULL, NULL, key->pkey, NULL) == 1);
	fix_padding(ctx, alg);
	EVP_MD_CTX_set_flags(key->checking, EVP_MD_CTX_FLAG_FINALISE);
	if (!private)
		return key;
	key->signing = EVP_MD_CTX_new();
	MUST(key->signing != NULL);
	MUST(EVP_DigestSignInit_ex(key->signing, NULL, digest, NULL, NULL, key->pkey, NULL) == 1);
	EVP_MD_CTX_set_flags(key->signing, EVP_MD_CTX_FLAG_FINALISE);
	return key;
}

enum err
sign_key_generate(struct sign_key **key_out)
{
	AUTO(pkey_close) EVP_PKEY *pkey = EVP_EC_gen("P-256");

	MUST(pkey != NULL);
	*key_out = make_key(&pkey, SIGN_ES256, true);
	return OK;
}

enum err
sign_key_from_private(struct str der, struct sign_key **key_out)
{
	AUTO(close_pkcs8) PKCS8_PRIV_KEY_INFO *info = NULL;
	AUTO(pkey_close) EVP_PKEY             *pkey = NULL;
	AUTO(close_pkey_ctx) EVP_PKEY_CTX     *ctx = NULL;
	const unsigned char                   *at = bytes_of(der);

	if (der.len == 0 || der.len > DER_MAX)
		return ERR_BAD_REQUEST;
	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
	if (!info || at != bytes_of(der) + der.len)
		return refuse();
	pkey = EVP_PKCS82PKEY(info);
	if (!pkey || !pkey_is_p256(pkey))
		return refuse();
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	MUST(ctx != NULL);
	if (EVP_PKEY_check(ctx) != 1)
		return refuse();
	*key_out = make_key(&pkey, SIGN_ES256, true);
	return OK;
}

struct str
sign_key_private(const struct sign_key *key, struct arena *arena)
{
	AUTO(close_pkcs8) PKCS8_PRIV_KEY_INFO *info = NULL;
	unsigned char                         *at;
	char                                  *der;
	int                                    len;

	MUST(key->signing != NULL);
	info = EVP_PKEY2PKCS8(key->pkey);
	MUST(info != NULL);
	len = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);
	MUST(len > 0 && (size_t)len <= DER_MAX);
	der = arena_take_raw(arena, (size_t)len);
	at = (unsigned char *)der;
	MUST(i2d_PKCS8_PRIV_KEY_INFO(info, &at) == len);
	return str_of(der, (size_t)len);
}

/* NULL if OpenSSL does not accept the numbers as a public key of that kind. */
static EVP_PKEY *
pkey_from(const char *kind, OSSL_PARAM *params)
{
	AUTO(close_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY                          *pkey = NULL;

	MUST(ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1);
	if (EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return pkey;
}

static bool
passes_public_check(EVP_PKEY *pkey)
{
	AUTO(close_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);

	MUST(ctx != NULL);
	return EVP_PKEY_public_check(ctx) == 1;
}

enum err
sign_key_from_ec(struct str x, struct str y, struct sign_key **key_out)
{
	AUTO(pkey_close) EVP_PKEY *pkey = NULL;
	char                       group[] = "prime256v1";
	unsigned char              point[1 + 2 * SCALAR_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
	OSSL_PARAM                 params[] = {
				OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
				OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
				OSSL_PARAM_construct_end(),
	};

	if (x.len != SCALAR_BYTES || y.len != SCALAR_BYTES)
		return ERR_BAD_REQUEST;
	memcpy(point + 1, x.at, SCALAR_BYTES);
	memcpy(point + 1 + SCALAR_BYTES, y.at, SCALAR_BYTES);
	pkey = pkey_from("EC", params);
	if (!pkey || !passes_public_check(pkey))
		return refuse();
	*key_out = make_key(&pkey, SIGN_ES256, false);
	return OK;
}

static bool
is_odd_number(struct str n)
{
	return n.len > 0 && n.at[0] != 0 && (n.at[n.len - 1] & 1) == 1;
}

static size_t
bit_length(struct str n)
{
	return n.len * 8 - (size_t)(__builtin_clz((unsigned char)n.at[0]) - 24);
}

/* Numbers as RFC 7518 writes them: the fewest bytes, so no leading zero. */
static bool
is_fit_for_rsa(struct str n, struct str e)
{
	if (!is_odd_number(n) || !is_odd_number(e) || n.len > RSA_BITS_MAX / 8 || e.len > RSA_E_BYTES_MAX)
		return false;
	return bit_length(n) >= RSA_BITS_MIN && (e.len > 1 || (unsigned char)e.at[0] > 2);
}

static EVP_PKEY *
rsa_pkey(struct str n, struct str e)
{
	AUTO(close_bn) BIGNUM *n_bn = BN_bin2bn(bytes_of(n), (int)n.len, NULL);
	AUTO(close_bn) BIGNUM *e_bn = BN_bin2bn(bytes_of(e), (int)e.len, NULL);
	OSSL_PARAM_BLD        *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM            *params;
	EVP_PKEY              *pkey;

	MUST(n_bn && e_bn && build && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n_bn) == 1 &&
	     OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e_bn) == 1);
	params = OSSL_PARAM_BLD_to_param(build);
	OSSL_PARAM_BLD_free(build);
	MUST(params != NULL);
	pkey = pkey_from("RSA", params);
	OSSL_PARAM_free(params);
	return pkey;
}

enum err
sign_key_from_rsa(struct str n, struct str e, enum sign_alg alg, struct sign_key **key_out)
{
	AUTO(pkey_close) EVP_PKEY *pkey = NULL;

	if ((alg != SIGN_RS256 && alg != SIGN_PS256) || !is_fit_for_rsa(n, e))
		return ERR_BAD_REQUEST;
	pkey = rsa_pkey(n, e);
	if (!pkey)
		return refuse();
	*key_out = make_key(&pkey, alg, false);
	return OK;
}

enum err
sign_key_from_ed25519(struct str x, struct sign_key **key_out)
{
	AUTO(pkey_close) EVP_PKEY *pkey = NULL;

	if (x.len != 32)
		return ERR_BAD_REQUEST;
	pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, bytes_of(x), x.len);
	if (!pkey)
		return refuse();
	*key_out = make_key(&pkey, SIGN_EDDSA, false);
	return OK;
}

void
sign_key_close(struct sign_key **key)
{
	if (!*key)
		return;
	close_md_ctx(&(*key)->checking);
	close_md_ctx(&(*key)->signing);
	pkey_close(&(*key)->pkey);
	free(*key);
	*key = NULL;
}

/* ---- using keys ---- */

enum sign_alg
sign_key_alg(const struct sign_key *key)
{
	return key->alg;
}

static void
read_coordinate(const struct sign_key *key, const char *name, uint8_t out[32])
{
	AUTO(close_bn) BIGNUM *bn = NULL;

	MUST(EVP_PKEY_get_bn_param(key->pkey, name, &bn) == 1 && BN_bn2binpad(bn, out, SCALAR_BYTES) == SCALAR_BYTES);
}

void
sign_key_ec_point(const struct sign_key *key, uint8_t x_out[32], uint8_t y_out[32])
{
	MUST(key->alg == SIGN_ES256);
	read_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, x_out);
	read_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, y_out);
}

static EVP_MD_CTX *
copy_of(const EVP_MD_CTX *prepared)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	MUST(ctx != NULL && EVP_MD_CTX_copy_ex(ctx, prepared) == 1);
	return ctx;
}

enum err
sign_make(const struct sign_key *key, struct str message, uint8_t signature_out[64])
{
	AUTO(close_md_ctx) EVP_MD_CTX *ctx = NULL;
	AUTO(close_ecdsa) ECDSA_SIG   *sig = NULL;
	unsigned char                  der[80];
	const unsigned char           *at = der;
	size_t                         len = sizeof(der);

	if (!key->signing)
		return ERR_BAD_REQUEST;
	ctx = copy_of(key->signing);
	MUST(EVP_DigestSign(ctx, der, &len, bytes_of(message), message.len) == 1);
	sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	MUST(sig != NULL);
	MUST(BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature_out, SCALAR_BYTES) == SCALAR_BYTES);
	MUST(BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature_out + SCALAR_BYTES, SCALAR_BYTES) == SCALAR_BYTES);
	return OK;
}

/* r||s of JWS into the DER that OpenSSL wants, which refuses an r or s that is not in 1..n-1. */
static size_t
der_from_raw(struct str raw, unsigned char der_out[80])
{
	AUTO(close_ecdsa) ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM                      *r_bn = BN_bin2bn(bytes_of(raw), SCALAR_BYTES, NULL);
	BIGNUM                      *s_bn = BN_bin2bn(bytes_of(raw) + SCALAR_BYTES, SCALAR_BYTES, NULL);
	int                          len;

	MUST(sig && r_bn && s_bn && ECDSA_SIG_set0(sig, r_bn, s_bn) == 1);
	len = i2d_ECDSA_SIG(sig, &der_out);
	MUST(len > 0 && len <= 80);
	return (size_t)len;
}

bool
sign_check(const struct sign_key *key, struct str message, struct str signature)
{
	AUTO(close_md_ctx) EVP_MD_CTX *ctx = NULL;
	unsigned char                  der[80];

	if (signature.len != key->signature_len)
		return false;
	if (key->alg == SIGN_ES256)
		signature = str_of(der, der_from_raw(signature, der));
	ctx = copy_of(key->checking);
	if (EVP_DigestVerify(ctx, bytes_of(signature), signature.len, bytes_of(message), message.len) == 1)
		return true;
	ERR_clear_error();
	return false;
}
