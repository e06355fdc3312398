/* SPDX-License-Identifier: Apache-2.0 */
#include "token/token_codec.h"

#include "base/bytes.h"
#include "text/b64.h"

#define DOMAIN      "tidemark token"
#define DOMAIN_LEN  (sizeof(DOMAIN) - 1)
#define BOUND_BYTES (DOMAIN_LEN + TOKEN_HEAD_BYTES + 16 + 16 + 1 + 1)

_Static_assert(B64_MAX(TOKEN_RAW_MAX) <= TOKEN_TEXT_MAX, "the longest token can be read");

/* ---- fields, both ways; `failed` is sticky ---- */

struct writer {
	uint8_t *at;
	size_t   size, len;
	bool     failed;
};

struct reader {
	struct str rest;
	bool       failed;
};

static void
put_bytes(struct writer *writer, const void *bytes, size_t len)
{
	if (writer->failed || len > writer->size - writer->len) {
		writer->failed = true;
		return;
	}
	if (len > 0)
		memcpy(writer->at + writer->len, bytes, len);
	writer->len += len;
}

static void
put_number(struct writer *writer, uint64_t value, size_t width)
{
	uint8_t bytes[8];

	le_write(bytes, value, width);
	put_bytes(writer, bytes, width);
}

static struct str
take_bytes(struct reader *reader, size_t len)
{
	struct str taken = str_first(reader->rest, len);

	if (reader->failed || taken.len < len) {
		reader->failed = true;
		return STR_EMPTY;
	}
	reader->rest = str_skip(reader->rest, len);
	return taken;
}

static uint64_t
take_number(struct reader *reader, size_t width)
{
	struct str bytes = take_bytes(reader, width);

	return le_read(bytes.at, bytes.len);
}

static struct guid
take_guid(struct reader *reader)
{
	struct str  bytes = take_bytes(reader, sizeof(struct guid));
	struct guid guid = { 0 };

	if (bytes.len == sizeof(guid))
		memcpy(guid.b, bytes.at, sizeof(guid));
	return guid;
}

size_t
token_plain_write(const struct token *token, uint8_t plain_out[TOKEN_PLAIN_MAX])
{
	struct writer        writer = { .size = TOKEN_PLAIN_MAX };
	const struct cursor *cursor = &token->cursor;

	writer.at = plain_out;
	MUST(cursor->span.after <= cursor->span.until);
	put_number(&writer, (uint64_t)token->issued_s, 8);
	put_number(&writer, cursor->span.after, 8);
	put_number(&writer, cursor->span.until, 8);
	put_number(&writer, cursor->span.initial, 1);
	put_bytes(&writer, cursor->generation.b, sizeof(cursor->generation.b));
	put_number(&writer, cursor->epoch, 4);
	put_number(&writer, cursor->seen, 8);
	put_number(&writer, token->options.len, 2);
	put_bytes(&writer, token->options.at, token->options.len);
	MUST(!writer.failed); /* fails only with options over TOKEN_OPTIONS_MAX */
	return writer.len;
}

bool
token_plain_read(struct str plain, struct token *token_out)
{
	struct reader reader = { .rest = plain };
	struct token  token = { 0 };
	struct span  *span = &token.cursor.span;
	uint64_t      initial, options_len;

	token.issued_s = (int64_t)take_number(&reader, 8);
	span->after = take_number(&reader, 8);
	span->until = take_number(&reader, 8);
	initial = take_number(&reader, 1);
	span->initial = initial == 1;
	token.cursor.generation = take_guid(&reader);
	token.cursor.epoch = (uint32_t)take_number(&reader, 4);
	token.cursor.seen = take_number(&reader, 8);
	options_len = take_number(&reader, 2);
	token.options = take_bytes(&reader, options_len);

	if (reader.failed || reader.rest.len > 0 || options_len > TOKEN_OPTIONS_MAX)
		return false;
	if (initial > 1 || span->after > span->until)
		return false;
	*token_out = token;
	return true;
}

/* ---- sealing ---- */

/* What the token is bound to.  Every part has a fixed length, so the bytes are unambiguous. */
static struct str
bound_bytes(const uint8_t head[TOKEN_HEAD_BYTES], const struct token_bind *bind, uint8_t out[BOUND_BYTES])
{
	struct writer writer = { .at = out, .size = BOUND_BYTES };

	put_bytes(&writer, DOMAIN, DOMAIN_LEN);
	put_bytes(&writer, head, TOKEN_HEAD_BYTES);
	put_bytes(&writer, bind->feed.tenant.b, sizeof(bind->feed.tenant.b));
	put_bytes(&writer, bind->feed.owner.b, sizeof(bind->feed.owner.b));
	put_number(&writer, bind->feed.collection, 1);
	put_number(&writer, bind->function, 1);
	MUST(!writer.failed && writer.len == BOUND_BYTES);
	return str_of(out, writer.len);
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

	if (text.len > TOKEN_TEXT_MAX)
		return false;
	if (!b64_decode_into(B64_URL, text, raw.bytes, sizeof(raw.bytes), &raw.len))
		return false;
	if (raw.len < TOKEN_RAW_MIN || raw.bytes[0] != TOKEN_VERSION)
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
