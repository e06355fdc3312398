/* SPDX-License-Identifier: Apache-2.0 */
#include "token/token_codec.h"

#include "base/bytes.h"
#include "text/b64.h"

#define DOMAIN      "tidemark token"
#define DOMAIN_LEN  (sizeof(DOMAIN) - 1)
#define BOUND_BYTES (DOMAIN_LEN + TOKEN_HEAD_BYTES + 16 + 16 + 1 + 1)

_Static_assert(B64_MAX(TOKEN_RAW_MAX) <= TOKEN_TEXT_MAX, "the longest token can be read");

static void
put_bytes(uint8_t **at, const void *bytes, size_t len)
{
	if (len > 0)
		memcpy(*at, bytes, len);
	*at += len;
}

static void
put_number(uint8_t **at, uint64_t value, size_t width)
{
	le_write(*at, value, width);
	*at += width;
}

static uint64_t
take_number(struct str *rest, size_t width)
{
	uint64_t value = le_read(rest->at, width);

	*rest = str_skip(*rest, width);
	return value;
}

size_t
token_plain_write(const struct token *token, uint8_t plain_out[TOKEN_PLAIN_MAX])
{
	const struct cursor *cursor = &token->cursor;
	uint8_t             *at = plain_out;

	MUST(cursor->span.after <= cursor->span.until && token->options.len <= TOKEN_OPTIONS_MAX);
	put_number(&at, (uint64_t)token->issued_s, 8);
	put_number(&at, cursor->span.after, 8);
	put_number(&at, cursor->span.until, 8);
	put_number(&at, cursor->span.initial, 1);
	put_bytes(&at, cursor->generation.b, sizeof(cursor->generation.b));
	put_number(&at, cursor->epoch, 4);
	put_number(&at, cursor->seen, 8);
	put_number(&at, token->options.len, 2);
	put_bytes(&at, token->options.at, token->options.len);
	return (size_t)(at - plain_out);
}

bool
token_plain_read(struct str plain, struct token *token_out)
{
	struct token token = { 0 };
	struct span *span = &token.cursor.span;
	struct guid *generation = &token.cursor.generation;
	uint64_t     initial, options_len;

	if (plain.len < TOKEN_FIXED_BYTES)
		return false;
	token.issued_s = (int64_t)take_number(&plain, 8);
	span->after = take_number(&plain, 8);
	span->until = take_number(&plain, 8);
	initial = take_number(&plain, 1);
	span->initial = initial == 1;
	memcpy(generation->b, plain.at, sizeof(generation->b));
	plain = str_skip(plain, sizeof(generation->b));
	token.cursor.epoch = (uint32_t)take_number(&plain, 4);
	token.cursor.seen = take_number(&plain, 8);
	options_len = take_number(&plain, 2);
	token.options = plain;
	if (plain.len != options_len || options_len > TOKEN_OPTIONS_MAX || initial > 1 || span->after > span->until)
		return false;
	*token_out = token;
	return true;
}

/* What the token is bound to.  Every part has a fixed length, so the bytes are unambiguous. */
static struct str
bound_bytes(const uint8_t head[TOKEN_HEAD_BYTES], const struct token_bind *bind, uint8_t out[BOUND_BYTES])
{
	uint8_t *at = out;

	put_bytes(&at, DOMAIN, DOMAIN_LEN);
	put_bytes(&at, head, TOKEN_HEAD_BYTES);
	put_bytes(&at, bind->feed.tenant.b, sizeof(bind->feed.tenant.b));
	put_bytes(&at, bind->feed.owner.b, sizeof(bind->feed.owner.b));
	put_number(&at, bind->feed.collection, 1);
	put_number(&at, bind->function, 1);
	return str_of(out, BOUND_BYTES);
}

struct str
token_seal_with(const struct token_key *key, const struct token *token, const struct token_bind *bind,
                const struct entropy *entropy, struct arena *arena)
{
	uint8_t plain[TOKEN_PLAIN_MAX], bound[BOUND_BYTES], raw[TOKEN_RAW_MAX] = { TOKEN_VERSION };
	size_t  len;

	MUST(bind->function >= TOKEN_CALENDARS_DELTA && bind->function <= UINT8_MAX);
	len = token_plain_write(token, plain);
	memcpy(raw + 1, key->id, TOKEN_ID_BYTES);
	seal_close(key->bytes, str_of(plain, len), bound_bytes(raw, bind, bound), entropy, raw + TOKEN_HEAD_BYTES);
	return b64_encode(B64_URL, raw, TOKEN_HEAD_BYTES + SEAL_EXTRA_BYTES + len, arena);
}

bool
token_raw_read(struct str text, struct token_raw *raw_out)
{
	struct token_raw raw;

	if (text.len > TOKEN_TEXT_MAX || !b64_decode_into(B64_URL, text, raw.bytes, sizeof(raw.bytes), &raw.len) ||
	    raw.len < TOKEN_RAW_MIN || raw.bytes[0] != TOKEN_VERSION)
		return false;
	*raw_out = raw;
	return true;
}

const uint8_t *
token_raw_key_id(const struct token_raw *raw)
{
	return raw->bytes + 1;
}

bool
token_open_with(const struct token_key *key, const struct token_raw *raw, const struct token_bind *bind,
                struct arena *arena, struct token *token_out)
{
	uint8_t    plain[TOKEN_PLAIN_MAX], bound[BOUND_BYTES];
	struct str sealed = str_skip(str_of(raw->bytes, raw->len), TOKEN_HEAD_BYTES);
	size_t     len;

	if (!seal_open(key->bytes, sealed, bound_bytes(raw->bytes, bind, bound), plain, &len))
		return false;
	return token_plain_read(arena_copy(arena, str_of(plain, len)), token_out);
}
