/* SPDX-License-Identifier: Apache-2.0 */
#include "face/place.h"

#include "face/shape.h"

/* Options in a token: one byte of version, then the selection, little-endian. */
#define OPTIONS_VERSION 1
#define OPTIONS_BYTES   5

static struct str
write_options(uint32_t select, struct arena *arena)
{
	char *bytes = arena_take_raw(arena, OPTIONS_BYTES);

	bytes[0] = OPTIONS_VERSION;
	for (int i = 0; i < 4; i++)
		bytes[1 + i] = (char)(select >> (8 * i) & 0xff);
	return str_of(bytes, OPTIONS_BYTES);
}

static bool
read_options(struct str bytes, uint32_t *select_out)
{
	if (bytes.len != OPTIONS_BYTES || bytes.at[0] != OPTIONS_VERSION)
		return false;
	*select_out = 0;
	for (int i = 0; i < 4; i++)
		*select_out |= (uint32_t)(uint8_t)bytes.at[1 + i] << (8 * i);
	return true;
}

static enum err
read_token(struct call *call, const struct token_bind *bind, struct reader *reader_out)
{
	static const enum option alone[] = { OPTION_TOKEN, OPTION_KINDS };
	struct token             token;

	TRY(query_allow(call, alone, "beside a token",
	                "The token holds the options of the round's first request; use the link as it was given."));
	TRY(token_open(call->face->parts.ring, call->query.value[OPTION_TOKEN], bind, call->arena, &token));
	if (!read_options(token.options, &reader_out->select))
		return ERR_BAD_TOKEN;
	reader_out->has_place = true;
	reader_out->place = token.place;
	return OK;
}

static enum err
read_select(struct call *call, uint32_t *select_out)
{
	struct str rest = call->query.value[OPTION_SELECT], name;

	while (str_take_until(&rest, ',', &name)) {
		enum calendar_prop prop = calendar_prop_find(str_trim(name));

		if (str_eq(str_trim(name), STR("*")))
			continue;
		if (prop == PROP_COUNT || (calendar_prop_beta(prop) && !call->route.beta))
			return call_refuse(call, REFUSAL_OPTION,
			                   arena_printf(call->arena,
			                                "Could not find a property named '%.*s' on type 'microsoft.graph.calendar'.",
			                                STR_ARG(str_first(str_trim(name), 64))));
		*select_out |= (uint32_t)1 << prop | (uint32_t)1 << PROP_ID;
	}
	return OK;
}

enum err
place_read(struct call *call, enum token_function function, struct reader *reader_out)
{
	static const enum option first[] = { OPTION_SELECT, OPTION_FORMAT, OPTION_KINDS };
	struct token_bind        bind = { call->feed, function };
	struct reader            reader = { 0 };

	if (call->query.given[OPTION_TOKEN]) {
		TRY(read_token(call, &bind, &reader));
	} else {
		TRY(query_allow(call, first, "with change tracking over the 'Calendars' resource",
		                "Ask for a page size with the field 'Prefer: odata.maxpagesize=N'; select properties with $select."));
		TRY(read_select(call, &reader.select));
	}
	*reader_out = reader;
	return OK;
}

struct str
place_link_name(const struct place *rest)
{
	return place_is_told(rest) ? STR("@odata.deltaLink") : STR("@odata.nextLink");
}

struct str
place_link(const struct call *call, enum token_function function, const struct place *rest, uint32_t select)
{
	const struct face_parts *parts = &call->face->parts;
	struct token_bind        bind = { call->feed, function };
	struct token             token = {
		.place = *rest,
		.issued_s = clock_wall_s(parts->clock),
		.options = write_options(select, call->arena),
	};
	struct str  text = token_seal(parts->ring, &token, &bind, call->arena);
	struct str  base = call_base_url(call);
	const char *option = parts->link_style == LINK_SEED ? "skipToken"
	                     : place_is_told(rest)          ? "$deltatoken"
	                                                    : "$skiptoken";

	return arena_printf(call->arena, "%.*s%.*s?%s=%.*s", STR_ARG(base), STR_ARG(call->req->path), option, STR_ARG(text));
}

struct str
place_restart_url(const struct call *call)
{
	struct str base = call_base_url(call);

	return arena_printf(call->arena, "%.*s%.*s?$deltatoken=", STR_ARG(base), STR_ARG(call->req->path));
}
