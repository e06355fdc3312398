/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_MIN ((size_t)4096)
#define ALIGN     ((size_t)16)

struct chunk {
	struct chunk *older;
	size_t        size;
	size_t        used;
	char          bytes[] __attribute__((aligned(16)));
};

struct arena {
	struct chunk *newest;
	size_t        limit;
	size_t        used; /* bytes handed out since the last reset */
};

static struct chunk *
chunk_make(struct chunk *older, size_t size)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + size);

	MUST(chunk != NULL);
	chunk->older = older;
	chunk->size = size;
	chunk->used = 0;
	return chunk;
}

struct arena *
arena_open(size_t limit_bytes)
{
	struct arena *arena = handle_new(sizeof(*arena));

	arena->limit = limit_bytes;
	return arena;
}

void
arena_reset(struct arena *arena)
{
	while (arena->newest && arena->newest->older) {
		struct chunk *chunk = arena->newest;

		arena->newest = chunk->older;
		free(chunk);
	}
	if (arena->newest)
		arena->newest->used = 0;
	arena->used = 0;
}

void
arena_close(struct arena **arena)
{
	if (!*arena)
		return;
	arena_reset(*arena);
	free((*arena)->newest);
	free(*arena);
	*arena = NULL;
}

static char *
take(struct arena *arena, size_t size, size_t align)
{
	struct chunk *chunk = arena->newest;
	size_t        start = chunk ? (chunk->used + align - 1) & ~(align - 1) : 0;

	MUST(size <= arena->limit && arena->used + size <= arena->limit);
	if (!chunk || start > chunk->size || size > chunk->size - start) {
		size_t want = chunk ? chunk->size * 2 : CHUNK_MIN;

		if (want > (size_t)1 << 20)
			want = (size_t)1 << 20;
		if (want < size)
			want = size;
		chunk = arena->newest = chunk_make(chunk, want);
		start = 0;
	}
	chunk->used = start + size;
	arena->used += size;
	return chunk->bytes + start;
}

void *
arena_take(struct arena *arena, size_t size)
{
	return memset(take(arena, size, ALIGN), 0, size);
}

char *
arena_take_raw(struct arena *arena, size_t size)
{
	return take(arena, size, 1);
}

struct str
arena_copy(struct arena *arena, struct str s)
{
	char *copy;

	if (s.len == 0)
		return STR_EMPTY;
	copy = take(arena, s.len, 1);
	memcpy(copy, s.at, s.len);
	return str_of(copy, s.len);
}

const char *
arena_c(struct arena *arena, struct str s)
{
	char *copy = take(arena, s.len + 1, 1);

	MUST(s.len == 0 || !memchr(s.at, '\0', s.len));
	if (s.len)
		memcpy(copy, s.at, s.len);
	copy[s.len] = '\0';
	return copy;
}

/* A text in pieces that are not yet joined. */
#define PIECES_MAX 16

struct pieces {
	struct str at[PIECES_MAX];
	size_t     count, len;
	char       digits[PIECES_MAX][10];
};

static struct str
digits_of(unsigned value, char digits[10])
{
	size_t at = 10;

	do
		digits[--at] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	return str_of(digits + at, 10 - at);
}

/*
 * Nearly every text needs only %s, %.*s and %u, and vsnprintf() takes ten times as long for those. False if the
 * format has anything else.
 */
static bool
format_plainly(const char *fmt, va_list args, struct pieces *pieces)
{
	pieces->count = pieces->len = 0;
	while (*fmt) {
		const char *next = strchrnul(fmt, '%');
		struct str  piece = str_of(fmt, (size_t)(next - fmt));

		if (pieces->count == PIECES_MAX)
			return false;
		if (piece.len > 0) {
			fmt = next;
		} else if (fmt[1] == 's') {
			piece = str_from_c(va_arg(args, const char *));
			fmt += 2;
		} else if (fmt[1] == 'u') {
			piece = digits_of(va_arg(args, unsigned), pieces->digits[pieces->count]);
			fmt += 2;
		} else if (fmt[1] == '.' && fmt[2] == '*' && fmt[3] == 's') {
			int most = va_arg(args, int);

			piece.at = va_arg(args, const char *);
			piece.len = most > 0 ? strnlen(piece.at, (size_t)most) : 0;
			fmt += 4;
		} else {
			return false;
		}
		pieces->at[pieces->count++] = piece;
		pieces->len += piece.len;
	}
	return true;
}

static struct str
join(struct arena *arena, const struct pieces *pieces)
{
	char  *text = take(arena, pieces->len, 1);
	size_t len = 0;

	for (size_t i = 0; i < pieces->count; i++) {
		if (pieces->at[i].len > 0)
			memcpy(text + len, pieces->at[i].at, pieces->at[i].len);
		len += pieces->at[i].len;
	}
	return str_of(text, len);
}

struct str
arena_vprintf(struct arena *arena, const char *fmt, va_list args)
{
	struct pieces pieces;
	va_list       again;
	char         *text;
	bool          is_plain;
	int           len;

	MUST(fmt != NULL);
	va_copy(again, args);
	is_plain = format_plainly(fmt, again, &pieces);
	va_end(again);
	if (is_plain)
		return join(arena, &pieces);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	MUST(len >= 0);
	text = take(arena, (size_t)len + 1, 1);
	(void)vsnprintf(text, (size_t)len + 1, fmt, args);
	return str_of(text, (size_t)len);
}

struct str
arena_printf(struct arena *arena, const char *fmt, ...)
{
	struct str text;
	va_list    args;

	va_start(args, fmt);
	text = arena_vprintf(arena, fmt, args);
	va_end(args);
	return text;
}

size_t
arena_used(const struct arena *arena)
{
	return arena->used;
}
