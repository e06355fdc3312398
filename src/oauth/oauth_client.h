/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_client — an access token for this program as an OAuth 2.0 client: by its secret, by its certificate, or by the
 * refresh token of a person who has signed in.  Entra ID and a store's own issuer understand the requests.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

struct fetch;
struct fetch_secrets;
struct rsa_cert;

struct oauth_client {
	struct str             authority; /* https://login.microsoftonline.com */
	struct str             tenant, id, scope;
	struct str             secret;      /* one of these three */
	const struct rsa_cert *cert;        /* with its private key */
	const char            *token_store; /* the path of oauth_token_store.h */
	struct fetch_secrets  *secrets;     /* gets what is posted; may be NULL */
	struct str             claims;      /* what the remote demands of the token, as JSON; empty for nothing */
	const struct clock    *clock;
	const struct entropy  *entropy;
};

/* *answer_out: the JSON of the token endpoint.  ERR_NO_IDENTITY, ERR_BUSY, ERR_UP_REFUSED. */
enum err oauth_client_request(const struct oauth_client *client, struct fetch *fetch, struct arena *arena,
                              struct str *answer_out, struct str *why_out) MUST_CHECK;

/*
 * The signed statement of who the client is (RFC 7523, "private_key_jwt"), for this token endpoint: PS256, x5t#S256,
 * valid for five minutes, different each time.  ERR_NO_IDENTITY: the certificate is not valid now, or its key cannot
 * sign.
 */
enum err oauth_client_assertion(const struct oauth_client *client, struct str endpoint, struct arena *arena,
                                struct str *jwt_out, struct str *why_out) MUST_CHECK;
