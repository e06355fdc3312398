/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/seal.h"

#include <sodium.h>

#include "base/bytes.h"

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES   crypto_aead_xchacha20poly1305_ietf_ABYTES

_Static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the key length is the cipher's");
_Static_assert(SEAL_EXTRA_BYTES == NONCE_BYTES + TAG_BYTES, "so is what sealing adds");
_Static_assert(HASH_KEYED_BYTES == crypto_shorthash_siphashx24_KEYBYTES, "the key length is SipHash's");
_Static_assert(crypto_pwhash_argon2id_STRBYTES <= 128, "secret_hash() writes into 128 bytes");

/*
 * Client secrets are checked on request threads beside thousands of connections: OWASP's smaller argon2id setting, and
 * 4 KiB, because hashes of exactly 19 MiB are of earlier versions, which made them of all secrets.
 */
#define SECRET_MEMORY_KIB 19460
#define SECRET_PASSES     2
#define SLOW              "$argon2id$"
#define SLOW_OLD          SLOW "v=19$m=19456,t=2,p=1$"

#define RANDOM           "$blake2b$"
#define RANDOM_KEY_BYTES 16
#define RANDOM_BYTES     32
#define RANDOM_KEY_AT    (sizeof(RANDOM) - 1)
#define RANDOM_AT        (RANDOM_KEY_AT + (size_t)2 * RANDOM_KEY_BYTES + 1)
#define RANDOM_LEN       (RANDOM_AT + (size_t)2 * RANDOM_BYTES)

_Static_assert(RANDOM_KEY_BYTES >= crypto_generichash_KEYBYTES_MIN, "the key is long enough for BLAKE2b");

static const unsigned char *
bytes_of(struct str s)
{
	return (const unsigned char *)s.at;
}

enum err
crypt_init(void)
{
	return sodium_init() >= 0 ? OK : ERR_IO;
}

void
seal_close(const uint8_t key[SEAL_KEY_BYTES], struct str plain, struct str bound, const struct entropy *entropy,
           uint8_t *out)
{
	unsigned long long len = 0;

	entropy_fill(entropy, out, NONCE_BYTES);
	MUST(crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_BYTES, &len, bytes_of(plain), plain.len,
	                                                bytes_of(bound), bound.len, NULL, out, key) == 0);
	MUST(len == plain.len + TAG_BYTES);
}

bool
seal_open(const uint8_t key[SEAL_KEY_BYTES], struct str sealed, struct str bound, uint8_t *out, size_t *len_out)
{
	struct str         nonce = str_first(sealed, NONCE_BYTES);
	struct str         rest = str_skip(sealed, NONCE_BYTES);
	unsigned long long len = 0;

	if (sealed.len < SEAL_EXTRA_BYTES)
		return false;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, &len, NULL, bytes_of(rest), rest.len, bytes_of(bound),
	                                               bound.len, bytes_of(nonce), key) != 0)
		return false;
	*len_out = (size_t)len;
	return true;
}

void
hash_blake2b(struct str bytes, uint8_t *out, size_t out_len)
{
	MUST(out_len >= crypto_generichash_BYTES_MIN && out_len <= crypto_generichash_BYTES_MAX);
	MUST(crypto_generichash(out, out_len, bytes_of(bytes), bytes.len, NULL, 0) == 0);
}

void
hash_keyed(const uint8_t key[HASH_KEYED_BYTES], struct str bytes, uint8_t out[HASH_KEYED_BYTES])
{
	MUST(crypto_shorthash_siphashx24(out, bytes_of(bytes), bytes.len, key) == 0);
}

void
hash_sha256(struct str bytes, uint8_t out[32])
{
	MUST(crypto_hash_sha256(out, bytes_of(bytes), bytes.len) == 0);
}

bool
crypt_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void
crypt_wipe(void *bytes, size_t len)
{
	sodium_memzero(bytes, len);
}

void *
secret_take(size_t size)
{
	void *secret = sodium_malloc(size);

	MUST(secret != NULL);
	return memset(secret, 0, size);
}

void
secret_drop(void *secret)
{
	sodium_free(secret);
}

enum err
secret_hash(struct str secret, char text_out[128])
{
	char text[crypto_pwhash_argon2id_STRBYTES];

	if (crypto_pwhash_argon2id_str(text, secret.at, secret.len, SECRET_PASSES, (size_t)SECRET_MEMORY_KIB * 1024) !=
	    0)
		return ERR_BUSY;
	memcpy(text_out, text, sizeof(text));
	return OK;
}

static bool
take_number(struct str *rest, struct str name, char end, uint64_t *value_out)
{
	struct str digits;

	if (!str_starts(*rest, name))
		return false;
	*rest = str_skip(*rest, name.len);
	return str_take_until(rest, end, &digits) && str_to_u64(digits, value_out);
}

/* The text comes from the store or an import: it must not decide how much memory and time this process uses. */
static bool
asks_fair_work(struct str text)
{
	uint64_t   memory_kib, passes;
	struct str head = STR(SLOW "v=19$");

	if (!str_starts(text, head))
		return false;
	text = str_skip(text, head.len);
	return take_number(&text, STR("m="), ',', &memory_kib) && take_number(&text, STR("t="), ',', &passes) &&
	       str_starts(text, STR("p=1$")) && memory_kib <= SECRET_MEMORY_MAX_KIB && passes <= SECRET_PASSES_MAX;
}

static void
hash_random(struct str secret, const uint8_t key[RANDOM_KEY_BYTES], uint8_t out[RANDOM_BYTES])
{
	MUST(crypto_generichash(out, RANDOM_BYTES, bytes_of(secret), secret.len, key, RANDOM_KEY_BYTES) == 0);
}

void
secret_hash_random(struct str secret, const struct entropy *entropy, char text_out[128])
{
	uint8_t key[RANDOM_KEY_BYTES], hash[RANDOM_BYTES];

	entropy_fill(entropy, key, sizeof(key));
	hash_random(secret, key, hash);
	memcpy(text_out, RANDOM, RANDOM_KEY_AT);
	hex_write(key, sizeof(key), text_out + RANDOM_KEY_AT);
	text_out[RANDOM_AT - 1] = '$';
	hex_write(hash, sizeof(hash), text_out + RANDOM_AT);
	text_out[RANDOM_LEN] = '\0';
}

static bool
matches_random(struct str secret, struct str text)
{
	uint8_t key[RANDOM_KEY_BYTES], hash[RANDOM_BYTES], found[RANDOM_BYTES];

	if (text.len != RANDOM_LEN || text.at[RANDOM_AT - 1] != '$' ||
	    !hex_read(str_of(text.at + RANDOM_KEY_AT, (size_t)2 * sizeof(key)), key, sizeof(key)) ||
	    !hex_read(str_skip(text, RANDOM_AT), hash, sizeof(hash)))
		return false;
	hash_random(secret, key, found);
	return crypt_equal(found, hash, sizeof(hash));
}

bool
secret_matches(struct str secret, const char *text)
{
	struct str hash = str_of(text, strnlen(text, crypto_pwhash_argon2id_STRBYTES));

	if (str_starts(hash, STR(RANDOM)))
		return matches_random(secret, hash);
	return hash.len < crypto_pwhash_argon2id_STRBYTES && asks_fair_work(hash) &&
	       crypto_pwhash_argon2id_str_verify(text, secret.at, secret.len) == 0;
}

bool
secret_is_slow(struct str text)
{
	return str_starts(text, STR(SLOW));
}

bool
secret_is_old(struct str text)
{
	return str_starts(text, STR(SLOW_OLD));
}

bool
secret_hash_valid(struct str text)
{
	return secret_is_slow(text) || str_starts(text, STR(RANDOM));
}
