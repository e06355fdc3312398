/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/range.h"

/* Digits only.  A number that is too large becomes UINT64_MAX. */
static bool
read_number(struct str text, uint64_t *number_out)
{
	if (text.len == 0 || !str_is_within(text, '0', '9'))
		return false;
	text = str_skip(text, str_span(str_first(text, text.len - 1), STR("0")));
	if (!str_to_u64(text, number_out))
		*number_out = UINT64_MAX;
	return true;
}

/* -500: the last 500 bytes. */
static enum range_kind
read_suffix(struct str digits, uint64_t size, uint64_t *from_out, uint64_t *len_out)
{
	uint64_t count;

	if (!read_number(digits, &count))
		return RANGE_WHOLE;
	if (count == 0 || size == 0)
		return RANGE_OUTSIDE;
	*len_out = count < size ? count : size;
	*from_out = size - *len_out;
	return RANGE_PART;
}

enum range_kind
range_read(struct str field, uint64_t size, uint64_t *from_out, uint64_t *len_out)
{
	size_t     at = str_find(field, '=');
	struct str unit = str_first(field, at), spec = str_trim(str_skip(field, at + 1));
	size_t     dash = str_find(spec, '-');
	struct str last = str_skip(spec, dash + 1);
	uint64_t   from, to = UINT64_MAX;

	if (at == field.len || !str_eq_nocase(unit, STR("bytes")) || str_find(spec, ',') < spec.len || dash == spec.len)
		return RANGE_WHOLE;
	if (dash == 0)
		return read_suffix(last, size, from_out, len_out);
	if (!read_number(str_first(spec, dash), &from) || (last.len > 0 && !read_number(last, &to)) || to < from)
		return RANGE_WHOLE;
	if (from >= size)
		return RANGE_OUTSIDE;
	*from_out = from;
	*len_out = (to < size ? to + 1 : size) - from;
	return RANGE_PART;
}

bool
etag_list_has(struct str list, struct str etag, bool weak)
{
	struct str one;

	while (str_take_until(&list, ',', &one)) {
		one = str_trim(one);
		if (str_eq(one, STR("*")) || str_eq(one, etag))
			return true;
		if (weak && str_starts(one, STR("W/")) && str_eq(str_skip(one, 2), etag))
			return true;
	}
	return false;
}
