/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_page — one page of a delta round, read without building a tree.  Private to the follow module.
 *
 * The whole page is checked before its first item is returned: it is JSON, `value` is an array of at most
 * FOLLOW_PAGE_ITEMS_MAX, and there is exactly one of the two links.  A bad item in good JSON does not make the page
 * bad; it becomes a dead letter.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "follow/follow_item.h"
#include "store/replica.h"

#define FOLLOW_PAGE_MAX       ((size_t)16 << 20)
#define FOLLOW_PAGE_ITEMS_MAX ((size_t)256 << 10)

struct fetch_secrets;

struct follow_span { /* len 0: missing */
	uint32_t at, len;
};

struct follow_spot { /* where an item and its members stand in the page; as struct follow_raw */
	struct follow_span body, id, removed, type;
	bool               has_facet, has_parts, has_noise;
	const char        *fault;
};

struct follow_page {
	struct str                link;       /* views into the body, or in the arena */
	bool                      is_last;    /* the link is the deltaLink */
	bool                      is_skimmed; /* its items are not whole */
	uint64_t                  hash;       /* of the items; 0 for an empty page */
	struct str                body;
	const struct follow_spot *spots; /* in the arena */
	size_t                    count, next;
	const struct resource *resource; /* of the scope; set before the first item is taken; NULL: the generic one */
};

uint64_t follow_page_hash(struct str bytes); /* never 0; not safe against attackers */
/*
 * ERR_UP_GARBLED: no JSON object, or an error; the same request may bring a page later.  ERR_FOREIGN: a JSON object
 * that is no page.  ERR_TOO_LARGE: too many items.  why_out has a sentence.
 */
enum err follow_page_read(struct str body, struct arena *arena, struct follow_page *page_out, struct str *why_out)
	MUST_CHECK;
/*
 * Guesses the nextLink of a page that is not read yet: looks near both ends for one without escapes.  Only
 * follow_page_read() knows the real link.
 */
bool follow_page_guess_next(struct str body, struct str *link_out);
bool follow_page_next(struct follow_page *page, struct arena *arena, struct follow_item *item_out);
/*
 * The text of a dead letter for the item returned last, which contains a secret: a JSON string with its id or its
 * position, so that a retry cannot take it for the item.  Different items get different texts.  page_number: of the
 * round, from 1.
 */
struct str follow_page_trace(const struct follow_page *page, const struct follow_item *item, uint64_t page_number,
                             const struct fetch_secrets *secrets, struct arena *arena);
