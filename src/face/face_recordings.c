/* SPDX-License-Identifier: Apache-2.0 */
/* face_recordings — recordings told: of an organizer (with and without delta) and of one meeting. */
#include "crypt/seal.h"
#include "face/args.h"
#include "face/call.h"
#include "face/fields.h"
#include "face/page.h"
#include "face/place.h"
#include "face/recording.h"
#include "text/uri.h"

/* Rows a page looks at when only some of them are wanted; it may then be short, or empty, and not the last. */
#define SCAN_ROWS_MAX 5000

static const struct view whole_view = { .from_ns = INT64_MIN, .until_ns = INT64_MAX };

/* ---- what is asked for ------------------------------------------------------------------------------------ */

/* The path with its arguments spelled out, for links: an alias has no value where a link is used. */
static struct str
spelled_path(const struct call *call, const struct args *args)
{
	struct str start = args->has_start ? uri_encode(args->start, ":", call->arena) : STR_EMPTY;
	struct str end = args->has_end ? uri_encode(args->end, ":", call->arena) : STR_EMPTY;
	char       owner[GUID_TEXT_LEN];

	guid_format(&call->owner.id, owner);
	return arena_printf(call->arena,
	                    "/%s/users/%.*s/onlineMeetings/getAllRecordings(meetingOrganizerUserId='%.*s'%s%.*s%s%.*s)%s",
	                    call->route.beta ? "beta" : "v1.0", GUID_TEXT_LEN, owner, GUID_TEXT_LEN, owner,
	                    start.len ? ",startDateTime=" : "", STR_ARG(start), end.len ? ",endDateTime=" : "", STR_ARG(end),
	                    call->route.kind == ROUTE_ALL_RECORDINGS_DELTA ? "/delta" : "");
}

static enum err
read_arguments(struct call *call, struct view *view_out)
{
	struct view view = whole_view;
	struct args args;
	struct guid organizer;
	struct str  why;

	if (args_read(call->route.args, call->req->query, call->arena, &args, &why) != OK)
		return call_refuse(call, REFUSAL_ARGUMENT, why);
	if (!args.has_organizer)
		return call_refuse(call, REFUSAL_ARGUMENT, STR("The function parameter 'meetingOrganizerUserId' is required."));
	if (!guid_parse(args.organizer, &organizer) || !guid_eq(&organizer, &call->owner.id))
		return call_refuse(call, REFUSAL_ORGANIZER, STR_EMPTY);
	if (args.has_start)
		view.from_ns = args.start_ns;
	if (args.has_end)
		view.until_ns = args.end_ns;
	if (args.aliased)
		call->link_path = spelled_path(call, &args);
	*view_out = view;
	return OK;
}

static struct view
meeting_view(const struct call *call)
{
	struct view view = whole_view;

	hash_blake2b(call->route.meeting, view.meeting, sizeof(view.meeting));
	return view;
}

/* ---- one page ------------------------------------------------------------------------------------------------ */

struct walk {
	enum token_function function;
	bool                delta;       /* ends with a deltaLink */
	bool                one_meeting;
	struct reader       reader;
};

static bool
is_narrow(const struct walk *walk)
{
	return walk->one_meeting || walk->reader.view.from_ns != INT64_MIN || walk->reader.view.until_ns != INT64_MAX;
}

/* A removal says no more than an id, so it is told to everybody who asked for removals. */
static bool
is_wanted(const struct call *call, const struct walk *walk, const struct item *item)
{
	const struct view *view = &walk->reader.view;
	struct recording   recording;

	if (item->life == ITEM_REMOVED)
		return true;
	if (walk->one_meeting && !str_eq(item->key, call->route.meeting))
		return false;
	/* One that cannot be read is wanted, so that the page says so. */
	return !recording_read(item->body, &recording) ||
	       (recording.created_ns >= view->from_ns && recording.created_ns < view->until_ns);
}

static uint32_t
page_size(const struct call *call, const struct view *view)
{
	uint32_t size = view->top ? view->top : PAGE_SIZE_MAX;
	uint32_t wish = call->query.page_size ? call->query.page_size : view->top ? PAGE_SIZE_MAX : PAGE_SIZE_DEFAULT;

	return size < wish ? size : wish;
}

static enum err
open_feed(struct call *call, const struct walk *walk, uint32_t rows, struct feed_page *feed_out)
{
	const struct place *from = walk->reader.has_place ? &walk->reader.place : NULL;
	struct store       *store = call->face->parts.store;

	if (walk->reader.view.removals)
		return feed_open(feed_out, store, &call->feed, from, rows, call->arena);
	return feed_open_additions(feed_out, store, &call->feed, from, rows, call->arena);
}

static void
take_items(struct call *call, const struct walk *walk, uint32_t size, struct feed_page *feed, struct page *page)
{
	struct item item;

	while (feed_next(feed, &item)) {
		if (!is_wanted(call, walk, &item))
			continue;
		if (page->count == size || !page_put_change(page, &item)) {
			feed_put_back(feed);
			return;
		}
	}
}

static enum err
take_page(struct call *call, const struct walk *walk, uint32_t size, struct page *page, struct place *rest_out)
{
	AUTO(feed_abort) struct feed_page feed = { 0 };

	TRY(open_feed(call, walk, is_narrow(walk) ? SCAN_ROWS_MAX : size, &feed));
	take_items(call, walk, size, &feed, page);
	return feed_close(&feed, rest_out);
}

static enum err
tell(struct call *call, const struct walk *walk)
{
	uint32_t     size = page_size(call, &walk->reader.view);
	struct str   name = STR_EMPTY, link = STR_EMPTY;
	struct place rest;
	struct page  page;

	page_open_recordings(&page, call);
	if (walk->reader.from_now)
		rest = walk->reader.place;
	else
		TRY(take_page(call, walk, size, &page, &rest));
	if (walk->delta || !place_is_told(&rest)) {
		name = place_link_name(&rest);
		link = place_link_view(call, walk->function, &rest, &walk->reader.view);
	}
	TRY(page_close_recordings(&page, call, STR("Collection(callRecording)"), name, link));
	if (call->query.page_size)
		fields_note_applied(call, arena_printf(call->arena, "odata.maxpagesize=%u", (unsigned)size));
	if (walk->reader.view.removals)
		fields_note_applied(call, STR("tidemark.removals"));
	http_resp_field(call->resp, "Cache-Control", STR("private"));
	return OK;
}

enum err
face_all_recordings_delta(struct call *call)
{
	struct walk walk = { .function = TOKEN_ALL_RECORDINGS_DELTA, .delta = true };
	struct view asked;

	TRY(read_arguments(call, &asked));
	asked.removals = call->query.removals;
	call->may_restart = true;
	TRY(place_read_view(call, walk.function, &asked, &walk.reader));
	return tell(call, &walk);
}

enum err
face_all_recordings(struct call *call)
{
	struct walk walk = { .function = TOKEN_ALL_RECORDINGS };
	struct view asked;

	TRY(read_arguments(call, &asked));
	call->may_restart = true;
	TRY(place_read_view(call, walk.function, &asked, &walk.reader));
	return tell(call, &walk);
}

enum err
face_meeting_delta(struct call *call)
{
	struct walk walk = { .function = TOKEN_MEETING_RECORDINGS_DELTA, .delta = true, .one_meeting = true };
	struct view asked = meeting_view(call);

	asked.removals = call->query.removals;
	call->may_restart = true;
	TRY(place_read_view(call, walk.function, &asked, &walk.reader));
	return tell(call, &walk);
}

/* ---- one meeting ------------------------------------------------------------------------------------------------ */

static struct str
meeting_context(const struct call *call, const char *tail)
{
	struct str meeting = uri_encode(call->route.meeting, "-_.~=*", call->arena);
	char       owner[GUID_TEXT_LEN];

	guid_format(&call->owner.id, owner);
	return arena_printf(call->arena, "users('%.*s')/onlineMeetings('%.*s')/recordings%s", GUID_TEXT_LEN, owner,
	                    STR_ARG(meeting), tail);
}

/* The list is found by its key, not by a scan: its token holds the seq of the last item told. */
static struct place
list_place(uint64_t last_seq)
{
	return (struct place){ .span = { .after = last_seq, .until = UINT64_MAX, .fresh = true } };
}

enum err
face_list_recordings(struct call *call)
{
	struct store *store = call->face->parts.store;
	struct view   asked = meeting_view(call);
	struct reader reader;
	struct str    link = STR_EMPTY;
	struct page   page;
	struct item  *items;
	size_t        size, count, told = 0;

	TRY(place_read_view(call, TOKEN_MEETING_RECORDINGS, &asked, &reader));
	size = page_size(call, &reader.view);
	items = arena_take(call->arena, (size + 1) * sizeof(*items));
	TRY(store_find(store, &call->feed, call->route.meeting, reader.place.span.after, size + 1, call->arena, items, &count));
	if (count == 0 && !reader.has_place)
		return call_refuse(call, REFUSAL_NO_ITEM, STR("There is no such online meeting, or it has no recordings."));
	page_open_recordings(&page, call);
	while (told < count && told < size && page_put_change(&page, &items[told]))
		told++;
	if (told < count) {
		struct place rest = list_place(items[told - 1].seq);

		link = place_link_view(call, TOKEN_MEETING_RECORDINGS, &rest, &reader.view);
	}
	return page_close_recordings(&page, call, meeting_context(call, ""), link.len ? STR("@odata.nextLink") : STR_EMPTY,
	                             link);
}

static enum err
answer_one(struct call *call, unsigned status, const struct item *item)
{
	http_resp_status(call->resp, status);
	return page_single_recording(call, meeting_context(call, "/$entity"), item);
}

enum err
face_get_recording(struct call *call)
{
	static const enum option known[] = { OPTION_FORMAT, OPTION_KINDS };
	struct item item;
	enum err    err;

	TRY(query_allow(call, known, "on a single recording", "Leave them out."));
	err = store_get(call->face->parts.store, &call->feed, call->route.id, call->arena, &item);
	if (err == ERR_NOT_FOUND || (err == OK && !str_eq(item.key, call->route.meeting)))
		return call_refuse(call, REFUSAL_NO_ITEM, STR_EMPTY);
	TRY(err);
	return answer_one(call, 200, &item);
}

enum err
face_create_recording(struct call *call)
{
	struct recording_new ctx = {
		.feed = call->feed,
		.meeting = call->route.meeting,
		.now_ns = call->face->parts.clock->wall_ns(call->face->parts.clock->ctx),
		.entropy = call->face->parts.entropy,
		.arena = call->arena,
	};
	struct str  why = STR_EMPTY, url;
	struct item item = { .body = STR_EMPTY };
	enum err    err;

	if (ctx.meeting.len > STORE_KEY_MAX)
		return call_refuse(call, REFUSAL_ARGUMENT, STR("The id of an online meeting may have 1024 bytes."));
	TRY(call_read_body(call));

	AUTO(store_abort) struct store_txn *txn = store_begin(call->face->parts.store, NULL, call->arena);

	recording_create(txn, &ctx, call->req->body, &item, &why);
	TRY(call_hold(call, item.body.len));
	err = store_commit(&txn);
	if (err == ERR_BAD_REQUEST)
		return call_refuse(call, REFUSAL_BODY, why);
	if (err == ERR_CONFLICT)
		return call_refuse(call, REFUSAL_EXISTS, STR_EMPTY);
	TRY(err);
	url = page_content_url(call, &item);
	http_resp_field(call->resp, "Location", str_first(url, url.len - (sizeof("/content") - 1)));
	return answer_one(call, 201, &item);
}
