/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json_write.h"

#include "base/bytes.h"
#include "base/err.h"
#include "text/json_string.h"
#include "text/uri.h"
#include "text/utf8.h"

void
json_out_open(struct json_out *out, struct buf *buf)
{
	*out = (struct json_out){ .buf = buf, .first = true };
}

struct json_out
json_out_object(struct buf *buf)
{
	struct json_out out = { .buf = buf, .first = true };

	json_put_object(&out);
	return out;
}

/* Every value and every name begins here.  Two values at the top would be no JSON. */
static void
put_comma(struct json_out *out)
{
	if (!out->first) {
		MUST(out->depth > 0);
		buf_put_char(out->buf, ',');
	}
	out->first = false;
}

static void
open_with(struct json_out *out, char bracket)
{
	put_comma(out);
	buf_put_char(out->buf, bracket);
	out->depth++;
	out->first = true;
}

static void
end_with(struct json_out *out, char bracket)
{
	MUST(out->depth > 0);
	buf_put_char(out->buf, bracket);
	out->depth--;
	out->first = false;
}

void
json_put_object(struct json_out *out)
{
	open_with(out, '{');
}

void
json_put_array(struct json_out *out)
{
	open_with(out, '[');
}

void
json_end_object(struct json_out *out)
{
	end_with(out, '}');
}

void
json_end_array(struct json_out *out)
{
	end_with(out, ']');
}

void
json_put_name(struct json_out *out, struct str name)
{
	MUST(out->depth > 0);
	put_comma(out);
	json_quote(out->buf, name);
	buf_put_char(out->buf, ':');
	out->first = true;
}

void
json_put_text(struct json_out *out, struct str text)
{
	put_comma(out);
	json_quote(out->buf, text);
}

void
json_put_raw(struct json_out *out, struct str json)
{
	put_comma(out);
	buf_put(out->buf, json);
}

void
json_put_bool(struct json_out *out, bool value)
{
	json_put_raw(out, value ? STR("true") : STR("false"));
}

void
json_put_int(struct json_out *out, int64_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	put_comma(out);
	if (value < 0)
		buf_put_char(out->buf, '-');
	buf_put_u64(out->buf, size);
}

void
json_put_member(struct json_out *out, struct str name, struct str text)
{
	json_put_name(out, name);
	json_put_text(out, text);
}

void
json_put_member_raw(struct json_out *out, struct str name, struct str json)
{
	json_put_name(out, name);
	json_put_raw(out, json);
}

void
json_put_member_bool(struct json_out *out, struct str name, bool value)
{
	json_put_name(out, name);
	json_put_bool(out, value);
}

void
json_put_member_int(struct json_out *out, struct str name, int64_t value)
{
	json_put_name(out, name);
	json_put_int(out, value);
}

void
json_put_member_words(struct json_out *out, struct str name, struct str words)
{
	struct str word;

	json_put_name(out, name);
	json_put_array(out);
	while (str_take_until(&words, ' ', &word))
		if (word.len > 0)
			json_put_text(out, word);
	json_end_array(out);
}

static void
put_escape(struct buf *buf, char c)
{
	static const char special[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char       *found = memchr(special, c, sizeof(special) - 1);
	char              text[6] = { '\\', 'u', '0', '0' };

	hex_write(&c, 1, text + 4);
	if (found)
		text[1] = letters[found - special];
	buf_put(buf, str_of(text, found ? 2 : 6));
}

/* What stands between the quotes, of text that is UTF-8. */
static void
put_escaped(struct buf *buf, struct str text)
{
	for (;;) {
		size_t plain = json_plain_len(text);

		buf_put(buf, str_first(text, plain));
		if (plain == text.len)
			break;
		put_escape(buf, text.at[plain]);
		text = str_skip(text, plain + 1);
	}
}

/* Any bytes: what is not UTF-8 becomes U+FFFD. */
static void
put_any(struct buf *buf, struct str text)
{
	size_t good;

	buf_put_char(buf, '"');
	while ((good = utf8_good_len(text)) < text.len) {
		put_escaped(buf, str_first(text, good));
		buf_put(buf, STR("\xef\xbf\xbd"));
		text = str_skip(text, good);
		text = str_skip(text, utf8_bad_len(text));
	}
	put_escaped(buf, text);
	buf_put_char(buf, '"');
}

void
json_quote(struct buf *buf, struct str text)
{
	char *space;

	if (json_plain_len(text) < text.len || !utf8_valid(text)) {
		put_any(buf, text);
		return;
	}
	/* Nearly all texts are plain: one look at the buffer, one copy. */
	space = buf_reserve(buf, text.len + 2);
	if (!space)
		return;
	space[0] = '"';
	if (text.len > 0)
		memcpy(space + 1, text.at, text.len);
	space[text.len + 1] = '"';
	buf_grew(buf, text.len + 2);
}

void
json_put_member_guid(struct json_out *out, struct str name, const struct guid *guid)
{
	json_put_member(out, name, str_from_c(guid_str(guid).c));
}
