/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt — a compact JWS (RFC 7515) taken apart.  Private to the auth module.
 *
 * Two steps, because nothing of a payload may be looked at before its signature was checked:
 * jwt_split() gives the parts and the header's few allowed members, jwt_read_claims() the
 * claims.  Neither knows keys, issuers or the time.  Both answer ERR_BAD_REQUEST to anything
 * that is not exactly as it should be.
 */
#pragma once

#include "base/arena.h"
#include "base/guid.h"

#define JWT_BYTES_MAX       ((size_t)8 << 10)
#define JWT_KID_MAX         128
#define JWT_GENERATION      "tidemark_generation" /* a claim of our own issuer's: client.h */
#define JWT_GENERATION_NONE INT64_C(-1)

struct jwt {
	struct str alg;
	struct str kid;
	struct str message;   /* the signed text: header '.' payload, as sent */
	struct str signature; /* bytes */
	struct str payload;   /* decoded, not yet looked at */
};
/* text: JWT_BYTES_MAX at most.  Alg, kid and payload are in the arena, message is a view of text. */
enum err jwt_split(struct str text, struct arena *arena, struct jwt *jwt_out) MUST_CHECK;
/* The first half of that, for a JWT with other header rules: alg and kid stay empty, the header is not read. */
enum err jwt_cut(struct str text, struct arena *arena, struct str *header_out, struct jwt *jwt_out) MUST_CHECK;

struct jwt_claims {
	struct str  iss;
	struct str *audiences;
	size_t      audience_count;
	int64_t     nbf_s, exp_s;
	int64_t     iat_s;
	bool        has_nbf, has_iat;
	struct guid tid; /* zeroed when the token has none */
	struct guid oid;
	struct str  app;        /* appid (v1.0 tokens), else azp; may be empty */
	bool        is_app;     /* no scp but roles */
	struct str  grants;     /* scp, or the roles joined by blanks */
	int64_t     generation; /* JWT_GENERATION_NONE: it names none */
};
enum err jwt_read_claims(struct str payload, struct arena *arena, struct jwt_claims *claims_out) MUST_CHECK;
