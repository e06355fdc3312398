/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/rsa_cert.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>

#include "crypt/pkey.h"
#include "crypt/seal.h"

#define BITS_MIN 2048
#define BITS_MAX 4096

struct rsa_cert {
	EVP_PKEY      *pkey; /* the private one if it was read, else the certificate's */
	unsigned char *der;  /* OpenSSL's allocation */
	size_t         der_len;
	int64_t        from_s, until_s;
	bool           can_sign;
};

CLOSER(close_x509, X509, X509_free)
CLOSER(close_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
CLOSER(close_bn, BIGNUM, BN_free)

static enum err
refuse(const char *why, const char **why_out)
{
	ERR_clear_error();
	*why_out = why;
	return ERR_BAD_REQUEST;
}

/* Without a password this fails; OpenSSL's own callback would ask on the terminal. */
static int
give_password(char *out, int size, int writing, void *password)
{
	size_t len = password ? strlen(password) : 0;

	(void)writing;
	if (len == 0 || len > (size_t)size)
		return -1;
	memcpy(out, password, len);
	return (int)len;
}

static bool
moment_of(const ASN1_TIME *time, int64_t *seconds_out)
{
	struct tm parts;
	int64_t   seconds;

	if (ASN1_TIME_to_tm(time, &parts) != 1)
		return false;
	/* "For ever" is the year 9999; the last moment that fits into nanoseconds is close enough. */
	seconds = timegm(&parts);
	*seconds_out = seconds < 0 ? 0 : seconds > INT64_MAX / 1000000000 ? INT64_MAX / 1000000000 : seconds;
	return true;
}

static const char *
fault_of_key(EVP_PKEY *pkey)
{
	if (!pkey || EVP_PKEY_is_a(pkey, "RSA") != 1)
		return "holds a certificate that is not for RSA: applications sign in with RSA only";
	if (EVP_PKEY_get_bits(pkey) < BITS_MIN || EVP_PKEY_get_bits(pkey) > BITS_MAX)
		return "holds an RSA key that has not 2048 to 4096 bits";
	return NULL;
}

/* The private key may be NULL; on success it belongs to the certificate. */
static enum err
make_cert(X509 *x509, EVP_PKEY **private, struct rsa_cert **cert_out, const char **why_out)
{
	AUTO(rsa_cert_close) struct rsa_cert *cert = handle_new(sizeof(*cert));
	EVP_PKEY *public = X509_get0_pubkey(x509);
	const char *why = fault_of_key(public);
	int         len;

	if (why)
		return refuse(why, why_out);
	if (*private && X509_check_private_key(x509, *private) != 1)
		return refuse("holds a private key that is not that of its first certificate", why_out);
	if (!moment_of(X509_get0_notBefore(x509), &cert->from_s) ||
	    !moment_of(X509_get0_notAfter(x509), &cert->until_s))
		return refuse("holds a certificate without readable dates", why_out);
	len = i2d_X509(x509, &cert->der);
	if (len <= 0 || (size_t)len > RSA_CERT_DER_MAX)
		return refuse("holds a certificate of more than 8 KiB", why_out);
	cert->der_len = (size_t)len;
	cert->can_sign = *private != NULL;
	cert->pkey = *private;
	*private = NULL;
	if (!cert->can_sign) {
		MUST(EVP_PKEY_up_ref(public) == 1);
		cert->pkey = public;
	}
	ERR_clear_error();
	*cert_out = cert;
	cert = NULL;
	return OK;
}

static enum err
read_pem(struct str pem, X509 **x509_out, const char **why_out)
{
	AUTO(pkey_bio_close) BIO *bio = NULL;

	if (pem.len == 0 || pem.len > RSA_CERT_PEM_MAX)
		return refuse("is empty or longer than 64 KiB", why_out);
	bio = pkey_bio(pem);
	*x509_out = PEM_read_bio_X509(bio, NULL, give_password, NULL);
	return *x509_out ? OK : refuse("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", why_out);
}

/* Why no private key could be read. */
static const char *
fault_of_private(struct str pem, const char *password)
{
	bool has_password = password && password[0];

	if (!memmem(pem.at, pem.len, "ENCRYPTED", sizeof("ENCRYPTED") - 1))
		return "holds no private key in PEM that can be read";
	return has_password ? "holds a private key that the password given does not open"
	                    : "holds a private key that is encrypted, and no password is given";
}

enum err
rsa_cert_read(struct str pem, const char *password, struct rsa_cert **cert_out, const char **why_out)
{
	AUTO(close_x509) X509     *x509 = NULL;
	AUTO(pkey_close) EVP_PKEY *pkey = NULL;
	AUTO(pkey_bio_close) BIO  *bio = NULL;
	char                       secret[256] = "";
	const char                *why;

	TRY(read_pem(pem, &x509, why_out));
	why = fault_of_key(X509_get0_pubkey(x509));
	if (why)
		return refuse(why, why_out);
	if (password && strlen(password) >= sizeof(secret))
		return refuse("cannot be opened with a password of more than 255 bytes", why_out);
	if (password)
		memcpy(secret, password, strlen(password) + 1);
	bio = pkey_bio(pem);
	pkey = PEM_read_bio_PrivateKey(bio, NULL, give_password, secret);
	crypt_wipe(secret, sizeof(secret));
	if (!pkey)
		return refuse(fault_of_private(pem, password), why_out);
	return make_cert(x509, &pkey, cert_out, why_out);
}

enum err
rsa_cert_read_public(struct str pem, struct rsa_cert **cert_out, const char **why_out)
{
	AUTO(close_x509) X509 *x509 = NULL;
	EVP_PKEY              *none = NULL;

	TRY(read_pem(pem, &x509, why_out));
	return make_cert(x509, &none, cert_out, why_out);
}

enum err
rsa_cert_from_der(struct str der, struct rsa_cert **cert_out, const char **why_out)
{
	AUTO(close_x509) X509 *x509 = NULL;
	EVP_PKEY              *none = NULL;
	const unsigned char   *at = (const unsigned char *)der.at;

	if (der.len == 0 || der.len > RSA_CERT_DER_MAX)
		return refuse("is empty or longer than 8 KiB", why_out);
	x509 = d2i_X509(NULL, &at, (long)der.len);
	if (!x509 || at != (const unsigned char *)der.at + der.len)
		return refuse("is no certificate in DER", why_out);
	return make_cert(x509, &none, cert_out, why_out);
}

void
rsa_cert_close(struct rsa_cert **cert)
{
	if (!*cert)
		return;
	pkey_close(&(*cert)->pkey);
	OPENSSL_free((*cert)->der);
	free(*cert);
	*cert = NULL;
}

struct str
rsa_cert_der(const struct rsa_cert *cert)
{
	return str_of(cert->der, cert->der_len);
}

void
rsa_cert_thumbprint(const struct rsa_cert *cert, uint8_t out[32])
{
	hash_sha256(rsa_cert_der(cert), out);
}

void
rsa_cert_thumbprint_sha1(const struct rsa_cert *cert, uint8_t out[20])
{
	MUST(EVP_Q_digest(NULL, "SHA1", NULL, cert->der, cert->der_len, out, NULL) == 1);
}

int64_t
rsa_cert_from_s(const struct rsa_cert *cert)
{
	return cert->from_s;
}

int64_t
rsa_cert_until_s(const struct rsa_cert *cert)
{
	return cert->until_s;
}

enum err
rsa_cert_sign(const struct rsa_cert *cert, struct str message, struct arena *arena, struct str *signature_out)
{
	AUTO(close_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX               *padding = NULL;
	size_t                      len = (size_t)EVP_PKEY_get_size(cert->pkey);
	unsigned char              *signature = (unsigned char *)arena_take_raw(arena, len);

	MUST(ctx != NULL);
	if (!cert->can_sign)
		return ERR_BAD_REQUEST;
	MUST(EVP_DigestSignInit_ex(ctx, &padding, "SHA256", NULL, NULL, cert->pkey, NULL) == 1);
	MUST(EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) == 1 &&
	     EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) == 1);
	/* The numbers of a private key are not all checked when it is read. */
	if (EVP_DigestSign(ctx, signature, &len, (const unsigned char *)message.at, message.len) != 1) {
		ERR_clear_error();
		return ERR_BAD_REQUEST;
	}
	*signature_out = str_of(signature, len);
	return OK;
}

static struct str
number_of(const struct rsa_cert *cert, const char *name, uint8_t *out, size_t size)
{
	AUTO(close_bn) BIGNUM *bn = NULL;

	MUST(EVP_PKEY_get_bn_param(cert->pkey, name, &bn) == 1);
	return (size_t)BN_num_bytes(bn) > size ? STR_EMPTY : str_of(out, (size_t)BN_bn2bin(bn, out));
}

enum err
rsa_cert_key(const struct rsa_cert *cert, enum sign_alg alg, struct sign_key **key_out)
{
	uint8_t n[BITS_MAX / 8], e[16];

	return sign_key_from_rsa(number_of(cert, OSSL_PKEY_PARAM_RSA_N, n, sizeof(n)),
	                         number_of(cert, OSSL_PKEY_PARAM_RSA_E, e, sizeof(e)), alg, key_out);
}
