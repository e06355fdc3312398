/* SPDX-License-Identifier: Apache-2.0 */
/* oauth_refresh — a person's sign-in, renewed with the stored refresh token. */
#pragma once

#include "oauth/oauth_client.h"

/* Stores the refresh token of an answer; *stored_out is false if there is none.  ERR_NO_IDENTITY. */
enum err oauth_refresh_store(const struct oauth_client *client, struct str answer, struct arena *arena,
                             bool *stored_out, struct str *why_out) MUST_CHECK;
/* A new access token.  The new refresh token is stored before this returns.  ERR_NO_IDENTITY, ERR_BUSY. */
enum err oauth_refresh(const struct oauth_client *client, struct fetch *fetch, struct arena *arena,
                       struct str *answer_out, struct str *why_out) MUST_CHECK;
