/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens against hostile bytes.  The first byte chooses:
 *
 *   t  the rest is a token's text: it never opens unless it is, letter for letter, one that we sealed
 *   p  the rest is what would stand inside the seal: what is read is written back to the same bytes
 *   s  the rest is a place and what to damage: a sealed token opens to itself, a damaged one to nothing
 *
 * Keys come from a counter, so tokens in the corpus can be opened by every run.
 */
#include <stddef.h>
#include <stdint.h>

#include "text/b64.h"
#include "token/token_codec.h"

struct fixed {
	uint8_t bytes[24];
};

static void
fixed_fill(void *ctx, void *bytes, size_t len)
{
	const struct fixed *fixed = ctx;
	uint8_t            *at = bytes;

	for (size_t i = 0; i < len; i++)
		at[i] = fixed->bytes[i % sizeof(fixed->bytes)];
}

static const struct token_bind bind = { { { { 1 } }, { { 2 } }, 1 }, TOKEN_CALENDARS_DELTA };

static struct token_ring *
open_ring(void)
{
	static struct fixed   fixed = { { 1, 2, 3, 4, 5, 6, 7, 8 } };
	static struct entropy entropy = { &fixed, fixed_fill };
	struct store_conf     conf = {
		    .url = STR("memory:"), .create = true, .clock = &clock_system, .entropy = &entropy_system
	};
	struct store      *store = NULL;
	struct token_ring *ring = NULL;
	char               why[512];

	MUST(crypt_init() == OK);
	MUST(store_open(&conf, &store, why) == OK);
	MUST(token_ring_open(store, &clock_system, &entropy, &ring) == OK);
	return ring;
}

static struct token_key
ring_key(void)
{
	struct token_key key = { { 1, 2, 3, 4 }, { 0 } };

	for (size_t i = 0; i < sizeof(key.bytes); i++)
		key.bytes[i] = (uint8_t)(i % 24 < 8 ? i % 24 + 1 : 0);
	return key;
}

/* Sealing what was opened, with the nonce it came with, must give the very same text. */
static void
check_text(struct token_ring *ring, struct str text, struct arena *arena)
{
	struct token_key key = ring_key();
	struct token_raw raw;
	struct token     token;
	struct fixed     nonce;
	struct entropy   entropy = { &nonce, fixed_fill };
	enum err         err = token_open(ring, text, &bind, arena, &token);

	MUST(err == OK || err == ERR_BAD_TOKEN || err == ERR_GONE);
	if (err != OK)
		return;
	MUST(token_raw_read(text, &raw));
	memcpy(nonce.bytes, raw.bytes + TOKEN_HEAD_BYTES, sizeof(nonce.bytes));
	MUST(str_eq(token_seal_with(&key, &token, &bind, &entropy, arena), text));
}

static void
check_plain(struct str plain)
{
	uint8_t      back[TOKEN_PLAIN_MAX];
	struct token token;

	if (!token_plain_read(plain, &token))
		return;
	MUST(token_plain_write(&token, back) == plain.len);
	MUST(memcmp(back, plain.at, plain.len) == 0);
}

static void
check_damage(struct token_ring *ring, struct str input, struct arena *arena)
{
	uint8_t      seed[3 + TOKEN_PLAIN_MAX] = { 0 };
	struct token token, back;
	struct str   text;
	char        *damaged;
	size_t       where;

	input = str_first(input, sizeof(seed));
	if (input.len > 0)
		memcpy(seed, input.at, input.len);
	if (!token_plain_read(str_skip(input, 3), &token)) {
		token = (struct token){ .options = str_first(input, TOKEN_OPTIONS_MAX) };
		token.cursor.span = (struct span){ seed[3], UINT64_MAX, seed[4] & 1 };
	}
	text = token_seal(ring, &token, &bind, arena);
	MUST(token_open(ring, text, &bind, arena, &back) == OK);
	MUST(back.cursor.span.after == token.cursor.span.after && str_eq(back.options, token.options));
	if (seed[2] == 0)
		return;
	where = (size_t)(seed[0] | seed[1] << 8) % text.len;
	damaged = arena_take_raw(arena, text.len);
	memcpy(damaged, text.at, text.len);
	damaged[where] = (char)(damaged[where] ^ seed[2]);
	MUST(token_open(ring, str_of(damaged, text.len), &bind, arena, &back) != OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token_ring *ring; /* one for the whole run */
	struct arena             *arena = arena_open((size_t)1 << 20);
	struct str                rest = str_of(size > 0 ? data + 1 : data, size > 0 ? size - 1 : 0);

	if (!ring)
		ring = open_ring();
	if (size > 0 && data[0] == 't')
		check_text(ring, rest, arena);
	if (size > 0 && data[0] == 'p')
		check_plain(rest);
	if (size > 0 && data[0] == 's')
		check_damage(ring, rest, arena);
	arena_close(&arena);
	return 0;
}
