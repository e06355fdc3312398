/* SPDX-License-Identifier: Apache-2.0 */
#include "face/shape.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/guid.h"
#include "face/calendar.h"
#include "text/json_read.h"
#include "text/json_span.h"
#include "text/json_write.h"

#define BODY_MARK    'C'
#define CUTS_MAX     (CALENDAR_PIECES_MAX - 1)
#define CUT_BYTES    8
#define NAME_MAX     255                 /* characters of a folder name */
#define TEXT_MAX     1024                /* bytes of any other text */
#define PROVIDERS_MAX 16

/* What a value must be; the check looks at the raw JSON that json_read() has accepted. */
enum value_kind {
	VALUE_ID, VALUE_NAME, VALUE_TEXT, VALUE_KEY, VALUE_FLAG, VALUE_COLOR, VALUE_PROVIDER, VALUE_PROVIDERS, VALUE_OWNER
};

static const struct {
	const char *name;
	bool        beta;
} props[PROP_COUNT] = {
#define X(prop, text, beta) [prop] = { text, beta },
	CALENDAR_PROP_TABLE(X)
#undef X
};

/* Flags are the rule; these are the others. */
static enum value_kind
kind_of(enum calendar_prop prop)
{
	switch (prop) {
	case PROP_ID:
		return VALUE_ID;
	case PROP_NAME:
		return VALUE_NAME;
	case PROP_COLOR:
		return VALUE_COLOR;
	case PROP_CHANGE_KEY:
		return VALUE_KEY;
	case PROP_HEX_COLOR:
	case PROP_GROUP_CLASS:
	case PROP_GROUP:
		return VALUE_TEXT;
	case PROP_PROVIDERS:
		return VALUE_PROVIDERS;
	case PROP_PROVIDER:
		return VALUE_PROVIDER;
	case PROP_OWNER:
		return VALUE_OWNER;
	default:
		return VALUE_FLAG;
	}
}

struct str
calendar_prop_name(enum calendar_prop prop)
{
	return str_from_c(props[prop].name);
}

bool
calendar_prop_beta(enum calendar_prop prop)
{
	return props[prop].beta;
}

enum calendar_prop
calendar_prop_find(struct str name)
{
	for (int prop = 0; prop < PROP_COUNT; prop++)
		if (str_eq(name, str_from_c(props[prop].name)))
			return (enum calendar_prop)prop;
	return PROP_COUNT;
}

/* ---- checks ------------------------------------------------------------------------------------ */

static bool
one_of(struct str text, const char *const *words)
{
	for (; *words; words++)
		if (str_eq(text, str_from_c(*words)))
			return true;
	return false;
}

static bool
is_color(struct str text)
{
	static const char *const colors[] = { "auto", "lightBlue", "lightGreen", "lightOrange", "lightGray", "lightYellow",
		                              "lightTeal", "lightPink", "lightBrown", "lightRed", "maxColor", NULL };

	return one_of(text, colors);
}

static bool
is_provider(struct str text)
{
	static const char *const providers[] = { "unknown", "skypeForBusiness", "skypeForConsumer", "teamsForBusiness", NULL };

	return one_of(text, providers);
}

static size_t
count_characters(struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += ((unsigned char)text.at[i] & 0xc0) != 0x80;
	return count;
}

static const char *
check_name(struct str text)
{
	if (str_trim(text).len == 0)
		return "must not be empty";
	if (count_characters(text) > NAME_MAX)
		return "must not be longer than 255 characters";
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
			return "must not hold control characters";
	return NULL;
}

static const char *
check_providers(struct str raw, struct arena *arena)
{
	struct json_walk walk;
	struct json_span span;
	struct str       text;
	int              count = 0;

	if (raw.at[0] != '[')
		return "must be an array of online meeting providers";
	json_walk_open(&walk, raw);
	while (json_walk_next(&walk, &span))
		if (++count > PROVIDERS_MAX || !json_span_text(span.value, arena, &text) || !is_provider(text))
			return "holds an online meeting provider that is not known";
	return NULL;
}

static const char *
check_owner(struct str raw, struct arena *arena)
{
	static const char *const members[] = { "name", "address" };
	struct str               value, text;

	if (raw.at[0] != '{')
		return "must be an object with name and address";
	for (int i = 0; i < 2; i++)
		if (json_span_member(raw, str_from_c(members[i]), &value) && value.at[0] != 'n' &&
		    (!json_span_text(value, arena, &text) || text.len > TEXT_MAX))
			return "must have a name and an address that are strings";
	return NULL;
}

/* It goes into ETags, where RFC 9110 section 8.8.3 allows no more. */
static const char *
check_key(struct str text)
{
	if (text.len > TEXT_MAX)
		return "must not be longer than 1024 bytes";
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= 0x20 || text.at[i] >= 0x7f || text.at[i] == '"' || text.at[i] == '\\')
			return "must hold visible ASCII without quotes only";
	return NULL;
}

/* NULL when the value is right for the property, else what is wrong with it. */
static const char *
check_text(enum value_kind kind, struct str text)
{
	switch (kind) {
	case VALUE_ID:
		return text.len == 0 || text.len > STORE_ID_MAX ? "must have 1 to 1024 bytes" : NULL;
	case VALUE_NAME:
		return check_name(text);
	case VALUE_KEY:
		return check_key(text);
	case VALUE_COLOR:
		return is_color(text) ? NULL : "is not a calendar color";
	case VALUE_PROVIDER:
		return is_provider(text) ? NULL : "is not an online meeting provider that is known";
	default:
		return text.len > TEXT_MAX ? "must not be longer than 1024 bytes" : NULL;
	}
}

static const char *
check_value(enum calendar_prop prop, struct str raw, struct arena *arena)
{
	enum value_kind kind = kind_of(prop);
	struct str      text;

	if (raw.at[0] == 'n')
		return kind == VALUE_ID || kind == VALUE_NAME ? "must not be null" : NULL;
	switch (kind) {
	case VALUE_FLAG:
		return raw.at[0] == 't' || raw.at[0] == 'f' ? NULL : "must be true or false";
	case VALUE_PROVIDERS:
		return check_providers(raw, arena);
	case VALUE_OWNER:
		return check_owner(raw, arena);
	default:
		return json_span_text(raw, arena, &text) ? check_text(kind, text) : "must be a string";
	}
}

/* ---- reading ------------------------------------------------------------------------------------- */

enum err
calendar_read(struct str json, struct arena *arena, struct calendar *calendar_out, struct str *why_out)
{
	struct calendar  calendar = { 0 };
	struct json_walk walk;
	struct json_span span;
	const char      *fault = NULL;
	char            *unknown = arena_take_raw(arena, json.len * 2 + 1);
	size_t           len = 0;

	json_walk_open(&walk, json);
	while (json_walk_next(&walk, &span)) {
		enum calendar_prop prop = calendar_prop_find(span.name);

		if (prop != PROP_COUNT) {
			fault = check_value(prop, span.value, arena);
			if (fault) {
				*why_out = arena_printf(arena, "'%s' %s", props[prop].name, fault);
				return ERR_BAD_REQUEST;
			}
			calendar.prop[prop] = span.value;
		} else if (str_find(span.name, '\\') < span.name.len) {
			*why_out = STR("property names must be written without escapes");
			return ERR_BAD_REQUEST;
		} else if (str_eq(span.name, STR("@removed"))) {
			*why_out = STR("'@removed' does not belong in a calendar; use {\"op\":\"remove\"}");
			return ERR_BAD_REQUEST;
		} else if (str_find(span.name, '@') == span.name.len) {
			/* Control information (a name with '@') is the server's to write; anything else is kept as it is. */
			len += (size_t)snprintf(unknown + len, json.len * 2 + 1 - len, ",\"%.*s\":%.*s", STR_ARG(span.name),
			                        STR_ARG(span.value));
		}
	}
	calendar.unknown = str_of(unknown, len);
	*calendar_out = calendar;
	return OK;
}

static struct str
body_json(struct str body)
{
	if (body.len < 2 || body.at[0] != BODY_MARK)
		return STR_EMPTY;
	return str_skip(body, 2 + (size_t)(uint8_t)body.at[1] * CUT_BYTES);
}

bool
calendar_read_body(struct str body, struct calendar *calendar_out)
{
	struct str       json = body_json(body);
	struct calendar  calendar = { 0 };
	struct json_walk walk;
	struct json_span span;
	const char      *end = NULL;     /* of the last known value: what is unknown follows it */
	int              known = 0;

	*calendar_out = (struct calendar){ 0 };
	json_walk_open(&walk, json);
	while (known < PROP_COUNT && json_walk_next(&walk, &span)) {
		if (!str_eq(span.name, calendar_prop_name((enum calendar_prop)known)) || span.value.len == 0)
			return false;
		calendar.prop[known++] = span.value;
		end = span.value.at + span.value.len;
	}
	if (known < PROP_COUNT || json.at[json.len - 1] != '}' || end >= json.at + json.len)
		return false;
	calendar.unknown = str_of(end, (size_t)(json.at + json.len - 1 - end));
	*calendar_out = calendar;
	return true;
}

bool
calendar_body_is_sound(struct str body, struct str id, struct arena *arena)
{
	struct json    *tree = NULL;
	struct calendar calendar;
	bool            is_json = json_read(body_json(body), arena, &tree, NULL) == OK;

	json_drop(&tree);
	return is_json && calendar_read_body(body, &calendar) && str_eq(calendar_text(&calendar, PROP_ID, arena), id);
}

/* ---- writing ------------------------------------------------------------------------------------- */

struct cut {
	uint32_t at, len;
};

static void
put_name(struct buf *json, const char *name)
{
	struct str text = str_from_c(name);
	char      *room = buf_room(json, text.len + 3);

	if (!room)
		return;
	room[0] = '"';
	memcpy(room + 1, text.at, text.len);
	room[text.len + 1] = '"';
	room[text.len + 2] = ':';
	buf_grew(json, text.len + 3);
}

struct str
calendar_body(const struct calendar *calendar, struct arena *arena)
{
	struct cut cuts[CUTS_MAX];
	size_t     cut_count = 0;
	struct buf json, body;
	struct str copy;

	buf_open(&json, STORE_BODY_MAX);
	buf_open(&body, STORE_BODY_MAX);
	for (int prop = 0; prop < PROP_COUNT; prop++) {
		uint32_t start;

		MUST(calendar->prop[prop].len > 0);
		buf_put_char(&json, prop == 0 ? '{' : ',');
		start = (uint32_t)json.len;
		put_name(&json, props[prop].name);
		buf_put(&json, calendar->prop[prop]);
		if (!props[prop].beta)
			continue;
		/* The comma behind goes with it; neighbours make one cut. */
		if (cut_count > 0 && cuts[cut_count - 1].at + cuts[cut_count - 1].len == start) {
			cuts[cut_count - 1].len += (uint32_t)json.len + 1 - start;
		} else {
			MUST(cut_count < CUTS_MAX);
			cuts[cut_count++] = (struct cut){ start, (uint32_t)json.len + 1 - start };
		}
	}
	buf_put(&json, calendar->unknown);
	buf_put_char(&json, '}');

	buf_put_char(&body, BODY_MARK);
	buf_put_char(&body, (char)cut_count);
	for (size_t i = 0; i < cut_count; i++) {
		buf_put_le(&body, cuts[i].at, 4);
		buf_put_le(&body, cuts[i].len, 4);
	}
	buf_put(&body, buf_str(&json));
	copy = buf_err(&json) == OK && buf_err(&body) == OK ? arena_copy(arena, buf_str(&body)) : STR_EMPTY;
	buf_close(&json);
	buf_close(&body);
	return copy;
}

size_t
calendar_pieces(struct str body, bool beta, struct str pieces_out[CALENDAR_PIECES_MAX])
{
	struct str json = body_json(body);
	size_t     cut_count = body.len > 1 ? (uint8_t)body.at[1] : 0;
	size_t     from = 0, count = 0;

	if (!beta)
		for (size_t i = 0; i < cut_count && count < CUTS_MAX; i++) {
			uint32_t at = (uint32_t)le_read(body.at + 2 + i * CUT_BYTES, 4);
			uint32_t len = (uint32_t)le_read(body.at + 2 + i * CUT_BYTES + 4, 4);

			if (at < from || (size_t)at + len > json.len)
				break;
			pieces_out[count++] = str_of(json.at + from, at - from);
			from = (size_t)at + len;
		}
	pieces_out[count++] = str_skip(json, from);
	return count;
}

struct str
calendar_json(struct str body, bool beta, struct arena *arena)
{
	struct str pieces[CALENDAR_PIECES_MAX];
	size_t     count = calendar_pieces(body, beta, pieces);
	char      *joined = arena_take_raw(arena, body.len);
	size_t     len = 0;

	for (size_t i = 0; i < count; i++) {
		memcpy(joined + len, pieces[i].at, pieces[i].len);
		len += pieces[i].len;
	}
	return str_of(joined, len);
}

struct str
calendar_change_key(struct str body)
{
	struct str raw;

	if (!json_span_member(body_json(body), STR("changeKey"), &raw) || raw.len < 2 || raw.at[0] != '"')
		return STR_EMPTY;
	return str_of(raw.at + 1, raw.len - 2);
}

/* ---- single properties ---------------------------------------------------------------------------- */

bool
calendar_flag(const struct calendar *calendar, enum calendar_prop prop)
{
	return calendar->prop[prop].len > 0 && calendar->prop[prop].at[0] == 't';
}

struct str
calendar_text(const struct calendar *calendar, enum calendar_prop prop, struct arena *arena)
{
	struct str text;

	if (calendar->prop[prop].len == 0 || !json_span_text(calendar->prop[prop], arena, &text))
		return STR_EMPTY;
	return text;
}

void
calendar_set_text(struct calendar *calendar, enum calendar_prop prop, struct str text, struct arena *arena)
{
	struct buf buf;

	buf_open(&buf, STORE_BODY_MAX);
	json_quote(&buf, text);
	MUST(buf_err(&buf) == OK);
	calendar->prop[prop] = arena_copy(arena, buf_str(&buf));
	buf_close(&buf);
}

void
calendar_set_flag(struct calendar *calendar, enum calendar_prop prop, bool value)
{
	calendar->prop[prop] = value ? STR("true") : STR("false");
}

struct str
calendar_fold_name(struct str name, struct arena *arena)
{
	char *folded = arena_take_raw(arena, name.len);

	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		folded[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return str_of(folded, name.len);
}

struct str
calendar_name_key(const struct calendar *calendar, struct arena *arena)
{
	return calendar_fold_name(calendar_text(calendar, PROP_NAME, arena), arena);
}
