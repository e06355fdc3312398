/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

void
hex_write(const void *bytes, size_t len, char *text_out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t    *from = bytes;

	for (size_t i = 0; i < len; i++) {
		text_out[2 * i] = digits[from[i] >> 4];
		text_out[2 * i + 1] = digits[from[i] & 15];
	}
}

static int
small_value(char c)
{
	return c >= 'A' && c <= 'F' ? -1 : hex_value(c);
}

bool
hex_read(struct str text, void *bytes_out, size_t len)
{
	uint8_t *to = bytes_out;

	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = small_value(text.at[2 * i]), low = small_value(text.at[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
