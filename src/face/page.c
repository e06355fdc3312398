/* SPDX-License-Identifier: Apache-2.0 */
#include "face/page.h"

#include "face/calendar.h"
#include "face/entity.h"
#include "face/recording.h"
#include "face/shape.h"
#include "text/json_write.h"
#include "text/uri.h"

static void
put_context(struct buf *buf, const struct call *call, struct str context)
{
	struct str version = call_version_url(call);

	buf_put(buf, STR("{\"@odata.context\":"));
	json_quote(buf, arena_printf(call->arena, "%.*s/$metadata#%.*s", STR_ARG(version), STR_ARG(context)));
}

static void put_calendar(struct page *page, const struct item *item, bool first);

static const struct page_resource calendars = { "#microsoft.graph.calendar", put_calendar };

void
page_open(struct page *page, const struct call *call, struct str context, uint32_t select)
{
	*page = (struct page){
		.buf = http_resp_body(call->resp),
		.arena = call->arena,
		.resource = &calendars,
		.beta = call->route.beta,
		.select = select,
		.full = call->accept.level == LEVEL_FULL ? call : NULL,
	};
	put_context(page->buf, call, context);
	buf_put(page->buf, STR(",\"value\":["));
}

/* The members of a stored body, without the braces; `first` tells whether a comma must go before. */
static void
put_members(struct buf *buf, struct str body, bool beta, bool first)
{
	struct str pieces[CALENDAR_PIECES_MAX];
	size_t     count = calendar_pieces(body, beta, pieces);
	char      *room, *out;

	pieces[0] = str_skip(pieces[0], 1);
	if (pieces[count - 1].len == 0)
		buf_fail(buf, ERR_CORRUPT);
	room = buf_room(buf, body.len + 1);
	if (!room)
		return;
	out = room;
	if (!first)
		*out++ = ',';
	pieces[count - 1].len--;
	for (size_t i = 0; i < count; i++) {
		memcpy(out, pieces[i].at, pieces[i].len);
		out += pieces[i].len;
	}
	buf_grew(buf, (size_t)(out - room));
}

/* What JSON does not say of a value's type by itself (odata.metadata=full). */
static const char *
type_of(enum calendar_prop prop)
{
	switch (prop) {
	case PROP_COLOR:
		return "#microsoft.graph.calendarColor";
	case PROP_GROUP_CLASS:
		return "#Guid";
	case PROP_PROVIDERS:
		return "#Collection(microsoft.graph.onlineMeetingProviderType)";
	case PROP_PROVIDER:
		return "#microsoft.graph.onlineMeetingProviderType";
	default:
		return NULL;
	}
}

static void
put_typed(struct buf *buf, enum calendar_prop prop, struct str value)
{
	struct str name = calendar_prop_name(prop);

	if (type_of(prop))
		buf_printf(buf, "\"%.*s@odata.type\":\"%s\",", STR_ARG(name), type_of(prop));
	json_quote(buf, name);
	buf_put_char(buf, ':');
	if (prop == PROP_OWNER && value.len > 2 && value.at[0] == '{') {
		buf_put(buf, STR("{\"@odata.type\":\"#microsoft.graph.emailAddress\","));
		value = str_skip(value, 1);
	}
	buf_put(buf, value);
}

/* Property by property: a selection of them, or all with their types. */
static void
put_one_by_one(struct buf *buf, struct str body, const struct page *page, bool first)
{
	struct calendar calendar;

	if (!calendar_read_body(body, &calendar)) {
		buf_fail(buf, ERR_CORRUPT);
		return;
	}
	for (int at = 0; at < PROP_COUNT; at++) {
		enum calendar_prop prop = (enum calendar_prop)at;

		if ((page->select && !(page->select >> at & 1)) || (calendar_prop_beta(prop) && !page->beta) ||
		    calendar.prop[at].len == 0)
			continue;
		if (!first)
			buf_put_char(buf, ',');
		first = false;
		if (page->full) {
			put_typed(buf, prop, calendar.prop[at]);
			continue;
		}
		json_quote(buf, calendar_prop_name(prop));
		buf_put_char(buf, ':');
		buf_put(buf, calendar.prop[at]);
	}
	if (page->select == 0)
		buf_put(buf, calendar.unknown);
}

static void
put_selected(struct page *page, struct str body, bool first)
{
	if (page->select == 0 && !page->full)
		put_members(page->buf, body, page->beta, first);
	else
		put_one_by_one(page->buf, body, page, first);
}

/* Type and links of a calendar, as the full level shows them; `has_type`: one stands there already. */
static void
put_full(struct page *page, struct str url, bool has_type)
{
	if (!page->full)
		return;
	if (!has_type)
		buf_printf(page->buf, ",\"@odata.type\":\"%s\"", page->resource->type);
	buf_put(page->buf, STR(",\"@odata.editLink\":"));
	json_quote(page->buf, url);
}

static void
put_calendar(struct page *page, const struct item *item, bool first)
{
	if (page->full) {
		struct str url = entity_url(page->full, "calendars", item->id);

		buf_put(page->buf, STR(",\"@odata.id\":"));
		json_quote(page->buf, url);
		put_full(page, url, true);
	}
	put_selected(page, item->body, first);
}

/* What every change begins with; once for each item, so in one look at the buffer. */
static void
put_type(struct buf *buf, struct str type, bool first)
{
	static const char before[] = ",{\"@odata.type\":\"";
	size_t            skip = first ? 1 : 0, len = sizeof(before) - 1 - skip;
	char             *room = buf_room(buf, len + type.len + 1);

	if (!room)
		return;
	memcpy(room, before + skip, len);
	memcpy(room + len, type.at, type.len);
	room[len + type.len] = '"';
	buf_grew(buf, len + type.len + 1);
}

bool
page_put_change(struct page *page, const struct item *item)
{
	struct buf *buf = page->buf;

	/* What is read counts, not what a selection leaves of it. */
	if (page->count > 0 && page->taken + item->body.len > PAGE_BYTES_MAX)
		return false;
	page->taken += item->body.len;
	put_type(buf, str_from_c(page->resource->type), page->count++ == 0);
	if (item->life == ITEM_REMOVED) {
		buf_put(buf, STR(",\"id\":"));
		json_quote(buf, item->id);
		buf_put(buf, STR(",\"@removed\":{\"reason\":\"deleted\"}"));
	} else {
		page->resource->put_members(page, item, false);
	}
	buf_put_char(buf, '}');
	return true;
}

void
page_put_entity(struct page *page, struct str entity_id_url, struct str body)
{
	if (page->count++ > 0)
		buf_put_char(page->buf, ',');
	buf_put(page->buf, STR("{\"@odata.id\":"));
	json_quote(page->buf, entity_id_url);
	put_full(page, entity_id_url, false);
	put_selected(page, body, false);
	buf_put_char(page->buf, '}');
}

void
page_close(struct page *page, struct str link_name, struct str link)
{
	buf_put_char(page->buf, ']');
	if (page->counted)
		buf_printf(page->buf, ",\"@odata.count\":%llu", (unsigned long long)page->total);
	if (link_name.len) {
		buf_put_char(page->buf, ',');
		json_quote(page->buf, link_name);
		buf_put_char(page->buf, ':');
		json_quote(page->buf, link);
	}
	buf_put_char(page->buf, '}');
}

void
page_single(const struct call *call, struct str context, struct str entity_id_url, struct str body, uint32_t select)
{
	struct page page = {
		.buf = http_resp_body(call->resp),
		.arena = call->arena,
		.resource = &calendars,
		.beta = call->route.beta,
		.select = select,
		.full = call->accept.level == LEVEL_FULL ? call : NULL,
	};

	put_context(page.buf, call, context);
	buf_put(page.buf, STR(",\"@odata.id\":"));
	json_quote(page.buf, entity_id_url);
	put_full(&page, entity_id_url, false);
	put_selected(&page, body, false);
	buf_put_char(page.buf, '}');
}

/* ---- recordings ---------------------------------------------------------------------------------------- */

/* As in Graph's samples: ids as segments of their own, escaped only where a path needs it. */
static struct str
content_root(const struct call *call)
{
	struct str version = call_version_url(call);
	char       owner[GUID_TEXT_LEN];

	guid_format(&call->owner.id, owner);
	return arena_printf(call->arena, "%.*s/users/%.*s/onlineMeetings/", STR_ARG(version), GUID_TEXT_LEN, owner);
}

static struct str
content_url(struct str root, const struct item *item, struct arena *arena)
{
	struct str meeting = uri_encode(item->key, "-_.~=*", arena), id = uri_encode(item->id, "-_.~=*", arena);

	return arena_printf(arena, "%.*s%.*s/recordings/%.*s/content", STR_ARG(root), STR_ARG(meeting), STR_ARG(id));
}

struct str
page_content_url(const struct call *call, const struct item *item)
{
	return content_url(content_root(call), item, call->arena);
}

/* Spliced: what stands before the URL's value, the URL, what stands behind it. */
static void
put_recording(struct page *page, const struct item *item, bool first)
{
	struct recording recording;
	struct str       json;

	if (!recording_read(item->body, &recording)) {
		page->damaged = true;
		return;
	}
	json = recording.json;
	if (page->full) {
		struct str url = content_url(page->content_root, item, page->arena);

		buf_put(page->buf, STR(",\"@odata.id\":"));
		json_quote(page->buf, str_first(url, url.len - sizeof("/content") + 1));
	}
	if (!first)
		buf_put_char(page->buf, ',');
	if (recording.has_content || !recording.has_url) {
		buf_put(page->buf, str_of(json.at + 1, recording.url_at - 1));
		json_quote(page->buf, content_url(page->content_root, item, page->arena));
		json = str_skip(json, recording.url_at + recording.url_len);
	} else {
		json = str_skip(json, 1);
	}
	buf_put(page->buf, str_first(json, json.len - 1));
}

static const struct page_resource recordings = { "#microsoft.graph.callRecording", put_recording };

void
page_open_recordings(struct page *page, const struct call *call)
{
	*page = (struct page){
		.buf = http_resp_body(call->resp),
		.arena = call->arena,
		.resource = &recordings,
		.beta = call->route.beta,
		.content_root = content_root(call),
		.full = call->accept.level == LEVEL_FULL ? call : NULL,
	};
}

/* What was written last comes first: one move of the rest. */
static void
put_in_front(struct buf *buf, size_t head_from, struct arena *arena)
{
	struct str head = arena_copy(arena, str_skip(buf_str(buf), head_from));

	memmove(buf->at + head.len, buf->at, head_from);
	memcpy(buf->at, head.at, head.len);
}

enum err
page_close_recordings(struct page *page, const struct call *call, struct str context, struct str link_name,
                      struct str link)
{
	struct buf *buf = page->buf;
	size_t      head_from;

	if (page->damaged)
		return ERR_CORRUPT;
	buf_put(buf, STR("]}"));
	head_from = buf->len;
	put_context(buf, call, context);
	if (link_name.len) {
		buf_put_char(buf, ',');
		json_quote(buf, link_name);
		buf_put_char(buf, ':');
		json_quote(buf, link);
	}
	buf_printf(buf, ",\"@odata.count\":%u,\"value\":[", (unsigned)page->count);
	TRY(buf_err(buf));
	put_in_front(buf, head_from, page->arena);
	return OK;
}

enum err
page_single_recording(const struct call *call, struct str context, const struct item *item)
{
	struct page page;

	page_open_recordings(&page, call);
	put_context(page.buf, call, context);
	put_recording(&page, item, false);
	buf_put_char(page.buf, '}');
	return page.damaged ? ERR_CORRUPT : OK;
}
