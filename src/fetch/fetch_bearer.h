/* SPDX-License-Identifier: Apache-2.0 */
/* fetch_bearer — where the bearer token of a request comes from: src/oauth in the program, a function in the tests. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define FETCH_BEARER_MAX ((size_t)64 << 10)

struct fetch_secrets;

struct fetch_bearer {
	void *ctx;
	/*
	 * `again`: the last token was refused; get a new one.  ERR_NO_IDENTITY: there is none; *why_out never contains a
	 * secret.  ERR_BUSY: try later.  ERR_UP_REFUSED: the token endpoint's certificate or protocol is not acceptable.
	 */
	enum err (*get)(void *ctx, bool again, struct arena *arena, struct str *bearer_out, struct str *why_out);
	const struct fetch_secrets *secrets; /* must not come back from the remote; NULL: none are known */
};
