/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list — one engine for every collection: options, filter, order, pages, count, links.  Private to the graph module.
 *
 * A source gives the items of its collection in a fixed order, each with its rank: bytes that rise along that order
 * and never change while the item lives.  A nextLink holds the rank of the last item of its page, not how many there
 * were.  So a walk by nextLinks gives each item that lives through the whole walk exactly once, whatever changes
 * meanwhile.  With $orderby the link also holds the last item's key; this is then true of items that keep their key.
 *
 *   list_read · list_open · list_take, item by item, while it returns true · list_close
 *
 * A list remembers its first failure and does nothing more.
 */
#pragma once

#include "graph/call.h"
#include "graph/filter.h"
#include "graph/page.h"

struct kept; /* an item of an ordered list, until the page is made */

struct list {
	struct call           *call;
	const struct resource *resource;
	uint64_t               top, skip;
	uint32_t               select;
	const struct filter   *filter;  /* NULL: all */
	bool                   counted; /* $count=true */
	bool                   ordered, descending;
	size_t                 order; /* the row it is ordered by */

	/* Where the page begins: what the nextLink holds. */
	bool          goes_on; /* it is not the first page */
	struct cursor cursor;  /* the state of the feed when the link was made */
	struct str    from, from_key;
	struct str    first; /* the rank of the item that came first, before its turn; empty: none */

	/* The page. */
	bool          more;
	bool          first_taken; /* on this page */
	uint64_t      found;       /* items of the collection that the filter lets pass */
	struct str    last, last_key;
	struct page   page;
	enum err      err;
	struct arena *scratch; /* for one item at a time */
	struct arena *keep[2]; /* ordered: the items kept, and room to move them */
	struct arena *table;   /* holds `kept` */
	struct kept  *kept;
	size_t        kept_count, kept_max, bytes, held;
};

/* Reads the options of the request and its nextLink, if there is one. */
enum err list_read(struct call *call, const struct resource *resource, struct list *list_out) MUST_CHECK;
/* Only the number of items is wanted, as the segment $count. */
bool list_is_count(const struct list *list);
/* The source begins with its first item, because all are counted or ordered.  Else it begins behind list->from. */
bool list_needs_all(const struct list *list);

/* Begins the page.  A list that was begun before begins again. */
void list_open(struct list *list, struct str context);
/* False: no more items are needed. */
bool list_take(struct list *list, const struct item *item, struct str rank);
/* The same for an item that comes first, before its turn.  Only on the first page of a list without an order. */
bool list_take_first(struct list *list, const struct item *item, struct str rank);
/* The source has read as much as one page may read; the next page begins behind that rank. */
void list_stop(struct list *list, struct str rank);
/* Writes what is left.  `state` is the feed's, for the nextLink; NULL: the list is of no feed. */
enum err list_close(struct list *list, const struct feed_state *state) MUST_CHECK;

void list_free(struct list *list); /* for AUTO(); fine if list_read() failed */
