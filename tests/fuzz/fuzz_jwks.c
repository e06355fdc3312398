/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a set of keys: refused with a sentence, or a set of which every key can be used. */
#include "auth/jwks.h"
#include "crypt/seal.h"

static struct arena *arena;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jwks *jwks = NULL;
	const char  *why = NULL;

	if (!arena) {
		arena = arena_open((size_t)64 << 20);
		MUST(crypt_init() == OK);
	}
	arena_reset(arena);
	if (jwks_parse(str_of(data, size), arena, &jwks, &why) != OK) {
		MUST(!jwks && why && why[0]);
		return 0;
	}
	MUST(jwks->count > 0 && jwks->count <= JWKS_KEYS_MAX);
	for (size_t i = 0; i < jwks->count; i++) {
		MUST(jwks->keys[i].kid.len > 0 && jwks->keys[i].kid.len <= 128);
		MUST(!sign_check(jwks->keys[i].key, STR("message"), STR("signature")));
	}
	jwks_drop(&jwks);
	return 0;
}
