/* SPDX-License-Identifier: Apache-2.0 */
#include "text/utf8.h"

#include "base/err.h"
#include "text/uri.h"

#define HIGH_BITS 0x8080808080808080u

/* Length of the sequence of two or more bytes at `at`; 0 if there is none. */
static size_t
sequence_len(const unsigned char *at, size_t left)
{
	unsigned low = 0x80, high = 0xbf;
	size_t   len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

	if (at[0] < 0xc2 || at[0] > 0xf4 || left < len)
		return 0;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* ASCII is what nearly all text is, so it is passed over eight bytes at a time. */
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

		if (at < text.len && !(text.at[at] & 0x80))
			at = skip_ascii(text, at);
		if (at == text.len)
			return at;
		len = sequence_len((const unsigned char *)text.at + at, text.len - at);
		if (len == 0)
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
	MUST(rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff));
	if (rune < 0x80) {
		bytes_out[0] = (char)rune;
		return 1;
	}
	if (rune < 0x800) {
		bytes_out[0] = (char)(0xc0 | rune >> 6);
		bytes_out[1] = (char)(0x80 | (rune & 0x3f));
		return 2;
	}
	if (rune < 0x10000) {
		bytes_out[0] = (char)(0xe0 | rune >> 12);
		bytes_out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
		bytes_out[2] = (char)(0x80 | (rune & 0x3f));
		return 3;
	}
	bytes_out[0] = (char)(0xf0 | rune >> 18);
	bytes_out[1] = (char)(0x80 | (rune >> 12 & 0x3f));
	bytes_out[2] = (char)(0x80 | (rune >> 6 & 0x3f));
	bytes_out[3] = (char)(0x80 | (rune & 0x3f));
	return 4;
}
