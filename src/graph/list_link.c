/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/list.h"

#include "base/bytes.h"
#include "crypt/seal.h"
#include "graph/cursor_token.h"
#include "text/uri.h"

/* The version, a hash of what the ranks depend on, then three parts, each behind its length in two bytes. */
#define RANK_VERSION 1
#define HASH_BYTES   16
#define HEAD_BYTES   (1 + HASH_BYTES)
#define PARTS        3

static void
hash_list(const struct list *list, uint8_t hash_out[HASH_BYTES])
{
	const struct call *call = list->call;
	struct str         text;

	text = arena_printf(call->arena, "%d %zu:%.*s %zu:%.*s %zu:%.*s %zu:%.*s", (int)call->route.kind,
	                    call->route.group.len, STR_ARG(call->route.group), call->route.meeting.len,
	                    STR_ARG(call->route.meeting), call->query.value[OPTION_FILTER].len,
	                    STR_ARG(call->query.value[OPTION_FILTER]), call->query.value[OPTION_ORDERBY].len,
	                    STR_ARG(call->query.value[OPTION_ORDERBY]));
	if (call->route.relation.len > 0)
		text = arena_printf(call->arena, "%.*s %zu:%.*s %.*s", STR_ARG(text), call->route.id.len,
		                    STR_ARG(call->route.id), STR_ARG(call->route.relation));
	hash_blake2b(text, hash_out, HASH_BYTES);
}

static bool
take_part(struct str *bytes, struct str *part_out)
{
	size_t len = bytes->len >= 2 ? le_read(bytes->at, 2) : 0;

	if (bytes->len < 2 + len)
		return false;
	*part_out = str_of(bytes->at + 2, len);
	*bytes = str_skip(*bytes, 2 + len);
	return true;
}

enum err
list_link_read(struct list *list)
{
	struct call      *call = list->call;
	struct token_bind bind = cursor_bind(call, TOKEN_LIST);
	uint8_t           hash[HASH_BYTES];
	struct token      token;
	struct str        rest;

	if (!call->query.given[OPTION_TOKEN])
		return OK;
	TRY(token_open(call->graph->parts.ring, call->query.value[OPTION_TOKEN], &bind, call->arena, &token));
	hash_list(list, hash);
	if (token.options.len < HEAD_BYTES || token.options.at[0] != RANK_VERSION)
		return ERR_BAD_TOKEN;
	if (memcmp(token.options.at + 1, hash, HASH_BYTES) != 0)
		return call_refuse(
			call, GRAPH_OPTION,
			STR("The $skiptoken belongs to a list with another $filter or $orderby. Use the link as "
		            "it was given."));
	rest = str_skip(token.options, HEAD_BYTES);
	if (!take_part(&rest, &list->from) || !take_part(&rest, &list->first) || !take_part(&rest, &list->from_key) ||
	    rest.len > 0)
		return ERR_BAD_TOKEN;
	list->cursor = token.cursor;
	list->goes_on = true;
	return OK;
}

static struct str
rank_bytes(const struct list *list)
{
	const struct str parts[PARTS] = { list->last, list->first, list->last_key };
	size_t           len = HEAD_BYTES;
	char            *bytes;

	for (size_t i = 0; i < PARTS; i++)
		len += 2 + parts[i].len;
	bytes = arena_take_raw(list->call->arena, len);
	bytes[0] = RANK_VERSION;
	hash_list(list, (uint8_t *)bytes + 1);
	len = HEAD_BYTES;
	for (size_t i = 0; i < PARTS; i++) {
		le_write(bytes + len, parts[i].len, 2);
		if (parts[i].len)
			memcpy(bytes + len + 2, parts[i].at, parts[i].len);
		len += 2 + parts[i].len;
	}
	return str_of(bytes, len);
}

static struct str
with_option(const struct call *call, struct str query, enum option option)
{
	if (!call->query.given[option])
		return query;
	return arena_printf(call->arena, "%.*s%s=%.*s&", STR_ARG(query), option_name(option),
	                    STR_ARG(uri_encode(call->query.value[option], ",()'", call->arena)));
}

struct str
list_link(const struct list *list, const struct feed_state *state)
{
	static const enum option  kept[] = { OPTION_SELECT, OPTION_FILTER, OPTION_ORDERBY, OPTION_COUNT,
		                             OPTION_TOP,    OPTION_EXPAND, OPTION_FORMAT };
	const struct call        *call = list->call;
	const struct graph_parts *parts = &call->graph->parts;
	struct token_bind         bind = cursor_bind(call, TOKEN_LIST);
	struct token              token = {
			     .cursor = { .span = { .until = UINT64_MAX, .initial = true } },
			     .issued_s = clock_wall_s(parts->clock),
			     .options = rank_bytes(list),
	};
	struct str base = call_base_url(call), query = STR_EMPTY;
	struct str path = call->link_path.len ? call->link_path : call->req->path;

	if (state) {
		token.cursor.generation = state->generation;
		token.cursor.epoch = state->epoch;
		token.cursor.seen = state->head;
	}
	for (size_t i = 0; i < COUNT_OF(kept); i++)
		query = with_option(call, query, kept[i]);
	return arena_printf(call->arena, "%.*s%.*s?%.*s%s=%.*s", STR_ARG(base), STR_ARG(path), STR_ARG(query),
	                    parts->link_style == LINK_SEED ? "skipToken" : "$skiptoken",
	                    STR_ARG(token_seal(parts->ring, &token, &bind, call->arena)));
}
