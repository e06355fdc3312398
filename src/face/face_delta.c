/* SPDX-License-Identifier: Apache-2.0 */
/* face_delta — GET …/calendars/delta: the sentence this program exists to say. */
#include "face/call.h"
#include "face/page.h"
#include "face/place.h"

/* A mailbox nobody has touched yet gets its default calendar before it is read. */
static enum err
open_feed(struct call *call, const struct reader *reader, uint32_t limit, struct feed_page *feed_out)
{
	const struct place *from = reader->has_place ? &reader->place : NULL;
	struct store       *store = call->face->parts.store;

	TRY(feed_open(feed_out, store, &call->feed, from, limit, call->arena));
	if (store_scan_mark(feed_out->scan)->exists)
		return OK;
	feed_abort(feed_out);
	TRY(face_ensure_calendars(call));
	return feed_open(feed_out, store, &call->feed, from, limit, call->arena);
}

enum err
face_delta(struct call *call)
{
	uint32_t limit = call->query.page_size ? call->query.page_size : PAGE_SIZE_DEFAULT;
	AUTO(feed_abort) struct feed_page feed = { 0 };
	struct reader reader;
	struct place  rest;
	struct page   page;
	struct item   item;

	call->location = place_restart_url(call);
	TRY(place_read(call, TOKEN_CALENDARS_DELTA, &reader));
	TRY(open_feed(call, &reader, limit, &feed));

	page_open(&page, call, STR("Collection(calendar)"), reader.select);
	while (feed_next(&feed, &item))
		if (!page_put_change(&page, &item)) {
			feed_put_back(&feed);
			break;
		}
	TRY(feed_close(&feed, &rest));
	page_close(&page, place_link_name(&rest), place_link(call, TOKEN_CALENDARS_DELTA, &rest, reader.select));

	if (call->query.page_size)
		http_resp_field(call->resp, "Preference-Applied",
		                arena_printf(call->arena, "odata.maxpagesize=%u", (unsigned)limit));
	if (call->query.track_changes)
		http_resp_field(call->resp, "Preference-Applied", STR("odata.track-changes"));
	http_resp_field(call->resp, "Cache-Control", STR("private"));
	return OK;
}
