/* SPDX-License-Identifier: Apache-2.0 */
/* http_chars — the classes of bytes HTTP knows (RFC 9110 section 5.6.2, 5.5). */
#pragma once

#include "base/str.h"

static inline bool
http_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
http_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* tchar: letters, digits and !#$%&'*+-.^_`|~ */
static inline bool
http_is_token(char c)
{
	static const uint32_t bits[8] = { 0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff, 0, 0, 0, 0 };
	uint8_t               byte = (uint8_t)c;

	return bits[byte >> 5] >> (byte & 31) & 1;
}

/* Is it a token, such as the name of a field? */
static inline bool
http_all_token(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!http_is_token(text.at[i]))
			return false;
	return text.len > 0;
}

/* Bytes a field value may hold: visible ones, blanks, tabs, and 0x80 and above. */
static inline bool
http_is_text(char c)
{
	uint8_t byte = (uint8_t)c;

	return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

/* How many bytes at the start are text.  Eight at a time: most of a head is one long token. */
static inline size_t
http_text_len(const char *at, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	size_t         i = 0;

	for (; len - i >= 8; i += 8) {
		uint64_t word, del;

		memcpy(&word, at + i, sizeof(word));
		del = word ^ ones * 0x7f;
		/* Not zero if a byte is below 0x20, or is 0x7f. */
		if ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs)
			break;
	}
	while (i < len && http_is_text(at[i]))
		i++;
	return i;
}
