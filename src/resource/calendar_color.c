/* SPDX-License-Identifier: Apache-2.0 */
#include "resource/calendar.h"

#include "base/bytes.h"

/*
 * What Outlook shows for the names, as far as its users wrote it down.  Only a value that stands in a recorded answer
 * of Graph is sent; the others say which name is the nearest.
 */
static const struct {
	const char *name;
	uint32_t    rgb;
	const char *recorded;
} colors[] = {
	{ "lightBlue", 0xa6d1f5, "" }, { "lightGreen", 0x87d28e, "#87d28e" }, { "lightOrange", 0xfcab73, "" },
	{ "lightGray", 0xc0c0c0, "" }, { "lightYellow", 0xf4d07a, "" },       { "lightTeal", 0x4adacc, "" },
	{ "lightPink", 0xf08cc0, "" }, { "lightBrown", 0xcba287, "" },        { "lightRed", 0xf88c9b, "" },
};

static bool
read_hex(struct str text, uint32_t *rgb_out)
{
	uint32_t rgb = 0;

	if (text.len != 7 || text.at[0] != '#')
		return false;
	for (size_t i = 1; i < text.len; i++) {
		if (hex_value(text.at[i]) < 0)
			return false;
		rgb = rgb << 4 | (uint32_t)hex_value(text.at[i]);
	}
	*rgb_out = rgb;
	return true;
}

static int
distance(uint32_t a, uint32_t b)
{
	int sum = 0;

	for (int shift = 0; shift < 24; shift += 8) {
		int difference = (int)(a >> shift & 0xff) - (int)(b >> shift & 0xff);

		sum += difference * difference;
	}
	return sum;
}

static const char *
nearest(uint32_t rgb)
{
	size_t best = 0;

	for (size_t i = 1; i < COUNT_OF(colors); i++)
		if (distance(rgb, colors[i].rgb) < distance(rgb, colors[best].rgb))
			best = i;
	return colors[best].name;
}

static const char *
hex_of(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(colors); i++)
		if (str_eq(name, str_from_c(colors[i].name)))
			return colors[i].recorded;
	return "";
}

static bool
is_new(const struct values *before, const struct values *calendar, size_t row, struct arena *arena)
{
	return !str_eq(values_text(before, row, arena), values_text(calendar, row, arena));
}

enum err
calendar_settle_color(const struct values *before, struct values *calendar, struct arena *arena, struct str *why_out)
{
	bool        new_color = is_new(before, calendar, CALENDAR_COLOR, arena);
	struct str  hex = values_text(calendar, CALENDAR_HEX_COLOR, arena);
	const char *name = "auto";
	uint32_t    rgb;

	if (is_new(before, calendar, CALENDAR_HEX_COLOR, arena) && (hex.len > 0 || !new_color)) {
		if (hex.len > 0 && !read_hex(hex, &rgb)) {
			*why_out = STR("'hexColor' must be three bytes in hex such as \"#87d28e\", or empty");
			return ERR_BAD_REQUEST;
		}
		if (hex.len > 0)
			name = nearest(rgb);
		values_set_text(calendar, CALENDAR_COLOR, str_from_c(name), arena);
	} else if (new_color) {
		values_set_text(calendar, CALENDAR_HEX_COLOR,
		                str_from_c(hex_of(values_text(calendar, CALENDAR_COLOR, arena))), arena);
	}
	return OK;
}
