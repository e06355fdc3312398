/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_json — one text, two readers: whatever json_read() accepts, json_walk takes apart.
 * The pieces must be the values of the tree, and joined again they must be read as the same tree.
 */
#include "base/buf.h"
#include "text/json_read.h"
#include "text/json_span.h"
#include "text/json_write.h"

#define SIZE_MAX_OUT ((size_t)64 << 20)

struct pair {
	struct arena   *arena;
	struct json_out out;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void join(struct pair *pair, const struct json *value, struct str raw);

/* A number as the grammar of RFC 8259 has it, and nothing around it. */
static bool
is_number(struct str raw, bool whole)
{
	size_t at = raw.len > 0 && raw.at[0] == '-';
	size_t digits = at;
	bool   other = false;

	while (digits < raw.len && raw.at[digits] >= '0' && raw.at[digits] <= '9')
		digits++;
	if (digits == at || (raw.at[at] == '0' && digits > at + 1))
		return false;
	for (size_t i = digits; i < raw.len; i++) {
		if (!memchr("0123456789+-.eE", raw.at[i], 15))
			return false;
		other = true;
	}
	return other != whole;
}

static void
join_int(struct pair *pair, int64_t number, struct str raw)
{
	struct buf buf;

	buf_open(&buf, 64);
	buf_printf(&buf, "%lld", (long long)number);
	MUST(is_number(raw, true));
	MUST(str_eq(buf_str(&buf), raw) || (number == 0 && str_eq(raw, STR("-0"))));
	buf_close(&buf);
	json_put_int(&pair->out, number);
}

static void
join_text(struct pair *pair, struct str text, struct str raw)
{
	struct str resolved;

	MUST(json_span_text(raw, pair->arena, &resolved));
	MUST(str_eq(text, resolved));
	json_put_text(&pair->out, resolved);
}

static void
join_object(struct pair *pair, const struct json *object, struct str raw)
{
	const struct json *member = json_first(object);
	struct json_walk   walk;
	struct json_span   span;
	struct str         name, value;

	json_put_object(&pair->out);
	for (json_walk_open(&walk, raw); json_walk_next(&walk, &span); member = member->next) {
		MUST(member && str_eq(member->raw, span.value));
		MUST(json_span_text(str_of(span.name.at - 1, span.name.len + 2), pair->arena, &name));
		MUST(str_eq(name, member->name));
		MUST(json_span_member(raw, name, &value) && value.at == span.value.at && value.len == span.value.len);
		MUST(json_member(object, arena_c(pair->arena, name)) == member);
		json_put_name(&pair->out, name);
		join(pair, member, span.value);
	}
	MUST(!member);
	json_end_object(&pair->out);
}

static void
join_array(struct pair *pair, const struct json *array, struct str raw)
{
	const struct json *element = json_first(array);
	struct json_walk   walk;
	struct json_span   span;

	json_put_array(&pair->out);
	for (json_walk_open(&walk, raw); json_walk_next(&walk, &span); element = element->next) {
		MUST(element && span.name.len == 0 && str_eq(element->raw, span.value));
		join(pair, element, span.value);
	}
	MUST(!element);
	json_end_array(&pair->out);
}

static void
join(struct pair *pair, const struct json *value, struct str raw)
{
	struct str text;
	int64_t    number;
	bool       yes;

	switch (json_kind(value)) {
	case JSON_NULL:
		MUST(str_eq(raw, STR("null")));
		json_put_raw(&pair->out, STR("null"));
		break;
	case JSON_BOOL:
		MUST(json_bool(value, &yes) && str_eq(raw, yes ? STR("true") : STR("false")));
		json_put_bool(&pair->out, yes);
		break;
	case JSON_INT:
		MUST(json_int(value, &number));
		join_int(pair, number, raw);
		break;
	case JSON_REAL:
		MUST(is_number(raw, false));
		json_put_raw(&pair->out, raw);
		break;
	case JSON_TEXT:
		MUST(json_text(value, &text));
		join_text(pair, text, raw);
		break;
	case JSON_ARRAY:
		join_array(pair, value, raw);
		break;
	case JSON_OBJECT:
		join_object(pair, value, raw);
		break;
	}
}

static struct str
without_blanks(struct str text)
{
	while (text.len > 0 && memchr(" \t\r\n", text.at[0], 4))
		text = str_skip(text, 1);
	while (text.len > 0 && memchr(" \t\r\n", text.at[text.len - 1], 4))
		text.len--;
	return text;
}

/* Takes `text` apart along its tree and writes it anew. */
static void
rewrite(struct str text, const struct json *root, struct arena *arena, struct buf *buf)
{
	struct pair pair = { .arena = arena };

	json_out_open(&pair.out, buf);
	join(&pair, root, without_blanks(text));
	MUST(buf_err(buf) == OK);
}

/* Text that was refused promises nothing, but must be walked within its bounds. */
static void
walk_anyway(struct str text, struct arena *arena)
{
	struct json_walk walk;
	struct json_span span;
	struct str       out;

	for (json_walk_open(&walk, text); json_walk_next(&walk, &span);) {
		MUST(span.value.len > 0 && span.value.at >= text.at);
		MUST(span.value.at + span.value.len <= text.at + text.len);
		(void)json_span_text(span.value, arena, &out);
	}
	(void)json_span_member(text, STR("id"), &out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_open((size_t)256 << 20);
	struct str    text = str_of(data, size), why = STR_EMPTY;
	struct json  *root = NULL, *again = NULL;
	struct buf    first, second;

	buf_open(&first, SIZE_MAX_OUT);
	buf_open(&second, SIZE_MAX_OUT);
	if (json_read(text, arena, &root, &why) == OK) {
		rewrite(text, root, arena, &first);
		MUST(json_read(buf_str(&first), arena, &again, &why) == OK);
		rewrite(buf_str(&first), again, arena, &second);
		MUST(str_eq(buf_str(&first), buf_str(&second)));
	} else {
		MUST(!root && why.len > 0);
		walk_anyway(text, arena);
	}
	json_drop(&root);
	json_drop(&again);
	buf_close(&first);
	buf_close(&second);
	arena_close(&arena);
	return 0;
}
