/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_value.h"

#include "text/json_span.h"

/* A string with half a surrogate pair stands for no text: it is compared as written. */
bool
follow_text_same(struct str a, struct str b)
{
	struct str a_text, b_text;

	if (str_eq(a, b))
		return true;
	if (!memchr(a.at, '\\', a.len) && !memchr(b.at, '\\', b.len))
		return false;

	/* Of its own: each name of an item may be compared with all of another. */
	AUTO(arena_close) struct arena *arena = arena_open(a.len + b.len);

	return json_span_text(str_of(a.at - 1, a.len + 2), arena, &a_text) &&
	       json_span_text(str_of(b.at - 1, b.len + 2), arena, &b_text) && str_eq(a_text, b_text);
}

/* Its digits without the point, read one by one, and the power of ten of the first digit that is not 0. */
struct number {
	bool       is_negative;
	struct str digits; /* from the first digit that is not 0 to the last; may hold the point */
	int64_t    power;
};

#define EXPONENT_MAX 1000000000

static int64_t
read_exponent(struct str text)
{
	bool    is_negative = text.len > 0 && text.at[0] == '-';
	int64_t value = 0;

	for (size_t i = text.len > 0 && (is_negative || text.at[0] == '+'); i < text.len && value < EXPONENT_MAX; i++)
		value = value * 10 + (text.at[i] - '0');
	return is_negative ? -value : value;
}

static struct number
number_of(struct str text)
{
	struct number number = { .is_negative = text.len > 0 && text.at[0] == '-' };
	size_t        mantissa = 0, point, first = 0;

	text = str_skip(text, number.is_negative);
	while (mantissa < text.len && (text.at[mantissa] | 0x20) != 'e')
		mantissa++;
	number.power = read_exponent(str_skip(text, mantissa < text.len ? mantissa + 1 : mantissa));
	text = str_first(text, mantissa);
	point = str_find(text, '.');
	while (first < text.len && (text.at[first] == '0' || text.at[first] == '.'))
		first++;
	number.digits = str_skip(text, first);
	number.power += (int64_t)point - (int64_t)first - (first > point ? 0 : 1);
	return number;
}

static struct str
without_zeros(struct str digits)
{
	while (digits.len > 0 && (digits.at[digits.len - 1] == '0' || digits.at[digits.len - 1] == '.'))
		digits.len--;
	return digits;
}

static bool
same_number(struct str a_text, struct str b_text)
{
	struct number a = number_of(a_text), b = number_of(b_text);
	struct str    a_digits = without_zeros(a.digits), b_digits = without_zeros(b.digits);
	size_t        i = 0, j = 0;

	if (a_digits.len == 0 || b_digits.len == 0)
		return a_digits.len == b_digits.len; /* 0 and -0.0 are the same */
	if (a.is_negative != b.is_negative || a.power != b.power)
		return false;
	while (i < a_digits.len && j < b_digits.len) {
		i += a_digits.at[i] == '.';
		j += b_digits.at[j] == '.';
		if (a_digits.at[i++] != b_digits.at[j++])
			return false;
	}
	return i == a_digits.len && j == b_digits.len;
}

static bool
same_elements(struct str a, struct str b)
{
	struct json_walk in_a, in_b;
	struct json_span of_a, of_b;

	json_walk_open(&in_a, a);
	json_walk_open(&in_b, b);
	while (json_walk_next(&in_a, &of_a))
		if (!json_walk_next(&in_b, &of_b) || !follow_value_same(of_a.value, of_b.value))
			return false;
	return !json_walk_next(&in_b, &of_b);
}

static bool
find_member(struct str object, struct str name, struct json_walk *after, struct str *value_out)
{
	struct json_walk walk = *after;
	struct json_span span;

	/* Usually it is the next one. */
	for (bool again = false;; again = true) {
		while (json_walk_next(&walk, &span))
			if (follow_text_same(span.name, name)) {
				*after = walk;
				*value_out = span.value;
				return true;
			}
		if (again)
			return false;
		json_walk_open(&walk, object);
	}
}

static bool
same_members(struct str a, struct str b)
{
	struct json_walk in_a, in_b;
	struct json_span span;
	struct str       value;
	size_t           count = 0;

	json_walk_open(&in_a, a);
	json_walk_open(&in_b, b);
	while (json_walk_next(&in_b, &span))
		count++;
	json_walk_open(&in_b, b);
	while (json_walk_next(&in_a, &span)) {
		if (count-- == 0 || !find_member(b, span.name, &in_b, &value) || !follow_value_same(span.value, value))
			return false;
	}
	return count == 0;
}

static bool
is_number(struct str value)
{
	return value.len > 0 && (value.at[0] == '-' || (value.at[0] >= '0' && value.at[0] <= '9'));
}

bool
follow_value_same(struct str a, struct str b)
{
	if (str_eq(a, b))
		return true;
	if (a.len == 0 || b.len == 0)
		return false;
	if (is_number(a) && is_number(b))
		return same_number(a, b);
	if (a.at[0] != b.at[0])
		return false;
	switch (a.at[0]) {
	case '{':
		return same_members(a, b);
	case '[':
		return same_elements(a, b);
	case '"':
		return follow_text_same(str_of(a.at + 1, a.len - 2), str_of(b.at + 1, b.len - 2));
	default:
		return false;
	}
}
