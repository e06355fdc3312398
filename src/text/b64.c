/* SPDX-License-Identifier: Apache-2.0 */
#include "text/b64.h"

static const char standard_digits[] = STR_LETTERS_DIGITS "+/";
static const char url_digits[] = STR_LETTERS_DIGITS "-_";

/* The value of a digit plus one, so that what is not named is 0: no digit. */
#define VALUES_OF_LETTERS \
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, \
	['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, \
	['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, \
	['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, \
	['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, \
	['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, \
	['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62

static const uint8_t standard_values[256] = { VALUES_OF_LETTERS, ['+'] = 63, ['/'] = 64 };
static const uint8_t url_values[256] = { VALUES_OF_LETTERS, ['-'] = 63, ['_'] = 64 };

size_t
b64_encode_into(enum b64_form form, const void *bytes, size_t len, char *text_out)
{
	const char    *digits = form == B64_STANDARD ? standard_digits : url_digits;
	const uint8_t *in = bytes;
	char          *out = text_out;
	unsigned       bits;

	for (; len >= 3; len -= 3, in += 3, out += 4) {
		bits = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];
		out[0] = digits[bits >> 18];
		out[1] = digits[bits >> 12 & 63];
		out[2] = digits[bits >> 6 & 63];
		out[3] = digits[bits & 63];
	}
	if (len > 0) {
		bits = (unsigned)in[0] << 16 | (len == 2 ? (unsigned)in[1] << 8 : 0);
		for (size_t i = 0; i <= len; i++)
			*out++ = digits[bits >> (18 - 6 * i) & 63];
		while (form != B64_URL && (out - text_out) % 4 != 0)
			*out++ = '=';
	}
	return (size_t)(out - text_out);
}

struct str
b64_encode(enum b64_form form, const void *bytes, size_t len, struct arena *arena)
{
	char *text = arena_take_raw(arena, B64_MAX(len));

	return str_of(text, b64_encode_into(form, bytes, len, text));
}

/* Removes the padding; false if it is not exactly the padding that the form asks for. */
static bool
strip_padding(enum b64_form form, struct str *text)
{
	if (form == B64_URL)
		return true;
	if (text->len % 4 != 0)
		return false;
	for (int i = 0; i < 2 && text->len > 0 && text->at[text->len - 1] == '='; i++)
		text->len--;
	return true;
}

/* Four digits, three bytes. */
static bool
decode_four(const uint8_t values[256], const uint8_t in[4], uint8_t out[3])
{
	unsigned a = values[in[0]], b = values[in[1]], c = values[in[2]], d = values[in[3]];
	unsigned bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);

	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	return a && b && c && d;
}

bool
b64_decode_into(enum b64_form form, struct str text, void *bytes_out, size_t size_max, size_t *len_out)
{
	const uint8_t *values = form == B64_STANDARD ? standard_values : url_values;
	uint8_t       *out = bytes_out, four[4] = { 'A', 'A', 'A', 'A' }, last[3];
	size_t         len, left;

	if (!strip_padding(form, &text))
		return false;
	left = text.len % 4;
	len = text.len / 4 * 3 + left * 3 / 4;
	if (left == 1 || len > size_max)
		return false;
	for (; text.len >= 4; text = str_of(text.at + 4, text.len - 4), out += 3)
		if (!decode_four(values, (const uint8_t *)text.at, out))
			return false;
	/* The rest, filled up to four digits with zero bits: then no bit may be set after its bytes. */
	if (left > 0) {
		memcpy(four, text.at, left);
		if (!decode_four(values, four, last) || last[left - 1] != 0)
			return false;
		memcpy(out, last, left - 1);
	}
	*len_out = len;
	return true;
}

bool
b64_decode(enum b64_form form, struct str text, struct arena *arena, struct str *bytes_out)
{
	size_t size = text.len / 4 * 3 + 3, len;
	char  *bytes = arena_take_raw(arena, size);

	if (!b64_decode_into(form, text, bytes, size, &len))
		return false;
	*bytes_out = str_of(bytes, len);
	return true;
}
