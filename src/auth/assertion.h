/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assertion — the signed statement by which a client shows that it holds its certificate's key (RFC 7523), as Entra ID
 * takes it from applications.  Private to the auth module.
 *
 * Only PS256 and RS256, only for that token endpoint, only by the registered certificate, which the header must name, and
 * within its dates; for ten minutes at most.  Within them it may come again, as Entra ID takes it too: MSAL keeps an assertion
 * and sends it for every scope (RFC 7523 section 3 leaves that to the server).
 */
#pragma once

#include "auth/client.h"
#include "auth/jwt.h"

#define ASSERTION_LIFE_S    600
#define ASSERTION_BYTES_MAX ((size_t)16 << 10) /* more than other JWTs: its header may hold a chain of certificates */

struct assertion {
	struct str text;
	struct str audience; /* the token endpoint's address, as it was called */
	int64_t    now_s;
};

/* ERR_NO_IDENTITY; ERR_STALE: signed rightly, at the wrong time. */
enum err assertion_check(const struct assertion *assertion, const struct client *client, struct arena *arena)
	MUST_CHECK;
