/* SPDX-License-Identifier: Apache-2.0 */
#include "face/place.h"

#include "base/bytes.h"
#include "face/entity.h"
#include "face/shape.h"
#include "text/date.h"

/* Options in a calendar token: one byte of version, then the selection, little-endian. */
#define OPTIONS_VERSION 1
#define OPTIONS_BYTES   5

static struct str
write_options(uint32_t select, struct arena *arena)
{
	char *bytes = arena_take_raw(arena, OPTIONS_BYTES);

	bytes[0] = OPTIONS_VERSION;
	le_write(bytes + 1, select, 4);
	return str_of(bytes, OPTIONS_BYTES);
}

static bool
read_options(struct str bytes, uint32_t *select_out)
{
	if (bytes.len != OPTIONS_BYTES || bytes.at[0] != OPTIONS_VERSION)
		return false;
	*select_out = (uint32_t)le_read(bytes.at + 1, 4);
	return true;
}

/*
 * Options in a recordings token: the version, flags (1: removals), then little-endian top:4 from:8 until:8 and the
 * meeting's hash.
 */
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

static enum err
open_token(struct call *call, const struct token_bind *bind, struct reader *reader_out, struct str *options_out)
{
	static const enum option alone[] = { OPTION_TOKEN, OPTION_KINDS };
	struct token             token;

	TRY(query_allow(call, alone, "beside a token",
	                "The token holds the options of the round's first request; use the link as it was given."));
	TRY(token_open(call->face->parts.ring, call->query.value[OPTION_TOKEN], bind, call->arena, &token));
	*options_out = token.options;
	reader_out->has_place = true;
	reader_out->place = token.place;
	return OK;
}

/* ---- where a first request begins ------------------------------------------------------------------------ */

/* Everything changed at the moment or later is still to be told; too late is judged where the feed is read. */
static enum err
start_at(struct call *call, int64_t moment_ns, struct place *place_out)
{
	const struct face_parts *parts = &call->face->parts;
	struct store_mark        mark;
	uint64_t                 seq;

	if (moment_ns > parts->clock->wall_ns(parts->clock->ctx))
		return call_refuse(call, REFUSAL_OPTION,
		                   STR("The moment in $deltatoken has not come yet; $deltatoken=latest begins now."));
	TRY(store_seq_at(parts->store, &call->feed, moment_ns / 1000000 - 1, &mark, &seq));
	*place_out = (struct place){
		.span = { seq, seq, false },
		.incarnation = mark.incarnation,
		.epoch = mark.exists ? mark.epoch : store_epoch(parts->store),
		.seen = seq,
	};
	return OK;
}

static bool
is_start(enum token_function function, struct str text)
{
	int64_t moment_ns;

	if (function != TOKEN_CALENDARS_DELTA && function != TOKEN_ALL_RECORDINGS_DELTA &&
	    function != TOKEN_MEETING_RECORDINGS_DELTA)
		return false;
	return str_eq_nocase(text, STR("latest")) || date_parse(text, &moment_ns);
}

/* False in *begun_out: the request has a token, or nothing; it is read elsewhere. */
static enum err
read_start(struct call *call, enum token_function function, struct reader *reader, bool *begun_out)
{
	struct str text = call->query.value[OPTION_TOKEN];
	int64_t    moment_ns;

	*begun_out = call->query.given[OPTION_TOKEN] && is_start(function, text);
	if (!*begun_out)
		return OK;
	reader->has_place = true;
	reader->from_now = !date_parse(text, &moment_ns);
	if (reader->from_now)
		return feed_from_now(call->face->parts.store, &call->feed, call->arena, &reader->place);
	return start_at(call, moment_ns, &reader->place);
}

static enum err
read_token(struct call *call, const struct token_bind *bind, struct reader *reader_out)
{
	struct str options;

	TRY(open_token(call, bind, reader_out, &options));
	if (!read_options(options, &reader_out->select))
		return ERR_BAD_TOKEN;
	call->restart_select = reader_out->select;
	return OK;
}

enum err
place_read(struct call *call, enum token_function function, struct reader *reader_out)
{
	static const enum option first[] = { OPTION_SELECT, OPTION_FORMAT, OPTION_TOKEN, OPTION_KINDS };
	struct token_bind        bind = { call->feed, function };
	struct reader            reader = { 0 };
	bool                     begun;

	TRY(read_start(call, function, &reader, &begun));
	if (call->query.given[OPTION_TOKEN] && !begun) {
		TRY(read_token(call, &bind, &reader));
	} else {
		TRY(query_allow(call, first, "with change tracking over the 'Calendars' resource",
		            "Ask for a page size with the field 'Prefer: odata.maxpagesize=N'; select properties with $select."));
		TRY(entity_select(call, &reader.select));
	}
	*reader_out = reader;
	return OK;
}

struct str
place_link_name(const struct place *rest)
{
	return place_is_told(rest) ? STR("@odata.deltaLink") : STR("@odata.nextLink");
}

/* ---- recordings ---------------------------------------------------------------------------------------- */

static bool
is_other_window(const struct view *asked, const struct view *sealed)
{
	return (asked->from_ns != INT64_MIN && asked->from_ns != sealed->from_ns) ||
	       (asked->until_ns != INT64_MAX && asked->until_ns != sealed->until_ns);
}

static enum err
read_view_token(struct call *call, const struct token_bind *bind, const struct view *asked, struct reader *reader)
{
	struct str options;

	if (call->query.given[OPTION_FILTER]) {
		call->inner_code = "DeltaFilterNotAllowed";
		return call_refuse(call, REFUSAL_OPTION,
		                   STR("$filter is not supported beside a token. The token holds what the round's first request "
		                       "asked for; use the link as it was given."));
	}
	TRY(open_token(call, bind, reader, &options));
	if (!read_view(options, &reader->view) ||
	    memcmp(reader->view.meeting, asked->meeting, sizeof(asked->meeting)) != 0)
		return ERR_BAD_TOKEN;
	if (is_other_window(asked, &reader->view))
		return call_refuse(call, REFUSAL_ARGUMENT,
		                   STR("startDateTime and endDateTime are not those of the token. Use the link as it was given."));
	return OK;
}

enum err
place_read_view(struct call *call, enum token_function function, const struct view *asked, struct reader *reader_out)
{
	static const enum option first[] = { OPTION_TOP, OPTION_FORMAT, OPTION_TOKEN, OPTION_KINDS };
	struct token_bind        bind = { call->feed, function };
	struct reader            reader = { .view = *asked };
	uint64_t                 top;
	bool                     begun;

	TRY(read_start(call, function, &reader, &begun));
	if (call->query.given[OPTION_TOKEN] && !begun) {
		TRY(read_view_token(call, &bind, asked, &reader));
	} else {
		TRY(query_allow(call, first, "on recordings",
		                "Narrow them down by startDateTime and endDateTime; ask for a page size with $top."));
		TRY(query_number(call, OPTION_TOP, 1, PAGE_SIZE_MAX, 0, &top));
		reader.view.top = (uint32_t)top;
	}
	*reader_out = reader;
	return OK;
}

static struct str
link_path(const struct call *call)
{
	return call->link_path.len ? call->link_path : call->req->path;
}

static struct str
seal_link(const struct call *call, enum token_function function, const struct place *rest, struct str options)
{
	const struct face_parts *parts = &call->face->parts;
	struct token_bind        bind = { call->feed, function };
	struct token             token = {
		.place = *rest,
		.issued_s = clock_wall_s(parts->clock),
		.options = options,
	};
	struct str  text = token_seal(parts->ring, &token, &bind, call->arena);
	struct str  path = link_path(call);
	struct str  base = call_base_url(call);
	const char *option = parts->link_style == LINK_SEED ? "skipToken"
	                     : place_is_told(rest)          ? "$deltatoken"
	                                                    : "$skiptoken";

	return arena_printf(call->arena, "%.*s%.*s?%s=%.*s", STR_ARG(base), STR_ARG(path), option, STR_ARG(text));
}

struct str
place_link(const struct call *call, enum token_function function, const struct place *rest, uint32_t select)
{
	return seal_link(call, function, rest, write_options(select, call->arena));
}

struct str
place_link_view(const struct call *call, enum token_function function, const struct place *rest,
                const struct view *view)
{
	return seal_link(call, function, rest, write_view(view, call->arena));
}

struct str
place_restart_url(const struct call *call)
{
	struct str base = call_base_url(call), path = link_path(call), names = STR_EMPTY;
	struct str url = arena_printf(call->arena, "%.*s%.*s?$deltatoken=", STR_ARG(base), STR_ARG(path));

	if (call->restart_select == 0)
		return url;
	for (int prop = 0; prop < PROP_COUNT; prop++)
		if (call->restart_select >> prop & 1)
			names = arena_printf(call->arena, "%.*s%s%.*s", STR_ARG(names), names.len ? "," : "",
			                     STR_ARG(calendar_prop_name((enum calendar_prop)prop)));
	return arena_printf(call->arena, "%.*s&$select=%.*s", STR_ARG(url), STR_ARG(names));
}
