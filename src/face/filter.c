/* SPDX-License-Identifier: Apache-2.0 */
#include "face/filter.h"

enum node { NODE_NAME_IS, NODE_NAME_STARTS, NODE_FLAG, NODE_NOT, NODE_AND, NODE_OR };

struct filter {
	enum node            node;
	struct str           text;       /* folded, of the NODE_NAME_ kinds */
	enum calendar_prop   flag;
	const struct filter *left, *right;
};

struct reader {
	struct str    whole, rest;
	struct arena *arena;
	unsigned      depth;
	bool          beta;
	struct str    why;
};

/* ---- words ----------------------------------------------------------------------------------------- */

static enum err
refuse(struct reader *reader, const char *what)
{
	reader->why = arena_printf(reader->arena, "$filter: %s at position %zu. Compare 'name' (eq, ne, startswith) or a boolean "
	                           "property with true or false, joined by and, or, not.",
	                           what, reader->whole.len - reader->rest.len);
	return ERR_BAD_REQUEST;
}

static void
skip_blanks(struct reader *reader)
{
	while (reader->rest.len > 0 && (reader->rest.at[0] == ' ' || reader->rest.at[0] == '\t'))
		reader->rest = str_skip(reader->rest, 1);
}

static bool
is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/';
}

/* The word that comes next, without taking it. */
static struct str
peek_word(struct reader *reader)
{
	size_t len = 0;

	skip_blanks(reader);
	while (len < reader->rest.len && is_word_byte(reader->rest.at[len]))
		len++;
	return str_first(reader->rest, len);
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

/* 'it''s' */
static enum err
take_text(struct reader *reader, struct str *text_out)
{
	char  *plain = arena_take_raw(reader->arena, reader->rest.len);
	size_t len = 0, at;

	if (!take_sign(reader, '\''))
		return refuse(reader, "a text in single quotes is missing");
	for (at = 0; at < reader->rest.len; at++) {
		if (reader->rest.at[at] == '\'') {
			if (at + 1 == reader->rest.len || reader->rest.at[at + 1] != '\'')
				break;
			at++;
		}
		plain[len++] = reader->rest.at[at];
	}
	if (at == reader->rest.len)
		return refuse(reader, "a text has no closing quote");
	reader->rest = str_skip(reader->rest, at + 1);
	*text_out = str_of(plain, len);
	return OK;
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

/* eq or ne; *same_out is true for eq. */
static bool
take_comparison(struct reader *reader, bool *same_out)
{
	*same_out = take_word(reader, STR("eq"));
	return *same_out || take_word(reader, STR("ne"));
}

static enum err
read_name(struct reader *reader, const struct filter **filter_out)
{
	const struct filter *filter;
	struct str           text;
	bool                 same;

	if (!take_comparison(reader, &same))
		return refuse(reader, "'name' can be compared by eq and ne only, or by startswith(name,'…');");
	if (take_word(reader, STR("null")))
		text = STR_EMPTY;
	else
		TRY(take_text(reader, &text));
	text = calendar_fold_name(text, reader->arena);
	filter = new_node(reader, (struct filter){ .node = NODE_NAME_IS, .text = text });
	*filter_out = same ? filter : new_not(reader, filter);
	return OK;
}

static enum err
read_flag(struct reader *reader, enum calendar_prop flag, const struct filter **filter_out)
{
	const struct filter *filter = new_node(reader, (struct filter){ .node = NODE_FLAG, .flag = flag });
	bool                 same, wanted;

	if (!take_comparison(reader, &same)) {
		*filter_out = filter;
		return OK;
	}
	wanted = take_word(reader, STR("true"));
	if (!wanted && !take_word(reader, STR("false")))
		return refuse(reader, "true or false is missing");
	*filter_out = same == wanted ? filter : new_not(reader, filter);
	return OK;
}

static enum err
read_starts(struct reader *reader, const struct filter **filter_out)
{
	struct str text;
	bool       same, wanted = true;

	if (!take_sign(reader, '(') || !take_word(reader, STR("name")) || !take_sign(reader, ','))
		return refuse(reader, "startswith is written startswith(name,'…');");
	TRY(take_text(reader, &text));
	if (!take_sign(reader, ')'))
		return refuse(reader, "a closing bracket is missing");
	if (take_comparison(reader, &same)) {
		wanted = take_word(reader, STR("true"));
		if (!wanted && !take_word(reader, STR("false")))
			return refuse(reader, "true or false is missing");
		wanted = same == wanted;
	}
	text = calendar_fold_name(text, reader->arena);
	*filter_out = new_node(reader, (struct filter){ .node = NODE_NAME_STARTS, .text = text });
	if (!wanted)
		*filter_out = new_not(reader, *filter_out);
	return OK;
}

static bool
is_flag(enum calendar_prop prop, bool beta)
{
	switch (prop) {
	case PROP_IS_DEFAULT:
	case PROP_CAN_SHARE:
	case PROP_CAN_VIEW:
	case PROP_CAN_EDIT:
	case PROP_TALLYING:
	case PROP_REMOVABLE:
		return true;
	case PROP_IS_SHARED:
	case PROP_IS_SHARED_ME:
		return beta;
	default:
		return false;
	}
}

static enum err read_or(struct reader *reader, const struct filter **filter_out);

static enum err
read_one(struct reader *reader, const struct filter **filter_out)
{
	struct str         word;
	enum calendar_prop prop;

	if (take_sign(reader, '(')) {
		TRY(read_or(reader, filter_out));
		return take_sign(reader, ')') ? OK : refuse(reader, "a closing bracket is missing");
	}
	word = peek_word(reader);
	if (take_word(reader, STR("startswith")))
		return read_starts(reader, filter_out);
	prop = calendar_prop_find(word);
	if (prop != PROP_NAME && !is_flag(prop, reader->beta))
		return refuse(reader, word.len ? "a property or function that cannot be filtered by" : "something is missing");
	reader->rest = str_skip(reader->rest, word.len);
	return prop == PROP_NAME ? read_name(reader, filter_out) : read_flag(reader, prop, filter_out);
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
		*filter_out = new_node(reader, (struct filter){ .node = NODE_AND, .left = *filter_out, .right = right });
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
filter_read(struct str text, bool beta, struct arena *arena, const struct filter **filter_out, struct str *why_out)
{
	struct reader        reader = { .whole = text, .rest = text, .arena = arena, .beta = beta };
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

/* A chain of 'and' leans to the left, so its depth is its length, which the length of a URL bounds. */
bool
filter_holds(const struct filter *filter, struct str key, const struct calendar *calendar)
{
	switch (filter->node) {
	case NODE_NAME_IS:
		return str_eq(key, filter->text);
	case NODE_NAME_STARTS:
		return str_starts(key, filter->text);
	case NODE_FLAG:
		return calendar_flag(calendar, filter->flag);
	case NODE_NOT:
		return !filter_holds(filter->left, key, calendar);
	case NODE_AND:
		return filter_holds(filter->left, key, calendar) && filter_holds(filter->right, key, calendar);
	case NODE_OR:
		return filter_holds(filter->left, key, calendar) || filter_holds(filter->right, key, calendar);
	}
	return false;
}

enum err
order_read(struct str text, bool *descending_out)
{
	struct str name = STR_EMPTY, rest = str_trim(text);

	(void)str_take_until(&rest, ' ', &name);
	rest = str_trim(rest);
	if (!str_eq_nocase(name, STR("name")) ||
	    (rest.len > 0 && !str_eq_nocase(rest, STR("asc")) && !str_eq_nocase(rest, STR("desc"))))
		return ERR_BAD_REQUEST;
	*descending_out = str_eq_nocase(rest, STR("desc"));
	return OK;
}
