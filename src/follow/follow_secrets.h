/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_secrets — what a credential has shown or been shown lately, so that none of it comes back: neither in a
 * message, nor in a link, nor in an item, whoever repeats it.
 *
 * The newest FOLLOW_SECRETS_KEPT are known.  Shorter than FOLLOW_SECRET_MIN nothing counts as a secret: it would be
 * found in every other word.  Private to the follow module.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

#define FOLLOW_SECRET_MIN   8
#define FOLLOW_SECRET_PART  16 /* so much of one is too much in a message */
#define FOLLOW_SECRETS_KEPT 8

struct follow_secrets {
	struct buf known[FOLLOW_SECRETS_KEPT];
	size_t     next;
};

struct follow_secrets *follow_secrets_open(void); /* never NULL */
void                   follow_secrets_close(struct follow_secrets **secrets);
void                   follow_secrets_note(struct follow_secrets *secrets, struct str secret);

/* `secrets` may be NULL: nothing is known. */
bool follow_secrets_stand_in(const struct follow_secrets *secrets, struct str text);
bool follow_secrets_stand_in_link(const struct follow_secrets *secrets, struct str link, struct arena *arena);
/* Every stretch of the text that is one, or FOLLOW_SECRET_PART bytes of one, becomes asterisks. */
void follow_secrets_mask(const struct follow_secrets *secrets, char *text, size_t len);

/* The same with a single one. */
bool follow_secret_stands_in(struct str secret, struct str text);
bool follow_secret_stands_in_link(struct str secret, struct str link, struct arena *arena);
void follow_secret_mask(struct str secret, char *text, size_t len);
