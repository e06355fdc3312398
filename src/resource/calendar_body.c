/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar_body — a stored calendar: 'C', a byte, the cuts, the JSON text.
 *
 * A cut is a part that /v1.0 leaves out: its offset from the '{' and its length, 4 bytes each, little-endian.  The low
 * three bits of the byte say how many cuts there are, the others how many rows the resource had beyond its first 18.
 */
#include "base/bytes.h"
#include "resource/calendar.h"
#include "resource/values.h"

#define BODY_MARK  'C'
#define HEAD_BYTES 2
#define CUTS_MAX   (RESOURCE_PIECES_MAX - 1)
#define CUT_BYTES  8
#define FIRST_ROWS 18

struct cut {
	uint32_t at, len;
};

struct str
calendar_json(struct str body)
{
	if (body.len < HEAD_BYTES || body.at[0] != BODY_MARK)
		return STR_EMPTY;
	return str_skip(body, HEAD_BYTES + ((uint8_t)body.at[1] & CUTS_MAX) * (size_t)CUT_BYTES);
}

static size_t
row_count(struct str body)
{
	return FIRST_ROWS + ((uint8_t)body.at[1] >> 3);
}

bool
calendar_read(const struct resource *resource, struct str body, const struct resource_sending *sending,
              struct arena *arena, struct values *calendar_out)
{
	struct str json = calendar_json(body);

	(void)sending;
	*calendar_out = (struct values){ .unknown = STR_EMPTY };
	return json.len > 0 && resource_read_stored(resource, json, row_count(body), arena, calendar_out);
}

/* A cut includes the comma behind it.  Neighbours are joined.  If there are too many cuts, the rest is not cut. */
static size_t
find_cuts(const struct resource *resource, const size_t *starts, struct cut cuts_out[CUTS_MAX])
{
	size_t count = 0;

	for (size_t row = 0; row < resource->property_count; row++) {
		uint32_t start = (uint32_t)starts[row], len = (uint32_t)(starts[row + 1] - starts[row]);

		if (!(resource->properties[row].flags & PROPERTY_BETA))
			continue;
		if (count > 0 && cuts_out[count - 1].at + cuts_out[count - 1].len == start)
			cuts_out[count - 1].len += len;
		else if (count < CUTS_MAX)
			cuts_out[count++] = (struct cut){ start, len };
	}
	return count;
}

struct str
calendar_body(const struct resource *resource, const struct values *calendar, struct arena *arena)
{
	size_t     starts[RESOURCE_PROPERTIES_MAX + 1], count;
	struct cut cuts[CUTS_MAX];
	struct buf json, body;
	struct str copy = STR_EMPTY;

	buf_open(&json, STORE_BODY_MAX);
	buf_open(&body, STORE_BODY_MAX + HEAD_BYTES + CUTS_MAX * (size_t)CUT_BYTES);
	resource_put_object(&json, resource, calendar, starts);
	count = find_cuts(resource, starts, cuts);
	buf_put_char(&body, BODY_MARK);
	buf_put_char(&body, (char)(count | (resource->property_count - FIRST_ROWS) << 3));
	for (size_t i = 0; i < count; i++) {
		buf_put_le(&body, cuts[i].at, 4);
		buf_put_le(&body, cuts[i].len, 4);
	}
	buf_put(&body, buf_str(&json));
	if (buf_err(&json) == OK && body.len <= STORE_BODY_MAX)
		copy = arena_copy(arena, buf_str(&body));
	buf_close(&json);
	buf_close(&body);
	return copy;
}

size_t
calendar_pieces(const struct resource *resource, struct str body, const struct resource_sending *sending,
                struct str pieces_out[RESOURCE_PIECES_MAX])
{
	struct str json = calendar_json(body);
	size_t     cut_count = body.len > 1 ? (uint8_t)body.at[1] & CUTS_MAX : 0;
	size_t     from = 0, count = 0;

	if (json.len < 2 || row_count(body) != resource->property_count)
		return 0;
	for (size_t i = 0; i < cut_count && !sending->beta; i++) {
		uint32_t at = (uint32_t)le_read(body.at + HEAD_BYTES + i * CUT_BYTES, 4);
		uint32_t len = (uint32_t)le_read(body.at + HEAD_BYTES + i * CUT_BYTES + 4, 4);

		if (at < from || (size_t)at + len > json.len)
			return 0;
		pieces_out[count++] = str_of(json.at + from, at - from);
		from = (size_t)at + len;
	}
	pieces_out[count++] = str_skip(json, from);
	return pieces_out[count - 1].len > 0 ? count : 0;
}
