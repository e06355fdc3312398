/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/filter.h"

#include "graph/parameters.h"
#include "resource/values.h"

enum node { NODE_TEXT_IS, NODE_TEXT_STARTS, NODE_FLAG, NODE_NOT, NODE_AND, NODE_OR };

struct filter {
	enum node            node;
	size_t               row;  /* of the nodes that look at a value */
	struct str           text; /* folded; of the NODE_TEXT_ nodes */
	const struct filter *left, *right;
};

struct reader {
	const struct resource *resource;
	struct str             whole, rest;
	struct arena          *arena;
	unsigned               depth;
	bool                   beta;
	struct str             why;
};

/* ---- words ----------------------------------------------------------------------------------------- */

/* The first property that can be filtered by is a text. */
static const char *
text_name(const struct resource *resource)
{
	size_t row = 0;

	while (row + 1 < resource->property_count && !(resource->properties[row].flags & PROPERTY_FILTER))
		row++;
	return resource->properties[row].name;
}

static enum err
refuse(struct reader *reader, const char *what)
{
	reader->why = arena_printf(reader->arena,
	                           "$filter: %s at position %zu. Compare '%s' (eq, ne, startswith) or a boolean "
	                           "property with true or false, joined by and, or, not.",
	                           what, reader->whole.len - reader->rest.len, text_name(reader->resource));
	return ERR_BAD_REQUEST;
}

static void
skip_blanks(struct reader *reader)
{
	reader->rest = str_skip(reader->rest, str_span(reader->rest, STR(" \t")));
}

/* The word that comes next, without taking it. */
static struct str
peek_word(struct reader *reader)
{
	skip_blanks(reader);
	return str_first(reader->rest, str_span(reader->rest, STR(STR_LETTERS_DIGITS "_./")));
}

static bool
take_word(struct reader *reader, struct str word)
{
	struct str next = peek_word(reader);

	if (!str_eq_nocase(next, word))
		return false;
	reader->rest = str_skip(reader->rest, next.len);
	return true;
}

static bool
take_sign(struct reader *reader, char sign)
{
	skip_blanks(reader);
	if (reader->rest.len == 0 || reader->rest.at[0] != sign)
		return false;
	reader->rest = str_skip(reader->rest, 1);
	return true;
}

static enum err
take_text(struct reader *reader, struct str *text_out)
{
	if (!take_sign(reader, '\''))
		return refuse(reader, "a text in single quotes is missing");
	return literal_take(&reader->rest, reader->arena, text_out) ? OK
	                                                            : refuse(reader, "a text has no closing quote");
}

/* ---- grammar --------------------------------------------------------------------------------------- */

static const struct filter *
new_node(struct reader *reader, struct filter filter)
{
	struct filter *node = arena_take(reader->arena, sizeof(*node));

	*node = filter;
	return node;
}

static const struct filter *
new_not(struct reader *reader, const struct filter *of)
{
	return new_node(reader, (struct filter){ .node = NODE_NOT, .left = of });
}

static enum err
take_flag(struct reader *reader, bool *flag_out)
{
	*flag_out = take_word(reader, STR("true"));
	return *flag_out || take_word(reader, STR("false")) ? OK : refuse(reader, "true or false is missing");
}

/* eq or ne; *same_out is true for eq. */
static bool
take_comparison(struct reader *reader, bool *same_out)
{
	*same_out = take_word(reader, STR("eq"));
	return *same_out || take_word(reader, STR("ne"));
}

static enum err
read_text(struct reader *reader, size_t row, const struct filter **filter_out)
{
	const struct filter *filter;
	struct str           text;
	bool                 same;

	if (!take_comparison(reader, &same))
		return refuse(reader, "a text can be compared by eq and ne only, or by startswith(name,'…');");
	if (take_word(reader, STR("null")))
		text = STR_EMPTY;
	else
		TRY(take_text(reader, &text));
	text = resource_fold(text, reader->arena);
	filter = new_node(reader, (struct filter){ .node = NODE_TEXT_IS, .row = row, .text = text });
	*filter_out = same ? filter : new_not(reader, filter);
	return OK;
}

static enum err
read_flag(struct reader *reader, size_t row, const struct filter **filter_out)
{
	const struct filter *filter = new_node(reader, (struct filter){ .node = NODE_FLAG, .row = row });
	bool                 same, wanted;

	if (!take_comparison(reader, &same)) {
		*filter_out = filter;
		return OK;
	}
	TRY(take_flag(reader, &wanted));
	*filter_out = same == wanted ? filter : new_not(reader, filter);
	return OK;
}

/* The row of the property that comes next, if it may be named. */
static bool
take_row(struct reader *reader, size_t *row_out)
{
	const struct resource *resource = reader->resource;
	struct str             word = peek_word(reader);
	size_t                 row = resource_find_property(resource, word, reader->beta);

	if (row == resource->property_count || !(resource->properties[row].flags & PROPERTY_FILTER))
		return false;
	reader->rest = str_skip(reader->rest, word.len);
	*row_out = row;
	return true;
}

static bool
is_text(const struct reader *reader, size_t row)
{
	return reader->resource->properties[row].type != TYPE_BOOLEAN;
}

static enum err
read_starts(struct reader *reader, const struct filter **filter_out)
{
	struct str text;
	size_t     row = 0;
	bool       same, wanted = true;

	if (!take_sign(reader, '(') || !take_row(reader, &row) || !is_text(reader, row) || !take_sign(reader, ','))
		return refuse(reader, "startswith is written startswith(name,'…');");
	TRY(take_text(reader, &text));
	if (!take_sign(reader, ')'))
		return refuse(reader, "a closing bracket is missing");
	if (take_comparison(reader, &same)) {
		TRY(take_flag(reader, &wanted));
		wanted = same == wanted;
	}
	text = resource_fold(text, reader->arena);
	*filter_out = new_node(reader, (struct filter){ .node = NODE_TEXT_STARTS, .row = row, .text = text });
	if (!wanted)
		*filter_out = new_not(reader, *filter_out);
	return OK;
}

static enum err read_or(struct reader *reader, const struct filter **filter_out);

static enum err
read_one(struct reader *reader, const struct filter **filter_out)
{
	struct str word;
	size_t     row;

	if (take_sign(reader, '(')) {
		TRY(read_or(reader, filter_out));
		return take_sign(reader, ')') ? OK : refuse(reader, "a closing bracket is missing");
	}
	word = peek_word(reader);
	if (take_word(reader, STR("startswith")))
		return read_starts(reader, filter_out);
	if (!take_row(reader, &row))
		return refuse(reader,
		              word.len ? "a property or function that cannot be filtered by" : "something is missing");
	return is_text(reader, row) ? read_text(reader, row, filter_out) : read_flag(reader, row, filter_out);
}

static enum err
read_not(struct reader *reader, const struct filter **filter_out)
{
	bool     negated = false;
	enum err err;

	while (take_word(reader, STR("not")))
		negated = !negated;
	if (++reader->depth > FILTER_DEPTH_MAX)
		return refuse(reader, "too deep");
	err = read_one(reader, filter_out);
	reader->depth--;
	if (err == OK && negated)
		*filter_out = new_not(reader, *filter_out);
	return err;
}

static enum err
read_and(struct reader *reader, const struct filter **filter_out)
{
	const struct filter *right;

	TRY(read_not(reader, filter_out));
	while (take_word(reader, STR("and"))) {
		TRY(read_not(reader, &right));
		*filter_out = new_node(reader,
		                       (struct filter){ .node = NODE_AND, .left = *filter_out, .right = right });
	}
	return OK;
}

static enum err
read_or(struct reader *reader, const struct filter **filter_out)
{
	const struct filter *right;

	TRY(read_and(reader, filter_out));
	while (take_word(reader, STR("or"))) {
		TRY(read_and(reader, &right));
		*filter_out = new_node(reader, (struct filter){ .node = NODE_OR, .left = *filter_out, .right = right });
	}
	return OK;
}

enum err
filter_read(const struct resource *resource, struct str text, bool beta, struct arena *arena,
            const struct filter **filter_out, struct str *why_out)
{
	struct reader reader = { .resource = resource, .whole = text, .rest = text, .arena = arena, .beta = beta };
	const struct filter *filter;
	enum err             err = read_or(&reader, &filter);

	if (err == OK) {
		skip_blanks(&reader);
		if (reader.rest.len > 0)
			err = refuse(&reader, "something that does not belong there");
	}
	if (err == OK)
		*filter_out = filter;
	else
		*why_out = reader.why;
	return err;
}

struct looking {
	const struct values *values;
	struct arena        *arena;
	struct str           folded[RESOURCE_PROPERTIES_MAX];
};

/* Folded once for all comparisons: a text may be as long as a body, and a filter has hundreds of them. */
static struct str
text_of(struct looking *looking, size_t row)
{
	if (!looking->folded[row].at)
		looking->folded[row] = values_folded(looking->values, row, looking->arena);
	return looking->folded[row];
}

/* A chain of 'and' is as deep as it is long.  The length of a URL bounds it. */
static bool
holds(struct looking *looking, const struct filter *filter)
{
	switch (filter->node) {
	case NODE_TEXT_IS:
		return str_eq(text_of(looking, filter->row), filter->text);
	case NODE_TEXT_STARTS:
		return str_starts(text_of(looking, filter->row), filter->text);
	case NODE_FLAG:
		return values_flag(looking->values, filter->row);
	case NODE_NOT:
		return !holds(looking, filter->left);
	case NODE_AND:
		return holds(looking, filter->left) && holds(looking, filter->right);
	case NODE_OR:
		return holds(looking, filter->left) || holds(looking, filter->right);
	}
	return false;
}

bool
filter_holds(const struct filter *filter, const struct values *values, struct arena *arena)
{
	struct looking looking = { .values = values, .arena = arena };

	return holds(&looking, filter);
}

/* The names $orderby may say, for a message: "'name'". */
static struct str
sortable_names(const struct resource *resource, bool beta, struct arena *arena)
{
	struct str names = STR_EMPTY;

	for (size_t row = 0; row < resource->property_count; row++) {
		const struct property *property = &resource->properties[row];

		if ((property->flags & PROPERTY_SORT) && (beta || !(property->flags & PROPERTY_BETA)))
			names = arena_printf(arena, "%.*s%s'%s', '%s asc' or '%s desc'", STR_ARG(names),
			                     names.len ? ", " : "", property->name, property->name, property->name);
	}
	return names;
}

enum err
order_read(const struct resource *resource, struct str text, bool beta, struct arena *arena, size_t *row_out,
           bool *descending_out, struct str *why_out)
{
	struct str name = STR_EMPTY, rest = str_trim(text);
	size_t     row;

	(void)str_take_until(&rest, ' ', &name);
	rest = str_trim(rest);
	row = resource_find_property(resource, name, beta);
	if (row == resource->property_count || !(resource->properties[row].flags & PROPERTY_SORT) ||
	    (rest.len > 0 && !str_eq_nocase(rest, STR("asc")) && !str_eq_nocase(rest, STR("desc")))) {
		*why_out = arena_printf(arena, "$orderby is %.*s.", STR_ARG(sortable_names(resource, beta, arena)));
		return ERR_BAD_REQUEST;
	}
	*row_out = row;
	*descending_out = str_eq_nocase(rest, STR("desc"));
	return OK;
}
