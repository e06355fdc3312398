/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_endpoint — requests to an authority's endpoints.  Private to the oauth module.
 *
 * Secrets, assertions and refresh tokens are posted to the configured authority only.  An authority's text about a
 * failure is shown only if nothing in it can be a secret.
 */
#pragma once

#include "fetch/fetch.h"
#include "oauth/oauth_client.h"

struct oauth_field { /* of a form; the last one of an array has no name */
	const char *name;
	struct str  value;
};

/* Sets the reason, and returns ERR_NO_IDENTITY. */
enum err oauth_no_identity(const char *why, struct str *why_out);
/* `endpoint`: "token" or "devicecode". */
struct str oauth_endpoint_url(const struct oauth_client *client, const char *endpoint, struct arena *arena);
/* ERR_NO_IDENTITY: the authority's URL.  ERR_BUSY.  ERR_UP_REFUSED: its certificate. */
enum err oauth_post(const struct oauth_client *client, const char *endpoint, const struct oauth_field *fields,
                    struct fetch *fetch, struct arena *arena, struct fetch_response *response_out, struct str *why_out)
	MUST_CHECK;
/* *answer_out: a copy of a token endpoint's answer.  ERR_NO_IDENTITY: the status is not 200, or it is too long. */
enum err oauth_answer(const struct fetch_response *response, struct arena *arena, struct str *answer_out) MUST_CHECK;
/* The `error` of an answer, for example "invalid_grant"; empty without one. */
struct str oauth_error_code(struct str body, struct arena *arena);
/* ": invalid_grant AADSTS…", the end of a message; empty if it may hold a secret.  `secret` is what was posted. */
struct str oauth_error_text(struct str body, struct str secret, struct arena *arena);
/* Reports a failed request.  ERR_BUSY: it may succeed later.  ERR_NO_IDENTITY. */
enum err oauth_failed(const char *endpoint, const struct fetch_response *response, struct str secret,
                      struct arena *arena, struct str *why_out);
