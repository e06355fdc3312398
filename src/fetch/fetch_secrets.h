/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_secrets — the secrets that were sent or received lately.  A remote may repeat a secret; the program masks it
 * in messages and does not store or follow it in links and items.
 *
 * The newest FETCH_SECRETS_KEPT are known.  A text shorter than FETCH_SECRET_MIN is no secret: it would match parts of
 * ordinary words.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

#define FETCH_SECRET_MIN   8
#define FETCH_SECRET_PART  16 /* a part of this length is masked too */
#define FETCH_SECRETS_KEPT 8

struct fetch_secrets {
	struct buf known[FETCH_SECRETS_KEPT];
	size_t     next;
};

struct fetch_secrets *fetch_secrets_open(void); /* never NULL */
void                  fetch_secrets_close(struct fetch_secrets **secrets);
void                  fetch_secrets_note(struct fetch_secrets *secrets, struct str secret);

/* `secrets` may be NULL: none are known. */
bool fetch_secrets_stand_in(const struct fetch_secrets *secrets, struct str text);
bool fetch_secrets_stand_in_link(const struct fetch_secrets *secrets, struct str link, struct arena *arena);
/* Overwrites each secret, and each part of FETCH_SECRET_PART bytes or more, with asterisks. */
void fetch_secrets_mask(const struct fetch_secrets *secrets, char *text, size_t len);

/* The same for one secret. */
bool fetch_secret_stands_in(struct str secret, struct str text);
bool fetch_secret_stands_in_link(struct str secret, struct str link, struct arena *arena);
void fetch_secret_mask(struct str secret, char *text, size_t len);
