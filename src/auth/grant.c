/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/grant.h"

#include "text/uri.h"

#define NS_GRANT     STORE_OF_SCOPE
#define FORGET_ARENA ((size_t)4 * STORE_KV_MAX)

/* ---- words ---------------------------------------------------------------------------------------------------- */

static size_t
count_lines(struct str text)
{
	struct str one;
	size_t     count = 0;

	while (str_take_until(&text, '\n', &one))
		count++;
	return count;
}

/* The words without `word`, one a line. */
static struct str
without(struct str words, struct str word, struct arena *arena)
{
	char      *kept = arena_take_raw(arena, words.len + 1);
	size_t     len = 0;
	struct str one;

	while (str_take_until(&words, '\n', &one)) {
		if (str_eq_nocase(one, word))
			continue;
		memcpy(kept + len, one.at, one.len);
		len += one.len;
		kept[len++] = '\n';
	}
	return str_of(kept, len);
}

void
words_add(struct store_txn *txn, const char *ns, struct str name, struct str word, size_t max, struct arena *arena)
{
	struct str words = STR_EMPTY;

	if (store_txn_get_kv(txn, ns, name, &words) && str_has_word(words, '\n', word, str_eq_nocase))
		return;
	if (count_lines(words) >= max) {
		store_fail(txn, ERR_TOO_LARGE);
		return;
	}
	store_put_kv(txn, ns, name, arena_printf(arena, "%.*s%.*s\n", STR_ARG(words), STR_ARG(word)));
}

static void
put_without(struct store_txn *txn, const char *ns, struct str name, struct str words)
{
	if (words.len > 0)
		store_put_kv(txn, ns, name, words);
	else
		store_remove_kv(txn, ns, name);
}

bool
words_remove(struct store_txn *txn, const char *ns, struct str name, struct str word, struct arena *arena)
{
	struct str words;

	if (!store_txn_get_kv(txn, ns, name, &words) || !str_has_word(words, '\n', word, str_eq_nocase))
		return false;
	put_without(txn, ns, name, without(words, word, arena));
	return true;
}

/* ---- grants --------------------------------------------------------------------------------------------------- */

bool
grant_to_valid(struct str to)
{
	return to.len > 0 && to.len <= GRANT_TO_MAX && str_find(to, ' ') == to.len && utf8_is_clean(to);
}

enum err
grant_check(struct store *store, struct str scope, struct str user, struct str app, struct arena *arena)
{
	struct str to;
	enum err   err = store_get_kv(store, NS_GRANT, scope, arena, &to);

	if (err != OK)
		return err == ERR_NOT_FOUND ? ERR_NOT_ALLOWED : err;
	return (user.len > 0 && str_has_word(to, '\n', user, str_eq_nocase)) ||
	                       (app.len > 0 && str_has_word(to, '\n', app, str_eq_nocase))
	               ? OK
	               : ERR_NOT_ALLOWED;
}

enum err
grant_next(struct store *store, struct str after, struct arena *arena, struct str *scope_out, struct str *to_out)
{
	TRY(store_next_kv(store, NS_GRANT, after, arena, scope_out, to_out));
	return scope_out->len > STORE_KEY_MAX ? ERR_CORRUPT : OK;
}

void
grant_add(struct store_txn *txn, struct str scope, struct str to, struct arena *arena)
{
	if (!grant_to_valid(to) || scope.len == 0 || scope.len > STORE_KEY_MAX)
		store_fail(txn, ERR_BAD_REQUEST);
	else
		words_add(txn, NS_GRANT, scope, to, GRANTS_MAX, arena);
}

bool
grant_remove(struct store_txn *txn, struct str scope, struct str to, struct arena *arena)
{
	return words_remove(txn, NS_GRANT, scope, to, arena);
}

void
grant_forget(struct store_txn *txn, const struct guid *to)
{
	AUTO(arena_close) struct arena *arena = arena_open(FORGET_ARENA), *before = arena_open(FORGET_ARENA);
	struct guid_str                 text = guid_str(to);
	struct str                      word = str_from_c(text.c), scope = STR_EMPTY, words;

	while (store_txn_next_kv(txn, NS_GRANT, scope, arena, &scope, &words)) {
		struct arena *spare = before;

		if (str_has_word(words, '\n', word, str_eq_nocase))
			put_without(txn, NS_GRANT, scope, without(words, word, arena));
		arena_reset(spare);
		before = arena;
		arena = spare;
	}
}
