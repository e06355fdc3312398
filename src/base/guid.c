/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guid.h"

#include "base/bytes.h"

static bool
is_dash(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

bool
guid_parse(struct str text, struct guid *guid_out)
{
	struct guid guid;
	size_t      byte = 0;

	if (text.len != GUID_TEXT_LEN)
		return false;
	for (size_t at = 0; at < GUID_TEXT_LEN;) {
		int high, low;

		if (is_dash(at)) {
			if (text.at[at] != '-')
				return false;
			at++;
			continue;
		}
		high = hex_value(text.at[at]);
		low = hex_value(text.at[at + 1]);
		if (high < 0 || low < 0)
			return false;
		guid.b[byte++] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	*guid_out = guid;
	return true;
}

void
guid_format(const struct guid *guid, char text_out[GUID_TEXT_LEN])
{
	size_t byte = 0;

	for (size_t at = 0; at < GUID_TEXT_LEN;) {
		if (is_dash(at)) {
			text_out[at++] = '-';
			continue;
		}
		hex_write(&guid->b[byte++], 1, text_out + at);
		at += 2;
	}
}

struct guid_str
guid_str(const struct guid *guid)
{
	struct guid_str text = { 0 };

	guid_format(guid, text.c);
	return text;
}

struct guid
guid_random(const struct entropy *entropy)
{
	struct guid guid;

	entropy_fill(entropy, guid.b, sizeof(guid.b));
	guid.b[6] = (uint8_t)((guid.b[6] & 0x0f) | 0x40);
	guid.b[8] = (uint8_t)((guid.b[8] & 0x3f) | 0x80);
	return guid;
}

bool
guid_eq(const struct guid *a, const struct guid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool
guid_is_zero(const struct guid *guid)
{
	static const struct guid zero;

	return guid_eq(guid, &zero);
}

bool
guid_from_bytes(struct str bytes, struct guid *guid_out)
{
	if (bytes.len != sizeof(guid_out->b))
		return false;
	memcpy(guid_out->b, bytes.at, sizeof(guid_out->b));
	return true;
}
