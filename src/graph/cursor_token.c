/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/cursor_token.h"

#include "text/date.h"

/* A scope may be followed anew, or renamed: the generation in the cursor tells one from the other. */
struct token_bind
cursor_bind(const struct call *call, enum token_function function)
{
	struct store_feed any = { .collection = STORE_FOLLOWED };

	return (struct token_bind){ call->route.served ? any : call->feed, function };
}

static enum err
open_token(struct call *call, enum token_function function, struct str text, struct reader *reader)
{
	static const enum option alone[] = { OPTION_TOKEN, OPTION_KINDS };
	struct token_bind        bind = cursor_bind(call, function);
	struct token             token;

	if (call->resume.len == 0)
		TRY(query_allow(
			call, alone, "beside a token",
			"The token holds the options of the round's first request; use the link as it was given."));
	TRY(token_open(call->graph->parts.ring, text, &bind, call->arena, &token));
	reader->has_cursor = reader->has_token = true;
	reader->cursor = token.cursor;
	reader->options = token.options;
	return OK;
}

/* Before every change at that moment or later.  feed_open() finds out whether that is too late. */
static enum err
start_at(struct call *call, int64_t moment_ns, struct cursor *cursor_out)
{
	const struct graph_parts *parts = &call->graph->parts;
	struct feed_state         state;
	uint64_t                  seq;

	if (moment_ns > parts->clock->wall_ns(parts->clock->ctx))
		return call_refuse(call, GRAPH_OPTION,
		                   STR("The moment in $deltatoken has not come yet; $deltatoken=latest begins now."));
	TRY(store_seq_at(parts->store, &call->feed, moment_ns / 1000000 - 1, &state, &seq));
	*cursor_out = (struct cursor){
		.span = { seq, seq, false },
		.generation = state.generation,
		.epoch = state.exists ? state.epoch : store_epoch(parts->store),
		.seen = seq,
	};
	return OK;
}

enum err
cursor_read(struct call *call, enum token_function function, struct reader *reader_out)
{
	struct str    text = call->query.value[OPTION_TOKEN];
	struct reader reader = { 0 };
	int64_t       moment_ns = 0;

	if (call->resume.len > 0) {
		TRY(open_token(call, function, call->resume, &reader));
	} else if (!call->query.given[OPTION_TOKEN]) {
		*reader_out = reader;
		return OK;
	} else if (str_eq_nocase(text, STR("latest"))) {
		reader.has_cursor = reader.from_now = true;
		TRY(feed_from_now(call->graph->parts.store, &call->feed, call->arena, &reader.cursor));
	} else if (date_parse_url(text, &moment_ns)) {
		reader.has_cursor = true;
		TRY(start_at(call, moment_ns, &reader.cursor));
	} else {
		TRY(open_token(call, function, text, &reader));
	}
	*reader_out = reader;
	return OK;
}

struct str
cursor_link_name(const struct cursor *rest)
{
	return cursor_is_complete(rest) ? STR("@odata.deltaLink") : STR("@odata.nextLink");
}

static struct str
link_path(const struct call *call)
{
	return call->link_path.len ? call->link_path : call->req->path;
}

struct str
cursor_link(const struct call *call, enum token_function function, const struct cursor *rest, struct str options)
{
	const struct graph_parts *parts = &call->graph->parts;
	struct token_bind         bind = cursor_bind(call, function);
	struct token              token = {
			     .cursor = *rest,
			     .issued_s = clock_wall_s(parts->clock),
			     .options = options,
	};
	struct str  text = token_seal(parts->ring, &token, &bind, call->arena);
	struct str  path = link_path(call);
	struct str  base = call_base_url(call);
	const char *option = parts->link_style == LINK_SEED ? "skipToken"
	                     : cursor_is_complete(rest)     ? "$deltatoken"
	                                                    : "$skiptoken";

	return arena_printf(call->arena, "%.*s%.*s?%s=%.*s", STR_ARG(base), STR_ARG(path), option, STR_ARG(text));
}

struct str
cursor_restart_url(const struct call *call)
{
	struct str base = call_base_url(call), path = link_path(call), options = call->restart_options;

	return arena_printf(call->arena, "%.*s%.*s?$deltatoken=%s%.*s", STR_ARG(base), STR_ARG(path),
	                    options.len ? "&" : "", STR_ARG(options));
}
