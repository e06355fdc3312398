/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar_body — a stored calendar: 'C', a byte, the cuts, the JSON text.  One that has extended properties begins
 * with 'E', a byte, 4 bytes of length, the JSON of these properties; then come the cuts and the JSON text.
 *
 * A cut is a part that /v1.0 leaves out: its offset from the '{' and its length, 4 bytes each, little-endian.  The low
 * three bits of the byte say how many cuts there are, the others how many rows the resource had beyond its first 18.
 */
#include "base/bytes.h"
#include "resource/calendar.h"
#include "resource/values.h"

#define BODY_MARK     'C'
#define EXTENDED_MARK 'E'
#define HEAD_BYTES    2
#define LENGTH_BYTES  4
#define CUTS_MAX      (RESOURCE_PIECES_MAX - 1)
#define CUT_BYTES     8
#define FIRST_ROWS    18

struct cut {
	uint32_t at, len;
};

struct parts {
	struct str extended, cuts, json; /* no JSON: the body is damaged */
};

static struct parts
take_apart(struct str body)
{
	struct parts parts = { .json = STR_EMPTY };
	size_t       at = HEAD_BYTES, len;

	if (body.len < HEAD_BYTES + LENGTH_BYTES || (body.at[0] != BODY_MARK && body.at[0] != EXTENDED_MARK))
		return parts;
	if (body.at[0] == EXTENDED_MARK) {
		len = (size_t)le_read(body.at + HEAD_BYTES, LENGTH_BYTES);
		at += LENGTH_BYTES;
		if (len > body.len - at)
			return parts;
		parts.extended = str_of(body.at + at, len);
		at += len;
	}
	parts.cuts = str_first(str_skip(body, at), ((uint8_t)body.at[1] & CUTS_MAX) * (size_t)CUT_BYTES);
	parts.json = str_skip(body, at + ((uint8_t)body.at[1] & CUTS_MAX) * (size_t)CUT_BYTES);
	return parts;
}

struct str
calendar_json(struct str body)
{
	return take_apart(body).json;
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
	struct parts parts = take_apart(body);

	(void)sending;
	*calendar_out = (struct values){ .unknown = STR_EMPTY };
	if (parts.json.len == 0 || !resource_read_stored(resource, parts.json, row_count(body), arena, calendar_out))
		return false;
	calendar_out->extended = parts.extended;
	return true;
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
	buf_open(&body, 2 * STORE_BODY_MAX);
	resource_put_object(&json, resource, calendar, starts);
	count = find_cuts(resource, starts, cuts);
	buf_put_char(&body, calendar->extended.len > 0 ? EXTENDED_MARK : BODY_MARK);
	buf_put_char(&body, (char)(count | (resource->property_count - FIRST_ROWS) << 3));
	if (calendar->extended.len > 0) {
		buf_put_le(&body, calendar->extended.len, LENGTH_BYTES);
		buf_put(&body, calendar->extended);
	}
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
	struct parts parts = take_apart(body);
	struct str   json = parts.json;
	size_t       from = 0, count = 0;

	if (json.len < 2 || row_count(body) != resource->property_count)
		return 0;
	for (size_t i = 0; i < parts.cuts.len / CUT_BYTES && !sending->beta; i++) {
		uint32_t at = (uint32_t)le_read(parts.cuts.at + i * CUT_BYTES, 4);
		uint32_t len = (uint32_t)le_read(parts.cuts.at + i * CUT_BYTES + 4, 4);

		if (at < from || (size_t)at + len > json.len)
			return 0;
		pieces_out[count++] = str_of(json.at + from, at - from);
		from = (size_t)at + len;
	}
	pieces_out[count++] = str_skip(json, from);
	return pieces_out[count - 1].len > 0 ? count : 0;
}
