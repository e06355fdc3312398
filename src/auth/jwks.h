/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwks — the public keys of an issuer (RFC 7517), read strictly.  Private to the auth module.
 *
 * A key is accepted when it is one we can use: RSA of 2048 bits or more for RS256 (PS256 only when its
 * `alg` says so), EC on P-256 for ES256, Ed25519 for EdDSA; with a kid; not for encryption.  Others are
 * skipped, as the RFC asks.  A set with a private or a symmetric key is refused as a whole: its key is no longer
 * secret.
 */
#pragma once

#include "auth/trust.h"

#define JWKS_BYTES_MAX ((size_t)256 << 10)
#define JWKS_KEYS_MAX  64

struct jwks {
	struct trust_key keys[JWKS_KEYS_MAX]; /* kids are in memory of the set's own */
	size_t           count;
};

/*
 * ERR_BAD_REQUEST not a set, or one without a single usable key · ERR_TOO_LARGE.  *why_out is a fixed
 * sentence.  `arena` is for scratch alone.
 */
enum err jwks_parse(struct str text, struct arena *arena, struct jwks **jwks_out, const char **why_out) MUST_CHECK;
void     jwks_drop(struct jwks **jwks);
