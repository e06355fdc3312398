/* SPDX-License-Identifier: Apache-2.0 */
#include "text/utf8.h"

#include "base/err.h"
#include "text/uri.h"

#define HIGH_BITS 0x8080808080808080u

/* How many bytes of the sequence that begins at `at`, 1 at least, are as they must be; is that the whole of it? */
static size_t
matched_len(const unsigned char *at, size_t left, bool *whole_out)
{
	unsigned char first = at[0];
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	size_t        wanted = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4, len = 1;

	for (; len < wanted && len < left && at[len] >= low && at[len] <= high; len++) {
		low = 0x80;
		high = 0xbf;
	}
	*whole_out = len == wanted;
	return len;
}

size_t
utf8_bad_len(struct str text)
{
	bool whole;

	return matched_len((const unsigned char *)text.at, text.len, &whole);
}

/* Nearly all text is ASCII, so it is skipped eight bytes at a time. */
static size_t
skip_ascii(struct str text, size_t at)
{
	uint64_t word;

	for (; text.len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, text.at + at, sizeof(word));
		if (word & HIGH_BITS)
			break;
	}
	while (at < text.len && !(text.at[at] & 0x80))
		at++;
	return at;
}

size_t
utf8_good_len(struct str text)
{
	size_t at = 0;

	for (;;) {
		size_t len;
		bool   whole;

		if (at < text.len && !(text.at[at] & 0x80))
			at = skip_ascii(text, at);
		if (at == text.len)
			return at;
		len = matched_len((const unsigned char *)text.at + at, text.len - at, &whole);
		if (!whole)
			return at;
		at += len;
	}
}

bool
utf8_valid(struct str text)
{
	return utf8_good_len(text) == text.len;
}

size_t
utf8_put(uint32_t rune, char bytes_out[4])
{
	static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t                     len = rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;

	MUST(rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff));
	for (size_t i = len - 1; i > 0; i--, rune >>= 6)
		bytes_out[i] = (char)(0x80 | (rune & 0x3f));
	bytes_out[0] = (char)(leads[len] | rune);
	return len;
}
