/* SPDX-License-Identifier: Apache-2.0 */
/* http_chars — the classes of bytes HTTP knows (RFC 9110 section 5.6.2, 5.5). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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

/* 0..15, or -1. */
static inline int
http_hex_value(char c)
{
	if (http_is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* tchar: letters, digits and !#$%&'*+-.^_`|~ */
static inline bool
http_is_token(char c)
{
	static const uint32_t bits[8] = { 0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff, 0, 0, 0, 0 };
	uint8_t               byte = (uint8_t)c;

	return bits[byte >> 5] >> (byte & 31) & 1;
}

/* Bytes a field value may hold: visible ones, blanks, tabs, and 0x80 and above. */
static inline bool
http_is_text(char c)
{
	uint8_t byte = (uint8_t)c;

	return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}
