/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_item.h"

#include "follow/follow_page.h"
#include "text/json_check.h"
#include "text/json_span.h"

#define TYPE_SPACE STR("#microsoft.graph.")
#define DELTA      STR("@delta")
#define NOISE      STR("@microsoft.graph.")
#define UNIT_LEN   6 /* \uXXXX */

static bool
is_null(struct str raw)
{
	return str_eq(raw, STR("null"));
}

/* ---- members ---------------------------------------------------------------------------------- */

/* A name without its escapes. */
static struct str
plain_name(struct str raw, struct arena *arena)
{
	struct str text;

	if (!memchr(raw.at, '\\', raw.len))
		return raw;
	return json_span_text(str_of(raw.at - 1, raw.len + 2), arena, &text) ? text : raw;
}

static bool
is_parts(struct str name)
{
	return name.len > DELTA.len && str_ends(name, DELTA);
}

/* Only an item that was asked for by itself has a context. */
static bool
is_noise(struct str name)
{
	return memmem(name.at, name.len, NOISE.at, NOISE.len) != NULL || str_eq(name, STR("@odata.context"));
}

/* A null @removed or `deleted` counts as missing.  A null id is a fault. */
void
follow_raw_note(struct follow_raw *raw, struct str name, struct str value, struct arena *arena)
{
	if (name.len == 0)
		return;
	name = plain_name(name, arena);
	if (str_eq(name, STR("id")))
		raw->id = value;
	else if (str_eq(name, STR("deleted")))
		raw->has_facet = !is_null(value);
	else if (!memchr(name.at, '@', name.len))
		return;
	else if (str_eq(name, STR("@removed")))
		raw->removed = is_null(value) ? STR_EMPTY : value;
	else if (str_eq(name, STR("@odata.type")))
		raw->type = value;
	else if (is_parts(name))
		raw->has_parts = true;
	else if (is_noise(name))
		raw->has_noise = true;
}

/* The item without its parts and without annotations that are no state. */
static struct str
kept_members(struct str body, struct arena *arena)
{
	char            *text = arena_take_raw(arena, body.len + 2);
	size_t           len = 1;
	struct json_walk walk;
	struct json_span span;
	struct str       name;

	text[0] = '{';
	json_walk_open(&walk, body);
	while (json_walk_next(&walk, &span)) {
		name = plain_name(span.name, arena);
		if (is_parts(name) || is_noise(name))
			continue;
		if (len > 1)
			text[len++] = ',';
		text[len++] = '"';
		memcpy(text + len, span.name.at, span.name.len);
		len += span.name.len;
		text[len++] = '"';
		text[len++] = ':';
		memcpy(text + len, span.value.at, span.value.len);
		len += span.value.len;
	}
	text[len++] = '}';
	return str_of(text, len);
}

/* ---- identity --------------------------------------------------------------------------------- */

/* The text of a member like "channelIdentity.teamId"; empty without it. */
static struct str
text_at(struct str object, struct str path, struct arena *arena)
{
	struct str name, text;

	if (json_span_member(object, path, &text))
		return json_span_text(text, arena, &text) ? text : STR_EMPTY;
	while (str_take_until(&path, '.', &name))
		if (!json_span_member(object, name, &object))
			return STR_EMPTY;
	return json_span_text(object, arena, &text) ? text : STR_EMPTY;
}

/* The members that are there, joined by a slash; a type without its namespace. */
static struct str
joined_id(struct str body, const char *const *members, struct arena *arena)
{
	struct str id = STR_EMPTY, text;

	for (; *members; members++) {
		text = text_at(body, str_from_c(*members), arena);
		if (str_starts(text, TYPE_SPACE))
			text = str_skip(text, TYPE_SPACE.len);
		if (text.len > 0 && id.len > 0)
			id = arena_printf(arena, "%.*s/%.*s", STR_ARG(id), STR_ARG(text));
		else if (text.len > 0)
			id = text;
	}
	return id;
}

static const char *
read_id(const struct follow_raw *raw, const struct resource *resource, struct arena *arena, struct str *id_out)
{
	struct str id;

	if (raw->body.at[0] != '{')
		return "it is not an object";
	if (raw->id.len == 0)
		return "it has no id";
	if (!json_span_text(raw->id, arena, &id))
		return "its id is not a string";
	if (id.len == 0)
		return "its id is empty";
	if (memchr(id.at, '\0', id.len))
		return "its id holds \\u0000";
	if (resource->identity[1])
		id = joined_id(raw->body, resource->identity, arena);
	if (id.len > STORE_ID_MAX)
		return "its id is longer than 1024 bytes";
	*id_out = id;
	return NULL;
}

/* ---- relations -------------------------------------------------------------------------------- */

struct parts {
	struct json_walk members, elements;
	struct str       relation;
	struct arena    *arena;
};

/* One part; a relation that is told as an object has this one element. */
static bool
next_part(struct parts *parts, struct str *element_out)
{
	struct json_span span;
	struct str       name;

	for (;;) {
		if (json_walk_next(&parts->elements, &span)) {
			*element_out = span.value;
			return true;
		}
		do {
			if (!json_walk_next(&parts->members, &span))
				return false;
			name = plain_name(span.name, parts->arena);
		} while (!is_parts(name));
		parts->relation = str_first(name, name.len - DELTA.len);
		if (span.value.at[0] == '[')
			json_walk_open(&parts->elements, span.value);
		if (span.value.at[0] == '{') {
			*element_out = span.value;
			return true;
		}
	}
}

static bool
read_part(struct str element, struct str relation, struct arena *arena, struct replica_relation *out)
{
	struct str raw, member = STR_EMPTY, type = STR_EMPTY;

	if (!json_span_member(element, STR("id"), &raw) || !json_span_text(raw, arena, &member) || member.len == 0 ||
	    member.len > STORE_ID_MAX || relation.len > REPLICA_NAME_MAX || memchr(member.at, '\0', member.len) ||
	    element.len > STORE_BODY_MAX)
		return false;
	if (json_span_member(element, STR("@odata.type"), &raw) && json_span_text(raw, arena, &type) &&
	    str_starts(type, TYPE_SPACE))
		type = str_skip(type, TYPE_SPACE.len);
	if (type.len > REPLICA_NAME_MAX)
		return false;
	*out = (struct replica_relation){ .relation = relation, .member = member, .type = type, .value = element };
	out->is_removed = json_span_member(element, STR("@removed"), &raw) && !is_null(raw);
	return true;
}

static bool
parts_are_good(struct str body, struct arena *arena)
{
	struct parts            parts = { .arena = arena };
	struct replica_relation part;
	struct str              element;

	json_walk_open(&parts.members, body);
	while (next_part(&parts, &element))
		if (!read_part(element, parts.relation, arena, &part))
			return false;
	return true;
}

/* ---- an item ---------------------------------------------------------------------------------- */

static enum replica_life
life_of(const struct follow_raw *raw, const struct resource *resource)
{
	struct str reason;

	if (raw->removed.len > 0)
		return json_span_member(raw->removed, STR("reason"), &reason) && str_eq(reason, STR("\"changed\""))
		               ? REPLICA_CHANGED
		               : REPLICA_DELETED;
	return resource->removal == REMOVAL_FACET && raw->has_facet ? REPLICA_DELETED : REPLICA_LIVE;
}

static const struct resource *
resource_for(const struct resource *of_scope, struct str raw_type, struct arena *arena)
{
	struct str type;

	if (of_scope && of_scope != &resource_generic)
		return of_scope;
	return raw_type.len > 0 && json_span_text(raw_type, arena, &type) ? resource_of_type(type) : &resource_generic;
}

void
follow_item_make(const struct follow_raw *raw, const struct resource *resource, struct arena *arena,
                 struct follow_item *item_out)
{
	struct follow_item item = { .id = STR_EMPTY, .body = raw->body, .received = raw->body };

	item.resource = resource_for(resource, raw->type, arena);
	item.fault = read_id(raw, item.resource, arena, &item.id);
	if (raw->fault)
		item.fault = raw->fault;
	if (!item.fault)
		item.life = life_of(raw, item.resource);
	if (!item.fault && item.life == REPLICA_LIVE && (raw->has_parts || raw->has_noise))
		item.body = kept_members(raw->body, arena);
	item.has_parts = raw->has_parts && item.life == REPLICA_LIVE;
	if (!item.fault && item.has_parts && !parts_are_good(raw->body, arena))
		item.fault = "a member of one of its relations has no id, or is too large";
	if (!item.fault && item.body.len > STORE_BODY_MAX)
		item.fault = "it is larger than 2 MiB";
	*item_out = item;
}

bool
follow_fault_counts(const char *what)
{
	return !str_eq(str_from_c(what), STR(JSON_NUL_FAULT)) && !str_eq(str_from_c(what), STR(JSON_HALF_FAULT));
}

static void
note_fault(void *ctx, const char *what)
{
	struct follow_raw *raw = ctx;

	if (!raw->fault && follow_fault_counts(what))
		raw->fault = what;
}

static void
ignore_value(void *ctx, size_t depth, struct str name, struct str value)
{
	(void)ctx;
	(void)depth;
	(void)name;
	(void)value;
}

void
follow_item_read(struct str text, const struct resource *resource, struct arena *arena, struct follow_item *item_out)
{
	struct follow_raw raw = { .body = text };
	struct json_watch watch = { .ctx = &raw, .depth = 0, .emit = ignore_value, .spoiled = note_fault };
	struct json_walk  walk;
	struct json_span  span;
	struct str        why;

	if (json_check_watched(text, FOLLOW_PAGE_MAX, &watch, arena, &why) != OK) {
		*item_out = (struct follow_item){ .body = text, .received = text, .fault = arena_c(arena, why) };
		return;
	}
	json_walk_open(&walk, text);
	while (json_walk_next(&walk, &span))
		follow_raw_note(&raw, span.name, span.value, arena);
	follow_item_make(&raw, resource, arena, item_out);
}

void
follow_item_put(struct replica *replica, const struct follow_item *item, struct arena *arena)
{
	AUTO(buf_close) struct buf shown = { 0 };
	struct parts               parts = { .arena = arena };
	struct replica_relation    part;
	struct str                 element;
	bool                       is_live = item->life == REPLICA_LIVE;

	replica_put_item(replica, item->id, item->life, is_live ? item->body : STR_EMPTY);
	buf_open(&shown, STORE_BODY_MAX);
	if (is_live && follow_item_shown(item->body, &shown))
		replica_put_shown(replica, buf_str(&shown));
	if (!item->has_parts)
		return;
	json_walk_open(&parts.members, item->received);
	while (next_part(&parts, &element))
		if (read_part(element, parts.relation, arena, &part))
			replica_put_relation(replica, item->id, &part);
}

/* ---- what views show -------------------------------------------------------------------------- */

static bool
read_unit(struct str text, uint32_t *unit_out)
{
	uint32_t unit = 0;

	if (text.len < UNIT_LEN || text.at[0] != '\\' || text.at[1] != 'u')
		return false;
	for (size_t i = 2; i < UNIT_LEN; i++) {
		char c = text.at[i];

		unit = unit << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	*unit_out = unit;
	return true;
}

/* The length of the escape that the text begins with. */
static size_t
escape_len(struct str text, bool *means_nothing_out)
{
	uint32_t unit, low;

	*means_nothing_out = false;
	if (!read_unit(text, &unit))
		return text.len < 2 ? text.len : 2;
	if (unit >= 0xd800 && unit <= 0xdbff && read_unit(str_skip(text, UNIT_LEN), &low) && low >= 0xdc00 &&
	    low <= 0xdfff)
		return (size_t)2 * UNIT_LEN;
	*means_nothing_out = unit == 0 || (unit >= 0xd800 && unit <= 0xdfff);
	return UNIT_LEN;
}

/* memmem() takes ten times as long. */
static bool
has_unit(struct str body)
{
	const char *escape;

	while ((escape = memchr(body.at, '\\', body.len)) != NULL && escape + 1 < body.at + body.len) {
		if (escape[1] == 'u')
			return true;
		body = str_skip(body, (size_t)(escape - body.at) + 2);
	}
	return false;
}

bool
follow_item_shown(struct str body, struct buf *shown_out)
{
	const char *escape;
	bool        is_other = false, means_nothing;
	size_t      plain, len;

	if (!has_unit(body))
		return false;
	while ((escape = memchr(body.at, '\\', body.len)) != NULL) {
		plain = (size_t)(escape - body.at);
		buf_put(shown_out, str_first(body, plain));
		body = str_skip(body, plain);
		len = escape_len(body, &means_nothing);
		buf_put(shown_out, means_nothing ? STR("\\ufffd") : str_first(body, len));
		is_other = is_other || means_nothing;
		body = str_skip(body, len);
	}
	buf_put(shown_out, body);
	return is_other && buf_err(shown_out) == OK;
}
