/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_client — what is asked of an authority's endpoints, as Entra ID and a store's own issuer understand it.
 *
 * Secrets, assertions and refresh tokens are posted to the configured authority and nowhere else; no redirect is
 * followed.  What an authority says about a failure is told on only if it holds nothing that may be a secret.
 */
#pragma once

#include "follow/follow_bearer.h"
#include "follow/follow_curl.h"

/* A token for the client.  *answer_out: the JSON of the token endpoint.  ERR_NO_IDENTITY, ERR_BUSY, ERR_UP_REFUSED. */
enum err follow_client_request(const struct follow_client *client, struct follow_curl *curl, struct arena *arena,
                               struct str *answer_out, struct str *why_out) MUST_CHECK;

/*
 * The signed statement that says who the client is (RFC 7523, "private_key_jwt"), for that token endpoint: PS256,
 * x5t#S256, five minutes long, never the same twice.  ERR_NO_IDENTITY: the certificate is out of its dates, or its
 * key does not work.
 */
enum err follow_client_assertion(const struct follow_client *client, struct str endpoint, struct arena *arena,
                                 struct str *jwt_out, struct str *why_out) MUST_CHECK;

/* `endpoint`: "token" or "devicecode".  ERR_NO_IDENTITY: the authority's URL; ERR_BUSY; ERR_UP_REFUSED: its certificate. */
enum err follow_client_post(const struct follow_client *client, const char *endpoint, struct str form,
                            struct follow_curl *curl, struct arena *arena, struct follow_response *response_out,
                            struct str *why_out) MUST_CHECK;
/* ": invalid_grant AADSTS…" for the end of a message; `secret` is what was posted.  Empty if it may not be told. */
struct str follow_client_said(struct str body, struct str secret, struct arena *arena);
/* The answer of a failed request as an error: ERR_BUSY when it may go better later, else ERR_NO_IDENTITY. */
enum err follow_client_refused(const struct follow_response *response, struct str secret, struct arena *arena,
                               struct str *why_out) MUST_CHECK;
/* A part of a form. */
struct str follow_client_part(struct str text, struct arena *arena);
