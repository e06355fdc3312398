/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>

/*
 * Four names of jansson's own enum are also ours.  jansson's macros need theirs, so in
 * this one file ours are called KIND_….
 */
#define JSON_NULL   KIND_NULL
#define JSON_REAL   KIND_REAL
#define JSON_ARRAY  KIND_ARRAY
#define JSON_OBJECT KIND_OBJECT
#include "text/json_read.h"
#undef JSON_NULL
#undef JSON_REAL
#undef JSON_ARRAY
#undef JSON_OBJECT

#include "text/json_scan.h"

_Static_assert(sizeof(json_int_t) == sizeof(int64_t), "an int64 must come through jansson whole");

/* A struct json is a json_t and a struct json_iter is jansson's iterator; neither is ever defined. */
static const json_t *
inner(const struct json *value)
{
	return (const json_t *)value;
}

void
json_read_init(void)
{
	json_object_seed(0);
}

static const char *
what_jansson_found(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		return "a member name is doubled";
	case json_error_numeric_overflow:
		return "a number does not fit";
	case json_error_premature_end_of_input:
		return "the JSON is not complete; the text ends";
	case json_error_end_of_input_expected:
		return "something follows the value";
	default:
		return "the JSON is malformed";
	}
}

/* Bytes are counted from 1 for people. */
static void
say_why(struct arena *arena, const char *what, size_t byte, struct str *why_out)
{
	if (why_out)
		*why_out = arena_printf(arena, "%s at byte %zu", what, byte);
}

enum err
json_read(struct str text, struct arena *arena, struct json **root_out, struct str *why_out)
{
	struct json_fault fault;
	json_error_t      error;
	json_t           *root;
	enum err          err = json_scan(text, &fault);

	if (err != OK) {
		say_why(arena, fault.what, fault.offset + 1, why_out);
		return err;
	}
	root = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!root) {
		MUST(json_error_code(&error) != json_error_out_of_memory);
		/* jansson has read the whole of what it stumbles over: its count is the last byte of that. */
		say_why(arena, what_jansson_found(&error), (size_t)error.position, why_out);
		return ERR_BAD_REQUEST;
	}
	*root_out = (struct json *)root;
	return OK;
}

void
json_drop(struct json **root)
{
	if (!*root)
		return;
	json_decref((json_t *)*root);
	*root = NULL;
}

enum json_kind
json_kind(const struct json *value)
{
	if (!value)
		return KIND_NULL;
	switch (json_typeof(inner(value))) {
	case JSON_OBJECT:
		return KIND_OBJECT;
	case JSON_ARRAY:
		return KIND_ARRAY;
	case JSON_STRING:
		return JSON_TEXT;
	case JSON_INTEGER:
		return JSON_INT;
	case JSON_REAL:
		return KIND_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_BOOL;
	case JSON_NULL:
		break;
	}
	return KIND_NULL;
}

const char *
json_kind_name(enum json_kind kind)
{
	static const char *const names[] = {
		[KIND_NULL] = "null",     [JSON_BOOL] = "a boolean",  [JSON_INT] = "an integer",    [KIND_REAL] = "a fraction",
		[JSON_TEXT] = "a string", [KIND_ARRAY] = "an array", [KIND_OBJECT] = "an object",
	};

	MUST((size_t)kind < COUNT_OF(names));
	return names[kind];
}

const struct json *
json_member(const struct json *object, const char *name)
{
	return (const struct json *)json_object_get(inner(object), name);
}

bool
json_text(const struct json *value, struct str *out)
{
	if (!json_is_string(inner(value)))
		return false;
	*out = str_of(json_string_value(inner(value)), json_string_length(inner(value)));
	return true;
}

bool
json_bool(const struct json *value, bool *out)
{
	if (!json_is_boolean(inner(value)))
		return false;
	*out = json_is_true(inner(value));
	return true;
}

bool
json_int(const struct json *value, int64_t *out)
{
	if (!json_is_integer(inner(value)))
		return false;
	*out = json_integer_value(inner(value));
	return true;
}

/* jansson answers 0 and NULL for a value of another kind, or none. */
size_t
json_count(const struct json *array_or_object)
{
	return json_array_size(inner(array_or_object)) + json_object_size(inner(array_or_object));
}

const struct json *
json_at(const struct json *array, size_t index)
{
	return (const struct json *)json_array_get(inner(array), index);
}

/* jansson's iterators take what they do not change as changeable; hence the casts. */
const struct json_iter *
json_first(const struct json *object)
{
	return json_object_iter((json_t *)inner(object));
}

const struct json_iter *
json_next(const struct json *object, const struct json_iter *it)
{
	return json_object_iter_next((json_t *)inner(object), (void *)it);
}

struct str
json_iter_name(const struct json_iter *it)
{
	return str_of(json_object_iter_key((void *)it), json_object_iter_key_len((void *)it));
}

const struct json *
json_iter_value(const struct json_iter *it)
{
	return (const struct json *)json_object_iter_value((void *)it);
}
