/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assertion — the signed statement by which a client shows that it holds its certificate's key (RFC 7523), as
 * Entra ID accepts it from applications.  Private to the auth module.
 *
 * Only PS256 and RS256, only for this server, only by the registered certificate, which the header must name, within
 * its dates.  Its nbf and iat lie at most ten minutes back, its exp at most an hour ahead: older libraries send half an
 * hour, and Entra ID has no limit.  Within them it may be sent again, as with Entra ID: MSAL keeps an assertion and
 * sends it for every scope (RFC 7523 section 3 leaves that to the server).  The signature is checked whatever the
 * header says, so a fault there shows nothing by its time.
 */
#pragma once

#include "auth/client.h"
#include "auth/jwt.h"

#define ASSERTION_OLDEST_S  600
#define ASSERTION_LIFE_S    3600
#define ASSERTION_BYTES_MAX ((size_t)16 << 10) /* more than other JWTs: its header may hold a chain of certificates */

struct assertion {
	struct str        text;
	const struct str *audiences; /* it must be for one of them; letter case counts for nothing */
	size_t            audience_count;
	int64_t           now_s;
};

/* ERR_NO_IDENTITY; ERR_STALE: the signature is good, the time is not. */
enum err assertion_check(const struct assertion *assertion, const struct client *client, struct arena *arena)
	MUST_CHECK;
