/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json_string.h"

#include <endian.h>

#include "base/bytes.h"

#define EACH_BYTE(n) ((uint64_t)(n)*0x0101010101010101u)

static bool
is_plain(char c)
{
	return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

/*
 * Marks bytes below `n` (n <= 128). Above a marked byte another may be marked by mistake, so only the first counts.
 */
static uint64_t
mark_below(uint64_t word, unsigned n)
{
	return (word - EACH_BYTE(n)) & ~word & EACH_BYTE(0x80);
}

size_t
json_plain_len(struct str text)
{
	uint64_t word, marks;
	size_t   at = 0;

	for (; text.len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, text.at + at, sizeof(word));
		word = le64toh(word);
		marks = mark_below(word, 0x20) | mark_below(word ^ EACH_BYTE('"'), 1) |
		        mark_below(word ^ EACH_BYTE('\\'), 1);
		if (marks != 0)
			return at + (size_t)__builtin_ctzll(marks) / 8;
	}
	while (at < text.len && is_plain(text.at[at]))
		at++;
	return at;
}

/* The four hex digits of \uXXXX; false if `text` does not begin with a whole one. */
static bool
read_unit(struct str text, uint32_t *unit_out)
{
	uint32_t unit = 0;

	if (text.len < 6 || text.at[0] != '\\' || text.at[1] != 'u')
		return false;
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_value(text.at[i]);

		if (digit < 0)
			return false;
		unit = unit << 4 | (uint32_t)digit;
	}
	*unit_out = unit;
	return true;
}

static bool
take_unicode(struct str *rest, uint32_t *rune_out)
{
	uint32_t high, low;

	if (!read_unit(*rest, &high) || (high >= 0xdc00 && high <= 0xdfff))
		return false;
	if (high < 0xd800 || high > 0xdbff) {
		*rest = str_skip(*rest, 6);
		*rune_out = high;
		return true;
	}
	if (!read_unit(str_skip(*rest, 6), &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*rest = str_skip(*rest, 12);
	*rune_out = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

bool
json_take_escape(struct str *rest, uint32_t *rune_out)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char       *letter;

	if (rest->len < 2)
		return false;
	if (rest->at[1] == 'u')
		return take_unicode(rest, rune_out);
	letter = memchr(letters, rest->at[1], sizeof(letters) - 1);
	if (!letter)
		return false;
	*rest = str_skip(*rest, 2);
	*rune_out = (uint32_t)meant[letter - letters];
	return true;
}

bool
json_is_surrogate(struct str text)
{
	uint32_t unit;

	return read_unit(text, &unit) && unit >= 0xd800 && unit <= 0xdfff;
}
