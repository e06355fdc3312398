/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/parameters.h"

bool
literal_take(struct str *rest, struct arena *arena, struct str *text_out)
{
	struct str from = *rest;
	char      *plain = arena_take_raw(arena, from.len);
	size_t     len = 0;

	for (size_t i = 0; i < from.len; i++) {
		if (from.at[i] == '\'') {
			if (i + 1 == from.len || from.at[i + 1] != '\'') {
				*rest = str_skip(from, i + 1);
				*text_out = str_of(plain, len);
				return true;
			}
			i++;
		}
		plain[len++] = from.at[i];
	}
	return false;
}

bool
literal_read(struct str text, struct arena *arena, struct str *text_out)
{
	struct str rest = str_skip(text, 1);

	if (str_starts(text, STR("'")))
		return literal_take(&rest, arena, text_out) && rest.len == 0;
	*text_out = text;
	return str_find(text, '\'') == text.len;
}
