/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

#define SIZE_FIRST ((size_t)256)

void
buf_open(struct buf *buf, size_t limit_bytes)
{
	*buf = (struct buf){ .limit = limit_bytes };
}

void
buf_close(struct buf *buf)
{
	free(buf->at);
	*buf = (struct buf){ .limit = buf->limit };
}

char *
buf_reserve(struct buf *buf, size_t want)
{
	size_t size;
	char  *grown;

	if (buf->err != OK)
		return NULL;
	if (want > buf->limit || buf->len > buf->limit - want) {
		buf->err = ERR_TOO_LARGE;
		return NULL;
	}
	if (buf->size - buf->len >= want)
		return buf->at + buf->len;
	size = buf->size ? buf->size : SIZE_FIRST;
	while (size < buf->len + want)
		size *= 2;
	grown = realloc(buf->at, size);
	MUST(grown != NULL);
	buf->at = grown;
	buf->size = size;
	return buf->at + buf->len;
}

void
buf_grew(struct buf *buf, size_t n)
{
	MUST(n <= buf->size - buf->len);
	buf->len += n;
}

void
buf_put(struct buf *buf, struct str s)
{
	char *space;

	if (s.len == 0)
		return;
	space = buf_reserve(buf, s.len);
	if (!space)
		return;
	memcpy(space, s.at, s.len);
	buf->len += s.len;
}

void
buf_put_char(struct buf *buf, char c)
{
	buf_put(buf, str_of(&c, 1));
}

void
buf_put_le(struct buf *buf, uint64_t value, size_t width)
{
	char bytes[sizeof(value)];

	le_write(bytes, value, width);
	buf_put(buf, str_of(bytes, width));
}

void
buf_put_u64(struct buf *buf, uint64_t value)
{
	char   digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf_put(buf, str_of(digits + at, sizeof(digits) - at));
}

void
buf_vprintf(struct buf *buf, const char *fmt, va_list args)
{
	va_list again;
	char   *space;
	int     len;

	/* Most printed texts are short: the first try uses the space that is there. */
	space = buf_reserve(buf, 1);
	if (!space)
		return;
	va_copy(again, args);
	len = vsnprintf(space, buf->size - buf->len, fmt, args);
	MUST(len >= 0);
	if ((size_t)len >= buf->size - buf->len || (size_t)len >= buf->limit - buf->len) {
		space = buf_reserve(buf, (size_t)len + 1);
		if (space)
			(void)vsnprintf(space, (size_t)len + 1, fmt, again);
	}
	va_end(again);
	buf->len += space ? (size_t)len : 0;
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buf_vprintf(buf, fmt, args);
	va_end(args);
}

void
buf_fail(struct buf *buf, enum err err)
{
	if (buf->err == OK)
		buf->err = err;
}

void
buf_cut(struct buf *buf, size_t len)
{
	MUST(len <= buf->len);
	buf->len = len;
	buf->err = OK;
}

void
buf_drop(struct buf *buf, size_t n)
{
	MUST(n <= buf->len);
	if (n == 0)
		return;
	memmove(buf->at, buf->at + n, buf->len - n);
	buf->len -= n;
}

enum err
buf_err(const struct buf *buf)
{
	return buf->err;
}

struct str
buf_str(const struct buf *buf)
{
	return buf->len ? str_of(buf->at, buf->len) : STR_EMPTY;
}
