/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign — signatures for JWS (RFC 7515/7518), by OpenSSL's EVP.
 *
 * A key carries exactly one algorithm, chosen when the key is made or read; nothing in a
 * token can change it.  There is no "none" and no HMAC here.  Keys are immutable and may be
 * shared between threads.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum sign_alg { SIGN_ES256, SIGN_RS256, SIGN_PS256, SIGN_EDDSA };

struct sign_key;

const char *sign_alg_name(enum sign_alg alg); /* "ES256", … */

/* ERR_BAD_REQUEST: not a key of that kind. */
enum err   sign_key_generate(struct sign_key **key_out) MUST_CHECK;                     /* ES256, private part */
enum err   sign_key_from_private(struct str der, struct sign_key **key_out) MUST_CHECK; /* PKCS#8, ES256 */
struct str sign_key_private(const struct sign_key *key, struct arena *arena);           /* PKCS#8 DER */
/* Public keys: EC P-256 point (x,y: 32 bytes each); RSA (n >= 2048 bits, e odd > 2); Ed25519 (x: 32 bytes). */
enum err      sign_key_from_ec(struct str x, struct str y, struct sign_key **key_out) MUST_CHECK;
enum err      sign_key_from_rsa(struct str n, struct str e, enum sign_alg alg, struct sign_key **key_out) MUST_CHECK;
enum err      sign_key_from_ed25519(struct str x, struct sign_key **key_out) MUST_CHECK;
void          sign_key_close(struct sign_key **key);
enum sign_alg sign_key_alg(const struct sign_key *key);
void          sign_key_ec_point(const struct sign_key *key, uint8_t x_out[32], uint8_t y_out[32]);

/* JWS forms: ES256 64 bytes r||s, RSA the modulus' length, EdDSA 64.  Only a key with its private part makes any. */
enum err sign_make(const struct sign_key *key, struct str message, uint8_t signature_out[64]) MUST_CHECK;
bool     sign_check(const struct sign_key *key, struct str message, struct str signature);
