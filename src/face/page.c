/* SPDX-License-Identifier: Apache-2.0 */
#include "face/page.h"

#include "face/calendar.h"
#include "face/shape.h"
#include "text/json_write.h"

static void
put_context(struct buf *buf, const struct call *call, struct str context)
{
	struct str version = call_version_url(call);

	buf_put(buf, STR("{\"@odata.context\":"));
	json_quote(buf, arena_printf(call->arena, "%.*s/$metadata#%.*s", STR_ARG(version), STR_ARG(context)));
}

void
page_open(struct page *page, const struct call *call, struct str context, uint32_t select)
{
	*page = (struct page){
		.buf = http_resp_body(call->resp),
		.arena = call->arena,
		.beta = call->route.beta,
		.select = select,
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

	for (size_t i = 0; i < count; i++) {
		struct str piece = pieces[i];

		if (i == 0) {
			piece = str_skip(piece, 1);
			if (!first)
				buf_put_char(buf, ',');
		}
		if (i + 1 == count)
			piece.len--;
		buf_put(buf, piece);
	}
}

static void
put_selected(struct buf *buf, struct str body, bool beta, uint32_t select, struct arena *arena, bool first)
{
	struct calendar calendar;

	if (select == 0) {
		put_members(buf, body, beta, first);
		return;
	}
	calendar_read_body(body, arena, &calendar);
	for (int prop = 0; prop < PROP_COUNT; prop++) {
		struct str name = calendar_prop_name((enum calendar_prop)prop);

		if (!(select >> prop & 1) || (calendar_prop_beta((enum calendar_prop)prop) && !beta))
			continue;
		if (!first)
			buf_put_char(buf, ',');
		first = false;
		json_quote(buf, name);
		buf_put_char(buf, ':');
		buf_put(buf, calendar.prop[prop]);
	}
}

bool
page_put_change(struct page *page, const struct item *item)
{
	struct buf *buf = page->buf;

	if (page->count > 0 && buf->len + item->body.len > PAGE_BYTES_MAX)
		return false;
	if (page->count++ > 0)
		buf_put_char(buf, ',');
	buf_put(buf, STR("{\"@odata.type\":\"#microsoft.graph.calendar\""));
	if (item->life == ITEM_REMOVED) {
		buf_put(buf, STR(",\"id\":"));
		json_quote(buf, item->id);
		buf_put(buf, STR(",\"@removed\":{\"reason\":\"deleted\"}"));
	} else {
		put_selected(buf, item->body, page->beta, page->select, page->arena, false);
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
	put_selected(page->buf, body, page->beta, page->select, page->arena, false);
	buf_put_char(page->buf, '}');
}

void
page_close(struct page *page, struct str link_name, struct str link)
{
	buf_put_char(page->buf, ']');
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
	struct buf *buf = http_resp_body(call->resp);

	put_context(buf, call, context);
	buf_put(buf, STR(",\"@odata.id\":"));
	json_quote(buf, entity_id_url);
	put_selected(buf, body, call->route.beta, select, call->arena, false);
	buf_put_char(buf, '}');
}
