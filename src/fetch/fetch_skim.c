/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_skim.h"

#define ITEM_DEPTH 3                   /* a page, its list, an item */
#define LINK_TEXT  ((size_t)256 << 10) /* of a string outside the items: a link is not cut */

static bool
begins_char(char c)
{
	return ((uint8_t)c & 0xc0) != 0x80;
}

/* A string is cut between two characters, never in an escape. */
static bool
is_left_out(struct fetch_skim *skim, char c)
{
	size_t max = skim->depth < ITEM_DEPTH ? LINK_TEXT : FETCH_SKIM_TEXT;

	skim->is_cut = skim->is_cut || (skim->text_len >= max && skim->escape == 0 && begins_char(c));
	return skim->is_cut;
}

/* True: the byte is kept. */
static bool
take_text(struct fetch_skim *skim, char c)
{
	bool is_kept;

	if (skim->escape == 0 && c == '"') {
		skim->in_string = false;
		return skim->depth <= ITEM_DEPTH;
	}
	is_kept = !is_left_out(skim, c) && skim->depth <= ITEM_DEPTH;
	if (skim->escape == 1 && c == 'u' && skim->text_len > 0)
		skim->escape = 5;
	if (skim->escape > 0)
		skim->escape--;
	else if (c == '\\')
		skim->escape = 1;
	skim->text_len++;
	return is_kept;
}

static bool
take_byte(struct fetch_skim *skim, char c)
{
	if (skim->in_string)
		return take_text(skim, c);
	if (c == '"') {
		skim->in_string = true;
		skim->is_cut = false;
		skim->text_len = 0;
	} else if (c == '{' || c == '[') {
		return ++skim->depth <= ITEM_DEPTH + 1;
	} else if ((c == '}' || c == ']') && skim->depth > 0) {
		return skim->depth-- <= ITEM_DEPTH + 1;
	}
	return skim->depth <= ITEM_DEPTH;
}

void
fetch_skim_put(struct fetch_skim *skim, struct str bytes, struct buf *out)
{
	size_t begun = 0;

	for (size_t i = 0; i < bytes.len; i++)
		if (!take_byte(skim, bytes.at[i])) {
			buf_put(out, str_of(bytes.at + begun, i - begun));
			begun = i + 1;
		}
	buf_put(out, str_skip(bytes, begun));
}
