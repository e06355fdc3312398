/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/query.h"

#include "graph/call.h"
#include "text/uri.h"

static const char *const shown[OPTION_KINDS] = {
	[OPTION_SELECT] = "$select",   [OPTION_TOP] = "$top",
	[OPTION_SKIP] = "$skip",       [OPTION_COUNT] = "$count",
	[OPTION_EXPAND] = "$expand",   [OPTION_FILTER] = "$filter",
	[OPTION_ORDERBY] = "$orderby", [OPTION_SEARCH] = "$search",
	[OPTION_FORMAT] = "$format",   [OPTION_TOKEN] = "$deltatoken or $skiptoken",
};

const char *
option_name(enum option option)
{
	return shown[option];
}

static enum option
find_option(struct str name)
{
	if (str_eq_nocase(name, STR("deltatoken")) || str_eq_nocase(name, STR("skiptoken")))
		return OPTION_TOKEN;
	for (enum option option = OPTION_SELECT; option < OPTION_TOKEN; option++)
		if (str_eq_nocase(name, str_from_c(shown[option] + 1)))
			return option;
	return OPTION_KINDS;
}

static enum err
take_option(struct call *call, const struct uri_pair *pair)
{
	bool        dollar = str_starts(pair->name, STR("$"));
	enum option option = find_option(dollar ? str_skip(pair->name, 1) : pair->name);

	if (option == OPTION_KINDS) {
		if (!dollar)
			return OK;
		return call_refuse_f(call, GRAPH_OPTION, "The query option '%.*s' is not known.",
		                     STR_ARG(str_cut(pair->name, 64)));
	}
	if (call->query.given[option])
		return call_refuse_f(call, GRAPH_OPTION, "The query option '%s' is given more than once.",
		                     option_name(option));
	call->query.given[option] = true;
	call->query.value[option] = pair->value;
	return OK;
}

struct str
query_split(struct str text, struct str *value_out)
{
	size_t     at = str_find(text, '=');
	struct str value = str_trim(str_skip(text, at + 1));

	if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
		value = str_of(value.at + 1, value.len - 2);
	*value_out = value;
	return str_trim(str_first(text, at));
}

/* A number, cut to `max` however many digits it has; 0: it is none, which is ignored. */
static uint32_t
number_of(struct str value, uint32_t max)
{
	uint64_t number;

	if (!str_to_u64(value, &number))
		number = value.len > 0 && str_is_within(value, '0', '9') ? UINT64_MAX : 0;
	return number > max ? max : (uint32_t)number;
}

/* A round a second is the most that readers can make a source answer. */
static uint32_t
max_age_of(struct str value)
{
	uint32_t number = number_of(value, UINT32_MAX);

	return value.len > 0 && str_span(value, STR("0")) == value.len ? 1 : number;
}

/* Unknown preferences are ignored (RFC 7240). */
static void
take_preference(struct query *query, struct str wish)
{
	struct str value, name = query_split(wish, &value);

	if (str_eq_nocase(name, STR("wait")) && query->wait_s == 0)
		query->wait_s = number_of(value, QUERY_WAIT_MAX_S);
	if (str_eq_nocase(name, STR("tidemark.max-age")) && query->max_age_s == 0)
		query->max_age_s = max_age_of(value);
	if (str_eq_nocase(name, STR("odata.track-changes")))
		query->track_changes = true;
	if (str_eq_nocase(name, STR("return"))) {
		query->minimal = !query->whole && (query->minimal || str_eq_nocase(value, STR("minimal")));
		query->whole = !query->minimal && (query->whole || str_eq_nocase(value, STR("representation")));
	}
	if (str_eq_nocase(name, STR("IdType")) && str_eq_nocase(value, STR("ImmutableId")))
		query->immutable_ids = true;
	if (str_eq_nocase(name, STR("tidemark.removals")))
		query->removals = true;
	if (!str_eq_nocase(name, STR("odata.maxpagesize")) && !str_eq_nocase(name, STR("maxpagesize")))
		return;
	if (query->page_size == 0)
		query->page_size = number_of(value, PAGE_SIZE_MAX);
}

static void
read_preferences(struct call *call)
{
	struct str field, wish;

	for (size_t n = 0; http_req_field_at(call->req, "Prefer", n, &field); n++)
		while (str_take_until(&field, ',', &wish))
			take_preference(&call->query, str_first(wish, str_find(wish, ';')));
}

enum err
query_read(struct call *call)
{
	struct str      rest = call->req->query;
	struct uri_pair pair;
	bool            more;

	for (;;) {
		if (uri_take_pair(&rest, call->arena, &pair, &more) != OK)
			return call_refuse(call, GRAPH_OPTION, STR("The query is not properly percent-encoded."));
		if (!more)
			break;
		TRY(take_option(call, &pair));
	}
	/* An empty token begins a new round, as does no token. */
	if (call->query.value[OPTION_TOKEN].len == 0)
		call->query.given[OPTION_TOKEN] = false;
	read_preferences(call);
	return OK;
}

enum err
query_allow(struct call *call, const enum option *allowed, const char *where, const char *advice)
{
	bool fine[OPTION_KINDS] = { false };

	for (; *allowed != OPTION_KINDS; allowed++)
		fine[*allowed] = true;
	for (int option = 0; option < OPTION_KINDS; option++)
		if (call->query.given[option] && !fine[option])
			return call_refuse_f(call, GRAPH_OPTION,
			                     "The following parameters are not supported %s: '%s'. %s", where,
			                     option_name((enum option)option), advice);
	return OK;
}

enum err
query_number(struct call *call, enum option option, uint64_t min, uint64_t max, uint64_t otherwise, uint64_t *value_out)
{
	uint64_t value = otherwise;

	if (call->query.given[option] && (!str_to_u64(call->query.value[option], &value) || value < min || value > max))
		return call_refuse_f(call, GRAPH_OPTION, "%s must be a whole number from %llu to %llu.",
		                     option_name(option), (unsigned long long)min, (unsigned long long)max);
	*value_out = value;
	return OK;
}
