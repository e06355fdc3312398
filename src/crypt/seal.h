/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal — XChaCha20-Poly1305 (libsodium): nobody without the key reads or changes what is sealed.
 *
 * The nonce is random (24 bytes, so it may be drawn without counting) and stands before the
 * sealed bytes.  `bound` is not sent but must be the same at both ends: it ties a sealed thing
 * to where it belongs.  crypt_init() must be called once before anything else in this module.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define SEAL_KEY_BYTES   32
#define SEAL_EXTRA_BYTES (24 + 16) /* nonce and tag */

enum err crypt_init(void) MUST_CHECK;

/* out must have room for plain.len + SEAL_EXTRA_BYTES. */
void seal_close(const uint8_t key[SEAL_KEY_BYTES], struct str plain, struct str bound, const struct entropy *entropy,
                uint8_t *out);
/* out must have room for sealed.len - SEAL_EXTRA_BYTES; false if anything was changed. */
bool seal_open(const uint8_t key[SEAL_KEY_BYTES], struct str sealed, struct str bound, uint8_t *out, size_t *len_out);

void hash_blake2b(struct str bytes, uint8_t *out, size_t out_len); /* 16..64 bytes */
/* SipHash-2-4 with 128 bits out: without the key nobody can compute it or find two inputs with the same hash. */
#define HASH_KEYED_BYTES 16
void hash_keyed(const uint8_t key[HASH_KEYED_BYTES], struct str bytes, uint8_t out[HASH_KEYED_BYTES]);
void hash_sha256(struct str bytes, uint8_t out[32]);
bool crypt_equal(const void *a, const void *b, size_t len); /* constant time */
void crypt_wipe(void *bytes, size_t len);

/*
 * Zeroed memory for keys: kept out of swap and core dumps where the system allows it, between guard pages, wiped by
 * secret_drop(). Uses whole pages; never NULL.
 */
void *secret_take(size_t size);
void  secret_drop(void *secret); /* NULL is fine */

/*
 * What is kept of a secret, a text that describes itself.  For one that people choose: argon2id of libsodium, which
 * takes 19 MiB and 20 ms on purpose; ERR_BUSY: no memory for it now.  For 256 random bits: BLAKE2b under a key of its
 * own, "$blake2b$KEY$HASH" in hex: nobody can try 2^256 secrets, however fast (docs/why/0009-sign-in.md).
 * A text that asks for more work than SECRET_… below never matches.
 */
#define SECRET_MEMORY_MAX_KIB 65536
#define SECRET_PASSES_MAX     10
enum err secret_hash(struct str secret, char text_out[128]) MUST_CHECK;
void     secret_hash_random(struct str secret, const struct entropy *entropy, char text_out[128]);
bool     secret_matches(struct str secret, const char *text);
bool     secret_hash_valid(struct str text); /* it begins as one of the two */
bool     secret_is_slow(struct str text);    /* argon2id */
/* Of a version of this program that did not tell the two kinds of secrets apart. */
bool secret_is_old(struct str text);
