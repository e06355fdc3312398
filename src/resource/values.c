/* SPDX-License-Identifier: Apache-2.0 */
/* values — reading, checking and writing the properties of a resource, row by row. */
#include "resource/values.h"
#include "resource/extended.h"
#include "text/date.h"
#include "text/json_span.h"
#include "text/json_write.h"

/* ---- checks ----------------------------------------------------------------------------------------------- */

static bool
is_null(struct str raw)
{
	return raw.len == 0 || raw.at[0] == 'n';
}

/* The member in its own spelling; NULL: there is none. */
static const char *
find_member(const struct enumeration *enumeration, struct str text)
{
	for (const char *const *member = enumeration->members; *member; member++)
		if (str_eq_nocase(text, str_from_c(*member)))
			return *member;
	return NULL;
}

/* Also writes them in their own spelling. */
static struct str
check_enums(const struct property *property, struct str *raw, struct arena *arena)
{
	struct json_walk walk;
	struct json_span span;
	struct str       text, list = STR("[");
	const char      *member = NULL;
	int              count = 0;

	if (raw->at[0] != '[')
		return arena_printf(arena, "must be an array of %s", property->enumeration->name);
	json_walk_open(&walk, *raw);
	while (json_walk_next(&walk, &span)) {
		if (++count > RESOURCE_ENUMS_MAX || !json_span_text(span.value, arena, &text) ||
		    !(member = find_member(property->enumeration, text)))
			return arena_printf(arena, "holds a value that is no %s", property->enumeration->name);
		list = arena_printf(arena, "%.*s%s\"%s\"", STR_ARG(list), count > 1 ? "," : "", member);
	}
	*raw = arena_printf(arena, "%.*s]", STR_ARG(list));
	return STR_EMPTY;
}

static struct str
check_enum(const struct property *property, struct str text, struct str *raw, struct arena *arena)
{
	const char *member = find_member(property->enumeration, text);

	if (!member)
		return arena_printf(arena, "is no %s that is known", property->enumeration->name);
	*raw = arena_printf(arena, "\"%s\"", member);
	return STR_EMPTY;
}

static struct str
check_text(const struct property *property, struct str text, struct arena *arena)
{
	size_t  max = property->bytes_max ? property->bytes_max : RESOURCE_TEXT_MAX;
	size_t  min = property->flags & PROPERTY_NOT_NULL ? 1 : 0;
	int64_t moment;

	if (property->type == TYPE_MOMENT)
		return date_parse(text, &moment) ? STR_EMPTY : STR("must be a moment such as 2024-01-15T00:00:00Z");
	if (text.len < min)
		return arena_printf(arena, "must have 1 to %zu bytes", max);
	return text.len > max ? arena_printf(arena, "must not be longer than %zu bytes", max) : STR_EMPTY;
}

/* Empty: the value is good for the property, and *value is as it is stored.  Else what is wrong with it. */
static struct str
check_value(const struct property *property, struct str *value, struct arena *arena)
{
	struct str raw = *value, text = STR_EMPTY, fault = STR_EMPTY;

	if (is_null(raw))
		return property->flags & PROPERTY_NOT_NULL ? STR("must not be null") : STR_EMPTY;
	switch (property->type) {
	case TYPE_BOOLEAN:
		return raw.at[0] == 't' || raw.at[0] == 'f' ? STR_EMPTY : STR("must be true or false");
	case TYPE_ENUMS:
		return check_enums(property, value, arena);
	case TYPE_OBJECT:
		if (raw.at[0] != '{')
			return STR("must be an object");
		break;
	default:
		if (raw.at[0] != '"' || !json_span_text(raw, arena, &text))
			return STR("must be a string");
		if (property->type == TYPE_ENUM)
			return check_enum(property, text, value, arena);
		if (property->check)
			fault = str_from_c(property->check(raw, text, arena));
		return fault.len > 0 ? fault : check_text(property, text, arena);
	}
	return property->check ? str_from_c(property->check(raw, text, arena)) : STR_EMPTY;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static size_t
find_row(const struct resource *resource, struct str name, bool exactly)
{
	for (size_t row = 0; row < resource->property_count; row++) {
		struct str known = str_from_c(resource->properties[row].name);

		if (exactly ? str_eq(name, known) : str_eq_nocase(name, known))
			return row;
	}
	return resource->property_count;
}

/* A member without a row.  Empty: it is allowed. */
static struct str
check_unknown(const struct resource *resource, struct str name, struct arena *arena)
{
	if (str_find(name, '\\') < name.len)
		return STR("property names must be written without escapes");
	if (str_eq(name, STR("@removed")))
		return arena_printf(arena, "'@removed' does not belong in %s %s; use {\"op\":\"remove\"}",
		                    resource->article, resource->name);
	for (const struct refused_member *refused = resource->refused; refused && refused->name; refused++)
		if (str_eq(name, str_from_c(refused->name)))
			return arena_printf(arena, "'%s' does not belong in %s %s; %s", refused->name,
			                    resource->article, resource->name, refused->why);
	return STR_EMPTY;
}

static size_t
append(char *at, struct str text)
{
	memcpy(at, text.at, text.len);
	return text.len;
}

/* Appends ,"name":value. */
static char *
keep_unknown(char *end, const struct json_span *span)
{
	end += append(end, STR(",\""));
	end += append(end, span->name);
	end += append(end, STR("\":"));
	return end + append(end, span->value);
}

/* Who wrote the object: a client in one of the `calls`, or an import (0). */
struct reading {
	const struct resource *resource;
	struct arena          *arena;
	unsigned               calls;
	bool                   beta;
};

/* Takes the value of a row.  What a client may not set is ignored, and so is a null where the server makes an id. */
static struct str
take_value(const struct reading *reading, size_t row, struct str value, struct values *values)
{
	const struct property *property = &reading->resource->properties[row];
	struct str             fault;

	if (reading->calls && !property_is_writable(property, reading->calls, reading->beta))
		return STR_EMPTY;
	if (reading->calls && row == 0 && is_null(value))
		return STR_EMPTY;
	if (values->raw[row].len > 0)
		return arena_printf(reading->arena, "'%s' is given twice", property->name);
	fault = check_value(property, &value, reading->arena);
	if (fault.len > 0)
		return arena_printf(reading->arena, "'%s' %.*s", property->name, STR_ARG(fault));
	values->raw[row] = value;
	return STR_EMPTY;
}

/* A member that is no property. */
static struct str
take_other(const struct reading *reading, const struct json_span *span, struct values *values, char **end)
{
	bool       is_extended = reading->resource->has_extended && str_eq(span->name, STR(EXTENDED_NAME));
	struct str fault = is_extended ? extended_check(span->value, reading->arena)
	                               : check_unknown(reading->resource, span->name, reading->arena);

	if (is_extended && fault.len > 0)
		return arena_printf(reading->arena, "'%s' %.*s", EXTENDED_NAME, STR_ARG(fault));
	if (is_extended)
		values->extended = span->value;
	/* Names with '@' are control information.  The server writes its own. */
	if (is_extended || fault.len > 0 || str_find(span->name, '@') < span->name.len)
		return fault;
	if (values->first_unknown.len == 0)
		values->first_unknown = span->name;
	*end = keep_unknown(*end, span);
	return STR_EMPTY;
}

static enum err
read_object(const struct reading *reading, struct str json, struct values *values_out, struct str *why_out)
{
	const struct resource *resource = reading->resource;
	struct values          values = { .unknown = STR_EMPTY };
	char                  *unknown = arena_take_raw(reading->arena, json.len * 2 + 1), *end = unknown;
	struct json_walk       walk;
	struct json_span       span;
	struct str             fault;

	json_walk_open(&walk, json);
	while (json_walk_next(&walk, &span)) {
		size_t row = find_row(resource, span.name, reading->calls == 0);

		fault = row < resource->property_count ? take_value(reading, row, span.value, &values)
		                                       : take_other(reading, &span, &values, &end);
		if (fault.len > 0) {
			*why_out = fault;
			return ERR_BAD_REQUEST;
		}
	}
	values.unknown = str_of(unknown, (size_t)(end - unknown));
	*values_out = values;
	return OK;
}

enum err
resource_read_import(const struct resource *resource, struct str json, struct arena *arena, struct values *values_out,
                     struct str *why_out)
{
	const struct reading reading = { .resource = resource, .arena = arena };

	TRY(read_object(&reading, json, values_out, why_out));
	for (size_t row = 0; row < resource->property_count; row++) {
		const struct property *property = &resource->properties[row];

		if (!(property->flags & PROPERTY_NEEDED) || values_out->raw[row].len > 0)
			continue;
		*why_out = arena_printf(arena, "%s %s needs a '%s'%s%s", resource->article, resource->name,
		                        property->name, property->example ? " such as " : "",
		                        property->example ? property->example : "");
		return ERR_BAD_REQUEST;
	}
	return OK;
}

enum err
resource_read_body(const struct resource_ctx *ctx, struct str json, unsigned calls, struct values *values_out,
                   struct str *why_out)
{
	const struct reading reading = { ctx->resource, ctx->arena, calls, ctx->beta };

	TRY(read_object(&reading, json, values_out, why_out));
	if (values_out->first_unknown.len == 0)
		return OK;
	*why_out = arena_printf(ctx->arena, "The property '%.*s' does not exist on type '%s'.",
	                        STR_ARG(str_cut(values_out->first_unknown, 64)), ctx->resource->odata_type + 1);
	return ERR_BAD_REQUEST;
}

/* Rows newer than the body: an import may have brought such a member before the row existed. */
static void
add_newer_rows(const struct resource *resource, struct str json, size_t count, struct arena *arena,
               struct values *values)
{
	char            *unknown = arena_take_raw(arena, values->unknown.len + 1), *end = unknown;
	struct json_walk walk;
	struct json_span span;

	json_walk_open(&walk, json);
	for (size_t at = 0; json_walk_next(&walk, &span); at++) {
		size_t row = at < count ? at : find_row(resource, span.name, true);

		if (row == resource->property_count)
			end = keep_unknown(end, &span);
		else if (row >= count && check_value(&resource->properties[row], &span.value, arena).len == 0)
			values->raw[row] = span.value;
	}
	values->unknown = str_of(unknown, (size_t)(end - unknown));
	values_fill(values, resource);
}

bool
resource_read_stored(const struct resource *resource, struct str json, size_t count, struct arena *arena,
                     struct values *values_out)
{
	struct values    values = { .unknown = STR_EMPTY };
	struct json_walk walk;
	struct json_span span;
	const char      *end = NULL; /* of the last row's value; unknown members follow it */
	size_t           row = 0;

	*values_out = (struct values){ .unknown = STR_EMPTY };
	if (count == 0 || count > resource->property_count)
		return false;
	json_walk_open(&walk, json);
	while (row < count && json_walk_next(&walk, &span)) {
		if (!str_eq(span.name, str_from_c(resource->properties[row].name)) || span.value.len == 0)
			return false;
		values.raw[row++] = span.value;
		end = span.value.at + span.value.len;
	}
	if (row < count || json.at[json.len - 1] != '}' || end >= json.at + json.len)
		return false;
	values.unknown = str_of(end, (size_t)(json.at + json.len - 1 - end));
	if (count < resource->property_count)
		add_newer_rows(resource, json, count, arena, &values);
	*values_out = values;
	return true;
}

bool
values_fail(struct store_txn *txn, enum err err)
{
	if (err != OK)
		store_fail(txn, err);
	return err != OK;
}

/* ---- single values -------------------------------------------------------------------------------------------- */

bool
values_flag(const struct values *values, size_t row)
{
	return values->raw[row].len > 0 && values->raw[row].at[0] == 't';
}

bool
values_is_null(const struct values *values, size_t row)
{
	return is_null(values->raw[row]);
}

struct str
values_text(const struct values *values, size_t row, struct arena *arena)
{
	struct str raw = values->raw[row], text;

	return raw.len > 0 && raw.at[0] == '"' && json_span_text(raw, arena, &text) ? text : STR_EMPTY;
}

struct str
resource_fold(struct str text, struct arena *arena)
{
	char *folded = arena_take_raw(arena, text.len);

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		folded[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return str_of(folded, text.len);
}

struct str
values_folded(const struct values *values, size_t row, struct arena *arena)
{
	return resource_fold(values_text(values, row, arena), arena);
}

void
values_set_text(struct values *values, size_t row, struct str text, struct arena *arena)
{
	struct buf buf;

	/* JSON writes a byte as six at most, and two quotes. */
	buf_open(&buf, text.len * 6 + 2);
	json_quote(&buf, text);
	values->raw[row] = arena_copy(arena, buf_str(&buf));
	buf_close(&buf);
}

void
values_set_flag(struct values *values, size_t row, bool value)
{
	values->raw[row] = value ? STR("true") : STR("false");
}

void
values_fill(struct values *values, const struct resource *resource)
{
	for (size_t row = 0; row < resource->property_count; row++)
		if (values->raw[row].len == 0 && resource->properties[row].initial)
			values->raw[row] = str_from_c(resource->properties[row].initial);
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* "name": with one look at the buffer, because every property of every write needs it. */
static void
put_name(struct buf *buf, const char *name)
{
	struct str text = str_from_c(name);
	char      *space = buf_reserve(buf, text.len + 3);

	if (!space)
		return;
	space[0] = '"';
	memcpy(space + 1, text.at, text.len);
	space[text.len + 1] = '"';
	space[text.len + 2] = ':';
	buf_grew(buf, text.len + 3);
}

void
resource_put_object(struct buf *buf, const struct resource *resource, const struct values *values, size_t *starts_out)
{
	for (size_t row = 0; row < resource->property_count; row++) {
		buf_put_char(buf, row == 0 ? '{' : ',');
		if (starts_out)
			starts_out[row] = buf->len;
		put_name(buf, resource->properties[row].name);
		buf_put(buf, values->raw[row].len ? values->raw[row] : STR("null"));
	}
	if (starts_out)
		starts_out[resource->property_count] = buf->len;
	buf_put(buf, values->unknown);
	buf_put_char(buf, '}');
}
