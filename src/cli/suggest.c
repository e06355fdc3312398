/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/suggest.h"

#include <ctype.h>

#define WORD_MAX 64

static bool
is_same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many letters to insert, remove, replace, or swap with the next one. */
static unsigned
distance(struct str a, struct str b)
{
	unsigned rows[3][WORD_MAX + 1];

	for (unsigned k = 0; k <= b.len; k++)
		rows[0][k] = k;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned k = 1; k <= b.len; k++) {
			row[k] = least(last[k - 1] + !is_same(a.at[i - 1], b.at[k - 1]),
			               least(last[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && is_same(a.at[i - 1], b.at[k - 2]) && is_same(a.at[i - 2], b.at[k - 1]))
				row[k] = least(row[k], before[k - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

void
suggestion_try(struct suggestion *suggestion, const char *candidate)
{
	struct str word = suggestion->word, other = str_from_c(candidate);
	unsigned   far = word.len < 4 ? 1 : word.len < 12 ? 2 : 3, found;

	if (word.len == 0 || word.len > WORD_MAX || other.len > WORD_MAX)
		return;
	found = distance(word, other);
	if (found > far || found >= other.len || (suggestion->best && found >= suggestion->distance))
		return;
	suggestion->best = candidate;
	suggestion->distance = found;
}

const char *
suggestion_text(const struct suggestion *suggestion, struct arena *arena)
{
	if (!suggestion->best)
		return "";
	return arena_c(arena, arena_printf(arena, "; did you mean \"%s\"", suggestion->best));
}
