/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_credential — where the bearer token comes from: a file, a command's output, an environment variable, or a token
 * endpoint.
 *
 * A file or a command gives the token itself, or a JSON object with `accessToken` or `access_token` (as
 * `az account get-access-token` and token endpoints print it).  A token is used until it is refused once or is about to
 * expire.  It never appears in a message.
 */
#pragma once

#include "fetch/fetch.h"
#include "oauth/oauth_client.h"

struct oauth_credential;

struct oauth_credential_conf { /* one of the first four; texts must outlive the credential */
	const char                *file;
	const char                *command; /* for /bin/sh; may take a minute */
	const char                *value;   /* the token, as the environment has it */
	const struct oauth_client *client;  /* posts by `fetch` */
	struct fetch              *fetch;
	const struct clock        *clock;
	bool (*stopped)(void *ctx); /* called while a file or a command is waited for; may be NULL */
	void *stopped_ctx;
};

struct oauth_credential *oauth_credential_open(const struct oauth_credential_conf *conf); /* never NULL */
void                     oauth_credential_close(struct oauth_credential **credential);
struct fetch_bearer      oauth_credential_bearer(struct oauth_credential *credential);
/* Uses the answer of a token endpoint, which saves the first request.  ERR_NO_IDENTITY. */
enum err oauth_credential_remember(struct oauth_credential *credential, struct str answer, struct arena *arena,
                                   struct str *why_out) MUST_CHECK;
