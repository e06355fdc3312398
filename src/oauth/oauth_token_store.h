/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_token_store — the file that keeps a person signed in: a refresh token, and whose it is.
 *
 * It stands beside the store, is readable by its owner alone, and is replaced in one step, by one process at a time.
 * The token is for the authority, tenant and client it was given by; to anybody else the file is as good as not there.
 */
#pragma once

#include "oauth/oauth_credential.h"

#define OAUTH_TOKEN_STORE_MAX ((size_t)64 << 10)

/*
 * ERR_NOT_FOUND: no file, or one of another authority, tenant or client.  ERR_NO_IDENTITY: not a file of ours, or
 * others may read it; why_out says so.
 */
enum err oauth_token_store_read(const struct oauth_client *client, struct arena *arena, struct str *token_out,
                                struct str *why_out) MUST_CHECK;
/* ERR_NO_IDENTITY: it cannot be written. */
enum err oauth_token_store_write(const struct oauth_client *client, struct str token, struct arena *arena,
                                 struct str *why_out) MUST_CHECK;
/* False: the file has another token by now; another process has renewed the sign-in. */
bool oauth_token_store_forget(const struct oauth_client *client, struct str token, struct arena *arena);
