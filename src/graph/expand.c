/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/entity.h"

#include "graph/parameters.h"
#include "resource/extended.h"

static void
skip_blanks(struct str *rest)
{
	*rest = str_skip(*rest, str_span(*rest, STR(" ")));
}

/* Takes a word in any letter case and the blanks behind it. */
static bool
take(struct str *rest, struct str word)
{
	if (!str_starts_nocase(*rest, word))
		return false;
	*rest = str_skip(*rest, word.len);
	skip_blanks(rest);
	return true;
}

/* id eq '…', perhaps in brackets */
static bool
take_id(struct str *rest, struct arena *arena, struct str *id_out)
{
	bool bracket = take(rest, STR("("));

	if (!take(rest, STR("id ")) || !take(rest, STR("eq ")) || !str_starts(*rest, STR("'")))
		return false;
	*rest = str_skip(*rest, 1);
	if (!literal_take(rest, arena, id_out))
		return false;
	skip_blanks(rest);
	return !bracket || take(rest, STR(")"));
}

/* NULL: it is good.  Else the sentence that says what is wrong. */
static const char *
parse(struct str rest, struct arena *arena, struct expand *expand)
{
	static const char form[] = "Use $expand=singleValueExtendedProperties($filter=id eq 'String {GUID} Name x'), "
				   "with 'or' between ids.";

	skip_blanks(&rest);
	if (str_starts_nocase(rest, STR("multiValueExtendedProperties")))
		return "$expand: multiValueExtendedProperties are not kept here; use singleValueExtendedProperties.";
	if (!str_starts_nocase(rest, STR(EXTENDED_NAME)))
		return "$expand takes singleValueExtendedProperties($filter=id eq '…') only.";
	rest = str_skip(rest, sizeof(EXTENDED_NAME) - 1);
	skip_blanks(&rest);
	if (!take(&rest, STR("(")))
		return form;
	(void)take(&rest, STR("$"));
	if (!take(&rest, STR("filter")) || !take(&rest, STR("=")))
		return form;
	do {
		if (expand->count == EXPAND_MAX)
			return "$expand may name 32 ids.";
		if (!take_id(&rest, arena, &expand->ids[expand->count++]))
			return form;
	} while (take(&rest, STR("or ")));
	return take(&rest, STR(")")) && rest.len == 0 ? NULL : form;
}

enum err
expand_read(struct call *call)
{
	struct expand *expand;
	const char    *why;

	if (!call->query.given[OPTION_EXPAND])
		return OK;
	if (!call->route.resource->has_extended)
		return call_refuse(call, GRAPH_OPTION, STR("There is nothing to expand here; leave $expand out."));
	expand = arena_take(call->arena, sizeof(*expand));
	*expand = (struct expand){ .count = 0 };
	why = parse(call->query.value[OPTION_EXPAND], call->arena, expand);
	if (why)
		return call_refuse(call, GRAPH_OPTION, str_from_c(why));
	call->expand = expand;
	return OK;
}

void
expand_put(struct buf *buf, const struct expand *expand, const struct values *values, struct arena *arena)
{
	struct str list = extended_select(values->extended, expand->ids, expand->count, arena);

	if (list.len > 0)
		buf_printf(buf, ",\"%s\":%.*s", EXTENDED_NAME, STR_ARG(list));
}
