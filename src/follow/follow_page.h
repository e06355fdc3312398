/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_page — one page of a delta round, taken apart without a tree.  Private to the follow module.
 *
 * A page is judged whole before its first item is given out: it is JSON by our rules, `value` is an
 * array of at most FOLLOW_PAGE_ITEMS_MAX, and exactly one of the two links is there.  What is wrong with a single item does not
 * concern the page, if it keeps JSON's grammar: such an item comes out as a dead letter.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "store/replica.h"

#define FOLLOW_PAGE_MAX       ((size_t)16 << 20)
#define FOLLOW_PAGE_ITEMS_MAX ((size_t)256 << 10)

struct fetch_secrets;

struct follow_spot { /* an item, where the pass over the page has found it */
	uint32_t    at, len, id_at, id_len, removed_at, removed_len; /* len 0: there is none; fits FOLLOW_PAGE_MAX */
	const char *fault; /* NULL, or why it can be no item, though the page can be divided into items */
};

struct follow_page {
	struct str                link;    /* views into the body, or in the arena */
	bool                      is_last; /* the link is the deltaLink */
	uint64_t                  hash;    /* of the items; 0 for an empty page */
	struct str                body;
	const struct follow_spot *spots; /* in the arena */
	size_t                    count, next;
};

struct follow_item {
	struct str        id, body;
	enum replica_life life;
	const char       *fault; /* not NULL: a dead letter, this is why; id and life mean nothing */
};

uint64_t follow_page_hash(struct str bytes); /* never 0; no match for who wants two to be equal */
/* ERR_UP_GARBLED: why_out has a sentence. */
enum err follow_page_read(struct str body, struct arena *arena, struct follow_page *page_out, struct str *why_out)
	MUST_CHECK;
/*
 * What seems to be the nextLink of a page that is not read yet: found near either end of it, and plain.  A guess: what
 * the page says is only what follow_page_read() says.
 */
bool follow_page_guess_next(struct str body, struct str *link_out);
bool follow_page_next(struct follow_page *page, struct arena *arena, struct follow_item *item_out);
/*
 * Of the item given out last, which holds a secret: its id, or where it stood; a JSON string, which no later try can take for
 * the item.  Two items do not look like one that came twice.  page_number: of the round, from 1.
 */
struct str follow_page_trace(const struct follow_page *page, const struct follow_item *item, uint64_t page_number,
                             const struct fetch_secrets *secrets, struct arena *arena);
/* One item by itself; for letters that are tried again.  The text must be JSON. */
void follow_item_read(struct str body, struct arena *arena, struct follow_item *item_out);

/* Does this answer say that the state in the link is no longer known, in any of the spellings in use? */
bool follow_says_gone(unsigned status, struct str body, bool link_has_state, struct arena *arena);
