/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdio.h>

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

struct str
str_from_c(const char *text)
{
	return text ? str_of(text, strlen(text)) : STR_EMPTY;
}

bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool
str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (a.at[i] != b.at[i] && lower(a.at[i]) != lower(b.at[i]))
			return false;
	return true;
}

int
str_cmp(struct str a, struct str b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int    order = shorter ? memcmp(a.at, b.at, shorter) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_first(s, prefix.len), prefix);
}

bool
str_starts_nocase(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq_nocase(str_first(s, prefix.len), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

struct str
str_skip(struct str s, size_t n)
{
	if (n > s.len)
		n = s.len;
	/* Nothing is added to NULL, not even 0: that is undefined. */
	return n ? str_of(s.at + n, s.len - n) : s;
}

struct str
str_first(struct str s, size_t n)
{
	return str_of(s.at, n < s.len ? n : s.len);
}

struct str
str_trim(struct str s)
{
	while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
		s = str_skip(s, 1);
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

struct str
str_trim_of(struct str s, struct str set)
{
	s = str_skip(s, str_span(s, set));
	while (s.len > 0 && str_span(str_skip(s, s.len - 1), set) > 0)
		s.len--;
	return s;
}

size_t
str_find(struct str s, char c)
{
	const char *found = s.len ? memchr(s.at, c, s.len) : NULL;

	return found ? (size_t)(found - s.at) : s.len;
}

size_t
str_find_any(struct str s, struct str set)
{
	size_t at = 0;

	while (at < s.len && str_find(set, s.at[at]) == set.len)
		at++;
	return at;
}

size_t
str_span(struct str s, struct str set)
{
	size_t len = 0;

	while (len < s.len && str_find(set, s.at[len]) < set.len)
		len++;
	return len;
}

size_t
str_find_text(struct str s, struct str part)
{
	const char *found = memmem(s.at, s.len, part.at, part.len);

	return found ? (size_t)(found - s.at) : s.len;
}

bool
str_is_within(struct str s, char least, char most)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.at[i] & 0x80) || s.at[i] < least || s.at[i] > most)
			return false;
	return true;
}

bool
str_has_word(struct str words, char between, struct str word, bool (*same)(struct str, struct str))
{
	struct str one;

	while (str_take_until(&words, between, &one))
		if (same(one, word))
			return true;
	return false;
}

bool
str_take_until(struct str *rest, char c, struct str *taken_out)
{
	size_t cut;

	if (rest->len == 0)
		return false;
	cut = str_find(*rest, c);
	*taken_out = str_first(*rest, cut);
	*rest = str_skip(*rest, cut + 1);
	return true;
}

struct str
str_cut(struct str s, size_t n)
{
	struct str    cut = str_first(s, n);
	size_t        last = cut.len; /* where the last character begins */
	unsigned char lead;

	do {
		if (last == 0)
			return cut;
		lead = (unsigned char)cut.at[--last];
	} while ((lead & 0xc0) == 0x80 && cut.len - last < 4);
	if (cut.len - last < (lead >= 0xf0 ? 4u : lead >= 0xe0 ? 3u : lead >= 0xc0 ? 2u : 1u))
		cut.len = last;
	return cut;
}

size_t
str_vprintf(char *text_out, size_t size, const char *fmt, va_list list)
{
	struct str text;

	text_out[0] = '\0';
	(void)vsnprintf(text_out, size, fmt, list);
	text = str_cut(str_from_c(text_out), size);
	text_out[text.len] = '\0';
	return text.len;
}

size_t
str_printf(char *text_out, size_t size, const char *fmt, ...)
{
	va_list list;
	size_t  len;

	va_start(list, fmt);
	len = str_vprintf(text_out, size, fmt, list);
	va_end(list);
	return len;
}

bool
str_to_u64(struct str s, uint64_t *value_out)
{
	uint64_t value = 0;

	if (s.len == 0 || s.len > 15)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(s.at[i] - '0');
	}
	*value_out = value;
	return true;
}
