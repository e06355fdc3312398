/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/accept.h"

#include "graph/call.h"

/* One element of an Accept list, and how well it fits. */
struct range {
	struct accept accept;
	unsigned      weight;    /* q in thousandths */
	unsigned      exactness; /* 3: the exact type, 2: its family, 1: any type, 0: does not fit */
};

/* "0.5" as 500, and ".5", as Java writes it; at most three digits behind the point.  False: it is no such number. */
static bool
parse_weight(struct str text, unsigned *weight_out)
{
	size_t   point = str_find(text, '.');
	unsigned weight, unit = 100;

	if (text.len == 0 || point > 1 || text.len > point + 4 || (point == 0 && text.len == 1) ||
	    (point == 1 && text.at[0] != '0' && text.at[0] != '1') ||
	    !str_is_within(str_skip(text, point + 1), '0', '9'))
		return false;
	weight = text.at[0] == '1' ? 1000 : 0;
	for (size_t i = point + 1; i < text.len; i++, unit /= 10)
		weight += (unsigned)(text.at[i] - '0') * unit;
	if (weight > 1000)
		return false;
	*weight_out = weight;
	return true;
}

static bool
parse_level(struct str text, enum metadata_level *level_out)
{
	static const char *const names[] = {
		[METADATA_MINIMAL] = "minimal",
		[METADATA_NONE] = "none",
		[METADATA_FULL] = "full",
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (str_eq_nocase(text, str_from_c(names[i]))) {
			*level_out = (enum metadata_level)i;
			return true;
		}
	return false;
}

static bool
parse_bool(struct str text, bool *value_out)
{
	if (!str_eq_nocase(text, STR("true")) && !str_eq_nocase(text, STR("false")))
		return false;
	*value_out = text.len == 4;
	return true;
}

/* False: the parameter asks for something that is not offered.  Unknown parameters are ignored. */
static bool
take_parameter(struct str text, struct range *range)
{
	struct str value, name = query_split(text, &value);
	bool       ignored;

	if (str_eq_nocase(name, STR("q")))
		return parse_weight(value, &range->weight);
	if (str_eq_nocase(name, STR("odata.metadata")) || str_eq_nocase(name, STR("metadata")))
		return parse_level(value, &range->accept.level);
	if (str_eq_nocase(name, STR("IEEE754Compatible")))
		return parse_bool(value, &range->accept.ieee754);
	if (str_eq_nocase(name, STR("odata.streaming")) || str_eq_nocase(name, STR("streaming")))
		return parse_bool(value, &ignored);
	if (str_eq_nocase(name, STR("charset")))
		return str_eq_nocase(value, STR("utf-8")) || str_eq_nocase(value, STR("*"));
	return !str_eq_nocase(name, STR("odata"));
}

static unsigned
exactness_of(struct str type, enum media_type media)
{
	if (media == MEDIA_ANY)
		return 1;
	if (media == MEDIA_EVENTS)
		return str_eq_nocase(type, STR("text/event-stream")) ? 3 : 0;
	if (str_eq_nocase(type, media == MEDIA_JSON ? STR("application/json") : STR("application/xml")))
		return 3;
	if (str_eq_nocase(type, STR("application/*")))
		return 2;
	/* Java leaves the second star out. */
	return str_eq(type, STR("*/*")) || str_eq(type, STR("*"));
}

static bool
parse_range(struct str text, enum media_type media, struct range *range_out)
{
	struct range range = { .weight = 1000 };
	struct str   type, parameter;

	if (!str_take_until(&text, ';', &type))
		return false;
	range.exactness = exactness_of(str_trim(type), media);
	if (range.exactness == 0)
		return false;
	while (str_take_until(&text, ';', &parameter))
		if (!take_parameter(str_trim(parameter), &range))
			return false;
	*range_out = range;
	return true;
}

static bool
is_better(const struct range *a, const struct range *b)
{
	return a->weight != b->weight ? a->weight > b->weight : a->exactness > b->exactness;
}

/* Its weight is zero when the list does not accept the type.  The exact type with q=0 rules it out for wider ranges. */
static struct range
find_best(struct str list, enum media_type media)
{
	struct range best = { 0 }, range;
	bool         ruled_out = false;
	struct str   element;

	while (str_take_until(&list, ',', &element)) {
		if (!parse_range(str_trim(element), media, &range))
			continue;
		if (range.weight == 0)
			ruled_out = ruled_out || range.exactness == 3;
		else if (is_better(&range, &best))
			best = range;
	}
	if (ruled_out && best.exactness < 3)
		best.weight = 0;
	return best;
}

bool
accept_parse(struct str list, enum media_type media, struct accept *accept_out)
{
	struct range best = { .weight = 1, .accept = { .level = METADATA_MINIMAL } };

	if (str_trim(list).len > 0)
		best = find_best(list, media);
	if (best.weight == 0)
		return false;
	*accept_out = best.accept;
	return true;
}

/* A stream is for who names it, and does not like JSON better. */
static bool
takes_events(const struct call *call, struct str list, struct accept *accept_out)
{
	struct range events = find_best(list, MEDIA_EVENTS);

	if (!call->may_wait || !route_is_delta(&call->route) || events.weight == 0 ||
	    events.weight < find_best(list, MEDIA_JSON).weight)
		return false;
	*accept_out = events.accept;
	accept_out->events = true;
	return true;
}

bool
accept_gzip(struct str list)
{
	bool       any = false, weighed = false, zero = false;
	struct str element;

	while (str_take_until(&list, ',', &element)) {
		struct str   name = str_trim(str_first(element, str_find(element, ';')));
		struct str   rest = str_trim(str_skip(element, str_find(element, ';') + 1));
		struct range range = { .weight = 1000 };

		if (rest.len && !take_parameter(rest, &range))
			continue;
		if (str_eq_nocase(name, STR("gzip")) || str_eq_nocase(name, STR("x-gzip"))) {
			weighed = weighed || range.weight > 0;
			zero = zero || range.weight == 0;
		} else if (str_eq(name, STR("*"))) {
			any = range.weight > 0;
		}
	}
	return weighed || (any && !zero);
}

/* "json" and "xml" are short for the types. */
static struct str
format_list(struct str format)
{
	if (str_eq_nocase(format, STR("json")))
		return STR("application/json");
	return str_eq_nocase(format, STR("xml")) ? STR("application/xml") : format;
}

enum err
accept_read(struct call *call, enum media_type media)
{
	struct str list = STR_EMPTY, field;

	if (call->query.given[OPTION_FORMAT]) {
		list = format_list(call->query.value[OPTION_FORMAT]);
		if (list.len == 0)
			list = STR("nothing");
	} else {
		for (size_t n = 0; http_req_field_at(call->req, "Accept", n, &field); n++)
			list = n == 0 ? field : arena_printf(call->arena, "%.*s,%.*s", STR_ARG(list), STR_ARG(field));
	}
	if (takes_events(call, list, &call->accept) || accept_parse(list, media, &call->accept))
		return OK;
	return call_refuse(
		call, GRAPH_ACCEPT,
		media == MEDIA_XML
			? STR("The answer is there as application/xml only.")
			: STR("The answer is there as application/json only, with odata.metadata=none, minimal "
	                      "or full."));
}
