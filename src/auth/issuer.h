/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issuer — makes the store's own access tokens (JWT, ES256).
 *
 * The key is kept as a kv entry and never leaves the store.  Tokens have the claims of Graph's own (v1.0 form): aud iss
 * iat nbf exp ver app_displayname appid appidacr scp|roles tid oid sub name unique_name upn idtyp uti, and
 * tidemark_generation.
 */
#pragma once

#include "auth/directory.h"
#include "base/buf.h"
#include "crypt/sign.h"

struct issuer;

/* ERR_NOT_FOUND when the store has no issuer key yet (directory_ensure makes it). */
enum err issuer_open(struct store *store, const struct clock *clock, const struct entropy *entropy,
                     struct issuer **issuer_out) MUST_CHECK;
void     issuer_close(struct issuer **issuer);

struct issuer_grant {
	struct guid tenant;
	struct guid oid;       /* the user, or the application's principal */
	struct str  upn, name; /* delegated only; may be empty */
	struct str  app;       /* client id, a GUID as text; empty: the program itself */
	struct str  app_name;  /* may be empty */
	bool        is_app;
	char        proof;      /* appidacr: '1' a secret, '2' a certificate; else none */
	struct str  grants;     /* blank-separated scopes or roles */
	int64_t     life_s;     /* 1 .. 10 years */
	int64_t     generation; /* client_generation() of app */
};

/*
 * Grants and app must be printable ASCII, grants blank-separated, the upn without control bytes: else
 * ERR_BAD_REQUEST, as for a zero tenant or oid or a life out of bounds.  ERR_TOO_LARGE when the token
 * would be longer than the gate takes (8 KiB).
 */
enum err issuer_mint(struct issuer *issuer, const struct issuer_grant *grant, struct arena *arena, struct str *jwt_out)
	MUST_CHECK;

/* An application has no entry of its own in the directory: its principal's id follows from tenant and client id. */
struct guid issuer_principal(const struct guid *tenant, struct str app);

/*
 * The client credentials grant: a token with all roles of the client. ERR_NO_IDENTITY for an unknown client, one of
 * another tenant, and a wrong secret alike, after the same work; ERR_BUSY while too many secrets are being checked by
 * argon2id (seats.h).  With an assertion, the errors of assertion.h; ERR_STALE when it is out of its time.
 * It may wait for a seat, and a hash of an earlier version is replaced: so it may block.
 */
struct issuer_login {
	struct guid       tenant;
	struct str        client_id;
	struct str        secret;
	int64_t           life_s;
	struct str        network;   /* who asks: an address, or what its limits are counted by; 16 bytes at most */
	struct str        assertion; /* instead of the secret */
	const struct str *audiences; /* what the assertion may be for */
	size_t            audience_count;
};
enum err issuer_login(struct issuer *issuer, struct store *store, const struct issuer_login *login, struct arena *arena,
                      struct str *jwt_out) MUST_CHECK;

/* For metrics: sign-ins with a wrong proof; checks by argon2id that run or wait now, and that were sent away. */
struct issuer_stats {
	uint64_t refused, checking, checks_refused;
};
struct issuer_stats issuer_get_stats(struct issuer *issuer);

/* The public key as a JWK Set, for programs that check our tokens. */
void issuer_put_keys(const struct issuer *issuer, struct buf *buf);

struct str             issuer_name(const struct issuer *issuer); /* "urn:tidemark:<store id>"; iss is this ":<tid>" */
struct str             issuer_kid(const struct issuer *issuer);
const struct sign_key *issuer_key(const struct issuer *issuer);
