/* SPDX-License-Identifier: Apache-2.0 */
#include "face/place.h"

#include "text/date.h"

static enum err
open_token(struct call *call, enum token_function function, struct reader *reader)
{
	static const enum option alone[] = { OPTION_TOKEN, OPTION_KINDS };
	struct token_bind        bind = { call->feed, function };
	struct token             token;

	TRY(query_allow(call, alone, "beside a token",
	                "The token holds the options of the round's first request; use the link as it was given."));
	TRY(token_open(call->face->parts.ring, call->query.value[OPTION_TOKEN], &bind, call->arena, &token));
	reader->has_place = reader->has_token = true;
	reader->place = token.place;
	reader->options = token.options;
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

enum err
place_read(struct call *call, enum token_function function, bool delta, struct reader *reader_out)
{
	struct str    text = call->query.value[OPTION_TOKEN];
	struct reader reader = { 0 };
	int64_t       moment_ns = 0;

	if (!call->query.given[OPTION_TOKEN]) {
		*reader_out = reader;
		return OK;
	}
	if (delta && str_eq_nocase(text, STR("latest"))) {
		reader.has_place = reader.from_now = true;
		TRY(feed_from_now(call->face->parts.store, &call->feed, call->arena, &reader.place));
	} else if (delta && date_parse(text, &moment_ns)) {
		reader.has_place = true;
		TRY(start_at(call, moment_ns, &reader.place));
	} else {
		TRY(open_token(call, function, &reader));
	}
	*reader_out = reader;
	return OK;
}

struct str
place_link_name(const struct place *rest)
{
	return place_is_told(rest) ? STR("@odata.deltaLink") : STR("@odata.nextLink");
}

static struct str
link_path(const struct call *call)
{
	return call->link_path.len ? call->link_path : call->req->path;
}

struct str
place_link(const struct call *call, enum token_function function, const struct place *rest, struct str options)
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
place_restart_url(const struct call *call)
{
	struct str base = call_base_url(call), path = link_path(call), options = call->restart_options;

	return arena_printf(call->arena, "%.*s%.*s?$deltatoken=%s%.*s", STR_ARG(base), STR_ARG(path), options.len ? "&" : "",
	                    STR_ARG(options));
}
