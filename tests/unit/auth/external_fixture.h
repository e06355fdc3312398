/* SPDX-License-Identifier: Apache-2.0 */
/* An external issuer in a test: a key, the set that publishes it, and a source of sets that the test owns. */
#pragma once

#include "unit/auth/fixture.h"

#include "auth/jwks.h"

#define OUT_ISS "https://login.example/{tid}/v2.0"

struct library { /* what is at each address */
	struct str url[4], text[4];
	enum err   err; /* when it is not OK every fetch fails by it */
	unsigned   fetches, complaints;
};

static inline enum err
library_fetch(void *ctx, struct str url, struct str ca, struct buf *body, char why_out[256])
{
	struct library *library = ctx;

	(void)ca;
	library->fetches++;
	why_out[0] = 0;
	if (library->err != OK)
		return library->err;
	for (size_t i = 0; i < 4; i++) {
		if (library->url[i].len == 0 || !str_eq(library->url[i], url))
			continue;
		buf_put(body, library->text[i]);
		return OK;
	}
	return ERR_UP_REFUSED;
}

static inline void
library_report(void *ctx, const struct auth_external *row, const char *what)
{
	assert_non_null(row);
	assert_true(what[0] != 0);
	((struct library *)ctx)->complaints++;
}

/* One ES256 key as a member of a set; `more` is JSON like ,"use":"sig" */
static inline struct str
jwk_of(const struct sign_key *key, const char *kid, const char *more, struct arena *arena)
{
	uint8_t x[32], y[32];

	sign_key_ec_point(key, x, y);
	return arena_printf(arena, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"%s\",\"x\":\"%.*s\",\"y\":\"%.*s\"%s}",
	                    kid, STR_ARG(b64_of(str_of(x, 32), arena)), STR_ARG(b64_of(str_of(y, 32), arena)), more);
}

static inline struct str
set_of_one(const struct sign_key *key, const char *kid, struct arena *arena)
{
	return arena_printf(arena, "{\"keys\":[%.*s]}", STR_ARG(jwk_of(key, kid, "", arena)));
}
