/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache — tokens that were found good, so their signature need not be checked again.  Private to the auth module.
 *
 * Only good tokens are kept, so a flood of bad ones neither fills the cache nor displaces good
 * ones.  A token is found by a hash of all its bytes under a key of this process; the token itself is
 * not kept.  Size is fixed: CACHE_SETS sets of CACHE_WAYS; a new token replaces the longest unused of its set.
 * A token expires here when either clock says so: setting the wall clock back does not revive it.
 *
 * Shared between threads; a set is guarded by one of CACHE_LOCKS locks.
 */
#pragma once

#include "auth/auth.h"
#include "crypt/seal.h"

#define CACHE_SETS     1024
#define CACHE_WAYS     4
#define CACHE_LOCKS    16
#define CACHE_KEY_LEN  HASH_KEYED_BYTES
#define CACHE_TEXT_MAX 512 /* a caller with more text than this is checked anew each time */

struct cache;

struct cache_moment {
	int64_t  wall_s;
	int64_t  mono_ms;
	uint64_t keys; /* generation of the external keys: a token checked under another one is dropped */
};

struct cache_life {             /* both ends with the allowed skew already in */
	int64_t  from_wall_s;   /* not before this */
	int64_t  until_wall_s;  /* before this */
	int64_t  until_mono_ms; /* before this */
	uint64_t keys;          /* as long as the external keys are of this generation */
	uint64_t value;         /* the store's kv generation at the last revocation check; the caller's business */
};

struct cache *cache_open(const struct entropy *entropy);
void          cache_close(struct cache **cache);

void     cache_key(const struct cache *cache, struct str token, uint8_t key_out[CACHE_KEY_LEN]);
bool     cache_get(struct cache *cache, const uint8_t key[CACHE_KEY_LEN], const struct cache_moment *now,
                   struct arena *arena, struct caller *caller_out, struct cache_life *life_out);
void     cache_put(struct cache *cache, const uint8_t key[CACHE_KEY_LEN], const struct cache_life *life,
                   const struct caller *caller);
void     cache_drop(struct cache *cache, const uint8_t key[CACHE_KEY_LEN]);
uint64_t cache_count(struct cache *cache);
