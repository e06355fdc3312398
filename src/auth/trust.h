/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust — which issuers' tokens the gate accepts, and what each issuer may claim.  Private to the auth module.
 *
 * A key belongs to one issuer and carries one algorithm.  The key that checks a signature decides
 * which issuer's rules the claims must obey, so a trusted issuer cannot make tokens in the name of another
 * one, even if both use the same kid.  The store's own issuer is one row of this kind.
 */
#pragma once

#include "auth/auth.h"
#include "crypt/sign.h"

struct trust_key {
	struct str             kid; /* compared whole, byte for byte */
	const struct sign_key *key;
};

struct trust {
	struct str              iss;       /* what iss must be; "{tid}" in it stands for the token's own tid */
	const struct str       *audiences; /* one of them must be in aud */
	size_t                  audience_count;
	struct guid             tenant;      /* the tenant of every token; zeroed: the token's tid, then needed */
	bool                    is_own;      /* the store's own issuer */
	bool                    iat_for_nbf; /* a token without nbf is good from its iat */
	const struct trust_key *keys;
	size_t                  key_count;
};

/* The rows and what they point to must live as long as the gate. */
enum err auth_gate_open_trusting(const struct trust *trusts, size_t count, const struct clock *clock,
                                 const struct entropy *entropy, struct auth_gate **gate_out) MUST_CHECK;
