/* SPDX-License-Identifier: Apache-2.0 */
#include "text/b64.h"

#include "base/err.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char standard_digits[] = LETTERS "+/";
static const char url_digits[] = LETTERS "-_";

/* The value of a digit plus one, so that what is not named is 0: no digit. */
#define VALUES_OF_LETTERS                                                                                              \
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9,             \
	['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,    \
	['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27,    \
	['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,    \
	['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45,    \
	['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,    \
	['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62

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
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		if (len == 2)
			*out++ = digits[bits >> 6 & 63];
		if (form != B64_URL)
			*out++ = '=';
		if (form != B64_URL && len == 1)
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

/* Takes the padding off; false if there is not exactly the padding the form asks for. */
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

/* Judges the whole text before a byte is written: what is refused leaves no trace. */
static bool
is_exact(const uint8_t values[256], struct str digits)
{
	static const uint8_t spare_bits[4] = { 0, 0, 15, 3 };

	if (digits.len % 4 == 1)
		return false;
	for (size_t i = 0; i < digits.len; i++)
		if (values[(uint8_t)digits.at[i]] == 0)
			return false;
	return digits.len == 0 ||
	       ((values[(uint8_t)digits.at[digits.len - 1]] - 1u) & spare_bits[digits.len % 4]) == 0;
}

static void
decode(const uint8_t values[256], struct str digits, uint8_t *out)
{
	const uint8_t *in = (const uint8_t *)digits.at;
	size_t         len = digits.len;
	unsigned       bits;

	for (; len >= 4; len -= 4, in += 4, out += 3) {
		bits = (values[in[0]] - 1u) << 18 | (values[in[1]] - 1u) << 12 | (values[in[2]] - 1u) << 6 |
		       (values[in[3]] - 1u);
		out[0] = (uint8_t)(bits >> 16);
		out[1] = (uint8_t)(bits >> 8);
		out[2] = (uint8_t)bits;
	}
	if (len >= 2) {
		bits = (values[in[0]] - 1u) << 18 | (values[in[1]] - 1u) << 12;
		if (len == 3)
			bits |= (values[in[2]] - 1u) << 6;
		out[0] = (uint8_t)(bits >> 16);
		if (len == 3)
			out[1] = (uint8_t)(bits >> 8);
	}
}

bool
b64_decode_into(enum b64_form form, struct str text, void *bytes_out, size_t size_max, size_t *len_out)
{
	const uint8_t *values = form == B64_STANDARD ? standard_values : url_values;
	size_t         len;

	if (!strip_padding(form, &text) || !is_exact(values, text))
		return false;
	len = text.len / 4 * 3 + (text.len % 4 > 1 ? text.len % 4 - 1 : 0);
	if (len > size_max)
		return false;
	decode(values, text, bytes_out);
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
