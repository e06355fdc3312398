/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assertion — the signed statement by which a client shows that it holds its certificate's key (RFC 7523), as
 * Entra ID accepts it from applications.  Private to the auth module.
 *
 * Only PS256 and RS256, only for that token endpoint, only by the registered certificate, which the header must
 * name, within its dates, and for ten minutes at most.  Within them it may be sent again, as with Entra ID: MSAL keeps
 * an assertion and sends it for every scope (RFC 7523 section 3 leaves that to the server).
 */
#pragma once

#include "auth/client.h"
#include "auth/jwt.h"

#define ASSERTION_LIFE_S 600

struct assertion {
	struct str text;
	struct str audience; /* the token endpoint's address, as the client called it */
	int64_t    now_s;
};

/* ERR_NO_IDENTITY; ERR_STALE: the signature is good, the time is not. */
enum err assertion_check(const struct assertion *assertion, const struct client *client, struct arena *arena)
	MUST_CHECK;
