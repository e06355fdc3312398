/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_bearer — where the credential comes from: a file, a command's output, a variable of the environment, or
 * a token endpoint that knows this program as a client, or the person who has signed in.
 *
 * What a file or a command gives is a bare token, or a JSON object with `accessToken` or `access_token`
 * (as `az account get-access-token` and token endpoints print it).  It is remembered until it is
 * refused once, or by what a token endpoint said is about to expire; then it is had anew.  It never
 * stands in a message.
 */
#pragma once

#include "base/clock.h"
#include "follow/follow_source.h"

#define FOLLOW_BEARER_MAX ((size_t)64 << 10)

struct follow_credential;
struct follow_curl;
struct rsa_cert;

/* OAuth 2.0: the client credentials grant with a secret or a certificate, or a person's refresh token. */
struct follow_client {
	struct str             authority; /* https://login.microsoftonline.com */
	struct str             tenant, id, scope;
	struct str             secret;  /* one of these three */
	const struct rsa_cert *cert;    /* with its private key */
	const char            *kept;    /* the file of follow_token_store.h */
	struct follow_secrets *secrets; /* learns what is posted; NULL: nobody does */
	const struct clock    *clock;
	const struct entropy  *entropy;
};

struct follow_credential_conf { /* one of them; texts must outlive the credential */
	const char                 *file;
	const char                 *command; /* for /bin/sh; has a minute */
	const char                 *value;   /* the token itself, as the environment had it */
	const struct follow_client *client;  /* with a source to post by */
	struct follow_curl         *curl;
	const struct clock         *clock;
	bool (*stopped)(void *ctx); /* asked while a file or a command is waited for; may be NULL */
	void *stopped_ctx;
};

struct follow_credential *follow_credential_open(const struct follow_credential_conf *conf); /* never NULL */
void                      follow_credential_close(struct follow_credential **credential);
struct follow_bearer      follow_credential_bearer(struct follow_credential *credential);
/* What a token endpoint has just answered, so that it need not be asked again at once.  ERR_NO_IDENTITY. */
enum err follow_credential_remember(struct follow_credential *credential, struct str answer, struct arena *arena,
                                    struct str *why_out) MUST_CHECK;

/* A token out of what was read.  ERR_NO_IDENTITY. */
enum err follow_bearer_read(struct str text, struct arena *arena, struct str *bearer_out, struct str *why_out)
	MUST_CHECK;
