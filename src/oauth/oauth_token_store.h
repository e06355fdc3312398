/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_token_store — the file of a person's refresh token.
 *
 * It is beside the store, only its owner may read it, and one process at a time replaces it in one step.  It names the
 * authority, the tenant and the client of its token; for any other client it counts as missing.
 */
#pragma once

#include "oauth/oauth_client.h"
#include "oauth/oauth_credential.h"

#define OAUTH_TOKEN_STORE_MAX ((size_t)64 << 10)

/*
 * ERR_NOT_FOUND: no file, or one of another authority, tenant or client.  ERR_NO_IDENTITY: not such a file, or
 * others may read it; see why_out.
 */
enum err oauth_token_store_read(const struct oauth_client *client, struct arena *arena, struct str *token_out,
                                struct str *why_out) MUST_CHECK;
/* ERR_NO_IDENTITY: it cannot be written. */
enum err oauth_token_store_write(const struct oauth_client *client, struct str token, struct arena *arena,
                                 struct str *why_out) MUST_CHECK;
/* Removes the file.  False: it has another token, because another process has renewed the sign-in. */
bool oauth_token_store_forget(const struct oauth_client *client, struct str token, struct arena *arena);

/* oauth_refresh — a person's sign-in, renewed with the stored refresh token. */
/* Stores the refresh token of an answer; *stored_out is false if there is none.  ERR_NO_IDENTITY. */
enum err oauth_refresh_store(const struct oauth_client *client, struct str answer, struct arena *arena,
                             bool *stored_out, struct str *why_out) MUST_CHECK;
/* A new access token.  The new refresh token is stored before this returns.  ERR_NO_IDENTITY, ERR_BUSY. */
enum err oauth_refresh(const struct oauth_client *client, struct fetch *fetch, struct arena *arena,
                       struct str *answer_out, struct str *why_out) MUST_CHECK;
