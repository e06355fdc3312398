/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str — a view of bytes that another object owns.
 *
 * Passed by value, never NUL-terminated, may hold any byte.  arena_c() (arena.h) copies text
 * for a foreign function that takes a `const char *`.
 * The `str_take_…` family walks a text: each takes a part off the front.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *at;
	size_t      len;
};

#define STR(literal)       ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define STR_EMPTY          ((struct str){ "", 0 })
#define STR_ARG(s)         (int)(s).len, (s).at /* for "%.*s" */

static inline struct str
str_of(const void *at, size_t len)
{
	return (struct str){ at, len };
}

struct str str_from_c(const char *text); /* NULL gives the empty view */

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
int  str_cmp(struct str a, struct str b);       /* bytewise, shorter first */
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

struct str str_skip(struct str s, size_t n);  /* without its first n bytes (n is cut to len) */
struct str str_first(struct str s, size_t n); /* its first n bytes at most; text for people is cut by str_cut() */
struct str str_trim(struct str s);            /* without blanks and tabs at either end */
struct str str_trim_of(struct str s, struct str set); /* without bytes of the set at either end */

/* Position of the first `c`, or len if there is none. */
size_t str_find(struct str s, char c);
size_t str_find_any(struct str s, struct str set);         /* the same for the first byte that is one of the set */
size_t str_span(struct str s, struct str set);             /* how many bytes at the start are of the set */
size_t str_find_text(struct str s, struct str part);       /* the same for a text that is not empty */
bool   str_is_within(struct str s, char least, char most); /* all bytes are of ASCII, from `least` to `most` */
/* Is the word one of those that `between` separates?  `same`: str_eq or str_eq_nocase. */
bool str_has_word(struct str words, char between, struct str word, bool (*same)(struct str, struct str));

/* Takes everything before `c` and `c` itself; without a `c`, takes all.  False when *rest was empty. */
bool str_take_until(struct str *rest, char c, struct str *taken_out);

/*
 * The only way to cut text that people or JSON will read: at most n bytes, and no half of a UTF-8 character at the
 * end (also when `s` is not longer than n, so it removes a half that an earlier cut left). Any bytes may be given.
 */
struct str str_cut(struct str s, size_t n);
#define STR_CUT_ARG(text, n) STR_ARG(str_cut(str_from_c(text), (n))) /* for "%.*s": a C string, cut */

/* As snprintf() into `size` bytes, NUL included, but what does not fit is cut by str_cut().  Returns the length. */
size_t str_printf(char *text_out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t str_vprintf(char *text_out, size_t size, const char *fmt, va_list list) __attribute__((format(printf, 3, 0)));

/* All of `s` must be 1..15 decimal digits. The only parser for unsigned numbers from outside. */
bool str_to_u64(struct str s, uint64_t *value_out);
