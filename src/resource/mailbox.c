/* SPDX-License-Identifier: Apache-2.0 */
#include "resource/mailbox.h"

#include "crypt/seal.h"
#include "text/b64.h"
#include "text/uri.h"

static size_t
count_characters(struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += ((unsigned char)text.at[i] & 0xc0) != 0x80;
	return count;
}

const char *
mailbox_check_name(struct str raw, struct str text, struct arena *arena)
{
	(void)raw;
	(void)arena;
	if (str_trim(text).len == 0)
		return "must not be empty";
	if (count_characters(text) > MAILBOX_NAME_CHARACTERS)
		return "must not be longer than 255 characters";
	return utf8_is_clean(text) ? NULL : "must not hold control characters";
}

/* It goes into ETags, where RFC 9110 section 8.8.3 allows no more. */
const char *
mailbox_check_change_key(struct str raw, struct str text, struct arena *arena)
{
	(void)raw;
	(void)arena;
	return str_is_within(text, '!', '~') && str_find(text, '"') == text.len && str_find(text, '\\') == text.len
	               ? NULL
	               : "must hold visible ASCII without quotes only";
}

/*
 * An id has the format of Graph's: 112 bytes with a header, the mailbox as text, then the folder's entry.  The entry
 * has a part for this history of the feed (generation and epoch) and a part for the change (seq), so no id comes twice.
 */
#define ID_BYTES   112
#define ENTRY_AT   42
#define ID_TAIL_AT (ID_BYTES - 7)

static void
put_counter(uint8_t *at, size_t len, uint64_t value)
{
	for (size_t i = 0; i < len; i++)
		at[len - 1 - i] = (uint8_t)(value >> (8 * i));
}

static void
hash_history(const struct feed_state *state, uint8_t *out, size_t out_len)
{
	uint8_t history[sizeof(struct guid) + 4];

	memcpy(history, &state->generation, sizeof(struct guid));
	put_counter(history + sizeof(struct guid), 4, state->epoch);
	hash_blake2b(str_of(history, sizeof(history)), out, out_len);
}

bool
mailbox_state(struct store_txn *txn, const struct resource_ctx *ctx, struct feed_state *state_out)
{
	if (!store_txn_state(txn, &ctx->feed, state_out))
		return false;
	if (!state_out->exists)
		state_out->generation = guid_random(ctx->entropy);
	return true;
}

struct str
mailbox_id(const struct resource_ctx *ctx, const struct feed_state *state)
{
	uint8_t bytes[ID_BYTES] = { 0x00, 0x03, 0x24, 0x00 };
	uint8_t seed[32];

	hash_history(state, seed, sizeof(seed));
	guid_format(&ctx->feed.owner, (char *)bytes + 4);
	bytes[ENTRY_AT - 1] = 0x46;
	memcpy(bytes + ENTRY_AT + 5, seed, 16);
	bytes[ENTRY_AT + 21] = 0x07;
	memcpy(bytes + ENTRY_AT + 23, seed + 16, 16);
	bytes[ENTRY_AT + 44] = 0x01;
	bytes[ENTRY_AT + 45] = 0x06;
	memcpy(bytes + ENTRY_AT + 47, seed + 16, 16);
	put_counter(bytes + ID_TAIL_AT, 7, state->head + 1);
	return b64_encode(B64_URL_PADDED, bytes, sizeof(bytes), ctx->arena);
}

/* 22 bytes: sixteen for this history of this feed, six for the change. */
struct str
mailbox_change_key(const struct feed_state *state, struct arena *arena)
{
	uint8_t bytes[22];

	hash_history(state, bytes, 16);
	put_counter(bytes + 16, 6, state->head + 1);
	return b64_encode(B64_STANDARD, bytes, sizeof(bytes), arena);
}

struct str
mailbox_group_id(const struct guid *owner, struct str group_class, struct arena *arena)
{
	uint8_t    bytes[ID_BYTES] = { 0x00, 0x03, 0x24, 0x00 }, seed[32];
	struct str named = arena_printf(arena, "calendar group %.*s", STR_ARG(group_class));

	guid_format(owner, (char *)bytes + 4);
	named = arena_printf(arena, "%.*s of %.*s", STR_ARG(named), GUID_TEXT_LEN, (const char *)bytes + 4);
	hash_blake2b(named, seed, sizeof(seed));
	bytes[ENTRY_AT - 1] = 0x46;
	memcpy(bytes + ENTRY_AT + 5, seed, 16);
	bytes[ENTRY_AT + 21] = 0x07;
	memcpy(bytes + ENTRY_AT + 23, seed + 16, 16);
	return b64_encode(B64_URL_PADDED, bytes, sizeof(bytes), arena);
}

bool
mailbox_id_is_shaped(struct str id)
{
	uint8_t bytes[256];
	size_t  len;

	return b64_decode_into(B64_URL_PADDED, id, bytes, sizeof(bytes), &len) && len >= 48 && bytes[1] == 0x03 &&
	       bytes[2] == 0x24;
}

bool
mailbox_etag_fits(struct str if_match, struct str change_key)
{
	struct str one;

	while (str_take_until(&if_match, ',', &one)) {
		one = str_trim(one);
		if (str_starts(one, STR("W/")))
			one = str_skip(one, 2);
		if (one.len >= 2 && one.at[0] == '"' && one.at[one.len - 1] == '"')
			one = str_of(one.at + 1, one.len - 2);
		if (str_eq(one, STR("*")) || str_eq(one, change_key))
			return true;
	}
	return false;
}
