/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rsa_cert — an RSA certificate by which a program shows a token endpoint who it is, with or without its private key.
 *
 * RSA of 2048 to 4096 bits and nothing else, as Entra ID accepts for applications.  The issuer of the certificate is
 * not checked: the certificate is registered beforehand, and its thumbprint names it.  The key never leaves this
 * object.
 */
#pragma once

#include "base/arena.h"
#include "crypt/sign.h"

#define RSA_CERT_PEM_MAX ((size_t)64 << 10)
#define RSA_CERT_DER_MAX ((size_t)8 << 10)

struct rsa_cert;

/*
 * ERR_BAD_REQUEST; *why_out then ends the sentence "the file …".  From PEM the first certificate is taken.
 * The first of the three also wants its private key, from the same text; `password` may be NULL.
 */
enum err rsa_cert_read(struct str pem, const char *password, struct rsa_cert **cert_out, const char **why_out)
	MUST_CHECK;
enum err rsa_cert_read_public(struct str pem, struct rsa_cert **cert_out, const char **why_out) MUST_CHECK;
enum err rsa_cert_from_der(struct str der, struct rsa_cert **cert_out, const char **why_out) MUST_CHECK;
void     rsa_cert_close(struct rsa_cert **cert);

struct str rsa_cert_der(const struct rsa_cert *cert);                         /* lives as long as the certificate */
void       rsa_cert_thumbprint(const struct rsa_cert *cert, uint8_t out[32]); /* SHA-256 of the DER: x5t#S256 */
void       rsa_cert_thumbprint_sha1(const struct rsa_cert *cert, uint8_t out[20]); /* x5t: a name, and no proof */
int64_t    rsa_cert_from_s(const struct rsa_cert *cert);                           /* good from then, until then */
int64_t    rsa_cert_until_s(const struct rsa_cert *cert);

/* PS256, by a certificate that was read with its key.  ERR_BAD_REQUEST: the key cannot sign. */
enum err rsa_cert_sign(const struct rsa_cert *cert, struct str message, struct arena *arena, struct str *signature_out)
	MUST_CHECK;
/* Its public key, to check RS256 or PS256 with. */
enum err rsa_cert_key(const struct rsa_cert *cert, enum sign_alg alg, struct sign_key **key_out) MUST_CHECK;
