/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/parameters.h"

#include "text/date.h"
#include "text/uri.h"

#define VALUE_SHOWN 64

enum parameter { PARAMETER_ORGANIZER, PARAMETER_START, PARAMETER_END, PARAMETER_COUNT };

static const char *const names[PARAMETER_COUNT] = {
	[PARAMETER_ORGANIZER] = "meetingOrganizerUserId",
	[PARAMETER_START] = "startDateTime",
	[PARAMETER_END] = "endDateTime",
};

struct parse {
	struct str    rest, query;
	struct arena *arena;
	struct str    why;
	bool          given[PARAMETER_COUNT];
	bool          has_value[PARAMETER_COUNT];
	struct str    value[PARAMETER_COUNT];
	bool          aliased;
};

PRINTF_LIKE(2, 3)
static enum err
bad(struct parse *parse, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	parse->why = arena_vprintf(parse->arena, fmt, args);
	va_end(args);
	return ERR_BAD_REQUEST;
}

static void
skip_blanks(struct parse *parse)
{
	parse->rest = str_skip(parse->rest, str_span(parse->rest, STR(" \t")));
}

/* ---- values ------------------------------------------------------------------------------------------ */

/* The value of that name in the query; an error if it is given twice.  Only an alias compares with its letter case. */
static enum err
find_in_query(struct parse *parse, struct str name, bool *found_out, struct str *value_out)
{
	struct str      rest = parse->query;
	struct uri_pair pair;
	bool            more, found = false;

	for (;;) {
		if (uri_take_pair(&rest, parse->arena, &pair, &more) != OK)
			return bad(parse, "The query is not properly percent-encoded.");
		if (!more)
			break;
		if (!str_eq(pair.name, name) && (str_starts(name, STR("@")) || !str_eq_nocase(pair.name, name)))
			continue;
		if (found)
			return bad(parse, "The parameter alias '%.*s' is given more than once.",
			           STR_ARG(str_cut(name, VALUE_SHOWN)));
		found = true;
		*value_out = pair.value;
	}
	*found_out = found;
	return OK;
}

/* `alias` begins with '@'.  Microsoft's own clients leave the '@' out in the query. */
static enum err
resolve(struct parse *parse, struct str alias, enum parameter parameter)
{
	struct str value;
	bool       found;

	parse->aliased = true;
	TRY(find_in_query(parse, alias, &found, &value));
	if (!found)
		TRY(find_in_query(parse, str_skip(alias, 1), &found, &value));
	if (!found || str_trim(value).len == 0 || str_eq(str_trim(value), STR("null")))
		return OK;
	if (!literal_read(str_trim(value), parse->arena, &parse->value[parameter]))
		return bad(parse, "The value of the parameter alias '%.*s' is malformed.",
		           STR_ARG(str_cut(alias, VALUE_SHOWN)));
	parse->has_value[parameter] = true;
	return OK;
}

static enum err
take_value(struct parse *parse, enum parameter parameter)
{
	struct str value;

	if (str_starts(parse->rest, STR("'"))) {
		parse->rest = str_skip(parse->rest, 1);
		if (!literal_take(&parse->rest, parse->arena, &value))
			return bad(parse, "The value of '%s' has no closing quote.", names[parameter]);
	} else {
		value = str_first(parse->rest, str_find(parse->rest, ','));
		parse->rest = str_skip(parse->rest, value.len);
		value = str_trim(value);
		if (str_find(value, '\'') < value.len ||
		    (parameter == PARAMETER_ORGANIZER && str_find(value, ' ') < value.len))
			return bad(parse, "The value of '%s' is malformed.", names[parameter]);
	}
	if (value.len == 0)
		return bad(parse, "The value of '%s' is empty.", names[parameter]);
	if (value.at[0] == '@')
		return resolve(parse, value, parameter);
	parse->value[parameter] = value;
	parse->has_value[parameter] = true;
	return OK;
}

/* ---- the list -------------------------------------------------------------------------------------------- */

static enum err
take_name(struct parse *parse, enum parameter *parameter_out)
{
	size_t     at = str_find(parse->rest, '=');
	struct str name = str_trim(str_first(parse->rest, at));

	for (int parameter = 0; parameter < PARAMETER_COUNT; parameter++) {
		if (!str_eq_nocase(name, str_from_c(names[parameter])))
			continue;
		if (at == parse->rest.len)
			return bad(parse, "The parameter '%s' has no value.", names[parameter]);
		if (parse->given[parameter])
			return bad(parse, "The parameter '%s' is given more than once.", names[parameter]);
		parse->given[parameter] = true;
		parse->rest = str_skip(parse->rest, at + 1);
		*parameter_out = (enum parameter)parameter;
		return OK;
	}
	return bad(parse, "The function getAllRecordings has no parameter '%.*s'.",
	           STR_ARG(str_cut(name, VALUE_SHOWN)));
}

static enum err
take_parameter(struct parse *parse)
{
	enum parameter parameter = PARAMETER_COUNT;

	TRY(take_name(parse, &parameter));
	skip_blanks(parse);
	TRY(take_value(parse, parameter));
	skip_blanks(parse);
	return OK;
}

/* Kiota for Python expands this template of its SDK without the commas. */
static void
restore_commas(struct parse *parse)
{
	if (str_eq(parse->rest, STR("meetingOrganizerUserId='@meetingOrganizerUserId'startDateTime=@startDateTime"
	                            "endDateTime=@endDateTime")))
		parse->rest = STR("meetingOrganizerUserId='@meetingOrganizerUserId',startDateTime=@startDateTime,"
		                  "endDateTime=@endDateTime");
}

static enum err
take_list(struct parse *parse)
{
	restore_commas(parse);
	skip_blanks(parse);
	if (parse->rest.len == 0)
		return OK;
	for (;;) {
		TRY(take_parameter(parse));
		if (parse->rest.len == 0)
			return OK;
		if (parse->rest.at[0] != ',')
			return bad(parse, "The parameters must be divided by commas.");
		parse->rest = str_skip(parse->rest, 1);
		skip_blanks(parse);
	}
}

/* The text is for links: a blank of the query becomes the '+' that it stands for. */
static enum err
read_date(struct parse *parse, enum parameter parameter, bool *has_out, struct str *text_out, int64_t *ns_out)
{
	struct str text = parse->value[parameter], date;

	*has_out = parse->has_value[parameter];
	if (!*has_out)
		return OK;
	if (date_parse_url(text, ns_out)) {
		*text_out = text;
		if (str_find(text, ' ') < text.len && str_take_until(&text, ' ', &date))
			*text_out = arena_printf(parse->arena, "%.*s+%.*s", STR_ARG(date), STR_ARG(text));
		return OK;
	}
	return bad(parse, "'%s' must be a moment such as 2024-01-15T00:00:00Z.", names[parameter]);
}

enum err
parameters_read(struct str text, struct str query, struct arena *arena, struct parameters *parameters_out,
                struct str *why_out)
{
	struct parse      parse = { .rest = text, .query = query, .arena = arena, .why = STR_EMPTY };
	struct parameters parameters = { 0 };
	enum err          err = take_list(&parse);

	if (err == OK)
		err = read_date(&parse, PARAMETER_START, &parameters.has_start, &parameters.start,
		                &parameters.start_ns);
	if (err == OK)
		err = read_date(&parse, PARAMETER_END, &parameters.has_end, &parameters.end, &parameters.end_ns);
	if (err != OK) {
		*why_out = parse.why;
		return err;
	}
	parameters.has_organizer = parse.has_value[PARAMETER_ORGANIZER];
	parameters.organizer = parse.value[PARAMETER_ORGANIZER];
	parameters.aliased = parse.aliased;
	*parameters_out = parameters;
	return OK;
}
