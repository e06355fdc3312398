/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate — is this token good, and whose is it?  Private to the auth module.
 *
 *   parts and header -> key -> signature -> claims -> time -> audience -> issuer and tenant -> caller
 *
 * The signature is checked before the claims are even parsed.  With a trace each step reports what it found;
 * without one the same steps run and nothing is reported.
 */
#pragma once

#include "auth/cache.h"
#include "auth/trust.h"

#define VALIDATE_SKEW_S 60

extern const char validate_why_bad[];
extern const char validate_why_expired[];

struct validation {
	const struct trust *trusts; /* the fixed ones, then more */
	size_t              trust_count;
	const struct trust *more;
	size_t              more_count;
	struct cache_moment now;
	struct arena       *arena;
	struct auth_trace  *trace;            /* may be NULL */
	uint64_t            signature_checks; /* done so far */
	bool                kid_unknown;      /* no issuer has a key of the token's kid */
};

/* NULL when the token is good; else why it is not, and the outputs are untouched. */
const char *validate_token(struct validation *validation, struct str token, struct caller *caller_out,
                           struct cache_life *life_out);

/* Records what a check found, and returns `ok`. Build `what` only when there is a trace. */
bool validate_found(struct auth_trace *trace, const char *check, bool ok, struct str what);
