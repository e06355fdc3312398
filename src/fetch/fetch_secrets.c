/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_secrets.h"

#include <stdlib.h>

#include "base/bytes.h"

#define SECRET_MAX ((size_t)64 << 10)
#define LOOKED_FOR ((size_t)256) /* bytes of a secret; memmem() is fast only for so many */

bool
fetch_secret_stands_in(struct str secret, struct str text)
{
	struct str  start = str_first(secret, LOOKED_FOR);
	const char *found;

	if (secret.len < FETCH_SECRET_MIN)
		return false;
	found = memmem(text.at, text.len, start.at, start.len);
	return found && memmem(found, text.len - (size_t)(found - text.at), secret.at, secret.len) != NULL;
}

/* A faulty escape stands for itself: this only searches, it does not check the link. */
static struct str
unescaped(struct str link, struct arena *arena)
{
	char  *text = arena_take_raw(arena, link.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < link.len; i++) {
		int high = i + 2 < link.len && link.at[i] == '%' ? hex_value(link.at[i + 1]) : -1;
		int low = high >= 0 ? hex_value(link.at[i + 2]) : -1;

		text[len++] = (char)(low >= 0 ? high << 4 | low : link.at[i]);
		i += low >= 0 ? 2 : 0;
	}
	return str_of(text, len);
}

bool
fetch_secret_stands_in_link(struct str secret, struct str link, struct arena *arena)
{
	return fetch_secret_stands_in(secret, link) ||
	       (memchr(link.at, '%', link.len) && fetch_secret_stands_in(secret, unescaped(link, arena)));
}

/* The length of the text's longest prefix that is a part of the secret; 0 if below `least`. */
static size_t
common_len(struct str secret, struct str text, size_t least)
{
	size_t len = least;

	if (text.len < least || !memmem(secret.at, secret.len, text.at, least))
		return 0;
	while (len < text.len && len < secret.len && memmem(secret.at, secret.len, text.at, len + 1))
		len++;
	return len;
}

void
fetch_secret_mask(struct str secret, char *text, size_t len)
{
	size_t least = secret.len < FETCH_SECRET_PART ? secret.len : FETCH_SECRET_PART;

	if (secret.len < FETCH_SECRET_MIN)
		return;
	for (size_t at = 0; at + least <= len;) {
		size_t common = common_len(secret, str_of(text + at, len - at), least);

		memset(text + at, '*', common);
		at += common > 0 ? common : 1;
	}
}

struct fetch_secrets *
fetch_secrets_open(void)
{
	struct fetch_secrets *secrets = handle_new(sizeof(*secrets));

	for (size_t i = 0; i < FETCH_SECRETS_KEPT; i++)
		buf_open(&secrets->known[i], SECRET_MAX);
	return secrets;
}

void
fetch_secrets_close(struct fetch_secrets **secrets)
{
	if (!*secrets)
		return;
	for (size_t i = 0; i < FETCH_SECRETS_KEPT; i++)
		buf_close(&(*secrets)->known[i]);
	free(*secrets);
	*secrets = NULL;
}

void
fetch_secrets_note(struct fetch_secrets *secrets, struct str secret)
{
	struct buf *oldest = &secrets->known[secrets->next];

	if (secret.len < FETCH_SECRET_MIN)
		return;
	for (size_t i = 0; i < FETCH_SECRETS_KEPT; i++)
		if (str_eq(buf_str(&secrets->known[i]), secret))
			return;
	buf_cut(oldest, 0);
	buf_put(oldest, str_first(secret, SECRET_MAX));
	MUST(buf_err(oldest) == OK);
	secrets->next = (secrets->next + 1) % FETCH_SECRETS_KEPT;
}

bool
fetch_secrets_stand_in(const struct fetch_secrets *secrets, struct str text)
{
	for (size_t i = 0; secrets && i < FETCH_SECRETS_KEPT; i++)
		if (fetch_secret_stands_in(buf_str(&secrets->known[i]), text))
			return true;
	return false;
}

bool
fetch_secrets_stand_in_link(const struct fetch_secrets *secrets, struct str link, struct arena *arena)
{
	for (size_t i = 0; secrets && i < FETCH_SECRETS_KEPT; i++)
		if (fetch_secret_stands_in_link(buf_str(&secrets->known[i]), link, arena))
			return true;
	return false;
}

void
fetch_secrets_mask(const struct fetch_secrets *secrets, char *text, size_t len)
{
	for (size_t i = 0; secrets && i < FETCH_SECRETS_KEPT; i++)
		fetch_secret_mask(buf_str(&secrets->known[i]), text, len);
}
