/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_client — OAuth 2.0 client credentials, as Entra ID and a store's own issuer grant them.  Private to the follow room.
 *
 * The secret is posted to the authority's token endpoint and nowhere else.
 */
#pragma once

#include "follow/follow_bearer.h"
#include "follow/follow_curl.h"

/* *answer_out: the JSON of the token endpoint.  ERR_NO_IDENTITY, ERR_BUSY. */
enum err follow_client_ask(const struct follow_client *client, struct follow_curl *curl, struct arena *arena,
                           struct str *answer_out, struct str *why_out) MUST_CHECK;
