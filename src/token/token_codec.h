/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_codec — the bytes of a token, given a key.  Private to the token module and its tests.
 *
 * The sealed fields, little-endian, all of them present:
 *
 *   issued_s:8 after:8 until:8 initial:1 generation:16 epoch:4 seen:8 options_len:2 options
 *
 * There is exactly one way to write a token, and nothing may follow it.
 */
#pragma once

#include "crypt/seal.h"
#include "token/token.h"

#define TOKEN_VERSION     1
#define TOKEN_ID_BYTES    4
#define TOKEN_HEAD_BYTES  (1 + TOKEN_ID_BYTES)
#define TOKEN_FIXED_BYTES (8 + 8 + 8 + 1 + 16 + 4 + 8 + 2)
#define TOKEN_PLAIN_MAX   (TOKEN_FIXED_BYTES + TOKEN_OPTIONS_MAX)
#define TOKEN_RAW_MIN     (TOKEN_HEAD_BYTES + SEAL_EXTRA_BYTES + TOKEN_FIXED_BYTES)
#define TOKEN_RAW_MAX     (TOKEN_RAW_MIN + TOKEN_OPTIONS_MAX)

struct token_key {
	uint8_t id[TOKEN_ID_BYTES];
	uint8_t bytes[SEAL_KEY_BYTES];
};

/* A text whose alphabet, length and version are those of our tokens.  Nothing else is checked yet. */
struct token_raw {
	uint8_t bytes[TOKEN_RAW_MAX];
	size_t  len;
};

bool           token_raw_read(struct str text, struct token_raw *raw_out);
const uint8_t *token_raw_key_id(const struct token_raw *raw);

struct str token_seal_with(const struct token_key *key, const struct token *token, const struct token_bind *bind,
                           const struct entropy *entropy, struct arena *arena);
bool       token_open_with(const struct token_key *key, const struct token_raw *raw, const struct token_bind *bind,
                           struct arena *arena, struct token *token_out);

/* The sealed fields: returns their length.  And back: the options are a view into `plain`. */
size_t token_plain_write(const struct token *token, uint8_t plain_out[TOKEN_PLAIN_MAX]);
bool   token_plain_read(struct str plain, struct token *token_out);
