/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recording_body — a stored recording: 'R', version, flags, rows, created_ns:8 url_at:4 url_len:4, with content also
 * id:16 sha256:32 size:8, then the JSON text.  Numbers are little-endian.  `rows` counts the rows that the resource had
 * beyond its first 8.
 */
#include "base/bytes.h"
#include "resource/recording.h"
#include "resource/values.h"

#define BODY_MARK     'R'
#define BODY_VERSION  1
#define FLAG_CONTENT  1
#define FLAG_URL      2
#define FIRST_ROWS    8
#define HEAD_BYTES    20
#define CONTENT_BYTES (CONTENT_ID_BYTES + CONTENT_HASH_BYTES + 8)

bool
recording_read(struct str body, struct recording *recording_out)
{
	struct recording recording = { 0 };
	size_t           head = HEAD_BYTES;

	if (body.len < HEAD_BYTES || body.at[0] != BODY_MARK || body.at[1] != BODY_VERSION)
		return false;
	recording.has_content = body.at[2] & FLAG_CONTENT;
	recording.has_url = body.at[2] & FLAG_URL;
	recording.row_count = FIRST_ROWS + (uint8_t)body.at[3];
	recording.created_ns = (int64_t)le_read(body.at + 4, 8);
	recording.url_at = (size_t)le_read(body.at + 12, 4);
	recording.url_len = (size_t)le_read(body.at + 16, 4);
	if (recording.has_content) {
		const char *at = body.at + HEAD_BYTES;

		head += CONTENT_BYTES;
		if (body.len < head)
			return false;
		memcpy(recording.content.id, at, CONTENT_ID_BYTES);
		memcpy(recording.content.sha256, at + CONTENT_ID_BYTES, CONTENT_HASH_BYTES);
		recording.content.size = le_read(at + CONTENT_ID_BYTES + CONTENT_HASH_BYTES, 8);
	}
	recording.json = str_skip(body, head);
	if (recording.json.len < 2 || recording.url_at == 0 ||
	    recording.url_at + recording.url_len >= recording.json.len)
		return false;
	*recording_out = recording;
	return true;
}

struct str
recording_body(const struct recording *recording, struct arena *arena)
{
	struct buf buf;
	struct str copy = STR_EMPTY;

	buf_open(&buf, STORE_BODY_MAX);
	buf_put_char(&buf, BODY_MARK);
	buf_put_char(&buf, BODY_VERSION);
	buf_put_char(&buf, (char)((recording->has_content ? FLAG_CONTENT : 0) | (recording->has_url ? FLAG_URL : 0)));
	buf_put_char(&buf, (char)(recording->row_count - FIRST_ROWS));
	buf_put_le(&buf, (uint64_t)recording->created_ns, 8);
	buf_put_le(&buf, recording->url_at, 4);
	buf_put_le(&buf, recording->url_len, 4);
	if (recording->has_content) {
		buf_put(&buf, str_of(recording->content.id, CONTENT_ID_BYTES));
		buf_put(&buf, str_of(recording->content.sha256, CONTENT_HASH_BYTES));
		buf_put_le(&buf, recording->content.size, 8);
	}
	buf_put(&buf, recording->json);
	if (buf_err(&buf) == OK)
		copy = arena_copy(arena, buf_str(&buf));
	buf_close(&buf);
	return copy;
}

/* A recording without content on this server keeps the URL of its import. */
static bool
has_url_of_its_own(const struct recording *recording)
{
	return !recording->has_content && recording->has_url;
}

size_t
recording_pieces(const struct resource *resource, struct str body, const struct resource_sending *sending,
                 struct str pieces_out[RESOURCE_PIECES_MAX])
{
	struct recording recording;

	if (!recording_read(body, &recording) || recording.row_count != resource->property_count)
		return 0;
	pieces_out[0] = recording.json;
	if (has_url_of_its_own(&recording))
		return 1;
	pieces_out[0] = str_first(recording.json, recording.url_at);
	pieces_out[1] = sending->content_url;
	pieces_out[2] = str_skip(recording.json, recording.url_at + recording.url_len);
	return 3;
}

bool
recording_read_values(const struct resource *resource, struct str body, const struct resource_sending *sending,
                      struct arena *arena, struct values *values_out)
{
	struct recording recording;

	*values_out = (struct values){ .unknown = STR_EMPTY };
	if (!recording_read(body, &recording) ||
	    !resource_read_stored(resource, recording.json, recording.row_count, arena, values_out))
		return false;
	if (sending && !has_url_of_its_own(&recording))
		values_out->raw[RECORDING_URL] = sending->content_url;
	return true;
}

enum err
recording_content_of(struct str body, struct content_ref *ref_out)
{
	struct recording recording;

	if (!recording_read(body, &recording))
		return ERR_CORRUPT;
	*ref_out = recording.content;
	return recording.has_content ? OK : ERR_NOT_FOUND;
}
