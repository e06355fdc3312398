/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/jwks.h"

#include <stdlib.h>

#include "auth/jwt.h"
#include "text/b64.h"
#include "text/json_read.h"

void
jwks_drop(struct jwks **jwks)
{
	if (!*jwks)
		return;
	for (size_t i = 0; i < (*jwks)->count; i++) {
		/* Made by us, and handed out for reading only. */
		struct sign_key *key = (struct sign_key *)(uintptr_t)(*jwks)->keys[i].key;

		sign_key_close(&key);
		free((void *)(uintptr_t)(*jwks)->keys[i].kid.at);
	}
	free(*jwks);
	*jwks = NULL;
}

static bool
holds_a_secret(const struct json *key)
{
	static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };

	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (json_member(key, members[i]))
			return true;
	return false;
}

/* Absent, or a text; the text comes out empty when it is absent. */
static bool
read_optional(const struct json *key, const char *name, struct str *text_out)
{
	const struct json *member = json_member(key, name);

	*text_out = STR_EMPTY;
	return !member || (json_text(member, text_out) && text_out->len > 0);
}

static bool
is_for_checking(const struct json *key)
{
	const struct json *ops = json_member(key, "key_ops");
	struct str         use, op;
	bool               checks = false;

	if (!read_optional(key, "use", &use) || (use.len > 0 && !str_eq(use, STR("sig"))))
		return false;
	if (!ops)
		return true;
	if (json_kind(ops) != JSON_ARRAY)
		return false;
	for (const struct json *one = json_first(ops); one; one = one->next) {
		if (!json_text(one, &op))
			return false;
		checks = checks || str_eq(op, STR("verify"));
	}
	return checks;
}

static bool
read_bytes(const struct json *key, const char *name, struct arena *arena, struct str *bytes_out)
{
	struct str text;

	return json_text(json_member(key, name), &text) && b64_decode(B64_URL, text, arena, bytes_out);
}

static enum err
read_rsa(const struct json *key, struct str alg, struct arena *arena, struct sign_key **key_out)
{
	enum sign_alg which = str_eq(alg, STR("PS256")) ? SIGN_PS256 : SIGN_RS256;
	struct str    n, e;

	if (alg.len > 0 && !str_eq(alg, str_from_c(sign_alg_name(which))))
		return ERR_BAD_REQUEST;
	if (!read_bytes(key, "n", arena, &n) || !read_bytes(key, "e", arena, &e))
		return ERR_BAD_REQUEST;
	return sign_key_from_rsa(n, e, which, key_out);
}

static enum err
read_ec(const struct json *key, struct str alg, struct arena *arena, struct sign_key **key_out)
{
	struct str crv, x, y;

	if (alg.len > 0 && !str_eq(alg, STR("ES256")))
		return ERR_BAD_REQUEST;
	if (!json_text(json_member(key, "crv"), &crv) || !str_eq(crv, STR("P-256")))
		return ERR_BAD_REQUEST;
	if (!read_bytes(key, "x", arena, &x) || !read_bytes(key, "y", arena, &y))
		return ERR_BAD_REQUEST;
	return sign_key_from_ec(x, y, key_out);
}

/* "Ed25519" is the name RFC 9864 gives the one algorithm that tokens still call "EdDSA". */
static enum err
read_okp(const struct json *key, struct str alg, struct arena *arena, struct sign_key **key_out)
{
	struct str crv, x;

	if (alg.len > 0 && !str_eq(alg, STR("EdDSA")) && !str_eq(alg, STR("Ed25519")))
		return ERR_BAD_REQUEST;
	if (!json_text(json_member(key, "crv"), &crv) || !str_eq(crv, STR("Ed25519")) ||
	    !read_bytes(key, "x", arena, &x))
		return ERR_BAD_REQUEST;
	return sign_key_from_ed25519(x, key_out);
}

static enum err
read_key(const struct json *key, struct arena *arena, struct sign_key **key_out)
{
	struct str kty, alg;

	if (!is_for_checking(key) || !read_optional(key, "alg", &alg) || !json_text(json_member(key, "kty"), &kty))
		return ERR_BAD_REQUEST;
	if (str_eq(kty, STR("RSA")))
		return read_rsa(key, alg, arena, key_out);
	if (str_eq(kty, STR("EC")))
		return read_ec(key, alg, arena, key_out);
	if (str_eq(kty, STR("OKP")))
		return read_okp(key, alg, arena, key_out);
	return ERR_BAD_REQUEST;
}

/* Takes the key if it is one we can use. */
static void
add_key(struct jwks *jwks, const struct json *key, struct arena *arena)
{
	struct trust_key *slot = &jwks->keys[jwks->count];
	struct sign_key  *made;
	struct str        kid;
	char             *copy;

	if (!json_text(json_member(key, "kid"), &kid) || kid.len == 0 || kid.len > JWT_KID_MAX)
		return;
	if (read_key(key, arena, &made) != OK)
		return;
	copy = malloc(kid.len);
	MUST(copy);
	memcpy(copy, kid.at, kid.len);
	slot->kid = str_of(copy, kid.len);
	slot->key = made;
	jwks->count++;
}

static const char *
read_keys(const struct json *keys, struct jwks *jwks, struct arena *arena)
{
	if (json_kind(keys) != JSON_ARRAY)
		return "it has no array \"keys\"";
	if (json_count(keys) > JWKS_KEYS_MAX)
		return "it has more than 64 keys";
	for (const struct json *key = json_first(keys); key; key = key->next) {
		if (json_kind(key) != JSON_OBJECT)
			return "one of its keys is not an object";
		if (holds_a_secret(key))
			return "it holds a private or a symmetric key";
		add_key(jwks, key, arena);
	}
	return jwks->count > 0 ? NULL : "it holds no key that can be used";
}

enum err
jwks_parse(struct str text, struct arena *arena, struct jwks **jwks_out, const char **why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	AUTO(jwks_drop) struct jwks *jwks = NULL;
	const char                  *why;

	if (text.len > JWKS_BYTES_MAX) {
		*why_out = "it is larger than 256 KiB";
		return ERR_TOO_LARGE;
	}
	if (json_read(text, arena, &root, NULL) != OK || json_kind(root) != JSON_OBJECT) {
		*why_out = "it is not a JSON object";
		return ERR_BAD_REQUEST;
	}
	jwks = handle_new(sizeof(*jwks));
	why = read_keys(json_member(root, "keys"), jwks, arena);
	if (why) {
		*why_out = why;
		return ERR_BAD_REQUEST;
	}
	*jwks_out = jwks;
	jwks = NULL;
	return OK;
}
