/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "http/http_chars.h"
#include "http/http_parse.h"

static enum http_step
refuse(struct http_chunked *chunked, unsigned status, const char *reason)
{
	chunked->status = status;
	chunked->reason = reason;
	return HTTP_REFUSED;
}

static enum http_step
refuse_size(struct http_chunked *chunked)
{
	return refuse(chunked, 400, "a chunk size is malformed");
}

static enum http_step
go(struct http_chunked *chunked, enum http_chunk_state state)
{
	chunked->state = state;
	return HTTP_MORE;
}

static enum http_step
take_size(struct http_chunked *chunked, char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (chunked->digits == HTTP_CHUNK_DIGITS_MAX)
			return refuse_size(chunked);
		chunked->digits++;
		chunked->left = chunked->left << 4 | (unsigned)digit;
		return HTTP_MORE;
	}
	if (chunked->digits == 0)
		return refuse_size(chunked);
	if (c == ';')
		return go(chunked, HTTP_CHUNK_EXT);
	return c == '\r' ? go(chunked, HTTP_CHUNK_SIZE_LF) : refuse_size(chunked);
}

static enum http_step
take_ext(struct http_chunked *chunked, char c)
{
	if (c == '\r')
		return go(chunked, HTTP_CHUNK_SIZE_LF);
	if (!http_is_text(c))
		return refuse_size(chunked);
	if (++chunked->ext_len > HTTP_CHUNK_EXT_MAX)
		return refuse(chunked, 400, "the chunk extensions are too long");
	return HTTP_MORE;
}

static enum http_step
take_size_end(struct http_chunked *chunked, char c, const struct buf *body)
{
	if (c != '\n')
		return refuse_size(chunked);
	if (chunked->left > body->limit - body->len)
		return refuse(chunked, 413, "the body is too large");
	return go(chunked, chunked->left ? HTTP_CHUNK_DATA : HTTP_CHUNK_LINE);
}

static enum http_step
take_data_end(struct http_chunked *chunked, char c)
{
	if (c != (chunked->state == HTTP_CHUNK_DATA_CR ? '\r' : '\n'))
		return refuse(chunked, 400, "a chunk is longer than its size");
	if (chunked->state == HTTP_CHUNK_DATA_CR)
		return go(chunked, HTTP_CHUNK_DATA_LF);
	chunked->digits = 0;
	return go(chunked, HTTP_CHUNK_SIZE);
}

/* Trailers are checked like fields and then dropped. */
static enum http_step
take_trailer(struct http_chunked *chunked, char c)
{
	if (chunked->state == HTTP_CHUNK_LINE && c == '\r')
		return go(chunked, HTTP_CHUNK_LAST_LF);
	if (++chunked->trailers_len > HTTP_TRAILERS_MAX)
		return refuse(chunked, 431, "the trailers are too long");
	switch (chunked->state) {
	case HTTP_CHUNK_LINE:
		if (http_is_token(c))
			return go(chunked, HTTP_CHUNK_NAME);
		break;
	case HTTP_CHUNK_NAME:
		if (http_is_token(c))
			return HTTP_MORE;
		if (c == ':')
			return go(chunked, HTTP_CHUNK_VALUE);
		break;
	case HTTP_CHUNK_VALUE:
		if (http_is_text(c))
			return HTTP_MORE;
		if (c == '\r')
			return go(chunked, HTTP_CHUNK_VALUE_LF);
		break;
	case HTTP_CHUNK_VALUE_LF:
		if (c == '\n')
			return go(chunked, HTTP_CHUNK_LINE);
		break;
	default:
		break;
	}
	return refuse(chunked, 400, "a trailer is malformed");
}

static enum http_step
take_byte(struct http_chunked *chunked, char c, const struct buf *body)
{
	switch (chunked->state) {
	case HTTP_CHUNK_SIZE:
		return take_size(chunked, c);
	case HTTP_CHUNK_EXT:
		return take_ext(chunked, c);
	case HTTP_CHUNK_SIZE_LF:
		return take_size_end(chunked, c, body);
	case HTTP_CHUNK_DATA_CR:
	case HTTP_CHUNK_DATA_LF:
		return take_data_end(chunked, c);
	case HTTP_CHUNK_LAST_LF:
		if (c != '\n')
			return refuse(chunked, 400, "a trailer is malformed");
		chunked->state = HTTP_CHUNK_OVER;
		return HTTP_WHOLE;
	default:
		return take_trailer(chunked, c);
	}
}

static void
take_data(struct http_chunked *chunked, struct str *rest, struct buf *body)
{
	struct str data = str_first(*rest, chunked->left);

	buf_put(body, data);
	MUST(buf_err(body) == OK);
	chunked->left -= data.len;
	*rest = str_skip(*rest, data.len);
	if (chunked->left == 0)
		chunked->state = HTTP_CHUNK_DATA_CR;
}

enum http_step
http_chunked_feed(struct http_chunked *chunked, struct str *rest, struct buf *body)
{
	enum http_step step = HTTP_MORE;

	MUST(chunked->state != HTTP_CHUNK_OVER);
	while (step == HTTP_MORE && rest->len > 0) {
		if (chunked->state == HTTP_CHUNK_DATA) {
			take_data(chunked, rest, body);
			continue;
		}
		step = take_byte(chunked, rest->at[0], body);
		*rest = str_skip(*rest, 1);
	}
	return step;
}
