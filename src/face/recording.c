/* SPDX-License-Identifier: Apache-2.0 */
#include "face/recording.h"

#include "base/buf.h"
#include "text/b64.h"
#include "text/date.h"
#include "text/json_span.h"
#include "text/json_write.h"

static bool
member_text(struct str object, struct str name, struct arena *arena, struct str *text_out)
{
	struct str raw;

	return json_span_member(object, name, &raw) && json_span_text(raw, arena, text_out);
}

static enum err
bad(struct str *why_out, struct str sentence)
{
	*why_out = sentence;
	return ERR_BAD_REQUEST;
}

enum err
recording_check_import(struct str value, struct arena *arena, struct str *why_out)
{
	struct str raw, text;
	int64_t    moment;

	if (json_span_member(value, STR("id"), &raw) &&
	    (!json_span_text(raw, arena, &text) || text.len == 0 || text.len > STORE_ID_MAX))
		return bad(why_out, STR("'id' must be a string of 1 to 1024 bytes"));
	if (!member_text(value, STR("meetingId"), arena, &text) || text.len == 0 || text.len > STORE_KEY_MAX)
		return bad(why_out, STR("a recording needs a 'meetingId', a string of 1 to 1024 bytes"));
	if (!member_text(value, STR("createdDateTime"), arena, &text) || !date_parse(text, &moment))
		return bad(why_out, STR("a recording needs a 'createdDateTime' such as 2024-01-15T00:00:00Z"));
	if (json_span_member(value, STR("endDateTime"), &raw) && raw.at[0] != 'n' &&
	    (!json_span_text(raw, arena, &text) || !date_parse(text, &moment)))
		return bad(why_out, STR("'endDateTime' must be a moment such as 2024-01-15T00:00:00Z"));
	if (json_span_member(value, STR("@removed"), &raw))
		return bad(why_out, STR("'@removed' does not belong in a recording; use {\"op\":\"remove\"}"));
	return OK;
}

/* The object without control information of its own ("@odata.…"), led by its id. */
static struct str
stored_body(struct str value, struct str id, struct arena *arena)
{
	struct json_walk walk;
	struct json_span span;
	struct buf       buf;
	struct str       copy;

	buf_open(&buf, STORE_BODY_MAX);
	buf_put(&buf, STR("{\"id\":"));
	json_quote(&buf, id);
	json_walk_open(&walk, value);
	while (json_walk_next(&walk, &span)) {
		if (str_eq(span.name, STR("id")) || str_starts(span.name, STR("@")))
			continue;
		buf_put(&buf, STR(",\""));
		buf_put(&buf, span.name);
		buf_put(&buf, STR("\":"));
		buf_put(&buf, span.value);
	}
	buf_put_char(&buf, '}');
	copy = buf_err(&buf) == OK ? arena_copy(arena, buf_str(&buf)) : STR_EMPTY;
	buf_close(&buf);
	return copy;
}

void
recording_put_import(struct store_txn *txn, const struct store_feed *feed, const struct entropy *entropy,
                     struct str value, struct arena *arena, struct str *why_out)
{
	struct item item = { 0 }, old;
	uint8_t     fresh_id[48];
	enum err    err = recording_check_import(value, arena, why_out);

	if (err != OK) {
		store_fail(txn, err);
		return;
	}
	if (!member_text(value, STR("id"), arena, &item.id)) {
		entropy_fill(entropy, fresh_id, sizeof(fresh_id));
		item.id = b64_encode(B64_URL_PADDED, fresh_id, sizeof(fresh_id), arena);
	}
	(void)member_text(value, STR("meetingId"), arena, &item.key);
	item.body = stored_body(value, item.id, arena);
	if (item.body.len == 0) {
		*why_out = STR("the recording is too large");
		store_fail(txn, ERR_TOO_LARGE);
	} else if (store_txn_get(txn, feed, item.id, &old)) {
		store_rewrite(txn, feed, &item);
	} else {
		store_put(txn, feed, &item);
	}
}

struct str
recording_json(struct str body)
{
	return body;
}
