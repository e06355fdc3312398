/* SPDX-License-Identifier: Apache-2.0 */
/* graph_recordings — the recordings of an organizer (with and without delta) and of one meeting. */
#include "base/bytes.h"
#include "crypt/seal.h"
#include "graph/steps.h"
#include "graph/parameters.h"
#include "graph/calls.h"
#include "graph/entity.h"
#include "graph/page.h"
#include "graph/waiting.h"
#include "resource/recording.h"
#include "text/uri.h"

/* The most rows that a page reads to find the wanted ones.  So a page may be short or empty without being the last. */
#define SCAN_ROWS_MAX 5000
/* … on a loop thread; a page that needs more is made on a worker. */
#define LOOP_ROWS_MAX 200

/* The options of a round's first request. */
struct view {
	uint32_t top;               /* items a page; 0: the server chooses */
	bool     removals;          /* report them (an extension) */
	int64_t  from_ns, until_ns; /* from <= createdDateTime < until; INT64_MIN and INT64_MAX: no bound */
	uint8_t  meeting[16];       /* one meeting: a hash of its id; else zero */
};

#define ALL "Collection(callRecording)"

static const struct view whole_view = { .from_ns = INT64_MIN, .until_ns = INT64_MAX };

/* ---- the request ------------------------------------------------------------------------------------ */

/* The path for links, with its parameters as literals: a link has no query that could hold the value of an alias. */
static struct str
spelled_path(const struct call *call, const struct parameters *parameters)
{
	struct str      start = parameters->has_start ? uri_encode(parameters->start, ":", call->arena) : STR_EMPTY;
	struct str      end = parameters->has_end ? uri_encode(parameters->end, ":", call->arena) : STR_EMPTY;
	struct guid_str owner = guid_str(&call->owner.id);

	return arena_printf(call->arena,
	                    "/%s/users/%s/onlineMeetings/getAllRecordings(meetingOrganizerUserId='%s'%s%.*s%s%.*s)%s",
	                    call->route.beta ? "beta" : "v1.0", owner.c, owner.c, start.len ? ",startDateTime=" : "",
	                    STR_ARG(start), end.len ? ",endDateTime=" : "", STR_ARG(end),
	                    call->route.kind == ROUTE_ALL_RECORDINGS_DELTA ? "/delta" : "");
}

/* The organizer is named by id, or by the UPN that the path names too. */
static bool
is_owner(const struct call *call, struct str organizer)
{
	struct guid id;

	if (access_parse_user(organizer, &call->caller.tenant, &id))
		return guid_eq(&id, &call->owner.id);
	return str_eq_nocase(organizer, call->route.user);
}

static enum err
read_parameters(struct call *call, struct view *view_out)
{
	struct view       view = whole_view;
	struct parameters parameters;
	struct str        why;

	if (parameters_read(call->route.parameters, call->req->query, call->arena, &parameters, &why) != OK)
		return call_refuse(call, GRAPH_ARGUMENT, why);
	if (!parameters.has_organizer)
		return call_refuse(call, GRAPH_ARGUMENT,
		                   STR("The function parameter 'meetingOrganizerUserId' is required."));
	if (!is_owner(call, parameters.organizer))
		return call_refuse(call, GRAPH_ORGANIZER, STR_EMPTY);
	if (parameters.has_start)
		view.from_ns = parameters.start_ns;
	if (parameters.has_end)
		view.until_ns = parameters.end_ns;
	if (parameters.aliased)
		call->link_path = spelled_path(call, &parameters);
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

/* ---- the view in a state token --------------------------------------------------------------------------- */

/* The version, flags (1: removals), top:4 from:8 until:8, the meeting's hash.  Numbers are little-endian. */
#define VIEW_VERSION  2
#define VIEW_BYTES    (2 + 4 + 8 + 8 + 16)
#define VIEW_REMOVALS 1

static struct str
write_view(const struct view *view, struct arena *arena)
{
	char *bytes = arena_take_raw(arena, VIEW_BYTES);

	bytes[0] = VIEW_VERSION;
	bytes[1] = view->removals ? VIEW_REMOVALS : 0;
	le_write(bytes + 2, view->top, 4);
	le_write(bytes + 6, (uint64_t)view->from_ns, 8);
	le_write(bytes + 14, (uint64_t)view->until_ns, 8);
	memcpy(bytes + 22, view->meeting, sizeof(view->meeting));
	return str_of(bytes, VIEW_BYTES);
}

static bool
read_view(struct str bytes, struct view *view_out)
{
	if (bytes.len != VIEW_BYTES || bytes.at[0] != VIEW_VERSION || (bytes.at[1] & ~VIEW_REMOVALS) != 0)
		return false;
	view_out->removals = bytes.at[1] == VIEW_REMOVALS;
	view_out->top = (uint32_t)le_read(bytes.at + 2, 4);
	view_out->from_ns = (int64_t)le_read(bytes.at + 6, 8);
	view_out->until_ns = (int64_t)le_read(bytes.at + 14, 8);
	memcpy(view_out->meeting, bytes.at + 22, sizeof(view_out->meeting));
	return view_out->top <= PAGE_SIZE_MAX;
}

static bool
is_other_window(const struct view *asked, const struct view *sealed)
{
	return (asked->from_ns != INT64_MIN && asked->from_ns != sealed->from_ns) ||
	       (asked->until_ns != INT64_MAX && asked->until_ns != sealed->until_ns);
}

static enum err
check_token_view(struct call *call, const struct view *asked, const struct view *sealed)
{
	if (memcmp(sealed->meeting, asked->meeting, sizeof(asked->meeting)) != 0)
		return ERR_BAD_TOKEN;
	if (is_other_window(asked, sealed))
		return call_refuse(
			call, GRAPH_ARGUMENT,
			STR("startDateTime and endDateTime are not those of the token. Use the link as it was given."));
	return OK;
}

/*
 * `asked` is what the path (window, meeting) and Prefer say; $top is read here.  A token's own view is used instead.
 * If the path contradicts it, that is an error.
 */
static enum err
read_view_of(struct call *call, enum token_function function, const struct view *asked, struct reader *reader_out,
             struct view *view_out)
{
	static const enum option first[] = { OPTION_TOP, OPTION_FORMAT, OPTION_TOKEN, OPTION_KINDS };
	struct view              view = *asked;
	uint64_t                 top;

	if (call->query.given[OPTION_TOKEN] && call->query.given[OPTION_FILTER]) {
		call->inner_code = "DeltaFilterNotAllowed";
		return call_refuse(
			call, GRAPH_OPTION,
			STR("$filter is not supported beside a token. The token holds what the round's first request "
		            "asked for; use the link as it was given."));
	}
	TRY(cursor_read(call, function, reader_out));
	if (reader_out->has_token) {
		if (!read_view(reader_out->options, &view))
			return ERR_BAD_TOKEN;
		TRY(check_token_view(call, asked, &view));
	} else {
		TRY(query_allow(call, first, "on the delta of recordings",
		                "Narrow them down by startDateTime and endDateTime; ask for a page size with $top."));
		TRY(query_number(call, OPTION_TOP, 1, PAGE_SIZE_MAX, 0, &top));
		view.top = (uint32_t)top;
	}
	*view_out = view;
	return OK;
}

/* ---- one page ------------------------------------------------------------------------------------------------ */

struct walk {
	enum token_function function;
	bool                one_meeting;
	struct reader       reader;
	struct view         view;
};

static bool
has_window(const struct view *view)
{
	return view->from_ns != INT64_MIN || view->until_ns != INT64_MAX;
}

static bool
is_in_window(const struct call *call, const void *ctx, const struct item *item)
{
	const struct view *view = ctx;
	struct recording   recording;

	(void)call;
	/* A damaged one is wanted, so that the page reports the damage. */
	return !recording_read(item->body, &recording) ||
	       (recording.created_ns >= view->from_ns && recording.created_ns < view->until_ns);
}

/* A removal is only an id, so every reader of removals gets all of them. */
static bool
is_wanted(const struct call *call, const struct walk *walk, const struct item *item)
{
	return item->life == ITEM_REMOVED || ((!walk->one_meeting || str_eq(item->key, call->route.meeting)) &&
	                                      is_in_window(call, &walk->view, item));
}

static uint32_t
page_size(const struct call *call, const struct view *view)
{
	uint32_t size = view->top ? view->top : PAGE_SIZE_MAX;
	uint32_t wish = call->query.page_size ? call->query.page_size : view->top ? PAGE_SIZE_MAX : PAGE_SIZE_DEFAULT;

	return size < wish ? size : wish;
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
take_page(struct call *call, const struct walk *walk, uint32_t size, struct page *page, struct cursor *rest_out)
{
	AUTO(feed_abort) struct feed_page feed = { .additions = !walk->view.removals };
	const struct cursor              *from = walk->reader.has_cursor ? &walk->reader.cursor : NULL;
	bool                              narrow = walk->one_meeting || has_window(&walk->view);
	uint32_t                          rows = call->req->may_block ? SCAN_ROWS_MAX : LOOP_ROWS_MAX;

	TRY(feed_open(&feed, call->graph->parts.store, &call->feed, from, narrow ? rows : size, call->arena));
	take_items(call, walk, size, &feed, page);
	TRY(feed_close(&feed, rest_out));
	if (narrow && !call->req->may_block && page->count < size && !cursor_is_complete(rest_out))
		return call_pause(call, HTTP_BLOCKS);
	return OK;
}

/* `asked`: what the path and Prefer say. */
static enum err
answer_walk(struct call *call, struct walk *walk, const struct view *asked)
{
	struct cursor rest;
	struct page   page;
	struct str    link;
	uint32_t      size;

	call->may_restart = true;
	waiting_begin(call);
	TRY(read_view_of(call, walk->function, asked, &walk->reader, &walk->view));
	size = page_size(call, &walk->view);
	page_open(&page, call, &resource_recording, STR(ALL), 0);
	if (walk->reader.from_now)
		rest = walk->reader.cursor;
	else
		TRY(take_page(call, walk, size, &page, &rest));
	link = cursor_link(call, walk->function, &rest, write_view(&walk->view, call->arena));
	page_close(&page, cursor_link_name(&rest), link);
	if (call->query.page_size)
		headers_preference_applied(call, arena_printf(call->arena, "odata.maxpagesize=%u", (unsigned)size));
	if (walk->view.removals)
		headers_preference_applied(call, STR("tidemark.removals"));
	call->is_private = true;
	return waiting_end(call, &walk->reader, &rest, link, page.count);
}

enum err
graph_all_recordings_delta(struct call *call)
{
	struct walk walk = { .function = TOKEN_ALL_RECORDINGS_DELTA };
	struct view asked;

	TRY(read_parameters(call, &asked));
	asked.removals = call->query.removals;
	return answer_walk(call, &walk, &asked);
}

enum err
graph_meeting_delta(struct call *call)
{
	struct walk walk = { .function = TOKEN_MEETING_RECORDINGS_DELTA, .one_meeting = true };
	struct view asked = meeting_view(call);

	asked.removals = call->query.removals;
	return answer_walk(call, &walk, &asked);
}

enum err
graph_all_recordings(struct call *call)
{
	struct listed listed = { .context = STR(ALL) };
	struct view   view;

	TRY(read_parameters(call, &view));
	listed.ctx = &view;
	if (has_window(&view))
		listed.holds = is_in_window;
	return call_list(call, &listed);
}

/* ---- one meeting ------------------------------------------------------------------------------------------------ */

static struct str
meeting_context(const struct call *call, const char *tail)
{
	struct str meeting = uri_encode(call->route.meeting, "-_.~=*", call->arena);

	return arena_printf(call->arena, "users('%s')/onlineMeetings('%.*s')/recordings%s", guid_str(&call->owner.id).c,
	                    STR_ARG(meeting), tail);
}

enum err
graph_list_recordings(struct call *call)
{
	struct listed listed = {
		.context = meeting_context(call, ""),
		.key = call->route.meeting,
		.none = "There is no such online meeting, or it has no recordings.",
	};

	return call_list(call, &listed);
}

static enum err
answer_one(struct call *call, unsigned status, const struct item *item, uint32_t select)
{
	http_resp_status(call->resp, status);
	page_single(call, &resource_recording, meeting_context(call, "/$entity"), item, select);
	return OK;
}

enum err
call_get_recording(struct call *call, struct item *item_out)
{
	enum err err = store_get(call->graph->parts.store, &call->feed, call->route.id, call->arena, item_out);

	if (err == ERR_NOT_FOUND || (err == OK && !str_eq(item_out->key, call->route.meeting)))
		return call_refuse(call, GRAPH_NO_ITEM, STR_EMPTY);
	return err;
}

enum err
graph_get_recording(struct call *call)
{
	static const enum option known[] = { OPTION_SELECT, OPTION_FORMAT, OPTION_KINDS };
	struct item              item;
	uint32_t                 select;

	TRY(query_allow(call, known, "on a single recording", "Use $select."));
	TRY(entity_select(call, &resource_recording, &select));
	TRY(call_get_recording(call, &item));
	return answer_one(call, 200, &item, select);
}

enum err
graph_create_recording(struct call *call)
{
	struct recording_new made = {
		.ctx = { .resource = call->route.resource,
		         .feed = call->feed,
		         .entropy = call->graph->parts.entropy,
		         .arena = call->arena },
		.meeting = call->route.meeting,
		.now_ns = call->graph->parts.clock->wall_ns(call->graph->parts.clock->ctx),
	};
	struct str  why = STR_EMPTY;
	struct item item = { .body = STR_EMPTY };
	enum err    err;

	if (made.meeting.len > STORE_KEY_MAX)
		return call_refuse(call, GRAPH_ARGUMENT, STR("The id of an online meeting may have 1024 bytes."));
	TRY(call_read_body(call));

	AUTO(store_abort) struct store_txn *txn = store_begin(call->graph->parts.store, NULL, call->arena);

	recording_create(txn, &made, call->req->body, &item, &why);
	TRY(call_hold(call, item.body.len));
	err = store_commit(&txn);
	if (err == ERR_BAD_REQUEST)
		return call_refuse(call, GRAPH_BODY, why);
	if (err == ERR_CONFLICT)
		return call_refuse(call, GRAPH_EXISTS, STR_EMPTY);
	TRY(err);
	http_resp_field(call->resp, "Location", entity_url(call, resource_recording.item_path, &item));
	return answer_one(call, 201, &item, 0);
}
