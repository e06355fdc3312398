/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json_span.h"

#include "text/json_string.h"
#include "text/utf8.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct str
skip_blanks(struct str s)
{
	while (s.len > 0 && is_blank(s.at[0]))
		s = str_skip(s, 1);
	return s;
}

/* Lengths of the value `s` begins with.  On text that is no JSON they still end within it. */
static size_t
string_len(struct str s)
{
	size_t at = 1;

	while (at < s.len) {
		at += json_plain_len(str_skip(s, at));
		if (at < s.len && s.at[at] == '"')
			return at + 1;
		at += at < s.len && s.at[at] == '\\' ? 2 : 1;
	}
	return s.len;
}

static size_t
container_len(struct str s)
{
	size_t depth = 0, at = 0;

	while (at < s.len) {
		switch (s.at[at]) {
		case '"':
			at += string_len(str_skip(s, at));
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return at + 1;
			break;
		default:
			break;
		}
		at++;
	}
	return s.len;
}

static size_t
bare_len(struct str s)
{
	size_t at = 0;

	while (at < s.len && !is_blank(s.at[at]) && s.at[at] != ',' && s.at[at] != '}' && s.at[at] != ']')
		at++;
	return at;
}

static size_t
value_len(struct str s)
{
	if (s.len == 0)
		return 0;
	if (s.at[0] == '"')
		return string_len(s);
	if (s.at[0] == '{' || s.at[0] == '[')
		return container_len(s);
	return bare_len(s);
}

void
json_walk_open(struct json_walk *walk, struct str text)
{
	text = skip_blanks(text);
	*walk = (struct json_walk){ .rest = STR_EMPTY };
	if (text.len == 0 || (text.at[0] != '{' && text.at[0] != '['))
		return;
	walk->object = text.at[0] == '{';
	walk->rest = str_skip(text, 1);
}

static bool
take_name(struct str *rest, struct str *name_out)
{
	size_t     len;
	struct str after;

	if (rest->len == 0 || rest->at[0] != '"')
		return false;
	len = string_len(*rest);
	after = skip_blanks(str_skip(*rest, len));
	if (len < 2 || after.len == 0 || after.at[0] != ':')
		return false;
	*name_out = str_of(rest->at + 1, len - 2);
	*rest = skip_blanks(str_skip(after, 1));
	return true;
}

bool
json_walk_next(struct json_walk *walk, struct json_span *span_out)
{
	struct json_span span = { .name = STR_EMPTY };
	struct str       rest = skip_blanks(walk->rest);
	size_t           len;

	walk->rest = STR_EMPTY;
	if (walk->started && rest.len > 0 && rest.at[0] == ',')
		rest = skip_blanks(str_skip(rest, 1));
	if (walk->object && !take_name(&rest, &span.name))
		return false;
	len = value_len(rest);
	if (len == 0)
		return false;
	span.value = str_first(rest, len);
	walk->rest = str_skip(rest, len);
	walk->started = true;
	*span_out = span;
	return true;
}

bool
json_span_is_named(struct str raw, struct str name)
{
	if (str_find(raw, '\\') == raw.len)
		return str_eq(raw, name);
	while (raw.len > 0) {
		char     bytes[4] = { raw.at[0] };
		size_t   len = 1;
		uint32_t rune;

		if (raw.at[0] != '\\')
			raw = str_skip(raw, 1);
		else if (json_take_escape(&raw, &rune))
			len = utf8_put(rune, bytes);
		else
			return false;
		if (!str_starts(name, str_of(bytes, len)))
			return false;
		name = str_skip(name, len);
	}
	return name.len == 0;
}

bool
json_span_member(struct str object, struct str name, struct str *value_out)
{
	struct json_walk walk;
	struct json_span span;

	json_walk_open(&walk, object);
	while (walk.object && json_walk_next(&walk, &span)) {
		if (json_span_is_named(span.name, name)) {
			*value_out = span.value;
			return true;
		}
	}
	return false;
}

bool
json_span_text(struct str raw, struct arena *arena, struct str *text_out)
{
	struct str inside;
	size_t     plain, len = 0;
	char      *text;

	if (raw.len < 2 || raw.at[0] != '"' || raw.at[raw.len - 1] != '"')
		return false;
	inside = str_of(raw.at + 1, raw.len - 2);
	plain = json_plain_len(inside);
	if (plain == inside.len) {
		*text_out = inside;
		return true;
	}
	/* An escape is never shorter than what it stands for. */
	text = arena_take_raw(arena, inside.len);
	for (;;) {
		uint32_t rune;

		memcpy(text + len, inside.at, plain);
		len += plain;
		inside = str_skip(inside, plain);
		if (inside.len == 0)
			break;
		if (inside.at[0] != '\\' || !json_take_escape(&inside, &rune))
			return false;
		len += utf8_put(rune, text + len);
		plain = json_plain_len(inside);
	}
	*text_out = str_of(text, len);
	return true;
}
