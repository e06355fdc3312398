/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/page.h"

#include "graph/entity.h"
#include "resource/followed.h"
#include "resource/values.h"
#include "store/store_followed.h"
#include "text/json_span.h"
#include "text/json_write.h"
#include "text/uri.h"

static void
put_context(struct buf *buf, const struct call *call, struct str context)
{
	struct str version = call_version_url(call);

	buf_put(buf, STR("{\"@odata.context\":"));
	json_quote(buf, arena_printf(call->arena, "%.*s/$metadata#%.*s", STR_ARG(version), STR_ARG(context)));
}

static void
put_member(struct buf *buf, struct str name, struct str text)
{
	buf_put_char(buf, ',');
	json_quote(buf, name);
	buf_put_char(buf, ':');
	json_quote(buf, text);
}

static struct page
new_page(const struct call *call, const struct resource *resource, uint32_t select)
{
	return (struct page){
		.call = call,
		.resource = resource,
		.buf = http_resp_body(call->resp),
		.select = select,
		.full = call->accept.level == METADATA_FULL,
	};
}

/* ---- the members of an item -------------------------------------------------------------------------------- */

static struct resource_sending
sending_of(const struct page *page, const struct item *item)
{
	struct resource_sending sending = { .beta = page->call->route.beta };
	struct buf              quoted;
	struct str              url;

	if (!page->resource->content)
		return sending;
	url = entity_url(page->call, page->resource->item_path, item);
	buf_open(&quoted, STORE_BODY_MAX);
	json_quote(&quoted, arena_printf(page->call->arena, "%.*s/content", STR_ARG(url)));
	sending.content_url = arena_copy(page->call->arena, buf_str(&quoted));
	buf_close(&quoted);
	return sending;
}

/* The pieces joined, without the braces; a comma before them unless they are `first`. */
static void
put_pieces(struct buf *buf, struct str *pieces, size_t count, bool first)
{
	size_t len = 1;
	char  *space, *out;

	pieces[0] = str_skip(pieces[0], 1);
	pieces[count - 1].len--;
	for (size_t i = 0; i < count; i++)
		len += pieces[i].len;
	space = out = buf_reserve(buf, len);
	if (!space)
		return;
	if (!first)
		*out++ = ',';
	for (size_t i = 0; i < count; i++) {
		memcpy(out, pieces[i].at, pieces[i].len);
		out += pieces[i].len;
	}
	buf_grew(buf, (size_t)(out - space));
}

/* The types that JSON does not show (odata.metadata=full). */
static void
put_type_of(struct buf *buf, const struct property *property)
{
	switch (property->type) {
	case TYPE_GUID:
		buf_printf(buf, "\"%s@odata.type\":\"#Guid\",", property->name);
		break;
	case TYPE_MOMENT:
		buf_printf(buf, "\"%s@odata.type\":\"#DateTimeOffset\",", property->name);
		break;
	case TYPE_ENUM:
		buf_printf(buf, "\"%s@odata.type\":\"#microsoft.graph.%s\",", property->name,
		           property->enumeration->name);
		break;
	case TYPE_STRINGS:
		buf_printf(buf, "\"%s@odata.type\":\"#Collection(String)\",", property->name);
		break;
	case TYPE_ENUMS:
		buf_printf(buf, "\"%s@odata.type\":\"#Collection(microsoft.graph.%s)\",", property->name,
		           property->enumeration->name);
		break;
	default:
		break;
	}
}

static void
put_property(const struct page *page, const struct property *property, struct str value)
{
	if (page->full)
		put_type_of(page->buf, property);
	json_quote(page->buf, str_from_c(property->name));
	buf_put_char(page->buf, ':');
	if (page->full && property->type == TYPE_OBJECT && value.len > 2 && value.at[0] == '{') {
		buf_printf(page->buf, "{\"@odata.type\":\"#microsoft.graph.%s\",", property->complex);
		value = str_skip(value, 1);
	}
	buf_put(page->buf, value);
}

/* Property by property: the selected ones, or all with their types. */
static void
put_one_by_one(const struct page *page, struct str body, const struct resource_sending *sending, bool first)
{
	const struct resource *resource = page->resource;
	struct values          values;

	if (!resource->read(resource, body, sending, page->call->arena, &values)) {
		buf_fail(page->buf, ERR_CORRUPT);
		return;
	}
	for (size_t row = 0; row < resource->property_count; row++) {
		if ((page->select && !(page->select >> row & 1)) || values.raw[row].len == 0 ||
		    ((resource->properties[row].flags & PROPERTY_BETA) && !sending->beta))
			continue;
		if (!first)
			buf_put_char(page->buf, ',');
		first = false;
		put_property(page, &resource->properties[row], values.raw[row]);
	}
	if (page->select == 0)
		buf_put(page->buf, values.unknown);
}

static void
put_members(const struct page *page, const struct item *item, bool first)
{
	struct resource_sending sending = sending_of(page, item);
	struct str              pieces[RESOURCE_PIECES_MAX];
	struct values           values;
	size_t                  count = 0;

	if (page->select == 0 && !page->full)
		count = page->resource->pieces(page->resource, item->body, &sending, pieces);
	if (count > 0)
		put_pieces(page->buf, pieces, count, first);
	else
		put_one_by_one(page, item->body, &sending, first);
	if (page->call->expand && page->resource->read(page->resource, item->body, NULL, page->call->arena, &values))
		expand_put(page->buf, page->call->expand, &values, page->call->arena);
}

/* ---- items of followed feeds: as their source sent them ---------------------------------------------------------- */

static bool
is_selected(struct str names, struct str raw)
{
	struct str name;

	if (json_span_is_named(raw, STR("id")) || memchr(raw.at, '@', raw.len))
		return true;
	while (str_take_until(&names, ',', &name))
		if (json_span_is_named(raw, name))
			return true;
	return false;
}

/* The URL of an item's content on this server, as JSON. */
static struct str
content_url(const struct call *call, struct str id)
{
	struct str version = call_version_url(call), name = uri_encode(call->route.scope, "-_.~", call->arena);

	return arena_printf(call->arena, "\"%.*s/scopes/%.*s/%.*s/content\"", STR_ARG(version), STR_ARG(name),
	                    STR_ARG(uri_encode(id, "-_.~", call->arena)));
}

static void
put_one_by_one_sent(const struct page *page, const struct item *item, struct str member)
{
	const struct call *call = page->call;
	struct json_walk   walk;
	struct json_span   span;
	bool               first = true;

	json_walk_open(&walk, item->body);
	while (json_walk_next(&walk, &span)) {
		if (call->selected.len > 0 && !is_selected(call->selected, span.name))
			continue;
		buf_printf(page->buf, "%s\"%.*s\":", first ? "" : ",", STR_ARG(span.name));
		buf_put(page->buf, member.len > 0 && json_span_is_named(span.name, member) ? content_url(call, item->id)
		                                                                           : span.value);
		first = false;
	}
}

static void
put_sent(const struct page *page, const struct item *item)
{
	const struct served *served = page->call->route.served;
	struct str           body = str_trim_of(item->body, STR(" \t\r\n"));
	struct str           member = str_from_c(served ? served->content_member : NULL);

	if (page->call->selected.len > 0 || member.len > 0)
		put_one_by_one_sent(page, item, member);
	else
		buf_put(page->buf, str_of(body.at + 1, body.len - 2));
}

/* The type is a part of some ids: "plannerTask/ID". */
static void
put_removed(const struct page *page, const struct item *item)
{
	const struct resource *resource = page->resource;
	struct str             type = str_from_c(resource->odata_type ? resource->odata_type : ""), id = item->id;

	if (resource->identity[1] && strcmp(resource->identity[0], "@odata.type") == 0) {
		type = arena_printf(page->call->arena, "#microsoft.graph.%.*s", (int)str_find(id, '/'), id.at);
	}
	/* An id of several parts ends with the one that the source calls `id`; no id of such items holds a slash. */
	while (resource->identity[1] && str_find(id, '/') < id.len)
		id = str_skip(id, str_find(id, '/') + 1);
	if (type.len > 0) {
		buf_put(page->buf, STR("\"@odata.type\":"));
		json_quote(page->buf, type);
		buf_put_char(page->buf, ',');
	}
	buf_put(page->buf, STR("\"id\":"));
	json_quote(page->buf, id);
	if (resource->removal == REMOVAL_FACET)
		buf_put(page->buf, STR(",\"deleted\":{\"state\":\"deleted\"}"));
	else
		buf_printf(page->buf, ",\"@removed\":{\"reason\":\"%s\"}",
		           item->removal == ITEM_CHANGED ? "changed" : "deleted");
}

static void
close_object(struct page *page)
{
	if (page->relation.len > 0)
		buf_put_char(page->buf, ']');
	if (page->open_id.len > 0)
		buf_put_char(page->buf, '}');
	page->relation = page->open_id = STR_EMPTY;
}

/* The object of an item stays open for the members that follow it. */
static void
put_followed(struct page *page, const struct item *item)
{
	close_object(page);
	buf_put(page->buf, page->count++ > 0 ? STR(",{") : STR("{"));
	if (item->life == ITEM_REMOVED)
		put_removed(page, item);
	else
		put_sent(page, item);
	if (item->life == ITEM_LIVE && resource_has_relations(page->resource))
		page->open_id = arena_copy(page->call->arena, item->id);
	else
		buf_put_char(page->buf, '}');
}

static void
put_ended_member(const struct page *page, const struct store_member *member)
{
	buf_put_char(page->buf, '{');
	if (member->type.len > 0) {
		buf_put(page->buf, STR("\"@odata.type\":"));
		json_quote(page->buf,
		           arena_printf(page->call->arena, "%s%.*s",
		                        member->type.at[0] == '#' ? "" : "#microsoft.graph.", STR_ARG(member->type)));
		buf_put_char(page->buf, ',');
	}
	buf_put(page->buf, STR("\"id\":"));
	json_quote(page->buf, member->member);
	buf_put(page->buf, STR(",\"@removed\":{\"reason\":\"deleted\"}}"));
}

/* An element of NAME@delta.  No object has a name twice: relations come in their order, or in a further object. */
static void
put_related(struct page *page, const struct item *item)
{
	const struct store_member *member = item->member;
	struct arena              *arena = page->call->arena;
	struct str                 selected = page->call->selected;

	if (selected.len > 0 && !str_has_word(selected, ',', member->relation, str_eq))
		return;
	if (!str_eq(page->open_id, item->id) || str_cmp(member->relation, page->relation) < 0) {
		close_object(page);
		buf_put(page->buf, page->count++ > 0 ? STR(",{\"id\":") : STR("{\"id\":"));
		json_quote(page->buf, item->id);
		page->open_id = arena_copy(arena, item->id);
	}
	if (str_eq(page->relation, member->relation)) {
		buf_put_char(page->buf, ',');
	} else {
		buf_put(page->buf, page->relation.len > 0 ? STR("],") : STR(","));
		json_quote(page->buf, arena_printf(arena, "%.*s@delta", STR_ARG(member->relation)));
		buf_put(page->buf, STR(":["));
		page->relation = arena_copy(arena, member->relation);
	}
	if (item->life == ITEM_REMOVED)
		put_ended_member(page, member);
	else
		buf_put(page->buf, member->value);
}

/* ---- items -------------------------------------------------------------------------------------------------- */

/* Every change begins with it, so it looks at the buffer only once. */
static void
put_type(struct buf *buf, struct str type, bool first)
{
	static const char before[] = ",{\"@odata.type\":\"";
	size_t            skip = first ? 1 : 0, len = sizeof(before) - 1 - skip;
	char             *space = buf_reserve(buf, len + type.len + 1);

	if (!space)
		return;
	memcpy(space, before + skip, len);
	memcpy(space + len, type.at, type.len);
	space[len + type.len] = '"';
	buf_grew(buf, len + type.len + 1);
}

bool
page_put_change(struct page *page, const struct item *item)
{
	struct buf *buf = page->buf;

	/* The bytes that are read count, not those that a selection leaves; and the members of relations. */
	if (page->count > 0 && (page->taken + item->body.len > PAGE_BYTES_MAX ||
	                        (page->resource->is_followed && buf->len > PAGE_BYTES_MAX)))
		return false;
	page->taken += item->body.len;
	if (page->resource->is_followed) {
		item->member ? put_related(page, item) : put_followed(page, item);
		return true;
	}
	put_type(buf, str_from_c(page->resource->odata_type), page->count++ == 0);
	if (item->life == ITEM_REMOVED) {
		put_member(buf, STR("id"), item->id);
		buf_put(buf, STR(",\"@removed\":{\"reason\":\"deleted\"}"));
	} else {
		struct str url = page->full ? entity_url(page->call, page->resource->item_path, item) : STR_EMPTY;

		if (page->full)
			put_member(buf, STR("@odata.id"), url);
		if (page->full && !page->resource->content)
			put_member(buf, STR("@odata.editLink"), url);
		put_members(page, item, false);
	}
	buf_put_char(buf, '}');
	return true;
}

/* The URL of an item outside a change, and in full metadata its type. */
static void
put_names(const struct page *page, const struct item *item)
{
	struct str url = entity_url(page->call, page->resource->item_path, item);

	buf_put(page->buf, STR("\"@odata.id\":"));
	json_quote(page->buf, url);
	if (!page->full)
		return;
	put_member(page->buf, STR("@odata.type"), str_from_c(page->resource->odata_type));
	put_member(page->buf, STR("@odata.editLink"), url);
}

bool
page_put_entity(struct page *page, const struct item *item)
{
	bool bare = page->resource->is_bare && !page->full;

	if (page->resource->is_followed) {
		put_followed(page, item);
		return true;
	}
	if (page->resource->content)
		return page_put_change(page, item);
	buf_put(page->buf, page->count++ > 0 ? STR(",{") : STR("{"));
	if (!bare)
		put_names(page, item);
	put_members(page, item, bare);
	buf_put_char(page->buf, '}');
	return true;
}

/* ---- pages --------------------------------------------------------------------------------------------------- */

void
page_open(struct page *page, const struct call *call, const struct resource *resource, struct str context,
          uint32_t select)
{
	*page = new_page(call, resource, select);
	page->context = context;
	if (resource->content)
		return;
	put_context(page->buf, call, context);
	buf_put(page->buf, STR(",\"value\":["));
}

/* Moves what was written from head_from on to the front. */
static void
put_in_front(struct buf *buf, size_t head_from, struct arena *arena)
{
	struct str head = arena_copy(arena, str_skip(buf_str(buf), head_from));

	memmove(buf->at + head.len, buf->at, head_from);
	memcpy(buf->at, head.at, head.len);
}

static void
put_head(struct page *page, struct str link_name, struct str link)
{
	uint64_t count = page->counted ? page->total : page->count;
	size_t   items = page->buf->len;

	put_context(page->buf, page->call, page->context);
	if (link_name.len)
		put_member(page->buf, link_name, link);
	buf_printf(page->buf, ",\"@odata.count\":%llu,\"value\":[", (unsigned long long)count);
	if (buf_err(page->buf) == OK)
		put_in_front(page->buf, items, page->call->arena);
}

void
page_close(struct page *page, struct str link_name, struct str link)
{
	close_object(page);
	buf_put_char(page->buf, ']');
	if (page->resource->content) {
		buf_put_char(page->buf, '}');
		put_head(page, link_name, link);
		return;
	}
	if (page->counted)
		buf_printf(page->buf, ",\"@odata.count\":%llu", (unsigned long long)page->total);
	if (link_name.len)
		put_member(page->buf, link_name, link);
	buf_put_char(page->buf, '}');
}

void
page_single(const struct call *call, const struct resource *resource, struct str context, const struct item *item,
            uint32_t select)
{
	struct page page = new_page(call, resource, select);

	put_context(page.buf, call, context);
	if (resource->is_followed) {
		buf_put_char(page.buf, ',');
		put_sent(&page, item);
		buf_put_char(page.buf, '}');
		return;
	}
	if (!resource->content && (!resource->is_bare || page.full)) {
		buf_put_char(page.buf, ',');
		put_names(&page, item);
	} else if (resource->content && page.full) {
		put_member(page.buf, STR("@odata.id"), entity_url(call, resource->item_path, item));
	}
	put_members(&page, item, false);
	buf_put_char(page.buf, '}');
}
