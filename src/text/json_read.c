/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json_read.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "text/json_span.h"

/*
 * A value is reported after the values inside it: `first` and `last` keep, for each depth, those that wait for their
 * container.
 */
struct tree {
	struct str    text;
	struct arena *arena;
	size_t        count;
	struct json  *first[JSON_DEPTH_MAX + 2], *last[JSON_DEPTH_MAX + 2];
	enum err      err; /* the first failure; `what` and `at` belong to it */
	const char   *what;
	size_t        at;
};

static bool
read_int(struct str raw, int64_t *out)
{
	char      digits[24] = { 0 }; /* the longest that fits has 20 */
	long long value;

	if (raw.len >= sizeof(digits))
		return false;
	memcpy(digits, raw.at, raw.len);
	errno = 0;
	value = strtoll(digits, NULL, 10);
	if (errno != 0)
		return false;
	*out = value;
	return true;
}

static bool
fits(const struct json *value, struct arena *arena)
{
	int64_t whole;

	switch (json_kind(value)) {
	case JSON_INT:
		return read_int(value->raw, &whole);
	case JSON_REAL:
		return isfinite(strtod(arena_c(arena, value->raw), NULL));
	default:
		return true;
	}
}

static void
fail(struct tree *tree, enum err err, const char *what, struct str value)
{
	if (tree->err != OK)
		return;
	tree->err = err;
	tree->what = what;
	tree->at = (size_t)(value.at - tree->text.at);
}

static void
grow(void *ctx, size_t depth, struct str name, struct str raw)
{
	struct tree *tree = ctx;
	struct json *value;

	if (++tree->count > JSON_TOKENS_MAX) {
		fail(tree, ERR_TOO_LARGE, "the JSON holds too many values", raw);
		return;
	}
	value = arena_take(tree->arena, sizeof(*value));
	*value = (struct json){ .name = STR_EMPTY, .raw = raw, .first = tree->first[depth + 1] };
	tree->first[depth + 1] = NULL;
	if (name.len > 0)
		MUST(json_span_text(str_of(name.at - 1, name.len + 2), tree->arena, &value->name));
	if (raw.at[0] == '"')
		MUST(json_span_text(raw, tree->arena, &value->text));
	if (!fits(value, tree->arena))
		fail(tree, ERR_BAD_REQUEST, "a number does not fit", raw);
	if (tree->first[depth])
		tree->last[depth]->next = value;
	else
		tree->first[depth] = value;
	tree->last[depth] = value;
}

enum err
json_read(struct str text, struct arena *arena, struct json **root_out, struct str *why_out)
{
	/* Names, strings and numbers are copied once each; a number ends with a NUL. */
	struct tree tree = { .text = text, .arena = arena_open(JSON_TOKENS_MAX * sizeof(struct json) + 2 * text.len) };
	struct json_watch watch = { .ctx = &tree, .depth = JSON_DEPTH_MAX, .emit = grow };
	enum err          err = json_check_watched(text, JSON_BYTES_MAX, &watch, arena, why_out);

	if (err == OK && tree.err != OK && why_out)
		*why_out = arena_printf(arena, "%s at byte %zu", tree.what, tree.at + 1);
	if (err == OK)
		err = tree.err;
	if (err != OK) {
		arena_close(&tree.arena);
		return err;
	}
	tree.first[0]->memory = tree.arena;
	*root_out = tree.first[0];
	return OK;
}

void
json_drop(struct json **root)
{
	struct arena *arena = *root ? (*root)->memory : NULL;

	arena_close(&arena);
	*root = NULL;
}

enum json_kind
json_kind(const struct json *value)
{
	if (!value)
		return JSON_NULL;
	switch (value->raw.at[0]) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_TEXT;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		break;
	}
	for (size_t i = 0; i < value->raw.len; i++)
		if (strchr(".eE", value->raw.at[i]))
			return JSON_REAL;
	return JSON_INT;
}

const char *
json_kind_name(enum json_kind kind)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",        [JSON_BOOL] = "a boolean", [JSON_INT] = "an integer",
		[JSON_REAL] = "a fraction",  [JSON_TEXT] = "a string",  [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	MUST((size_t)kind < COUNT_OF(names));
	return names[kind];
}

const struct json *
json_member(const struct json *object, const char *name)
{
	const struct json *member = json_kind(object) == JSON_OBJECT ? object->first : NULL;

	while (member && !str_eq(member->name, str_from_c(name)))
		member = member->next;
	return member;
}

bool
json_text(const struct json *value, struct str *out)
{
	if (json_kind(value) != JSON_TEXT)
		return false;
	*out = value->text;
	return true;
}

bool
json_bool(const struct json *value, bool *out)
{
	if (json_kind(value) != JSON_BOOL)
		return false;
	*out = value->raw.at[0] == 't';
	return true;
}

bool
json_int(const struct json *value, int64_t *out)
{
	return json_kind(value) == JSON_INT && read_int(value->raw, out);
}

const struct json *
json_first(const struct json *container)
{
	return container ? container->first : NULL;
}

size_t
json_count(const struct json *container)
{
	size_t count = 0;

	for (const struct json *value = json_first(container); value; value = value->next)
		count++;
	return count;
}
