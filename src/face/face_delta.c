/* SPDX-License-Identifier: Apache-2.0 */
/* face_delta — GET …/calendars/delta: the sentence this program exists to say. */
#include "face/call.h"
#include "face/fields.h"
#include "face/page.h"
#include "face/place.h"

/* A mailbox nobody has touched yet gets its default calendar before it is read. */
static enum err
open_feed(struct call *call, const struct reader *reader, uint32_t limit, struct feed_page *feed_out)
{
	const struct place *from = reader->has_place ? &reader->place : NULL;
	struct store       *store = call->face->parts.store;
	/* Full metadata shows links, which are made from ids. */
	enum err          (*open_page)(struct feed_page *, struct store *, const struct store_feed *, const struct place *,
	                      uint32_t, struct arena *) = call->accept.level == LEVEL_FULL ? feed_open : feed_open_bodies;

	TRY(open_page(feed_out, store, &call->feed, from, limit, call->arena));
	if (store_scan_mark(feed_out->scan)->exists)
		return OK;
	feed_abort(feed_out);
	TRY(face_ensure_calendars(call));
	return open_page(feed_out, store, &call->feed, from, limit, call->arena);
}

static enum err
tell(struct call *call, const struct reader *reader, uint32_t limit, struct page *page, struct place *rest_out)
{
	AUTO(feed_abort) struct feed_page feed = { 0 };
	struct item item;

	TRY(open_feed(call, reader, limit, &feed));
	while (feed_next(&feed, &item))
		if (!page_put_change(page, &item)) {
			feed_put_back(&feed);
			break;
		}
	return feed_close(&feed, rest_out);
}

enum err
face_delta(struct call *call)
{
	uint32_t      limit = call->query.page_size ? call->query.page_size : PAGE_SIZE_DEFAULT;
	struct reader reader;
	struct place  rest;
	struct page   page;

	call->may_restart = true;
	TRY(place_read(call, TOKEN_CALENDARS_DELTA, &reader));
	page_open(&page, call, &resource_calendar, STR("Collection(calendar)"), reader.select);
	if (reader.from_now)
		rest = reader.place;
	else
		TRY(tell(call, &reader, limit, &page, &rest));
	page_close(&page, place_link_name(&rest), place_link(call, TOKEN_CALENDARS_DELTA, &rest, reader.select));

	if (call->query.page_size)
		fields_note_applied(call, arena_printf(call->arena, "odata.maxpagesize=%u", (unsigned)limit));
	if (call->query.track_changes)
		fields_note_applied(call, STR("odata.track-changes"));
	if (call->query.immutable_ids)
		fields_note_applied(call, STR("IdType=\"ImmutableId\""));
	http_resp_field(call->resp, "Cache-Control", STR("private"));
	return OK;
}
