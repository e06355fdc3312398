/* SPDX-License-Identifier: Apache-2.0 */
#include "resource/extended.h"

#include "base/err.h"
#include "store/store.h"
#include "text/json_span.h"
#include "text/json_write.h"

/* The types of MAPI that an id can begin with, for one value. */
#define TYPES "ApplicationTime Binary Boolean CLSID Currency Double Float Integer Long Short String SystemTime"

/* The texts of one property, and of all that are sent: each is shorter than its JSON. */
#define SCRATCH_MAX (2 * STORE_BODY_MAX)

struct property_text {
	struct str id, value;
	bool       is_null;
};

/* "String {guid} Name x", "Integer {guid} Id 0x8009", "String 0x4001": a type, then a name. */
static bool
is_id(struct str id)
{
	struct str type = str_first(id, str_find(id, ' '));

	return id.len <= EXTENDED_ID_MAX && str_trim(str_skip(id, type.len)).len > 0 &&
	       str_has_word(STR(TYPES), ' ', type, str_eq_nocase);
}

static bool
read_one(struct str json, struct arena *arena, struct property_text *out)
{
	struct str id, value;

	*out = (struct property_text){ .is_null = true };
	if (!str_starts(json, STR("{")) || !json_span_member(json, STR("id"), &id) || !str_starts(id, STR("\"")) ||
	    !json_span_text(id, arena, &out->id) || !json_span_member(json, STR("value"), &value))
		return false;
	out->is_null = str_starts(value, STR("n"));
	return out->is_null || (str_starts(value, STR("\"")) && json_span_text(value, arena, &out->value));
}

struct str
extended_check(struct str sent, struct arena *arena)
{
	struct property_text one;
	struct json_walk     walk;
	struct json_span     span;
	struct str           ids[EXTENDED_MAX];
	size_t               count = 0;

	if (sent.at[0] == 'n')
		return STR_EMPTY;
	if (sent.at[0] != '[')
		return STR("must be an array");
	json_walk_open(&walk, sent);
	while (json_walk_next(&walk, &span)) {
		if (count == EXTENDED_MAX)
			return arena_printf(arena, "may have %d members", EXTENDED_MAX);
		if (!read_one(span.value, arena, &one) || !is_id(one.id))
			return STR("must hold objects with an id such as \"String {GUID} Name x\" and a text as value");
		if (one.value.len > EXTENDED_VALUE_MAX)
			return arena_printf(arena, "may have values of %d bytes", EXTENDED_VALUE_MAX);
		for (size_t i = 0; i < count; i++)
			if (str_eq_nocase(ids[i], one.id))
				return STR("has an id twice");
		ids[count++] = one.id;
	}
	return STR_EMPTY;
}

static bool
find(struct str list, struct str id, struct arena *arena)
{
	struct property_text one;
	struct json_walk     walk;
	struct json_span     span;

	if (list.len == 0 || list.at[0] != '[')
		return false;
	json_walk_open(&walk, list);
	while (json_walk_next(&walk, &span))
		if (read_one(span.value, arena, &one) && str_eq_nocase(one.id, id))
			return true;
	return false;
}

static void
put_one(struct json_out *out, const struct property_text *one)
{
	json_put_object(out);
	json_put_member(out, STR("id"), one->id);
	json_put_member(out, STR("value"), one->value);
	json_end_object(out);
}

/* Puts those of `list` that have a value and are not in `without`, each id once. */
static void
put_list(struct json_out *out, struct str list, struct str without)
{
	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);
	struct property_text            one;
	struct json_walk                walk;
	struct json_span                span;

	if (list.len == 0 || list.at[0] != '[')
		return;
	json_walk_open(&walk, list);
	while (json_walk_next(&walk, &span)) {
		if (read_one(span.value, scratch, &one) && !one.is_null && !find(without, one.id, scratch))
			put_one(out, &one);
		arena_reset(scratch);
	}
}

static struct str
finish(struct buf *buf, struct json_out *out, struct arena *arena)
{
	struct str list;

	json_end_array(out);
	list = buf->len > 2 ? arena_copy(arena, buf_str(buf)) : STR_EMPTY;
	buf_close(buf);
	return list;
}

struct str
extended_merge(struct str list, struct str sent, struct arena *arena)
{
	struct json_out out;
	struct buf      buf;

	buf_open(&buf, 6 * (list.len + sent.len) + 2);
	json_out_open(&out, &buf);
	json_put_array(&out);
	put_list(&out, list, sent);
	put_list(&out, sent, STR_EMPTY);
	return finish(&buf, &out, arena);
}

struct str
extended_select(struct str list, const struct str *ids, size_t count, struct arena *arena)
{
	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);
	struct property_text            one;
	struct json_walk                walk;
	struct json_span                span;
	struct json_out                 out;
	struct buf                      buf;

	if (list.len == 0)
		return STR_EMPTY;
	buf_open(&buf, 6 * list.len + 2);
	json_out_open(&out, &buf);
	json_put_array(&out);
	json_walk_open(&walk, list);
	while (json_walk_next(&walk, &span)) {
		size_t i = read_one(span.value, scratch, &one) ? 0 : count;

		while (i < count && !str_eq_nocase(one.id, ids[i]))
			i++;
		if (i < count)
			put_one(&out, &one);
		arena_reset(scratch);
	}
	return finish(&buf, &out, arena);
}
